"""The pixels of a file as they are, window by window in one pass.

Nothing larger than a strip of the file and the windows that cross it is held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from uhrbat.geometry import Scale, Square
from uhrbat.imagery.canvas import Canvas, read_canvas
from uhrbat.imagery.info import ImageInfo
from uhrbat.imagery.pixels import FILL, Cancel, Progress, with_stretch
from uhrbat.imagery.rows import strips
from uhrbat.imagery.saliency import saliency

Place = tuple[int, int]
"""(size of a native scale, row-major index of one of its tiles)."""
Tile = tuple[Place, np.ndarray, np.ndarray]
"""A tile, uint8[tile, tile, 3] of its pixels, and bool[tokens a tile]: which of its tokens show any valid pixel."""
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
    with strips(info, cancel, max(1, stop_row)) as parts:
        for top, strip in parts:
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
