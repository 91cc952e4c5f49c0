"""The models that a worker offers, by name, each loaded when it is first asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from uhrbat import progress
from uhrbat.checkpoints import hub
from uhrbat.choices import DEFAULT_MODEL, REGIONS
from uhrbat.errors import InputError
from uhrbat.geometry import Square
from uhrbat.results import Progress
from uhrbat.serving.protocol import ModelInfo, Settings
from uhrbat.serving.server.speed import Pace, PrefillSpeed

if TYPE_CHECKING:
    from uhrbat.engine import UHRBAT


@dataclass(frozen=True)
class Offer:
    """What a worker offers and where it runs it.

    | field  | variable      | default | meaning                                                             |
    | ------ | ------------- | ------- | ------------------------------------------------------------------- |
    | models | UHRBAT_MODELS | nano    | names, comma-separated; `name=folder or Hub id` where they differ   |
    | device | UHRBAT_DEVICE | auto    | "auto" takes cuda, then mps, then cpu                               |
    | sam    | UHRBAT_SAM    | (none)  | SAM for the regions of that name: a folder or a Hub id              |

    The first model is loaded at the start. A request can name only what is offered here. Where no SAM is named, the
    usual one serves if it is already on this disk.
    """

    models: dict[str, str] = field(default_factory=lambda: {DEFAULT_MODEL: DEFAULT_MODEL})
    device: str = "auto"
    sam: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Offer:
        """The defaults, overridden by the variables above."""
        environment = os.environ if environment is None else environment
        listed = [item.strip() for item in environment.get("UHRBAT_MODELS", DEFAULT_MODEL).split(",")]
        models = {}
        for item in filter(None, listed):
            name, _, source = item.partition("=")
            models[name.strip()] = source.strip() or name.strip()
        device, sam = environment.get("UHRBAT_DEVICE", "auto"), environment.get("UHRBAT_SAM") or None
        return cls(models or {DEFAULT_MODEL: DEFAULT_MODEL}, device, sam)


def load_engine(source: str, device: str, progress: progress.Progress, cancel: progress.Flag) -> UHRBAT:
    """Load a model by the engine; CheckpointError if that fails."""
    from uhrbat.engine import UHRBAT

    return UHRBAT.from_pretrained(source, device=device, progress=progress, cancel=cancel)


Load = Callable[[str, str, progress.Progress, progress.Flag], "UHRBAT"]
"""Loads a model from (source, device), reports its progress, and stops when the flag given last is set."""


class Loading:
    """A model on its way, in a thread of its own: it may be a long download, and the device serves others meanwhile.

    Where nobody waits for it any more it stops; what has been downloaded is kept.
    """

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source
        self.outcome: Future[UHRBAT] = Future()
        self.progress = Progress("load", 0.0, name)
        self.waiting = 0

    def is_set(self) -> bool:
        """The engine's flag: whether to stop."""
        return not self.waiting

    def report(self, stage: str, fraction: float, message: str) -> None:
        """The engine's progress callback; the model goes by its name here, since its source may be a private folder."""
        self.progress = Progress(stage, fraction, message.replace(self.source, self.name))


class Models:
    """The offered models. most_looks: how many looks a question may take."""

    def __init__(self, offer: Offer, load: Load = load_engine, most_looks: int | None = None) -> None:
        self.offer, self.most_looks = offer, most_looks
        self._load = load
        self._lock = threading.Lock()
        self._loaded: dict[str, UHRBAT] = {}
        self._loading: dict[str, Loading] = {}
        self._speeds: dict[str, PrefillSpeed] = {}
        self._tiles: dict[str, Pace] = {}
        self._files = Pace()

    @property
    def first(self) -> str:
        """The model that is loaded at the start."""
        return next(iter(self.offer.models))

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """The partitions that can be made here; SAM's only where its weights are named or on this disk.

        It may be asked while the first model's thread imports transformers, which a second thread must not then do: it
        would get a module without contents.
        """
        there = self.offer.sam or hub.on_disk(hub.SAM)
        return tuple(choice for choice in REGIONS if choice != "sam" or there)

    def is_loaded(self, name: str) -> bool:
        return name in self._loaded

    def square(self, name: str, width: int, height: int) -> Square:
        """An image's square with a model's scales and tiles; the released model's until it is loaded."""
        model = self._loaded.get(name)
        if model is None:
            return Square(width, height)
        return Square(width, height, tuple(model.scales), model.tile, model.tile_grid, least=model.least_side)

    def get(self, name: str) -> UHRBAT:
        """A model, loaded if need be. InputError if it is not offered, CheckpointError if it fails."""
        if name not in self._loaded:
            with self.loading(name) as loading:
                return loading.outcome.result()
        return self._loaded[name]

    @contextmanager
    def loading(self, name: str) -> Iterator[Loading]:
        """A model on its way, begun now if need be, for as long as it is waited for.

        InputError if it is not offered.
        """
        if name not in self.offer.models:
            raise InputError(f"model '{name}' is not offered here; choose one of {', '.join(self.offer.models)}")
        with self._lock:
            loading = self._loading.get(name)
            if loading is None:
                loading = self._loading[name] = Loading(name, self.offer.models[name])
                threading.Thread(target=self._begin, args=(name, loading), daemon=True, name=f"load {name}").start()
            loading.waiting += 1
        try:
            yield loading
        finally:
            with self._lock:
                loading.waiting -= 1
                if not loading.waiting:
                    del self._loading[name]

    def _begin(self, name: str, loading: Loading) -> None:
        try:
            model = self._load(loading.source, self.offer.device, loading.report, loading)
        except BaseException as error:  # raised where the model is waited for
            loading.outcome.set_exception(error)
            return
        if self.offer.sam:
            model.sam = self.offer.sam
        self._loaded[name] = model
        loading.outcome.set_result(model)

    def prefilled(self, name: str, tokens: int, seconds: float) -> None:
        """Remember how fast a model read an image's tokens."""
        self._speeds.setdefault(name, PrefillSpeed()).add(tokens, seconds)

    def encoded(self, name: str, tiles: int, seconds: float) -> None:
        """Remember how fast a model encoded tiles."""
        self._tiles.setdefault(name, Pace()).add(tiles, seconds)

    def read(self, width: int, height: int, seconds: float) -> None:
        """Remember how fast a file of so many pixels was read."""
        self._files.add(width * height / 1e6, seconds)

    def infos(self) -> tuple[ModelInfo, ...]:
        """What is offered."""
        return tuple(self._info(name) for name in self.offer.models)

    def _info(self, name: str) -> ModelInfo:
        model = self._loaded.get(name)
        if model is None:
            return ModelInfo(name=name, loaded=False, regions=self.regions)
        chosen = model.settings
        speed = self._speeds.get(name, PrefillSpeed()).estimate()
        return ModelInfo(
            name=name,
            loaded=True,
            regions=self.regions,
            scales=tuple(model.scales),
            tile=model.tile,
            tile_grid=model.tile_grid,
            least_side=model.least_side,
            point_bins=model.point_bins,
            default_settings=Settings(
                model=name,
                importance=chosen.importance,
                regions=chosen.regions,
                order=chosen.order,
                split=chosen.split,
                seed=chosen.seed,
            ),
            parameters=model.parameters,
            bytes_per_token=model.bytes_per_token,
            prefill_tokens_per_second=speed.tokens_per_second if speed else None,
            prefill_overhead_seconds=speed.overhead_seconds if speed else None,
            most_looks=self.most_looks,
            tile_seconds=self._tiles.get(name, Pace()).seconds,
            megapixel_seconds=self._files.seconds,
        )
