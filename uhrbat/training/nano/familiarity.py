"""Teach a trained nano which pictures it has seen: mean and directions of its training tiles' features, and a limit.

The limit is set by pictures held back from training, real and generated.

    python -m uhrbat.training.nano.familiarity --model runs/nano --data DATA/real --out runs/nano
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from uhrbat.data.compositions import Composer
from uhrbat.data.real import OWN_BOXES, Picture, PictureCache, bare_pictures, held_back, read_pictures, training
from uhrbat.engine import SUMMED_UP, UHRBAT
from uhrbat.geometry import SCALES
from uhrbat.imagery import canvas_of
from uhrbat.network.familiarity import Familiarity, brightness
from uhrbat.training.nano.augment import degraded, recoloured
from uhrbat.training.nano.pool import PoolWorld, available
from uhrbat.worlds import DEVELOPMENT_SEEDS, generate

DIRECTIONS = 96
QUANTILE, MARGIN = 0.99, 1.05
"""The limit is this quantile of the held-back pictures' distances and a little more: they share its sources."""
DARKER = 0.8
"""A picture may be darker than nearly all of the training by this factor."""
logger = logging.getLogger(__name__)


def seen_pictures(pictures: Sequence[Picture], count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Pictures as people open them: parts of real ones at any size, compositions, recoloured and degraded at random."""
    cache = PictureCache()
    composer = Composer(pictures, cache)
    boxed = ("car", "airplane", "ship", "storage tank", "building")
    for index in range(count):
        if index % 6 == 0:
            image = composer.compose(boxed[index // 6 % len(boxed)], rng, (0, 40), (9, 60), 1344).image
        else:
            source = cache.read(pictures[int(rng.integers(len(pictures)))].path)
            height, width = source.shape[:2]
            wide, tall = (round(rng.uniform(0.5, 1.0) * side) for side in (width, height))
            left, top = rng.integers(0, width - wide + 1), rng.integers(0, height - tall + 1)
            image = source[top : top + tall, left : left + wide]
        yield degraded(recoloured(image, rng), rng) if rng.random() < 0.6 else image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="runs/nano")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bare", type=Path, help="the folder deepforest/data of that package")
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--pictures", type=int, default=900, help="real pictures that it is fitted on")
    parser.add_argument("--held", type=int, default=300, help="pictures held back that set the limit")
    parser.add_argument(
        "--strange", type=Path, help="a folder of pictures of other kinds, to count how many are noticed"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    engine = UHRBAT.from_pretrained(args.model)
    rng = np.random.default_rng(0)
    pictures = read_pictures(args.data, OWN_BOXES)
    own = training(pictures) + (bare_pictures(args.bare) if args.bare else [])
    parts = [engine.summary(canvas_of(image)) for image in seen_pictures(own, args.pictures, rng)]
    parts += [
        engine.summary(canvas_of(PoolWorld(args.pool, seed).images[SCALES[SUMMED_UP]])) for seed in available(args.pool)
    ]
    engine.network.config.familiarity = DIRECTIONS
    known = engine.network.familiarity = Familiarity(engine.network.vision.config.hidden_size, DIRECTIONS)
    known.fit(torch.cat(parts))
    known.darkest.fill_(float(np.quantile([brightness(summary) for summary in parts], 1 - QUANTILE)) * DARKER)
    held = [engine.summary(canvas_of(image)) for image in seen_pictures(held_back(pictures), args.held, rng)]
    for seed in range(DEVELOPMENT_SEEDS.start, DEVELOPMENT_SEEDS.start + 12):
        world = Image.fromarray(generate(seed).image).resize((SCALES[SUMMED_UP],) * 2, Image.Resampling.BICUBIC)
        held.append(engine.summary(canvas_of(np.asarray(world))))
    distances = np.array([known.distance(summary) for summary in held])
    logger.info("darkest: %.3f", float(known.darkest))
    known.limit.fill_(float(np.quantile(distances, QUANTILE)) * MARGIN)
    shown = ", ".join(f"{q}: {np.quantile(distances, q):.2f}" for q in (0.05, 0.5, 0.9, 0.95, 0.99, 1.0))
    logger.info("distances of %d held-back pictures by quantile: %s", len(distances), shown)
    own_held = held_back(pictures)
    strange = {"night": night, "radar": radar}
    rows = {
        name: [change(image, rng) for image in seen_pictures(own_held, 40, rng)] for name, change in strange.items()
    }
    if args.strange:
        paths = sorted(path for path in args.strange.iterdir() if path.suffix in (".jpg", ".png"))
        rows["other kinds"] = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    engine.save_pretrained(args.out, torch.float16)
    for name, images in rows.items():
        found = [not known.seen(engine.summary(canvas_of(image))) for image in images]
        logger.info("%s: %d of %d noticed", name, sum(found), len(found))


def night(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture as by night: dark and noisy, with lamps."""
    dark = image.astype(np.float32) * rng.uniform(0.04, 0.12)
    lamps = np.zeros(image.shape[:2], np.float32)
    count = max(6, image.shape[0] * image.shape[1] // 1500)
    lamps[rng.integers(0, image.shape[0], count), rng.integers(0, image.shape[1], count)] = rng.uniform(
        400, 3000, count
    )
    glow = cv2.GaussianBlur(lamps, (0, 0), rng.uniform(0.8, 2.5))[..., None] * np.array([1.0, 0.85, 0.55])
    return np.clip(dark + glow + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def radar(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture as by radar: the edges of its brightness, grey, under speckle."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1.0), cv2.CV_32F))
    speckled = (0.35 * grey + 6 * edges) * rng.gamma(1.0, 1.0, grey.shape)
    return np.repeat(np.clip(speckled, 0, 255).astype(np.uint8)[..., None], 3, 2)


if __name__ == "__main__":
    main()
