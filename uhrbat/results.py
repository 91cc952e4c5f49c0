"""What a worker's jobs give back: frozen dataclasses of numpy arrays and plain values.

Arrays have one element a token, in the scale's tile-major token order (`uhrbat.geometry` converts to the
grid).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import InstanceOf

from uhrbat.choices import DROPPED, MERGED, PADDING, PRESERVED

VISIBLE_PIXELS = 1.3
"""An object below this (square root of its area) at a scale is not seen there: measured, docs/training.md."""

Array = InstanceOf[np.ndarray]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Progress:
    """Where a job is: a stage, how far in it (0..1), and how many jobs are ahead of it (0: it is running)."""

    stage: str
    fraction: float
    message: str = ""
    queue_position: int = 0


@dataclass(frozen=True)
class Run:
    """How a result came about: enough to repeat it, and what it cost."""

    model: str
    device: str
    dtype: str
    importance: str
    regions: str
    order: str
    seed: int
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage ("read", "encode", "score", ...) to the seconds it took when it was done."""
    reused: tuple[str, ...] = ()
    """The stages that were not done again for this result."""
    memory: dict[str, int] = field(default_factory=dict)
    """Bytes: "host" (resident set of the worker), "device" (allocated peak, where there is one)."""
    picture: dict[str, Any] = field(default_factory=dict)
    """What was chosen of how the image is shown (`imagery.Rendering.as_dict`)."""
    split: str = "paper"
    looks: int = 0
    """Tiles of native scales that the question might look at."""
    least_side: int = 0
    """Side in image pixels of the square that the model lays a smaller image in."""


@dataclass(frozen=True)
class ScaleMap:
    """One scale of a question: what every token is worth and when it enters the budget."""

    size: int
    """Side of the scale in pixels: 672, 1344, 2688, 4032 or that of a native scale; its tokens are 14 x 14 pixels."""
    importance: Array
    """float16[N]"""
    rank: Array
    """int32[N], from 1: the smallest budget of this scale at which the token is represented."""
    merged: Array
    """bool[N]: whether it is then part of an average."""
    region: Array
    """int32[N]: its region."""
    members: Array
    """int32[N]: how many tokens share its place in the budget (1 unless merged)."""
    padding: Array
    """bool[N]: whether it lies outside the image, in the square's padding."""
    scored: bool = True
    """Whether this scale was scored itself, or enlarged from a coarser one."""
    looked: tuple[int, ...] | None = None
    """Of a native scale the tiles that were looked at (row-major indices), whose tokens these are; None: all are
    there."""

    def kind(self, budget: int) -> np.ndarray:
        """Each token's fate at this scale's budget: uint8[N] of DROPPED, PRESERVED, MERGED and PADDING."""
        fate = np.where(self.rank <= budget, np.where(self.merged, MERGED, PRESERVED), DROPPED)
        return np.where(self.padding, PADDING, fate).astype(np.uint8)


@dataclass(frozen=True)
class LedgerRow:
    """Where one scale's tokens went at a budget: preserved + merged + dropped = tokens; used <= budget."""

    size: int
    tokens: int
    """Tokens that show something of the image."""
    budget: int
    used: int
    """Tokens handed to the language model: each preserved one, one for each average, and `padding_used`."""
    preserved: int
    merged: int
    """Tokens of the image that are inside an average."""
    dropped: int
    regions: int
    """Regions of which at least one token is represented."""
    padding: int = 0
    """Tokens that show only the square's padding, counted nowhere else."""
    padding_used: int = 0
    """Padding handed over one by one: by models of the released code, to which padding is a token like any other."""

    @property
    def merged_groups(self) -> int:
        """Averages that are handed over."""
        return self.used - self.preserved - self.padding_used


@dataclass(frozen=True)
class Reading:
    """What a question was read as (`uhrbat.grammar`).

    text: the phrasing that nano knows; the question itself where it was not understood. type, kinds, color: what it
    asks for. why: why it was not understood, a sentence without its end. options: {option as nano says it: as it was
    written}, empty for an open question.
    """

    text: str
    understood: bool
    type: str | None = None
    kinds: tuple[str, ...] = ()
    color: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    why: str | None = None
    reworded: bool = False
    """Whether the phrasing is another one than the question's."""

    def written(self, answer: str) -> str:
        """An answer of nano as the asker wrote that option."""
        return self.options.get(answer, answer)


@dataclass(frozen=True, repr=False)
class Answer:
    """What the language model answered. `str(answer)` is its text."""

    text: str
    points: tuple[tuple[float, float], ...]
    """(x, y) in pixels of the upright image: the evidence that the model listed before it answered."""
    tokens: int
    """Image tokens that the language model was given."""
    seconds: dict[str, float] = field(compare=False)
    """By stage."""
    truncated: bool = False
    """Whether the answer reached its length limit."""
    caveat: str | None = None
    """Why not to trust it: the image is of a kind that the model has never seen."""
    reading: Reading | None = None
    """What the question was read as; None for a model that takes any question."""
    measured: str | None = None
    """How often a model that knows it is right about what was asked for, a sentence."""

    @property
    def understood(self) -> bool:
        """Whether the model knows questions such as this one."""
        return self.reading is None or self.reading.understood

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return repr(self.text)


@dataclass(frozen=True)
class Attention:
    """What each word of an answer looked at: the language model's own attention in its last layer, mean over heads.

    A word is one of the answer, or a place that the model listed before it ("place 1").
    """

    words: tuple[str, ...]
    weights: dict[int, Array]
    """By scale, float32[words, k]: what each word gave to the tokens of rank 1 to k together, 0..1; tokens that share a
    rank are one average."""


@dataclass(frozen=True)
class EncodeResult:
    """An encoded image: what a question about it no longer has to wait for."""

    image: str
    tokens: dict[int, int]
    """Scale to how many of its tokens show something of the image."""
    caveat: str | None
    run: Run


@dataclass(frozen=True)
class AskResult:
    """All a page needs to draw a question at any budget and, if a budget was given, the answer at it."""

    image: str
    question: str
    scales: tuple[ScaleMap, ...]
    budgets: tuple[int, ...] | None
    """The budget asked for, split among the scales."""
    ledger: tuple[LedgerRow, ...]
    answer: Answer | None
    caveat: str | None
    run: Run


@dataclass(frozen=True)
class AnswerResult:
    """The answer at a budget, perhaps with boxes forced in or left out."""

    question: str
    budgets: tuple[int, ...]
    answer: Answer
    ledger: tuple[LedgerRow, ...]
    caveat: str | None
    run: Run
    attention: Attention | None = None
    """What its words looked at, where that was asked for."""


@dataclass(frozen=True)
class Kept:
    """What became of the evidence boxes' tokens, one scale or all together (size 0)."""

    size: int
    tokens: int
    preserved: int
    merged: int
    dropped: int


@dataclass(frozen=True)
class SweepPoint:
    """One budget of a sweep; `correct` is None where no true answer was given."""

    budgets: tuple[int, ...]
    answer: Answer
    correct: bool | None
    evidence: tuple[Kept, ...]
    """One row a scale and one for all; empty where no box was given."""
    evidence_preserved: float | None = None
    """Share of the evidence boxes that have a preserved token at some scale; None where no box was given."""


@dataclass(frozen=True)
class SweepResult:
    """Answers and evidence against the budget; the points have also been streamed one by one."""

    question: str
    points: tuple[SweepPoint, ...]
    caveat: str | None
    run: Run


@dataclass(frozen=True)
class MethodResult:
    """What one compressor kept at the budget, and what was answered from it."""

    method: str
    answer: Answer
    seconds: float
    """Selection and answer together."""
    evidence: tuple[Kept, ...]
    """As of a `SweepPoint`."""
    kinds: dict[int, Array]
    """Scale to uint8[N], every token's fate: a baseline's follow from no rank."""
    evidence_preserved: float | None = None


@dataclass(frozen=True)
class CompareResult:
    """Several compressors at one budget; the methods have also been streamed one by one."""

    question: str
    budgets: tuple[int, ...]
    methods: tuple[MethodResult, ...]
    caveat: str | None
    run: Run


@dataclass(frozen=True)
class FateRow:
    """What became of a box's tokens at one scale.

    size: the scale's side; pixels: the box's width and height there, of its part inside the image; scored:
        whether importance was computed at this scale, not enlarged from another.
    tokens: how many the box touches, of which preserved, merged (with at least one other) and dropped at
        `budget`.
    best_importance: the highest of them; percentile: 0..100, the share of the scale's tokens that score
        lower.
    best_rank: the smallest budget of this scale that represents one of them (the scale's tokens + 1: none
        does); best_merged: whether that is in an average, of `members` tokens (1 where it is not).
    smallest_budget: the smallest budget of this scale that preserves one of them; None where none does.
    """

    size: int
    pixels: tuple[float, float]
    scored: bool
    tokens: int
    budget: int
    preserved: int
    merged: int
    dropped: int
    best_importance: float
    percentile: float
    best_rank: int
    best_merged: bool
    members: int
    smallest_budget: int | None
    looked: bool = True
    """False at a native scale where no tile that the box touches was looked at."""
    native: bool = False
    """Whether it is a native scale, of which only the tiles that were looked at have tokens."""

    @property
    def visible(self) -> bool:
        """Whether the box is large enough at this scale to be seen (`VISIBLE_PIXELS`)."""
        return (self.pixels[0] * self.pixels[1]) ** 0.5 >= VISIBLE_PIXELS


@dataclass(frozen=True)
class VerdictStep:
    """The verdict from this total budget on, up to the next step's."""

    total: int
    cause: str
    verdict: str
    preserved: bool


@dataclass(frozen=True)
class Fate:
    """What became of a box at a budget.

    rows: scales ascending. cause: one of `selection.evidence.CAUSES`; verdict: it in plain sentences. smallest_budget:
    the smallest total budget, split by `budget.split_budget`, at which the box is preserved at some scale; None where
    none is.
    steps: the verdict at every total budget at which it changes, ascending from 1.
    """

    rows: tuple[FateRow, ...]
    cause: str
    verdict: str
    smallest_budget: int | None
    steps: tuple[VerdictStep, ...]


@dataclass(frozen=True)
class InspectResult:
    """What became of a box at a budget, and why."""

    question: str
    box: Box
    budgets: tuple[int, ...]
    fate: Fate
    caveat: str | None
    run: Run


Event = Progress | SweepPoint | MethodResult

RESULTS = {
    "encode": EncodeResult,
    "ask": AskResult,
    "answer": AnswerResult,
    "sweep": SweepResult,
    "compare": CompareResult,
    "inspect": InspectResult,
}
PARTIALS = {"sweep": SweepPoint, "compare": MethodResult}
