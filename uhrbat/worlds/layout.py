"""What people laid out on the land: fields, roads, airfields and piers. Lengths are in units."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from uhrbat.worlds.terrain import UNITS, Land

ROAD_STEP = 48


@dataclass(frozen=True)
class Road:
    """A straight piece of road from `start` to `end`, `width` wide, paved or not."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    paved: bool = True


@dataclass(frozen=True)
class Pad:
    """A rectangle on the ground: center, full length and width, heading in radians, and its use."""

    center: tuple[float, float]
    length: float
    width: float
    heading: float
    use: str

    def corners(self, margin: float = 0.0) -> np.ndarray:
        """Give the float[4, 2] corners of the rectangle grown by `margin`."""
        x, y = self.length / 2 + margin, self.width / 2 + margin
        return self.at(np.array([(-x, -y), (x, -y), (x, y), (-x, y)]))

    def at(self, points: ArrayLike) -> np.ndarray:
        """Turn points given along the rectangle's own axes into picture coordinates."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return np.asarray(points) @ np.array([(cos, sin), (-sin, cos)]) + self.center


@dataclass(frozen=True)
class Layout:
    """Fields (float32[4, 2] corners), town blocks, roads, airfields and piers of one world."""

    parcels: list[np.ndarray]
    blocks: list[Pad]
    roads: list[Road]
    airfield: list[Pad]
    piers: list[Pad]


def lay_roads(land: Land, rng: np.random.Generator, airfield: bool) -> Layout:
    """Lay out everything man-made that is scenery rather than an object."""
    strips = _airfield(land, rng) if airfield else []
    piers = _piers(land, rng) if land.has_water and rng.random() < 0.5 else []
    parcels: list[np.ndarray] = []
    roads: list[Road] = []
    blocks: list[Pad] = []
    covers = (land.main, land.secondary)
    if "farmland" in covers:
        parcels, lanes = _farmland(land, rng)
        roads += lanes
    if "urban" in covers:
        blocks, streets = _town(land, rng)
        roads += streets
    else:
        roads += _highway(land, rng)
    taken = [pad for pad in strips if pad.use != "grass"]
    roads = [road for road in roads if not any(_near(road.start, pad, 60) or _near(road.end, pad, 60) for pad in taken)]
    blocks = [block for block in blocks if not any(_near(block.center, pad, 170) for pad in strips)]
    return Layout(parcels, blocks, roads, strips, piers)


def _near(point: Sequence[float], pad: Pad, margin: float) -> bool:
    x, y = point[0] - pad.center[0], point[1] - pad.center[1]
    cos, sin = math.cos(pad.heading), math.sin(pad.heading)
    along, across = abs(x * cos + y * sin), abs(y * cos - x * sin)
    return along < pad.length / 2 + margin and across < pad.width / 2 + margin


def _frame(angle: float) -> Callable[[float, float], tuple[float, float]]:
    """Return a function from the coordinates of a turned frame around the center to picture ones."""
    cos, sin = math.cos(angle), math.sin(angle)
    half = UNITS / 2
    return lambda u, v: (half + u * cos - v * sin, half + u * sin + v * cos)


def _chop(
    land: Land, start: Sequence[float], end: Sequence[float], width: float, covers: tuple[str, ...], paved: bool
) -> list[Road]:
    """Cut a road into short pieces and keep those whose ends lie on the given covers."""
    span = math.hypot(end[0] - start[0], end[1] - start[1])
    count = max(1, round(span / ROAD_STEP))
    points = [
        (start[0] + (end[0] - start[0]) * i / count, start[1] + (end[1] - start[1]) * i / count)
        for i in range(count + 1)
    ]
    fits = [
        -ROAD_STEP < x < UNITS + ROAD_STEP
        and -ROAD_STEP < y < UNITS + ROAD_STEP
        and land.cover(x, y) in covers
        and ("water" not in (land.main, land.secondary) or land.depth(x, y) > width)
        for x, y in points
    ]
    return [Road(points[i], points[i + 1], width, paved) for i in range(count) if fits[i] and fits[i + 1]]


def _farmland(land: Land, rng: np.random.Generator) -> tuple[list[np.ndarray], list[Road]]:
    """Split the land into fields by repeated halving, with lanes along the first cuts."""
    place = _frame(land.angle)
    reach = UNITS * 0.75
    small = rng.uniform(210, 420)
    parcels, roads = [], []
    stack = [(-reach, -reach, reach, reach, 0)]
    while stack:
        x0, y0, x1, y1, level = stack.pop()
        wide = x1 - x0 > y1 - y0
        longer = max(x1 - x0, y1 - y0)
        if longer < small * rng.uniform(0.9, 2.2):
            corners = [place(x0, y0), place(x1, y0), place(x1, y1), place(x0, y1)]
            parcels.append(np.array(corners, np.float32))
            continue
        cut = rng.uniform(0.36, 0.64)
        if wide:
            middle = x0 + (x1 - x0) * cut
            stack += [(x0, y0, middle, y1, level + 1), (middle, y0, x1, y1, level + 1)]
            line = place(middle, y0), place(middle, y1)
        else:
            middle = y0 + (y1 - y0) * cut
            stack += [(x0, y0, x1, middle, level + 1), (x0, middle, x1, y1, level + 1)]
            line = place(x0, middle), place(x1, middle)
        if level < 3:
            width = (26, 20, 16)[level]
            roads += _chop(land, *line, width, ("farmland",), paved=level < 2)
    return parcels, roads


def _town(land: Land, rng: np.random.Generator) -> tuple[list[Pad], list[Road]]:
    """Lay a turned grid of streets of uneven spacing, and the blocks between them."""
    place = _frame(land.angle)
    reach = UNITS * 0.72
    edges = []
    for _ in range(2):
        steps = rng.uniform(170, 330, 64)
        lines = np.cumsum(steps) - reach - 150
        edges.append(lines[lines < reach])
    roads, blocks = [], []
    for axis in (0, 1):
        for index, line in enumerate(edges[axis]):
            width = 34.0 if index % 5 == 0 else float(rng.uniform(18, 24))
            ends = ((line, -reach), (line, reach)) if axis == 0 else ((-reach, line), (reach, line))
            roads += _chop(land, place(*ends[0]), place(*ends[1]), width, ("urban",), True)
    for left, right in zip(edges[0], edges[0][1:]):
        for top, bottom in zip(edges[1], edges[1][1:]):
            center = place((left + right) / 2, (top + bottom) / 2)
            if not (-100 < center[0] < UNITS + 100 and -100 < center[1] < UNITS + 100):
                continue
            if land.cover(*center) == "urban" and land.depth(*center) > 70:
                blocks.append(Pad(center, right - left - 44, bottom - top - 44, land.angle, "block"))
    return blocks, roads


def _highway(land: Land, rng: np.random.Generator) -> list[Road]:
    """Wind one to three roads across the dry part of a world that has no town."""
    dry = tuple(cover for cover in (land.main, land.secondary) if cover != "water")
    roads = []
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, math.pi)
        place = _frame(angle)
        offset, sway, bends, phase = (
            rng.uniform(-1500, 1500),
            rng.uniform(40, 220),
            rng.uniform(1, 2.5),
            rng.uniform(0, 6.28),
        )
        width, paved = float(rng.uniform(16, 26)), bool(rng.random() < 0.75)
        path = np.arange(-2900, 2901, ROAD_STEP)
        points = [place(float(u), offset + sway * math.sin(bends * u / 1000 + phase)) for u in path]
        for start, end in pairwise(points):
            roads += _chop(land, start, end, width, dry, paved)
    return roads


def _airfield(land: Land, rng: np.random.Generator) -> list[Pad]:
    """Find dry room for a runway, a taxiway and an apron; empty when there is none."""
    for _ in range(60):
        long = rng.uniform(1000, 1800)
        heading = rng.uniform(0, math.pi)
        center = tuple(rng.uniform(620, UNITS - 620, 2))
        site = Pad(center, long + 80, 560, heading, "grass")
        along = np.linspace(-long / 2, long / 2, 12)
        probes = site.at(np.array([(u, v) for u in along for v in (-260, -130, 0, 130, 260)]))
        if probes.min() < 30 or probes.max() > UNITS - 30:
            continue
        if any(land.cover(x, y) == "water" or land.depth(x, y) < 40 for x, y in probes):
            continue
        cover = land.cover(*center)
        if any(land.cover(x, y) != cover for x, y in probes):
            continue
        shift = rng.uniform(-0.2, 0.2) * long
        parts = [
            (0, -190, long, 76, "runway"),
            (0, -40, long * 0.94, 40, "taxiway"),
            (shift, 120, 560, 250, "apron"),
        ]
        parts += [(u * long * 0.46, -110, 40, 140, "link") for u in (-1, 0, 1)]
        pads = [Pad(tuple(site.at(np.array([(u, v)]))[0]), a, b, heading, use) for u, v, a, b, use in parts]
        return [site, *pads]
    return []


def _piers(land: Land, rng: np.random.Generator) -> list[Pad]:
    """Build a group of parallel piers from a stretch of shore out into the water."""
    sign = 1 if land.secondary == "water" else -1
    for _ in range(80):
        x, y = rng.uniform(200, UNITS - 200, 2)
        depth = sign * land.inside(x, y)
        if not -10 < depth < 14:
            continue
        slope = np.array(
            [land.inside(x + 90, y) - land.inside(x - 90, y), land.inside(x, y + 90) - land.inside(x, y - 90)]
        )
        if np.hypot(*slope) < 40:
            continue
        out = sign * slope / np.hypot(*slope)
        long = rng.uniform(150, 330)
        heading = math.atan2(out[1], out[0])
        side = np.array((-out[1], out[0]))
        pads = []
        for index in range(int(rng.integers(2, 6))):
            foot = np.array((x, y)) + side * index * 110 - out * 40
            tip = foot + out * long
            if sign * land.inside(*foot) > 10 or sign * land.inside(*tip) < 30:
                continue
            pads.append(Pad(tuple((foot + tip) / 2), long, float(rng.uniform(16, 24)), heading, "pier"))
        if pads:
            return pads
    return []
