"""A job: one piece of work under way in a worker, as its caller sees it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from typing import Generic, TypeVar

from uhrbat.errors import Cancelled
from uhrbat.results import Event, Progress

T = TypeVar("T")
HEARTBEAT_SECONDS = 0.2


class Job(Generic[T]):
    """One piece of work under way in a worker.

    Iterate over it for its events: `Progress`, and the `SweepPoint`s or `MethodResult`s as they are ready.
    While nothing new happens the last progress is repeated five times a second, so that a caller can stop in
    between. Leaving the loop before its end cancels the job. `result()` waits for the end; it raises what
    went wrong.

        for event in (job := worker.ask(query, budget=3000)):
            if isinstance(event, Progress):
                show(event.stage, event.fraction)
        print(job.result().answer.text)
    """

    def __init__(self) -> None:
        self._outcome: Future[T] = Future()
        self._news = threading.Condition()
        # Not a queue: a progress that nobody has taken is replaced, so that a job nobody reads stays small.
        self._events: deque[Event] = deque()
        self._latest = Progress("queue", 0.0)
        self._listener: Callable[[], object] | None = None

    def __iter__(self) -> Iterator[Event]:
        try:
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._events or self.done, HEARTBEAT_SECONDS)
                    if self.done and not self._events:
                        return
                    event = self._events.popleft() if self._events else self._latest
                yield event
        finally:
            self.cancel()

    def result(self, timeout: float | None = None) -> T:
        """The job's result; waits for it, at most `timeout` seconds (then TimeoutError).

        Raises Cancelled, BusyError, InputError, ImageError or WorkerError, with a message for the user.
        """
        return self._outcome.result(timeout)

    def cancel(self) -> None:
        """Stop the job; the device is free within a second. Does nothing when it has ended."""
        self.fail(Cancelled("stopped, as asked"))

    @property
    def latest(self) -> Progress:
        """The last progress reported."""
        return self._latest

    @property
    def done(self) -> bool:
        """Whether the job has ended, well or not."""
        return self._outcome.done()

    # What follows is for workers.

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Call this when the job ends as cancelled; at once if it has."""
        self._outcome.add_done_callback(lambda outcome: stop() if isinstance(outcome.exception(), Cancelled) else None)

    def on_news(self, listener: Callable[[], object] | None) -> None:
        """Call this, from any thread, when there is something to `take` or the job has ended."""
        self._listener = listener

    def take(self) -> Event | None:
        """The next event, if there is one."""
        with self._news:
            return self._events.popleft() if self._events else None

    def emit(self, event: Event) -> None:
        """Pass an event on to the caller; a progress that was not taken yet is replaced by the next."""
        with self._news:
            if self.done:
                return
            if isinstance(event, Progress):
                self._latest = event
                if self._events and isinstance(self._events[-1], Progress):
                    self._events.pop()
            self._events.append(event)
        self._notify()

    def finish(self, outcome: T) -> bool:
        """End the job with its result. False if it had already ended."""
        try:
            self._outcome.set_result(outcome)
        except InvalidStateError:
            return False
        self._notify()
        return True

    def fail(self, error: BaseException) -> bool:
        """End the job with an error. False if it had already ended."""
        try:
            self._outcome.set_exception(error)
        except InvalidStateError:
            return False
        self._notify()
        return True

    def _notify(self) -> None:
        with self._news:
            self._news.notify_all()
        if (listener := self._listener) is not None:
            listener()
