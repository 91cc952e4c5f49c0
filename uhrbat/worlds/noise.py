"""Noise fields and the bank of tileable fine textures, one for each land cover."""

from functools import lru_cache

import cv2
import numpy as np

TILE = 1536
BLOCK = 512
_BANK_SEED = 20_240


def fractal(rng: np.random.Generator, side: int, first: int, octaves: int, gain: float = 0.5) -> np.ndarray:
    """Sum octaves of smooth noise into a float32[side, side] field of zero mean and unit deviation.

    `first` is the number of cells across the coarsest octave; each further octave doubles it and
    is `gain` times as strong.
    """
    field = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        cells = first * 2**octave
        coarse = rng.standard_normal((cells + 1, cells + 1), dtype=np.float32)
        mode = cv2.INTER_CUBIC if cells * 4 <= side else cv2.INTER_LINEAR
        cv2.scaleAdd(cv2.resize(coarse, (side, side), interpolation=mode), gain**octave, field, field)
    field -= field.mean()
    field /= field.std()
    return field


def _tileable(rng: np.random.Generator, sigma: float, aspect: float = 1.0) -> np.ndarray:
    """Smooth white noise into float32[TILE, TILE] that wraps around, with unit deviation."""
    reach = int(4 * sigma * max(aspect, 1 / aspect)) + 2
    field: np.ndarray = np.pad(rng.standard_normal((TILE, TILE), dtype=np.float32), reach, mode="wrap")
    field = cv2.GaussianBlur(field, (0, 0), sigmaX=sigma * aspect, sigmaY=sigma / aspect)
    field = field[reach:-reach, reach:-reach]
    return field / field.std()


def _crowns(rng: np.random.Generator, spacing: float) -> np.ndarray:
    """Heights float32[TILE, TILE] of a wrapped canopy of round tree crowns `spacing` px apart."""
    reach = int(spacing * 4)
    stems = np.full((TILE, TILE), 255, np.uint8)
    count = int(TILE * TILE / spacing**2)
    stems[rng.integers(0, TILE, count), rng.integers(0, TILE, count)] = 0
    distance: np.ndarray = cv2.distanceTransform(np.pad(stems, reach, mode="wrap"), cv2.DIST_L2, 5)
    distance = distance[reach:-reach, reach:-reach] / spacing
    return np.sqrt(np.maximum(0, 0.9 - distance**2)) * spacing


def _lit(height: np.ndarray) -> np.ndarray:
    """Slope towards the upper left of a wrapped height field, float32, same shape."""
    padded = np.pad(height, 1, mode="wrap")
    return (padded[2:, 2:] - padded[:-2, :-2]).astype(np.float32) * 0.5


def _texture(luminance: np.ndarray, tints: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
    """Encode a luminance and a tint field as uint8[TILE + BLOCK, TILE + BLOCK, 3] around 128."""
    shades = [128 + gain * luminance + tint * tints for gain, tint in zip(gains, (2.0, 0.5, -2.0))]
    texture = np.clip(np.stack(shades, axis=-1), 0, 255).astype(np.uint8)
    return np.pad(texture, ((0, BLOCK), (0, BLOCK), (0, 0)), mode="wrap")


@lru_cache(maxsize=1)
def textures() -> dict[str, np.ndarray]:
    """Return the fine textures by land cover, lit from the upper left; made once a process.

    Each is uint8[2048, 2048, 3], 128 meaning "no change", and wraps with a period of TILE.
    """
    rng = np.random.default_rng(_BANK_SEED)
    fine = _tileable(rng, 0.7)
    middle = _tileable(rng, 2.5)
    coarse = _tileable(rng, 9.0)
    broad = _tileable(rng, 30.0)
    waves = _tileable(rng, 2.2, 1.9) + 0.6 * _tileable(rng, 1.1, 1.6)
    swell = _tileable(rng, 9.0, 1.8)
    canopy = _crowns(rng, 9.0)
    bushes = _crowns(rng, 5.0)
    shade = -_lit(canopy) * 1.0 - 0.5 * _lit(bushes)
    gaps = np.minimum(0, canopy - 5.0) * 2.2
    ripples = _tileable(rng, 1.6, 2.4)
    return {
        "water": _texture(0.9 * waves + 0.6 * swell + 0.5 * fine + 0.4 * broad, coarse, (2.2, 3.2, 3.8)),
        "farmland": _texture(0.8 * fine + 0.8 * middle + 0.7 * coarse + 0.6 * broad, coarse, (4.2, 4.4, 3.4)),
        "forest": _texture(7.5 * shade + gaps + 2.0 * fine + 3.0 * coarse + 3.0 * broad, middle, (0.85, 1.1, 0.7)),
        "desert": _texture(0.6 * fine + 0.8 * ripples + 0.6 * coarse + 0.8 * broad, coarse, (4.8, 4.6, 4.2)),
        "urban": _texture(0.9 * fine + 0.7 * middle + 0.6 * coarse + 0.6 * broad, coarse, (4.6, 4.5, 4.3)),
        "sensor": _texture(fine, np.zeros_like(fine), (2.2, 2.2, 2.4)),
    }
