"""A job: one piece of work under way in a worker, as its caller sees it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Self, TypeVar

from uhrbat.errors import Cancelled
from uhrbat.results import Event, Progress

T = TypeVar("T")
HEARTBEAT_SECONDS = 0.2


def _nothing() -> None:
    pass


class Job(Generic[T]):
    """One piece of work under way in a worker.

    Iterate over it for its events: `Progress`, and the `SweepPoint`s or `MethodResult`s as they are ready.
    While nothing new happens the last progress is repeated five times a second, so that a caller can stop in
    between. Leaving the loop before its end cancels the job. `result()` waits for the end; it raises what
    went wrong.

        for event in (job := worker.ask(image, "How many ships?", budget=3000)):
            if isinstance(event, Progress):
                show(event.stage, event.fraction)
        print(job.result().answer.text)
    """

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._events: deque[Event] = deque()
        self._latest = Progress("queue", 0.0)
        self._ended = False
        self._outcome: T | None = None
        self._error: BaseException | None = None
        self._stop: Callable[[], None] = _nothing
        self._listener: Callable[[], object] = _nothing

    def __iter__(self) -> Iterator[Event]:
        try:
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._events or self._ended, HEARTBEAT_SECONDS)
                    if self._ended and not self._events:
                        return
                    event = self._events.popleft() if self._events else self._latest
                yield event
        finally:
            self.cancel()

    def result(self, timeout: float | None = None) -> T:
        """What the job came to; waits for it, at most `timeout` seconds (then TimeoutError).

        Raises Cancelled, BusyError, InputError, ImageError or WorkerError, with a message for the user.
        """
        with self._news:
            if not self._news.wait_for(lambda: self._ended, timeout):
                raise TimeoutError("the job is still running")
        if self._error is not None:
            raise self._error
        return self._outcome

    def cancel(self) -> None:
        """Stop the job; the device is free within a second. Does nothing when it has ended."""
        if self.fail(Cancelled("stopped, as asked")):
            self._stop()

    @property
    def latest(self) -> Progress:
        """The last progress told."""
        return self._latest

    @property
    def done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self._ended

    # What follows is for workers.

    def on_cancel(self, stop: Callable[[], None]) -> None:
        """What stops the work when the caller cancels; called at once if that has happened."""
        with self._news:
            self._stop = stop
            late = self._ended and isinstance(self._error, Cancelled)
        if late:
            stop()

    def on_news(self, listener: Callable[[], object]) -> None:
        """What to call, from any thread, when there is something to `take` or the job has ended."""
        self._listener = listener

    def take(self) -> Event | None:
        """The next event, if there is one."""
        with self._news:
            return self._events.popleft() if self._events else None

    def emit(self, event: Event) -> None:
        """Tell the caller something; a progress that was not taken yet gives way to the next."""
        with self._news:
            if self._ended:
                return
            if isinstance(event, Progress):
                self._latest = event
                if self._events and isinstance(self._events[-1], Progress):
                    self._events.pop()
            self._events.append(event)
            self._news.notify_all()
        self._listener()

    def finish(self, outcome: T) -> bool:
        """The job has come to this. False if it had already ended."""
        return self._end(outcome, None)

    def fail(self, error: BaseException) -> bool:
        """The job has failed so. False if it had already ended."""
        return self._end(None, error)

    def _end(self, outcome: T | None, error: BaseException | None) -> bool:
        with self._news:
            if self._ended:
                return False
            self._outcome, self._error, self._ended = outcome, error, True
            self._news.notify_all()
        self._listener()
        return True


class Token:
    """Says whether a piece of work is to stop: cancelled, or out of the time that it may take on the device.

    It has `is_set`, which is all that the engine asks for.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds_left = seconds
        self._cancelled = threading.Event()
        self._started: float | None = None

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def overtime(self) -> float:
        """Seconds by which the time on the device is used up; below 0 while some is left."""
        running = 0.0 if self._started is None else time.monotonic() - self._started
        return running - self.seconds_left

    @property
    def out_of_time(self) -> bool:
        """Whether the time on the device is used up."""
        return self.overtime > 0

    def is_set(self) -> bool:
        return self.cancelled or self.out_of_time

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds_left -= time.monotonic() - self._started
        self._started = None
