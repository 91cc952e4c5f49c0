"""Land: where each cover lies, its colors, and its fine texture.

Everything is laid out on a GRID x GRID map, whatever the picture's size, so that a seed gives the
same world at every size. Lengths are in units: pixels of a 4,032-px picture.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from uhrbat.worlds.noise import BLOCK, TILE, fractal, textures
from uhrbat.worlds.vocabulary import LAND_COVERS

UNITS = 4032
GRID = 1008
HALF = 2016
CELL = UNITS // GRID
_SMALLEST_PATCH = 280


@dataclass(frozen=True)
class Land:
    """Where the two covers of a world lie.

    `distance` is float32[GRID, GRID]: units to the border between the covers, positive inside the
    secondary one. `shadow` is the unit vector along which shadows fall, in (x, y).
    """

    main: str
    secondary: str
    distance: np.ndarray
    shadow: tuple[float, float]
    angle: float

    def cover(self, x: float, y: float) -> str:
        """Name the cover at a point in units; points outside take the nearest border's."""
        return self.secondary if self.inside(x, y) > 0 else self.main

    def inside(self, x: float, y: float) -> float:
        """Give the signed distance, in units, from a point to the border between the covers."""
        row = min(max(int(y) // CELL, 0), GRID - 1)
        column = min(max(int(x) // CELL, 0), GRID - 1)
        return float(self.distance[row, column])

    def depth(self, x: float, y: float) -> float:
        """Give how far, in units, a point lies inside its own cover."""
        return abs(self.inside(x, y))

    @property
    def has_water(self) -> bool:
        """Whether one of the two covers is water."""
        return "water" in (self.main, self.secondary)

    def token_map(self) -> np.ndarray:
        """Give uint8[288, 288]: the index into LAND_COVERS of most of each token's area."""
        share = cv2.resize((self.distance > 0).astype(np.float32), (288, 288), interpolation=cv2.INTER_AREA)
        codes = LAND_COVERS.index(self.main), LAND_COVERS.index(self.secondary)
        return np.where(share > 0.5, codes[1], codes[0]).astype(np.uint8)


def lay_out(rng: np.random.Generator) -> Land:
    """Choose the covers and draw the border between them; the main cover gets 55 to 80 %."""
    main = LAND_COVERS[rng.integers(len(LAND_COVERS))]
    others = [cover for cover in LAND_COVERS if cover != main]
    secondary = others[rng.integers(len(others))]
    if main != "water" and rng.random() < 0.65:
        secondary = "water"
    form = ("coast", "lake", "river")[rng.choice(3, p=(0.5, 0.25, 0.25))]
    share = rng.uniform(0.22, 0.43)
    angle = rng.uniform(0, 2 * math.pi)
    v, u = np.mgrid[-1 : 1 : GRID * 1j, -1 : 1 : GRID * 1j].astype(np.float32)
    along = u * math.cos(angle) + v * math.sin(angle)
    across = v * math.cos(angle) - u * math.sin(angle)
    rough = fractal(rng, GRID, 3, 6, 0.5)
    if form == "coast":
        field = across + 0.3 * rough
    elif form == "lake":
        centers = rng.uniform(-0.75, 0.75, (int(rng.integers(1, 4)), 2))
        field = 0.25 * rough - np.min([np.hypot(u - x, v - y) for x, y in centers], axis=0)
    else:
        bends, phase = rng.uniform(2, 4.5), rng.uniform(0, 6.28)
        course = 0.28 * np.sin(bends * along + phase) + 0.1 * np.sin(2.7 * bends * along)
        field = 0.07 * rough - np.abs(across - course)
    mask = _without_specks(field > np.quantile(field[::4, ::4], 1 - share))
    distance = _signed_distance(mask)
    shadow = math.radians(rng.uniform(25, 65) + 90 * rng.integers(4))
    return Land(main, secondary, distance, (math.cos(shadow), math.sin(shadow)), rng.uniform(0, math.pi / 2))


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """Drop patches of either cover that are small enough to pass for an object or a pond."""
    mask = mask.astype(np.uint8)
    for value in (1, 0):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((mask == value).astype(np.uint8))
        reach = stats[:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1) * CELL
        small = (reach < _SMALLEST_PATCH) & (np.arange(count) > 0)
        if small.any():
            mask[small[labels]] = 1 - value
    return mask


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance in units to the border of a 0/1 mask, positive where the mask is 1."""
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    outer = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    return cv2.GaussianBlur((inner - outer).astype(np.float32) * CELL, (0, 0), 1.6)


def paint(land: Land, rng: np.random.Generator, size: int, parcels: list[np.ndarray]) -> np.ndarray:
    """Paint the bare land: uint8[size, size, 3], without anything built or placed on it.

    `parcels` are the fields of the farmland: float32[4, 2] corners in units.
    """
    base, border = broad_colors(land, rng, parcels)
    mode = cv2.INTER_LINEAR if size >= HALF else cv2.INTER_AREA
    image = cv2.resize(base, (size, size), interpolation=mode)
    textured = Textures(land, border, size, rng)
    for top in range(0, size, BLOCK):
        textured.apply(image[top : top + BLOCK], top)
    return image


def broad_colors(land: Land, rng: np.random.Generator, parcels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The land's colors before its fine texture, uint8[HALF, HALF, 3], and the border between its covers, float32[HALF,
    HALF], above 0 inside the secondary one."""
    relief = fractal(rng, GRID, 4, 7, 0.55)
    sides = []
    for cover, sign in ((land.main, -1), (land.secondary, 1)):
        color = _color(cover, land, rng, relief, sign * land.distance)
        if land.has_water and cover != "water":
            _shore(color, sign * land.distance, rng)
        color = cv2.resize(color, (HALF, HALF), interpolation=cv2.INTER_LINEAR)
        if cover == "farmland":
            color = _plough(color, land, rng, parcels)
        sides.append(color)
    border: np.ndarray = cv2.resize(land.distance, (HALF, HALF), interpolation=cv2.INTER_LINEAR)
    border += 2.2 * fractal(rng, HALF, 250, 2, 0.8)
    share = np.clip(border * 0.4 + 0.5, 0, 1)
    return cv2.blendLinear(sides[1], sides[0], share, 1 - share), border


def _color(cover: str, land: Land, rng: np.random.Generator, relief: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Paint the broad colors of one cover over the whole grid: uint8[GRID, GRID, 3]."""
    tone = rng.uniform(-8, 8) + rng.uniform(-4, 4, 3)
    mottle = fractal(rng, GRID, 8, 6, 0.7)
    hue = fractal(rng, GRID, 5, 3)
    slope: np.ndarray = cv2.Sobel(relief, cv2.CV_32F, 1, 0) * land.shadow[0]
    slope += cv2.Sobel(relief, cv2.CV_32F, 0, 1) * land.shadow[1]
    slope = -cv2.GaussianBlur(slope, (0, 0), 1.2)
    if cover == "water":
        shallow = np.exp(-np.maximum(depth, 0) / rng.uniform(50, 160)) * (0.75 + 0.15 * hue)
        deep = np.array(((34, 76, 104), (34, 76, 104), (40, 84, 96), (46, 80, 84))[rng.integers(4)]) + tone
        light = deep + np.array((34, 48, 34)) * rng.uniform(0.5, 1.0)
        luminance = 3.0 * mottle + 4.0 * hue
        return _blend(deep, light, shallow, luminance)
    if cover == "forest":
        glade = np.clip(hue - 0.9, 0, 1)
        return _blend(np.array((52, 78, 44)) + tone, np.array((98, 112, 62)) + tone, glade, 4 * mottle + 34 * slope)
    if cover == "desert":
        warp = fractal(rng, GRID, 6, 4, 0.45)
        heading = rng.uniform(0, math.pi)
        v, u = np.mgrid[0 : 1 : GRID * 1j, 0 : 1 : GRID * 1j].astype(np.float32)
        phase = (u * math.cos(heading) + v * math.sin(heading)) * rng.uniform(70, 190) + 2.6 * warp
        crest = 1 - np.abs(np.sin(phase)) ** 0.6
        dunes = (
            cv2.Sobel(crest, cv2.CV_32F, 1, 0) * land.shadow[0] + cv2.Sobel(crest, cv2.CV_32F, 0, 1) * land.shadow[1]
        )
        sandy = np.clip(0.8 + 0.6 * hue, 0, 1)
        gravel = np.clip(relief - 0.7, 0, 1)
        luminance = 3.5 * mottle + 16 * slope - 16 * np.clip(dunes, -1.2, 1.2) * sandy
        return _blend(np.array((198, 168, 124)) + tone, np.array((150, 122, 94)) + tone, gravel, luminance)
    if cover == "urban":
        green = np.clip(hue - 0.2, 0, 1) * 0.8
        return _blend(np.array((136, 132, 124)) + tone * 0.6, np.array((96, 108, 76)) + tone, green, 4 * mottle)
    return _blend(
        np.array((118, 120, 74)) + tone,
        np.array((134, 116, 82)) + tone,
        np.clip(hue, 0, 1),
        3.5 * mottle + 12 * slope,
    )


def _blend(first: np.ndarray, second: np.ndarray, share: np.ndarray, luminance: np.ndarray) -> np.ndarray:
    """Mix two colors by float32[GRID, GRID] `share`, add `luminance`, and give uint8[GRID, GRID, 3]."""
    channels = [
        cv2.addWeighted(share.astype(np.float32), float(b - a), luminance, 1.0, float(a)) for a, b in zip(first, second)
    ]
    return np.clip(cv2.merge(channels), 0, 255).astype(np.uint8)


def _shore(color: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> None:
    """Paint the sand, and the wet rim of it, along the water, in place."""
    width = rng.uniform(14, 46) * (1 + 0.45 * fractal(rng, GRID, 10, 3))
    wet = depth < np.maximum(width * 0.3, 4)
    sand = (np.array((206, 190, 152)) + rng.uniform(-8, 8, 3)).astype(np.float32)
    grain = (3 * fractal(rng, GRID, 60, 2, 0.8))[..., None]
    share = np.clip((width - depth) / 9, 0, 1)[..., None]
    beach = sand + grain - np.float32(38) * wet[..., None]
    near = depth < 120
    painted = color[near] * (1 - share[near]) + beach[near] * share[near]
    color[near] = painted.clip(0, 255).astype(np.uint8)


_CROPS = np.array(
    [
        (112, 126, 66),
        (86, 114, 58),
        (156, 140, 94),
        (128, 106, 76),
        (172, 158, 104),
        (76, 98, 52),
        (142, 124, 88),
    ]
)


def _plough(color: np.ndarray, land: Land, rng: np.random.Generator, parcels: list[np.ndarray]) -> np.ndarray:
    """Lay crops and furrows over the farmland's colors: uint8[HALF, HALF, 3]."""
    labels = np.zeros((HALF, HALF), np.uint8)
    dry = rng.random() < 0.35
    for index, corners in enumerate(parcels):
        points = np.round(corners / 2).astype(np.int32)
        cv2.fillPoly(labels, [points], 1 + index % 250)
        cv2.polylines(labels, [points], True, 0, 2)
        if dry and rng.random() < 0.5:
            sides = np.hypot(*(corners[1] - corners[0])), np.hypot(*(corners[2] - corners[1]))
            center = np.round(corners.mean(axis=0) / 2).astype(int).tolist()
            cv2.circle(labels, center, int(min(sides) * 0.235), 1 + (index + 97) % 250, -1)
    crops = _CROPS[rng.integers(0, len(_CROPS), 256)] + rng.uniform(-9, 9, (256, 3))
    crops[0] = (104, 98, 74)
    crops = np.clip(crops, 0, 255).astype(np.uint8)
    tinted = cv2.LUT(cv2.merge([labels] * 3), crops[:, None, :].transpose(1, 0, 2))
    tinted = cv2.addWeighted(tinted, 0.78, color, 0.22, 0)
    pitch = rng.uniform(28, 80, 256).astype(np.float32)
    turned = rng.random(256) < 0.5
    v, u = np.mgrid[0:HALF, 0:HALF].astype(np.float32)
    cos, sin = math.cos(land.angle), math.sin(land.angle)
    rate = pitch[labels]
    phase = np.where(turned[labels], u * cos + v * sin, v * cos - u * sin) * rate
    wave = np.sin(np.arange(256) * 2 * math.pi / 256)
    strength = rng.uniform(0.2, 1.0)
    furrows = cv2.LUT((phase.astype(np.int32) & 255).astype(np.uint8), (128 + 9 * strength * wave).astype(np.uint8))
    return cv2.addWeighted(tinted, 1, cv2.merge([furrows] * 3), 1, -128)


class Textures:
    """Each cover's fine texture, as it is laid over a picture of `size` pixels a side."""

    def __init__(self, land: Land, border: np.ndarray, size: int, rng: np.random.Generator) -> None:
        self.border, self.size = border, size
        self.mirrored = land.shadow[0] < 0, land.shadow[1] < 0
        bank = textures()
        self.fine = [bank[cover] for cover in (land.main, land.secondary)]
        self.offsets = rng.integers(0, TILE, (2, 2))
        self.strength = [rng.uniform(0.75, 1.15) for _ in self.fine]

    def apply(self, strip: np.ndarray, y: int) -> None:
        """Add it to the picture's BLOCK rows from `y`, a multiple of BLOCK, in place, block by block."""
        for x in range(0, self.size, BLOCK):
            block = strip[:, x : x + BLOCK]
            height, width = block.shape[:2]
            rows = slice(y * HALF // self.size, -(-(y + height) * HALF // self.size))
            columns = slice(x * HALF // self.size, -(-(x + width) * HALF // self.size))
            part = self.border[rows, columns]
            where = part.min() <= 0, part.max() > 0
            painted = []
            for side in (0, 1):
                if not where[side]:
                    continue
                top, left = (self.offsets[side] + (y, x)) % TILE
                texture = _window(self.fine[side], top, left, height, width, self.mirrored)
                gain = self.strength[side]
                painted.append(cv2.addWeighted(block, 1, texture, gain, -128 * gain))
            if len(painted) == 2:
                inside = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) > 0
                cv2.copyTo(painted[1], inside.astype(np.uint8), painted[0])
            block[:] = painted[0]


def _window(
    texture: np.ndarray, top: int, left: int, height: int, width: int, mirrored: tuple[bool, bool]
) -> np.ndarray:
    """Cut a window from a texture, mirrored along (x, y) so that its light fits the world's shadows."""
    if mirrored[1]:
        top = len(texture) - top - height
    if mirrored[0]:
        left = len(texture) - left - width
    window = texture[top : top + height, left : left + width]
    if not any(mirrored):
        return window
    return cv2.flip(window, -1 if all(mirrored) else 1 if mirrored[0] else 0)
