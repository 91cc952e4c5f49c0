"""Put a trained tower into nano: a checkpoint folder with the new towers and the language model that nano has.

The projector's first layer is fitted by least squares, so that on the same tokens of generated worlds it gives of the
new features, as nearly as it can, what it gave of the old ones (as `uhrbat.training.nano.refit` does); the decoder's
training goes on from there.

    python -m uhrbat.training.nano.assemble --tower runs/tower/average.safetensors --out runs/nano
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from uhrbat.checkpoints import loading
from uhrbat.geometry import SCALES, TILE, TILE_GRID
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.config import POINT_BINS, real_config
from uhrbat.training.nano.pool import PoolWorld, available
from uhrbat.training.nano.refit import refit

BACKGROUND = 40
"""Tokens without an object that are taken of a tile."""
logger = logging.getLogger(__name__)


def with_tower(old: Network, tokenizer_size: int, pad: int, end: int, tower: dict[str, Tensor]) -> Network:
    """nano with the vision and text towers of a tower training's weights; its other parts as they were."""
    model = Network(real_config(tokenizer_size, pad, end)).eval()
    gone = ("vision.", "similarity.", "familiarity.")
    kept = {n: v for n, v in old.state_dict().items() if not n.startswith(gone)}
    new = {n: v for n, v in tower.items() if n.startswith(("vision.", "similarity."))}
    model.load_state_dict(kept | new)
    return model


@torch.inference_mode()
def paired_features(old: Network, new: Network, pool: Path, tiles: int) -> tuple[Tensor, Tensor]:
    """Features of the same tokens by both towers, float32[n, width] each: objects' tokens and some without."""
    rng = np.random.default_rng(0)
    seeds = available(pool)
    out: tuple[list[Tensor], list[Tensor]] = ([], [])
    for _ in range(tiles):
        world = PoolWorld(pool, seeds[rng.integers(len(seeds))])
        size = int(rng.choice(SCALES))
        row, column = (int(value) for value in rng.integers(0, size // TILE, 2))
        pixels = torch.tensor(world.images[size][row * TILE :, column * TILE :][:TILE, :TILE]).permute(2, 0, 1) / 255
        tokens = np.s_[row * TILE_GRID : (row + 1) * TILE_GRID, column * TILE_GRID : (column + 1) * TILE_GRID]
        owner = world.labels[size].owner[tokens].reshape(-1)
        rows = np.concatenate([np.flatnonzero(owner >= 0), rng.choice(np.flatnonzero(owner < 0), BACKGROUND)])
        for model, part in zip((old, new), out):
            mean, std = (torch.tensor(v).view(3, 1, 1) for v in (model.config.image_mean, model.config.image_std))
            part.append(model.features(((pixels - mean) / std)[None])[0][torch.from_numpy(rows)].float().clone())
    return torch.cat(out[0]), torch.cat(out[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tower", type=Path, default=Path("runs/tower/average.safetensors"))
    parser.add_argument("--old", type=Path, default=loading.NANO, help="the model whose language model is kept")
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--tiles", type=int, default=150, help="tiles of worlds that the projector is fitted on")
    parser.add_argument("--out", type=Path, default=Path("runs/nano"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    tokenizer = loading.tokenizer_of(args.old)
    codec = TextCodec(tokenizer, POINT_BINS)
    old = loading.load(str(args.old), torch.device("cpu"), torch.float32).network
    new = with_tower(old, len(tokenizer), tokenizer.pad_token_id, codec.end, load_file(args.tower))
    before, after = paired_features(old, new, args.pool, args.tiles)
    logger.info("%d tokens, variance kept %.3f", len(after), refit(cast(nn.Linear, new.projector[0]), before, after))
    loading.save(new, tokenizer, args.out, torch.float16)


if __name__ == "__main__":
    main()
