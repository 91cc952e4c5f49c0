"""Reading with libvips: JPEG, PNG, WebP and GIF, streamed row by row."""

from pathlib import Path

import numpy as np
import pyvips

from uhrbat.errors import ImageError, InputError
from uhrbat.imagery import gdal, headers
from uhrbat.imagery.bands import band_names
from uhrbat.imagery.headers import Header, jpeg_scans, shown_name
from uhrbat.imagery.rendering import Rendering

# Nothing is read twice here, and what libvips remembers keeps its files open.
pyvips.cache_set_max(0)

_LOADERS = {
    "JPEG": "jpegload_source",
    "PNG": "pngload_source",
    "WebP": "webpload_source",
    "GIF": "gifload_source",
}
DTYPES = {
    "uchar": "uint8",
    "char": "int8",
    "ushort": "uint16",
    "short": "int16",
    "uint": "uint32",
    "int": "int32",
    "float": "float32",
    "double": "float64",
}
_INKS = ("cyan", "magenta", "yellow", "black")


class WithEnd:
    """A JPEG file read as if it had the end marker that it lacks."""

    error: BaseException | None = None

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.size = path.stat().st_size
        self.position = 0

        # libvips calls back into this as long as the image is evaluated, and does not keep it alive.
        self.source = pyvips.SourceCustom()
        self.source.on_read(self.read)
        self.source.on_seek(self.seek)

    def image(self, access: str = "sequential") -> pyvips.Image:
        """The libvips image; it stays readable until `close`."""
        return pyvips.Image.jpegload_source(self.source, access=access, fail_on="truncated")

    def close(self) -> None:
        self.file.close()

    def seek(self, offset: int, whence: int) -> int:
        self.position = offset + (0, self.position, self.size + len(_END))[whence]
        return self.position

    def read(self, length: int) -> bytes:
        if self.position < self.size:
            self.file.seek(self.position)
            chunk = self.file.read(length)
        else:
            chunk = _END[self.position - self.size :][:length]
        self.position += len(chunk)
        return chunk


_END = b"\xff\xd9"


def load(path: Path, format: str, access: str = "sequential", page: int = 1) -> pyvips.Image:
    """Open a file as a lazy libvips image, not yet rotated; a damaged one fails when its pixels are read.

    page: of an animation, from 1.
    """
    options = {"page": page - 1} if page > 1 else {}
    # A source, not a name: libvips reads "[...]" at the end of a name as options.
    source = pyvips.Source.new_from_file(str(path))
    return getattr(pyvips.Image, _LOADERS[format])(source, access=access, fail_on="truncated", **options)


def read_header(path: Path, format: str, rendering: Rendering, most_scans: int) -> Header:
    """The header of a file of one of this module's formats; ImageError for a JPEG of too many scans."""
    scans, ended = jpeg_scans(path, most_scans) if format == "JPEG" else (1, True)
    if scans > most_scans:
        raise ImageError(
            f"{shown_name(path)} is a progressive JPEG of more than {most_scans} scans, which take long to decode: "
            "save it as a plain JPEG."
        )
    if not ended:
        gdal.require_all_rows(path, _END)
    stream = None if ended else WithEnd(path)
    image = stream.image() if stream else load(path, format)
    fields = set(image.get_fields())
    pages = image.get("n-pages") if "n-pages" in fields else 1
    page = rendering.page or 1
    if page > pages:
        raise InputError(f"{shown_name(path)} has {pages} page{'s' * (pages > 1)}, not {page}: choose one of them.")
    if image.interpretation == "cmyk" and image.bands >= 4:
        colors: tuple[str, ...] = _INKS
    else:
        colors = ("red", "green", "blue") if image.bands >= 3 else ("gray",)
    if image.bands > len(colors):
        colors += ("alpha",) * (image.bands - len(colors))
    orientation = image.get("orientation") if "orientation" in fields else 1
    notes: tuple[str, ...] = ()
    if format == "PNG" and headers.is_animated_png(path):
        notes = ("only the first frame of the animation is shown",)
    if not ended:
        notes = ("its end marker is missing, but every row is there",)
    if stream:
        stream.close()
    dtype = DTYPES[image.format]
    whole = _whole(path, format, image, fields)
    # libjpeg keeps two bytes for each stored value of a progressive file until all scans are read.
    halved = "jpeg-chroma-subsample" in fields and image.get("jpeg-chroma-subsample") == "4:2:0"
    width = (1 if halved else 2) if format == "JPEG" else np.dtype(dtype).itemsize
    return Header(
        path=path,
        format=format,
        reader="pyvips",
        width=image.width,
        height=image.height,
        bands=image.bands,
        dtype=dtype,
        colors=colors,
        names=band_names((None,) * image.bands, colors),
        pages=pages,
        page=page,
        orientation=orientation if orientation in range(1, 9) else 1,
        validity="alpha" if "alpha" in colors else None,
        whole=whole,
        whole_bytes=image.width * image.height * image.bands * width if whole else 0,
        icc=image.get("icc-profile-data") if "icc-profile-data" in fields else None,
        ended=ended,
        notes=notes,
    )


def _whole(path: Path, format: str, image: pyvips.Image, fields: set[str]) -> str:
    if format in ("WebP", "GIF"):
        return f"a {format}"
    if format == "PNG" and headers.is_interlaced_png(path):
        return "an interlaced PNG"
    if "jpeg-multiscan" in fields and image.get("jpeg-multiscan"):
        return "a progressive JPEG"
    return ""
