"""The layout of what the evaluations with looks write: looks.json and looks_loss.json, as in `evaluation.findings`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uhrbat.evaluation.findings import Measured, read


@dataclass(frozen=True)
class LooksPoint:
    """One share of one group of questions with so many looks. looks: a number, or "all"; split: how the total budget is
    shared over the scales; group: "all" or, by the smallest object that the answer needs in pixels of the file,
    "size: 6-8", "size: 9-16" or "size: 17-30"."""

    looks: str
    split: str
    budget: int
    measure: str
    group: str
    value: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True)
class LooksFile:
    """looks.json: the frontier against looks, on worlds of a side.

    seconds: of each stage, a world; "a look": of a tile, its part of reading the file included.
    """

    measured: Measured
    side: int
    looks: list[str]
    points: list[LooksPoint]
    seconds: dict[str, float]


@dataclass(frozen=True)
class LooksLoss:
    """How many questions are right with so many looks, and how many where it is looked at the evidence, its tokens put
    first; lost: those right there alone."""

    looks: str
    budget: int
    questions: int
    right: int
    there: int
    lost: int


@dataclass(frozen=True)
class LooksCause:
    """How many of the losses with so many looks have a cause (`selection.evidence.CAUSES`, or the model itself)."""

    looks: str
    budget: int
    cause: str
    losses: int


@dataclass(frozen=True)
class LooksLossFile:
    """looks_loss.json: what is lost without looks, on worlds of a side."""

    measured: Measured
    side: int
    looks: list[str]
    budgets: list[int]
    losses: list[LooksLoss]
    causes: list[LooksCause]


def read_looks(path: Path) -> LooksFile:
    """InputError where the file is not of this layout."""
    return read(path, LooksFile)


def read_looks_loss(path: Path) -> LooksLossFile:
    """InputError where the file is not of this layout."""
    return read(path, LooksLossFile)
