"""Real pictures and what is known of each: boxes, points or a scene class; split by place.

Everything that was held back shows another place than what was trained on: a sequence, a clip, a stretch of a town, a
scene class's last pictures. The four beach photographs are never read here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from uhrbat.data.kinds import SCENE_CLASSES, TOWER_KINDS, absent

HELD_CARS = ("kit-MunichStreet02", "minsk-DJI_0762")
"""Beginnings of the file names of the sequence and the clip that are held back."""
HELD_COLUMNS, HELD_ROWS = (220245, 220248), (386693, 386695)
"""Columns and rows (numbers in the file names, both ends in) of the quarter of Banepa that is held back."""
HELD_TREES = ("santa_monica", "eureka")
"""Towns of the tree pictures that are held back."""
HELD_SCENES = 10
"""Of each scene class, how many of the last pictures are held back."""
OWN_BOXES = Path(__file__).parent / "boxes"
"""Boxes that were drawn for this project, on pictures of the scene classes."""
OWN_KINDS = {
    "airplane": ("airplane",),
    "storagetanks": ("storage tank",),
    "harbor": ("ship",),
    "tenniscourt": ("tennis court",),
    "boats_elsewhere": ("ship",),
    "swimmingpools": ("swimming pool",),
    "cars_elsewhere": ("car",),
}
"""Our own files of boxes and the kinds that they box in full."""
BARE = ("2019_YELL_*.png", "AWPE*.JPG", "OSBS_029.png", "SOAP_*.png")
"""Sample pictures of the Python package `deepforest` that show trees, logs, branches, birds and one road from near, and
none of the other kinds: each was looked at."""
BARE_METRES = 0.1

NOWHERE = ("airplane", "storage tank", "ship", "fish raft", "wind turbine", "island")
"""Kinds that no picture without a scene class holds: those of cars, buildings and trees show towns."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """A real picture. boxes: {kind: every box of it, (x0, y0, x1, y1) in pixels}, an empty list where a kind that was
    looked for is not there; unsure: boxes that may or may not show the kind; points: {kind: (x, y)} inside objects
    whose extent is not known; scene: its scene class, if it has one; held: not to be trained on; metres: a pixel's
    side, where it is known."""

    path: Path
    boxes: dict[str, list[Box]] = field(default_factory=dict)
    unsure: dict[str, list[Box]] = field(default_factory=dict)
    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    scene: str | None = None
    held: bool = False
    metres: float | None = None

    @property
    def absent(self) -> tuple[str, ...]:
        """Kinds that it surely does not hold."""
        by_class = absent(self.scene) if self.scene else NOWHERE
        empty = tuple(kind for kind, boxes in self.boxes.items() if not boxes and not self.unsure.get(kind))
        return (*(kind for kind in by_class if not self.boxes.get(kind)), *(k for k in empty if k not in by_class))


def read_pictures(root: Path, own: Path | None = None) -> list[Picture]:
    """Every picture of `root` (the folder data/real) with what is known of it; own: the folder of our own boxes."""
    boxes = json.loads((root / "boxes.json").read_text())
    points = json.loads((root / "trees" / "points.json").read_text())
    out = [
        Picture(root / name, {"car": _boxes(found)}, held=Path(name).name.startswith(HELD_CARS))
        for name, found in sorted(boxes["car"].items())
    ]
    out += [
        Picture(root / name, {"building": _boxes(found)}, held=_held_tile(Path(name).stem), metres=0.13)
        for name, found in sorted(boxes["building"].items())
    ]
    out += [
        Picture(root / "trees" / name, points={"tree": _points(found)}, held=name.startswith(HELD_TREES), metres=0.6)
        for name, found in sorted(points.items())
    ]
    return out + scene_pictures(root, own_boxes(own) if own else {})


def scene_pictures(root: Path, drawn: dict[str, tuple[dict, dict]]) -> list[Picture]:
    """The pictures of the scene classes. drawn: what `own_boxes` gives."""
    out = []
    for scene in SCENE_CLASSES:
        paths = sorted((root / "scenes" / scene).glob("*.jpg"))
        for index, path in enumerate(paths):
            boxes, unsure = drawn.get(f"scenes/{scene}/{path.name}", ({}, {}))
            held = index >= len(paths) - HELD_SCENES
            out.append(Picture(path, boxes, unsure, scene=scene, held=held, metres=0.3))
    return out


def own_boxes(folder: Path) -> dict[str, tuple[dict[str, list[Box]], dict[str, list[Box]]]]:
    """Our own boxes: {name of a picture: ({kind: boxes}, {kind: unsure boxes})}."""
    out: dict[str, tuple[dict[str, list[Box]], dict[str, list[Box]]]] = {}
    for stem, kinds in OWN_KINDS.items():
        path = folder / f"{stem}.json"
        if not path.is_file():
            continue
        facts = json.loads(path.read_text())
        for name, boxes in facts["boxes"].items():
            sure, unsure = out.setdefault(name, ({}, {}))
            for kind in kinds:
                sure[kind] = _boxes(boxes)
                unsure[kind] = _boxes(facts.get("unsure", {}).get(name, []))
    return out


def bare_pictures(folder: Path) -> list[Picture]:
    """Pictures that show nothing but trees and perhaps roads; folder: `deepforest/data` of the unpacked package."""
    none: dict[str, list[Box]] = {kind: [] for kind in TOWER_KINDS if kind not in ("tree", "road")}
    paths = sorted(path for name in BARE for path in folder.glob(name))
    return [Picture(path, dict(none), metres=BARE_METRES) for path in paths]


def training(pictures: Iterable[Picture]) -> list[Picture]:
    return [picture for picture in pictures if not picture.held]


def held_back(pictures: Iterable[Picture]) -> list[Picture]:
    return [picture for picture in pictures if picture.held]


class PictureCache:
    """Decoded pictures, uint8[height, width, 3], the last `capacity` used of them."""

    def __init__(self, capacity: int = 2400) -> None:
        self.capacity = capacity
        self._kept: dict[Path, np.ndarray] = {}

    def read(self, path: Path) -> np.ndarray:
        if path not in self._kept:
            if len(self._kept) >= self.capacity:
                self._kept.pop(next(iter(self._kept)))
            self._kept[path] = np.asarray(Image.open(path).convert("RGB"))
        return self._kept[path]


def _held_tile(stem: str) -> bool:
    row, column = (int(number) for number in stem.split("-")[1:3])
    return HELD_ROWS[0] <= row <= HELD_ROWS[1] and HELD_COLUMNS[0] <= column <= HELD_COLUMNS[1]


def _boxes(found: Sequence[Sequence[float]]) -> list[Box]:
    return [(float(box[0]), float(box[1]), float(box[2]), float(box[3])) for box in found]


def _points(found: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in found]
