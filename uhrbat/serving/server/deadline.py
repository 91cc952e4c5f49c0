"""When a piece of work must stop: cancelled, or out of the time that it may use the device."""

from __future__ import annotations

import threading
import time
from typing import Self


class Deadline:
    """The engine's `progress.Flag` of one job: set when the job is cancelled or has used up its time on the device.

    Time counts inside `with deadline:` only.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds_left = seconds
        self._cancelled = threading.Event()
        self._started: float | None = None

    def cancel(self) -> None:
        """The work is not wanted any more."""
        self._cancelled.set()

    def give_back(self, seconds: float) -> None:
        """Do not count so many seconds of the step under way: others had the device, or nobody."""
        self.seconds_left += seconds

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
        if self._started is not None:
            self.seconds_left -= time.monotonic() - self._started
        self._started = None
