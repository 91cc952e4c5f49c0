"""Windows of one tile with what every token shows, cut from a real picture or laid of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from uhrbat.data.kinds import INDEX, SCENE_CLASSES, TOWER_KINDS, land_of
from uhrbat.data.real import Box, Picture, PictureCache
from uhrbat.geometry import PATCH, TILE, TILE_GRID
from uhrbat.training.nano.augment import degraded, recoloured
from uhrbat.worlds import COLORS

SHOWN, NOT, UNKNOWN = 1, 0, -1
Where = tuple[slice, slice]
"""Rows and columns of tokens."""
NO_COLOR = len(COLORS)
COVERED, TOUCHED = 0.3, 0.04
"""Share of a token (or of a smaller object) from which it shows the object, and from which it is not said to not."""
EXCLUDED = ("car", "building", "airplane", "ship", "storage tank", "tennis court", "swimming pool", "road")
"""Kinds that are not where a boxed object of another kind is: no car stands on a roof or on a wing."""
ROUND = 1.25
"""How far into a box's corners a token may lie, its ellipse being 1: of turned objects they show the ground."""
SMALLEST = 3.0
"""Longer side, in window pixels, of the smallest object that is taught; smaller ones are left unknown."""
WANTED, NEAR, NEAR_SHARE = (5, 120), (120, 300), 0.15
"""Longer side, in window pixels, of most windows' objects, of those seen from near, and how many windows are those."""
WEIGHTS = {"car": 2.0}
"""How much oftener than others a boxed kind is drawn."""


@dataclass(frozen=True)
class Bag:
    """A part of a window of which at least `share` of the tokens show `kind`; where is not known."""

    kind: int
    rows: slice
    columns: slice
    share: float


@dataclass(frozen=True)
class Window:
    """pixels uint8[336, 336, 3]; state int8[kinds, 24, 24]: SHOWN, NOT or UNKNOWN; color int16[24, 24]: index into
    COLORS, NO_COLOR where it is not known; center bool[24, 24]: an object's middle; land int16[24, 24]: index into
    LAND_COVERS or -1."""

    pixels: np.ndarray
    state: np.ndarray
    color: np.ndarray
    center: np.ndarray
    land: np.ndarray
    bags: tuple[Bag, ...] = ()


def blank_labels() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """state, color, center and land of a window of which nothing is known."""
    grid = (TILE_GRID, TILE_GRID)
    return (
        np.full((len(TOWER_KINDS), *grid), UNKNOWN, np.int8),
        np.full(grid, NO_COLOR, np.int16),
        np.zeros(grid, bool),
        np.full(grid, -1, np.int16),
    )


def mark_boxes(state: np.ndarray, boxes: Sequence[Box], unsure: Sequence[Box] = ()) -> None:
    """Write one kind's boxes, in window pixels, into its state int8[24, 24], in place."""
    for box, sure in [*((box, True) for box in boxes), *((box, False) for box in unsure)]:
        x0, y0, x1, y1 = (value / PATCH for value in box)
        rows = np.arange(max(0, math.floor(y0)), min(TILE_GRID, math.ceil(y1)))
        columns = np.arange(max(0, math.floor(x0)), min(TILE_GRID, math.ceil(x1)))
        if not len(rows) or not len(columns):
            continue
        tall = np.minimum(y1, rows + 1) - np.maximum(y0, rows)
        wide = np.minimum(x1, columns + 1) - np.maximum(x0, columns)
        share = np.outer(tall, wide) / min(1.0, (x1 - x0) * (y1 - y0))
        view = state[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        taught = sure and max(x1 - x0, y1 - y0) * PATCH >= SMALLEST
        if taught:
            across = ((columns + 0.5).clip(x0, x1) - (x0 + x1) / 2) / max((x1 - x0) / 2, 1.0)
            down = ((rows + 0.5).clip(y0, y1) - (y0 + y1) / 2) / max((y1 - y0) / 2, 1.0)
            view[(share >= COVERED) & (down[:, None] ** 2 + across**2 <= ROUND)] = SHOWN
        view[(view == NOT) & (share >= TOUCHED)] = UNKNOWN


def moved(boxes: Sequence[Box], left: float, top: float, scale: float) -> list[Box]:
    """Boxes of a picture as they lie in a window cut from (left, top) and enlarged `scale` times."""
    return [((a - left) * scale, (b - top) * scale, (c - left) * scale, (d - top) * scale) for a, b, c, d in boxes]


def turned_window(window: Window, turn: int, flip: bool) -> Window:
    """`turn` quarter turns, then mirrored; bags are laid as the tokens are."""

    def way(array: np.ndarray, axes: tuple[int, int] = (0, 1)) -> np.ndarray:
        out = np.rot90(array, turn, axes)
        return np.flip(out, axes[1]) if flip else out

    bags = []
    for bag in window.bags:
        mask = np.zeros((TILE_GRID, TILE_GRID), bool)
        mask[bag.rows, bag.columns] = True
        rows, columns = (np.flatnonzero(way(mask).any(axis)) for axis in (1, 0))
        span = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        bags.append(Bag(bag.kind, *span, bag.share))
    color, center, land = (way(a) for a in (window.color, window.center, window.land))
    return Window(way(window.pixels), way(window.state, (1, 2)), color, center, land, tuple(bags))


class RealWindows:
    """Draws training windows from real pictures: around boxes, around points, and laid of several pictures."""

    def __init__(self, pictures: Sequence[Picture], rng: np.random.Generator, bags: bool = True) -> None:
        """bags: whether scene classes teach what their pictures show somewhere (multiple-instance learning)."""
        self.rng, self.cache, self.bags = rng, PictureCache(), bags
        self.boxed: dict[str, list[Picture]] = {}
        self.bare = [
            picture for picture in pictures if not picture.scene and picture.boxes and not any(picture.boxes.values())
        ]
        self.pointed = [picture for picture in pictures if picture.points]
        self.scenes: dict[str, list[Picture]] = {}
        for picture in pictures:
            for kind, boxes in picture.boxes.items():
                if boxes:
                    self.boxed.setdefault(kind, []).append(picture)
            if picture.scene:
                self.scenes.setdefault(picture.scene, []).append(picture)

    def draw(self) -> Window:
        """One window of any sort, coloured, degraded, turned and mirrored at random."""
        rng, luck = self.rng, self.rng.random()
        if self.boxed and (luck < 0.42 or not self.scenes):
            weights = np.array([WEIGHTS.get(kind, 1.0) for kind in self.boxed])
            window = self.around(list(self.boxed)[rng.choice(len(self.boxed), p=weights / weights.sum())])
        elif luck > 0.92 and self.bare:
            window = self.anywhere(self.bare[rng.integers(len(self.bare))])
        elif luck < 0.48 and self.pointed:
            window = self.points()
        else:
            window = self.mosaic()
        pixels = degraded(recoloured(window.pixels, rng), rng)
        window = Window(pixels, window.state, window.color, window.center, window.land, window.bags)
        return turned_window(window, int(rng.integers(4)), bool(rng.random() < 0.5))

    def around(self, kind: str) -> Window:
        """A window of a picture that boxes `kind`, scaled so that its objects are of a size in WANTED or NEAR."""
        rng = self.rng
        picture = self.boxed[kind][rng.integers(len(self.boxed[kind]))]
        pixels, boxes = self.cache.read(picture.path), picture.boxes[kind]
        height, width = pixels.shape[:2]
        typical = float(np.median([max(b[2] - b[0], b[3] - b[1]) for b in boxes]))
        wanted = math.exp(rng.uniform(*np.log(NEAR if rng.random() < NEAR_SHARE else WANTED)))
        scale = min(wanted / typical, 4.0)
        if scale < TILE / min(height, width):
            return self.tiled(picture, max(scale, TILE / 9 / min(height, width)))
        side = TILE / scale
        left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
        if rng.random() < 0.7:
            box = boxes[rng.integers(len(boxes))]
            left = (box[0] + box[2]) / 2 - rng.uniform(0.1, 0.9) * side
            top = (box[1] + box[3]) / 2 - rng.uniform(0.1, 0.9) * side
        left, top = min(max(0.0, left), width - side), min(max(0.0, top), height - side)
        state, color, center, land = blank_labels()
        self.know(picture, state, left, top, scale, (slice(None), slice(None)))
        return Window(resized(pixels, (left, top, left + side, top + side), TILE), state, color, center, land)

    def anywhere(self, picture: Picture) -> Window:
        """A window anywhere in a picture, shrunk to less than half or enlarged to three times its size."""
        rng = self.rng
        pixels = self.cache.read(picture.path)
        height, width = pixels.shape[:2]
        side = min(TILE / math.exp(rng.uniform(math.log(0.4), math.log(3))), height, width)
        left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
        state, color, center, land = blank_labels()
        self.know(picture, state, left, top, TILE / side, (slice(None), slice(None)))
        return Window(resized(pixels, (left, top, left + side, top + side), TILE), state, color, center, land)

    def know(self, picture: Picture, state: np.ndarray, left: float, top: float, scale: float, where: Where) -> None:
        """Write what is known of a picture into `state`; `where`: the tokens that show it."""
        for kind in picture.absent:
            state[INDEX[kind]][where] = NOT
        for kind, boxes in picture.boxes.items():
            own = np.full((TILE_GRID, TILE_GRID), NOT, np.int8)
            mark_boxes(own, moved(boxes, left, top, scale), moved(picture.unsure.get(kind, ()), left, top, scale))
            state[INDEX[kind]][where] = own[where]
            alone = np.zeros_like(own, bool)
            alone[where] = own[where] == SHOWN
            for other in EXCLUDED:
                if other != kind and other not in picture.boxes:
                    state[INDEX[other]][alone] = NOT

    def tiled(self, picture: Picture, scale: float) -> Window:
        """A picture too small to fill the window at this scale, among others of the same scale."""
        pixels = self.cache.read(picture.path)
        count = max(1, min(9, int(TILE // (min(pixels.shape[:2]) * scale))))
        place = int(self.rng.integers(count * count))
        return self.mosaic(count, {place: picture})

    def mosaic(self, count: int | None = None, given: dict[int, Picture] | None = None) -> Window:
        """A window laid of count x count pictures, each with what is known of it."""
        rng = self.rng
        count = count or int(rng.choice((1, 1, 2, 2, 3, 4, 6, 9)))
        edges = np.linspace(0, TILE, count + 1).round().astype(int)
        pixels = np.zeros((TILE, TILE, 3), np.uint8)
        state, color, center, land = blank_labels()
        bags: list[Bag] = []
        touched = np.zeros_like(state, bool)
        for place in range(count * count):
            row, column = divmod(place, count)
            y0, y1, x0, x1 = edges[row], edges[row + 1], edges[column], edges[column + 1]
            picture = (given or {}).get(place) or self.any_picture()
            source = self.cache.read(picture.path)
            whole = min(source.shape[:2])
            fixed = given is not None and place in given
            part = whole if fixed or count > 1 else rng.uniform(0.4, 1.0) * whole
            left, top = rng.uniform(0, source.shape[1] - part), rng.uniform(0, source.shape[0] - part)
            side = max(x1 - x0, y1 - y0)
            cell = resized(source, (left, top, left + part, top + part), side)[: y1 - y0, : x1 - x0]
            pixels[y0:y1, x0:x1] = recoloured(cell, rng) if count > 1 else cell
            rows, columns = slice(round(y0 / PATCH), round(y1 / PATCH)), slice(round(x0 / PATCH), round(x1 / PATCH))
            scale = side / part
            self.know(picture, state, left - x0 / scale, top - y0 / scale, scale, (rows, columns))
            for kind, boxes in (*picture.boxes.items(), *picture.unsure.items()):
                here = moved(boxes, left - x0 / scale, top - y0 / scale, scale)
                reach = spilt([clipped(box, (x0, y0, x1, y1)) for box in here])
                reach[rows, columns] = False
                touched[INDEX[kind]] |= reach
            if picture.scene:
                land[rows, columns] = land_of(picture.scene)
                if self.bags and part > 0.75 * whole:
                    bags += self.bags_of(picture, rows, columns)
        state[touched & (state == NOT)] = UNKNOWN
        return Window(pixels, state, color, center, land, tuple(bags))

    def bags_of(self, picture: Picture, rows: slice, columns: slice) -> list[Bag]:
        shown = SCENE_CLASSES[picture.scene].shown if picture.scene else {}
        return [Bag(INDEX[kind], rows, columns, share) for kind, share in shown.items() if kind not in picture.boxes]

    def any_picture(self) -> Picture:
        """A picture of a scene class, one that shows something to find nearly half the time."""
        rng = self.rng
        if not self.scenes:
            boxed = list(self.boxed.values())[rng.integers(len(self.boxed))]
            return boxed[rng.integers(len(boxed))]
        names = list(self.scenes)
        if rng.random() < 0.4:
            names = [name for name in names if SCENE_CLASSES[name].shown]
        pictures = self.scenes[names[rng.integers(len(names))]]
        return pictures[rng.integers(len(pictures))]

    def points(self) -> Window:
        """A window of a picture with points: tokens there show the kind, those beside may, those far off do not."""
        rng = self.rng
        picture = self.pointed[rng.integers(len(self.pointed))]
        pixels = self.cache.read(picture.path)
        whole = min(pixels.shape[:2])
        part = rng.uniform(0.35, 1.0) * whole
        left, top = rng.uniform(0, pixels.shape[1] - part), rng.uniform(0, pixels.shape[0] - part)
        scale = TILE / part
        state, color, center, land = blank_labels()
        self.know(picture, state, left, top, scale, (slice(None), slice(None)))
        for kind, found in picture.points.items():
            spots = (np.array(found).reshape(-1, 2) - (left, top)) * scale / PATCH
            middles = np.stack(np.meshgrid(np.arange(TILE_GRID), np.arange(TILE_GRID)), -1) + 0.5
            apart = np.linalg.norm(middles[:, :, None] - spots, axis=-1).min(-1, initial=np.inf)
            far = 10 * scale / PATCH + 0.7
            own = np.where(apart < 0.75, SHOWN, np.where(apart > far, NOT, UNKNOWN))
            state[INDEX[kind]] = own
        return Window(resized(pixels, (left, top, left + part, top + part), TILE), state, color, center, land)


def clipped(box: Box, to: Box) -> Box:
    """The part of a box that lies in another; without area where there is none."""
    x0, x1 = (min(max(value, to[0]), to[2]) for value in (box[0], box[2]))
    y0, y1 = (min(max(value, to[1]), to[3]) for value in (box[1], box[3]))
    return (x0, y0, x1, y1)


def spilt(boxes: Sequence[Box]) -> np.ndarray:
    """bool[24, 24]: tokens that boxes with an area, in window pixels, touch."""
    state = np.full((TILE_GRID, TILE_GRID), NOT, np.int8)
    mark_boxes(state, (), [box for box in boxes if box[2] - box[0] > 0.5 and box[3] - box[1] > 0.5])
    return state != NOT


def resized(pixels: np.ndarray, box: Box, side: int) -> np.ndarray:
    """The box of a picture uint8[h, w, 3] as uint8[side, side, 3]."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, box=box))
