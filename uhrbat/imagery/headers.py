"""What can be told of a file from its first bytes, before any decoder touches it."""

import hashlib
import os
import stat
import struct
from dataclasses import dataclass
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
)
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"8BPS", "a Photoshop document"),
    (b"\x89HDF", "an HDF5 file"),
    (b"CDF", "a netCDF file"),
    (b"BM", "a BMP picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"NITF", "a NITF file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
)
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "JPEG 2000")

_MAX_PAGES = 10_000
_TYPE_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


@dataclass(frozen=True)
class Header:
    """What a reader finds in a file's header, as stored, before rotation and choice of bands.

    dtype: a NumPy name, or the reader's own name of a type that is no picture. colors: one name a band
    ('red', 'green', 'blue', 'gray', 'alpha', 'palette', 'cyan', 'magenta', 'yellow', 'black', 'undefined').
    bits: significant bits of a band's values where fewer than its type has. inverted: whether low values are
    bright. whole: why the file can only be decoded at once ('an interlaced PNG'), or ''. block_bytes: one row
    of inner tiles, decoded. The others are as in ImageInfo.
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
    block_bytes: int = 0
    notes: tuple[str, ...] = ()


def shown_name(path) -> str:
    """A file's name as messages show it: quoted, without folders, control characters escaped, shortened."""
    name = os.fsencode(os.path.basename(os.fspath(path))).decode("utf-8", "backslashreplace")
    name = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    if len(name) > 80:
        name = name[:50] + "…" + name[-29:]
    return f"'{name}'"


def sniff(path) -> str:
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
    raise ImageError(f"{name} is {_guess(head)}: save it as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")


def _guess(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return "a HEIC or AVIF picture or a video, which is not read here"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for signature, kind in _OTHERS:
        if head.startswith(signature) or text.startswith(signature):
            return f"{kind}, which is not read here"
    return "not an image that is read here"


@dataclass(frozen=True)
class TiffPage:
    """One directory of a TIFF file, or none of its claims where a tag is absent."""

    width: int
    height: int
    bits: int = 1
    samples: int = 1
    compression: int = 1
    orientation: int = 1
    reduced: bool = False
    mask: bool = False


def tiff_pages(path) -> list[TiffPage]:
    """The directories of a TIFF or BigTIFF file in their order, each once, however they point at one another.

    Raises ImageError where the first one cannot be read; later broken ones end the list.
    """
    pages: list[TiffPage] = []
    seen: set[int] = set()
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:4] in (b"+\x00", b"\x00+")
        try:
            (offset,) = struct.unpack(order + ("8xQ" if big else "4xI"), head[: 16 if big else 8])
            while offset and offset not in seen and offset < size and len(pages) < _MAX_PAGES:
                seen.add(offset)
                page, offset = _tiff_page(file, offset, order, big)
                pages.append(page)
        except (struct.error, KeyError, IndexError, OverflowError, OSError):
            pass
    if not pages:
        raise ImageError(f"{shown_name(path)} is damaged: its TIFF directory cannot be read; copy or export it again.")
    return pages


def _tiff_page(file, offset: int, order: str, big: bool) -> tuple[TiffPage, int]:
    file.seek(offset)
    count_code, entry_size, inline = ("Q", 20, 8) if big else ("H", 12, 4)
    (count,) = struct.unpack(order + count_code, file.read(struct.calcsize(order + count_code)))
    raw = file.read(min(count, 4096) * entry_size)
    tags = {}
    for start in range(0, len(raw) - entry_size + 1, entry_size):
        tag, kind, number = struct.unpack_from(order + ("HHQ" if big else "HHI"), raw, start)
        if tag in (254, 255, 256, 257, 258, 259, 274, 277) and kind in _TYPE_CODES and number:
            code = order + _TYPE_CODES[kind]
            if struct.calcsize(code) * number <= inline:
                (tags[tag],) = struct.unpack_from(code, raw, start + entry_size - inline)
            else:
                (where,) = struct.unpack_from(order + ("Q" if big else "I"), raw, start + entry_size - inline)
                file.seek(where)
                (tags[tag],) = struct.unpack(code, file.read(struct.calcsize(code)))
    file.seek(offset + struct.calcsize(order + count_code) + count * entry_size)
    (following,) = struct.unpack(order + ("Q" if big else "I"), file.read(8 if big else 4))
    kind = tags.get(254, {2: 1}.get(tags.get(255), 0))
    page = TiffPage(
        width=tags[256],
        height=tags[257],
        bits=tags.get(258, 1),
        samples=tags.get(277, 1),
        compression=tags.get(259, 1),
        orientation=tags.get(274, 1),
        reduced=bool(kind & 1),
        mask=bool(kind & 4),
    )
    return page, following


def is_animated_png(path) -> bool:
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


def is_interlaced_png(path) -> bool:
    """Whether a PNG is interlaced, so that no row is complete before the whole file is decoded."""
    with Path(path).open("rb") as file:
        return file.read(29)[28:29] == b"\x01"


def sha256_file(path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces; ImageError where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{shown_name(path)} cannot be read ({reason}): check the file.") from None
