"""Long work in turns: it is done in a thread of its own that stands still while others have the device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from typing import TypeVar

from uhrbat.errors import Cancelled
from uhrbat.progress import Flag, Progress

T = TypeVar("T")
TURN_SECONDS = 0.5
PAUSE_SECONDS = 0.01
OFF_DEVICE = ("read", "survey", "window")
"""The stages in which files are read: they go on while others have the device."""


def in_turns(work: Callable[[Progress], T], progress: Progress, stop: Flag) -> Generator[None, None, T]:
    """Do work that reports its progress to the callback it is given; yields twice a second, returns its result.

    The work stands still at a report, so it must report often, before it uses the device. Where the generator is
    closed, `stop` must be set, and the work end at its next report.
    """
    mine, paused = threading.Event(), threading.Event()
    at = OFF_DEVICE[0]  # until it reports, it opens a file
    outcome: Future[T] = Future()

    def report(stage: str, fraction: float, message: str) -> None:
        nonlocal at
        at = stage
        progress(stage, fraction, message)
        if stage not in OFF_DEVICE and not mine.is_set():
            paused.set()
            mine.wait()
            if stop.is_set():
                raise Cancelled("stopped, as asked")

    def run() -> None:
        try:
            outcome.set_result(work(report))
        except BaseException as error:  # raised again where the work is waited for
            outcome.set_exception(error)

    mine.set()
    threading.Thread(target=run, daemon=True, name="in turns").start()
    try:
        while True:
            wait([outcome], TURN_SECONDS)
            mine.clear()
            while at not in OFF_DEVICE and not paused.is_set() and not outcome.done():
                wait([outcome], PAUSE_SECONDS)
            if outcome.done():
                return outcome.result()
            yield
            paused.clear()
            mine.set()
    finally:
        mine.set()
