"""Running processes: an explorer, a worker around the fake engine, a job at a stage, a process's children."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from uhrbat.results import Event, Progress
from uhrbat.serving.job import Job

ROOT = Path(__file__).resolve().parents[2]
FAKE_CHILD = (sys.executable, "-m", "tests.support.fake_child", "--child")
"""The command of a worker around the fake engine."""


@contextmanager
def explorer(**environment: str) -> Iterator[tuple[str, psutil.Process]]:
    """An explorer of this working tree with its worker, on a free port: (its address, its process)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    environment = os.environ | environment | {"PORT": str(port)}
    with subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment) as it:
        try:
            until(lambda: is_up(url), seconds=300, pause=0.5)
            yield url, psutil.Process(it.pid)
        finally:
            it.terminate()


def is_up(url: str) -> bool:
    """Whether something answers there."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).is_success
    except httpx.HTTPError:
        return False


def reach(job: Job, stages: tuple[str, ...]) -> Iterator[Event]:
    """Wait until a job is at one of the stages, or has ended, as a short one may between two looks; its events
    afterwards."""
    events = iter(job)
    for event in events:
        if isinstance(event, Progress) and event.stage in stages:
            break
    return events


def children(process: psutil.Process, words: str) -> list[psutil.Process]:
    """The processes that one started, at any remove, with these words in their command line."""
    return [child for child in process.children(recursive=True) if words in " ".join(child.cmdline())]


def until(condition: Callable[[], bool], seconds: float = 120, pause: float = 0.002) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(pause)
