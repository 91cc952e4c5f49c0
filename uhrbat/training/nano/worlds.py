"""Training windows from generated worlds: whole tiles, and tiles laid of nine parts around objects and mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from uhrbat.data.kinds import INDEX
from uhrbat.geometry import PATCH, SCALES, TILE, TILE_GRID
from uhrbat.training.nano.augment import degraded
from uhrbat.training.nano.pool import PoolWorld, available
from uhrbat.training.nano.windows import NOT, SHOWN, UNKNOWN, Window, blank_labels, turned_window
from uhrbat.worlds import KINDS

PART = 8
"""Side, in tokens, of the parts that a tile is laid of."""
SCALE_SHARE = (0.14, 0.2, 0.26, 0.4)
Place = tuple[int, int, int, int]
"""Seed, scale, and the row and column of a token there."""


class WorldWindows:
    """Draws windows from a pool of worlds (`nano.pool`): around objects, at random, and around mistakes."""

    def __init__(self, folder: Path, rng: np.random.Generator, capacity: int = 4000) -> None:
        self.rng, self.capacity = rng, capacity
        self.worlds = {seed: PoolWorld(folder, seed) for seed in available(folder)}
        self.seeds = list(self.worlds)
        self.mistakes: list[Place] = []

    def draw(self, mistakes: float = 0.45, laid: float = 0.75) -> Window:
        """One window; mistakes: share of the parts that lie around one; laid: chance to be laid of nine parts."""
        rng = self.rng
        if rng.random() < laid:
            parts = [self.cut(*self.place(mistakes, PART), PART) for _ in range((TILE_GRID // PART) ** 2)]
            parts = [turned_window(part, int(rng.integers(4)), bool(rng.random() < 0.5)) for part in parts]
            pixels, *labels = (grid_of([getattr(part, name) for part in parts]) for name in _ARRAYS)
            state, color, center, land = labels
            window = Window(pixels, state, color, center, land)
        else:
            window = self.cut(*self.place(mistakes, TILE_GRID), TILE_GRID)
            window = turned_window(window, int(rng.integers(4)), bool(rng.random() < 0.5))
        if rng.random() < 0.4:
            arrays = [getattr(window, name) for name in _ARRAYS[1:]]
            window = Window(degraded(np.ascontiguousarray(window.pixels), rng), *arrays)
        return window

    def place(self, mistakes: float, side: int) -> Place:
        """Top left token of a part of `side` x `side` tokens that lies inside one tile."""
        rng, luck = self.rng, self.rng.random()
        if self.mistakes and luck < mistakes:
            seed, size, row, column = self.mistakes[rng.integers(len(self.mistakes))]
        else:
            seed = self.seeds[rng.integers(len(self.seeds))]
            size = int(rng.choice(SCALES, p=SCALE_SHARE))
            grid = size // PATCH
            row, column = (int(value) for value in rng.integers(0, grid, 2))
            objects = self.worlds[seed].objects
            if rng.random() < 0.75 and objects:
                x0, y0, x1, y1 = objects[rng.integers(len(objects))]["box"]
                row, column = (int((a + b) / 2 * grid / SCALES[-1]) for a, b in ((y0, y1), (x0, x1)))
        corner = []
        for value in (row, column):
            tile = value // TILE_GRID * TILE_GRID
            low, high = max(0, value - tile - side + 1), min(TILE_GRID - side, value - tile)
            corner.append(tile + int(rng.integers(low, high + 1)))
        return seed, size, corner[0], corner[1]

    def cut(self, seed: int, size: int, row: int, column: int, side: int) -> Window:
        """A part of a world as it is, `side` tokens a side."""
        world = self.worlds[seed]
        labels, pixels = world.labels[size], world.images[size]
        tokens = np.s_[row : row + side, column : column + side]
        y, x, edge = row * PATCH, column * PATCH, side * PATCH
        kind, ignored = labels.kind[tokens], labels.ignore[tokens]
        state = blank_labels()[0][:, :side, :side].copy()
        for index in range(len(KINDS)):
            state[index] = np.where(kind == index, SHOWN, np.where(ignored, UNKNOWN, NOT))
        state[INDEX["swimming pool"]] = NOT
        color = labels.color[tokens].astype(np.int16)
        land = labels.land[tokens].astype(np.int16)
        return Window(np.asarray(pixels[y : y + edge, x : x + edge]), state, color, labels.center[tokens], land)

    def add_mistakes(self, places: list[Place]) -> None:
        self.mistakes = (self.mistakes + places)[-self.capacity :]

    def tile(self) -> tuple[Place, Window]:
        """A whole tile at random, to look for mistakes in."""
        rng = self.rng
        seed, size = self.seeds[rng.integers(len(self.seeds))], int(rng.choice(SCALES, p=(0.05, 0.15, 0.3, 0.5)))
        row, column = (int(value) * TILE_GRID for value in rng.integers(0, size // TILE, 2))
        return (seed, size, row, column), self.cut(seed, size, row, column, TILE_GRID)


_ARRAYS = ("pixels", "state", "color", "center", "land")


def grid_of(parts: list[np.ndarray]) -> np.ndarray:
    """Nine square arrays, [..., side, side] or pixels [side, side, 3], -> one laid of them in three rows."""
    tall, wide = (0, 1) if parts[0].shape[-1] == 3 else (-2, -1)
    rows = [np.concatenate(parts[start : start + 3], wide) for start in (0, 3, 6)]
    return np.concatenate(rows, tall)
