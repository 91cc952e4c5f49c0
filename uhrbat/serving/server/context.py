"""What the actions work with: a device's models and encoded images (`ModelHost`), and one request (`ActionContext`)."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from uhrbat import progress
from uhrbat.choices import SETTINGS
from uhrbat.imagery import Rendering, apart
from uhrbat.results import Answer, Attention, Box, Event, Progress, Run
from uhrbat.serving.job import HEARTBEAT_SECONDS
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import AnyQuestion, AnyRequest
from uhrbat.serving.server import heap, metrics
from uhrbat.serving.server.cache import ImageCache
from uhrbat.serving.server.deadline import Deadline
from uhrbat.serving.server.models import Models
from uhrbat.serving.server.turns import in_turns
from uhrbat.settings import Settings

if TYPE_CHECKING:
    from uhrbat.encoded import EncodedImage
    from uhrbat.engine import UHRBAT
    from uhrbat.question import Question, SelectedTokens

R = TypeVar("R", bound=AnyRequest)
Q = TypeVar("Q", bound=AnyQuestion)
Emit = Callable[[Event], None]
Steps = Generator[None, None, Any]
"""An action under way: it yields where another session may have the device, and returns its result."""
ImageKey = tuple[str, str, Rendering, str | None]
"""Model, image, how it is shown, mask."""
LOCK_SECONDS = 0.05
LARGE_STAGES = {"read", "encode", "window", "look"}
"""Stages that hold much more memory than what is left of them."""


class ModelHost:
    """A device with its models and the images that they have encoded.

    on_stage: called with each stage's name and seconds; on_lookup: with "hit" or "miss" when an encoded image is
    looked for.
    """

    def __init__(
        self,
        models: Models,
        limits: Limits,
        on_stage: Callable[[str, float], None] = lambda *_: None,
        on_lookup: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.models, self.limits, self.on_stage = models, limits, on_stage
        self._on_lookup = on_lookup
        self._caches: dict[str, ImageCache] = {}
        self._lock = threading.Lock()
        self.encoding = threading.Lock()
        """Held by the job that encodes: one image at a time, which is what memory is meant for."""

    def cache(self, device: str) -> ImageCache:
        """The cache of images encoded on a device."""
        with self._lock:
            if device not in self._caches:
                sizes = self.limits.device_bytes, self.limits.host_bytes
                self._caches[device] = ImageCache(*sizes, device, self._on_lookup)
            return self._caches[device]

    def bytes(self, place: str) -> int:
        """Bytes of encoded images on the "device" or the "host"."""
        return sum(cache.bytes(place) for cache in list(self._caches.values()))

    def forget(self) -> None:
        """Drop all encoded images, and give the memory back."""
        for cache in list(self._caches.values()):
            cache.drop()
        gc.collect()
        if any(device.startswith("cuda") for device in self._caches):
            import torch

            torch.cuda.empty_cache()


@dataclass
class ActionContext(Generic[R]):
    """One request: what it asks for, where its events go, when it must stop, and how long its stages took."""

    host: ModelHost
    request: R
    path: Path
    emit: Emit
    deadline: Deadline
    seconds: dict[str, float] = field(default_factory=dict)
    done_now: set[str] = field(default_factory=set)
    _begin: float = 0.0
    _share: float = 1.0
    _part: str = ""

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """The engine's progress callback: passed on, as a share of the whole where the action has several parts."""
        if stage not in self.done_now and self.done_now & LARGE_STAGES:
            heap.give_back()  # what the stage before needed, before this one needs as much
        self.done_now.add(stage)
        message = ", ".join(filter(None, (self._part, message)))
        self.emit(Progress(stage, self._begin + self._share * min(1.0, max(0.0, fraction)), message))

    def part(self, index: int, count: int, name: str) -> None:
        """From now on, progress is that of part `index` (from 0) of `count`."""
        self._begin, self._share, self._part = index / count, 1 / count, name

    def took(self, seconds: dict[str, float]) -> None:
        """Note how long stages took; those done now are counted."""
        for stage, value in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + value
            if stage in self.done_now:
                self.host.on_stage(stage, value)

    @property
    def engine(self) -> UHRBAT:
        """The model that the request names."""
        return self.host.models.get(self.request.settings.model)

    @property
    def settings(self) -> Settings:
        """The model's own settings, with what the request chose in their place."""
        chosen = self.request.settings.model_dump(include={*SETTINGS, "seed"}, exclude_none=True)
        return replace(self.engine.settings, **chosen)

    @property
    def image_key(self) -> ImageKey:
        settings = self.request.settings
        return settings.model, self.request.image, settings.picture, settings.mask

    @property
    def cache(self) -> ImageCache:
        """The encoded images of the model's device."""
        return self.host.cache(str(self.engine.device))

    def load(self) -> Generator[None, None, None]:
        """Wait for the request's model where it is not loaded yet; that time is not the device's, and others use it."""
        name = self.request.settings.model
        if self.host.models.is_loaded(name):
            return
        with self.host.models.loading(name) as loading:
            while not loading.outcome.done():
                self.emit(loading.progress)
                with self._not_counted():
                    wait([loading.outcome], HEARTBEAT_SECONDS)
                yield
            loading.outcome.result()

    def encoded(self) -> Generator[None, None, EncodedImage]:
        """The encoded image: from the cache, or encoded now, in turns with the questions of others.

        No image is encoded twice: where a job is at it, that one is waited for.
        """
        yield from self.load()
        image = self.cache.get(self.image_key)
        while image is None:
            if not self._may_encode():
                self.emit(Progress("queue", 0.0, "an image is being encoded"))
                yield
                image = self.cache.get(self.image_key, again=True)
                continue
            try:
                image = self.cache.get(self.image_key, again=True) or (yield from self._encode())
            finally:
                self.host.encoding.release()
        self.took(image.seconds)
        if "encode" in self.done_now:
            yield
        return image

    def _encode(self) -> Generator[None, None, EncodedImage]:
        def work(report: progress.Progress) -> EncodedImage:
            limits, stop, settings = self.host.limits.images(), self.deadline, self.request.settings
            mask = self.path.with_name(settings.mask) if settings.mask else None
            info = apart.open_image(self.path, limits, rendering=settings.picture, cancel=stop.is_set, mask=mask)
            return self.engine.encode(self.path, info=info, progress=report, cancel=stop, reader=apart.READER)

        image = yield from in_turns(work, self.progress, self.deadline)
        self.cache.put(self.image_key, image)
        square, seconds = image.square, image.seconds
        self.host.models.encoded(
            self.request.settings.model, sum(scale.tiles**2 for scale in square.scales), seconds.get("encode", 0.0)
        )
        self.host.models.read(square.width, square.height, seconds.get("read", 0.0))
        return image

    def question(self: ActionContext[Q], look: Sequence[Box] = ()) -> Generator[None, None, Question]:
        """The request's question, asked of its image; look: boxes at which it is looked besides."""
        image = yield from self.encoded()
        looks = self.request.settings.looks

        def ask(report: progress.Progress) -> Question:
            question = image.ask(
                self.request.question, self.settings, progress=report, cancel=self.deadline, looks=looks
            )
            return question.looking_at(look, report, self.deadline) if look else question

        if looks or look:
            question = yield from in_turns(ask, self.progress, self.deadline)
        else:
            question = ask(self.progress)
        self.cache.measure(self.image_key)
        looked = {stage: value for stage, value in question.image.seconds.items() if stage not in image.seconds}
        if "look" in self.done_now and "look" in looked:
            self.host.models.encoded(self.request.settings.model, question.looks, looked["look"])
        self.took(looked | question.seconds)
        yield
        return question

    def answer(self, selection: SelectedTokens) -> Answer:
        """What the model answers from selected tokens."""
        most = self.host.limits.answer_tokens
        return self._took(selection.answer(progress=self.progress, cancel=self.deadline, max_new_tokens=most))

    def answer_and_attention(self, selection: SelectedTokens) -> tuple[Answer, Attention]:
        """What the model answers from selected tokens, and what each word of it looked at."""
        most = self.host.limits.answer_tokens
        answer, attention = selection.answer_and_attention(self.progress, self.deadline, most)
        return self._took(answer), attention

    def _took(self, answer: Answer) -> Answer:
        """An answer, its seconds noted."""
        self.took(answer.seconds)
        if "prefill" in answer.seconds:
            self.host.models.prefilled(self.request.settings.model, answer.tokens, answer.seconds["prefill"])
        return answer

    def run(self) -> Run:
        """How the result came about."""
        engine, settings = self.engine, self.settings
        device = str(engine.device)
        return Run(
            model=self.request.settings.model,
            device=device,
            dtype=str(engine.dtype).removeprefix("torch."),
            importance=settings.importance,
            regions=settings.regions,
            order=settings.order,
            split=settings.split,
            seed=settings.seed,
            looks=self.request.settings.looks,
            least_side=engine.least_side,
            picture=self.request.settings.picture.as_dict(),
            seconds={stage: round(value, 6) for stage, value in self.seconds.items()},
            reused=tuple(stage for stage in self.seconds if stage not in self.done_now),
            memory=metrics.memory(device),
        )

    def _may_encode(self) -> bool:
        """Take the host's lock, or wait for it a moment that does not count."""
        with self._not_counted():
            return self.host.encoding.acquire(timeout=LOCK_SECONDS)

    @contextmanager
    def _not_counted(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.deadline.give_back(time.monotonic() - began)
