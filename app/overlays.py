"""Token maps as small pictures that the browser reads back as numbers, one pixel a token."""

import io

import numpy as np
from PIL import Image

from uhrbat.choices import PADDING
from uhrbat.geometry import Scale, Square
from uhrbat.results import ScaleMap

from .state.pictures import Picture

MERGED_BIT = 1 << 23
HEADROOM = 65535
_NO_REGION = (1 << 24) - 1


def rank_png(maps: ScaleMap, scale: Scale) -> bytes:
    """Opaque PNG of a scale's ranks, 23 bits a token; bit 23 is set where the token is part of an average. A place that
    was not looked at has a rank above all."""
    ranks = maps.rank.astype(np.int64) | np.where(maps.merged, MERGED_BIT, 0)
    return numbers_png(ranks, scale, len(maps.rank) + 1)


def importance_png(maps: ScaleMap, scale: Scale) -> bytes:
    """Opaque PNG of a scale's importances as 0..65535 between its lowest and its highest."""
    values = maps.importance.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return numbers_png(np.rint((values - low) * (HEADROOM / ((high - low) or 1.0))).astype(np.int64), scale)


def region_png(maps: ScaleMap, scale: Scale) -> bytes:
    """Opaque PNG of a scale's region ids; 2^24 - 1 where a token belongs to no region."""
    return numbers_png(np.where(maps.region < 0, _NO_REGION, maps.region).astype(np.int64), scale, _NO_REGION)


def kind_png(kinds: np.ndarray, scale: Scale) -> bytes:
    """PNG of the fates of one selection (uint8[N], tile-major), the code itself in every channel."""
    return _png(grid(kinds.astype(np.uint8), scale, PADDING))


def thumbnail(picture: Picture, least: int = 0, side: int = 288) -> bytes:
    """The square, small, as JPEG: the picture centred on black; least: `Square.least`."""
    square = Square(picture.info.width, picture.info.height, least=least)
    tile = Image.open(io.BytesIO(picture.reader.tile(0, 0, 0)))
    step = 1 << picture.reader.max_zoom()
    whole = tile.crop((0, 0, max(1, square.width // step), max(1, square.height // step)))
    factor = side / square.side
    drawn = Image.new("RGB", (side, side))
    shown = whole.resize((max(1, round(square.width * factor)), max(1, round(square.height * factor))))
    drawn.paste(shown, (round(square.offset[0] * factor), round(square.offset[1] * factor)))
    out = io.BytesIO()
    drawn.save(out, "JPEG", quality=85)
    return out.getvalue()


def numbers_png(values: np.ndarray, scale: Scale, absent: int = 0) -> bytes:
    """Opaque PNG of one number below 2^24 a token (int64[N], tile-major): its bytes are red, green and blue."""
    numbers = grid(values, scale, absent)
    return _png(np.stack([numbers >> 16, (numbers >> 8) & 255, numbers & 255], axis=-1).astype(np.uint8))


def grid(values: np.ndarray, scale: Scale, absent: float = 0) -> np.ndarray:
    """Values of a scale from token order (tile-major) to rows and columns; absent: what stands where no look went."""
    if scale.looked is None:
        return values[scale.permutation].reshape(scale.grid, scale.grid)
    found = np.full((scale.grid, scale.grid), absent, values.dtype)
    found[scale.rowcol(np.arange(scale.tokens))] = values
    return found


def _png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()
