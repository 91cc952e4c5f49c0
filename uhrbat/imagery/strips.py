"""Writing a picture that is too large to be held: strip by strip, into a tiled BigTIFF."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from uhrbat.imagery import gdal

BLOCK = 512
"""Side in pixels of the file's tiles; a strip has so many rows, the last one perhaps fewer."""


def write_tiff(path: Path, width: int, height: int, strips: Iterable[np.ndarray], quality: int = 95) -> None:
    """Write strips uint8[BLOCK rows, width, 3], from the top, as a tiled BigTIFF, JPEG inside at this quality.

    The file stands under its name once it is whole; what was begun is deleted where a strip cannot be made.
    """
    unfinished = path.with_name(f".{path.name}.part")
    layout = {
        "driver": "GTiff", "dtype": "uint8", "count": 3, "width": width, "height": height, "BIGTIFF": "YES",
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
        "compress": "JPEG", "photometric": "YCBCR", "JPEG_QUALITY": quality,
    }  # fmt: skip
    try:
        with rasterio.Env(**gdal.SETTINGS), rasterio.open(unfinished, "w", **layout) as file:
            top = 0
            for strip in strips:
                file.write(strip.transpose(2, 0, 1), window=Window(0, top, width, len(strip)))  # type: ignore[call-arg]
                top += len(strip)
        if top != height:
            raise ValueError(f"the strips have {top} rows together, not {height}")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
