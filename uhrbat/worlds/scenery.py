"""Draws what is built or grows on the land, and the look-alikes that are not objects.

Scenery is dull: no color in it is as saturated, bright or black as an object's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from uhrbat.worlds.layout import Layout, Pad, Road
from uhrbat.worlds.terrain import UNITS, Land

KEEP = 8
"""Units a cell of the keep-clear map."""


class Clear:
    """A map of where scenery must not stand, because an object does."""

    def __init__(self) -> None:
        self.cells = np.zeros((UNITS // KEEP, UNITS // KEEP), bool)

    def _window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        rows = slice(max(0, int(y0) // KEEP), max(0, int(y1) // KEEP + 1))
        return rows, slice(max(0, int(x0) // KEEP), max(0, int(x1) // KEEP + 1))

    def mark(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Keep the scenery out of a rectangle, in units."""
        self.cells[self._window(x0, y0, x1, y1)] = True

    def free(self, x0: float, y0: float, x1: float, y1: float) -> bool:
        """Tell whether a rectangle, in units, may hold scenery."""
        return not self.cells[self._window(x0, y0, x1, y1)].any()


@dataclass(frozen=True, eq=False)
class Polygon:
    """A filled polygon, int32[n, 2] in sixteenths of a pixel of the picture."""

    corners: np.ndarray
    tone: tuple[int, ...]
    opacity: float

    @property
    def rows(self) -> tuple[int, int]:
        """The picture's rows that it may touch, half-open."""
        return int(self.corners[:, 1].min() // 16) - 2, int(self.corners[:, 1].max() // 16) + 3

    def draw(self, image: np.ndarray, top: int = 0) -> None:
        """Draw it, in place, on the picture's rows from `top` on."""
        corners = self.corners - np.array([0, top * 16], np.int32) if top else self.corners
        if self.opacity >= 1:
            cv2.fillPoly(image, [corners], self.tone, cv2.LINE_AA, 4)
            return
        x0, y0 = np.maximum(corners.min(axis=0) // 16 - 2, 0)
        x1, y1 = corners.max(axis=0) // 16 + 3
        view = image[y0:y1, x0:x1]
        if view.size == 0:
            return
        over = view.copy()
        cv2.fillPoly(over, [corners - np.array([x0, y0]) * 16], self.tone, cv2.LINE_AA, 4)
        cv2.addWeighted(over, self.opacity, view, 1 - self.opacity, 0, view)


@dataclass(frozen=True, eq=False)
class Line:
    """A line `thickness` pixels wide, int32[2, 2] in sixteenths of a pixel of the picture."""

    ends: np.ndarray
    tone: tuple[int, ...]
    thickness: int

    @property
    def rows(self) -> tuple[int, int]:
        """The picture's rows that it may touch, half-open."""
        reach = self.thickness + 2
        return int(self.ends[:, 1].min() // 16) - reach, int(self.ends[:, 1].max() // 16) + reach + 1

    def draw(self, image: np.ndarray, top: int = 0) -> None:
        """Draw it, in place, on the picture's rows from `top` on."""
        first, last = (self.ends - np.array([0, top * 16])).tolist()
        cv2.line(image, first, last, self.tone, self.thickness, cv2.LINE_AA, 4)


Shape = Polygon | Line


class Painter:
    """Draws antialiased shapes given in units onto a picture."""

    def __init__(self, image: np.ndarray, shadow: tuple[float, float]) -> None:
        self.image = image
        self.scale = len(image) / UNITS
        self.shadow = np.array(shadow)

    def fill(self, points: ArrayLike, color: Sequence[float] | np.ndarray, opacity: float = 1.0) -> None:
        """Fill a polygon, float[n, 2] in units."""
        self.draw(Polygon(self._fixed(points), tuple(int(min(max(value, 0), 255)) for value in color), opacity))

    def line(
        self,
        start: Sequence[float] | np.ndarray,
        end: Sequence[float] | np.ndarray,
        color: Sequence[float] | np.ndarray,
        width: float,
    ) -> None:
        """Draw a line `width` units wide."""
        thickness = max(1, round(width * self.scale))
        self.draw(Line(self._fixed(np.array([start, end])), tuple(int(value) for value in color), thickness))

    def draw(self, shape: "Shape") -> None:
        """Draw a shape that is given in pixels of the picture."""
        shape.draw(self.image)

    def _fixed(self, points: ArrayLike) -> np.ndarray:
        """Units -> int32[n, 2] in sixteenths of a pixel."""
        return np.round((np.asarray(points) * self.scale - 0.5) * 16).astype(np.int32)

    def blob(
        self,
        x: float,
        y: float,
        radius: float,
        color: Sequence[float] | np.ndarray,
        opacity: float = 1.0,
        stretch: float = 1.0,
        turn: float = 0.0,
    ) -> None:
        """Fill an ellipse."""
        angle = np.linspace(0, 2 * math.pi, 14, endpoint=False)
        u, v = radius * stretch * np.cos(angle), radius * np.sin(angle)
        cos, sin = math.cos(turn), math.sin(turn)
        self.fill(np.stack([x + u * cos - v * sin, y + u * sin + v * cos], axis=1), color, opacity)

    def tree(self, x: float, y: float, radius: float, color: Sequence[float] | np.ndarray) -> None:
        """Draw a crown with its shadow and its lit side."""
        dx, dy = self.shadow * radius
        self.blob(x + dx * 0.8, y + dy * 0.8, radius, (40, 46, 34), 0.7)
        self.blob(x, y, radius, np.asarray(color) * 0.8)
        self.blob(x - dx * 0.25, y - dy * 0.25, radius * 0.66, color)


def draw_layout(painter: Painter, land: Land, layout: Layout, clear: Clear, rng: np.random.Generator) -> None:
    """Draw airfields, roads, town blocks and piers."""
    for pad in layout.airfield:
        _strip(painter, land, pad)
    for block in layout.blocks:
        _block(painter, land, block, clear, rng)
    _roads(painter, layout.roads)
    for pier in layout.piers:
        painter.fill(pier.corners() + painter.shadow * 5, (30, 48, 60), 0.6)
        painter.fill(pier.corners(), (146, 142, 134))
        painter.fill(pier.corners(-3), (158, 154, 146))


def _roads(painter: Painter, roads: list[Road]) -> None:
    for road in roads:
        painter.line(road.start, road.end, (138, 132, 120) if road.paved else (150, 132, 100), road.width + 6)
    for road in roads:
        painter.line(road.start, road.end, (106, 106, 108) if road.paved else (168, 150, 116), road.width)
    for road in roads:
        start, end = np.array(road.start), np.array(road.end)
        if road.paved:
            for share in (0.05, 0.55):
                painter.line(start + (end - start) * share, start + (end - start) * (share + 0.22), (158, 156, 148), 1)
        else:
            painter.line(start, end, (152, 134, 102), road.width * 0.22)


def _strip(painter: Painter, land: Land, pad: Pad) -> None:
    """Draw one part of an airfield."""
    if pad.use == "grass":
        tones = {"desert": (178, 154, 118), "urban": (116, 118, 88)}
        painter.fill(pad.corners(), tones.get(land.cover(*pad.center), (108, 116, 76)), 0.75)
        return
    tone = {"runway": (104, 104, 106), "apron": (152, 150, 146)}.get(pad.use, (126, 125, 122))
    painter.fill(pad.corners(4), np.array(tone) * 0.9)
    painter.fill(pad.corners(), tone)
    if pad.use == "runway":
        for u in np.arange(-pad.length / 2 + 90, pad.length / 2 - 90, 44):
            painter.fill(pad.at([(u, -0.9), (u + 22, -0.9), (u + 22, 0.9), (u, 0.9)]), (168, 168, 164))
        for end in (-1, 1):
            for v in np.linspace(-pad.width / 2 + 8, pad.width / 2 - 8, 8):
                u = end * (pad.length / 2 - 46)
                painter.fill(
                    pad.at([(u - 24, v - 1.6), (u + 24, v - 1.6), (u + 24, v + 1.6), (u - 24, v + 1.6)]),
                    (168, 168, 164),
                )
    elif pad.use == "apron":
        for u in np.arange(-pad.length / 2 + 70, pad.length / 2, 70):
            start, end = pad.at([(u, -pad.width / 2), (u, pad.width / 2)])
            painter.line(start, end, (140, 138, 134), 1)
    else:
        start, end = pad.at([(-pad.length / 2, 0), (pad.length / 2, 0)])
        painter.line(start, end, (150, 144, 104), 1)


_ROOFS = np.array(
    [
        (128, 124, 120),
        (108, 102, 98),
        (142, 134, 124),
        (120, 106, 94),
        (98, 96, 98),
        (132, 116, 102),
        (150, 144, 136),
    ]
)


def _block(painter: Painter, land: Land, block: Pad, clear: Clear, rng: np.random.Generator) -> None:
    """Fill a town block with dull roofs, gardens and yards."""
    leafy = rng.random()
    corners = block.corners()
    if land.has_water and any(land.cover(*c) == "water" or land.depth(*c) < 16 for c in corners):
        return
    lawn = np.array((122, 122, 112)) + rng.uniform(-12, 12) - leafy * np.array((22, 8, 34))
    painter.fill(corners, lawn, 0.7)
    empty = clear.free(*corners.min(axis=0), *corners.max(axis=0))
    if leafy > 0.93 or (not empty and rng.random() < 0.4):
        _grove(painter, block, clear, rng)
        return
    columns = max(1, round(block.length / rng.uniform(60, 110)))
    rows = max(1, round(block.width / rng.uniform(60, 110)))
    base = _ROOFS[rng.integers(len(_ROOFS))]
    lot = block.length / columns, block.width / rows
    for row in range(rows):
        for column in range(columns):
            place = -block.length / 2 + (column + 0.5) * lot[0], -block.width / 2 + (row + 0.5) * lot[1]
            center = tuple(block.at(np.array([place]))[0])
            _lot(painter, land, Pad(center, *lot, block.heading, "lot"), base, clear, rng)


def _lot(painter: Painter, land: Land, lot: Pad, base: np.ndarray, clear: Clear, rng: np.random.Generator) -> None:
    """Put a house, some trees or a yard on one lot of a town block."""
    use = rng.random()
    width, depth = lot.length * rng.uniform(0.5, 0.86), lot.width * rng.uniform(0.5, 0.86)
    house = Pad(lot.center, width, depth, lot.heading, "house")
    corners = house.corners()
    if not clear.free(*corners.min(axis=0), *corners.max(axis=0)):
        return
    if land.depth(*house.center) < 70 or land.cover(*house.center) != "urban":
        return
    if use < 0.72:
        tone = base if rng.random() < 0.6 else _ROOFS[rng.integers(len(_ROOFS))]
        _house(painter, house, tone + rng.uniform(-9, 9), rng)
    elif use < 0.88:
        for _ in range(3):
            spot = house.at(rng.uniform(-0.5, 0.5, (1, 2)) * (width, depth))[0]
            painter.tree(spot[0], spot[1], rng.uniform(5, 11), np.array((74, 96, 54)) + rng.uniform(-10, 10))
    else:
        painter.fill(corners, (112, 111, 110))
        for u in np.arange(-width / 2 + 8, width / 2 - 4, 9):
            start, end = house.at([(u, -depth / 2 + 4), (u, -depth / 2 + 16)])
            painter.line(start, end, (142, 141, 138), 1)


def _house(painter: Painter, house: Pad, tone: np.ndarray, rng: np.random.Generator) -> None:
    corners = house.corners()
    cast = painter.shadow * rng.uniform(5, 15)
    painter.fill(_hull(corners, cast), (56, 58, 62))
    painter.fill(corners, tone * 0.92)
    if rng.random() < 0.5:
        x, y = house.length / 2, house.width / 2
        half = [(-x, -y), (x, -y), (x, 0), (-x, 0)] if x > y else [(-x, -y), (0, -y), (0, y), (-x, y)]
        painter.fill(house.at(half), tone * 1.08)
    else:
        painter.fill(house.corners(-3), tone * 1.04)
        for _ in range(int(rng.integers(0, 4))):
            u, v = rng.uniform(-0.36, 0.36, 2) * (house.length, house.width)
            painter.fill(house.at([(u - 3, v - 3), (u + 4, v - 3), (u + 4, v + 3), (u - 3, v + 3)]), tone * 0.78)


def _hull(corners: np.ndarray, cast: np.ndarray) -> np.ndarray:
    """Outline the ground that a flat roof and its shadow cover together."""
    return cv2.convexHull(np.vstack([corners, corners + cast]).astype(np.float32))[:, 0]


def _grove(painter: Painter, block: Pad, clear: Clear, rng: np.random.Generator) -> None:
    """Make a park of a town block."""
    painter.fill(block.corners(-2), (98, 112, 70))
    for _ in range(int(rng.integers(8, 26))):
        x, y = block.at(rng.uniform(-0.46, 0.46, (1, 2)) * (block.length, block.width))[0]
        radius = rng.uniform(5, 12)
        if clear.free(x - radius, y - radius, x + radius, y + radius):
            painter.tree(x, y, radius, np.array((76, 98, 54)) + rng.uniform(-12, 12))


def draw_clutter(
    painter: Painter, land: Land, clear: Clear, rng: np.random.Generator, count: tuple[int, int] = (150, 400)
) -> None:
    """Scatter `count` (from, up to) things that only look like objects from afar."""
    wind = rng.uniform(0, math.pi)
    for _ in range(int(rng.integers(*count))):
        x, y = rng.uniform(20, UNITS - 20, 2)
        size = math.exp(rng.uniform(math.log(3), math.log(17)))
        choice = rng.random()
        if not clear.free(x - size - 8, y - size - 8, x + size + 8, y + size + 8):
            continue
        if land.cover(x, y) == "water":
            _afloat(painter, land, x, y, size, choice, wind, rng)
        else:
            _ashore(painter, land, clear, x, y, size, choice, rng)


def _afloat(
    painter: Painter, land: Land, x: float, y: float, size: float, choice: float, wind: float, rng: np.random.Generator
) -> None:
    """Draw a whitecap, a patch of weed, or a rock close to the shore."""
    if land.depth(x, y) < 160 and choice < 0.6:
        painter.blob(x, y, size * 0.75, (176, 192, 192), 0.4, rng.uniform(1, 1.5), wind)
        for _ in range(3):
            dx, dy = rng.uniform(-0.3, 0.3, 2) * size
            painter.blob(x + dx, y + dy, size * rng.uniform(0.25, 0.45), np.array((98, 92, 82)) + rng.uniform(-14, 14))
    elif choice < 0.85:
        cos, sin = math.cos(wind), math.sin(wind)
        for _ in range(int(rng.integers(2, 7))):
            along, across = rng.normal(0, 0.7) * size, rng.normal(0, 0.22) * size
            radius = rng.uniform(0.5, 1.1) + size * 0.03
            stretch = rng.uniform(1.5, 2.0 + size * 0.2)
            spot = x + along * cos - across * sin, y + along * sin + across * cos
            painter.blob(*spot, radius, (184, 200, 206), rng.uniform(0.25, 0.55), stretch, wind + rng.normal(0, 0.2))
    else:
        painter.blob(x, y, size * 1.4, (40, 74, 78), 0.4, rng.uniform(1, 2.4), rng.uniform(0, 3))


def _ashore(
    painter: Painter, land: Land, clear: Clear, x: float, y: float, size: float, choice: float, rng: np.random.Generator
) -> None:
    """Draw a tree, a rock, a shed, a pond, a hay bale, a bare patch or a stack of dull containers."""
    cover = land.cover(x, y)
    leaf = np.array({"desert": (104, 104, 66), "forest": (66, 92, 48)}.get(cover, (76, 98, 54))) + rng.uniform(-10, 10)
    turn = rng.uniform(0, math.pi)
    if choice < 0.34:
        for _ in range(int(rng.integers(1, 6))):
            dx, dy = rng.uniform(-1.6, 1.6, 2) * size
            painter.tree(x + dx, y + dy, size * rng.uniform(0.35, 0.75), leaf + rng.uniform(-8, 8))
    elif choice < 0.5:
        dx, dy = painter.shadow * size * 0.2
        tone = np.array((138, 128, 114)) + rng.uniform(-22, 12)
        painter.blob(x + dx, y + dy, size * 0.42, (60, 56, 50), 0.7, 1.3, turn)
        painter.blob(x, y, size * 0.42, tone, 1, 1.3, turn)
    elif choice < 0.66:
        shed = Pad((x, y), size * 1.1, size * rng.uniform(0.55, 0.9), turn, "shed")
        painter.fill(_hull(shed.corners(), painter.shadow * size * 0.25), (58, 56, 54))
        tone = np.array((128, 120, 110)) + rng.uniform(-24, 20)
        painter.fill(shed.corners(), tone)
        painter.fill(
            shed.at(
                [
                    (-size * 0.55, 0),
                    (size * 0.55, 0),
                    (size * 0.55, shed.width / 2),
                    (-size * 0.55, shed.width / 2),
                ]
            ),
            tone * 0.86,
        )
    elif choice < 0.74:
        painter.blob(x, y, size * 1.25, (116, 112, 84), 0.8, rng.uniform(1, 1.4), turn)
        painter.blob(x, y, size * 1.05, (66, 84, 78), 0.95, rng.uniform(1, 1.4), turn)
    elif choice < 0.79:
        yard = Pad((x, y), size * 3.2 + 8, size * 2.4 + 8, turn, "yard")
        box = yard.corners()
        if clear.free(*box.min(axis=0), *box.max(axis=0)):
            painter.fill(box, np.array((138, 132, 112)) + rng.uniform(-10, 10), 0.75)
    elif choice < 0.84:
        tone = np.array((158, 138, 108)) + rng.uniform(-12, 12)
        for _ in range(7):
            dx, dy = rng.normal(0, 0.8, 2) * size
            painter.blob(x + dx, y + dy, size * rng.uniform(0.5, 1.3), tone, 0.22, rng.uniform(1, 2), turn)
    elif choice < 0.92:
        for _ in range(int(rng.integers(2, 6))):
            dx, dy = rng.uniform(-26, 26, 2)
            painter.blob(x + dx + painter.shadow[0] * 2, y + dy + painter.shadow[1] * 2, 2.6, (84, 76, 56), 0.6)
            painter.blob(x + dx, y + dy, 2.6, (176, 160, 116))
    else:
        for row in range(int(rng.integers(1, 4))):
            stack = Pad(
                (x + row * 6 * math.cos(turn + 1.57), y + row * 6 * math.sin(turn + 1.57)),
                13,
                4.6,
                turn,
                "container",
            )
            painter.fill(stack.corners() + painter.shadow * 2, (60, 58, 56))
            painter.fill(stack.corners(), np.array((118, 110, 102)) + rng.uniform(-16, 16, 3))
