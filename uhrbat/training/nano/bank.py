"""Tokens of encoded worlds, kept for stage two: every object's tokens and the background that looks most like one.

A bank world is a dense world from which stage two draws sparse ones: some of its objects, all of its background.

    python -m uhrbat.training.nano.bank --tokens runs/tokens --weights runs/refined --out runs/bank
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from uhrbat.checkpoints import loading
from uhrbat.evaluation.kept import part_of
from uhrbat.geometry import SCALES, Scale
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.selection.regions import partition
from uhrbat.training.nano.pool import NO_COLOR
from uhrbat.training.nano.pretrain import encode_texts, opened
from uhrbat.training.nano.tokens import WorldTokens, paths_of
from uhrbat.training.nano.virtual import SIZE, bare_world
from uhrbat.worlds import COLORS, KINDS, LAND_COVERS, World, WorldObject

HARD_A_PHRASE, HARD_A_REAL_KIND = (2, 4, 8, 14), (30, 60, 120, 240)
"""Of each scale, how many background tokens are kept that look most like what a phrase names: a real picture's kinds
have many more lookalikes than a generated one's."""
RANDOM_BACKGROUND = (500, 700, 900, 1400)
MEMBERS = 6
NONE = 0.2
"""Share of the worlds of real pictures that are drawn without any object."""


@torch.inference_mode()
def phrases_of(model: Network, codec: TextCodec, known: tuple[str, ...] | None) -> torch.Tensor:
    """Vectors of what a world's questions may name: every kind, with every colour, and land cover; of real pictures the
    known kinds."""
    colored = (f"{color} {kind}" for kind in KINDS for color in COLORS)
    names = list(known) if known else [*KINDS, *colored, *LAND_COVERS]
    similarity = model.dense_similarity()
    return similarity.text_vectors(*encode_texts(codec, names, similarity.max_text_tokens))


@torch.inference_mode()
def keep_tokens(model: Network, world: WorldTokens, phrases: torch.Tensor, rng: np.random.Generator) -> dict:
    """Choose which tokens the bank keeps of one world; arrays over them."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("features", "visual", "scale", "xy", "owner", "center")}
    for level, size in enumerate(SCALES):
        labels = world.labels[size]
        grid = labels.kind.shape[0]
        features = world.features[size].reshape(grid * grid, -1)
        visual = model.similarity_vectors(torch.from_numpy(features).float())
        objects = np.flatnonzero(labels.owner.reshape(-1) >= 0)
        background = np.flatnonzero((labels.owner.reshape(-1) < 0) & ~labels.ignore.reshape(-1))
        scores = visual[torch.from_numpy(background)] @ phrases.T
        count = (HARD_A_REAL_KIND if world.known else HARD_A_PHRASE)[level]
        hard = background[np.unique(scores.topk(count, 0).indices.numpy())]
        plain = rng.choice(background, min(len(background), RANDOM_BACKGROUND[level]), replace=False)
        kept = np.concatenate([objects, np.union1d(hard, plain)])
        parts["features"].append(features[kept])
        parts["visual"].append(visual.numpy()[kept].astype(np.float16))
        parts["scale"].append(np.full(len(kept), level, np.uint8))
        parts["xy"].append(np.stack([kept % grid + 0.5, kept // grid + 0.5], 1).astype(np.float32) / grid)
        parts["owner"].append(labels.owner.reshape(-1)[kept].astype(np.int32))
        parts["center"].append(labels.center.reshape(-1)[kept])
    return {name: np.concatenate(values) for name, values in parts.items()}


@torch.inference_mode()
def keep_regions(model: Network, world: WorldTokens, rng: np.random.Generator) -> dict:
    """Every scale's k-means regions, each as MEMBERS of its background tokens; arrays over the regions."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("features", "xy", "scale", "land")}
    for level, size in enumerate(SCALES):
        scale, labels = Scale(size), world.labels[size]
        flat = torch.from_numpy(world.features[size]).flatten(0, 1)[torch.tensor(scale.inverse)].float()
        regions = partition(model.project(flat), scale)[torch.tensor(scale.permutation)].numpy()
        free = rng.permutation(np.flatnonzero(labels.owner.reshape(-1) < 0))
        free = free[np.argsort(regions[free], kind="stable")]
        _, starts, counts = np.unique(regions[free], return_index=True, return_counts=True)
        chosen = free[starts[:, None] + np.arange(MEMBERS) % counts[:, None]]
        parts["features"].append(world.features[size].reshape(scale.tokens, -1)[chosen])
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
            WorldObject(KINDS[o["kind"]], None if o["color"] == NO_COLOR else COLORS[o["color"]], (*o["box"],))
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
    """Indices of the objects of a sparse world: 2 to 8 kinds, half of them once, else 2 to 7 times; some real worlds
    have none."""
    kinds: dict[str, list[int]] = {}
    for index, item in enumerate(world.objects):
        kinds.setdefault(item.kind, []).append(index)
    names = list(kinds)
    chosen: list[int] = []
    if not names or (world.known and rng.random() < NONE):
        return np.zeros(0, int)
    for name in rng.choice(len(names), min(len(names), int(rng.integers(2, 9))), replace=False):
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
        (x0, y0), (x1, y1) = low.astype(int).tolist(), high.astype(int).tolist()
        objects.append(WorldObject(item.kind, item.color, (x0, y0, x1, y1)))
    return bare_world(objects, world.land_cover, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=Path, default=Path("runs/tokens"))
    parser.add_argument("--weights", type=Path, default=Path("runs/refined"), help="the model's folder or a run's file")
    parser.add_argument("--tokenizer", type=Path, default=loading.NANO)
    parser.add_argument("--out", type=Path, default=Path("runs/bank"))
    parser.add_argument("--part", default="1/1", help="i/n: every n-th world, for n processes that share the work")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    model, codec = opened(args.weights, args.tokenizer)
    part, parts = part_of(args.part)
    for source in tqdm(paths_of(args.tokens)[part - 1 :: parts], desc="bank"):
        path = args.out / source.name
        if path.exists():
            continue
        world, rng = WorldTokens.load(source), np.random.default_rng(int(source.stem))
        kept = keep_tokens(model, world, phrases_of(model, codec, world.known), rng) | keep_regions(model, world, rng)
        record = {"objects": world.objects, "land_cover": world.land_cover, "known": world.known}
        path.with_suffix(".json").write_text(json.dumps(record))
        save_file({name: np.ascontiguousarray(value) for name, value in kept.items()}, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)


if __name__ == "__main__":
    main()
