"""The worker as this process's child: watched, started again when it dies, and never left behind."""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO

import httpx

from uhrbat.errors import WorkerError
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import Health

logger = logging.getLogger(__name__)
COMMAND = (sys.executable, "-m", "uhrbat.serving", "--child")
START_SECONDS = 120
WATCH_SECONDS = 5
HUNG_SECONDS = 60
STARTING_SECONDS = 0.5
"""How often a worker that is not ready yet is asked for its health."""
DIED = "the model stopped (out of memory or killed) and is restarting: ask again"
STOPPED = "the explorer is being stopped, and its model worker with it"
STOPPING_SECONDS = 0.2
"""Where a service manager stops all processes at once, the worker may end so long before this one hears of it."""


class Supervisor:
    """Keeps one worker process alive on a loopback port, reachable with a secret that only this process knows.

    command: what to start; it must print {"port": N} as its first line, serve there, want the bearer secret in
    UHRBAT_WORKER_TOKEN, keep images in UHRBAT_STORE_FOLDER, and exit when its standard input ends.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self.command = tuple(command)
        self.folder: Path | None = Limits().folder()
        self._secret = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._failures = 0
        self._not_before = 0.0
        self._closed = threading.Event()
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid if self._process else None

    def address(self) -> tuple[str, str | None]:
        """URL and secret of a live worker, started now if there is none. WorkerError if it does not start."""
        with self._lock:
            if self._closed.is_set():
                raise WorkerError(STOPPED)
            if self._process is None or self._process.poll() is not None:
                self._start()
            return self._url, self._secret

    def gone(self, url: str, error: Exception) -> WorkerError:
        process = self._process
        try:
            if process is not None and url == self._url:  # else the next worker is up already
                process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return WorkerError("the model worker did not answer: ask again in a moment")
        return WorkerError(STOPPED if self._closed.wait(STOPPING_SECONDS) else DIED)

    def close(self) -> None:
        """Stop the worker."""
        with self._lock:
            self._closed.set()
            process = self._process
        if process is not None and process.poll() is None:
            _close(process)
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self) -> None:
        if time.monotonic() < self._not_before:
            raise WorkerError("the model worker does not start: its log says why; it is tried again in a moment")
        root = str(Path(__file__).resolve().parents[3])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        given = {"UHRBAT_WORKER_TOKEN": self._secret, "UHRBAT_STORE_FOLDER": str(self.folder), "PYTHONPATH": paths}
        environment = os.environ | given
        began = time.monotonic()
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the worker in its turn
        )
        port = _first_line(process.stdout)
        self._process = process
        self.starts += 1
        if port is None:
            process.kill()
            process.wait()
            _close(process)
            self._pause_after(ready=False)
            raise WorkerError(f"the model worker does not start (exit code {process.returncode}): its log says why")
        self._url = f"http://127.0.0.1:{port}"
        logger.info("model worker %d started in %.2f s", process.pid, time.monotonic() - began)
        threading.Thread(target=self._watch, args=(process,), daemon=True, name="worker watch").start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Until the process ends: kill it if it hangs. Then start the next one, after a pause if need be."""
        answered, ready = time.monotonic(), False
        while process.poll() is None:
            try:
                process.wait(timeout=WATCH_SECONDS if ready else STARTING_SECONDS)
            except subprocess.TimeoutExpired:
                health = self._health()
                ready = ready or (health is not None and health.status == "ready")
                if health is not None:
                    answered = time.monotonic()
                stuck = health is not None and health.status == "stuck"
                if stuck or time.monotonic() - answered > HUNG_SECONDS:
                    logger.error("model worker %d %s; ending it", process.pid, "is stuck" if stuck else "has hung")
                    process.kill()
        _close(process)
        if self._closed.wait(STOPPING_SECONDS):
            return
        logger.error("model worker %d ended with code %s; starting another", process.pid, process.returncode)
        time.sleep(self._pause_after(ready))
        try:
            self.address()
        except WorkerError as error:
            if not self._closed.is_set():
                logger.error("%s", error)

    def _health(self) -> Health | None:
        try:
            reply = httpx.get(f"{self._url}/health", timeout=WATCH_SECONDS, trust_env=False)
            return Health.model_validate(reply.json())
        except (httpx.HTTPError, ValueError):
            return None

    def _pause_after(self, ready: bool) -> float:
        """Seconds until the next start, when a worker has ended that was, or never was, ready.

        Workers that end before they are ready, several in a row, are started after ever longer pauses.
        """
        self._failures = 0 if ready else self._failures + 1
        pause = 0.0 if self._failures <= 2 else min(30.0, 2.0 ** (self._failures - 2))
        self._not_before = time.monotonic() + pause
        return pause


def _close(process: subprocess.Popen[bytes]) -> None:
    """End a worker's standard input, by which it ends itself."""
    with suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()


def _first_line(output: IO[bytes] | None) -> int | None:
    """The port that a new worker prints; None if it ends, or takes too long, before it does."""
    lines: SimpleQueue[bytes] = SimpleQueue()

    def read() -> None:
        if output is None:
            return
        with output:
            lines.put(output.readline())
            for line in output:
                logger.info("model worker: %s", line.decode(errors="replace").rstrip())

    threading.Thread(target=read, daemon=True, name="worker output").start()
    try:
        return int(json.loads(lines.get(timeout=START_SECONDS))["port"])
    except (Empty, ValueError, KeyError, TypeError):
        return None
