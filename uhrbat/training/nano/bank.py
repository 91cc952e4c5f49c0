"""Tokens of encoded worlds, kept for stage two: every object's tokens and the background that looks most like one.

A bank world is a dense world from which stage two draws sparse ones: some of its objects, all of its background. With
--data, compositions of real pictures stand beside generated worlds; of them only objects of some kinds are known.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from uhrbat.checkpoints import loading
from uhrbat.data.compositions import Composer
from uhrbat.data.real import OWN_BOXES, Picture, bare_pictures, read_pictures, training
from uhrbat.geometry import SCALES, TILE, TILE_GRID, Scale
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.selection.regions import partition
from uhrbat.training.nano.augment import recoloured
from uhrbat.training.nano.config import POINT_BINS
from uhrbat.training.nano.pool import NO_COLOR, PoolWorld, TokenLabels, available, label_tokens
from uhrbat.training.nano.pretrain import encode_texts, network_from, normalise
from uhrbat.training.nano.virtual import SIZE, bare_world
from uhrbat.worlds import COLORS, KINDS, LAND_COVERS, World, WorldObject

REAL_KINDS = (
    ("airplane", "ship", "storage tank", "tennis court"),
    ("car", "airplane", "ship", "storage tank"),
    ("car",),
    ("building",),
    ("building",),
)
"""Kinds of which compositions know every object, in turn."""
REAL_OBJECTS, REAL_LONGER = (12, 60), ((4.0, 20.0), (9.0, 60.0), (17.0, 90.0))
"""How many objects a composition holds, and of which longer side at 4032 px, in turn."""
BARE = 10
"""Of this many compositions, one is a picture that shows no object."""
WHOLE = 2
"""Of this many compositions of one kind, one is a part of a single picture."""
HARD_A_PHRASE = (2, 4, 8, 14)
RANDOM_BACKGROUND = (500, 700, 900, 1400)
MEMBERS = 6
REAL_SEED = 900_000
"""Number of the first composition of real pictures; generated worlds of the pool have smaller ones."""


@torch.inference_mode()
def encode_world(
    model: Network, world: PoolWorld | RealWorld, bfloat16: bool = False
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """-> features and similarity vectors of each scale in raster order, float16[grid, grid, d]."""
    features, visual = [], []
    for size in SCALES:
        tiles = size // TILE
        f = np.empty((tiles * TILE_GRID,) * 2 + (model.vision.config.hidden_size,), np.float16)
        v = np.empty((tiles * TILE_GRID,) * 2 + (model.config.projection_dim,), np.float16)
        places = [(row, col) for row in range(tiles) for col in range(tiles)]
        for start in range(0, len(places), 8):
            some = places[start : start + 8]
            pixels = np.stack([world.images[size][r * TILE :][:TILE, c * TILE :][:, :TILE] for r, c in some])
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                out = model.features(normalise(pixels, model.config.image_mean, model.config.image_std)).float()
                seen = model.similarity_vectors(out).float()
            for (r, c), one, two in zip(some, out, seen):
                view = np.s_[r * TILE_GRID : (r + 1) * TILE_GRID, c * TILE_GRID : (c + 1) * TILE_GRID]
                f[view] = one.reshape(TILE_GRID, TILE_GRID, -1).numpy()
                v[view] = two.reshape(TILE_GRID, TILE_GRID, -1).numpy()
        features.append(f)
        visual.append(v)
    return features, visual


def keep_tokens(
    world: PoolWorld | RealWorld, features: list, visual: list, phrases: np.ndarray, rng: np.random.Generator
) -> dict:
    """Choose which tokens the bank keeps of one world; arrays over them."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("features", "visual", "scale", "xy", "owner", "center")}
    for level, size in enumerate(SCALES):
        labels = world.labels[size]
        grid = labels.kind.shape[0]
        objects = np.flatnonzero(labels.owner.reshape(-1) >= 0)
        background = np.flatnonzero((labels.owner.reshape(-1) < 0) & ~labels.ignore.reshape(-1))
        scores = visual[level].reshape(grid * grid, -1)[background].astype(np.float32) @ phrases.T
        count = HARD_A_PHRASE[level]
        hard = background[np.unique(np.argpartition(-scores, count, axis=0)[:count])]
        plain = rng.choice(background, min(len(background), RANDOM_BACKGROUND[level]), replace=False)
        kept = np.concatenate([objects, np.union1d(hard, plain)])
        parts["features"].append(features[level].reshape(grid * grid, -1)[kept])
        parts["visual"].append(visual[level].reshape(grid * grid, -1)[kept])
        parts["scale"].append(np.full(len(kept), level, np.uint8))
        parts["xy"].append(np.stack([kept % grid + 0.5, kept // grid + 0.5], 1).astype(np.float32) / grid)
        parts["owner"].append(labels.owner.reshape(-1)[kept].astype(np.int32))
        parts["center"].append(labels.center.reshape(-1)[kept])
    return {name: np.concatenate(values) for name, values in parts.items()}


@torch.inference_mode()
def keep_regions(model: Network, world: PoolWorld | RealWorld, features: list, rng: np.random.Generator) -> dict:
    """Every scale's k-means regions, each as MEMBERS of its background tokens; arrays over the regions."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("features", "xy", "scale", "land")}
    for level, size in enumerate(SCALES):
        scale, labels = Scale(size), world.labels[size]
        flat = torch.from_numpy(features[level]).flatten(0, 1)[torch.tensor(scale.inverse)].float()
        regions = partition(model.project(flat), scale)[torch.tensor(scale.permutation)].numpy()
        free = rng.permutation(np.flatnonzero(labels.owner.reshape(-1) < 0))
        free = free[np.argsort(regions[free], kind="stable")]
        _, starts, counts = np.unique(regions[free], return_index=True, return_counts=True)
        chosen = free[starts[:, None] + np.arange(MEMBERS) % counts[:, None]]
        parts["features"].append(features[level].reshape(scale.tokens, -1)[chosen])
        xy = np.stack([chosen % scale.grid + 0.5, chosen // scale.grid + 0.5], -1)
        parts["xy"].append(xy.astype(np.float32) / scale.grid)
        parts["scale"].append(np.full(len(chosen), level, np.uint8))
        land = labels.land.reshape(-1)[chosen]
        parts["land"].append((land[:, :, None] == np.arange(len(LAND_COVERS))).sum(1).argmax(1).astype(np.uint8))
    return {f"region_{name}": np.concatenate(values) for name, values in parts.items()}


@dataclass
class BankWorld:
    """Kept tokens of one world (float16 features and visual vectors, scale level, xy in 0..1, owner, centre) and its
    regions: features float16[r, MEMBERS, width] and xy float32[r, MEMBERS, 2] of some tokens, level, land cover."""

    seed: int
    objects: list[WorldObject]
    land_cover: str
    features: np.ndarray
    visual: np.ndarray
    scale: np.ndarray
    xy: np.ndarray
    owner: np.ndarray
    center: np.ndarray
    region_features: np.ndarray
    region_xy: np.ndarray
    region_scale: np.ndarray
    region_land: np.ndarray
    known: tuple[str, ...] | None = None
    """Kinds of which every object is known, and nothing else is; None: all is known."""

    @classmethod
    def load(cls, path: Path) -> BankWorld:
        arrays = load_file(path)
        record = json.loads(path.with_suffix(".json").read_text())
        objects = [
            WorldObject(KINDS[o["kind"]], None if o["color"] == NO_COLOR else COLORS[o["color"]], tuple(o["box"]))
            for o in record["objects"]
        ]
        known = tuple(record["known"]) if record.get("known") else None
        return cls(int(path.stem), objects, record["land_cover"], **arrays, known=known)


def oriented(xy: np.ndarray, way: int) -> np.ndarray:
    """One of the 8 flips and turns of points in 0..1."""
    x, y = xy[..., 0], xy[..., 1]
    x = 1 - x if way & 1 else x
    y = 1 - y if way & 2 else y
    return np.stack([y, x] if way & 4 else [x, y], -1)


def draw_subset(world: BankWorld, rng: np.random.Generator) -> np.ndarray:
    """Indices of the objects of a sparse world: 2 to 8 kinds, half of them once, else 2 to 7 times; one real world in
    eight has none."""
    kinds: dict[str, list[int]] = {}
    for index, item in enumerate(world.objects):
        kinds.setdefault(item.kind, []).append(index)
    names = list(kinds)
    chosen: list[int] = []
    if not names or (world.known and rng.random() < 0.125):
        return np.zeros(0, int)
    for name in rng.choice(len(names), min(len(names), rng.integers(2, 9)), replace=False):
        members = kinds[names[name]]
        if rng.random() < 0.7:
            colors = sorted({world.objects[i].color or "" for i in members})
            palette = rng.choice(colors, min(2, len(colors)), replace=False)
            members = [i for i in members if (world.objects[i].color or "") in palette]
        count = 1 if rng.random() < 0.5 else int(rng.integers(2, 8))
        chosen += list(rng.choice(members, min(count, len(members)), replace=False))
    return np.array(sorted(chosen))


def sparse_world(world: BankWorld, subset: np.ndarray, way: int, seed: int) -> World:
    """The chosen objects of a bank world, flipped or turned, as a world to ask questions about."""
    objects = []
    for index in subset:
        item = world.objects[index]
        corners = oriented(np.array(item.box, float).reshape(2, 2) / SIZE, way) * SIZE
        low, high = corners.min(0), corners.max(0)
        objects.append(WorldObject(item.kind, item.color, (*map(int, low), *map(int, high))))
    return bare_world(objects, world.land_cover, seed)


@dataclass(frozen=True)
class RealWorld:
    """A composition of real pictures as a world of the pool: images uint8[size, size, 3] and labels by scale."""

    known: tuple[str, ...]
    objects: list[dict]
    images: dict[int, np.ndarray]
    labels: dict[int, TokenLabels]
    land_cover: str = LAND_COVERS[0]

    @classmethod
    def compose(cls, composer: Composer, bare: Sequence[Picture], index: int) -> RealWorld:
        """A composition, or every BARE-th time a part of a picture that shows none of the kinds."""
        rng = np.random.default_rng((REAL_SEED, index))
        if bare and index % BARE == BARE - 1:
            return cls.of_picture(composer.cache.read(bare[rng.integers(len(bare))].path), rng)
        kinds = REAL_KINDS[index % len(REAL_KINDS)]
        found = None
        if len(kinds) == 1 and (index // len(REAL_KINDS)) % WHOLE == 0:
            found = composer.whole(kinds[0], rng)
        if found is None:
            longer = REAL_LONGER[(index // len(REAL_KINDS)) % len(REAL_LONGER)]
            found = composer.compose(kinds, rng, REAL_OBJECTS, longer)
        objects = [
            {"kind": KINDS.index(kind), "color": NO_COLOR, "box": [math.floor(v) for v in box]}
            for kind, box in zip(found.labels, found.boxes)
        ]
        return cls.of(kinds, objects, recoloured(found.image, rng))

    @classmethod
    def of_picture(cls, pixels: np.ndarray, rng: np.random.Generator) -> RealWorld:
        """A square part of a picture that shows no object of any kind."""
        height, width = pixels.shape[:2]
        side = round(rng.uniform(0.4, 1.0) * min(height, width))
        left, top = rng.integers(0, width - side + 1), rng.integers(0, height - side + 1)
        return cls.of(KINDS, [], recoloured(pixels[top : top + side, left : left + side], rng))

    @classmethod
    def of(cls, known: tuple[str, ...], objects: list[dict], pixels: np.ndarray) -> RealWorld:
        image, land = Image.fromarray(pixels), np.zeros((1, 1), np.uint8)
        images = {size: np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)) for size in SCALES}
        return cls(known, objects, images, {size: label_tokens(objects, land, size) for size in SCALES})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder of real pictures, for compositions beside worlds")
    parser.add_argument("--bare", type=Path, help="the folder deepforest/data of that package: pictures from near")
    parser.add_argument("--real", type=int, default=80, help="compositions of real pictures")
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--tokenizer", type=Path, default=Path("runs/tokenizer"))
    parser.add_argument("--weights", type=Path, default=Path("runs/pretrain/model.safetensors"))
    parser.add_argument("--out", type=Path, default=Path("runs/bank"))
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--part", default="0/1", help="i/n: every n-th world from the i-th, to share the work out")
    parser.add_argument("--bfloat16", action="store_true", help="for processors with AMX: several times faster")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = loading.tokenizer_of(args.tokenizer)
    codec = TextCodec(tokenizer, POINT_BINS)
    model = network_from(args.weights, len(tokenizer), tokenizer.pad_token_id, codec.end).eval()
    names = [*KINDS, *(f"{color} {kind}" for kind in KINDS for color in COLORS), *LAND_COVERS]
    with torch.inference_mode():
        phrases = model.similarity.text_vectors(*encode_texts(codec, names, model.similarity.max_text_tokens)).numpy()
    part, parts = map(int, args.part.split("/"))
    pictures = training(read_pictures(args.data, OWN_BOXES)) if args.data else []
    composer, bare = Composer(pictures), bare_pictures(args.bare) if args.bare else []
    seeds = available(args.pool)[-args.worlds :] + [REAL_SEED + i for i in range(args.real if pictures else 0)]
    seeds = np.random.default_rng(0).permutation(seeds).tolist()
    for seed in tqdm(seeds[part::parts], desc="bank"):
        path = args.out / f"{seed}.safetensors"
        if path.exists():
            continue
        real = seed >= REAL_SEED
        world = RealWorld.compose(composer, bare, seed - REAL_SEED) if real else PoolWorld(args.pool, seed)
        rng = np.random.default_rng(seed)
        features, visual = encode_world(model, world, args.bfloat16)
        kept = keep_tokens(world, features, visual, phrases, rng) | keep_regions(model, world, features, rng)
        record: dict = {"objects": world.objects, "land_cover": world.land_cover}
        if isinstance(world, RealWorld):
            record["known"] = world.known
        path.with_suffix(".json").write_text(json.dumps(record))
        save_file({name: np.ascontiguousarray(value) for name, value in kept.items()}, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)


if __name__ == "__main__":
    main()
