"""What a file says of itself before a pixel is decoded, and the declared limits it is held against."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

import numpy as np

from uhrbat.errors import ImageError, InputError, UHRBATError
from uhrbat.imagery import colour, companions, gdal, headers, vips
from uhrbat.imagery.bands import find_band
from uhrbat.imagery.headers import Header, shown_name
from uhrbat.imagery.rendering import AUTO, Rendering, short

_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass(frozen=True)
class Limits:
    """What is accepted, checked from the header before any pixel is decoded.

    `max_aspect` is the longer side over the shorter. `max_whole_bytes` holds for files that can only be decoded all at
    once (WebP, GIF, interlaced PNG, progressive JPEG). `max_block_bytes` bounds one row of a TIFF's or JPEG 2000's
    inner tiles, decoded. A file of more than `free_bytes` decoded (of one that is decoded at once, `free_whole_bytes`)
    is refused as a decompression bomb where that is more than `max_expansion` times its size on disk. `max_scans`
    holds for progressive JPEGs.
    """

    max_pixels: int = 2_000_000_000
    min_side: int = 1
    max_side: int = 200_000
    max_aspect: float = 200.0
    max_bytes: int = 4 * 2**30
    max_bands: int = 64
    max_whole_bytes: int = 384 * 2**20
    max_block_bytes: int = 384 * 2**20
    max_expansion: float = 1500.0
    free_bytes: int = 512 * 2**20
    free_whole_bytes: int = 16 * 2**20
    max_scans: int = 100


@dataclass(frozen=True)
class ImageInfo:
    """An image as it will be shown: upright, and with the bands that become red, green and blue.

    width, height: upright pixels, after the file's own rotation. format: one of headers.FORMATS. bands, dtype: the
    file's bands and their NumPy type. colors: what each means to the file ('red', 'alpha', 'undefined', ...). names:
    what a user may call each. pages, page: pictures in the file and the one shown, from 1; page_sizes: their widths and
    heights as stored, where they differ in kind. orientation: EXIF 1..8, as stored. nodata: the value that means "no
    data", or None. validity: where invalid pixels are known from ('alpha', 'mask', 'nodata') or None. noticed: '' where
    nodata is declared, 'everywhere' or 'outside' (only what is joined to the edge) where it was noticed or chosen.
    rendering: what was chosen. points: ground control points (column, row, x, y), upright, where these place the
    picture. icc: a colour profile that differs from sRGB. source: GDAL's name of the page, '' for the file itself.
    mask: a mask file given with the picture. ended: whether a JPEG has its end marker. crs: 'EPSG:...' or WKT, or
    None. transform: the affine map (a, b, c, d, e, f) from upright pixels to that CRS, x = a*col +
    b*row + c and y = d*col + e*row + f, or None. reader: 'pyvips' or 'rasterio'. mode: how the shown bands
    become colours ('rgb', 'gray', 'palette', 'cmyk', 'lab', 'icclab'). shown: the bands shown, counted from 1. stretch:
    (low, high) values shown as black and white, or None where the file is 8-bit or has not been measured yet.
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
    names: tuple[str, ...] = ()
    page: int = 1
    page_sizes: tuple[tuple[int, int], ...] = ()
    rendering: Rendering = field(default_factory=Rendering)
    noticed: str = ""
    points: tuple[tuple[float, float, float, float], ...] = ()
    icc: bytes | None = None
    source: str = ""
    mask: Path | None = None
    ended: bool = True

    @property
    def name(self) -> str:
        """The file's name as messages show it."""
        return shown_name(self.path)

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) as stored, before rotation."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    def stretched(self, low: float, high: float) -> "ImageInfo":
        """The same image with its stretch decided and reported in the notes."""
        chosen = "as chosen" if self.rendering.limits else "2nd to 98th percentile"
        note = f"contrast stretched: {_number(low)} to {_number(high)} ({chosen})"
        return replace(self, stretch=(low, high), notes=(*self.notes, note))


def _number(value: float) -> str:
    """Six digits, thousands separated."""
    return f"{float(f'{value:.6g}'):,g}" if abs(value) < 1e6 else f"{value:.6g}"


@contextmanager
def image_errors(path: str | PathLike[str]) -> Iterator[None]:
    """Turn whatever a decoder raises inside the block into one ImageError that names the file."""
    try:
        yield
    except UHRBATError:
        raise
    except MemoryError:
        raise ImageError(f"{shown_name(path)} needs more memory than there is: make it smaller first.") from None
    except Exception as error:
        raise ImageError(_explain(path, error)) from error


def _explain(path: str | PathLike[str], error: Exception) -> str:
    text = str(error).lower()
    name = shown_name(path)
    if any(words in text for words in ("no space left", "file too large", "write error", "quota")):
        return f"The disk is full: {name} could not be prepared; free some space and try again."
    if "support" in text or "not available" in text:
        return f"{name} uses a feature that is not supported: export it as PNG, JPEG or plain TIFF."
    if any(word in text for word in ("truncated", "premature", "end of", "out of data", "short")):
        return f"{name} is cut short, as if a download or copy had stopped early: copy or export it again."
    return f"{name} is damaged or cut short: copy it again, or export it as PNG, JPEG or plain TIFF."


def open_image(
    path: str | PathLike[str],
    limits: Limits | None = None,
    bands: Sequence[int | str] | None = None,
    rendering: Rendering | None = None,
    beside: Iterable[str | PathLike[str]] = (),
    mask: str | PathLike[str] | None = None,
) -> ImageInfo:
    """Read a file's header, and where its alpha or nodata is in doubt a few of its tiles.

    bands: one band to show in grey or three to show as red, green and blue, by number from 1 or by name; by default
    those that the file calls red, green and blue, else its first three, else its first. rendering: all that can be
    chosen; `bands` is short for its bands. beside: files that were given together with the picture (world file,
    .prj, .aux.xml, .msk); none is looked for. mask: a .msk under any other name. Raises ImageError where the file
    is not a readable image or is over `limits`, InputError where it has no such bands or page.

    >>> open_image("harbour.tif").width
    40000
    """
    limits = limits or Limits()
    rendering = rendering or Rendering()
    path = Path(path)
    with image_errors(path):
        format = headers.sniff(path)
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise ImageError(
                f"{shown_name(path)} has {size / 2**30:.1f} GiB, more than the "
                f"{limits.max_bytes / 2**30:.1f} GiB accepted: compress it or cut it into parts."
            )
        if format in gdal.FORMATS:
            header = gdal.read_header(path, format, rendering)
        else:
            header = vips.read_header(path, format, rendering, limits.max_scans)
        _check(header, size, limits)
        header = companions.applied(header, beside, mask)
        return _describe(header, rendering.bands if bands is None else bands, rendering)


def _check(header: Header, size: int, limits: Limits) -> None:
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
    decoded = width * height * header.bands * np.dtype(header.dtype).itemsize
    if header.whole and max(decoded, header.whole_bytes) > limits.max_whole_bytes:
        raise ImageError(
            f"{shape} and is {header.whole}, which can only be decoded at once and is accepted up to "
            f"{limits.max_whole_bytes // 2**20:,} MiB decoded: save it as a tiled TIFF or a plain JPEG or PNG."
        )
    if header.block_bytes > limits.max_block_bytes:
        raise ImageError(
            f"{shape} in inner tiles too large to be read one row at a time: save it with tiles of 512 x 512."
        )
    free = min(limits.free_whole_bytes, limits.free_bytes) if header.whole else limits.free_bytes
    if decoded * header.stored > max(free, limits.max_expansion * size):
        raise ImageError(
            f"{shape} in a file of only {size:,} bytes, like a decompression bomb: if not, save it as JPEG."
        )


def _describe(header: Header, bands: Sequence[int | str] | None, rendering: Rendering) -> ImageInfo:
    mode, shown = _choose_bands(header, bands)
    if header.reader == "rasterio":
        header = gdal.surveyed(header, shown, mode, rendering)
    header = _chosen_validity(header, rendering)
    notes = list(header.notes)
    if header.pages > 1:
        notes.insert(0, f"page {header.page} of {header.pages} is shown")
    listed = ", ".join(map(str, shown))
    names = header.names or tuple(header.colors)
    called = ", ".join(names[b - 1] for b in shown)
    called = f" ({called})" if any(names[b - 1] not in (header.colors[b - 1], f"band {b}") for b in shown) else ""
    if len(shown) < sum(color != "alpha" for color in header.colors):
        many = f"bands {listed} of {header.bands}{called} are shown as red, green and blue"
        notes.append(many if len(shown) > 1 else f"band {listed} of {header.bands}{called} is shown in grey")
    elif len(shown) > 1 and shown == header.natural and shown != (1, 2, 3) and shown != _by_colour(header.colors):
        notes.append(f"bands {listed}{called} are shown as red, green and blue")
    icc = None
    usual = bands is None or shown == _choose_bands(header, None)[1]
    if mode == "cmyk" and header.dtype != "uint8":
        raise ImageError(f"{shown_name(header.path)} holds {header.dtype} inks: export it as 8-bit RGB.")
    if header.icc and usual and mode in ("rgb", "gray", "cmyk"):
        icc, note = colour.profile(header.icc, mode, header.dtype)
        notes += [note] if note else []
    if mode == "cmyk" and icc is None:
        notes.append("converted from CMYK without its colour profile")
    if mode in ("lab", "icclab"):
        notes.append("converted from CIE L*a*b* to sRGB")
    turned = header.orientation >= 5
    deep = header.dtype != "uint8" or (header.bits or 8) < 8
    info = ImageInfo(
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
        needs_stretch=mode in ("rgb", "gray") and (deep or rendering.limits is not None),
        inverted=header.inverted and mode == "gray",
        notes=tuple(notes),
        names=names,
        page=header.page,
        page_sizes=header.page_sizes,
        rendering=rendering,
        noticed=header.noticed,
        points=_upright_points(header),
        icc=icc,
        source=header.source,
        mask=header.mask,
        ended=header.ended,
    )
    if info.points:
        info = replace(info, notes=(*info.notes, _accuracy(info)))
    return info.stretched(*rendering.limits) if info.needs_stretch and rendering.limits else info


def _accuracy(info: ImageInfo) -> str:
    """How far ground control points can be believed."""
    from uhrbat.imagery.georeference import GeoReference, rounded

    count = f"{len(info.points)} ground control points"
    place = GeoReference.of(info)
    if place is None:
        return f"its {count} lie on one line: it has no map coordinates"
    how = place.warp.kind if place.warp else "affine"
    if place.residual is None:
        return f"map coordinates are approximate: fitted to {count} ({how})"
    unit = "metres" if info.crs else "map units"
    return f"map coordinates are approximate, off by about {rounded(place.residual)} {unit}: fitted to {count} ({how})"


def _chosen_validity(header: Header, rendering: Rendering) -> Header:
    """The header with transparency and nodata as a user chose them."""
    if rendering.transparency == "none" and header.validity in ("alpha", "mask"):
        notes = tuple(note for note in header.notes if header.mask is None or note != companions.masked_by(header.mask))
        header = replace(header, validity="nodata" if header.nodata is not None else None, mask=None, notes=notes)
    if rendering.nodata is None:
        kept = header.validity if header.validity != "nodata" else None
        return replace(header, nodata=None, noticed="", validity=kept)
    if rendering.nodata != AUTO:
        header = replace(header, nodata=float(rendering.nodata), noticed="everywhere")
    if header.noticed and header.validity is None:
        header = replace(header, validity="nodata")
    return header


def _by_colour(colors: tuple[str, ...]) -> tuple[int, ...] | None:
    """The bands that the file marks as red, green and blue."""
    if not {"red", "green", "blue"} <= set(colors):
        return None
    return tuple(colors.index(name) + 1 for name in ("red", "green", "blue"))


def _choose_bands(header: Header, bands: Sequence[int | str] | None) -> tuple[str, tuple[int, ...]]:
    colors = header.colors
    if bands is not None:
        shown = _check_bands(header, bands)
        if len(shown) == 1:
            return ("palette" if colors[shown[0] - 1] == "palette" else "gray"), shown
        return "rgb", shown
    if header.space:
        return header.space, (1, 2, 3)
    if colors[0] == "palette":
        return "palette", (1,)
    inks = ("cyan", "magenta", "yellow", "black")
    if set(inks) <= set(colors):
        return "cmyk", tuple(colors.index(name) + 1 for name in inks)
    named = header.natural or _by_colour(colors)
    if named:
        return "rgb", named
    pictured = [band for band, color in enumerate(colors, start=1) if color != "alpha"] or [1]
    return ("rgb", tuple(pictured[:3])) if len(pictured) >= 3 else ("gray", (pictured[0],))


def _check_bands(header: Header, bands: Sequence[int | str] | None) -> tuple[int, ...]:
    name = shown_name(header.path)
    given = tuple(bands) if isinstance(bands, (list, tuple, np.ndarray)) else (bands,)
    shown = [find_band(band, header.names) if isinstance(band, str) else band for band in given]
    if len(shown) not in (1, 3) or not all(
        isinstance(b, (int, np.integer)) and not isinstance(b, bool) and 1 <= b <= header.bands for b in shown
    ):
        raise InputError(f"{name} has bands 1 to {header.bands}, not {short(bands)}: choose one or three of them.")
    return tuple(int(band) for band in shown if band is not None)


def _turn(header: Header) -> tuple[int, int, int, int, int, int]:
    """The affine map (a, b, c, d, e, f) from upright (column, row) to the stored one."""
    width, height = header.width, header.height
    return {
        1: (1, 0, 0, 0, 1, 0),
        2: (-1, 0, width, 0, 1, 0),
        3: (-1, 0, width, 0, -1, height),
        4: (1, 0, 0, 0, -1, height),
        5: (0, 1, 0, 1, 0, 0),
        6: (0, 1, 0, -1, 0, height),
        7: (0, -1, width, -1, 0, height),
        8: (0, -1, width, 1, 0, 0),
    }[header.orientation]


def _upright_transform(header: Header) -> tuple[float, float, float, float, float, float] | None:
    if header.transform is None:
        return None
    a, b, c, d, e, f = _turn(header)
    ta, tb, tc, td, te, tf = header.transform
    return (
        ta * a + tb * d,
        ta * b + tb * e,
        ta * c + tb * f + tc,
        td * a + te * d,
        td * b + te * e,
        td * c + te * f + tf,
    )


def _upright_points(header: Header) -> tuple[tuple[float, float, float, float], ...]:
    a, b, c, d, e, f = _turn(header)
    area = a * e - b * d
    return tuple(
        ((e * (col - c) - b * (row - f)) / area, (a * (row - f) - d * (col - c)) / area, x, y)
        for col, row, x, y in header.points
    )
