"""Worlds of tens of thousands of pixels, painted strip by strip and never held whole.

Land, roads and towns are laid out as in any world and scale with the picture. Objects do not: they have from 6 to 30
pixels of the picture itself, whatever its size, and so have the things that only look like them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from uhrbat.errors import InputError
from uhrbat.imagery.provenance import stamp_world
from uhrbat.imagery.strips import write_tiff
from uhrbat.progress import Flag, Progress, Reporter
from uhrbat.worlds.generator import (
    Site,
    add_sensor_noise,
    map_streets,
    place_objects,
    plan_objects,
    prepare_ground,
)
from uhrbat.worlds.layout import lay_roads
from uhrbat.worlds.noise import BLOCK
from uhrbat.worlds.scenery import Clear, Painter, Shape, draw_clutter, draw_layout
from uhrbat.worlds.sprites import Sprite, blend, corner, draw
from uhrbat.worlds.terrain import HALF, UNITS, Land, Textures, broad_colors, lay_out
from uhrbat.worlds.types import World, WorldObject
from uhrbat.worlds.vocabulary import KIND_SIZES

SMALLEST, LARGEST = 1008, 65_520
OBJECT_PIXELS = (6, 30)
"""Smallest and largest longer side of an object's box, in pixels of the picture."""
LOOKALIKES = (40, 100)
"""How many things (from, up to) that only look like objects stand in a square of UNITS pixels."""
_STREAM = 2
"""Keeps these worlds' random numbers apart from those of other worlds of the seed."""


def write_world(
    seed: int,
    size: int,
    path: str | Path,
    *,
    quality: int = 95,
    progress: Progress | bool | None = None,
    cancel: Flag | None = None,
) -> World:
    """Write the large world of a seed as a tiled BigTIFF, and return what is true of it, without its picture.

    `size` is the picture's side in pixels, 1,008 to 65,520. The same arguments always give the same world.
    Memory holds a strip of 512 rows and a few maps of the land. InputError for another size or a seed below 0;
    Cancelled.
    """
    world = LargeWorld(seed, size)
    report = Reporter(progress, cancel)

    def strips() -> Iterator[np.ndarray]:
        for strip in world.strips():
            yield strip
            report("write", world.painted / size)

    write_tiff(Path(path), size, size, strips(), quality)
    stamp_world(Path(path))
    report.close()
    return world.truth


class LargeWorld:
    """A large world, laid out and ready to be painted. `truth`: what is true of it, without its picture."""

    def __init__(self, seed: int, size: int) -> None:
        if not SMALLEST <= size <= LARGEST:
            raise InputError(f"a world of {size:,} pixels a side cannot be made: give {SMALLEST:,} to {LARGEST:,}")
        if seed < 0:
            raise InputError(f"seed must not be negative, but is {seed}")
        streams = np.random.default_rng([seed, _STREAM]).spawn(7)
        self.size, self.painted = size, 0
        land = lay_out(streams[0])
        plan = plan_objects(land, streams[1], dense=False)
        wants_airfield = any(kind == "airplane" for kind, _ in plan)
        layout = lay_roads(land, streams[2], streams[3].random() < (0.75 if wants_airfield else 0.1))
        clear, streets = Clear(), map_streets(layout)
        sizes, pixel = object_sizes(), UNITS / size
        sites = place_objects(plan, land, layout, clear, streets, streams[3], False, sizes, pixel)
        self._base, border = broad_colors(land, streams[4], layout.parcels)
        self._textures = Textures(land, border, size, streams[4])
        self._noise = streams[4]
        shapes = _Recorder(size / UNITS, (0.0, 0.0), land.shadow)
        draw_layout(shapes, land, layout, clear, streams[5])
        clear.cells |= streets.cells
        cells = max(1, round(size / UNITS))
        for row in range(cells):
            for column in range(cells):
                part = _Part(land, clear, UNITS / cells, column, row)
                draw_clutter(shapes.part(part), part, part, streams[5], LOOKALIKES)  # type: ignore[arg-type]
        objects = _draw_objects(shapes, land, sites, sizes, size, streams[6])
        self._strips = shapes.by_strip(size)
        land_map = land.token_map()
        land_map.setflags(write=False)
        nothing = np.zeros((0, 0, 3), np.uint8)
        self.truth = World(nothing, tuple(objects), land.main, land_map, seed, size)

    def strips(self) -> Iterator[np.ndarray]:
        """uint8[512 rows, size, 3], from the top, the last one perhaps shorter. Once only."""
        for top, shapes in zip(range(0, self.size, BLOCK), self._strips, strict=True):
            strip = _enlarged(self._base, self.size, top, min(BLOCK, self.size - top))
            self._textures.apply(strip, top)
            for shape in shapes:
                shape.draw(strip, top)
            add_sensor_noise(strip, self._noise)
            self.painted = top + len(strip)
            yield strip


def object_sizes() -> dict[str, tuple[float, float]]:
    """Smallest and largest longer side of each kind in pixels of a large world: `KIND_SIZES` within `OBJECT_PIXELS`."""
    smallest, largest = OBJECT_PIXELS
    return {kind: (max(low, smallest), min(high, largest)) for kind, (low, high) in KIND_SIZES.items()}


class _Pasted:
    """A sprite and where it stands in the picture."""

    def __init__(self, sprite: Sprite, left: int, top: int) -> None:
        self.sprite, self.left, self.top = sprite, left, top

    @property
    def rows(self) -> tuple[int, int]:
        return self.top, self.top + len(self.sprite.opacity)

    def draw(self, image: np.ndarray, top: int = 0) -> None:
        blend(image, self.sprite, self.left, self.top - top)


class _Recorder(Painter):
    """Keeps what is drawn, in pixels of the picture, to draw it on one strip after another."""

    def __init__(
        self,
        scale: float,
        origin: tuple[float, float],
        shadow: tuple[float, float],
        shapes: list[Shape | _Pasted] | None = None,
    ) -> None:
        self.scale, self.origin, self.shadow = scale, np.array(origin), np.array(shadow)
        self.shapes: list[Shape | _Pasted] = [] if shapes is None else shapes

    def draw(self, shape: Shape | _Pasted) -> None:
        self.shapes.append(shape)

    def part(self, part: _Part) -> _Recorder:
        """A recorder of the same shapes in a part's own units."""
        scale = self.scale * part.ratio
        return _Recorder(scale, (part.left * self.scale, part.top * self.scale), tuple(self.shadow), self.shapes)

    def by_strip(self, size: int) -> list[list[Shape | _Pasted]]:
        """The shapes that each strip of BLOCK rows shows, in the order drawn."""
        strips: list[list[Shape | _Pasted]] = [[] for _ in range(0, size, BLOCK)]
        for shape in self.shapes:
            first, stop = shape.rows
            for index in range(max(0, first // BLOCK), min(len(strips), -(-stop // BLOCK))):
                strips[index].append(shape)
        return strips

    def _fixed(self, points: ArrayLike) -> np.ndarray:
        return np.round((np.asarray(points) * self.scale + self.origin - 0.5) * 16).astype(np.int32)


class _Part:
    """A square part of the land, and of the map of what must stay clear, in units of its own: UNITS a side."""

    def __init__(self, land: Land, clear: Clear, side: float, column: int, row: int) -> None:
        self.land, self._clear = land, clear
        self.ratio, self.left, self.top = side / UNITS, column * side, row * side

    def cover(self, x: float, y: float) -> str:
        return self.land.cover(self.left + x * self.ratio, self.top + y * self.ratio)

    def depth(self, x: float, y: float) -> float:
        return self.land.depth(self.left + x * self.ratio, self.top + y * self.ratio) / self.ratio

    def free(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        left, right = (self.left + x * self.ratio for x in (x0, x1))
        top, bottom = (self.top + y * self.ratio for y in (y0, y1))
        return self._clear.free(left, top, right, bottom)


def _draw_objects(
    shapes: _Recorder,
    land: Land,
    sites: list[Site],
    sizes: dict[str, tuple[float, float]],
    size: int,
    rng: np.random.Generator,
) -> list[WorldObject]:
    """Draw the objects, with the ground they stand on, and measure their boxes."""
    scale = size / UNITS
    objects = []
    for index in rng.permutation(len(sites)):
        site = sites[index]
        prepare_ground(shapes, land, site, rng)
        sprite = draw(
            site.kind, site.color, site.length * scale, site.heading, land.shadow, rng, sizes[site.kind], site.moving
        )
        left, top = corner(sprite, site.x * scale, site.y * scale)
        shapes.draw(_Pasted(sprite, left, top))
        x0, y0, x1, y1 = sprite.box
        objects.append(WorldObject(site.kind, site.color, (left + x0, top + y0, left + x1, top + y1), size))
    return objects


def _enlarged(base: np.ndarray, size: int, top: int, height: int) -> np.ndarray:
    """uint8[height, size, 3]: the rows from `top` of the base, uint8[HALF, HALF, 3], enlarged to `size`."""
    place = np.clip((np.arange(top, top + height) + 0.5) * HALF / size - 0.5, 0, HALF - 1)
    first = np.minimum(place.astype(int), HALF - 2)
    share = (place - first).astype(np.float32)[:, None, None]
    rows = base[first] * (1 - share) + base[first + 1] * share
    wide = cv2.resize(rows, (size, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(np.rint(wide), 0, 255).astype(np.uint8)
