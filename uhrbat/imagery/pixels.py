"""The one pixel path: decode, rotate, choose bands, stretch, fill; for canvas and viewer alike."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvips

from uhrbat.errors import Cancelled, ImageError, InputError
from uhrbat.imagery import colour, gdal, vips
from uhrbat.imagery.info import ImageInfo, image_errors
from uhrbat.imagery.stream import Stream

FILL = (122, 116, 104)
"""Colour of padding and of invalid pixels: CLIP's mean colour, as the released code pads."""

PERCENTILES = (2, 98)
_SAMPLES = 4_000_000

Progress = Callable[[float], None]
Cancel = Callable[[], bool]


def part(progress: Progress | None, start: float, stop: float) -> Progress | None:
    """A progress callback for one part, `start`..`stop`, of the work that `progress` follows."""
    if progress is None:
        return None
    return lambda fraction: progress(start + (stop - start) * fraction)


@dataclass(frozen=True)
class Picture:
    """Lazy upright pixels. rgb: 3-band uchar, invalid ones filled. valid: uchar, 0 or 255, or None."""

    rgb: pyvips.Image
    valid: pyvips.Image | None


@contextmanager
def open_picture(info: ImageInfo, cancel: Cancel | None = None) -> Iterator[Picture]:
    """The upright RGB picture of `info`, to be evaluated once inside the block.

    `info.stretch` must be set where `info.needs_stretch`. Raises ImageError where the file turns out to be
    damaged, Cancelled where `cancel()` becomes true.
    """
    with _open_bands(info, cancel) as (colors, valid):
        if info.mode == "palette":
            table = gdal.palette(info)
            colors = colors.maplut(pyvips.Image.new_from_memory(table, len(table), 1, 3, "uchar"))
        elif info.mode in ("lab", "icclab"):
            colors = colour.lab_to_srgb(colors, signed=info.mode == "lab")
        elif info.icc is not None:
            colors = colour.to_srgb(colors, info.icc, info.mode)
        elif info.mode == "cmyk":
            inks = 255 - colors
            colors = (inks[:3] * inks[3] / 255).rint().cast("uchar")
        if info.needs_stretch:
            assert info.stretch is not None
            low, high = info.stretch
            scale = 255 / (high - low)
            colors = (colors.cast("double") * scale - low * scale).rint().cast("uchar")
        if info.rendering.gamma != 1 and info.mode != "palette":
            colors = colors.maplut(_gamma(info.rendering.gamma))
        if info.inverted:
            colors = (255 - colors).cast("uchar")
        rgb = colors if colors.bands == 3 else colors.bandjoin([colors, colors])
        if valid is not None:
            rgb = valid.ifthenelse(rgb, list(FILL))
        yield Picture(rgb.copy(interpretation="srgb"), valid)


def _gamma(gamma: float) -> pyvips.Image:
    table = np.rint(255 * (np.arange(256) / 255) ** (1 / gamma)).astype(np.uint8)
    return pyvips.Image.new_from_memory(table.tobytes(), 256, 1, 1, "uchar")


def with_stretch(info: ImageInfo, progress: Progress | None = None, cancel: Cancel | None = None) -> ImageInfo:
    """The info with its stretch decided, from the 2nd to the 98th percentile of the shown bands together.

    At most about four million pixels, evenly spaced, are looked at. Nothing is read where no stretch is
    needed or it is already decided; 0..1 is chosen where no pixel is valid.
    """
    if not info.needs_stretch or info.stretch is not None:
        return info
    values = _valid_values(info, progress, cancel)
    if values.size == 0:
        return info.stretched(0.0, 1.0)
    low, high = np.percentile(values, PERCENTILES).tolist()
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    return info.stretched(low, high)


def _valid_values(info: ImageInfo, progress: Progress | None, cancel: Cancel | None) -> np.ndarray:
    """[n, shown bands]: values of at most about four million valid pixels, evenly spaced."""
    step = max(1, math.ceil(math.sqrt(info.width * info.height / _SAMPLES)))
    with _open_bands(info, cancel) as (colors, valid):
        if info.icc is not None:
            colors = colour.to_srgb(colors, info.icc, info.mode)
        samples = colors if valid is None else colors.cast("double").bandjoin(valid)
        if step > 1:
            samples = samples.subsample(min(step, info.width), min(step, info.height))
        values = evaluate(samples, info, progress, cancel)
    return values.reshape(-1, values.shape[-1]) if valid is None else values[values[..., -1] > 0][..., :-1]


@dataclass(frozen=True)
class Histogram:
    """How the valid values of the shown bands are spread.

    edges: float64[bins + 1], from the smallest to the largest value. counts: int64[shown bands, bins]. percentiles: the
    2nd and 98th of all shown bands together, the default stretch. pixels: how many valid pixels were looked at.
    """

    edges: np.ndarray
    counts: np.ndarray
    percentiles: tuple[float, float]
    pixels: int


def histogram(
    info: ImageInfo, bins: int = 256, progress: Progress | None = None, cancel: Cancel | None = None
) -> Histogram:
    """The histogram of the shown bands, as stored (after a colour profile), before stretch and gamma.

    At most about four million pixels, evenly spaced, are looked at. Raises ImageError where the file is damaged or no
    pixel is valid, InputError where `bins` is not 1 to 4,096.
    """
    if not 1 <= bins <= 4096:
        raise InputError(f"A histogram of {bins} bins cannot be made: choose 1 to 4,096.")
    values = _valid_values(info, progress, cancel)
    if values.size == 0:
        raise ImageError(f"{info.name} has no valid pixel, all are transparent or without data: choose another image.")
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    counts = np.stack([np.histogram(band, bins, (low, high))[0] for band in values.T])
    percentiles = np.percentile(values, PERCENTILES).tolist()
    return Histogram(edges, counts, (percentiles[0], percentiles[1]), len(values))


def evaluate(image: pyvips.Image, info: ImageInfo, progress: Progress | None, cancel: Cancel | None) -> np.ndarray:
    """Compute a libvips image into an array [height, width, bands], with progress 0..1 and cancel."""
    with watched(image, info, progress, cancel):
        data = image.write_to_memory()
    return np.frombuffer(data, vips.DTYPES[image.format]).reshape(image.height, image.width, image.bands)


@contextmanager
def watched(image: pyvips.Image, info: ImageInfo, progress: Progress | None, cancel: Cancel | None) -> Iterator[None]:
    """Report the evaluation of `image` in the block to `progress` (0..1); stop it once `cancel()` is true."""
    cancelled = False

    def follow(evaluated: pyvips.Image, state: Any) -> None:
        nonlocal cancelled
        if cancel is not None and not cancelled and cancel():
            cancelled = True
            evaluated.set_kill(True)
        elif progress is not None:
            progress(state.percent / 100)

    if progress is not None or cancel is not None:
        image.set_progress(True)
        image.signal_connect("eval", follow)
    try:
        yield
    except pyvips.Error:
        if cancelled:
            raise Cancelled(f"Reading {info.name} was cancelled.") from None
        raise
    if progress is not None:
        progress(1.0)


@contextmanager
def _open_bands(info: ImageInfo, cancel: Cancel | None) -> Iterator[tuple[pyvips.Image, pyvips.Image | None]]:
    """The shown bands as stored values, upright, and their validity (uchar 0 or 255, or None)."""
    # Rows of a turned picture are needed in another order than they are stored in.
    access = "sequential" if info.orientation <= 2 else "random"
    stream: Stream | vips.WithEnd | None = None
    with image_errors(info.path):
        if info.width * info.height == 0:
            raise ImageError(f"{info.name} has no pixels: choose another file.")
        try:
            if info.reader == "rasterio":
                stream = Stream(info, cancel)
                image = stream.image()
                colors, valid = image[0 : len(info.shown)], None
                if info.validity is not None:
                    valid = image[len(info.shown)] > 0
            else:
                if info.ended:
                    image = vips.load(info.path, info.format, access, info.page)
                else:
                    stream = vips.WithEnd(info.path)
                    image = stream.image(access)
                colors, valid = _pick(image, info.shown), None
                if info.validity == "alpha":
                    valid = image[info.colors.index("alpha")] > 0
                elif info.mask is not None:
                    valid = pyvips.Image.tiffload(str(info.mask), access=access)[0] > 0
                if info.nodata is not None:
                    data = (colors != info.nodata).bandor()
                    valid = data if valid is None else valid & data
            if colors.format in ("float", "double"):
                finite = (colors.abs() <= np.finfo(vips.DTYPES[colors.format]).max).bandand()
                valid = finite if valid is None else valid & finite
            yield (
                _rotate(colors, info.orientation),
                None if valid is None else _rotate(valid, info.orientation),
            )
        except pyvips.Error:
            if stream is None or stream.error is None:
                raise
        finally:
            if stream is not None:
                with suppress(Exception):
                    stream.close()
        # libvips takes a stream that breaks off for a complete one, so this is asked in any case.
        if stream is not None and stream.error is not None:
            raise stream.error


def _pick(image: pyvips.Image, shown: tuple[int, ...]) -> pyvips.Image:
    first, *others = (image[band - 1] for band in shown)
    return first.bandjoin(others) if others else first


def _rotate(image: pyvips.Image, orientation: int) -> pyvips.Image:
    """Turn stored pixels upright; `orientation` is EXIF's 1..8. The only place where anything is rotated."""
    if orientation in (2, 4, 5, 7):
        image = image.fliphor()
    turn = {3: "d180", 4: "d180", 5: "d270", 6: "d90", 7: "d90", 8: "d270"}.get(orientation)
    return image.rot(turn) if turn else image
