"""Draws one object: a small supersampled sprite with its shadow, ready to be pasted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

RGB = {
    "red": (206, 36, 32),
    "white": (244, 244, 242),
    "blue": (34, 82, 214),
    "yellow": (242, 208, 32),
    "black": (18, 18, 22),
    "green": (24, 150, 70),
}
VISIBLE = 0.3
"""Opacity from which a pixel counts as part of the object, and so of its box."""


@dataclass(frozen=True)
class Sprite:
    """An object's picture.

    `rgb` is float32[n, n, 3], 0 to 255, of the object proper, multiplied by its `opacity`,
    float32[n, n], 0 to 1. `ground` and `ground_opacity` are the same of what it casts or leaves on
    the ground (shadow, wake, surf). `box` is (x0, y0, x1, y1), half-open, around the visible
    pixels, from the sprite's upper left corner.
    """

    rgb: np.ndarray
    opacity: np.ndarray
    ground: np.ndarray
    ground_opacity: np.ndarray
    box: tuple[int, int, int, int]


class _Canvas:
    """Two supersampled layers, object and ground, drawn on in the object's own coordinates.

    The object's length is 1 along x, its center (0, 0). Colors are stored multiplied by their opacity.
    """

    def __init__(self, scale: float, heading: float, side: int, oversampling: int) -> None:
        self.scale = scale * oversampling
        self.turn = np.array([(math.cos(heading), math.sin(heading)), (-math.sin(heading), math.cos(heading))])
        self.side, self.oversampling = side, oversampling
        self.middle = side * oversampling / 2
        shape = (side * oversampling, side * oversampling)
        self.layers = [(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)) for _ in range(2)]

    def polygon(
        self,
        points: ArrayLike,
        color: Sequence[float] | np.ndarray,
        opacity: float = 1.0,
        ground: bool = False,
        moved: ArrayLike = (0.0, 0.0),
    ) -> None:
        """Fill a polygon; `moved` shifts it by object lengths in picture directions."""
        turned = np.asarray(points, float) @ self.turn + np.asarray(moved)
        corners = np.round((turned * self.scale + self.middle) * 16).astype(np.int32)
        rgb, alpha = self.layers[ground]
        cv2.fillPoly(rgb, [corners], _color(np.asarray(color) * opacity), shift=4)
        cv2.fillPoly(alpha, [corners], int(255 * opacity), shift=4)

    def finish(self, blur: float) -> Sprite:
        """Shrink the layers and box the visible pixels; `blur` softens the ground, in pixels."""
        planes: list[tuple[np.ndarray, np.ndarray]] = []
        for rgb, alpha in self.layers:
            weighted = cv2.resize(rgb, (self.side, self.side), interpolation=cv2.INTER_AREA).astype(np.float32)
            opacity = cv2.resize(alpha, (self.side, self.side), interpolation=cv2.INTER_AREA) / np.float32(255)
            planes.append((weighted, opacity))
        (weighted, opacity), (ground, ground_opacity) = planes
        if blur > 0:
            ground = cv2.GaussianBlur(ground, (0, 0), blur)
            ground_opacity = cv2.GaussianBlur(ground_opacity, (0, 0), blur)
        rows = np.flatnonzero((opacity >= VISIBLE).any(axis=1))
        columns = np.flatnonzero((opacity >= VISIBLE).any(axis=0))
        box = (0, 0, 0, 0)
        if len(rows):
            box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        return Sprite(weighted, opacity, ground, ground_opacity, box)


def _color(color: Sequence[float] | np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(min(max(value, 0), 255)) for value in color)
    return red, green, blue


def draw(
    kind: str,
    color: str | None,
    length: float,
    heading: float,
    shadow: tuple[float, float],
    rng: np.random.Generator,
    limits: tuple[float, float],
    moving: bool = False,
) -> Sprite:
    """Draw an object whose box has a longer side of `length` pixels, kept inside `limits`.

    `heading` is in radians, clockwise from the picture's right; `shadow` the direction in which
    shadows fall. `moving` gives a ship its wake.
    """
    style = rng.spawn(1)[0]
    seed = style.integers(2**32)
    tint = np.array(RGB[color or "white"], float) + style.uniform(-9, 7) + style.uniform(-4, 4, 3)
    scale = length
    for _ in range(6):
        sprite = _render(kind, tint, scale, length, heading, shadow, np.random.default_rng(seed), moving)
        x0, y0, x1, y1 = sprite.box
        longer = max(x1 - x0, y1 - y0)
        if limits[0] <= longer <= limits[1] and abs(longer - length) <= 1:
            break
        goal = min(max(length, limits[0] + 0.2), limits[1] - 0.2)
        scale *= goal / longer if longer > 2 else 1.3
    return sprite


def _render(
    kind: str,
    tint: np.ndarray,
    scale: float,
    length: float,
    heading: float,
    shadow: ArrayLike,
    rng: np.random.Generator,
    moving: bool,
) -> Sprite:
    oversampling = 8 if length < 24 else 4
    side = int(max(length, scale) * (3.4 if kind == "ship" and moving else 2.0)) + 12
    canvas = _Canvas(scale, heading, side, oversampling)
    _SHAPES[kind](canvas, tint, length, np.array(shadow), rng, moving)
    return canvas.finish(blur=min(1.4, 0.35 + length / 60))


def _ellipse(radius_x: float, radius_y: float, center: Sequence[float] = (0.0, 0.0), corners: int = 28) -> np.ndarray:
    angle = np.linspace(0, 2 * math.pi, corners, endpoint=False)
    return np.stack([radius_x * np.cos(angle) + center[0], radius_y * np.sin(angle) + center[1]], axis=1)


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


_SHADE = (22, 24, 30)


def _ship(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    beam = 0.17 if length < 12 else rng.uniform(0.115, 0.145)
    if moving:
        reach = rng.uniform(0.7, 1.3)
        foam = (206, 220, 224)
        canvas.polygon([(0.44, 0), (-0.5 - reach, -0.34), (-0.6 - reach, -0.22), (0.3, 0)], foam, 0.34, ground=True)
        canvas.polygon([(0.44, 0), (-0.5 - reach, 0.34), (-0.6 - reach, 0.22), (0.3, 0)], foam, 0.34, ground=True)
        canvas.polygon(
            [(-0.4, -beam * 0.8), (-0.5 - reach, -0.04), (-0.5 - reach, 0.04), (-0.4, beam * 0.8)],
            foam,
            0.62,
            True,
        )
    hull = np.array([(-0.5, -beam * 0.86), (-0.46, -beam), (0.2, -beam), (0.38, -beam * 0.7), (0.5, 0)])
    hull = np.vstack([hull, hull[-2::-1] * (1, -1)])
    canvas.polygon(hull, _SHADE, 0.55, ground=True, moved=shadow * 0.07)
    canvas.polygon(hull, tint * 0.72)
    canvas.polygon(hull * (0.95, 0.78), tint)
    if length < 9:
        return
    cabin = (226, 226, 222) if tint.mean() < 215 else (150, 156, 164)
    canvas.polygon(_rectangle(-0.4, -beam * 0.62, -0.24, beam * 0.62), cabin)
    canvas.polygon(_rectangle(-0.28, -beam * 0.62, -0.24, beam * 0.62), (64, 72, 84))
    if length > 18:
        for hatch in (-0.14, 0.0, 0.14):
            canvas.polygon(_rectangle(hatch, -beam * 0.42, hatch + 0.1, beam * 0.42), tint * 0.8 + 14)


def _airplane(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    body = 0.075 if length < 16 else 0.055
    chord = 1.35 if length < 16 else 1.0
    parts = [
        (np.array([(-0.5, -body * 0.45), (-0.3, -body), (0.38, -body), (0.47, -body * 0.6), (0.5, 0)]), 1.0),
        (np.array([(0.15, 0), (-0.1, -0.47), (-0.1 - 0.1 * chord, -0.47), (0.15 - 0.29 * chord, 0)]), 0.95),
        (
            np.array([(-0.33, 0), (-0.43, -0.18), (-0.43 - 0.07 * chord, -0.18), (-0.34 - 0.13 * chord, 0)]),
            0.86,
        ),
    ]
    for outline, _ in parts:
        for mirror in (1, -1):
            canvas.polygon(_closed(outline, mirror), _SHADE, 0.6, ground=True, moved=shadow * 0.1)
    for outline, light in parts[::-1]:
        for mirror in (1, -1):
            canvas.polygon(_closed(outline, mirror), tint * light)
    if length > 22:
        for mirror in (1, -1):
            canvas.polygon(_rectangle(0.0, mirror * 0.2 - 0.025, 0.12, mirror * 0.2 + 0.025), tint * 0.55 + 30)
        canvas.polygon(_rectangle(0.4, -body * 0.5, 0.44, body * 0.5), (40, 46, 56))


def _closed(outline: np.ndarray, mirror: int) -> np.ndarray:
    """Close a half outline along the fuselage's center line, on one side of it."""
    half = outline * (1, mirror)
    return np.vstack([half, [(half[-1, 0], 0), (half[0, 0], 0)]])


def _car(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    canvas.polygon(_rectangle(-0.5, -0.24, 0.5, 0.24), _SHADE, 0.6, ground=True, moved=shadow * 0.14)
    canvas.polygon(
        [
            (-0.5, -0.2),
            (-0.44, -0.24),
            (0.42, -0.24),
            (0.5, -0.17),
            (0.5, 0.17),
            (0.42, 0.24),
            (-0.44, 0.24),
            (-0.5, 0.2),
        ],
        tint,
    )
    if length < 6:
        return
    glass = tint * 0.2 + 26
    canvas.polygon(_rectangle(0.1, -0.19, 0.22, 0.19), glass)
    canvas.polygon(_rectangle(-0.38, -0.19, -0.29, 0.19), glass)


def _storage_tank(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    for step in np.linspace(0.06, rng.uniform(0.2, 0.34), 5):
        canvas.polygon(_ellipse(0.5, 0.5), _SHADE, 0.62, ground=True, moved=shadow * step)
    canvas.polygon(_ellipse(0.5, 0.5), tint * 0.7)
    canvas.polygon(_ellipse(0.45, 0.45), tint)
    if length > 12:
        canvas.polygon(_ellipse(0.37, 0.37), tint * 0.93, moved=shadow * 0.035)
        canvas.polygon(_ellipse(0.35, 0.35), tint + 6, moved=shadow * 0.06)
        canvas.polygon(_ellipse(0.05, 0.05), tint * 0.6)


def _building(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    half = rng.uniform(0.3, 0.44)
    height = rng.uniform(0.12, 0.26)
    wing = length > 22 and rng.random() < 0.4
    parts = [_rectangle(-0.5, -half, 0.5, half)]
    if wing:
        parts = [_rectangle(-0.5, -half, 0.5, 0.0), _rectangle(-0.5, 0.0, 0.0, half)]
    for part in parts:
        for step in np.linspace(0.03, height, 5):
            canvas.polygon(part, _SHADE, 0.62, ground=True, moved=shadow * step)
    for index, part in enumerate(parts):
        (x0, y0), (x1, y1) = part[0], part[2]
        canvas.polygon(part, tint * 0.62)
        lip = 0.025
        x0, y0, x1, y1 = x0 + lip, y0 + lip, x1 - lip, y1 - lip
        if index == 1:
            y0 -= 2 * lip
        ridge = (y0 + y1) / 2
        facing = (canvas.turn[1] @ shadow) > 0
        canvas.polygon(_rectangle(x0, y0, x1, ridge), tint * (1.0 if facing else 0.8))
        canvas.polygon(_rectangle(x0, ridge, x1, y1), tint * (0.8 if facing else 1.0))
        if length > 30:
            canvas.polygon(_rectangle(x0 + 0.1, ridge - 0.14, x0 + 0.17, ridge - 0.08), (120, 122, 126))


def _fish_raft(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    columns = int(min(max(length / 6, 2), 6))
    rows = max(2, round(columns * 0.66))
    half = 0.5 * rows / columns if columns > 2 else 0.5
    canvas.polygon(_rectangle(-0.5, -half, 0.5, half), _SHADE, 0.3, ground=True, moved=shadow * 0.05)
    pitch = 1 / columns
    inset = 0.15 * pitch
    for row in range(rows):
        for column in range(columns):
            x, y = -0.5 + column * pitch, -half + row * 2 * half / rows
            edge = (inset if column else 0, inset if row else 0)
            canvas.polygon(
                _rectangle(
                    x + edge[0],
                    y + edge[1],
                    x + pitch - inset * (column < columns - 1),
                    y + 2 * half / rows - inset * (row < rows - 1),
                ),
                tint,
            )


def _island(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    angle = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    radius = 0.42 + 0.07 * np.cos(2 * angle + rng.uniform(0, 6)) + 0.035 * np.cos(3 * angle + rng.uniform(0, 6))
    radius += 0.02 * np.cos(7 * angle + rng.uniform(0, 6))
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    for reach, opacity in ((1.42, 0.16), (1.26, 0.3), (1.1, 0.5)):
        canvas.polygon(outline * reach, (128, 186, 182) if reach > 1.2 else (206, 222, 218), opacity, ground=True)
    canvas.polygon(outline, (216, 200, 156))
    canvas.polygon(outline * 0.78, (92, 116, 62))
    canvas.polygon(outline * 0.68, (54, 92, 44))
    for _ in range(14):
        place = outline[rng.integers(40)] * rng.uniform(0, 0.56)
        canvas.polygon(_ellipse(0.06, 0.06, place), (36, 66, 34), moved=shadow * 0.02)
        canvas.polygon(_ellipse(0.05, 0.05, place), np.array((70, 112, 54)) + rng.uniform(-12, 12))


def _wind_turbine(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    blade = 0.055 if length < 18 else 0.036
    tall = shadow * rng.uniform(0.42, 0.6)
    side = np.array((-shadow[1], shadow[0])) * 0.02
    foot = [(tuple(side)), tuple(-side), tuple(tall - side), tuple(tall + side)]
    unturned = np.linalg.inv(canvas.turn)
    canvas.polygon(_ellipse(0.13, 0.13), (176, 168, 150), 0.55, ground=True)
    canvas.polygon(np.array(foot) @ unturned, _SHADE, 0.6, ground=True)
    for index in range(3):
        turn = index * 2 * math.pi / 3
        along, across = (
            np.array((math.cos(turn), math.sin(turn))),
            np.array((-math.sin(turn), math.cos(turn))),
        )
        outline = [-across * blade, along * 0.16 - across * blade * 1.25, along * 0.56, across * blade]
        canvas.polygon(outline, _SHADE, 0.6, ground=True, moved=tall)
    for index in range(3):
        turn = index * 2 * math.pi / 3
        along, across = (
            np.array((math.cos(turn), math.sin(turn))),
            np.array((-math.sin(turn), math.cos(turn))),
        )
        tip = [along * 0.56 - across * blade * 0.5, along * 0.56 + across * blade * 0.5]
        canvas.polygon([-across * blade, along * 0.16 - across * blade * 1.25, *tip, across * blade], (248, 248, 248))
    canvas.polygon(_ellipse(blade * 1.7, blade * 1.7), (226, 228, 232))


def _tennis_court(
    canvas: _Canvas, tint: np.ndarray, length: float, shadow: np.ndarray, rng: np.random.Generator, moving: bool
) -> None:
    canvas.polygon(_rectangle(-0.5, -0.3, 0.5, 0.3), tint * 0.74)
    canvas.polygon(_rectangle(-0.37, -0.185, 0.37, 0.185), tint)
    line = max(0.014, 0.55 / length)
    white = (240, 240, 236)
    for y in (-0.185, -0.14, 0.14, 0.185) if length > 20 else (-0.185, 0.185):
        canvas.polygon(_rectangle(-0.37, y - line / 2, 0.37, y + line / 2), white)
    for x in (-0.37, -0.2, 0, 0.2, 0.37) if length > 20 else (-0.37, 0, 0.37):
        canvas.polygon(_rectangle(x - line / 2, -0.185, x + line / 2, 0.185), white)
    if length > 20:
        canvas.polygon(_rectangle(-0.2, -line / 2, 0.2, line / 2), white)


_SHAPES = {
    "ship": _ship,
    "airplane": _airplane,
    "car": _car,
    "storage tank": _storage_tank,
    "building": _building,
    "fish raft": _fish_raft,
    "island": _island,
    "wind turbine": _wind_turbine,
    "tennis court": _tennis_court,
}


def paste(image: np.ndarray, sprite: Sprite, x: float, y: float) -> tuple[int, int, int, int]:
    """Paste a sprite so that its box is centered at (x, y), in place, and give its box there."""
    left, top = corner(sprite, x, y)
    blend(image, sprite, left, top)
    x0, y0, x1, y1 = sprite.box
    return left + x0, top + y0, left + x1, top + y1


def corner(sprite: Sprite, x: float, y: float) -> tuple[int, int]:
    """(left, top) of a sprite whose box is centered at (x, y)."""
    x0, y0, x1, y1 = sprite.box
    return round(x - (x0 + x1) / 2), round(y - (y0 + y1) / 2)


def blend(image: np.ndarray, sprite: Sprite, left: int, top: int) -> None:
    """Paste a sprite with its upper left corner there, in place; what lies outside the picture is cut off."""
    side = len(sprite.opacity)
    rows = slice(max(0, -top), min(side, image.shape[0] - top))
    columns = slice(max(0, -left), min(side, image.shape[1] - left))
    view = image[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop]
    patch = view.astype(np.float32)
    for rgb, opacity in ((sprite.ground, sprite.ground_opacity), (sprite.rgb, sprite.opacity)):
        patch *= 1 - opacity[rows, columns, None]
        patch += rgb[rows, columns]
    view[:] = np.clip(np.round(patch), 0, 255).astype(np.uint8)
