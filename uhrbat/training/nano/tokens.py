"""Every token of generated worlds and of compositions of real pictures, encoded once for what is trained on them.

    python -m uhrbat.training.nano.tokens --weights runs/nano --pool runs/pool --data DATA/real --out runs/tokens

A composition is laid of real pictures; only objects of some kinds are known of it, of those all. What is in --out is
not encoded again.
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
from uhrbat.data.compositions import Composer, Composition
from uhrbat.data.real import OWN_BOXES, Picture, bare_pictures, read_pictures, training
from uhrbat.evaluation.kept import part_of
from uhrbat.geometry import SCALES, TILE, TILE_GRID
from uhrbat.network.model import Network
from uhrbat.training.nano.augment import recoloured
from uhrbat.training.nano.pool import NO_COLOR, PoolWorld, TokenLabels, available, label_tokens
from uhrbat.training.nano.pretrain import normalise, opened
from uhrbat.worlds import KINDS, LAND_COVERS

REAL_KINDS = (
    ("airplane", "ship", "storage tank", "tennis court"),
    ("car",),
    ("car", "airplane", "ship", "storage tank"),
    ("building",),
    ("car",),
)
"""Kinds of which compositions know every object, in turn."""
REAL_OBJECTS, REAL_LONGER = (12, 60), ((4.0, 20.0), (9.0, 60.0), (17.0, 90.0))
"""How many objects a composition holds, and of which longer side at 4032 px, in turn."""
BARE = 10
"""Of this many compositions, one is a picture that shows no object."""
WHOLE = 2
"""Of this many compositions of one kind, one is a part of a single picture."""
MOSAIC_KINDS, ACROSS = (REAL_KINDS[0], REAL_KINDS[2], ("airplane", "tennis court")), (4, 5, 5, 6, 8)
"""Kinds of which mosaics of whole pictures know every object, and of how many pictures across, in turn: five across, a
picture of 256 px is about as large as in the square in which it is asked about (`NetworkConfig.least_side`)."""
REAL_SEED, MOSAIC_SEED = 900_000, 950_000
"""Number of the first composition of real pictures and of the first mosaic; generated worlds of the pool have smaller
ones."""


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
            return cls.of_picture(composer.cache.read(bare[int(rng.integers(len(bare)))].path), rng)
        kinds = REAL_KINDS[index % len(REAL_KINDS)]
        found = None
        if len(kinds) == 1 and (index // len(REAL_KINDS)) % WHOLE == 0:
            found = composer.whole(kinds[0], rng)
        if found is None:
            longer = REAL_LONGER[(index // len(REAL_KINDS)) % len(REAL_LONGER)]
            found = composer.compose(kinds, rng, REAL_OBJECTS, longer)
        return cls.of_composition(found, rng)

    @classmethod
    def mosaic(cls, composer: Composer, index: int) -> RealWorld:
        """Whole pictures side by side, whose objects are as large as in pictures that are asked about alone."""
        rng = np.random.default_rng((MOSAIC_SEED, index))
        kinds = MOSAIC_KINDS[index % len(MOSAIC_KINDS)]
        return cls.of_composition(composer.mosaic(kinds, rng, ACROSS[index % len(ACROSS)]), rng)

    @classmethod
    def of_composition(cls, found: Composition, rng: np.random.Generator) -> RealWorld:
        """A composition of which all objects of its kinds are known."""
        objects = [
            {"kind": KINDS.index(kind), "color": NO_COLOR, "box": [math.floor(v) for v in box]}
            for kind, box in zip(found.labels, found.boxes)
        ]
        return cls.of(found.kinds, objects, recoloured(found.image, rng))

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


@dataclass
class WorldTokens:
    """Every token of a world. features: float16[grid, grid, width] and labels by scale; objects, each {"kind", "color",
    "box"} as `pool.object_records` gives them; known: kinds of which every object is known, None: all is known."""

    seed: int
    objects: list[dict]
    land_cover: str
    known: tuple[str, ...] | None
    features: dict[int, np.ndarray]
    labels: dict[int, TokenLabels]

    @classmethod
    def load(cls, path: Path) -> WorldTokens:
        arrays = load_file(path)
        record = json.loads(path.with_suffix(".json").read_text())
        labels = {size: TokenLabels(**{name: arrays[f"{name}.{size}"] for name in LABELS}) for size in SCALES}
        features = {size: arrays[f"features.{size}"] for size in SCALES}
        known = tuple(record["known"]) if record["known"] else None
        return cls(int(path.stem), record["objects"], record["land_cover"], known, features, labels)

    def save(self, folder: Path) -> None:
        path = folder / f"{self.seed}.safetensors"
        arrays = {f"features.{size}": values for size, values in self.features.items()}
        for size, labels in self.labels.items():
            arrays |= {f"{name}.{size}": np.ascontiguousarray(getattr(labels, name)) for name in LABELS}
        record = {"objects": self.objects, "land_cover": self.land_cover, "known": self.known}
        path.with_suffix(".json").write_text(json.dumps(record))
        save_file(arrays, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)


LABELS = ("kind", "color", "center", "ignore", "owner", "land")


@torch.inference_mode()
def encode(model: Network, world: PoolWorld | RealWorld, bfloat16: bool = False) -> dict[int, np.ndarray]:
    """Features of every scale in raster order, float16[grid, grid, width]; bfloat16: computed in that."""
    features = {}
    for size in SCALES:
        tiles = size // TILE
        out = np.empty((tiles * TILE_GRID,) * 2 + (model.vision.config.hidden_size,), np.float16)
        places = [(row, column) for row in range(tiles) for column in range(tiles)]
        for start in range(0, len(places), 8):
            some = places[start : start + 8]
            pixels = np.stack([world.images[size][r * TILE :][:TILE, c * TILE :][:, :TILE] for r, c in some])
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                seen = model.features(normalise(pixels, model.config.image_mean, model.config.image_std))
            for (r, c), one in zip(some, seen.float()):
                where = np.s_[r * TILE_GRID : (r + 1) * TILE_GRID, c * TILE_GRID : (c + 1) * TILE_GRID]
                out[where] = one.reshape(TILE_GRID, TILE_GRID, -1).numpy()
        features[size] = out
    return features


def paths_of(folder: Path) -> list[Path]:
    """The worlds in a folder of tokens, by number."""
    return sorted(folder.glob("*.safetensors"), key=lambda path: int(path.stem))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of real pictures, for compositions beside worlds")
    parser.add_argument("--bare", type=Path, help="the folder deepforest/data of that package: pictures from near")
    parser.add_argument("--real", type=int, default=240, help="compositions of real pictures")
    parser.add_argument("--mosaics", type=int, default=0, help="mosaics of whole real pictures")
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--tokenizer", type=Path, default=loading.NANO)
    parser.add_argument("--weights", type=Path, default=Path("runs/pretrain/model.safetensors"))
    parser.add_argument("--out", type=Path, default=Path("runs/tokens"))
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--part", default="1/1", help="i/n: every n-th world, for n processes that share the work")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    model, _ = opened(args.weights, args.tokenizer)
    part, parts = part_of(args.part)
    pictures = training(read_pictures(args.data, OWN_BOXES)) if args.data else []
    composer, bare = Composer(pictures), bare_pictures(args.bare) if args.bare else []
    seeds = available(args.pool)[-args.worlds :] if args.worlds else []
    if pictures:
        seeds += [REAL_SEED + i for i in range(args.real)] + [MOSAIC_SEED + i for i in range(args.mosaics)]
    seeds = np.random.default_rng(0).permutation(seeds).tolist()
    for seed in tqdm(seeds[part - 1 :: parts], desc="tokens"):
        if (args.out / f"{seed}.safetensors").exists():
            continue
        world: RealWorld | PoolWorld
        if seed >= MOSAIC_SEED:
            world = RealWorld.mosaic(composer, seed - MOSAIC_SEED)
        elif seed >= REAL_SEED:
            world = RealWorld.compose(composer, bare, seed - REAL_SEED)
        else:
            world = PoolWorld(args.pool, seed)
        known = world.known if isinstance(world, RealWorld) else None
        features = encode(model, world)
        WorldTokens(seed, world.objects, world.land_cover, known, features, world.labels).save(args.out)


if __name__ == "__main__":
    main()
