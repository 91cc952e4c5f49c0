"""A picture handed over strip by strip, from the top, while it is decoded; never held whole."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pyvips

from uhrbat.geometry import SCALES
from uhrbat.imagery.info import ImageInfo
from uhrbat.imagery.pixels import Cancel, open_picture, watched

MAX_SIDE = 2 * SCALES[-1]
"""Longer side of a canvas, at most."""
CELL = 16
"""Rows and columns that belong together (`imagery.saliency`)."""
ROWS, BYTES = 120, 7 * 2**20
"""Rows of a strip, or a little more; fewer where they hold more bytes."""
_AHEAD = 1
"""Strips that are read ahead of who uses them."""
_TICK = 0.05


def shrink_of(info: ImageInfo) -> int:
    """By which whole number a file is averaged for its canvas."""
    return max(1, math.ceil(max(info.width, info.height) / MAX_SIDE))


@contextmanager
def strips(
    info: ImageInfo, cancel: Cancel | None = None, stop_row: int | None = None
) -> Iterator[Iterator[tuple[int, np.ndarray]]]:
    """The upright picture from the top to `stop_row`: (first row, uint8[rows, width, 3, or 4 with validity]).

    `info` has its stretch decided. All strips of a file but its last have equally many rows, a multiple of `CELL` and
    of `shrink_of`.
    """
    unit = math.lcm(CELL, shrink_of(info))
    with open_picture(info, cancel) as picture:
        pixels = picture.rgb if picture.valid is None else picture.rgb.bandjoin(picture.valid)
        if stop_row is not None:
            pixels = pixels.crop(0, 0, info.width, stop_row)
        rows = min(math.ceil(ROWS / unit), max(1, BYTES // (pixels.width * pixels.bands * unit))) * unit
        reading = _Reading(pixels, info, cancel, rows)
        try:
            yield reading.strips()
        finally:
            reading.stop()


class _Reading:
    """One evaluation of a picture, in a thread of its own, handed over strip by strip as it goes."""

    def __init__(self, image: pyvips.Image, info: ImageInfo, cancel: Cancel | None, rows: int) -> None:
        self.image, self.info, self.cancel = image, info, cancel
        self._strip_bytes = image.width * image.bands * rows
        self._rest = bytearray()
        self._parts: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        self._target = pyvips.TargetCustom()
        self._target.on_write(self._write)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def strips(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, uint8[rows, width, bands]) from the top; raises what went wrong in the thread."""
        top = 0
        while (part := self._parts.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            strip = np.frombuffer(part, np.uint8).reshape(-1, self.image.width, self.image.bands)
            yield top, strip
            top += len(strip)

    def stop(self) -> None:
        """Give up what has not been read, and wait for the thread's end."""
        self._stopped.set()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._parts.get(timeout=_TICK)
        self._thread.join()

    def _run(self) -> None:
        try:
            with watched(self.image, self.info, None, self.cancel):
                self.image.rawsave_target(self._target)
            self._hand_over(bytes(self._rest))
            self._parts.put(None)
        except BaseException as error:  # whatever it is, the reader raises it
            self._parts.put(error)

    def _write(self, chunk: bytes) -> int:
        if self._stopped.is_set():
            return -1
        self._rest += chunk
        size = self._strip_bytes
        while len(self._rest) >= size:
            with memoryview(self._rest) as rest:
                part = bytes(rest[:size])
            del self._rest[:size]
            self._hand_over(part)
        return len(chunk)

    def _hand_over(self, part: bytes) -> None:
        if part and not self._stopped.is_set():
            self._parts.put(part)
