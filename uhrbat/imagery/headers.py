"""What can be said of a file from its first bytes, before any decoder touches it."""

import hashlib
import mmap
import os
import stat
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from uhrbat.errors import ImageError

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"NITF0", "NITF"),
    (b"NSIF0", "NITF"),
)
_SAVE = "save it as JPEG, PNG, WebP, GIF, TIFF, JPEG 2000, BMP or NITF"
_CONVERT = "convert it to GeoTIFF with gdal_translate or the program that it comes from"
_EXPORT = "export the page that you want as PNG or TIFF"
_UNPACK = "unpack it and choose an image in it"
_OTHERS = (
    (b"%PDF", "a PDF document", _EXPORT),
    (b"PK\x03\x04", "a ZIP archive or an office document", _UNPACK),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"8BPS", "a Photoshop document", _SAVE),
    (b"\x89HDF", "an HDF5 file", _CONVERT),
    (b"CDF\x01", "a netCDF file", _CONVERT),
    (b"CDF\x02", "a netCDF file", _CONVERT),
    (b"GRIB", "a GRIB file", _CONVERT),
    (b"SIMPLE  =", "a FITS file", _SAVE),
    (b"EHFA_HEADER_TAG", "an ERDAS Imagine file", _CONVERT),
    (b"msid", "a MrSID picture", _CONVERT),
    (b"v/1\x01", "an OpenEXR picture", _SAVE),
    (b"\xff\x0a", "a JPEG XL picture", _SAVE),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture", _SAVE),
    (b"II\xbc\x01", "a JPEG XR picture", _SAVE),
    (b"\x00\x00\x01\x00", "an icon", _SAVE),
    (b"<svg", "an SVG drawing", "export it as PNG"),
    (b"<?xml", "an XML file", _SAVE),
    (b"<VRTDataset", "a GDAL VRT, which only points at other files", "convert it to GeoTIFF with gdal_translate"),
    (b"<PAMDataset", "an .aux.xml file, which belongs to a picture", "give both together"),
    (b"<!DOCTYPE", "a web page", "save the picture on it"),
    (b"<!doctype", "a web page", "save the picture on it"),
    (b"<html", "a web page", "save the picture on it"),
    (b"P5\n", "a PGM picture", _SAVE),
    (b"P6\n", "a PPM picture", _SAVE),
)
_BRANDS = {
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
    b"heic": "a HEIC picture",
    b"heix": "a HEIC picture",
    b"heim": "a HEIC picture",
    b"heis": "a HEIC picture",
    b"hevc": "a HEIC picture",
    b"hevx": "a HEIC picture",
    b"mif1": "a HEIC or AVIF picture",
    b"msf1": "a HEIC or AVIF picture",
    b"crx ": "a raw photograph",
}
WORLD_FILES = (".tfw", ".tifw", ".tiffw", ".jgw", ".jpgw", ".pgw", ".pngw", ".j2w", ".bpw", ".wld")
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "JPEG 2000", "BMP", "NITF")

NO_CRS = "it has map coordinates, but its coordinate system (CRS) is missing: degrees and metres are unknown"


@dataclass(frozen=True)
class Header:
    """What a reader finds in a file's header, as stored, before rotation and choice of bands.

    dtype: a NumPy name, or the reader's own name of a type that is no picture. colors: one name a band
    ('red', 'green', 'blue', 'gray', 'alpha', 'palette', 'cyan', 'magenta', 'yellow', 'black', 'undefined').
    bits: significant bits of a band's values where fewer than its type has. inverted: whether low values are
    bright. whole: why the file can only be decoded at once ('an interlaced PNG'), or ''. whole_bytes: what that takes.
    block_bytes: one row of inner tiles, decoded, with all bands that are decoded together. stored: the share of its
    tiles that the file has at all (below 1 in a sparse one). icc: its colour profile, where that changes a colour
    visibly. space: 'lab' and the like where bands are no colours of light. points: ground control points (column,
    row, x, y), as stored. natural: the bands described as red, green and blue. infrared: which are described as that.
    ended: whether a JPEG has an end marker. The others are as in ImageInfo.
    """

    path: Path
    format: str
    reader: str
    width: int
    height: int
    bands: int
    dtype: str
    colors: tuple[str, ...]
    pages: int = 1
    orientation: int = 1
    bits: int | None = None
    inverted: bool = False
    nodata: float | None = None
    validity: str | None = None
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    whole: str = ""
    whole_bytes: int = 0
    block_bytes: int = 0
    stored: float = 1.0
    names: tuple[str, ...] = ()
    natural: tuple[int, int, int] | None = None
    infrared: tuple[bool, ...] = ()
    noticed: str = ""
    page: int = 1
    page_sizes: tuple[tuple[int, int], ...] = ()
    source: str = ""
    icc: bytes | None = None
    space: str = ""
    points: tuple[tuple[float, float, float, float], ...] = ()
    mask: Path | None = None
    ended: bool = True
    notes: tuple[str, ...] = ()


def shown_name(path: str | PathLike[str]) -> str:
    """A file's name as messages show it: quoted, without folders, control characters escaped, shortened."""
    name = os.fsencode(os.path.basename(os.fspath(path))).decode("utf-8", "backslashreplace")
    name = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    if len(name) > 80:
        name = name[:50] + "…" + name[-29:]
    return f"'{name}'"


def sniff(path: str | PathLike[str]) -> str:
    """The file's format by its first bytes, whatever its name says: one of FORMATS.

    Raises ImageError where there is no readable regular file, or where it is not an image of these formats.
    """
    name = shown_name(path)
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise ImageError(f"{name} has a name that is not valid Unicode: rename the file.") from None
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is a folder: choose an image file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{name} is not a regular file: choose an image file.")
        with Path(path).open("rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist: check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} cannot be opened ({reason}): check the name and its permissions.") from None
    if not head:
        raise ImageError(f"{name} is empty (0 bytes): copy or download it again.")
    for signature, format in _SIGNATURES:
        if head.startswith(signature):
            return format
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS:
        return "BMP"
    kind, remedy = _guess(head, str(path).lower())
    raise ImageError(f"{name} is {kind}: {remedy}.")


_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}


def _guess(head: bytes, path: str) -> tuple[str, str]:
    """What a file that is not read is, and what to do."""
    if path.endswith(WORLD_FILES):
        return "a world file, which belongs to a picture and is ignored alone", "give both together"
    if path.endswith(".prj") and b"CS[" in head:
        return "a description of a coordinate system, which is ignored alone", "give the picture with it"
    if path.endswith(".aux.xml"):
        return "an .aux.xml file, which belongs to a picture and is ignored alone", "give both together"
    if head[4:8] == b"ftyp":
        brands = [head[at : at + 4] for at in (8, *range(16, min(len(head), 64), 4))]
        kind = next((_BRANDS[brand] for brand in brands if brand in _BRANDS and brand not in (b"mif1", b"msf1")), None)
        kind = kind or next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "a video")
        return f"{kind}, which is not supported", "save a frame of it as PNG" if kind == "a video" else _SAVE
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<?xml") and b"<svg" in text:
        text = b"<svg"
    for signature, kind, remedy in _OTHERS:
        if head.startswith(signature) or text.startswith(signature):
            return f"{kind}, which is not supported", remedy
    if head[128:132] == b"DICM":
        return "a DICOM file, which is not supported", _SAVE
    if head[:1] == b"e" and path.endswith(".ecw"):
        return "an ECW picture, which is not supported", _CONVERT
    if path.endswith((".ecw", ".sid", ".heic", ".heif", ".avif", ".svg", ".pdf")):
        return f"not the {path.rsplit('.', 1)[1].upper()} file that its name says", _SAVE
    return "not an image of a supported kind", _SAVE


def jpeg_scans(path: str | PathLike[str], most: int) -> tuple[int, bool]:
    """How many scans a JPEG has, counted up to one above `most`, and whether it has an end marker.

    Markers stand in no coded data (a 255 there is followed by 0), so after the first scan they are searched for.
    """
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 2
        while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
            if data[at + 1] == 0xFF:
                at += 1
            elif data[at + 1] in (0x01, *range(0xD0, 0xD9)):
                at += 2
            else:
                at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        end = data.find(b"\xff\xd9", at)
        stop = end if end >= 0 else len(data)
        scans = 0
        while scans <= most and (at := data.find(b"\xff\xda", at, stop)) >= 0:
            scans += 1
            at += 2
        return scans, end >= 0


def is_animated_png(path: str | PathLike[str]) -> bool:
    """Whether a PNG announces an animation (an acTL chunk before its pixels)."""
    with Path(path).open("rb") as file:
        file.seek(8)
        for _ in range(64):
            head = file.read(8)
            if len(head) < 8 or head[4:] == b"IDAT":
                return False
            if head[4:] == b"acTL":
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return False


def is_interlaced_png(path: str | PathLike[str]) -> bool:
    """Whether a PNG is interlaced, so that no row is complete before the whole file is decoded."""
    with Path(path).open("rb") as file:
        return file.read(29)[28:29] == b"\x01"


def sha256_file(path: str | PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces; ImageError where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{shown_name(path)} cannot be read ({reason}): check the file.") from None
