"""What the directories of a TIFF file say, read without a decoder; which are pictures, and which no decoder may see."""

import os
import struct
from collections.abc import Container
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from uhrbat.errors import ImageError
from uhrbat.imagery.headers import shown_name

_MAX_PAGES = 10_000
_MAX_ENTRIES = 4096
_TYPE_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "B", 7: "B", 13: "I", 16: "Q", 18: "Q"}
_MOST_METADATA = 2**20
_MOST_VALUES = 2**24
"""Bytes of the values of one tag that `first_tags` reads."""
MOST_TILES = 100_000
"""In one plane of a TIFF: with more the directory alone takes minutes."""


@dataclass(frozen=True)
class TiffPage:
    """One directory of a TIFF file, or none of its claims where a tag is absent.

    tile: (width, height) of its tiles or strips, 0 where it does not say. tiles: how many the directory lists, `stored`
    the share of them that has any bytes. metadata: bytes of GDAL's and Adobe's XML. entries: how many the
    directory has. hamamatsu: whether it has the tags of that maker's slides. profile: whether it has a colour profile.
    """

    width: int
    height: int
    bits: int = 1
    samples: int = 1
    compression: int = 1
    photometric: int = 1
    orientation: int = 1
    reduced: bool = False
    mask: bool = False
    tile: tuple[int, int] = (0, 0)
    tiles: int = 0
    stored: float = 1.0
    planar: bool = False
    metadata: int = 0
    entries: int = 0
    hamamatsu: bool = False
    profile: bool = False
    description: str = ""

    @property
    def codec(self) -> str:
        """The name of its compression."""
        return CODECS.get(self.compression, f"method {self.compression}")


CODECS = {
    1: "none", 2: "CCITT", 3: "fax group 3", 4: "fax group 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG", 8: "deflate",
    9: "JBIG", 10: "JBIG", 22610: "JPEG XR", 32766: "NeXT", 32773: "PackBits", 32809: "ThunderScan", 32908: "PixarFilm",
    32909: "PixarLog", 32946: "deflate", 33003: "JPEG 2000 (Aperio)", 33004: "JPEG 2000 (Aperio)",
    33005: "JPEG 2000 (Aperio)", 34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34712: "JPEG 2000",
    34713: "Nikon NEF", 34715: "JBIG 2", 34887: "LERC", 34892: "lossy JPEG (DNG)", 34925: "LZMA", 34933: "PNG",
    34934: "JPEG XR", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
"""TIFF's compressions by their numbers."""

_WANTED = frozenset((254, 255, 256, 257, 258, 259, 262, 274, 277, 278, 284, 322, 323))
_LISTS = frozenset((273, 279, 324, 325))
_TEXTS = frozenset((700, 42112, 42113))


@dataclass(frozen=True)
class _Form:
    """How a file writes numbers: in which byte order, and with counts and places of 8 bytes (BigTIFF) or fewer."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        """How the number of a directory's entries is written."""
        return self.order + ("Q" if self.big else "H")

    @property
    def place(self) -> str:
        """How a place in the file is written."""
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> str:
        """How an entry begins: its tag, its type, and how many values it has; they follow, or where they are."""
        return self.order + ("HHQ" if self.big else "HHI")


_FORMS = {
    b"II*\0": _Form("<", big=False),
    b"MM\0*": _Form(">", big=False),
    b"II+\0": _Form("<", big=True),
    b"MM\0+": _Form(">", big=True),
}
"""By the first bytes of a file."""


class _Entry(NamedTuple):
    """One tag of a directory. code: how a value is written, '' for types that are not read; where: of the first one."""

    tag: int
    code: str
    number: int
    where: int

    @property
    def bytes(self) -> int:
        """Of all its values."""
        return struct.calcsize(self.code) * self.number


_BROKEN = (struct.error, KeyError, IndexError, OverflowError, OSError, ValueError)
"""What reading a damaged directory raises."""


def pages(path: str | PathLike[str]) -> list[TiffPage]:
    """The directories of a TIFF or BigTIFF file in their order, each once, however they point at one another.

    Raises ImageError where the first one cannot be read; later broken ones end the list.
    """
    found: list[TiffPage] = []
    seen: set[int] = set()
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            form, offset = _begin(file)
            while offset and offset not in seen and offset < size and len(found) < _MAX_PAGES:
                seen.add(offset)
                page, offset = _page(file, offset, form, size, first=not found)
                found.append(page)
        except _BROKEN:
            pass
    if not found:
        raise ImageError(f"{shown_name(path)} is damaged: its TIFF directory cannot be read; copy or export it again.")
    return found


def first_tags(path: str | PathLike[str], wanted: Container[int]) -> dict[int, bytes]:
    """The values of some tags of a file's first directory, as their bytes; only of those that it has.

    None of them where the file is no TIFF, or its directory cannot be read; none of more than 16 MiB.
    """
    found: dict[int, bytes] = {}
    with Path(path).open("rb") as file:
        try:
            form, offset = _begin(file)
            for entry in _directory(file, offset, form)[0]:
                if entry.tag in wanted and 0 < entry.bytes <= _MOST_VALUES:
                    file.seek(entry.where)
                    found.setdefault(entry.tag, file.read(entry.bytes))
        except _BROKEN:
            return {}
    return found


def _begin(file: BinaryIO) -> tuple[_Form, int]:
    """How a file writes numbers, and where its first directory is."""
    head = file.read(16)
    form = _FORMS[head[:4]]
    (offset,) = struct.unpack_from(form.place, head, 8 if form.big else 4)
    return form, offset


def _directory(file: BinaryIO, offset: int, form: _Form) -> tuple[list[_Entry], int, int]:
    """The entries of a directory, the first `_MAX_ENTRIES` at most; how many it has; and where its successor is."""
    file.seek(offset)
    (count,) = struct.unpack(form.count, file.read(struct.calcsize(form.count)))
    begin = file.tell()
    entry_size, inline = (20, 8) if form.big else (12, 4)
    raw = file.read(min(count, _MAX_ENTRIES) * entry_size)
    entries = []
    for start in range(0, len(raw) - entry_size + 1, entry_size):
        tag, kind, number = struct.unpack_from(form.entry, raw, start)
        code = form.order + _TYPE_CODES[kind] if kind in _TYPE_CODES else ""
        where = start + entry_size - inline
        if code and struct.calcsize(code) * number > inline:
            (where,) = struct.unpack_from(form.place, raw, where)
        else:
            where += begin
        entries.append(_Entry(tag, code, number, where))
    file.seek(begin + count * entry_size)
    end = file.read(struct.calcsize(form.place))
    following = struct.unpack(form.place, end)[0] if len(end) == struct.calcsize(form.place) else 0
    return entries, count, following


def _page(file: BinaryIO, offset: int, form: _Form, size: int, first: bool) -> tuple[TiffPage, int]:
    entries, count, following = _directory(file, offset, form)
    tags: dict[int, int] = {}
    lists: dict[int, _Entry] = {}
    metadata, description = 0, ""
    for entry in entries:
        if not entry.bytes:
            continue
        if entry.tag in _WANTED:
            file.seek(entry.where)
            (tags[entry.tag],) = struct.unpack(entry.code, file.read(struct.calcsize(entry.code)))
        elif entry.tag in _LISTS:
            lists[entry.tag] = entry
        elif entry.tag in _TEXTS:
            metadata += entry.bytes
        elif entry.tag == 270 and first:
            file.seek(entry.where)
            description = file.read(min(entry.number, 256)).decode("latin-1")
    counts = lists.get(325) or lists.get(279)
    stored = _share(file, counts, size) if counts else 1.0
    kind = tags.get(254, {2: 1}.get(tags.get(255, 0), 0))
    tiled = 322 in tags and 323 in tags
    page = TiffPage(
        width=tags[256],
        height=tags[257],
        bits=tags.get(258, 1),
        samples=tags.get(277, 1),
        compression=tags.get(259, 1),
        photometric=tags.get(262, 1),
        orientation=tags.get(274, 1),
        reduced=bool(kind & 1),
        mask=bool(kind & 4),
        tile=(tags[322], tags[323]) if tiled else (tags[256], min(tags.get(278, tags[257]), tags[257])),
        tiles=max((entry.number for entry in lists.values()), default=0),
        stored=stored,
        planar=tags.get(284, 1) == 2,
        metadata=metadata,
        entries=count,
        hamamatsu=any(65420 <= entry.tag <= 65458 for entry in entries),
        profile=any(entry.tag == 34675 for entry in entries),
        description=description,
    )
    return page, following


_MOST_COUNTS = 4_000_000


def _share(file: BinaryIO, counts: _Entry, size: int) -> float:
    """The share of a directory's tiles that have any bytes; 1 where its list is missing or absurdly long."""
    if counts.number > _MOST_COUNTS or counts.where + counts.bytes > size:
        return 1.0
    file.seek(counts.where)
    lengths = np.frombuffer(file.read(counts.bytes), np.dtype(f"{counts.code[0]}u{struct.calcsize(counts.code)}"))
    return float((lengths > 0).mean())


def pictures(directories: list[TiffPage]) -> list[int]:
    """The directories that are pictures of their own; where all are marked as reduced, all that are no mask."""
    shown = [at for at, page in enumerate(directories) if not (page.reduced or page.mask)]
    most = largest(directories)
    if most is not None and most not in shown:
        shown = sorted([*shown, most]) if shown else [at for at, p in enumerate(directories) if not p.mask]
    return shown or list(range(len(directories)))[:1]


def largest(directories: list[TiffPage]) -> int | None:
    """The first directory of the most pixels that is no mask; a reduced version is never larger than the picture."""
    places = [at for at, page in enumerate(directories) if not page.mask]
    key = [(-directories[at].width * directories[at].height, directories[at].reduced, at) for at in places]
    return min(key)[2] if key else None


def check(path: Path, page: TiffPage) -> None:
    """What a directory alone says that takes minutes or gigabytes, before GDAL sees it."""
    name = shown_name(path)
    if page.hamamatsu:
        raise ImageError(
            f"{name} is a whole slide of Hamamatsu's (NDPI), which is not supported: convert it to a pyramid TIFF."
        )
    if page.entries > _MAX_ENTRIES or page.metadata > _MOST_METADATA:
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


def missing_codec(path: Path, page: TiffPage) -> ImageError:
    maker = "a whole slide of Aperio's (SVS)" if page.description.startswith("Aperio") else "a TIFF"
    return ImageError(
        f"{shown_name(path)} is {maker} compressed as {page.codec}, which is not built in here: save it with deflate "
        "or LZW compression."
    )
