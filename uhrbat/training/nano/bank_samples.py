"""Samples for stage two: what a sparse world of the bank hands to the language model, and questions about it.

An image sample holds the tokens that the pipeline would preserve and the averages of regions that it would merge. A
blind sample holds none: its targets' places are given, not learnt, and only what follows from them is: counting what
was listed, and in which part or direction it lies. A coarse sample holds the coarsest scale alone, which the released
scoring reads: it teaches where to look, and no answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from uhrbat import grammar
from uhrbat.budget import RELEASED_BUDGETS
from uhrbat.geometry import SCALES
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.selection.importance import LEAST_LOGIT, limited, similarity_logits
from uhrbat.training.nano.bank import BankWorld, draw_subset, oriented, sparse_world
from uhrbat.training.nano.pretrain import encode_texts
from uhrbat.training.nano.virtual import bare_world, virtual_world
from uhrbat.worlds import LAND_COVERS, World, WorldQuestion, plain_questions, questions

QUESTIONS = 12
MORE_OF = {"color": 3.0, "relative position": 1.5, "land cover": 3.0, "count": 2.5}
BLIND_TYPES = ("count", "absolute position", "relative position")
DECISION, PLACE = 3.0, 1.0
DISORDER = (0.0, 1.0, 2.5)
REAL_SHARE = 0.4
"""Of the samples, how many are of real pictures."""
UNCERTAIN, MISTAKEN = 0.5, 0.05
"""How many samples of real pictures have uncertain similarities, and of how many tokens in one, at most, they are much
too high (`SampleDrawer`)."""
MOST_OBJECTS = 0.7
"""Largest share of a sample's tokens that objects have: of large ones some tokens are left out, middles last."""
FINE = 2
IGNORED = -100
"""The label of an id that is not learnt."""
NO_BLOCK = -1
"""The block of padding, which belongs to no question."""
Row = tuple[int, int, np.ndarray]
Listed = tuple[int, int, tuple[float, float], np.ndarray]


@dataclass
class Sample:
    """One sparse world's tokens and questions.

    Tokens: features [n, width], level, xy, owner (object or -1), center (holds its object's centre). Regions, each as
    some of its tokens: merged [r, m, width], merged_level [r], merged_xy [r, m, 2]. disorder [objects]: how many rows
    each is moved by in the order of the lists. similarity [questions, n]: logits of each token with each question; of
    regions they are the lowest. blind: places are not learnt. coarse: only attention is, and the logits are zero.
    """

    features: np.ndarray
    level: np.ndarray
    xy: np.ndarray
    owner: np.ndarray
    center: np.ndarray
    merged: np.ndarray
    merged_level: np.ndarray
    merged_xy: np.ndarray
    questions: list[WorldQuestion]
    world: World
    disorder: np.ndarray
    similarity: np.ndarray
    blind: bool = False
    coarse: bool = False


def reading_order(
    world: World, question: WorldQuestion, codec: TextCodec, disorder: np.ndarray | None = None
) -> list[int]:
    """Evidence objects as the target lists them: by row, then column; relative position: subject, reference.

    disorder: float[objects] rows that each is moved by. Whoever has only ever read in perfect order passes over what
    it missed in a row that it left; a model that lists by its own judgement of rows must look back a little.
    """
    if question.type == "relative position":
        return list(question.evidence)
    places = {i: center(world, i) for i in question.evidence}
    moved = np.zeros(len(world.objects)) if disorder is None else disorder
    return sorted(places, key=lambda i: (codec.bin(places[i][1]) + moved[i], codec.bin(places[i][0])))


def center(world: World, index: int) -> tuple[float, float]:
    """Centre (x, y) of an object in 0..1 of the world."""
    x, y = world.objects[index].center
    return x / world.size, y / world.size


def follows(question: WorldQuestion) -> bool:
    """Whether the answer follows from the places of the evidence."""
    return question.type in BLIND_TYPES and bool(question.evidence)


def some_questions(
    world: World, seed: int, count: int, rng: np.random.Generator, known: Sequence[str] | None = None
) -> list[WorldQuestion]:
    """`count` questions about a world, hard types oftener (MORE_OF); known: kinds to ask about alone."""
    if known is not None:
        return [as_read(question) for question in plain_questions(world, known, seed, count)]
    asked = questions(world, seed, 2 * count)
    keys = [rng.exponential() / MORE_OF.get(question.type, 1.0) for question in asked]
    return [as_read(asked[i]) for i in np.argsort(keys)[:count]]


def as_read(question: WorldQuestion) -> WorldQuestion:
    """A question in the one phrasing in which nano is asked it (`uhrbat.grammar`)."""
    return replace(question, text=grammar.read(question.text).text)


class SampleDrawer:
    """Draws samples from the bank, worlds added to it meanwhile too; question vectors are cached by text."""

    def __init__(self, folder: Path, model: Network, codec: TextCodec, rng: np.random.Generator) -> None:
        self.folder, self.model, self.codec, self.rng = folder, model, codec, rng
        self.worlds: dict[Path, BankWorld] = {}
        self.vectors: dict[str, np.ndarray] = {}
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*.safetensors")):
            if path not in self.worlds:
                self.worlds[path] = BankWorld.load(path)
        self.order = list(self.worlds.values())

    @torch.no_grad()
    def question_vectors(self, texts: list[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        if new:
            similarity = self.model.dense_similarity()
            ids, mask = encode_texts(self.codec, new, similarity.max_text_tokens)
            for text, vector in zip(new, similarity.text_vectors(ids, mask).numpy()):
                self.vectors[text] = vector
        return np.stack([self.vectors[text] for text in texts])

    def draw(self, tokens: int, count: int = QUESTIONS, coarse: bool = False) -> Sample:
        """A sample with about `tokens` image tokens: all of the chosen objects', the most similar others, and regions.

        coarse: those of the coarsest scale, and no regions.
        """
        rng = self.rng
        real = [world for world in self.order if world.known]
        generated = [world for world in self.order if not world.known]
        some = real if real and (not generated or rng.random() < REAL_SHARE) else generated
        bank = some[rng.integers(len(some))]
        subset = draw_subset(bank, rng)
        way = int(rng.integers(8))
        seed = int(rng.integers(2**31))
        regions, land_cover = self._regions(bank)
        world = sparse_world(bank, subset, way, seed)
        world = bare_world(list(world.objects), land_cover, seed)
        asked = some_questions(world, seed, count, rng, bank.known)
        position = np.full(len(bank.objects) + 1, -1)
        position[subset] = np.arange(len(subset))
        owner = np.where(bank.owner >= 0, position[bank.owner], -1)
        mine = np.flatnonzero((owner >= 0) & ((bank.scale == 0) | (not coarse)))
        mine = mine[bank.center[mine] | (rng.random(len(mine)) < rng.uniform(0.3, 1.0))]
        most = max(48, int(MOST_OBJECTS * tokens))
        if len(mine) > most:
            mine = mine[np.argsort(rng.random(len(mine)) - bank.center[mine])[:most]]
        left = max(16, tokens - len(mine))
        regions = regions[: 0 if coarse else max(8, int(left * rng.choice((0.3, 0.6, 0.9))))]
        shares = {SCALES[0]: 1} if coarse else RELEASED_BUDGETS
        kept = np.concatenate([mine, self._most_similar(bank, asked, max(8, left - len(regions)), shares)])
        seen = np.zeros((len(asked), len(kept)), np.float32)
        if not coarse:
            seen = self._similarity(bank.visual[kept], asked, owner[kept] < 0 if bank.known else None)
        return Sample(
            bank.features[kept],
            bank.scale[kept],
            oriented(bank.xy[kept], way),
            owner[kept],
            bank.center[kept],
            bank.region_features[regions],
            bank.region_scale[regions],
            oriented(bank.region_xy[regions], way),
            asked,
            world,
            self._disorder(world),
            seen,
            coarse=coarse,
        )

    @torch.no_grad()
    def _similarity(self, visual: np.ndarray, asked: list[WorldQuestion], background: np.ndarray | None) -> np.ndarray:
        """float32[questions, n]: limited logits of vectors float[n, p]; background: bool[n], of a real picture.

        In half of the real samples they are as uncertain as in pictures never seen, where lookalikes have logits that
        no lookalike of the training has: all a little off, and some of the background's much too high.
        """
        vectors = torch.from_numpy(self.question_vectors([question.text for question in asked]))
        logits = similarity_logits(self.model, torch.from_numpy(visual.astype(np.float32)), vectors).T.numpy()
        if background is not None and self.rng.random() < UNCERTAIN:
            logits = logits + self.rng.normal(size=logits.shape, scale=self.rng.uniform(0, 1.5)).astype(np.float32)
            mistaken = background & (self.rng.random(logits.shape) < self.rng.uniform(0, MISTAKEN))
            logits = logits + mistaken * self.rng.uniform(0, 6, logits.shape).astype(np.float32)
        return limited(torch.from_numpy(logits)).numpy()

    def _disorder(self, world: World) -> np.ndarray:
        return self.rng.normal(size=len(world.objects)) * self.rng.choice(DISORDER)

    def _regions(self, bank: BankWorld) -> tuple[np.ndarray, str]:
        """Regions in random order, of which another land cover than the world's own may be the largest."""
        rng = self.rng
        covers = np.bincount(bank.region_land, minlength=len(LAND_COVERS))
        main = int(rng.choice(np.flatnonzero(covers >= max(8, 0.04 * covers.sum()))))
        own = np.flatnonzero(bank.region_land == main)
        others = np.flatnonzero(bank.region_land != main)
        share = rng.uniform(0.55, 0.8)
        most = int(len(own) * (1 - share) / share)
        regions = np.concatenate([own, rng.permutation(others)[:most]])
        return rng.permutation(regions), LAND_COVERS[main]

    def _most_similar(
        self, bank: BankWorld, asked: list[WorldQuestion], count: int, shares: dict[int, int]
    ) -> np.ndarray:
        """Background tokens that look most like what the questions ask for, more or less of it random."""
        rng = self.rng
        background = np.flatnonzero(bank.owner < 0)
        background = background[rng.random(len(background)) < rng.uniform(0.3, 1.0)]
        vectors = self.question_vectors([question.text for question in asked])
        best = (bank.visual[background].astype(np.float32) @ vectors.T).max(1)
        best += rng.gumbel(size=len(best)).astype(np.float32) * rng.choice((0.01, 0.1, 1.0))
        chosen = []
        for size, weight in shares.items():
            here = np.flatnonzero(bank.scale[background] == SCALES.index(size))
            share = min(len(here), max(1, round(count * weight / sum(shares.values()))))
            chosen.append(background[here[np.argpartition(-best[here], share - 1)[:share]]])
        return np.concatenate(chosen)

    def blind(self, count: int = QUESTIONS) -> Sample:
        """A sample without an image: what follows from places alone."""
        rng = self.rng
        seed = int(rng.integers(2**31))
        world = virtual_world(rng, seed)
        asked = [as_read(q) for q in questions(world, seed, 2 * count) if follows(q)]
        width = self.order[0].features.shape[1]
        empty = np.zeros((0, width), np.float16), np.zeros(0, np.int64), np.zeros((0, 2), np.float32)
        none = np.zeros(0, np.int64)
        regions = np.zeros((0, 1, width), np.float16), none, np.zeros((0, 1, 2), np.float32)
        disorder, unlike = self._disorder(world), np.zeros((count, 0), np.float32)
        return Sample(*empty, none, np.zeros(0, bool), *regions, asked[:count], world, disorder, unlike, True)


@dataclass
class Batch:
    """Samples padded to one shape. features float[B, n, width], level int[B, n], xy float[B, n, 2]; merged
    float[B, r, m, width], merged_level int[B, r], merged_xy float[B, r, m, 2]; real bool[B, n + r]; similarity
    float[B, q, n + r]; ids, labels, block, position int[B, T], weight float[B, T] of each label in the loss. Rows of
    text whose attention is taught, as (sample, row, image tokens): asked: the last prompt token and all evidence;
    pointing: what predicts a location token or the colour, and the tokens of the object. listed: where a point is
    complete, as (sample, row, (x, y), the tokens of its object).
    """

    features: Tensor
    level: Tensor
    xy: Tensor
    merged: Tensor
    merged_level: Tensor
    merged_xy: Tensor
    real: Tensor
    similarity: Tensor
    ids: Tensor
    labels: Tensor
    block: Tensor
    position: Tensor
    weight: Tensor
    asked: list[Row]
    pointing: list[Row]
    listed: list[Listed]


@dataclass(frozen=True)
class Text:
    """A question and its target as the language model reads them; rows count from the question's first id.

    ids, labels: int[T], IGNORED where nothing is learnt; weight: float32[T] of each label in the loss. Rows whose
    attention is taught, each with its image tokens: asked, the last prompt token; pointing, what predicts a place or
    the colour. listed: rows at which a point is complete, with its (x, y) and the tokens of its object.
    """

    ids: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    asked: list[tuple[int, np.ndarray]]
    pointing: list[tuple[int, np.ndarray]]
    listed: list[tuple[int, tuple[float, float], np.ndarray]]


def padded(arrays: Sequence[np.ndarray], dtype: type, fill: int = 0) -> Tensor:
    """Arrays [n, ...] -> tensor [B, longest n, ...], `fill` after each."""
    shape = np.max([array.shape for array in arrays], 0)
    out = np.full((len(arrays), *shape), fill, dtype)
    for row, array in zip(out, arrays):
        row[tuple(slice(0, n) for n in array.shape)] = array
    return torch.from_numpy(out)


def collate(samples: list[Sample], codec: TextCodec) -> Batch:
    """Samples, with all questions of each in one row, as one batch."""
    texts = [[one_text(sample, question, codec) for question in sample.questions] for sample in samples]
    asked: list[Row] = []
    pointing: list[Row] = []
    listed: list[Listed] = []
    for index, row in enumerate(texts):
        start = 0
        for text in row:
            asked += [(index, start + place, tokens) for place, tokens in text.asked]
            pointing += [(index, start + place, tokens) for place, tokens in text.pointing]
            listed += [(index, start + place, point, tokens) for place, point, tokens in text.listed]
            start += len(text.ids)

    def joined(of_text: Callable[[int, Text], np.ndarray], dtype: type = np.int64, fill: int = 0) -> Tensor:
        return padded([np.concatenate([of_text(*pair) for pair in enumerate(row)]) for row in texts], dtype, fill)

    similarity = padded([sample.similarity for sample in samples], np.float32)
    merged_real = padded([np.ones(len(sample.merged_level), bool) for sample in samples], bool)
    of_merged = torch.full((*similarity.shape[:2], merged_real.shape[1]), LEAST_LOGIT)
    of_merged[torch.tensor([sample.coarse for sample in samples])] = 0
    return Batch(
        features=padded([sample.features for sample in samples], np.float32),
        level=padded([sample.level for sample in samples], np.int64),
        xy=padded([sample.xy for sample in samples], np.float32),
        merged=padded([sample.merged for sample in samples], np.float32),
        merged_level=padded([sample.merged_level for sample in samples], np.int64),
        merged_xy=padded([sample.merged_xy for sample in samples], np.float32),
        real=torch.cat([padded([np.ones(len(sample.level), bool) for sample in samples], bool), merged_real], 1),
        similarity=torch.cat([similarity, of_merged], 2),
        ids=joined(lambda _, text: text.ids),
        labels=joined(lambda _, text: text.labels, fill=IGNORED),
        block=joined(lambda block, text: np.full(len(text.ids), block), fill=NO_BLOCK),
        position=joined(lambda _, text: np.arange(len(text.ids))),
        weight=joined(lambda _, text: text.weight, np.float32),
        asked=asked,
        pointing=pointing,
        listed=listed,
    )


def one_text(sample: Sample, question: WorldQuestion, codec: TextCodec) -> Text:
    """One question of a sample with its target.

    Where the listing may end, the next place and the answer weigh the same, so that neither is preferred.
    """
    prompt = codec.prompt(question.text).after
    listed = reading_order(sample.world, question, codec, sample.disorder)
    target = codec.answer_ids(question.answer, [center(sample.world, i) for i in listed])
    places = 2 * len(listed)
    given = len(target) if sample.coarse else places if sample.blind else 0
    labels = [IGNORED] * (len(prompt) - 1 + given) + target[given:]
    weight = np.full(len(labels), DECISION, np.float32)
    last = len(prompt) - 1
    weight[last + 1 : last + places : 2] = PLACE
    asked, pointing = [], []
    if not sample.blind:
        evidence = np.flatnonzero(np.isin(sample.owner, listed))
        asked.append((last, evidence))
        for place, item in enumerate(() if sample.coarse else listed):
            tokens = np.flatnonzero(sample.owner == item)
            pointing += [(last + 2 * place, tokens), (last + 2 * place + 1, tokens)]
        if question.type == "color" and not sample.coarse:
            clear = evidence[sample.center[evidence] & (sample.level[evidence] >= FINE)]
            pointing.append((last + places, clear if len(clear) else evidence))
    ids = prompt + target[:-1]
    of = [np.flatnonzero(sample.owner == item) for item in listed]
    points = [(row, point, tokens) for (row, point), tokens in zip(codec.points(ids), of)]
    return Text(np.array(ids), np.array(labels), weight, asked, pointing, points)
