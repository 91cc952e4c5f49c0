"""Worlds without pixels: plausible sets of objects, for question texts and for stage two's token bank."""

from __future__ import annotations

import numpy as np

from uhrbat.worlds import KIND_COLORS, KIND_SIZES, KINDS, LAND_COVERS, World, WorldObject

SIZE = 4032
MARGIN = 60


def draw_specs(rng: np.random.Generator) -> list[tuple[str, str | None]]:
    """(kind, colour) of a sparse world's objects: 3 to 7 kinds, half of them once, else 2 to 7 times."""
    out: list[tuple[str, str | None]] = []
    for kind in rng.choice(KINDS, rng.integers(3, 8), replace=False):
        colors = KIND_COLORS[str(kind)] or (None,)
        palette = [colors[rng.integers(len(colors))] for _ in range(2)]
        for _ in range(1 if rng.random() < 0.5 else rng.integers(2, 8)):
            out.append((str(kind), palette[rng.integers(2)]))
    return out


def draw_places(rng: np.random.Generator, count: int, apart: float = 90.0) -> np.ndarray:
    """float[count, 2] centres in pixels of a 4,032-px world, at least `apart` from each other if that is possible."""
    places = np.empty((0, 2))
    for _ in range(count):
        for _ in range(12):
            place = rng.uniform(MARGIN, SIZE - MARGIN, 2)
            if not len(places) or np.abs(places - place).max(1).min() > apart:
                break
        places = np.vstack([places, place])
    return places


def virtual_world(rng: np.random.Generator, seed: int) -> World:
    """A World with objects and a land cover but an empty picture."""
    specs = draw_specs(rng)
    objects = []
    for (kind, color), (x, y) in zip(specs, draw_places(rng, len(specs))):
        low, high = KIND_SIZES[kind]
        half = np.exp(rng.uniform(np.log(low), np.log(high))) / 2
        objects.append(WorldObject(kind, color, (int(x - half), int(y - half), int(x + half) + 1, int(y + half) + 1)))
    return bare_world(objects, LAND_COVERS[rng.integers(len(LAND_COVERS))], seed)


def bare_world(objects: list[WorldObject], land_cover: str, seed: int) -> World:
    empty = np.zeros((1, 1, 3), np.uint8)
    return World(empty, tuple(objects), land_cover, np.zeros((1, 1), np.uint8), seed, SIZE)
