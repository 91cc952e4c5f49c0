"""Texts to compare tokens with, each with the kinds and colours that it names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uhrbat.data.kinds import INDEX, SYNONYMS, TOWER_KINDS, plural
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.pool import NO_COLOR, PoolWorld
from uhrbat.training.nano.pretrain import encode_texts
from uhrbat.worlds import COLORS, KIND_COLORS, KINDS

Target = tuple[int, int]
"""Index into TOWER_KINDS, and into COLORS or -1 for any colour."""
ANY = -1
TEMPLATES = (
    "{one}",
    "{many}",
    "How many {many} are there?",
    "How many {many} are there in the image?",
    "How many {many} can you see?",
    "What is the number of {many} in the image?",
    "Count the {many}.",
    "Is there {a} in the image?",
    "Is there {a} in this picture?",
    "Is {a} visible in the image?",
    "Are there any {many}?",
    "Can you see {a}?",
    "Where is the {one}?",
    "Where are the {many}?",
    "What is the position of the {one}?",
    "What color is the {one}?",
    "What colour is the {one}?",
    "Find the {many}.",
    "Show every {one}.",
)


@dataclass(frozen=True)
class Phrases:
    """Texts of one step. ids, mask: int64[n, L]; targets: what each names, none of which may be shown."""

    ids: Tensor
    mask: Tensor
    targets: list[list[Target]]

    def of_kind(self, kind: int) -> list[int]:
        """Indices of the texts that name this kind alone, of any colour."""
        return [index for index, named in enumerate(self.targets) if named == [(kind, ANY)]]

    def truth(self, state: Tensor, color: Tensor) -> tuple[Tensor, Tensor]:
        """What each token is to each text: state int8[b, kinds, t], color int64[b, t] ->
        (shown, known) bool[b, t, n]. Shown: it shows something that the text names."""
        shown, known = [], []
        for named in self.targets:
            here = torch.zeros(state.shape[0], state.shape[2], dtype=torch.bool)
            unsure = torch.zeros_like(here)
            for kind, hue in named:
                is_kind = state[:, kind] == 1
                unsure |= state[:, kind] < 0
                if hue == ANY:
                    here |= is_kind
                else:
                    here |= is_kind & (color == hue)
                    unsure |= is_kind & (color == NO_COLOR)
            shown.append(here)
            known.append(here | ~unsure)
        return torch.stack(shown, -1), torch.stack(known, -1)


class PhraseSampler:
    """Draws texts: each kind in some words of its own, kinds with colours, and questions of generated worlds."""

    def __init__(self, codec: TextCodec, limit: int, rng: np.random.Generator, worlds: Iterable[PoolWorld]) -> None:
        self.codec, self.limit, self.rng = codec, limit, rng
        self.asked: dict[str, list[Target]] = {}
        for world in worlds:
            for question in world.questions:
                self.asked.setdefault(question["text"], [(kind, hue) for kind, hue in question["targets"]])
        self.texts = sorted(self.asked)

    def draw(self, colored: int = 6, asked: int = 12) -> Phrases:
        """Every kind once or twice, `colored` kinds with a colour, `asked` questions of the worlds."""
        chosen: list[tuple[str, list[Target]]] = []
        for index, name in enumerate(TOWER_KINDS):
            chosen.append((self.worded(name), [(index, ANY)]))
        for _ in range(colored):
            kind = KINDS[self.rng.integers(len(KINDS))]
            hues = KIND_COLORS[kind]
            if hues:
                hue = hues[self.rng.integers(len(hues))]
                chosen.append((self.worded(kind, hue), [(INDEX[kind], COLORS.index(hue))]))
        for index in self.rng.choice(len(self.texts), min(asked, len(self.texts)), replace=False):
            text = self.texts[index]
            chosen.append((self.reworded(text, self.asked[text]), self.asked[text]))
        return self.phrases(chosen)

    def phrases(self, chosen: Sequence[tuple[str, list[Target]]]) -> Phrases:
        ids, mask = encode_texts(self.codec, [text for text, _ in chosen], self.limit)
        return Phrases(ids, mask, [list(named) for _, named in chosen])

    def worded(self, kind: str, hue: str | None = None) -> str:
        """A text that names one kind: by its own name or, one time in four, another word for it."""
        names = SYNONYMS[kind]
        noun = names[self.rng.integers(len(names))] if self.rng.random() < 0.25 else kind
        one, many = (f"{hue} {noun}", f"{hue} {plural(noun)}") if hue else (noun, plural(noun))
        a = f"an {one}" if one[0] in "aeiou" else f"a {one}"
        template = TEMPLATES[0 if self.rng.random() < 0.3 else self.rng.integers(len(TEMPLATES))]
        return template.format(one=one, many=many, a=a)

    def reworded(self, text: str, named: list[Target]) -> str:
        """A question of the worlds, one time in eight with another word for the kind it names."""
        if self.rng.random() >= 0.125 or len(named) != 1:
            return text
        kind = TOWER_KINDS[named[0][0]]
        other = SYNONYMS[kind][self.rng.integers(len(SYNONYMS[kind]))]
        return text.replace(plural(kind), plural(other)).replace(kind, other)
