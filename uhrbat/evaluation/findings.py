"""The layout of what the evaluations write and the explorer's Findings page reads.

frontier.json, loss.json and real.json are each one dataclass of this module as JSON (`write`, `read_frontier`,
`read_loss`, `read_real`); those of the evaluations with looks are in `looks.findings`. Shares lie in 0..1; `low` and
`high` bound the 95 % bootstrap interval, scenes resampled; boxes are (x0, y0, x1, y1) in pixels of the scene's picture.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from uhrbat.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from uhrbat.engine import UHRBAT
    from uhrbat.settings import Settings

MODEL_ITSELF = "the model itself"
"""The cause of a loss whose evidence was preserved; the others are `uhrbat.selection.evidence.CAUSES`."""


@dataclass(frozen=True)
class Measured:
    """What was measured, and on what. seeds: "evaluation" or "development"; settings: the compressed answers'."""

    model: str
    parameters: int
    fingerprint: str
    settings: dict
    seeds: str
    first_seed: int
    scenes: int
    questions: int

    @classmethod
    def of(
        cls, model: UHRBAT, settings: Settings, fingerprint: str, kind: str, seeds: Collection[int], questions: int
    ) -> Measured:
        """What a model was asked, with some settings, about the scenes of some seeds."""
        return cls(model.name, model.parameters, fingerprint, asdict(settings), kind, min(seeds), len(seeds), questions)


@dataclass(frozen=True)
class Method:
    """A compressor. family: "uhrbat" or "baseline"; importance, regions, order: None where it has none of them."""

    id: str
    title: str
    description: str
    family: str
    importance: str | None
    regions: str | None
    order: str | None
    default: bool


@dataclass(frozen=True)
class Point:
    """One share of one group of questions. measure: "accuracy" (exact match) or "evidence" (all of it preserved).

    budget: total tokens over the four scales. group: "all", "type: count", ... or, by the longer side at 4,032 px of
    the smallest object that the answer needs, "size: <= 4", "size: 5-8", "size: 9-16", "size: 17-32", "size: > 32" and,
    of the first two together, "size: <= 8". questions: how many of how many scenes.
    """

    method: str
    budget: int
    measure: str
    group: str
    value: float
    low: float
    high: float
    questions: int
    scenes: int


@dataclass(frozen=True)
class Comparison:
    """Accuracy of the default method less the best baseline's at a budget, on the same questions."""

    budget: int
    method: str
    baseline: str
    difference: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True)
class Agreement:
    """Share of questions whose answer at `budget` equals the one at `wide` (default method)."""

    budget: int
    wide: int
    value: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True)
class Recall:
    """Share of objects of a size group with one of the `tokens` best of scale 672 by attention, and by chance."""

    group: str
    tokens: int
    value: float
    low: float
    high: float
    chance: float
    objects: int


@dataclass(frozen=True)
class FrontierFile:
    """frontier.json. majority, no_image: {"all" or "type: ...": accuracy} of what needs no image."""

    measured: Measured
    budgets: list[int]
    answer_budgets: list[int]
    methods: list[Method]
    points: list[Point]
    comparisons: list[Comparison]
    agreement: list[Agreement]
    attention_recall: list[Recall]
    majority: dict[str, float]
    no_image: dict[str, float]


@dataclass(frozen=True)
class LossCount:
    """Answers at the widest budget against those at `budget`. side: "with" or "without" the deciding object, or "pair"
    (both scenes of a pair, right only where both answers are).

    losses: right wide, wrong compressed; gains: the other way round; value, low, high: losses / right wide.
    """

    budget: int
    side: str
    cases: int
    both_right: int
    losses: int
    gains: int
    both_wrong: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CauseCount:
    """Losses of the side "with" at a budget by cause: one of `uhrbat.selection.evidence.CAUSES` or `MODEL_ITSELF`.

    proved: those of them that are right again, at the same budget, once the evidence is forced in.
    """

    budget: int
    cause: str
    losses: int
    proved: int


@dataclass(frozen=True)
class Miss:
    """One loss. The picture is `uhrbat.worlds.generate(seed, without=without)`, 4,032 px.

    without: index of the object left out, or none. box: the evidence that the cause is about, boxes: all of it (none
    where the answer needs no object). object: its phrase, e.g. "red ship"; object_size: its longer side in px.
    choices are part of the question's text. forced_answer: with all evidence forced in at the same budget; None without
    evidence. verdict: the inspector's sentence.
    """

    seed: int
    without: list[int]
    question: str
    type: str
    budget: int
    box: list[float] | None
    boxes: list[list[float]]
    object: str | None
    object_size: float | None
    truth: str
    wide_answer: str
    answer: str
    cause: str
    verdict: str
    forced_answer: str | None
    proved: bool


@dataclass(frozen=True)
class LossFile:
    """loss.json. wide: the widest budget."""

    measured: Measured
    pairs: int
    wide: int
    budgets: list[int]
    counts: list[LossCount]
    causes: list[CauseCount]
    misses: list[Miss]


@dataclass(frozen=True)
class Precision:
    """Share of the 100 best tokens of a scale that touch an object asked for; chance: of all tokens, how many do."""

    kind: str
    scale: int
    value: float
    low: float
    high: float
    chance: float
    compositions: int


@dataclass(frozen=True)
class Evidence:
    """Share of the objects asked for that have a preserved token at a budget, all scales together.

    size: "all", or the longer side at 4,032 px as in "<= 8" or "9-60". random: by as many tokens chosen at random;
    attention: by `attention` importance in place of the model's own, None where that was not measured.
    """

    kind: str
    size: str
    budget: int
    value: float
    low: float
    high: float
    random: float
    attention: float | None
    objects: int
    compositions: int


@dataclass(frozen=True)
class Accuracy:
    """Share of questions answered right at 3,000 tokens. asked: "presence" (balanced between present and absent),
    "count" (exact) or "count within one"."""

    kind: str
    asked: str
    value: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True)
class Beach:
    """The cars counted in a beach photograph, at 3,000 tokens. change: how it was changed; right: the right answers."""

    picture: str
    change: str
    right: list[str]
    given: str


@dataclass(frozen=True)
class RealFigures:
    """What a model finds in real pictures that no training saw. kind: of objects, "all kinds" of them together, or
    "generated worlds" beside them.

    settings: the model's; pictures: held back, of which the compositions are made; worlds: generated ones, measured for
    evidence alone. A list is empty where that was not measured.
    """

    model: str
    parameters: int
    fingerprint: str
    settings: dict
    pictures: int
    compositions: int
    worlds: int
    precision: list[Precision]
    evidence: list[Evidence]
    accuracy: list[Accuracy]
    beach: list[Beach]


@dataclass(frozen=True)
class RealFile:
    """real.json. before: the same of another model, such as the nano before; None without one."""

    now: RealFigures
    before: RealFigures | None


File = TypeVar("File")


def write(path: Path, found: DataclassInstance) -> None:
    """Write a file of this layout, with a line break at its end."""
    path.write_text(json.dumps(asdict(found), indent=1) + "\n")


def read_frontier(path: Path) -> FrontierFile:
    """InputError where the file is not of this layout."""
    return read(path, FrontierFile)


def read_loss(path: Path) -> LossFile:
    """InputError where the file is not of this layout."""
    return read(path, LossFile)


def read_real(path: Path) -> RealFile:
    """InputError where the file is not of this layout."""
    return read(path, RealFile)


def read(path: Path, kind: type[File]) -> File:
    """A file as the dataclass that lays it out; InputError where the file is not of that layout."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise InputError(f"{path} is not a {kind.__name__} ({place}: {first['msg']}): run evaluate again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): run evaluate again") from None
