"""Large images laid of real tiles whose content is known: what is asked for, among pictures that hold none of it.

The square is cut into blocks of 504 px at scale 4032; a block shows one picture, or 2 x 2 to 14 x 14 of them. So a
picture of 256 px is shown at 36 to 504 px, and an object of any size where it is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from uhrbat.data.real import Box, Picture, PictureCache

SIDE = 4032
BLOCK = 504
DIVISIONS = (1, 2, 4, 8, 14)
INSIDE = 0.6
"""Share of an object that a cut must show; one of which less is shown is cut away whole, or the cut is not used."""
ENLARGED = 2.5
EMPTY = 0.1
"""Of the parts of one picture that show no object, how many are taken."""
TRIES = 4000


@dataclass(frozen=True)
class Cut:
    """A square part of a picture: its left and top edge and its side, in the picture's pixels."""

    picture: Picture
    left: float
    top: float
    side: float


@dataclass(frozen=True)
class Composition:
    """image: uint8[side, side, 3]; kinds: those of which every object is known; boxes, in its pixels, cut to what is
    shown, and labels: each object of these kinds."""

    image: np.ndarray
    kinds: tuple[str, ...]
    boxes: tuple[Box, ...]
    labels: tuple[str, ...]

    @property
    def sizes(self) -> list[float]:
        """Longer side of each object, px at scale 4032."""
        factor = SIDE / len(self.image)
        return [max(box[2] - box[0], box[3] - box[1]) * factor for box in self.boxes]


class Composer:
    """Lays compositions of some pictures. The same pictures, generator and arguments give the same one."""

    def __init__(self, pictures: Sequence[Picture], cache: PictureCache | None = None) -> None:
        self.pictures = list(pictures)
        self.cache = cache or PictureCache()

    def compose(
        self,
        kinds: str | Sequence[str],
        rng: np.random.Generator,
        count: tuple[int, int] = (1, 6),
        longer: tuple[float, float] = (4, 60),
        side: int = SIDE,
    ) -> Composition:
        """A composition with count[0] to count[1] objects of one or several kinds (0: none), their longer side `longer`
        px at 4032, laid of pictures of which every object of these kinds is known.

        ValueError where no picture boxes one of the kinds, or none surely holds none of them.
        """
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        wanted = int(rng.integers(count[0], count[1] + 1))
        known = [p for p in self.pictures if all(kind in p.boxes or kind in p.absent for kind in kinds)]
        showing = {kind: [p for p in known if p.boxes.get(kind)] for kind in kinds}
        showing = {kind: pictures for kind, pictures in showing.items() if pictures}
        without = [p for p in known if all(kind in p.absent for kind in kinds)]
        if not without or (wanted and not showing):
            raise ValueError(f"there are no pictures with, or none surely without, '{', '.join(kinds)}'")
        side = round(side / SIDE * BLOCK) * SIDE // BLOCK
        image = np.empty((side, side, 3), np.uint8)
        cells = _Cells(rng)
        found: list[tuple[str, Box]] = []
        for _ in range(TRIES):
            if len(found) == wanted:
                break
            kind = list(showing)[rng.integers(len(showing))]
            drawn = self._showing(kind, kinds, showing[kind], rng, wanted - len(found), longer, side)
            place = cells.take(drawn[1]) if drawn else None
            if not drawn or place is None:
                continue
            cut, division = drawn
            left, top, cell = pixels_of(*place, division, side)
            lay(image, self.pixels(cut, cell), left, top)
            found += [(name, box) for name in kinds for box in shown_boxes(cut, name, left, top, cell)]
        boxed = [picture for picture in known if any(picture.boxes.get(kind) for kind in kinds)]
        for column, row, division in cells.rest():
            left, top, cell = pixels_of(column, row, division, side)
            lay(image, self.pixels(self._without(kinds, boxed, without, rng, cell), cell), left, top)
        return Composition(image, kinds, tuple(box for _, box in found), tuple(name for name, _ in found))

    def pixels(self, cut: Cut, side: int) -> np.ndarray:
        """A cut as uint8[side, side, 3]."""
        box = (cut.left, cut.top, cut.left + cut.side, cut.top + cut.side)
        picture = Image.fromarray(self.cache.read(cut.picture.path))
        return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box=box))

    def _showing(
        self,
        kind: str,
        kinds: tuple[str, ...],
        showing: list[Picture],
        rng: np.random.Generator,
        most: int,
        longer: tuple[float, float],
        side: int,
    ) -> tuple[Cut, int] | None:
        """A cut that shows one to `most` objects of the kinds, one of them of `kind` and of about a size drawn at
        random, and how its block is divided."""
        picture = showing[rng.integers(len(showing))]
        box = picture.boxes[kind][rng.integers(len(picture.boxes[kind]))]
        long = max(box[2] - box[0], box[3] - box[1])
        wanted = math.exp(rng.uniform(math.log(longer[0]), math.log(longer[1])))
        scale = wanted / long
        division = int(rng.choice(DIVISIONS))
        part = BLOCK / division / scale
        height, width = self.cache.read(picture.path).shape[:2]
        if part > min(height, width) or part < 1.3 * long or scale * side / SIDE > ENLARGED:
            return None
        left = box[0] - rng.uniform(0.1, 0.9) * (part - (box[2] - box[0]))
        top = box[1] - rng.uniform(0.1, 0.9) * (part - (box[3] - box[1]))
        left, top = min(max(0.0, left), width - part), min(max(0.0, top), height - part)
        cut = Cut(picture, left, top, part)
        boxes = whole_boxes(cut, kinds)
        if boxes is None or not 1 <= len(boxes) <= most:
            return None
        sizes = [max(b[2] - b[0], b[3] - b[1]) * scale for _, b in boxes]
        return (cut, division) if all(longer[0] <= size <= longer[1] * 1.5 for size in sizes) else None

    def _without(
        self,
        kinds: tuple[str, ...],
        boxed: list[Picture],
        without: list[Picture],
        rng: np.random.Generator,
        cell: int,
    ) -> Cut:
        """A cut that shows nothing of the kinds: half of them of pictures that show some elsewhere, where there are."""
        for _ in range(20):
            if not boxed or rng.random() < 0.5:
                break
            picture = boxed[rng.integers(len(boxed))]
            height, width = self.cache.read(picture.path).shape[:2]
            whole = min(height, width)
            part = min(whole, math.exp(rng.uniform(math.log(min(whole, max(48, cell / ENLARGED))), math.log(whole))))
            cut = Cut(picture, rng.uniform(0, width - part), rng.uniform(0, height - part), part)
            taken = [b for kind in kinds for b in (*picture.boxes.get(kind, ()), *picture.unsure.get(kind, ()))]
            if all(_inside(box, cut) <= 0 for box in taken):
                return cut
        picture = without[rng.integers(len(without))]
        height, width = self.cache.read(picture.path).shape[:2]
        part = rng.uniform(0.6, 1.0) * min(height, width)
        return Cut(picture, rng.uniform(0, width - part), rng.uniform(0, height - part), part)

    def mosaic(self, kinds: Sequence[str], rng: np.random.Generator, across: int, side: int = SIDE) -> Composition:
        """`across` x `across` parts of pictures, each as large as fits or down to 0.7 of that, which cut no object;
        half are of pictures that box one of the kinds, where there are any, the others of pictures that hold none."""
        known = [p for p in self.pictures if all(kind in p.boxes or kind in p.absent for kind in kinds)]
        showing = [[p for p in known if p.boxes.get(kind)] for kind in kinds]
        showing = [pictures for pictures in showing if pictures]
        without = [p for p in known if all(kind in p.absent for kind in kinds)]
        image = np.zeros((side, side, 3), np.uint8)
        edges = np.linspace(0, side, across + 1).round().astype(int)
        found: list[tuple[str, Box]] = []
        for row, column in np.ndindex(across, across):
            left, top = int(edges[column]), int(edges[row])
            cell = max(int(edges[column + 1]) - left, int(edges[row + 1]) - top)
            cut = self._square(showing, without, kinds, rng)
            lay(image, self.pixels(cut, cell), left, top)
            found += [(name, box) for name in kinds for box in shown_boxes(cut, name, left, top, cell)]
        return Composition(image, tuple(kinds), tuple(box for _, box in found), tuple(name for name, _ in found))

    def _square(
        self, showing: list[list[Picture]], without: list[Picture], kinds: Sequence[str], rng: np.random.Generator
    ) -> Cut:
        """A square part of a picture that cuts no object of the kinds."""
        for _ in range(20):
            pictures = showing[rng.integers(len(showing))] if showing and rng.random() < 0.5 else without
            picture = pictures[rng.integers(len(pictures))]
            height, width = self.cache.read(picture.path).shape[:2]
            part = rng.uniform(0.7, 1.0) * min(height, width)
            cut = Cut(picture, rng.uniform(0, width - part), rng.uniform(0, height - part), part)
            if whole_boxes(cut, kinds) is not None:
                return cut
        picture = without[rng.integers(len(without))]
        return Cut(picture, 0.0, 0.0, float(min(self.cache.read(picture.path).shape[:2])))

    def whole(self, kind: str, rng: np.random.Generator, side: int = SIDE) -> Composition | None:
        """A square part of one picture that boxes `kind`, as large as fits or down to a third of that, which cuts no
        object and seldom shows none; half of the time of a picture without a scene class. None where none was found."""
        boxed = [picture for picture in self.pictures if picture.boxes.get(kind)]
        sorts = [found for found in ([p for p in boxed if p.scene], [p for p in boxed if not p.scene]) if found]
        for _ in range(200 if boxed else 0):
            pictures = sorts[rng.integers(len(sorts))]
            picture = pictures[rng.integers(len(pictures))]
            height, width = self.cache.read(picture.path).shape[:2]
            part = rng.uniform(0.33, 1.0) * min(height, width)
            cut = Cut(picture, rng.uniform(0, width - part), rng.uniform(0, height - part), part)
            shown = whole_boxes(cut, (kind,))
            if shown or (shown is not None and rng.random() < EMPTY):
                boxes = tuple(shown_boxes(cut, kind, 0, 0, side))
                return Composition(self.pixels(cut, side), (kind,), boxes, (kind,) * len(boxes))
        return None


def whole_boxes(cut: Cut, kinds: Sequence[str]) -> list[tuple[str, Box]] | None:
    """Every object of the kinds that a cut shows, in its picture's pixels; None where one is cut, or not sure."""
    out = []
    for kind in kinds:
        if any(_inside(box, cut) > 0 for box in cut.picture.unsure.get(kind, ())):
            return None
        for box in cut.picture.boxes.get(kind, ()):
            share = _inside(box, cut)
            if 0.02 < share < INSIDE:
                return None
            if share >= INSIDE:
                out.append((kind, box))
    return out


def lay(image: np.ndarray, pixels: np.ndarray, left: int, top: int) -> None:
    """Write `pixels` into the image at (left, top), in place; what reaches beyond its edge is cut off."""
    view = image[top : top + len(pixels), left : left + len(pixels)]
    view[:] = pixels[: view.shape[0], : view.shape[1]]


def pixels_of(column: int, row: int, division: int, side: int) -> tuple[int, int, int]:
    """Left and top edge and side, in pixels of an image of `side` px, of a cell at (column, row) px of scale 4032."""
    factor = side / SIDE
    left, top = round(column * factor), round(row * factor)
    far = BLOCK // division
    return left, top, max(round((column + far) * factor) - left, round((row + far) * factor) - top)


class _Cells:
    """Which parts of the 8 x 8 blocks are taken; places count in pixels of scale 4032."""

    def __init__(self, rng: np.random.Generator) -> None:
        blocks = SIDE // BLOCK
        self.blocks = blocks
        self.rng = rng
        self.division = np.zeros((blocks, blocks), int)
        self.free: dict[int, list[tuple[int, int]]] = {division: [] for division in DIVISIONS}

    def take(self, division: int) -> tuple[int, int] | None:
        """Column and row of a free cell of this division, a new block divided where there is none; None when full."""
        if not self.free[division]:
            untouched = np.argwhere(self.division == 0)
            if not len(untouched):
                return None
            row, column = untouched[self.rng.integers(len(untouched))]
            self._divide(int(row), int(column), division)
        cells = self.free[division]
        return cells.pop(int(self.rng.integers(len(cells))))

    def _divide(self, row: int, column: int, division: int) -> None:
        self.division[row, column] = division
        step = BLOCK // division
        self.free[division] += [
            (column * BLOCK + x * step, row * BLOCK + y * step) for y in range(division) for x in range(division)
        ]

    def rest(self) -> list[tuple[int, int, int]]:
        """(column, row, division) of every cell that is left, blocks that were not touched divided at random."""
        for row, column in np.argwhere(self.division == 0):
            self._divide(int(row), int(column), int(self.rng.choice((1, 2, 4, 8), p=(0.25, 0.45, 0.25, 0.05))))
        return [(column, row, division) for division, cells in self.free.items() for column, row in cells]


def shown_boxes(cut: Cut, kind: str, left: int, top: int, cell: int) -> list[Box]:
    """Boxes of a kind that a cut shows, in pixels of the image in which it lies at (left, top), `cell` px a side."""
    scale = cell / cut.side
    out = []
    for box in cut.picture.boxes.get(kind, ()):
        if _inside(box, cut) >= INSIDE:
            x0, x1 = (min(max(value - cut.left, 0), cut.side) * scale + left for value in (box[0], box[2]))
            y0, y1 = (min(max(value - cut.top, 0), cut.side) * scale + top for value in (box[1], box[3]))
            out.append((x0, y0, x1, y1))
    return out


def _inside(box: Box, cut: Cut) -> float:
    """Share of a box that a cut shows."""
    wide = min(box[2], cut.left + cut.side) - max(box[0], cut.left)
    tall = min(box[3], cut.top + cut.side) - max(box[1], cut.top)
    return max(0.0, wide) * max(0.0, tall) / ((box[2] - box[0]) * (box[3] - box[1]))
