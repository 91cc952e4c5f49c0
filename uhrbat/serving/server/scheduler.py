"""Whose turn it is on the device: one piece of work at a time, sessions in rotation."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from uhrbat.errors import BusyError, Cancelled, WorkerError
from uhrbat.results import Progress
from uhrbat.serving.job import Job
from uhrbat.serving.limits import Limits
from uhrbat.serving.server.deadline import Deadline

STUCK_SECONDS = 60
"""How long past its time limit a job may take to notice it, before the worker counts as stuck."""
Steps = Generator[None, None, Any]
"""Work that yields where another session may have the device, and returns its result."""


@dataclass(eq=False)
class _Task:
    name: str
    session: str
    job: Job[Any]
    deadline: Deadline
    steps: Steps
    ahead_of_time: bool
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    began: float = field(default_factory=time.monotonic)
    started: bool = False

    @property
    def can_wait(self) -> bool:
        """Whether all others go first. Once it has begun it takes its turns: others may have come to wait for it."""
        return self.ahead_of_time and not self.started


class Scheduler:
    """Runs jobs step by step. After each step the next session has its turn, so a long job starves nobody.

    lanes: how many jobs may be at a step at once; one for one device.
    on_end: called with (name, outcome, seconds) at each job's end; outcome: "done", "cancelled", "busy" or "failed".
    presentable: turns whatever a step raised into the error that its caller sees.
    """

    def __init__(
        self,
        limits: Limits,
        lanes: int = 1,
        on_end: Callable[[str, str, float], None] = lambda *_: None,
        presentable: Callable[[BaseException], BaseException] = lambda error: error,
    ) -> None:
        self.limits = limits
        self._on_end, self._presentable = on_end, presentable
        self._changed = threading.Condition()
        self._sessions: OrderedDict[str, deque[_Task]] = OrderedDict()
        self._running: list[_Task] = []
        self._closed = False
        self._lanes = [threading.Thread(target=self._lane, daemon=True, name=f"lane {n}") for n in range(lanes)]
        for lane in self._lanes:
            lane.start()

    @property
    def queued(self) -> int:
        """Jobs waiting for a turn."""
        return sum(len(tasks) for tasks in self._sessions.values())

    @property
    def running(self) -> int:
        """Jobs at a step."""
        return len(self._running)

    @property
    def stuck(self) -> bool:
        """Whether a job that was to stop long ago still holds the device; only a new process helps then."""
        return any(task.deadline.overtime > STUCK_SECONDS for task in list(self._running))

    def submit(
        self, name: str, session: str, steps: Callable[[Job[Any], Deadline], Steps], ahead_of_time: bool = False
    ) -> Job[Any]:
        """Queue a job; where the queue is full the job has already failed with BusyError.

        ahead_of_time: nobody waits for it yet, so it begins only when no other job wants a turn.
        """
        job: Job[Any] = Job()
        deadline = Deadline(self.limits.job_seconds)
        task = _Task(name, session, job, deadline, steps(job, deadline), ahead_of_time)
        with self._changed:
            refusal = self._refusal(session)
            if refusal is None:
                self._sessions.setdefault(session, deque()).append(task)
                self._changed.notify()
                self._report_places()
        if refusal is not None:
            self._end(task, error=refusal)
        else:
            job.on_cancel(lambda: self._cancel(task))
        return job

    def close(self) -> None:
        """Stop everything; jobs that have not ended fail as cancelled."""
        with self._changed:
            self._closed = True
            tasks = [task for waiting in self._sessions.values() for task in waiting] + self._running
            self._changed.notify_all()
        for task in tasks:
            task.job.cancel()
        for lane in self._lanes:
            lane.join(timeout=5)

    def _refusal(self, session: str) -> BusyError | None:
        own = len(self._sessions.get(session, ()))
        if self._closed:
            return BusyError("the model worker is stopping: ask again in a moment")
        if own >= self.limits.session_jobs:
            return BusyError(f"{own} of your own questions are still waiting: wait for one of them, or cancel it")
        if self.queued >= self.limits.queue_jobs or (not own and len(self._sessions) >= self.limits.sessions):
            return BusyError(f"the model is busy, with {self.queued} questions waiting: ask again in a minute")
        return None

    def _lane(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._sessions or self._closed)
                if self._closed:
                    return
                task = self._next()
                self._remove(task)
                if task.session in self._sessions:
                    self._sessions.move_to_end(task.session)
                self._running.append(task)
                task.started = True
                self._report_places()
            self._turn(task)

    def _next(self) -> _Task:
        """The first job of the first session; one that can wait only where there are no others."""
        return min((task for tasks in self._sessions.values() for task in tasks), key=lambda task: task.can_wait)

    def _remove(self, task: _Task) -> None:
        tasks = self._sessions[task.session]
        tasks.remove(task)
        if not tasks:
            del self._sessions[task.session]

    def _turn(self, task: _Task) -> None:
        """One step of one task, then its end or its place at the back of the queue."""
        error: BaseException | None = None
        outcome, over = None, True
        try:
            with task.deadline:
                task.context.run(next, task.steps)
            over = task.deadline.is_set()
            error = Cancelled("stopped, as asked") if over else None
        except StopIteration as stop:
            outcome = stop.value
        except BaseException as raised:  # a lane must outlive whatever a job does
            error = raised
        if over and error is not None and task.deadline.out_of_time and not task.deadline.cancelled:
            limit = f"{self.limits.job_seconds:g} seconds"
            error = WorkerError(f"stopped after {limit}, the most one job may take: ask for less at once")
        with self._changed:
            self._running.remove(task)
            if not over:
                self._sessions.setdefault(task.session, deque()).append(task)
                self._changed.notify()
            self._report_places()
        if over:
            task.steps.close()
            self._end(task, outcome, error)

    def _cancel(self, task: _Task) -> None:
        task.deadline.cancel()
        with self._changed:
            waiting = task in self._sessions.get(task.session, ())
            if waiting:
                self._remove(task)
                self._report_places()
        if waiting:
            task.steps.close()
            self._end(task, error=Cancelled("stopped, as asked"))

    def _end(self, task: _Task, outcome: Any = None, error: BaseException | None = None) -> None:
        if error is None:
            task.job.finish(outcome)
            word = "done"
        else:
            error = self._presentable(error)
            task.job.fail(error)
            busy = "busy" if isinstance(error, BusyError) else "failed"
            word = "cancelled" if isinstance(error, Cancelled) else busy
        self._on_end(task.name, word, time.monotonic() - task.began)

    def _report_places(self) -> None:
        """Report to every job that has not had a turn yet how many have theirs before it."""
        queues = [list(tasks) for tasks in self._sessions.values()]
        deepest = max(map(len, queues), default=0)
        order = [tasks[depth] for depth in range(deepest) for tasks in queues if depth < len(tasks)]
        order.sort(key=lambda task: task.can_wait)
        for place, task in enumerate(order):
            if not task.started:
                ahead = place + len(self._running)
                message = f"waiting: {ahead} ahead" if ahead else "next"
                task.job.emit(Progress("queue", 0.0, message, ahead))
