"""A pool of generated worlds on disk, at every scale, with a label for every token.

Worlds are made by a separate process (`python -m uhrbat.training.nano.pool`), so that training starts with the
first ones and never waits for the generator.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from uhrbat.geometry import PATCH, SCALES
from uhrbat.worlds import COLORS, KINDS, World, WorldQuestion, generate, questions

BASE = 4032
SMALLEST_VISIBLE = 1.3
NO_KIND = len(KINDS)
NO_COLOR = len(COLORS)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenLabels:
    """Labels of one scale's tokens, each [grid, grid] in raster order.

    kind: index into KINDS, NO_KIND where no object is; color: index into COLORS or NO_COLOR; center: the
    token holds an object's centre; ignore: an object too small to be asked for at this scale touches it;
    owner: index of the object or -1; land: index into LAND_COVERS.
    """

    kind: np.ndarray
    color: np.ndarray
    center: np.ndarray
    ignore: np.ndarray
    owner: np.ndarray
    land: np.ndarray


def label_tokens(objects: list[dict], land_map: np.ndarray, size: int, world_size: int = BASE) -> TokenLabels:
    """Label the tokens of scale `size` from boxes in world pixels (a token needs 18 % overlap)."""
    grid = size // PATCH
    kind = np.full((grid, grid), NO_KIND, np.uint8)
    color = np.full((grid, grid), NO_COLOR, np.uint8)
    center = np.zeros((grid, grid), bool)
    ignore = np.zeros((grid, grid), bool)
    owner = np.full((grid, grid), -1, np.int32)
    to_tokens = size / world_size / PATCH
    for index, item in enumerate(objects):
        x0, y0, x1, y1 = (value * to_tokens for value in item["box"])
        rows, cols = (
            np.arange(int(y0), min(grid, int(np.ceil(y1)))),
            np.arange(int(x0), min(grid, int(np.ceil(x1)))),
        )
        tall = np.minimum(y1, rows + 1) - np.maximum(y0, rows)
        wide = np.minimum(x1, cols + 1) - np.maximum(x0, cols)
        touched = np.outer(tall, wide) >= 0.18 * min(1.0, (x1 - x0) * (y1 - y0))
        view = np.ix_(rows, cols)
        if max(x1 - x0, y1 - y0) * PATCH < SMALLEST_VISIBLE:
            ignore[view] |= touched
            continue
        kind[view] = np.where(touched, item["kind"], kind[view])
        color[view] = np.where(touched, item["color"], color[view])
        owner[view] = np.where(touched, index, owner[view])
        row, col = int((y0 + y1) / 2), int((x0 + x1) / 2)
        center[row, col] = True
        kind[row, col], color[row, col], owner[row, col] = item["kind"], item["color"], index
    ignore &= kind == NO_KIND
    land = cv2.resize(land_map, (grid, grid), interpolation=cv2.INTER_NEAREST)
    return TokenLabels(kind, color, center, ignore, owner, land)


def object_records(world: World) -> list[dict]:
    return [
        {
            "kind": KINDS.index(item.kind),
            "color": COLORS.index(item.color) if item.color else NO_COLOR,
            "box": [int(value) for value in item.box],
        }
        for item in world.objects
    ]


def target_records(question: WorldQuestion) -> list[list[int]]:
    """(kind, colour) indices that a question names; colour -1 means any."""
    return [[KINDS.index(k), COLORS.index(c) if c else -1] for k, c in question.targets]


def scale_images(world: World) -> dict[int, np.ndarray]:
    picture = Image.fromarray(world.image)
    return {
        size: world.image if size == world.size else np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
        for size in SCALES
    }


def write_world(folder: Path, seed: int, dense: bool, count: int = 30) -> None:
    """Generate world `seed` and write its scales (one flat uint8 file) and its labels' source (JSON)."""
    world = generate(seed, dense=dense)
    flat = np.concatenate([scale_images(world)[size].reshape(-1) for size in SCALES])
    record = {
        "seed": seed,
        "objects": object_records(world),
        "land_cover": world.land_cover,
        "questions": [
            {"text": q.text, "type": q.type, "targets": target_records(q)} for q in questions(world, seed, count)
        ],
    }
    np.save(folder / f"{seed}.land.npy", world.land_map)
    temporary = folder / f"{seed}.part"
    with open(temporary, "wb") as file:
        np.save(file, flat)
    os.replace(temporary, folder / f"{seed}.npy")
    (folder / f"{seed}.json").write_text(json.dumps(record))


class PoolWorld:
    """One world of the pool: memory-mapped images and labels by scale."""

    def __init__(self, folder: Path, seed: int) -> None:
        record = json.loads((folder / f"{seed}.json").read_text())
        flat = np.load(folder / f"{seed}.npy", mmap_mode="r")
        land = np.load(folder / f"{seed}.land.npy")
        self.seed = seed
        self.objects: list[dict] = record["objects"]
        self.questions: list[dict] = record["questions"]
        self.land_cover: str = record["land_cover"]
        self.images, self.labels = {}, {}
        start = 0
        for size in SCALES:
            end = start + size * size * 3
            self.images[size] = flat[start:end].reshape(size, size, 3)
            self.labels[size] = label_tokens(self.objects, land, size)
            start = end


def available(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write generated worlds for training.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--sparse-every", type=int, default=4, help="every n-th world is a sparse one; 0: none")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    done = set(available(args.folder))
    for seed in tqdm(range(args.first, args.first + args.worlds), desc="worlds"):
        if seed not in done:
            dense = not (args.sparse_every and seed % args.sparse_every == args.sparse_every - 1)
            write_world(args.folder, seed, dense)


if __name__ == "__main__":
    main()
