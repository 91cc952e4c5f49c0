"""The questions that pages show, kept for as long as someone may look: their maps, answers and downloads."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from uhrbat.errors import InputError
from uhrbat.geometry import Scale, Square
from uhrbat.results import AskResult, Attention, CompareResult, InspectResult, ScaleMap, SweepResult
from uhrbat.serving.protocol import Query, Settings

from ..examples import KnownQuestion
from .pictures import Picture

_KEPT = 64
_KEPT_KINDS = 20


@dataclass
class Asked:
    """A question asked of a picture."""

    picture: Picture
    query: Query
    """The question as the worker gets it."""
    scales: tuple[Scale, ...]
    """Of the model that it is asked of."""
    least: int
    """Side in image pixels of the square that the model lays a smaller picture in."""

    @property
    def question(self) -> str:
        """Its text."""
        return self.query.question

    @property
    def settings(self) -> Settings:
        """How it is asked."""
        return self.query.settings

    @cached_property
    def square(self) -> Square:
        """The picture's square, as the model sees it."""
        info, first = self.picture.info, self.scales[0]
        whole = tuple(scale.size for scale in self.scales if scale.looked is None)
        looks = tuple((scale.size, scale.looked) for scale in self.scales if scale.looked is not None)
        return Square(info.width, info.height, whole, first.tile, first.tile_grid, looks, self.least)

    @property
    def awaits_looks(self) -> bool:
        """Whether it is not known yet which native scales the question will look at."""
        return self.settings.looks > 0 and all(scale.looked is None for scale in self.scales)

    @property
    def known(self) -> KnownQuestion | None:
        """The true answer and evidence, where the picture is an example and the question one of its own."""
        return self.picture.example.question(self.question) if self.picture.example else None

    @property
    def evidence(self) -> tuple:
        """The boxes that the true answer depends on, where they are known."""
        return self.picture.example.boxes(self.known) if self.picture.example else ()


@dataclass
class KeptRun(Asked):
    """One question on one picture, and all that was found out about it since."""

    asked: AskResult
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    answer: dict[str, Any] | None = None
    points: list[dict[str, Any]] = field(default_factory=list)
    inspected: InspectResult | None = None
    nearby: list[dict[str, Any]] = field(default_factory=list)
    """The verdict on the inspected box if it were a few pixels larger or smaller, where that differs."""
    counterfactuals: dict[str, dict[str, Any]] = field(default_factory=dict)
    attention: Attention | None = None
    """What each word of the answer shown looked at, once somebody asked for it."""
    swept: SweepResult | None = None
    compared: CompareResult | None = None
    pictures: dict[tuple, bytes] = field(default_factory=dict)
    """Encoded maps, by what they show."""
    kinds: OrderedDict[str, dict[int, np.ndarray]] = field(default_factory=OrderedDict)
    """Fates of compared selections, by their random keys."""

    def __post_init__(self) -> None:
        """The native scales that were looked at join the model's own; the worker knows how its model lays pictures."""
        self.least = self.asked.run.least_side
        tile, grid = self.scales[0].tile, self.scales[0].tile_grid
        known = {scale.size for scale in self.scales}
        self.scales += tuple(
            Scale(maps.size, tile, grid, tuple(maps.looked))
            for maps in self.asked.scales
            if maps.looked is not None and maps.size not in known
        )

    def scale(self, size: int) -> ScaleMap:
        """One scale of the question; InputError where there is none."""
        for scale in self.asked.scales:
            if scale.size == size:
                return scale
        raise InputError(f"there is no scale {size}")

    def geometry(self, size: int) -> Scale:
        """The scale of a size; InputError where there is none."""
        for scale in self.scales:
            if scale.size == size:
                return scale
        raise InputError(f"there is no scale {size}")

    @property
    def budgets(self) -> tuple[int, ...]:
        """The budget of every scale: that of the answer shown, else that asked at."""
        return tuple((self.answer or {}).get("budgets") or self.asked.budgets or (0,) * len(self.scales))

    def budget_of(self, size: int) -> int:
        """The budget of one scale; InputError where there is none."""
        for scale, budget in zip(self.asked.scales, self.budgets, strict=True):
            if scale.size == size:
                return budget
        raise InputError(f"there is no scale {size}")

    def keep_kinds(self, kinds: dict[int, np.ndarray]) -> str:
        """Keep the fates of one selection (scale to uint8[N]) and give the key to fetch them by."""
        key = secrets.token_urlsafe(6)
        self.kinds[key] = kinds
        while len(self.kinds) > _KEPT_KINDS:
            self.kinds.popitem(last=False)
        return key


class Runs:
    """The most recent runs of all pages, and those that a session keeps, by their random ids."""

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._recent: OrderedDict[str, KeptRun] = OrderedDict()
        self._all: WeakValueDictionary[str, KeptRun] = WeakValueDictionary()
        self._lock = threading.Lock()

    def add(self, run: KeptRun) -> KeptRun:
        """Keep a run; where there are too many, the one least recently used goes, unless a session still shows it."""
        with self._lock:
            self._all[run.id] = self._recent[run.id] = run
            while len(self._recent) > self._most:
                self._recent.popitem(last=False)
        return run

    def get(self, id: str) -> KeptRun | None:
        """A kept run, or None."""
        with self._lock:
            if id in self._recent:
                self._recent.move_to_end(id)
            return self._all.get(id)
