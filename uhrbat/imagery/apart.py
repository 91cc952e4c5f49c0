"""Files opened and decoded in a process of their own: a crash, a hang or hunger costs one file and is one sentence.

    from uhrbat.imagery.apart import open_image, read_canvas, read_tiles, saliency, write_pyramid

The functions are those of `uhrbat.imagery` and `uhrbat.imagery.native`, and give the same; `READER` is all of them
that the engine needs. Each call has a child process to itself (`uhrbat.imagery.children`), which is killed when
`cancel` says so.
"""

import math
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from uhrbat.errors import InputError
from uhrbat.geometry import Square
from uhrbat.imagery import wire
from uhrbat.imagery.canvas import Canvas, Decoded, canvas_from
from uhrbat.imagery.children import Child, ask, prepare, stop
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

OPEN_SECONDS = 20
DECODE_SECONDS = 45
_PIXELS_A_SECOND = 2_500_000


def open_image(
    path: str | PathLike[str],
    limits: Limits | None = None,
    bands: Any = None,
    rendering: Rendering | None = None,
    beside: Iterable[str | PathLike[str]] = (),
    cancel: Cancel | None = None,
    mask: str | PathLike[str] | None = None,
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
    return wire.info_from_dict(ask(request, shown_name(path), OPEN_SECONDS, None, cancel)["info"])


def read_canvas(
    path: str | PathLike[str],
    info: ImageInfo | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    rendering: Rendering | None = None,
) -> Canvas:
    """As `uhrbat.imagery.read_canvas`."""
    info = info or open_image(path, rendering=rendering, cancel=cancel)
    made: list[Canvas] = []

    def keep(child: Child, result: dict[str, Any]) -> None:
        shape, cells = tuple(result["shape"]), result["cells"]
        size = math.prod(shape)
        with child.bytes(size + (4 * math.prod(cells) if cells else 0)) as array:
            found = array[size:].view(np.float32).reshape(cells).copy() if cells else None
            decoded = Decoded(shape, wire.info_from_dict(result["info"]), result["shrink"], found)
            made.append(canvas_from(array[:size].reshape(shape), decoded))

    ask({"do": "canvas", "info": wire.info_to_dict(info)}, info.name, _seconds(info), progress, cancel, keep)
    return made[0]


def write_pyramid(
    path: str | PathLike[str],
    out_path: str | PathLike[str],
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
        return wire.info_from_dict(ask(request, info.name, _seconds(info), progress, cancel)["info"])
    finally:
        with suppress(OSError):
            unfinished.unlink()


def histogram(
    info: ImageInfo, bins: int = 256, progress: Progress | None = None, cancel: Cancel | None = None
) -> Histogram:
    """As `uhrbat.imagery.histogram`."""
    request = {"do": "histogram", "info": wire.info_to_dict(info), "bins": bins}
    made = ask(request, info.name, _seconds(info), progress, cancel)
    low, high = made["percentiles"]
    return Histogram(np.array(made["edges"]), np.array(made["counts"], np.int64), (low, high), made["pixels"])


def saliency(info: ImageInfo, progress: Progress | None = None, cancel: Cancel | None = None) -> np.ndarray:
    """As `uhrbat.imagery.saliency.saliency`."""
    made: list[np.ndarray] = []

    def keep(child: Child, result: dict[str, Any]) -> None:
        shape = result["shape"]
        with child.bytes(4 * math.prod(shape)) as array:
            made.append(array.view(np.float32).reshape(shape).copy())

    ask({"do": "saliency", "info": wire.info_to_dict(info)}, info.name, _seconds(info), progress, cancel, keep)
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

    def keep(child: Child, result: dict[str, Any]) -> None:
        places, width = result["places"], pixels + square.tile_grid**2
        with child.bytes(len(places) * width) as array:
            for (size, tile), row in zip(places, array.reshape(len(places), width), strict=True):
                shown = row[:pixels].reshape(square.tile, square.tile, 3).copy()
                tiles.append(((size, tile), shown, row[pixels:].astype(bool)))

    request = {
        "do": "tiles",
        "info": wire.info_to_dict(info),
        "square": [square.width, square.height, square.sizes[: len(square.sizes) - len(square.looks)], square.least],
        "tile": [square.tile, square.tile_grid],
        "wanted": list(wanted),
    }
    ask(request, info.name, _seconds(info), progress, cancel, keep)
    return tiles


READER = Reader(read_canvas, saliency, read_tiles, apart=True)
"""Each file is read in a process of its own."""


def _text(path: str | PathLike[str]) -> str:
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
