"""The viewer's pixels: a tiled JPEG pyramid written once, and small tiles read from it."""

import io
import math
import os
import secrets
import threading
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.windows import Window

from uhrbat.errors import InputError
from uhrbat.imagery import gdal
from uhrbat.imagery.info import ImageInfo, image_errors, open_image
from uhrbat.imagery.pixels import FILL, Cancel, Progress, open_picture, part, watched, with_stretch
from uhrbat.imagery.rendering import Rendering

TILE_SIZE = 256
_QUALITY = 85


def write_pyramid(
    path: str | PathLike[str],
    out_path: str | PathLike[str],
    info: ImageInfo | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    rendering: Rendering | None = None,
) -> ImageInfo:
    """Write a file's upright RGB pixels as a tiled JPEG pyramid TIFF for `TileReader`, never for the model.

    Returns the info with its stretch decided, and said in its notes. info, rendering: as for `read_canvas`; pass the
    canvas's own info so that the stretch is not measured again. progress: called with 0..1. cancel: once it
    returns true, Cancelled is raised. The file appears under `out_path` when it is complete and not at all
    otherwise. Raises ImageError where the file is damaged or the disk is full.
    """
    info = info or open_image(path, rendering=rendering)
    return write_as(info, Path(out_path), unfinished_name(out_path), progress, cancel)


def unfinished_name(out_path: str | PathLike[str]) -> Path:
    """A name beside `out_path` for the file while it is written."""
    return Path(out_path).with_name(f".{secrets.token_hex(8)}.part.tif")


def write_as(
    info: ImageInfo, out_path: Path, unfinished: Path, progress: Progress | None = None, cancel: Cancel | None = None
) -> ImageInfo:
    """Write the pyramid as `unfinished`, and rename it when it is complete."""
    first = 0.5 if info.needs_stretch and info.stretch is None else 0.0
    info = with_stretch(info, part(progress, 0.0, first), cancel)
    try:
        with (
            open_picture(info, cancel) as picture,
            watched(picture.rgb, info, part(progress, first, 1.0), cancel),
        ):
            picture.rgb.tiffsave(
                str(unfinished),
                tile=True,
                tile_width=512,
                tile_height=512,
                pyramid=True,
                compression="jpeg",
                Q=_QUALITY,
                bigtiff=True,
                keep="none",
            )
        with image_errors(info.path):
            unfinished.replace(out_path)
        return info
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


class TileReader:
    """JPEG tiles of a file that `write_pyramid` wrote, in Leaflet's CRS.Simple: zoom 0 is one tile.

    May be used from many threads at once; each has its own handle. background: colour of what lies beyond the
    image's edge. Raises ImageError where the file is missing or damaged.
    """

    def __init__(self, path: str | PathLike[str], background: tuple[int, int, int] = FILL) -> None:
        self.path = Path(path)
        self.background = background
        self._local = threading.local()
        with image_errors(self.path), rasterio.Env(**gdal.SETTINGS):
            file = self._file()
            self.width, self.height = file.width, file.height

    def max_zoom(self, size: int = TILE_SIZE) -> int:
        """The zoom at which one tile pixel is one image pixel."""
        return max(0, math.ceil(math.log2(max(self.width, self.height) / size)))

    def tile(self, z: int, x: int, y: int, size: int = TILE_SIZE) -> bytes:
        """JPEG bytes of the `size` x `size` tile in column x, row y of zoom z; InputError if none."""
        max_zoom = self.max_zoom(size)
        span = size << max(0, max_zoom - z)
        if not 0 <= z <= max_zoom or not 0 <= x * span < self.width or not 0 <= y * span < self.height:
            raise InputError(f"There is no tile {x}, {y} at zoom {z}: the image has zooms 0 to {max_zoom}.")
        left, top = x * span, y * span
        width, height = min(span, self.width - left), min(span, self.height - top)
        shape = (3, max(1, round(height * size / span)), max(1, round(width * size / span)))
        with image_errors(self.path), rasterio.Env(**gdal.SETTINGS):
            pixels = self._file().read(
                window=Window(left, top, width, height), out_shape=shape, resampling=Resampling.bilinear
            )
        image = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))
        if image.size != (size, size):
            whole = Image.new("RGB", (size, size), self.background)
            whole.paste(image)
            image = whole
        out = io.BytesIO()
        image.save(out, "JPEG", quality=_QUALITY)
        return out.getvalue()

    def close(self) -> None:
        """Let go of every thread's handle; tiles that are being read just now are still finished."""
        self._local = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _file(self) -> rasterio.DatasetReader:
        file = getattr(self._local, "file", None)
        if file is None:
            file = self._local.file = rasterio.open(os.fspath(self.path), driver="GTiff")
        return file
