"""Reading with rasterio (GDAL): TIFF and JPEG 2000, streamed to libvips by rows of the file's inner tiles."""

import struct
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyvips
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_gcps
from rasterio.windows import Window

from uhrbat.errors import Cancelled
from uhrbat.imagery import headers
from uhrbat.imagery.headers import Header, shown_name

# An ordinary photograph has no place on the map, which is nothing to warn of.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

FORMATS = ("TIFF", "JPEG 2000")
_DRIVERS = {"TIFF": "GTiff", "JPEG 2000": "JP2OpenJPEG"}
# Neither neighbouring files nor a written sidecar: an image is the bytes of its one file.
SETTINGS = {
    "GDAL_PAM_ENABLED": False,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # With more threads a JPEG-in-TIFF that lies about its samples ends the process; with one it is an error.
    "GDAL_NUM_THREADS": "1",
}
_READ_ROWS = 128
_STRIP_BYTES = 2**20


@contextmanager
def _opened(path: Path, format: str):
    with rasterio.Env(**SETTINGS), rasterio.open(str(path), driver=_DRIVERS[format]) as file:
        yield file


def read_header(path: Path, format: str) -> Header:
    """The header of a file of one of this module's formats."""
    directories = headers.tiff_pages(path) if format == "TIFF" else []
    orientation = directories[0].orientation if directories else 1
    with _opened(path, format) as file:
        dtype = file.dtypes[0] if len(set(file.dtypes)) == 1 else str(np.result_type(*file.dtypes))
        dtype = "float64" if dtype in ("int64", "uint64") else dtype
        block_height = max(shape[0] for shape in file.block_shapes)
        bits = file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
        crs, transform, notes = _georeference(file)
        return Header(
            path=path,
            format=format,
            reader="rasterio",
            width=file.width,
            height=file.height,
            bands=file.count,
            dtype=dtype,
            colors=tuple(color.name if color is not None else "undefined" for color in file.colorinterp),
            pages=max(1, sum(not (page.reduced or page.mask) for page in directories)),
            orientation=orientation if orientation in range(1, 9) else 1,
            bits=int(bits) if bits else None,
            inverted="MINISWHITE" in file.tags(ns="IMAGE_STRUCTURE"),
            nodata=file.nodata,
            validity=_validity(file),
            crs=crs,
            transform=transform,
            block_bytes=block_height * file.width * min(file.count, 4) * np.dtype(dtype).itemsize,
            notes=notes,
        )


def _georeference(file):
    if file.crs and not file.transform.is_identity:
        return file.crs.to_string(), tuple(file.transform)[:6], ()
    points, crs = file.gcps
    if crs and len(points) >= 3:
        note = f"map coordinates are approximate: fitted to {len(points)} ground control points"
        return crs.to_string(), tuple(from_gcps(points))[:6], (note,)
    return None, None, ()


def _validity(file) -> str | None:
    flags = file.mask_flag_enums[0]
    if MaskFlags.alpha in flags:
        return "alpha"
    if MaskFlags.per_dataset in flags:
        return "mask"
    return "nodata" if MaskFlags.nodata in flags else None


def palette(path: Path, format: str) -> np.ndarray:
    """uint8[entries, 3]: the colours of a palette file, index by index; unlisted indices are black."""
    with _opened(path, format) as file:
        colors = np.zeros((np.iinfo(file.dtypes[0]).max + 1, 3), np.uint8)
        for index, color in file.colormap(1).items():
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
        self._file = None
        width, height = info.stored_size
        self._bands = len(info.shown) + (info.validity is not None)
        self._dtype = np.dtype(info.dtype)
        self._row_bytes = width * self._bands * self._dtype.itemsize
        # libvips reads no 64-bit TIFF: such values travel as pairs of 32 bits.
        halves = 2 if self._dtype.itemsize == 8 else 1
        stored = np.dtype(np.uint32) if halves == 2 else self._dtype
        self._header = _tiff_header(width, height, self._bands * halves, stored)
        self._length = len(self._header) + height * self._row_bytes
        self._position = 0
        self._rows = range(0)
        self._buffer = memoryview(b"")

    def image(self, access: str = "sequential") -> pyvips.Image:
        """The libvips image; it stays readable until `close`."""
        source = pyvips.SourceCustom()
        source.on_read(self._read)
        source.on_seek(self._seek)
        image = pyvips.Image.new_from_source(source, "", access=access, fail_on="truncated")
        return image.copy(format="double", bands=self._bands) if self._dtype.itemsize == 8 else image

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
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
                chunk = self._header[self._position : self._position + length]
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
            self._file = rasterio.open(str(self.info.path), driver=_DRIVERS[self.info.format])
        block = self._file.block_shapes[0][0]
        rows = block * max(1, _READ_ROWS // block)
        start = row // rows * rows
        self._rows = range(start, min(start + rows, self._file.height))
        self._buffer = memoryview(self._samples(self._rows)).cast("B")

    def _samples(self, rows: range) -> np.ndarray:
        file, info = self._file, self.info
        window = Window(0, rows.start, file.width, len(rows))
        samples = np.empty((len(rows), file.width, self._bands), self._dtype)
        colors = file.read(info.shown, window=window, out_dtype=self._dtype)
        samples[..., : len(info.shown)] = np.moveaxis(colors, 0, 2)
        if info.validity == "nodata":
            empty = np.isnan(colors) if np.isnan(info.nodata) else colors == info.nodata
            samples[..., -1] = ~empty.all(axis=0)
        elif info.validity is not None:
            samples[..., -1] = file.read_masks(info.shown[0], window=window) > 0
        return samples


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
