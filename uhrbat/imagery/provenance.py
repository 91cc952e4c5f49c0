"""Tells generated worlds from other images by their bytes.

A saved PNG of one carries the hash of its own pixels. A large one, a tiled TIFF that is too large to be hashed at
every opening, carries the hash of how many bytes each of its tiles takes, which other pixels would change. The
published examples, which are JPEGs, are known by size and SHA-256 (published.json), so that only a file of exactly such
a size is ever hashed.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import rasterio
from PIL import Image, PngImagePlugin

from uhrbat.imagery import gdal, tiff
from uhrbat.imagery.canvas import Canvas
from uhrbat.imagery.headers import sha256_file

_KEY = "uhrbat-scene"
_BYTE_COUNTS, _METADATA = 325, 42112
"""Tags of a TIFF: how many bytes each tile takes, and what GDAL writes of its metadata."""
_PUBLISHED = Path(__file__).with_name("published.json")


def save_world(image: Image.Image, path: Path) -> None:
    """Write a generated picture as a PNG that `is_generated` recognises."""
    stamp = PngImagePlugin.PngInfo()
    stamp.add_text(_KEY, _hash(image))
    image.save(path, "PNG", pnginfo=stamp, compress_level=1)


def stamp_world(path: Path) -> None:
    """Mark a tiled BigTIFF, written just now, as a generated picture that `is_generated` recognises."""
    counts = tiff.first_tags(path, (_BYTE_COUNTS,))[_BYTE_COUNTS]
    with rasterio.Env(**gdal.SETTINGS), rasterio.open(path, "r+") as file:
        file.update_tags(**{_KEY: hashlib.sha256(counts).hexdigest()})


def is_generated(path: str | Path, canvas: Canvas) -> bool:
    """Whether a file is a generated world, unchanged: one that `save_world` or `stamp_world` marked, or a published
    example.

    canvas: what was read of the file.
    """
    return _is_published(Path(path)) or _is_saved_world(Path(path), canvas) or _is_stamped(Path(path))


def _is_published(path: Path) -> bool:
    known = _published().get(path.stat().st_size)
    return known is not None and sha256_file(path) == known


@lru_cache(maxsize=1)
def _published() -> dict[int, str]:
    """SHA-256 of the published examples by their size in bytes."""
    return {item["bytes"]: item["sha256"] for item in json.loads(_PUBLISHED.read_text())}


def _is_saved_world(path: Path, canvas: Canvas) -> bool:
    with path.open("rb") as file:
        if canvas.shrink > 1 or file.read(8) != b"\x89PNG\r\n\x1a\n":
            return False
    try:
        with Image.open(path) as image:
            return image.info.get(_KEY) == _hash(canvas.image)
    except (OSError, SyntaxError, ValueError):  # a PNG that Pillow refuses is not one of its own
        return False


def _hash(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()


def _is_stamped(path: Path) -> bool:
    tags = tiff.first_tags(path, (_BYTE_COUNTS, _METADATA))
    counts = tags.get(_BYTE_COUNTS, b"")
    return bool(counts) and f">{hashlib.sha256(counts).hexdigest()}<".encode() in tags.get(_METADATA, b"")
