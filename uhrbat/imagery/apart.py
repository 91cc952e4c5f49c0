"""Files opened and decoded in a process of their own: a crash, a hang or hunger costs one file and is one sentence.

    from uhrbat.imagery.apart import open_image, read_canvas, read_tiles, saliency, write_pyramid

The functions are those of `uhrbat.imagery` and `uhrbat.imagery.native`, and give the same; `READER` is all of them
that the engine needs. Each call has a child process to itself, with limits on
address space, processor time and time by the clock; it is killed when `cancel` says so. At most two files are decoded
at once in one process; further calls wait. A child that did its work serves the next call, which so waits for no
imports.
"""

import atexit
import json
import math
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
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import uhrbat
from uhrbat.errors import Cancelled, ImageError, InputError, UHRBATError
from uhrbat.geometry import Square
from uhrbat.imagery import wire
from uhrbat.imagery.canvas import Canvas, Decoded, canvas_from
from uhrbat.imagery.headers import shown_name
from uhrbat.imagery.info import ImageInfo, Limits
from uhrbat.imagery.native import Place, Reader, Tile
from uhrbat.imagery.pixels import Cancel, Histogram, Progress
from uhrbat.imagery.rendering import Rendering, short
from uhrbat.imagery.tile_pyramid import unfinished_name

__all__ = [
    "READER",
    "histogram",
    "open_image",
    "prepare",
    "read_canvas",
    "read_tiles",
    "saliency",
    "stop",
    "write_pyramid",
]

AT_ONCE = 2
ADDRESS_SPACE = 4 * 2**30
OPEN_SECONDS = 20
DECODE_SECONDS = 45
_PIXELS_A_SECOND = 2_500_000
_CLOCK = 12
"""By the clock a file may take this many times its processor seconds: the machine may be busy."""
_START_SECONDS = 120
_SERVED = 200
_TICK = 0.05
_ERRORS: dict[str, type[UHRBATError]] = {"ImageError": ImageError, "InputError": InputError, "Cancelled": Cancelled}

_places = threading.BoundedSemaphore(AT_ONCE)
_lock = threading.Lock()
_idle: list["_Child"] = []
_all: set["_Child"] = set()


def open_image(
    path,
    limits: Limits | None = None,
    bands=None,
    rendering: Rendering | None = None,
    beside=(),
    cancel: Cancel | None = None,
    mask=None,
) -> ImageInfo:
    """As `uhrbat.imagery.open_image`; Cancelled once `cancel()` is true."""
    request = {
        "do": "open",
        "path": _text(path),
        "limits": wire.limits_to_dict(limits or Limits()),
        "bands": _bands(bands),
        "rendering": (rendering or Rendering()).as_dict(),
        "beside": [_text(other) for other in beside],
        "mask": None if mask is None else _text(mask),
    }
    return wire.info_from_dict(_ask(request, shown_name(path), OPEN_SECONDS, None, cancel)["info"])


def read_canvas(
    path,
    info: ImageInfo | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    rendering: Rendering | None = None,
) -> Canvas:
    """As `uhrbat.imagery.read_canvas`."""
    info = info or open_image(path, rendering=rendering, cancel=cancel)
    made: list[Canvas] = []

    def keep(child: "_Child", result: dict[str, Any]) -> None:
        shape, cells = tuple(result["shape"]), result["cells"]
        size = math.prod(shape)
        with child.bytes(size + (4 * math.prod(cells) if cells else 0)) as array:
            found = array[size:].view(np.float32).reshape(cells).copy() if cells else None
            decoded = Decoded(shape, wire.info_from_dict(result["info"]), result["shrink"], found)
            made.append(canvas_from(array[:size].reshape(shape), decoded))

    _ask({"do": "canvas", "info": wire.info_to_dict(info)}, info.name, _seconds(info), progress, cancel, keep)
    return made[0]


def write_pyramid(
    path,
    out_path,
    info: ImageInfo | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    rendering: Rendering | None = None,
) -> ImageInfo:
    """As `uhrbat.imagery.write_pyramid`."""
    info = info or open_image(path, rendering=rendering, cancel=cancel)
    unfinished = unfinished_name(Path(out_path).absolute())
    request = {
        "do": "pyramid",
        "info": wire.info_to_dict(info),
        "out": _text(Path(out_path).absolute()),
        "unfinished": _text(unfinished),
    }
    try:
        return wire.info_from_dict(_ask(request, info.name, _seconds(info), progress, cancel)["info"])
    finally:
        with suppress(OSError):
            unfinished.unlink()


def histogram(
    info: ImageInfo, bins: int = 256, progress: Progress | None = None, cancel: Cancel | None = None
) -> Histogram:
    """As `uhrbat.imagery.histogram`."""
    request = {"do": "histogram", "info": wire.info_to_dict(info), "bins": bins}
    made = _ask(request, info.name, _seconds(info), progress, cancel)
    low, high = made["percentiles"]
    return Histogram(np.array(made["edges"]), np.array(made["counts"], np.int64), (low, high), made["pixels"])


def saliency(info: ImageInfo, progress: Progress | None = None, cancel: Cancel | None = None) -> np.ndarray:
    """As `uhrbat.imagery.saliency.saliency`."""
    made: list[np.ndarray] = []

    def keep(child: "_Child", result: dict[str, Any]) -> None:
        shape = result["shape"]
        with child.bytes(4 * math.prod(shape)) as array:
            made.append(array.view(np.float32).reshape(shape).copy())

    _ask({"do": "saliency", "info": wire.info_to_dict(info)}, info.name, _seconds(info), progress, cancel, keep)
    return made[0]


def read_tiles(
    info: ImageInfo,
    square: Square,
    wanted: Sequence[Place],
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> list[Tile]:
    """As `native.read_tiles`, all at once."""
    if not wanted:
        return []
    tiles: list[Tile] = []
    pixels = square.tile**2 * 3

    def keep(child: "_Child", result: dict[str, Any]) -> None:
        places, width = result["places"], pixels + square.tile_grid**2
        with child.bytes(len(places) * width) as array:
            for (size, tile), row in zip(places, array.reshape(len(places), width), strict=True):
                shown = row[:pixels].reshape(square.tile, square.tile, 3).copy()
                tiles.append(((size, tile), shown, row[pixels:].astype(bool)))

    request = {
        "do": "tiles",
        "info": wire.info_to_dict(info),
        "square": [square.width, square.height, square.sizes[: len(square.sizes) - len(square.looks)]],
        "tile": [square.tile, square.tile_grid],
        "wanted": list(wanted),
    }
    _ask(request, info.name, _seconds(info), progress, cancel, keep)
    return tiles


READER = Reader(read_canvas, saliency, read_tiles, apart=True)
"""Each file is read in a process of its own."""


def prepare() -> None:
    """Start a child in the background where none waits, so that the next file does not wait for imports."""

    def start() -> None:
        with suppress(OSError):
            child = _Child()
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


def _text(path) -> str:
    """A path as JSON carries it; surrogates stand for bytes that are no Unicode."""
    return os.path.abspath(os.fspath(path))


def _bands(bands: Any) -> Any:
    """Bands as JSON carries them; InputError for what no list of bands can be."""
    listed = bands.tolist() if isinstance(bands, np.ndarray) else bands
    listed = list(listed) if isinstance(listed, tuple) else listed
    parts = listed if isinstance(listed, list) else [listed]
    plain = [int(part) if isinstance(part, np.integer) else part for part in parts]
    if not all(part is None or isinstance(part, (int, float, str)) for part in plain) or len(plain) > 64:
        raise InputError(f"{short(bands)} are no bands: give one or three numbers or names.")
    return plain if isinstance(listed, list) else plain[0]


def _seconds(info: ImageInfo) -> float:
    """Processor seconds that a file of this size may take."""
    passes = 2 if info.needs_stretch and info.stretch is None else 1
    return DECODE_SECONDS + passes * info.width * info.height / _PIXELS_A_SECOND


def _ask(request: dict[str, Any], name: str, seconds: float, progress, cancel, keep=None) -> dict[str, Any]:
    """What a child answers to a request, within the limits; a place is waited for."""
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


def _taken(cancel: Cancel | None, name: str) -> "_Child":
    """A child that waits, or a new one."""
    _heed(cancel, name)
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.alive:
                return child
            child.kill()
    return _Child()


class _Child:
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

    def __init__(self, name: str):
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

    def __init__(self, shared: int, size: int):
        self.shared, self.size = shared, size

    def __enter__(self) -> np.ndarray:
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.map = mmap.mmap(self.shared, self.size, flags, mmap.PROT_READ)
        return np.frombuffer(self.map, np.uint8)

    def __exit__(self, *_) -> None:
        with suppress(BufferError):  # an error's traceback may still hold the array
            self.map.close()
        os.ftruncate(self.shared, 0)
