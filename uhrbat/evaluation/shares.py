"""Shares of questions and their 95 % bootstrap intervals, scenes resampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
SIZES = {"<= 4": (0, 4), "5-8": (4, 8), "9-16": (8, 16), "17-32": (16, 32), "> 32": (32, np.inf), "<= 8": (0, 8)}
"""Groups of object sizes (above, up to), px of the longer side at 4,032; the last joins the first two."""


@dataclass(frozen=True)
class Share:
    """A mean over questions, with the ends of its interval; scenes: how many they are of."""

    value: float
    low: float
    high: float
    questions: int
    scenes: int


def share(values: Sequence[float], scenes: Sequence[int]) -> Share | None:
    """The mean of values, one a question, each of one of the `scenes`; None of none.

    The interval is the 2.5 and 97.5 percentiles of the mean over 2,000 draws of as many scenes, with replacement
    (seeded).
    """
    if not len(values):
        return None
    known = np.asarray(values, float)
    names, place = np.unique(np.asarray(scenes), return_inverse=True)
    sums, counts = np.bincount(place, known), np.bincount(place)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    means = (drawn @ sums) / (drawn @ counts)
    value, low, high = (round(float(number), 4) for number in (known.mean(), *np.percentile(means, (2.5, 97.5))))
    return Share(value, low, high, len(known), len(names))


def groups_of(kind: str, size: float) -> list[str]:
    """The groups that a question counts in, by its type and the size of its smallest evidence (0: none)."""
    sizes = [f"size: {name}" for name, (above, upto) in SIZES.items() if above < size <= upto]
    return ["all", f"type: {kind}", *sizes]


def majority(kinds: Sequence[str], truths: Sequence[str]) -> dict[str, float]:
    """Accuracy of each type's most frequent answer, by group, and "all" of them."""
    right, found = 0, {}
    for kind in sorted(set(kinds)):
        counts = Counter(truth for one, truth in zip(kinds, truths) if one == kind)
        right += max(counts.values())
        found[f"type: {kind}"] = round(max(counts.values()) / sum(counts.values()), 4)
    return {"all": round(right / len(truths), 4)} | found
