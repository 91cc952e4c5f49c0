"""A folder of made pictures laid out as data/real is, small enough for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from uhrbat.data.kinds import SCENE_CLASSES
from uhrbat.geometry import SCALES
from uhrbat.worlds import COLORS, KINDS, LAND_COVERS

SIDE = 128
CARS = ("kit-MOS1", "kit-MunichStreet02-MOS1", "minsk-DJI_0005-1", "minsk-DJI_0762-1")
TILES = ("OAM-386690-220241-19", "OAM-386694-220246-19")
TREES = ("chico_2018_1", "santa_monica_2016_1")
BOX = [40, 50, 64, 62]
A_CLASS = 12


def write(root: Path) -> Path:
    """Write the pictures, boxes and points. Every boxed picture has one box, BOX, painted red."""
    boxes: dict[str, dict] = {"car": {}, "building": {}}
    for kind, folder, names in (("car", "cars", CARS), ("building", "buildings", TILES)):
        for index, name in enumerate(names):
            boxes[kind][f"{folder}/{name}.jpg"] = [BOX]
            picture(root / folder / f"{name}.jpg", index, BOX)
    (root / "trees").mkdir(parents=True)
    for index, name in enumerate(TREES):
        picture(root / "trees" / f"{name}.jpg", index)
    points = {f"{name}.jpg": [[30.0, 30.0], [90.0, 100.0]] for name in TREES}
    (root / "trees" / "points.json").write_text(json.dumps(points))
    for scene in SCENE_CLASSES:
        for index in range(A_CLASS):
            picture(root / "scenes" / scene / f"{scene}{index:02}.jpg", index)
    (root / "boxes.json").write_text(json.dumps(boxes))
    return root


def write_own(folder: Path) -> Path:
    """Our own boxes of aeroplanes: two pictures with one, one with an unsure one, one without."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "scenes/airplane/airplane{:02}.jpg"
    reply = {
        "kind": "airplane",
        "boxes": {name.format(0): [BOX], name.format(1): [], name.format(2): [], name.format(11): [BOX]},
        "unsure": {name.format(2): [[0, 0, 20, 20]]},
    }
    (folder / "airplane.json").write_text(json.dumps(reply))
    return folder


def picture(path: Path, seed: int, box: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(90, 130, (SIDE, SIDE, 3), np.uint8)
    if box:
        x0, y0, x1, y1 = box
        pixels[y0:y1, x0:x1] = (220, 20, 20)
    Image.fromarray(pixels).save(path, quality=95)


def write_pool(folder: Path, seed: int = 7) -> Path:
    """A pool of one world, black but for a red car and a white ship, as `uhrbat.training.nano.pool` writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = [
        {"kind": KINDS.index("car"), "color": COLORS.index("red"), "box": [1000, 2000, 1028, 2014]},
        {"kind": KINDS.index("ship"), "color": COLORS.index("white"), "box": [3000, 500, 3056, 528]},
    ]
    asked = {
        "text": "How many red cars are there?",
        "type": "count",
        "targets": [[KINDS.index("car"), COLORS.index("red")]],
    }
    record = {"seed": seed, "objects": objects, "land_cover": "urban", "questions": [asked]}
    flat = np.lib.format.open_memmap(folder / f"{seed}.npy", "w+", np.uint8, (sum(s * s * 3 for s in SCALES),))
    start = 0
    for size in SCALES:
        image = flat[start : start + size * size * 3].reshape(size, size, 3)
        for item, paint in zip(objects, ((220, 20, 20), (240, 240, 240))):
            x0, y0, x1, y1 = (round(value * size / SCALES[-1]) for value in item["box"])
            image[y0:y1, x0:x1] = paint
        start += size * size * 3
    np.save(folder / f"{seed}.land.npy", np.full((288, 288), LAND_COVERS.index("urban"), np.uint8))
    (folder / f"{seed}.json").write_text(json.dumps(record))
    return folder
