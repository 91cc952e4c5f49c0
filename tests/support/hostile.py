"""Small files that ended, filled or stalled a page or a worker, and decoders that end or hang."""

import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path

from tests.support.made_images import claiming_png, lying_jpeg_tiff, many_scans_jpeg, plain_tags, raw_tiff
from uhrbat.imagery import children

STRIP: list[tuple[int, int, int, int | bytes]] = [(278, 4, 1, 64), (273, 4, 1, 4096), (279, 4, 1, 4096)]


def one_huge_tile(path: Path) -> Path:
    """64 x 64 pixels in one sparse tile of 65,520 x 65,520."""
    tile = [(322, 4, 1, 65520), (323, 4, 1, 65520), (324, 4, 1, 0), (325, 4, 1, 0)]
    return raw_tiff(path, [*plain_tags(64, 64), *tile])


def many_metadata(path: Path) -> Path:
    """A 64 x 64 TIFF with 100,000 items of metadata."""
    items = b"".join(b'<Item name="k%d">v</Item>' % i for i in range(100_000))
    text = b"<GDALMetadata>" + items + b"</GDALMetadata>\0"
    return raw_tiff(path, [*plain_tags(64, 64), *STRIP, (42112, 2, len(text), text)])


def many_tiles(path: Path) -> Path:
    """160,000 tiles of 16 x 16 at one offset."""
    count = 400 * 400
    lists = [(324, 4, count, struct.pack("<I", 4096) * count), (325, 3, count, struct.pack("<H", 256) * count)]
    return raw_tiff(path, [*plain_tags(6400, 6400), (322, 4, 1, 16), (323, 4, 1, 16), *lists])


MADE: dict[str, tuple[Callable[[Path], object], str]] = {
    "lying.tif": (lying_jpeg_tiff, "damaged"),
    "huge-tile.tif": (one_huge_tile, "inner tiles|empty mosaic"),
    "metadata.tif": (many_metadata, "metadata"),
    "scans.jpg": (lambda path: many_scans_jpeg(path, 5000), "scans"),
    "tiles.tif": (many_tiles, "inner tiles"),
    "claims.png": (lambda path: claiming_png(path, 60_000, 30_000), "decompression bomb"),
}
"""How each is made, and words of the sentence that refuses it."""


def struck(monkeypatch, blow: signal.Signals) -> list[int]:
    """Every decoder is sent a signal as it begins; returns the list that their process ids are added to."""
    hit: list[int] = []
    real = children.Child.ask

    def ask(child, *given):
        hit.append(child.process.pid)
        os.kill(child.process.pid, blow)
        return real(child, *given)

    monkeypatch.setattr(children.Child, "ask", ask)
    return hit


def gone(pid: int) -> bool:
    """Whether there is no process of that id any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
