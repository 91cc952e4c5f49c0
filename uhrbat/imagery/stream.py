"""A file's pixels as rasterio (GDAL) reads them, streamed to libvips by rows of the file's inner tiles."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyvips
import rasterio
from rasterio.windows import Window

from uhrbat.errors import Cancelled
from uhrbat.imagery import survey
from uhrbat.imagery.gdal import DRIVERS, READ_ROWS, SETTINGS
from uhrbat.imagery.headers import shown_name

_STRIP_BYTES = 2**20


class Stream:
    """A file's shown bands and, last, its validity (0 or 1), as a lazy libvips image read once from the top.

    libvips sees an uncompressed TIFF whose pixels are made as it asks for them, so nothing larger than one
    row of the file's inner tiles is held. What goes wrong in between is kept in `error`, because libvips
    cannot pass it on.
    """

    def __init__(self, info: Any, cancel: Callable[[], bool] | None = None) -> None:
        self.info, self.cancel = info, cancel
        self.error: BaseException | None = None
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

    def _read(self, length: int) -> memoryview | None:
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
            self._file = rasterio.open(str(self.info.source or self.info.path), driver=DRIVERS[self.info.format])
        block = self._file.block_shapes[0][0]
        rows = block * max(1, READ_ROWS // block)
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

    def _valid(self, file: Any, window: Window, colors: np.ndarray, rows: range) -> np.ndarray:
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
