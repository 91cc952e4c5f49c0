"""One request at work: what it asked for, where its progress goes, and which stages it had to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from concurrent.futures import wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from uhrbat import imagery
from uhrbat.results import Event, Progress, Run
from uhrbat.serving.job import HEARTBEAT_SECONDS, Token
from uhrbat.serving.protocol import Request
from uhrbat.serving.server import metrics
from uhrbat.settings import Settings

if TYPE_CHECKING:
    from uhrbat.encoded import EncodedImage
    from uhrbat.engine import UHRBAT
    from uhrbat.question import Question
    from uhrbat.serving.server.bench import Bench

Emit = Callable[[Event], None]


@dataclass
class Work:
    """What the steps of an action use: the model, the encoded scene, the question's view, and the account of it all."""

    bench: Bench
    request: Request
    path: Path
    emit: Emit
    token: Token
    seconds: dict[str, float] = field(default_factory=dict)
    done_now: set[str] = field(default_factory=set)
    begin: float = 0.0
    share: float = 1.0
    of: str = ""

    def progress(self, stage: str, fraction: float, message: str = "") -> None:
        """What the engine reports to: passed on, as a share of the whole where the work has several parts."""
        self.done_now.add(stage)
        message = ", ".join(filter(None, (self.of, message)))
        self.emit(Progress(stage, self.begin + self.share * min(1.0, max(0.0, fraction)), message))

    def part(self, index: int, count: int, name: str) -> None:
        """From now on, progress is that of part `index` (from 0) of `count`."""
        self.begin, self.share, self.of = index / count, 1 / count, name

    def took(self, seconds: dict[str, float]) -> None:
        """Note how long stages took; those done now are counted."""
        for stage, value in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + value
            if stage in self.done_now:
                self.bench.stage(stage, value)

    @property
    def model(self) -> UHRBAT:
        """The model that the request names."""
        return self.bench.models.get(self.request.settings.model)

    def load(self) -> Generator[None, None, None]:
        """Wait for the request's model where it is not loaded yet; that time is not the device's, and others use it."""
        name = self.request.settings.model
        if self.bench.models.is_loaded(name):
            return
        with self.bench.models.loading(name) as loading:
            while not loading.outcome.done():
                self.emit(loading.progress)
                began = time.monotonic()
                wait([loading.outcome], HEARTBEAT_SECONDS)
                self.token.seconds_left += time.monotonic() - began
                yield
            loading.outcome.result()

    def encoded(self) -> Generator[None, None, EncodedImage]:
        """The encoded image: from the cache, or encoded now."""
        yield from self.load()
        engine = self.model
        cache = self.bench.cache(str(engine.device))
        bands = self.request.settings.bands
        key = (self.request.settings.model, self.request.image, bands)
        image = cache.get(key)
        if image is None:
            info = imagery.open_image(self.path, self.bench.limits.images(), bands)
            image = engine.encode(self.path, info=info, progress=self.progress, cancel=self.token)
            cache.put(key, image)
            self.took(image.seconds)
            yield
        else:
            self.took(image.seconds)
        return image

    def question(self) -> Generator[None, None, Question]:
        """The request's question, asked of its image."""
        image = yield from self.encoded()
        question = image.ask(self.request.question, self._engine_settings(), progress=self.progress, cancel=self.token)
        cache = self.bench.cache(str(self.model.device))
        cache.measure((self.request.settings.model, self.request.image, self.request.settings.bands))
        self.took(question.seconds)
        yield
        return question

    def _engine_settings(self) -> Settings:
        """The model's own settings, with what the request chose in their place."""
        chosen = self.request.settings.model_dump(include={"importance", "regions", "order", "seed"}, exclude_none=True)
        return replace(self.model.settings, **chosen)

    def account(self) -> Run:
        """How the result came about."""
        model, settings = self.model, self._engine_settings()
        device = str(model.device)
        return Run(
            model=self.request.settings.model,
            device=device,
            dtype=str(model.dtype).removeprefix("torch."),
            importance=settings.importance,
            regions=settings.regions,
            order=settings.order,
            seed=settings.seed,
            seconds={stage: round(value, 6) for stage, value in self.seconds.items()},
            reused=tuple(stage for stage in self.seconds if stage not in self.done_now),
            memory=metrics.memory(device),
        )
