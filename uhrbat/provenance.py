"""Tells generated scenes from other images by their bytes: a PNG of one carries the hash of its own pixels."""

import hashlib
from pathlib import Path

from PIL import Image, PngImagePlugin

from .imagery import Canvas

_KEY = "uhrbat-scene"


def save_scene(image: Image.Image, path: Path) -> None:
    """Write a generated picture as a PNG that `is_saved_scene` knows again."""
    stamp = PngImagePlugin.PngInfo()
    stamp.add_text(_KEY, _hash(image))
    image.save(path, "PNG", pnginfo=stamp, compress_level=1)


def is_saved_scene(path: str | Path, canvas: Canvas) -> bool:
    """Whether a file is one that `save_scene` wrote, and what was read of it are its pixels, unchanged."""
    with Path(path).open("rb") as file:
        if canvas.shrink > 1 or file.read(8) != b"\x89PNG\r\n\x1a\n":
            return False
    try:
        with Image.open(path) as image:
            return image.info.get(_KEY) == _hash(canvas.image)
    except (OSError, SyntaxError, ValueError):  # a PNG that Pillow refuses is not one of its own
        return False


def _hash(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()
