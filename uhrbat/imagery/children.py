"""The processes that decode: at most two at work, each with limits on memory, processor time and time by the clock.

A child that did its work serves the next request, which so waits for no imports; one that broke is ended. Requests and
results are JSON, a line each (`uhrbat.imagery.child` is the other end); pixels come through shared memory.
"""

import atexit
import json
import mmap
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import uhrbat
from uhrbat.errors import Cancelled, ImageError, InputError, UHRBATError
from uhrbat.imagery.pixels import Cancel, Progress

AT_ONCE = 2
ADDRESS_SPACE = 4 * 2**30
_CLOCK = 12
"""By the clock a request may take this many times its processor seconds: the machine may be busy."""
_START_SECONDS = 120
_SERVED = 200
_TICK = 0.05
_ERRORS: dict[str, type[UHRBATError]] = {"ImageError": ImageError, "InputError": InputError, "Cancelled": Cancelled}

_places = threading.BoundedSemaphore(AT_ONCE)
_lock = threading.Lock()
_idle: list["Child"] = []
_all: set["Child"] = set()


def ask(
    request: dict[str, Any],
    name: str,
    seconds: float,
    progress: Progress | None,
    cancel: Cancel | None,
    keep: "Callable[[Child, dict[str, Any]], None] | None" = None,
) -> dict[str, Any]:
    """What a child answers to a request about the file `name`, within the limits; a place is waited for.

    seconds: of a processor that it may take. keep: called with the child and its result, to copy what lies in
    `Child.bytes`. ImageError where the child ended on the file, needed too much memory or took too long; Cancelled once
    `cancel()` is true.
    """
    while not _places.acquire(timeout=_TICK):
        _heed(cancel, name)
    try:
        child = _taken(cancel, name)
        try:
            result = child.ask({**request, "seconds": seconds, "address_space": ADDRESS_SPACE}, name, progress, cancel)
            if keep:
                keep(child, result)
        except (InputError, ImageError) as error:
            if isinstance(error, _Broken):
                child.kill()
                prepare()
            else:
                child.give_back()
            raise
        except BaseException:
            child.kill()
            prepare()
            raise
        child.give_back()
        return result
    finally:
        _places.release()


def _heed(cancel: Cancel | None, name: str) -> None:
    if cancel is not None and cancel():
        raise Cancelled(f"Reading {name} was cancelled.")


def prepare() -> None:
    """Start a child in the background where none waits, so that the next file does not wait for imports."""

    def start() -> None:
        with suppress(OSError):
            child = Child()
            with _lock:
                _idle.append(child)

    with _lock:
        if _idle:
            return
    threading.Thread(target=start, name="decoder", daemon=True).start()


def stop() -> None:
    """End all children; a call that waits for one fails."""
    with _lock:
        children = list(_all)
        _idle.clear()
    for child in children:
        child.kill()


atexit.register(stop)


def _taken(cancel: Cancel | None, name: str) -> "Child":
    """A child that waits, or a new one."""
    _heed(cancel, name)
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.alive:
                return child
            child.kill()
    return Child()


class Child:
    """One process that decodes, with a folder and memory of its own."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.folder = tempfile.mkdtemp(prefix=f"uhrbat-decode-{self.owner}-")
        self.shared = _memory()
        self.served = 0
        self._buffer = b""
        root = str(Path(uhrbat.__file__).resolve().parents[1])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
            "TMPDIR": self.folder,
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "4",
        }
        command = [sys.executable, "-P", "-m", "uhrbat.imagery.child", str(self.shared)]
        try:
            with open(Path(self.folder) / "log", "wb") as log:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    pass_fds=(self.shared,),
                )
        except BaseException:
            os.close(self.shared)
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._ready = False
        with _lock:
            _all.add(self)

    @property
    def alive(self) -> bool:
        """Whether it can take a request in this process."""
        return self.owner == os.getpid() and self.process.poll() is None

    def ask(
        self, request: dict[str, Any], name: str, progress: Progress | None, cancel: Cancel | None
    ) -> dict[str, Any]:
        """The child's result; its own error raised here, ImageError where it ended, Cancelled where it was to stop."""
        self.served += 1
        line = json.dumps(request).encode() + b"\n"
        with suppress(BrokenPipeError):  # it has ended, which the reading below finds
            assert self.process.stdin is not None
            self.process.stdin.write(line)
            self.process.stdin.flush()
        until = time.monotonic() + (_CLOCK * request["seconds"] if self._ready else _START_SECONDS)
        while True:
            _heed(cancel, name)
            if time.monotonic() > until:
                raise _TooLong(name)
            for message in self._messages():
                if message is None:
                    raise self._ended(name)
                if "ready" in message:
                    self._ready = True
                    until = time.monotonic() + _CLOCK * request["seconds"]
                elif "progress" in message:
                    if progress is not None:
                        progress(message["progress"])
                elif "error" in message:
                    self.served += _SERVED * message["last"]
                    if message["error"] == "MemoryError":
                        raise _too_hungry(name)
                    raise _ERRORS.get(message["error"], ImageError)(message["text"])
                else:
                    self.served += _SERVED * message["last"]
                    if progress is not None:
                        progress(1.0)
                    return message["result"]

    def _messages(self) -> list[dict[str, Any] | None]:
        """What the child has said since the last time, waiting a moment for it; None where it has ended."""
        assert self.process.stdout is not None
        pipe = self.process.stdout.fileno()
        if not select.select([pipe], [], [], _TICK)[0]:
            return []
        data = os.read(pipe, 2**20)
        if not data:
            return [None]
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _ended(self, name: str) -> ImageError:
        """The sentence for a child that ended by itself."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        code = self.process.returncode
        log = ""
        with suppress(OSError):
            log = (Path(self.folder) / "log").read_bytes()[-4000:].decode("utf-8", "replace").lower()
        if code == -signal.SIGXCPU:
            return _TooLong(name)
        if code in (-signal.SIGKILL, -signal.SIGBUS) or "memory" in log or "failed to allocate" in log:
            return _too_hungry(name)
        return _Broken(
            f"{name} could not be decoded, its decoder ended on it: export it again as PNG, JPEG or plain TIFF."
        )

    def bytes(self, size: int) -> "_Bytes":
        """What the child wrote, so many bytes, as an array inside a with block."""
        return _Bytes(self.shared, size)

    def give_back(self) -> None:
        """Keep it for the next call, where it is fit for that."""
        if self.served < _SERVED and self.alive:
            with _lock:
                if len(_idle) < AT_ONCE:
                    _idle.append(self)
                    return
        self.kill()

    def kill(self) -> None:
        """End it at once, and delete what it left."""
        with _lock:
            known = self in _all
            _all.discard(self)
        if not known:
            return
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()
        with suppress(OSError):
            os.close(self.shared)
        if self.owner == os.getpid():
            shutil.rmtree(self.folder, ignore_errors=True)


class _Broken(ImageError):
    """An ImageError after which the child is of no use."""


class _TooLong(_Broken):
    """The file took longer than it may."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} takes too long to decode: save it as a tiled TIFF or a plain JPEG or PNG, or make it smaller."
        )


def _too_hungry(name: str) -> ImageError:
    return _Broken(f"{name} needs more memory than a file may take here: make it smaller or save it as a tiled TIFF.")


def _memory() -> int:
    """An open file in memory, or a deleted one on disk where the system has no such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("uhrbat-canvas")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class _Bytes:
    """What a child wrote, mapped; its memory is given back at the end of the block."""

    def __init__(self, shared: int, size: int) -> None:
        self.shared, self.size = shared, size

    def __enter__(self) -> np.ndarray:
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.map = mmap.mmap(self.shared, self.size, flags, mmap.PROT_READ)
        return np.frombuffer(self.map, np.uint8)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(BufferError):  # an error's traceback may still hold the array
            self.map.close()
        os.ftruncate(self.shared, 0)
