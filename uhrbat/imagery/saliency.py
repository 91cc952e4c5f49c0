"""How object-like every part of a picture's own pixels is, whatever the question."""

from __future__ import annotations

import math

import cv2
import numpy as np

from uhrbat.geometry import Square
from uhrbat.imagery.info import ImageInfo
from uhrbat.imagery.pixels import Cancel, Progress, with_stretch
from uhrbat.imagery.rows import CELL, strips

_SURROUND = 31


def saliency(info: ImageInfo, progress: Progress | None = None, cancel: Cancel | None = None) -> np.ndarray:
    """float32[rows, columns]: how much each `CELL` x `CELL` square of the picture stands out from its surroundings.

    Whatever the question: the strongest difference in lightness and colour from the neighbourhood's mean, over how
    strongly that neighbourhood varies anyway. One pass over the file; ImageError, Cancelled.
    """
    info = with_stretch(info, None, cancel)
    survey = Survey(info)
    with strips(info, cancel) as parts:
        for top, strip in parts:
            survey.add(top, strip)
            if progress:
                progress(min(1.0, (top + len(strip)) / info.height))
    return survey.cells


class Survey:
    """The `saliency` of a picture that goes by in strips, each of a multiple of `CELL` rows; `cells` in the end."""

    def __init__(self, info: ImageInfo) -> None:
        self.cells = np.zeros((math.ceil(info.height / CELL), math.ceil(info.width / CELL)), np.float32)

    def add(self, top: int, strip: np.ndarray) -> None:
        """Look at a strip uint8[rows, width, 3 or 4] whose first row is `top`."""
        part = _stand_out(strip)
        self.cells[top // CELL : top // CELL + len(part)] = part


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
