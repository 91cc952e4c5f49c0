"""Reading with rasterio (GDAL): TIFF, JPEG 2000, BMP, NITF, streamed to libvips by rows of the file's inner tiles."""

import base64
import struct
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import rasterio
from rasterio.enums import Interleaving, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from uhrbat.errors import Cancelled, ImageError, InputError
from uhrbat.imagery import headers, survey
from uhrbat.imagery.bands import band_names, is_infrared, natural_colour
from uhrbat.imagery.headers import NO_CRS, Header, TiffPage, shown_name
from uhrbat.imagery.rendering import AUTO, Rendering

# An ordinary photograph has no place on the map, which is nothing to warn of.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

FORMATS = ("TIFF", "JPEG 2000", "BMP", "NITF")
_DRIVERS = {"TIFF": "GTiff", "JPEG 2000": "JP2OpenJPEG", "BMP": "BMP", "NITF": "NITF"}
# Neither neighbouring files nor a written sidecar: an image is the bytes of its one file.
SETTINGS = {
    "GDAL_PAM_ENABLED": False,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # With more threads a JPEG-in-TIFF that lies about its samples ends the process; with one it is an error.
    "GDAL_NUM_THREADS": "1",
}
_READ_ROWS = 128
_STRIP_BYTES = 2**20
_MOST_REPAIRED = 256 * 2**20
_INKS = 5
_LAB = {8: "lab", 9: "icclab"}
_MOST_ENTRIES = 4096
_MOST_METADATA = 2**20
MOST_TILES = 100_000
"""In one plane of a TIFF: with more the directory alone takes minutes."""


@contextmanager
def _opened(source: str | Path, format: str):
    with rasterio.Env(**SETTINGS), rasterio.open(str(source), driver=_DRIVERS[format]) as file:
        yield file


def read_header(path: Path, format: str, rendering: Rendering) -> Header:
    """The header of a file of one of this module's formats."""
    directories = headers.tiff_pages(path) if format == "TIFF" else []
    listed = _pages(directories)
    index, notes = 0, ()
    if format == "TIFF":
        index = _chosen_page(path, directories, listed, rendering)
        _check_directory(path, directories[index])
    page = directories[index] if directories else None
    source = str(path) if index == 0 else f"GTIFF_DIR:{index + 1}:{path.absolute()}"
    if page and index == 0 and page.photometric in _LAB and page.samples >= 3:
        source = f"GTIFF_RAW:{path.absolute()}"
    if page and index == 0 and page.photometric == _INKS and page.profile and page.samples == 4 and page.bits == 8:
        source = f"GTIFF_RAW:{path.absolute()}"  # GDAL would convert the inks without their profile
    images = _nitf_images(path) if format == "NITF" else 1
    if images > 1:
        number = _in_range(path, rendering.page, images)
        source = f"NITF_IM:{number - 1}:{path.absolute()}"
    try:
        with _opened(source, format) as file:
            header = _header(file, path, format, page, source)
    except RasterioError as error:
        if page and "codec" in str(error).lower():
            raise _missing_codec(path, page) from error
        raise
    if format == "NITF":
        return replace(header, pages=images, page=rendering.page or 1)
    if not directories:
        return header
    return replace(
        header,
        pages=len(listed),
        page=listed.index(index) + 1,
        page_sizes=tuple((directories[at].width, directories[at].height) for at in listed),
        notes=(*header.notes, *notes),
    )


def _header(file, path: Path, format: str, page: TiffPage | None, source: str) -> Header:
    complexes = any(dtype.startswith("complex") for dtype in file.dtypes)
    if complexes:
        dtype = "float64" if "complex128" in file.dtypes else "float32"
    else:
        dtype = file.dtypes[0] if len(set(file.dtypes)) == 1 else str(np.result_type(*file.dtypes))
        dtype = "float64" if dtype in ("int64", "uint64") else dtype
    bits = file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    crs, transform, points, notes = _georeference(file)
    if complexes:
        notes += ("its complex values are shown by their magnitude",)
    colors = tuple(color.name if color is not None else "undefined" for color in file.colorinterp)
    descriptions = tuple(file.descriptions)
    space = _LAB.get(page.photometric, "") if page and source.startswith("GTIFF_RAW:") else ""
    if space:
        colors = tuple("undefined" if color == "alpha" else color for color in colors)
    orientation = page.orientation if page else 1
    return Header(
        path=path,
        format=format,
        reader="rasterio",
        width=file.width,
        height=file.height,
        bands=file.count,
        dtype=dtype,
        colors=colors,
        orientation=orientation if orientation in range(1, 9) else 1,
        bits=int(bits) if bits else None,
        inverted="MINISWHITE" in file.tags(ns="IMAGE_STRUCTURE"),
        nodata=file.nodata,
        validity=None if space else _validity(file),
        crs=crs,
        transform=transform,
        points=points,
        block_bytes=_block_bytes(file, dtype),
        stored=page.stored if page else 1.0,
        names=band_names(descriptions, colors),
        natural=natural_colour(descriptions),
        infrared=tuple(is_infrared(description) for description in descriptions),
        source="" if source == str(path) else source,
        icc=_profile(file),
        space=space,
        notes=notes,
    )


@contextmanager
def opened_mask(path: Path):
    """A mask file (.msk) as GDAL writes it: a TIFF of one band, checked as far as its directory goes."""
    if headers.sniff(path) != "TIFF":
        raise ImageError(f"{shown_name(path)} is no mask as GDAL writes it: leave it out.")
    _check_directory(path, headers.tiff_pages(path)[0])
    with _opened(path, "TIFF") as file:
        yield file


def _block_bytes(file, dtype: str) -> int:
    """The larger of one row of tiles, as it is read, and one tile with all bands that are decoded with it."""
    itemsize = np.dtype(dtype).itemsize
    height = max(shape[0] for shape in file.block_shapes)
    width = max(shape[1] for shape in file.block_shapes)
    together = 1 if file.interleaving in (Interleaving.band, Interleaving.line) else file.count
    row = height * -(-file.width // width) * width * min(file.count, 4) * itemsize
    return max(row, height * width * together * itemsize)


def _pages(directories: list[TiffPage]) -> list[int]:
    """The directories that are pictures of their own; where all are marked as reduced, all that are no mask."""
    pictures = [at for at, page in enumerate(directories) if not (page.reduced or page.mask)]
    largest = _largest(directories)
    if largest is not None and largest not in pictures:
        pictures = sorted([*pictures, largest]) if pictures else [at for at, p in enumerate(directories) if not p.mask]
    return pictures or list(range(len(directories)))[:1]


def _largest(directories: list[TiffPage]) -> int | None:
    """The first directory of the most pixels that is no mask; a reduced version is never larger than the picture."""
    places = [at for at, page in enumerate(directories) if not page.mask]
    key = [(-directories[at].width * directories[at].height, directories[at].reduced, at) for at in places]
    return min(key)[2] if key else None


def _chosen_page(path: Path, directories: list[TiffPage], listed: list[int], rendering: Rendering) -> int:
    if rendering.page is not None:
        return listed[_in_range(path, rendering.page, len(listed)) - 1]
    largest = _largest(directories)
    return largest if largest in listed else listed[0]


def _in_range(path: Path, page: int | None, pages: int) -> int:
    if page is not None and page > pages:
        raise InputError(f"{shown_name(path)} has {pages} page{'s' * (pages > 1)}, not {page}: choose one of them.")
    return page or 1


def _check_directory(path: Path, page: TiffPage) -> None:
    """What a directory alone says that takes minutes or gigabytes, before GDAL sees it."""
    name = shown_name(path)
    if page.hamamatsu:
        raise ImageError(
            f"{name} is a whole slide of Hamamatsu's (NDPI), which is not supported: convert it to a pyramid TIFF."
        )
    if page.entries > _MOST_ENTRIES or page.metadata > _MOST_METADATA:
        raise ImageError(
            f"{name} holds {page.metadata:,} bytes of metadata in {page.entries:,} entries, more than is "
            "read: save it without."
        )
    width, height = page.tile
    planes = max(1, page.samples) if page.planar else 1
    needed = -(-page.width // width) * -(-page.height // height) if width and height else 0
    if max(needed, page.tiles // planes) > MOST_TILES:
        raise ImageError(
            f"{name} consists of {max(needed, page.tiles // planes):,} inner tiles, and at most {MOST_TILES:,} are "
            "accepted: save it with tiles of 512 x 512."
        )
    if page.stored == 0:
        raise ImageError(f"{name} is an empty mosaic, none of its tiles is written: fill it first.")


def _missing_codec(path: Path, page: TiffPage) -> ImageError:
    maker = "a whole slide of Aperio's (SVS)" if page.description.startswith("Aperio") else "a TIFF"
    return ImageError(
        f"{shown_name(path)} is {maker} compressed as {page.codec}, which is not built in here: save it with deflate "
        "or LZW compression."
    )


def require_all_rows(path: Path, end: bytes) -> None:
    """Decode a JPEG that lacks its end marker, with that put after it; ImageError where more than that is missing.

    libvips would show what is missing as grey, without an error.
    """
    short = ImageError(f"{shown_name(path)} is cut short, as if a download or copy had stopped early: copy it again.")
    if path.stat().st_size > _MOST_REPAIRED:
        raise short
    settings = {**SETTINGS, "GDAL_ERROR_ON_LIBJPEG_WARNING": True}
    with rasterio.Env(**settings), rasterio.MemoryFile(path.read_bytes() + end) as memory:
        try:
            with memory.open(driver="JPEG") as file:
                for row in range(0, file.height, _READ_ROWS):
                    file.read(window=Window(0, row, file.width, min(_READ_ROWS, file.height - row)))
        except RasterioError:
            raise short from None


def _nitf_images(path: Path) -> int:
    with _opened(path, "NITF") as file:
        return max(1, sum(name.startswith("NITF_IM:") for name in file.subdatasets))


def _profile(file) -> bytes | None:
    encoded = file.tags(ns="COLOR_PROFILE").get("SOURCE_ICC_PROFILE")
    try:
        return base64.b64decode(encoded, validate=True) if encoded else None
    except ValueError:
        return None


def _georeference(file):
    """(CRS, transform, ground control points, notes)."""
    if not file.transform.is_identity:
        if file.crs:
            return file.crs.to_string(), tuple(file.transform)[:6], (), ()
        return None, tuple(file.transform)[:6], (), (NO_CRS,)
    points, crs = file.gcps
    if len(points) >= 3:
        kept = tuple((float(p.col), float(p.row), float(p.x), float(p.y)) for p in points)
        if all(np.isfinite(kept).ravel()):
            return (crs.to_string() if crs else None), None, kept, (() if crs else (NO_CRS,))
    return None, None, (), ()


def _validity(file) -> str | None:
    flags = file.mask_flag_enums[0]
    if MaskFlags.alpha in flags:
        return "alpha"
    if MaskFlags.per_dataset in flags:
        return "mask"
    return "nodata" if MaskFlags.nodata in flags else None


def surveyed(header: Header, shown: tuple[int, ...], mode: str, rendering: Rendering) -> Header:
    """The header with its alpha band believed or not, and nodata that it does not declare noticed along its edges.

    At most some hundred inner tiles are read.
    """
    doubtful = header.validity == "alpha" and rendering.transparency == AUTO
    placed = bool(header.crs or header.transform or header.points)
    deep = header.dtype != "uint8"
    seeking = (
        header.validity is None or (doubtful and header.nodata is None)
    ) and rendering.nodata == AUTO and header.nodata is None and mode in ("rgb", "gray") and (
        deep or (placed and (header.bits or 8) == 8)
    )  # fmt: skip
    if not doubtful and not seeking:
        return header
    with _opened(header.source or header.path, header.format) as file:
        if doubtful:
            band = header.colors.index("alpha") + 1 if "alpha" in header.colors else header.bands
            named = header.infrared[band - 1] if header.infrared else False
            if named or not survey.is_alpha(file, band, shown):
                header = _without_alpha(header, band)
        if seeking and header.validity is None:
            value = survey.nodata_along_edges(file, shown, deep)
            if value is not None:
                note = (
                    f"its edges hold {value:.6g} throughout, which no tag declares: taken for missing data there"
                    if survey.only_outside(value, header.dtype)
                    else f"its edges hold {value:.6g} throughout, which no tag declares: taken for missing data"
                )
                header = replace(
                    header,
                    nodata=value,
                    noticed="outside" if survey.only_outside(value, header.dtype) else "everywhere",
                    notes=(*header.notes, note),
                )
    return header


def _without_alpha(header: Header, band: int) -> Header:
    """The header of a file whose alpha band is a band like the others."""
    names = list(header.names)
    names[band - 1] = f"band {band}" if names[band - 1] == "alpha" else names[band - 1]
    colors = list(header.colors)
    colors[band - 1] = "undefined"
    note = f"band {band} is marked as transparency, but is none: it is taken for a band (such as infrared)"
    return replace(
        header,
        colors=tuple(colors),
        names=tuple(names),
        validity="nodata" if header.nodata is not None else None,
        notes=(*header.notes, note),
    )


def palette(info) -> np.ndarray:
    """uint8[entries, 3]: the colours of a palette file, index by index; unlisted indices are black."""
    with _opened(info.source or info.path, info.format) as file:
        colors = np.zeros((np.iinfo(file.dtypes[0]).max + 1, 3), np.uint8)
        for index, color in file.colormap(info.shown[0]).items():
            colors[index] = color[:3]
        return colors


class Stream:
    """A file's shown bands and, last, its validity (0 or 1), as a lazy libvips image read once from the top.

    libvips sees an uncompressed TIFF whose pixels are made as it asks for them, so nothing larger than one
    row of the file's inner tiles is held. What goes wrong in between is kept in `error`, because libvips
    cannot pass it on.
    """

    def __init__(self, info, cancel=None):
        self.info, self.cancel, self.error = info, cancel, None
        self._file: Any = None
        self._mask_file: Any = None
        self._source: pyvips.SourceCustom | None = None
        width, height = info.stored_size
        self._masked = info.validity is not None
        self._read_bands = list(info.shown)
        self._bands = len(self._read_bands) + self._masked
        self._open_above: np.ndarray | None = None
        self._dtype = np.dtype(info.dtype)
        self._row_bytes = width * self._bands * self._dtype.itemsize
        # libvips reads no 64-bit TIFF: such values travel as pairs of 32 bits.
        halves = 2 if self._dtype.itemsize == 8 else 1
        stored = np.dtype(np.uint32) if halves == 2 else self._dtype
        self._header = _tiff_header(width, height, self._bands * halves, stored)
        self._length = len(self._header) + height * self._row_bytes
        self._position = 0
        self._rows = range(0)
        self._buffer: memoryview = memoryview(b"")

    def image(self, access: str = "sequential") -> pyvips.Image:
        """The libvips image; it stays readable until `close`."""
        # libvips calls back into this as long as the image is evaluated, and does not keep it alive.
        self._source = pyvips.SourceCustom()
        self._source.on_read(self._read)
        self._source.on_seek(self._seek)
        image = pyvips.Image.new_from_source(self._source, "", access=access, fail_on="truncated")
        return image.copy(format="double", bands=self._bands) if self._dtype.itemsize == 8 else image

    def close(self) -> None:
        for file in (self._file, self._mask_file):
            if file is not None:
                file.close()
        self._file = self._mask_file = None
        self._buffer = memoryview(b"")

    def _seek(self, offset: int, whence: int) -> int:
        self._position = offset + (0, self._position, self._length)[whence]
        return self._position

    def _read(self, length: int):
        if self.error is not None:
            return None
        try:
            start = self._position - len(self._header)
            if start < 0:
                chunk = memoryview(self._header)[self._position : self._position + length]
            elif self._position >= self._length:
                return None
            else:
                row = start // self._row_bytes
                if row not in self._rows:
                    self._load(row)
                first = start - self._rows.start * self._row_bytes
                chunk = self._buffer[first : first + length]
            self._position += len(chunk)
            return chunk
        except BaseException as error:
            self.error = error
            return None

    def _load(self, row: int) -> None:
        if self.cancel is not None and self.cancel():
            raise Cancelled(f"Reading {shown_name(self.info.path)} was cancelled.")
        # Settings hold for the thread that sets them, and libvips chooses the thread.
        with rasterio.Env(**SETTINGS):
            self._read_rows(row)

    def _read_rows(self, row: int) -> None:
        if self._file is None:
            self._file = rasterio.open(str(self.info.source or self.info.path), driver=_DRIVERS[self.info.format])
        block = self._file.block_shapes[0][0]
        rows = block * max(1, _READ_ROWS // block)
        start = row // rows * rows
        self._rows = range(start, min(start + rows, self._file.height))
        self._buffer = memoryview(self._samples(self._rows).data).cast("B")

    def _samples(self, rows: range) -> np.ndarray:
        file = self._file
        window = Window(0, rows.start, file.width, len(rows))
        samples = np.empty((len(rows), file.width, self._bands), self._dtype)
        if any(dtype.startswith("complex") for dtype in file.dtypes):
            colors = np.abs(file.read(self._read_bands, window=window)).astype(self._dtype)
        else:
            colors = file.read(self._read_bands, window=window, out_dtype=self._dtype)
        samples[..., : len(self._read_bands)] = np.moveaxis(colors, 0, 2)
        if self._masked:
            samples[..., -1] = self._valid(file, window, colors, rows)
        return samples

    def _valid(self, file, window: Window, colors: np.ndarray, rows: range) -> np.ndarray:
        info = self.info
        valid = np.ones(colors.shape[1:], bool)
        if info.mask is not None:
            if self._mask_file is None:
                self._mask_file = rasterio.open(str(info.mask), driver="GTiff")
            valid = self._mask_file.read(1, window=window) > 0
        elif info.validity in ("alpha", "mask"):
            valid = file.read_masks(info.shown[0], window=window) > 0
        if info.nodata is not None and (info.validity == "nodata" or info.noticed):
            empty = (np.isnan(colors) if np.isnan(info.nodata) else colors == info.nodata).all(axis=0)
            if info.noticed == "outside":
                if rows.start == 0 or self._open_above is None:
                    self._open_above = np.ones(colors.shape[2], bool)
                empty, self._open_above = survey.outside(empty, self._open_above)
            valid &= ~empty
        return valid


def _tiff_header(width: int, height: int, bands: int, dtype: np.dtype) -> bytes:
    """The head of an uncompressed little-endian BigTIFF whose strips follow it in order."""
    row_bytes = width * bands * dtype.itemsize
    rows = max(1, _STRIP_BYTES // row_bytes)
    strips = -(-height // rows)
    sizes = np.full(strips, rows * row_bytes, np.uint64)
    sizes[-1] = (height - (strips - 1) * rows) * row_bytes
    kinds = {"u": 1, "i": 2, "f": 3}
    tags = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [dtype.itemsize * 8] * bands),
        (259, "H", [1]),
        (262, "H", [1]),
        (273, "Q", None),
        (277, "H", [bands]),
        (278, "I", [rows]),
        (279, "Q", sizes),
        (284, "H", [1]),
        (339, "H", [kinds[dtype.kind]] * bands),
    ]
    if bands > 1:
        tags.insert(-1, (338, "H", [0] * (bands - 1)))
        tags.sort(key=lambda tag: tag[0])
    codes = {"H": 3, "I": 4, "Q": 16}
    tables_at = 16 + 8 + 20 * len(tags) + 8
    length = tables_at + sum(
        n
        for n in (struct.calcsize(code) * (strips if values is None else len(values)) for _, code, values in tags)
        if n > 8
    )
    starts = np.uint64(length) + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint64)
    entries, tables = [], b""
    for tag, code, values in tags:
        values = starts if values is None else values
        raw = np.asarray(values, dtype={"H": "<u2", "I": "<u4", "Q": "<u8"}[code]).tobytes()
        place = raw.ljust(8, b"\0")
        if len(raw) > 8:
            place, tables = struct.pack("<Q", tables_at + len(tables)), tables + raw
        entries.append(struct.pack("<HHQ", tag, codes[code], len(values)) + place)
    return struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags)) + b"".join(entries) + bytes(8) + tables
