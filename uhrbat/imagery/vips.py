"""Reading with libvips: JPEG, PNG, WebP and GIF, streamed row by row."""

from pathlib import Path

import pyvips

from uhrbat.imagery import headers
from uhrbat.imagery.headers import Header

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


def load(path: Path, format: str, access: str = "sequential") -> pyvips.Image:
    """Open a file as a lazy libvips image, not yet rotated; a damaged one fails when its pixels are read."""
    # A source, not a name: libvips reads "[...]" at the end of a name as options.
    source = pyvips.Source.new_from_file(str(path))
    return getattr(pyvips.Image, _LOADERS[format])(source, access=access, fail_on="truncated")


def read_header(path: Path, format: str) -> Header:
    """The header of a file of one of this module's formats."""
    image = load(path, format)
    fields = set(image.get_fields())
    if image.interpretation == "cmyk" and image.bands >= 4:
        colors = _INKS
    else:
        colors = ("red", "green", "blue") if image.bands >= 3 else ("gray",)
    if image.bands > len(colors):
        colors += ("alpha",) * (image.bands - len(colors))
    orientation = image.get("orientation") if "orientation" in fields else 1
    notes = ()
    if format == "PNG" and headers.is_animated_png(path):
        notes = ("only the first frame of the animation is shown",)
    return Header(
        path=path,
        format=format,
        reader="pyvips",
        width=image.width,
        height=image.height,
        bands=image.bands,
        dtype=DTYPES.get(image.format, image.format),
        colors=colors,
        pages=image.get("n-pages") if "n-pages" in fields else 1,
        orientation=orientation if orientation in range(1, 9) else 1,
        validity="alpha" if "alpha" in colors else None,
        whole=_whole(path, format, image, fields),
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
