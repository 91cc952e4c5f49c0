"""The one interface to a model worker, wherever it runs: `Worker` and the `Job` that each of its actions returns."""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from uhrbat.errors import Cancelled
from uhrbat.serving import schema
from uhrbat.serving.results import (
    AnswerResult,
    AskResult,
    CompareResult,
    EncodeResult,
    Event,
    ImageInfo,
    InspectResult,
    Progress,
    SweepResult,
)
from uhrbat.serving.schema import Box, Budget, Health, ModelInfo, Request, Settings

T = TypeVar("T")
HEARTBEAT_SECONDS = 0.2


class Job(Generic[T]):
    """One piece of work under way in a worker.

    Iterate over it for its events: `Progress`, and the `SweepPoint`s or `MethodResult`s as they are ready. While
    nothing new happens the last progress is repeated five times a second, so that a caller can stop in between.
    Leaving the loop before its end cancels the job. `result()` waits for the end; it raises what went wrong.

        for event in (job := worker.ask(image, "How many ships?", budget=3000)):
            if isinstance(event, Progress):
                show(event.stage, event.fraction)
        print(job.result().answer.text)
    """

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._latest = Progress("queue", 0.0)
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._outcome: T | None = None
        self._error: BaseException | None = None
        self._on_cancel: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[Event]:
        try:
            while True:
                event = self._next_event()
                if event is not None:
                    yield event
                elif self._done.is_set() and self._events.empty():
                    return
                else:
                    yield self._latest
        finally:
            self.cancel()

    def _next_event(self) -> Event | None:
        wait = 0.0 if self._done.is_set() else HEARTBEAT_SECONDS
        until = time.monotonic() + wait
        while True:
            try:
                return self._events.get(timeout=min(0.05, max(0.0, until - time.monotonic())) or 0.001)
            except queue.Empty:
                if self._done.is_set() or time.monotonic() >= until:
                    return None

    def result(self, timeout: float | None = None) -> T:
        """What the job came to; waits for it, at most `timeout` seconds (then TimeoutError).

        Raises Cancelled, BusyError, InputError, ImageError or WorkerError, with a message for the user.
        """
        if not self._done.wait(timeout):
            raise TimeoutError("the job is still running")
        if self._error is not None:
            raise self._error
        return self._outcome

    def cancel(self) -> None:
        """Stop the job; the device is free within a second. Does nothing when it has ended."""
        if self.fail(Cancelled("cancelled")):
            self._on_cancel()

    @property
    def done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self._done.is_set()

    def on_cancel(self, stop: Callable[[], None]) -> None:
        """For a worker: what stops the work when the caller cancels."""
        self._on_cancel = stop

    def emit(self, event: Event) -> None:
        """For a worker: something to tell the caller."""
        if isinstance(event, Progress):
            self._latest = event
        self._events.put(event)

    def finish(self, outcome: T) -> bool:
        """For a worker: the job has come to this. False if it had already ended."""
        return self._end(outcome, None)

    def fail(self, error: BaseException) -> bool:
        """For a worker: the job has failed so. False if it had already ended."""
        return self._end(None, error)

    def _end(self, outcome: T | None, error: BaseException | None) -> bool:
        with self._lock:
            if self._done.is_set():
                return False
            self._outcome, self._error = outcome, error
            self._done.set()
            return True


class Worker(ABC):
    """A model worker: stores images, and does the explorer's heavy work on them as jobs.

    `session` names whose turn a job uses: sessions are served in rotation. `settings` is a `schema.Settings`, its
    fields as a dict, or None for the defaults. Boxes are (x0, y0, x1, y1) in pixels of the upright image.
    Wrong input raises InputError at once; what happens later is raised by the job's `result()`.
    """

    @abstractmethod
    def store(self, path: str | Path) -> str:
        """Give the worker an image file unless it holds it already; returns the image's id (SHA-256 of its bytes)."""

    @abstractmethod
    def info(self, image: str) -> ImageInfo:
        """Size, notes and georeference of a stored image."""

    @abstractmethod
    def health(self) -> Health:
        """How the worker is."""

    @abstractmethod
    def metrics(self) -> str:
        """Counters and gauges, as Prometheus text."""

    @abstractmethod
    def models(self) -> tuple[ModelInfo, ...]:
        """The models on offer."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the worker; a worker that this object started is stopped."""

    @abstractmethod
    def _submit(self, action: str, request: Request) -> Job[Any]:
        """Start an action."""

    def encode(self, image: str, settings: Settings | dict | None = None, session: str = "") -> Job[EncodeResult]:
        """Read the image and encode its scales, ahead of a question."""
        return self._start("encode", image=image, settings=settings, session=session)

    def ask(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budget: Budget | None = None,
        session: str = "",
    ) -> Job[AskResult]:
        """Importance, regions and ranking of every scale and, with a budget, the ledger and the answer."""
        return self._start(
            "ask", image=image, question=question, settings=settings, budget=budget, session=session
        )

    def answer(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budget: Budget = 3000,
        force: tuple[Box, ...] = (),
        without: tuple[Box, ...] = (),
        session: str = "",
    ) -> Job[AnswerResult]:
        """The answer at a budget, with the tokens of some boxes forced in or left out."""
        return self._start(
            "answer", image=image, question=question, settings=settings, budget=budget, force=force,
            without=without, session=session,
        )  # fmt: skip

    def sweep(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budgets: tuple[Budget, ...] = (),
        truth: str | None = None,
        boxes: tuple[Box, ...] = (),
        session: str = "",
    ) -> Job[SweepResult]:
        """Answer and evidence at several budgets; each `SweepPoint` is also an event."""
        return self._start(
            "sweep", image=image, question=question, settings=settings, budgets=budgets, truth=truth,
            boxes=boxes, session=session,
        )  # fmt: skip

    def compare(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budget: Budget = 3000,
        methods: tuple[str, ...] = (),
        boxes: tuple[Box, ...] = (),
        session: str = "",
    ) -> Job[CompareResult]:
        """The question at one budget through several compressors; each `MethodResult` is also an event."""
        return self._start(
            "compare", image=image, question=question, settings=settings, budget=budget, methods=methods,
            boxes=boxes, session=session,
        )  # fmt: skip

    def inspect(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        box: Box = (0, 0, 0, 0),
        budget: Budget = 3000,
        session: str = "",
    ) -> Job[InspectResult]:
        """What became of a box's tokens at a budget, and why."""
        return self._start(
            "inspect", image=image, question=question, settings=settings, box=box, budget=budget, session=session
        )

    def _start(self, action: str, settings: Settings | dict | None, **fields: Any) -> Job[Any]:
        return self._submit(action, schema.request(action, settings=settings or Settings(), **fields))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
