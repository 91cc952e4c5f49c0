"""The pixels of a file as they are, window by window in one pass, and how object-like every part of it is.

Nothing larger than a strip of the file and the windows that cross it is held.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyvips
from PIL import Image

from uhrbat.geometry import Scale, Square
from uhrbat.imagery.canvas import Canvas, read_canvas
from uhrbat.imagery.info import ImageInfo
from uhrbat.imagery.pixels import FILL, Cancel, Progress, open_picture, watched, with_stretch

Place = tuple[int, int]
"""(size of a native scale, row-major index of one of its tiles)."""
Tile = tuple[Place, np.ndarray, np.ndarray]
"""A tile, uint8[tile, tile, 3] of its pixels, and bool[tokens a tile]: which of its tokens show any valid pixel."""
CELL = 16
"""Side in pixels of the file of what `saliency` gives one number."""
_ROWS = 512
_AHEAD = 2
"""Strips that are read ahead of who uses them."""
_TICK = 0.05
_SURROUND = 31
_SUPPORT = 2
"""Pixels of a resized picture that bicubic resizing reaches to either side."""


@dataclass(frozen=True)
class Reader:
    """How a file is read: its canvas as `read_canvas`, and for its native scales `saliency` and `read_tiles`.

    apart: whether in a process of its own, so that a damaged or hostile file cannot harm this one.
    """

    canvas: Callable[[str | Path, ImageInfo, Progress | None, Cancel | None], Canvas]
    saliency: Callable[[ImageInfo, Progress | None, Cancel | None], np.ndarray]
    tiles: Callable[[ImageInfo, Square, Sequence[Place], Progress | None, Cancel | None], Iterable[Tile]]
    apart: bool = False


@contextmanager
def _strips(info: ImageInfo, stop_row: int, cancel: Cancel | None):
    """The upright picture from the top to `stop_row`: (first row, uint8[rows, width, 3, or 4 with validity])."""
    with open_picture(info, cancel) as picture:
        pixels = picture.rgb if picture.valid is None else picture.rgb.bandjoin(picture.valid)
        reading = _Reading(pixels.crop(0, 0, info.width, stop_row), info, cancel)
        try:
            yield reading.strips()
        finally:
            reading.stop()


class _Reading:
    """One evaluation of a picture, in a thread of its own, handed over strip by strip as it goes."""

    def __init__(self, image: pyvips.Image, info: ImageInfo, cancel: Cancel | None) -> None:
        self.image, self.info, self.cancel = image, info, cancel
        self._row_bytes = image.width * image.bands
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
        size = self._row_bytes * _ROWS
        while len(self._rest) >= size:
            self._hand_over(bytes(self._rest[:size]))
            del self._rest[:size]
        return len(chunk)

    def _hand_over(self, part: bytes) -> None:
        if part and not self._stopped.is_set():
            self._parts.put(part)


def saliency(info: ImageInfo, progress: Progress | None = None, cancel: Cancel | None = None) -> np.ndarray:
    """float32[rows, columns]: how much each `CELL` x `CELL` square of the picture stands out from its surroundings.

    Whatever the question: the strongest difference in lightness and colour from the neighbourhood's mean, over how
    strongly that neighbourhood varies anyway. One pass over the file; ImageError, Cancelled.
    """
    info = with_stretch(info, None, cancel)
    rows, columns = math.ceil(info.height / CELL), math.ceil(info.width / CELL)
    found = np.zeros((rows, columns), np.float32)
    with _strips(info, info.height, cancel) as strips:
        for top, strip in strips:
            part = _stand_out(strip)
            found[top // CELL : top // CELL + len(part)] = part
            if progress:
                progress(min(1.0, (top + len(strip)) / info.height))
    return found


def _stand_out(strip: np.ndarray) -> np.ndarray:
    """float32[rows, columns] of a strip's cells (`saliency`)."""
    height, width = (math.ceil(side / CELL) * CELL for side in strip.shape[:2])
    pixels = np.ascontiguousarray(strip[..., :3])
    if pixels.shape[:2] != (height, width):
        below, right = height - pixels.shape[0], width - pixels.shape[1]
        pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
    half = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(half, cv2.COLOR_RGB2YCrCb)
    apart = cv2.absdiff(colours, cv2.blur(colours, (_SURROUND, _SURROUND)))
    apart = cv2.transform(apart, np.array([[0.5, 1.5, 1.5]], np.float32))
    around = cv2.resize(apart, (width // CELL, height // CELL), interpolation=cv2.INTER_AREA)
    around = cv2.blur(around, (7, 7)).astype(np.float32)
    cell = CELL // 2
    most = apart.reshape(height // CELL, cell, width // 2).max(axis=1)
    most = most.reshape(height // CELL, width // CELL, cell).max(axis=2)
    return most / (around + 8)


def tile_saliency(cells: np.ndarray, square: Square, size: int) -> np.ndarray:
    """float32[tiles]: the most salient cell in each tile of a native scale, row-major; 0 in the padding."""
    tiles = size // square.tile
    found = np.zeros((tiles, tiles), np.float32)
    step = square.side / tiles / CELL
    left, top = (offset / CELL for offset in square.offset)
    for row in range(tiles):
        rows = slice(max(0, math.floor(row * step - top)), max(0, math.ceil((row + 1) * step - top)))
        band = cells[rows].max(axis=0, initial=0) if rows.stop > rows.start else np.zeros(cells.shape[1])
        for column in range(tiles):
            start, stop = math.floor(column * step - left), math.ceil((column + 1) * step - left)
            found[row, column] = band[max(0, start) : max(0, stop)].max(initial=0)
    return found.ravel()


def read_tiles(
    info: ImageInfo,
    square: Square,
    wanted: Sequence[Place],
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Iterator[Tile]:
    """The wanted tiles of the square's native scales, in the order in which one pass over the file ends them, resized
    bicubic with antialiasing as the square would be. ImageError, Cancelled.
    """
    info = with_stretch(info, None, cancel)
    open_windows = sorted((_Window(info, square, *place) for place in wanted), key=lambda window: window.y0)
    if not open_windows:
        return
    stop_row = min(info.height, max(window.y1 for window in open_windows))
    done, total = 0, len(open_windows)
    with _strips(info, max(1, stop_row), cancel) as strips:
        for top, strip in strips:
            below = top + len(strip)
            left = []
            for window in open_windows:
                if window.y0 < below:
                    window.take(strip, top)
                if window.y1 <= below:
                    done += 1
                    yield window.place, *window.finished()
                else:
                    left.append(window)
            open_windows = left
            if progress:
                progress(done / total)
            if not left:
                return
    for window in open_windows:
        yield window.place, *window.finished()


class _Window:
    """What a tile shows of the file, with as much around it as resizing reaches."""

    def __init__(self, info: ImageInfo, square: Square, size: int, tile: int) -> None:
        self.place, self.tile = (size, tile), square.tile
        self.tokens = square.tile_grid
        side = square.side / (size // square.tile)
        margin = math.ceil(_SUPPORT * side / square.tile) + 1
        row, column = divmod(tile, size // square.tile)
        left, top = column * side - square.offset[0], row * side - square.offset[1]
        self.x0, self.y0 = math.floor(left) - margin, math.floor(top) - margin
        self.x1, self.y1 = math.ceil(left + side) + margin, math.ceil(top + side) + margin
        self.box = (left - self.x0, top - self.y0, left + side - self.x0, top + side - self.y0)
        self.info = info
        self.pixels: np.ndarray | None = None
        self.valid: np.ndarray | None = None

    def take(self, strip: np.ndarray, top: int) -> None:
        """Copy what the strip, whose first row is `top`, shows of it."""
        if self.pixels is None or self.valid is None:
            self.pixels = np.empty((self.y1 - self.y0, self.x1 - self.x0, 3), np.uint8)
            self.pixels[:] = FILL
            self.valid = np.zeros(self.pixels.shape[:2], np.uint8)
        first, stop = max(self.y0, top), min(self.y1, top + len(strip))
        left, right = max(self.x0, 0), min(self.x1, strip.shape[1])
        if first >= stop or left >= right:
            return
        part = strip[first - top : stop - top, left:right]
        rows, columns = slice(first - self.y0, stop - self.y0), slice(left - self.x0, right - self.x0)
        self.pixels[rows, columns] = part[..., :3]
        self.valid[rows, columns] = 255 if part.shape[2] == 3 else part[..., 3]

    def finished(self) -> tuple[np.ndarray, np.ndarray]:
        """The tile's pixels, and which of its tokens are valid."""
        if self.pixels is None or self.valid is None:
            self.take(np.empty((0, 0, 3), np.uint8), self.y0)
        assert self.pixels is not None and self.valid is not None
        size = (self.tile, self.tile)
        pixels = np.asarray(Image.fromarray(self.pixels).resize(size, Image.Resampling.BICUBIC, self.box))
        x0, y0, x1, y1 = (round(edge) for edge in self.box)
        own = self.valid[y0:y1, x0:x1].astype(np.float32)
        valid = cv2.resize(own, (self.tokens, self.tokens), interpolation=cv2.INTER_AREA) > 0
        return pixels, valid.ravel()


def spread(tiles: int) -> np.ndarray:
    """int64[tiles²]: an order of a scale's tiles of which every part lies evenly over the square (a Bayer matrix)."""
    row, column = Scale(tiles, 1, 1).rowcol(np.arange(tiles**2))
    order = np.zeros(tiles**2, np.int64)
    for bit in range((tiles - 1).bit_length()):
        odd_row, odd_column = row >> bit & 1, column >> bit & 1
        order = order * 4 + (odd_row ^ odd_column) * 2 + odd_row
    return np.argsort(order, kind="stable")


HERE = Reader(read_canvas, saliency, read_tiles)
"""Files are read in this process."""
