"""How fast a model works, from what it did: what a budget of tokens or looks will cost before it is asked at."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

REMEMBERED = 15
"""Answers that an estimate is made of; a machine's other work comes and goes."""
TELLING = 512
"""Fewer tokens than this say nothing of the speed by themselves: they are read in the time that any answer takes."""


@dataclass(frozen=True)
class Estimate:
    """Seconds to read n tokens: overhead_seconds + n / tokens_per_second."""

    overhead_seconds: float
    tokens_per_second: float


@dataclass
class PrefillSpeed:
    """The last answers' tokens and seconds."""

    _read: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def add(self, tokens: int, seconds: float) -> None:
        """Remember that so many tokens took so many seconds."""
        if tokens > 0 and seconds > 0:
            self._read.append((tokens, seconds))

    def estimate(self) -> Estimate | None:
        """The line through the answers (Theil and Sen: the median of the slopes); None while too little is known.

        One slow answer among several moves it little, and answers of few tokens do not make the rest look slow.
        """
        if not self._read or max(tokens for tokens, _ in self._read) < TELLING:
            return None
        slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(self._read, 2) if abs(a[0] - b[0]) >= TELLING]
        slope = median(slopes) if slopes else 0.0
        if slope <= 0:
            slope = median(seconds / tokens for tokens, seconds in self._read if tokens >= TELLING)
        overhead = median(seconds - tokens * slope for tokens, seconds in self._read)
        return Estimate(max(0.0, overhead), 1 / slope)


@dataclass
class Pace:
    """Seconds that one unit of some work takes, as the last times show."""

    _taken: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def add(self, units: float, seconds: float) -> None:
        """Remember that so many units took so many seconds."""
        if units > 0 and seconds > 0:
            self._taken.append(seconds / units)

    @property
    def seconds(self) -> float | None:
        """Of one unit; None while nothing is known."""
        return median(self._taken) if self._taken else None
