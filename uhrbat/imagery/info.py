"""What a file says of itself before a pixel is decoded, and the declared limits it is held against."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from uhrbat.errors import ImageError, InputError, UHRBATError
from uhrbat.imagery import gdal, headers, vips
from uhrbat.imagery.headers import Header, shown_name

_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass(frozen=True)
class Limits:
    """What is accepted, checked from the header before any pixel is decoded.

    `max_aspect` is the longer side over the shorter. `max_whole_pixels` holds for files that can only be
    decoded all at once (WebP, GIF, interlaced PNG, progressive JPEG). `max_block_bytes` bounds one row of a
    TIFF's or JPEG 2000's inner tiles, decoded. A file of more than `free_bytes` decoded is refused as a
    decompression bomb where that is more than `max_expansion` times its size on disk.
    """

    max_pixels: int = 2_000_000_000
    min_side: int = 1
    max_side: int = 200_000
    max_aspect: float = 200.0
    max_bytes: int = 4 * 2**30
    max_bands: int = 64
    max_whole_pixels: int = 150_000_000
    max_block_bytes: int = 384 * 2**20
    max_expansion: float = 1500.0
    free_bytes: int = 512 * 2**20


@dataclass(frozen=True)
class ImageInfo:
    """An image as it will be shown: upright, and with the bands that become red, green and blue.

    width, height: upright pixels, after the file's own rotation. format: one of headers.FORMATS. bands,
    dtype, colors: the file's bands, their NumPy type and what the file calls each. pages: pictures in the
    file; the first is shown. orientation: EXIF 1..8, as stored. nodata: the value that means "no data", or
    None. validity: where invalid pixels are told from ('alpha', 'mask', 'nodata') or None. crs: 'EPSG:...' or
    WKT, or None. transform: the affine map (a, b, c, d, e, f) from upright pixels to that CRS, x = a*col +
    b*row + c and y = d*col + e*row + f, or None. reader: 'pyvips' or 'rasterio'. mode: how the shown bands
    become colours ('rgb', 'gray', 'palette', 'cmyk'). shown: the bands shown, counted from 1. stretch: (low,
    high) values shown as black and white, or None where the file is 8-bit or has not been measured yet.
    inverted: whether low values are shown bright. notes: sentences for the user.
    """

    path: Path
    format: str
    width: int
    height: int
    bands: int
    dtype: str
    colors: tuple[str, ...]
    reader: str
    mode: str
    shown: tuple[int, ...]
    pages: int = 1
    orientation: int = 1
    nodata: float | None = None
    validity: str | None = None
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    stretch: tuple[float, float] | None = None
    needs_stretch: bool = False
    inverted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name as messages show it."""
        return shown_name(self.path)

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) as stored, before rotation."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    def stretched(self, low: float, high: float) -> "ImageInfo":
        """The same image with its stretch decided and told in the notes."""
        note = f"stretched from {low:.6g}..{high:.6g} (2nd to 98th percentile)"
        return replace(self, stretch=(low, high), notes=(*self.notes, note))


@contextmanager
def image_errors(path):
    """Turn whatever a decoder raises inside the block into one ImageError that names the file."""
    try:
        yield
    except UHRBATError:
        raise
    except MemoryError:
        raise ImageError(f"{shown_name(path)} needs more memory than there is: make it smaller first.") from None
    except Exception as error:
        raise ImageError(_explain(path, error)) from error


def _explain(path, error: Exception) -> str:
    text = str(error).lower()
    name = shown_name(path)
    if any(words in text for words in ("no space left", "file too large", "write error", "quota")):
        return f"The disk is full: {name} could not be prepared; free some space and try again."
    if "support" in text or "not available" in text:
        return f"{name} uses a feature that is not read here: export it as PNG, JPEG or plain TIFF."
    if any(word in text for word in ("truncated", "premature", "end of", "out of data", "short")):
        return f"{name} is cut short, as if a download or copy had stopped early: copy or export it again."
    return f"{name} is damaged or cut short: copy it again, or export it as PNG, JPEG or plain TIFF."


def open_image(path, limits: Limits | None = None, bands=None) -> ImageInfo:
    """Read a file's header only.

    bands: one band to show in grey or three to show as red, green and blue, counted from 1; by default those
    that the file calls red, green and blue, else its first three, else its first. Raises ImageError where the
    file is not a readable image or is over `limits`, InputError where it has no such bands.

    >>> open_image("harbour.tif").width
    40000
    """
    limits = limits or Limits()
    path = Path(path)
    with image_errors(path):
        format = headers.sniff(path)
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise ImageError(
                f"{shown_name(path)} has {size / 2**30:.1f} GiB, more than the "
                f"{limits.max_bytes / 2**30:.1f} GiB accepted: compress it or cut it into parts."
            )
        header = (gdal if format in gdal.FORMATS else vips).read_header(path, format)
        _check(header, size, limits)
        return _describe(header, bands)


def _check(header, size: int, limits: Limits) -> None:
    """Hold a header against the limits; ImageError names the one it breaks."""
    name, width, height = shown_name(header.path), header.width, header.height
    long, short = max(width, height), min(width, height)
    shape = f"{name} has {width:,} x {height:,} pixels"
    if short < max(1, limits.min_side):
        raise ImageError(f"{shape}: at least {max(1, limits.min_side)} on each side are needed.")
    if long > limits.max_side:
        raise ImageError(f"{shape}, and at most {limits.max_side:,} a side are accepted: make it smaller or cut it.")
    if width * height > limits.max_pixels:
        raise ImageError(f"{shape}, more than the {limits.max_pixels:,} accepted: make it smaller or cut it.")
    if long / short > limits.max_aspect:
        raise ImageError(f"{shape}: more than {limits.max_aspect:g} times as long as wide; cut it into shorter parts.")
    if header.bands > limits.max_bands:
        raise ImageError(
            f"{name} has {header.bands:,} bands, and at most {limits.max_bands} are accepted: export fewer."
        )
    if header.dtype not in _DTYPES:
        raise ImageError(f"{name} holds {header.dtype} values, which are no picture: export it as 8 or 16 bits a band.")
    if header.whole and width * height > limits.max_whole_pixels:
        raise ImageError(
            f"{shape} and is {header.whole}, which can only be decoded at once and is accepted up to "
            f"{limits.max_whole_pixels:,} pixels: save it as a tiled TIFF or a plain JPEG or PNG."
        )
    if header.block_bytes > limits.max_block_bytes:
        raise ImageError(
            f"{shape} in inner tiles too large to be read one row at a time: save it with tiles of 512 x 512."
        )
    decoded = width * height * header.bands * np.dtype(header.dtype).itemsize
    if decoded > limits.free_bytes and decoded > limits.max_expansion * size:
        raise ImageError(
            f"{shape} in a file of only {size:,} bytes, like a decompression bomb: if not, save it as JPEG."
        )


def _describe(header: Header, bands) -> ImageInfo:
    mode, shown = _choose_bands(header, bands)
    notes = list(header.notes)
    if header.pages > 1:
        notes.insert(0, f"page 1 of {header.pages} is shown")
    if len(shown) < sum(color != "alpha" for color in header.colors):
        listed = ", ".join(map(str, shown))
        many = f"bands {listed} of {header.bands} are shown as red, green and blue"
        notes.append(many if len(shown) > 1 else f"band {listed} of {header.bands} is shown in grey")
    if mode == "cmyk":
        if header.dtype != "uint8":
            raise ImageError(f"{shown_name(header.path)} holds {header.dtype} inks: export it as 8-bit RGB.")
        notes.append("converted from CMYK without its colour profile")
    turned = header.orientation >= 5
    return ImageInfo(
        path=header.path,
        format=header.format,
        width=header.height if turned else header.width,
        height=header.width if turned else header.height,
        bands=header.bands,
        dtype=header.dtype,
        colors=header.colors,
        reader=header.reader,
        mode=mode,
        shown=shown,
        pages=header.pages,
        orientation=header.orientation,
        nodata=header.nodata,
        validity=header.validity,
        crs=header.crs,
        transform=_upright_transform(header),
        needs_stretch=mode in ("rgb", "gray") and (header.dtype != "uint8" or (header.bits or 8) < 8),
        inverted=header.inverted and mode == "gray",
        notes=tuple(notes),
    )


def _choose_bands(header: Header, bands) -> tuple[str, tuple[int, ...]]:
    colors = header.colors
    if bands is not None:
        shown = _check_bands(header, bands)
        if len(shown) == 1:
            return ("palette" if colors[shown[0] - 1] == "palette" else "gray"), shown
        return "rgb", shown
    if colors[0] == "palette":
        return "palette", (1,)
    for mode, names in (("cmyk", ("cyan", "magenta", "yellow", "black")), ("rgb", ("red", "green", "blue"))):
        if set(names) <= set(colors):
            return mode, tuple(colors.index(name) + 1 for name in names)
    pictured = [band for band, color in enumerate(colors, start=1) if color != "alpha"] or [1]
    return ("rgb", tuple(pictured[:3])) if len(pictured) >= 3 else ("gray", (pictured[0],))


def _check_bands(header: Header, bands) -> tuple[int, ...]:
    name = shown_name(header.path)
    shown = tuple(bands) if isinstance(bands, (list, tuple, np.ndarray)) else (bands,)
    if len(shown) not in (1, 3) or not all(isinstance(b, (int, np.integer)) and 1 <= b <= header.bands for b in shown):
        raise InputError(f"{name} has bands 1 to {header.bands}, not {bands!r}: choose one or three of them.")
    return tuple(int(band) for band in shown)


def _upright_transform(header: Header) -> tuple[float, ...] | None:
    if header.transform is None:
        return None
    width, height = header.width, header.height
    # Each row maps upright (column, row) to the stored (column, row): (a, b, c, d, e, f) as in an affine map.
    a, b, c, d, e, f = {
        1: (1, 0, 0, 0, 1, 0),
        2: (-1, 0, width, 0, 1, 0),
        3: (-1, 0, width, 0, -1, height),
        4: (1, 0, 0, 0, -1, height),
        5: (0, 1, 0, 1, 0, 0),
        6: (0, 1, 0, -1, 0, height),
        7: (0, -1, width, -1, 0, height),
        8: (0, -1, width, 1, 0, 0),
    }[header.orientation]
    ta, tb, tc, td, te, tf = header.transform
    return (
        ta * a + tb * d,
        ta * b + tb * e,
        ta * c + tb * f + tc,
        td * a + te * d,
        td * b + te * e,
        td * c + te * f + tf,
    )
