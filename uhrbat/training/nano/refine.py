"""Teach the similarity to tell objects from their lookalikes, on tokens that were encoded once.

A window of the tower's training holds few tokens that nearly look like a car; a whole picture holds hundreds, and the
best of them outrank the cars. Here whole pictures are searched for them, and what is between a token's features and
the vector that is compared with text learns to part them. Towers and texts stay as they are.

    python -m uhrbat.training.nano.refine --tokens runs/tokens --weights runs/nano --out runs/refined
"""

from __future__ import annotations

import argparse
import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uhrbat.checkpoints import loading
from uhrbat.data.kinds import INDEX, TOWER_KINDS, plural
from uhrbat.geometry import SCALES
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.network.towers import DenseSimilarity
from uhrbat.training.nano.config import POINT_BINS
from uhrbat.training.nano.phrases import Phrases, PhraseSampler
from uhrbat.training.nano.pool import PoolWorld, available
from uhrbat.training.nano.pretrain import encode_texts
from uhrbat.training.nano.tokens import WorldTokens, paths_of
from uhrbat.worlds import COLORS, KIND_COLORS, KINDS

HIDDEN = 512
DROPPED = 0.15
HARD_REAL, HARD_WORLD = (30, 60, 120, 240), (8, 16, 32, 64)
"""Most alike tokens of each scale that are taken for each text that names what is not there."""
MOST_OBJECTS, PLAIN = 3000, 1500
"""Tokens of a world: at most so many that show objects, and so many at random."""
NOT, SHOWN, UNKNOWN = 0, 1, -1
SMALLEST = 4.0
"""Longer side, in pixels of its scale, of the smallest object of a real picture that is taught."""
BEST = 100
"""Of each text's tokens that do not show it, how many count in full: the most alike."""
EVERY = 0.2
"""Weight of the mean over all of an object's middles; its best token, at whatever scale, counts in full."""
OTHERS, DRIFT = 0.5, 0.03
AVERAGED = 0.99
logger = logging.getLogger(__name__)


@dataclass
class Kept:
    """Tokens of one world to train on: features float16[n, width], state int8[kinds, n] (SHOWN, NOT, UNKNOWN), color
    int64[n], center bool[n], owner int64[n]: the object or -1; is_real: of real pictures."""

    features: np.ndarray
    state: np.ndarray
    color: np.ndarray
    center: np.ndarray
    owner: np.ndarray
    is_real: bool


def states(world: WorldTokens, size: int) -> np.ndarray:
    """int8[kinds, grid²]: what each token of a scale is to each kind. What lies beside an object is unknown."""
    labels = world.labels[size]
    owned = labels.owner >= 0
    beside = (cv2.dilate(owned.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~owned
    out = np.full((len(TOWER_KINDS), owned.size), UNKNOWN, np.int8)
    for kind in world.known or KINDS:
        own = np.where(owned & (labels.kind == INDEX[kind]), SHOWN, NOT).astype(np.int8)
        own[(beside | labels.ignore) & (own == NOT)] = UNKNOWN
        out[INDEX[kind]] = own.reshape(-1)
    if world.known:
        sides = [max(b[2] - b[0], b[3] - b[1]) * size / SCALES[-1] for b in (item["box"] for item in world.objects)]
        small = np.array([side < SMALLEST for side in sides] + [False])[labels.owner]
        out[:, small.reshape(-1)] = UNKNOWN
    return out


class Miner:
    """Chooses the tokens of each world that are worth training on, by what the model takes for what."""

    def __init__(self, model: Network, codec: TextCodec, rng: np.random.Generator) -> None:
        self.model, self.rng = model, rng
        named = [(INDEX[kind], None, text) for kind in KINDS for text in (kind, f"How many {plural(kind)} are there?")]
        colored = [(INDEX[k], COLORS.index(c), f"{c} {k}") for k in KINDS for c in KIND_COLORS[k] or ()]
        self.texts = [*named, *colored]
        similarity = model.dense_similarity()
        with torch.no_grad():
            pairs = encode_texts(codec, [text for _, _, text in self.texts], similarity.max_text_tokens)
            self.vectors = similarity.text_vectors(*pairs)

    @torch.no_grad()
    def keep(self, world: WorldTokens) -> Kept:
        parts = []
        counts = HARD_REAL if world.known else HARD_WORLD
        for level, size in enumerate(SCALES):
            labels, state = world.labels[size], states(world, size)
            features = world.features[size].reshape(state.shape[1], -1)
            asked = [i for i, (kind, hue, _) in enumerate(self.texts) if self._asks(world, kind, hue)]
            visual = self.model.similarity_vectors(torch.from_numpy(features).float())
            chosen = [self._objects(labels.owner.reshape(-1), labels.center.reshape(-1))]
            background = np.flatnonzero(labels.owner.reshape(-1) < 0)
            share = round(PLAIN * (0.1, 0.2, 0.3, 0.4)[level])
            chosen.append(self.rng.choice(background, share, replace=False))
            color = labels.color.reshape(-1)
            for index, scores in zip(asked, (visual @ self.vectors[asked].T).T):
                kind, hue, _ = self.texts[index]
                wrong = state[kind] == NOT
                if hue is not None:
                    wrong |= (state[kind] == SHOWN) & (color != hue)
                alike = torch.where(torch.from_numpy(wrong), scores, -torch.inf)
                found = alike.topk(counts[level] // (2 if hue is not None else 1)).indices.numpy()
                chosen.append(found[wrong[found]])
            rows = np.unique(np.concatenate(chosen))
            center, owner = labels.center.reshape(-1)[rows], labels.owner.reshape(-1)[rows].astype(np.int64)
            parts.append((features[rows], state[:, rows], color[rows].astype(np.int64), center, owner))
        f, s, c, m, o = zip(*parts)
        joined = np.concatenate
        return Kept(joined(f), joined(s, 1), joined(c), joined(m), joined(o), bool(world.known))

    @staticmethod
    def _asks(world: WorldTokens, kind: int, hue: int | None) -> bool:
        """Whether what a text names is known of every token of a world."""
        return not world.known or (hue is None and TOWER_KINDS[kind] in world.known)

    def _objects(self, owner: np.ndarray, center: np.ndarray) -> np.ndarray:
        """Tokens of objects, middles first where they are too many."""
        mine = np.flatnonzero(owner >= 0)
        order = np.argsort(self.rng.random(len(mine)) - center[mine])
        return mine[order[: MOST_OBJECTS // len(SCALES)]]


def loss_of(logits: Tensor, before: Tensor, kept: Kept, phrases: Phrases) -> Tensor:
    """What shows a text should match it, the most alike of what does not should not; the rest stays as it was.

    logits, before: float[n, texts], now and before this training.
    """
    state, color = torch.from_numpy(kept.state)[None], torch.from_numpy(kept.color)[None]
    shown, known = (found[0] for found in phrases.truth(state, color))
    middles = torch.from_numpy(kept.center)[:, None] & shown
    every = (F.softplus(-logits) * middles).sum(0) / middles.sum(0).clamp(min=1)
    owner = torch.from_numpy(kept.owner)[:, None].expand_as(logits) + 1
    best = logits.new_full((int(owner.max()) + 1, logits.shape[1]), -20.0)
    best = best.scatter_reduce(0, owner, torch.where(shown, logits, -20.0), "amax")
    asked = best > -20
    found = (F.softplus(-best) * asked).sum(0) / asked.sum(0).clamp(min=1) + EVERY * every
    wrong = torch.where(known & ~shown, logits, -20.0)
    count = (known & ~shown).sum(0).clamp(min=1)
    worst = F.softplus(wrong.topk(min(BEST, len(wrong)), 0).values).mean(0)
    others = F.softplus(wrong).sum(0) / count
    taught = (known & ~shown).any(0) | shown.any(0)
    part = (found + worst + OTHERS * others) * taught
    drift = ((logits - before) ** 2 * ~known).mean()
    if not kept.is_real:
        drift = drift + ((logits - before) ** 2).mean()
    return part.sum() / taught.sum().clamp(min=1) + DRIFT * drift


def with_refinement(model: Network, hidden: int) -> Network:
    """The same model with a fresh layer that tells lookalikes apart, which changes nothing yet."""
    out = Network(replace(model.config, similarity_hidden=hidden)).eval()
    missing = out.load_state_dict(model.state_dict(), strict=False)
    assert not missing.unexpected_keys and all(name.startswith("similarity.refine.") for name in missing.missing_keys)
    return out


def train(
    model: Network,
    worlds: Sequence[Path],
    sampler: PhraseSampler,
    codec: TextCodec,
    steps: int,
    rounds: int,
    rate: float,
) -> None:
    """Search the worlds for lookalikes `rounds` times, evenly over the steps, and train on what was found last; the
    weights are then the averaged ones."""
    rng, similarity = sampler.rng, model.dense_similarity()
    assert similarity.refine is not None
    before = copy.deepcopy(similarity)
    trained: list[Tensor] = [similarity.visual_projection.weight, similarity.logit_scale, similarity.logit_bias]
    trained += list(similarity.refine.parameters())
    model.requires_grad_(False)
    for weight in trained:
        weight.requires_grad_(True)
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.02)
    average = [weight.detach().clone() for weight in trained]
    kept: list[Kept] = []
    numbers: dict[str, float] = {}
    began = time.time()
    for step in range(steps):
        if step % max(1, steps // rounds) == 0:
            kept = [Miner(model, codec, rng).keep(WorldTokens.load(path)) for path in worlds]
            found = sum(len(one.center) for one in kept)
            logger.info("%d %.0f s %d tokens of %d worlds", step, time.time() - began, found, len(kept))
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50, 0.02 + (1 - step / steps) / 0.5)
        phrases = sampler.draw(6, 8)
        losses = []
        for one in drawn(kept, rng):
            loss = loss_on(model, before, one, phrases)
            name, cost = "real" if one.is_real else "worlds", float(loss.detach())
            numbers[name] = 0.98 * numbers.get(name, cost) + 0.02 * cost
            losses.append(loss)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(trained, 2.0)
        optimizer.step()
        with torch.no_grad():
            for mean, weight in zip(average, trained):
                mean.lerp_(weight, 1 - min(AVERAGED, (step + 1) / (step + 10)))
        if (step + 1) % 50 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in numbers.items())
            logger.info("%d %.0f s %s", step + 1, time.time() - began, shown)
    with torch.no_grad():
        for mean, weight in zip(average, trained):
            weight.copy_(mean)


def drawn(kept: Sequence[Kept], rng: np.random.Generator) -> list[Kept]:
    """What a step is trained on: three of real pictures and two generated worlds, where there are so many."""
    out = []
    for is_real, count in ((True, 3), (False, 2)):
        some = [one for one in kept if one.is_real == is_real]
        out += [some[index] for index in rng.permutation(len(some))[:count]]
    return out


def loss_on(model: Network, before: DenseSimilarity, kept: Kept, phrases: Phrases) -> Tensor:
    """`loss_of` the tokens of one world. before: the similarity as it was; in training some of the new layer's values
    are dropped."""
    similarity = model.dense_similarity()
    refine: nn.Sequential = cast(nn.Sequential, similarity.refine)
    features = cast(nn.Module, model.vision.post_layernorm)(torch.from_numpy(kept.features).float())
    with torch.no_grad():
        text = similarity.text_vectors(phrases.ids, phrases.mask)
        old = before.logits(before.visual_vectors(features), text)
    wide = F.dropout(refine[1](refine[0](features)), DROPPED)
    visual = F.normalize(similarity.visual_projection(features) + refine[2](wide), dim=-1)
    return loss_of(similarity.logits(visual, text), old, kept, phrases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=Path, default=Path("runs/tokens"))
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"), help="worlds whose questions are compared too")
    parser.add_argument("--weights", type=Path, default=Path("runs/nano"))
    parser.add_argument("--out", type=Path, default=Path("runs/refined"))
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--steps", type=int, default=3500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = loading.tokenizer_of(args.weights)
    codec = TextCodec(tokenizer, POINT_BINS)
    model = loading.load(str(args.weights), torch.device("cpu"), torch.float32).network
    if not model.config.similarity_hidden:
        model = with_refinement(model, args.hidden)
    rng = np.random.default_rng(args.seed)
    asked = [PoolWorld(args.pool, seed) for seed in available(args.pool)]
    sampler = PhraseSampler(codec, model.dense_similarity().max_text_tokens, rng, asked)
    train(model, paths_of(args.tokens), sampler, codec, args.steps, args.rounds, args.rate)
    loading.save(model, tokenizer, args.out, torch.float16)


if __name__ == "__main__":
    main()
