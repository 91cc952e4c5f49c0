"""What the directories of a TIFF file say, read without a decoder; which are pictures, and which no decoder may see."""

import os
import struct
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np

from uhrbat.errors import ImageError
from uhrbat.imagery.headers import shown_name

_MAX_PAGES = 10_000
_MAX_ENTRIES = 4096
_TYPE_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "B", 7: "B", 13: "I", 16: "Q", 18: "Q"}
_MOST_METADATA = 2**20
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


def pages(path: str | PathLike[str]) -> list[TiffPage]:
    """The directories of a TIFF or BigTIFF file in their order, each once, however they point at one another.

    Raises ImageError where the first one cannot be read; later broken ones end the list.
    """
    found: list[TiffPage] = []
    seen: set[int] = set()
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:4] in (b"+\x00", b"\x00+")
        try:
            (offset,) = struct.unpack(order + ("8xQ" if big else "4xI"), head[: 16 if big else 8])
            while offset and offset not in seen and offset < size and len(found) < _MAX_PAGES:
                seen.add(offset)
                page, offset = _page(file, offset, order, big, size, first=not found)
                found.append(page)
        except (struct.error, KeyError, IndexError, OverflowError, OSError, ValueError):
            pass
    if not found:
        raise ImageError(f"{shown_name(path)} is damaged: its TIFF directory cannot be read; copy or export it again.")
    return found


def _page(file: BinaryIO, offset: int, order: str, big: bool, size: int, first: bool) -> tuple[TiffPage, int]:
    file.seek(offset)
    count_code, entry_size, inline = ("Q", 20, 8) if big else ("H", 12, 4)
    (count,) = struct.unpack(order + count_code, file.read(struct.calcsize(order + count_code)))
    raw = file.read(min(count, _MAX_ENTRIES) * entry_size)
    tags: dict[int, int] = {}
    lists: dict[int, tuple[str, int, int]] = {}
    metadata, hamamatsu, profile, description = 0, False, False, ""
    for start in range(0, len(raw) - entry_size + 1, entry_size):
        tag, kind, number = struct.unpack_from(order + ("HHQ" if big else "HHI"), raw, start)
        hamamatsu |= 65420 <= tag <= 65458
        profile |= tag == 34675
        if kind not in _TYPE_CODES or not number:
            continue
        code = order + _TYPE_CODES[kind]
        width = struct.calcsize(code)
        where = start + entry_size - inline
        if width * number > inline:
            (where,) = struct.unpack_from(order + ("Q" if big else "I"), raw, where)
        else:
            where += offset + struct.calcsize(order + count_code)
        if tag in _WANTED:
            file.seek(where)
            (tags[tag],) = struct.unpack(code, file.read(width))
        elif tag in _LISTS:
            lists[tag] = code, number, where
        elif tag in _TEXTS:
            metadata += width * number
        elif tag == 270 and first:
            file.seek(where)
            description = file.read(min(number, 256)).decode("latin-1")
    counts = lists.get(325) or lists.get(279)
    stored = _share(file, counts, size) if counts else 1.0
    file.seek(offset + struct.calcsize(order + count_code) + count * entry_size)
    end = file.read(8 if big else 4)
    following = struct.unpack(order + ("Q" if big else "I"), end)[0] if len(end) == (8 if big else 4) else 0
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
        tiles=max((number for _, number, _ in lists.values()), default=0),
        stored=stored,
        planar=tags.get(284, 1) == 2,
        metadata=metadata,
        entries=count,
        hamamatsu=hamamatsu,
        profile=profile,
        description=description,
    )
    return page, following


_MOST_COUNTS = 4_000_000


def _share(file: BinaryIO, counts: tuple[str, int, int], size: int) -> float:
    """The share of a directory's tiles that have any bytes; 1 where its list is missing or absurdly long."""
    code, number, where = counts
    width = struct.calcsize(code)
    if number > _MOST_COUNTS or where + number * width > size:
        return 1.0
    file.seek(where)
    lengths = np.frombuffer(file.read(number * width), np.dtype(code[0] + f"u{width}"))
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
