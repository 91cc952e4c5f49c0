"""The pixels a model sees: one bounded canvas, the scene square, its scales, and their tiles."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pyvips
from numpy.typing import ArrayLike
from PIL import Image

from uhrbat.errors import ImageError, InputError
from uhrbat.geometry import SCALES, TILE, Scale, Square
from uhrbat.imagery.info import ImageInfo, open_image
from uhrbat.imagery.pixels import FILL, Cancel, Progress, open_picture, part, watched, with_stretch
from uhrbat.imagery.rendering import Rendering
from uhrbat.imagery.rows import MAX_SIDE, shrink_of, strips
from uhrbat.imagery.saliency import Survey

_SURVEYED = SCALES[-1] * 5 // 4
"""A longer side above this has native scales (`Square.native_sizes`)."""
_ROWS = 1024
# Token edges fall on pixel edges up to rounding; this much of a pixel beyond one is not looked at.
_EDGE = 1e-6


@dataclass(frozen=True)
class Canvas:
    """An upright RGB image whose longer side is at most 8,064 pixels.

    image: PIL image, mode RGB; invalid pixels have the padding colour. valid: bool[height, width], False
    where the file has no data, or None where all pixels are valid. info: the file's, with its stretch
    decided, or None for an image made in memory. shrink: the integer by which the file was box-averaged, 1
    for exact pixels. saliency: what stands out in the file's own pixels (`saliency.saliency`), where they are more than
    the finest scale shows; None for others.
    """

    image: Image.Image
    valid: np.ndarray | None = None
    info: ImageInfo | None = None
    shrink: int = 1
    saliency: np.ndarray | None = None

    @property
    def full_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the upright full-resolution image."""
        return (self.info.width, self.info.height) if self.info is not None else self.image.size

    def square(self, least: int = 0) -> Square:
        """The geometry of the full-resolution image; least: `Square.least`."""
        return Square(*self.full_size, least=least)


def canvas_of(pixels: Image.Image | np.ndarray) -> Canvas:
    """A canvas of an image made in memory: PIL, or uint8[height, width, 3], at most 8,064 pixels a side."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    if max(image.size) > MAX_SIDE:
        raise InputError(f"An image of {image.width} x {image.height} pixels is too large here: save it to a file.")
    return Canvas(image.convert("RGB"))


def read_canvas(
    path: str | PathLike[str],
    info: ImageInfo | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    rendering: Rendering | None = None,
) -> Canvas:
    """Decode a file into a canvas, in memory bounded by the canvas whatever the file's size.

    info: from `open_image`, where limits or the rendering were chosen; by default the file is opened with the usual
    limits and `rendering`. progress: called with 0..1. cancel: called often; once it returns true, Cancelled is raised.
    A file whose longer side exceeds 8,064 pixels is averaged in boxes of ceil(side / 8064) pixels while it streams
    (a last, partial box by its own pixels); any other is decoded exactly. On a mosaic of a photograph, shrunk by
    2, the scales then differ from those of all pixels by 0.4 to 0.6 of 255 on average and by at most 8
    (`python -m tools.shrink_difference`). Raises ImageError where the file is damaged or refused.
    """
    info = info or open_image(path, rendering=rendering)
    shrink = shrink_of(info)
    made = np.empty(math.ceil(info.height / shrink) * math.ceil(info.width / shrink) * 4, np.uint8)
    written = 0

    def write(chunk: bytes | memoryview) -> None:
        nonlocal written
        flat = np.frombuffer(chunk, np.uint8)
        made[written : written + len(flat)] = flat
        written += len(flat)

    decoded = decode_into(write, info, progress, cancel)
    return canvas_from(made[:written].reshape(decoded.shape), decoded)


@dataclass(frozen=True)
class Decoded:
    """What `decode_into` says of a canvas: its shape (height, width, 3, or 4 with validity last), the info with its
    stretch decided, the shrink, and the saliency if there is one."""

    shape: tuple[int, int, int]
    info: ImageInfo
    shrink: int
    saliency: np.ndarray | None = None


def decode_into(
    write: Callable[[bytes | memoryview], object],
    info: ImageInfo,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    file: int | None = None,
) -> Decoded:
    """Decode a file into a canvas whose bytes are given to `write` as they are made, row by row.

    file: the open file that `write` writes to, if it does: libvips then writes to it by itself, which is faster.
    """
    first = 0.5 if info.needs_stretch and info.stretch is None else 0.0
    info = with_stretch(info, part(progress, 0.0, first), cancel)
    rest = part(progress, first, 1.0)
    longer = max(info.width, info.height)
    if longer > _SURVEYED:
        return _decode_surveyed(write, info, rest, cancel)
    with open_picture(info, cancel) as picture:
        pixels = picture.rgb if picture.valid is None else picture.rgb.bandjoin(picture.valid)
        if file is None:
            target = pyvips.TargetCustom()
            target.on_write(lambda chunk: (write(memoryview(chunk)), len(chunk))[1])
        else:
            target = pyvips.Target.new_to_descriptor(file)
        with watched(pixels, info, rest, cancel):
            pixels.rawsave_target(target)
        return Decoded((pixels.height, pixels.width, pixels.bands), info, 1)


def _decode_surveyed(
    write: Callable[[bytes | memoryview], object], info: ImageInfo, progress: Progress | None, cancel: Cancel | None
) -> Decoded:
    """The same strip by strip, with the saliency of the pixels that go by: the file is not read again for it."""
    shrink = shrink_of(info)
    survey, height, width, bands = Survey(info), 0, 0, 0
    with strips(info, cancel) as parts:
        for top, strip in parts:
            survey.add(top, strip)
            if shrink > 1:
                image = pyvips.Image.new_from_memory(strip, strip.shape[1], strip.shape[0], strip.shape[2], "uchar")
                image = image.shrink(shrink, shrink, ceil=True)
                width, bands, rows = image.width, image.bands, image.height
                write(image.write_to_memory())
            else:
                rows, width, bands = strip.shape
                write(strip.data)
            height += rows
            if progress:
                progress(min(1.0, (top + len(strip)) / info.height))
    return Decoded((height, width, bands), info, shrink, survey.cells)


def canvas_from(array: np.ndarray, decoded: Decoded) -> Canvas:
    """The canvas of decoded bytes, uint8[height, width, bands], a copy of them; ImageError where no pixel is valid."""
    info, shrink, cells = decoded.info, decoded.shrink, decoded.saliency
    if array.shape[2] == 3:
        return Canvas(Image.fromarray(array), None, info, shrink, cells)
    image = Image.new("RGB", (array.shape[1], array.shape[0]))
    for row in range(0, len(array), _ROWS):
        image.paste(Image.fromarray(np.ascontiguousarray(array[row : row + _ROWS, :, :3])), (0, row))
    valid = array[..., 3] > 0
    if not valid.any():
        raise ImageError(f"{info.name} has no valid pixel, all are transparent or without data: choose another image.")
    return Canvas(image, None if valid.all() else valid, info, shrink, cells)


def scale_image(canvas: Canvas, size: int, least: int = 0) -> np.ndarray:
    """uint8[size, size, 3]: the square, padded centred with FILL, resized bicubic with antialiasing.

    least: `Square.least`.
    """
    (_, pixels), *_ = scale_images(canvas, (size,), least)
    return pixels


def scale_images(canvas: Canvas, sizes: Sequence[int] = SCALES, least: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Each size with its `scale_image`, one after another; the square is padded only once."""
    square, box = _square(canvas, least)
    for size in sizes:
        yield size, np.asarray(square.resize((size, size), Image.Resampling.BICUBIC, box))


def _square(canvas: Canvas, least: int) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """The padded canvas, and in it the box of the scene square, which is fractional where boxes were partial."""
    pyramid, shrink = canvas.square(least), canvas.shrink
    side = pyramid.side / shrink
    left, top = (offset / shrink for offset in pyramid.offset)
    place = math.ceil(left), math.ceil(top)
    x, y = place[0] - left, place[1] - top
    box = (x, y, x + side, y + side)
    size = math.ceil(box[2]), math.ceil(box[3])
    if size == canvas.image.size:
        return canvas.image, box
    square = Image.new("RGB", size, FILL)
    square.paste(canvas.image, place)
    return square, box


def valid_tokens(canvas: Canvas, scale: Scale | int, least: int = 0) -> np.ndarray:
    """bool[N], tile-major: tokens that show any valid pixel; the others are never scored as evidence."""
    scale = scale if isinstance(scale, Scale) else Scale(scale)
    pyramid = canvas.square(least)
    inside = ~pyramid.padding(scale)
    if canvas.valid is None:
        return inside
    edges = np.arange(scale.grid + 1) * (pyramid.side / scale.grid)
    columns, rows = ((edges - offset) / canvas.shrink for offset in pyramid.offset)
    grid = _any(_any(canvas.valid, rows).T, columns).T
    return inside & grid.ravel()[scale.inverse]


def _any(valid: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Whether anything is valid in the rows between each edge and the next, column by column."""
    starts, stops = np.floor(edges[:-1] + _EDGE).astype(int), np.ceil(edges[1:] - _EDGE).astype(int)
    return np.stack([valid[max(0, a) : max(0, b)].any(axis=0) for a, b in zip(starts, stops, strict=True)])


def tiles(scale_array: np.ndarray, mean: ArrayLike, std: ArrayLike, indices: ArrayLike, side: int = TILE) -> np.ndarray:
    """float32[n, 3, side, side]: tiles of a `scale_image` by row-major `indices`, as (x / 255 - mean) / std.

    A remainder right and below that fills no tile is left out. Raises InputError for a tile that is not
    there.
    """
    per_side = len(scale_array) // side
    mean, std = (np.asarray(value, np.float32) for value in (mean, std))
    indices = np.atleast_1d(np.asarray(indices, dtype=np.int64))
    if indices.size and not (indices.min() >= 0 and indices.max() < per_side**2):
        raise InputError(
            f"A scale of {len(scale_array)} pixels has tiles 0 to {per_side**2 - 1}, not {indices.tolist()}."
        )
    batch = np.empty((len(indices), 3, side, side), np.float32)
    for place, index in enumerate(indices):
        row, col = divmod(int(index), per_side)
        tile = scale_array[row * side : (row + 1) * side, col * side : (col + 1) * side]
        batch[place] = ((tile.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
    return batch
