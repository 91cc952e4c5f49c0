"""Progress, cancellation and stage times of long work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from tqdm import tqdm

from uhrbat.errors import Cancelled

Progress = Callable[[str, float, str], None]


class Flag(Protocol):
    """Anything with `is_set`, such as threading.Event: set it to cancel."""

    def is_set(self) -> bool: ...


class Reporter:
    """Forwards progress, raises Cancelled when asked to, and times the stages."""

    def __init__(self, progress: Progress | bool | None, cancel: Flag | None) -> None:
        self.bar: tqdm | None = None
        self.callback = progress if callable(progress) else None
        self.show = progress is True
        self.cancel = cancel
        self.seconds: dict[str, float] = {}
        self._began: tuple[str, float] | None = None

    def __call__(self, stage: str, fraction: float, message: str = "") -> None:
        if self.cancel is not None and self.cancel.is_set():
            self.close()
            raise Cancelled(f"stopped while at work on '{stage}', as asked")
        now = time.perf_counter()
        if self._began is None or self._began[0] != stage:
            self._finish(now)
            self._began = (stage, now)
        if self.callback:
            self.callback(stage, fraction, message)
        if self.show:
            if self.bar is None:
                self.bar = tqdm(total=100, bar_format="{desc:<10}{bar}{percentage:4.0f}% {elapsed}", leave=False)
            self.bar.set_description_str(stage)
            self.bar.n = round(fraction * 100)
            self.bar.refresh()

    def _finish(self, now: float) -> None:
        if self._began is not None:
            stage, start = self._began
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - start

    def close(self) -> dict[str, float]:
        self._finish(time.perf_counter())
        self._began = None
        if self.bar is not None:
            self.bar.close()
        return self.seconds
