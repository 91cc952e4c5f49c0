"""Fit a trained decoder to a tower that was trained further: the projector's first layer, by least squares.

The tower's features have moved, so the layer that reads them is fitted again: on the same tokens it gives, of the new
features, as nearly as it can what it gave of the old ones. The decoder goes on from there (`decoder --warm`).
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from uhrbat.checkpoints import loading
from uhrbat.geometry import SCALES
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.config import POINT_BINS, nano_config
from uhrbat.training.nano.pool import PoolWorld, available
from uhrbat.training.nano.pretrain import load_weights
from uhrbat.training.nano.tokens import encode

BACKGROUND = 6000
logger = logging.getLogger(__name__)


def shared_tokens(
    old: Network, new: Network, world: PoolWorld, rng: np.random.Generator, bfloat16: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of one world's object tokens and some of its background by both towers, float32[n, width] each."""
    before, after = encode(old, world, bfloat16), encode(new, world, bfloat16)
    out: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for size in SCALES:
        owner = world.labels[size].owner.reshape(-1)
        ground = np.flatnonzero(owner < 0)
        rows = np.concatenate([np.flatnonzero(owner >= 0), rng.choice(ground, min(len(ground), BACKGROUND // 4))])
        for part, features in zip(out, (before, after)):
            part.append(features[size].reshape(len(owner), -1)[rows])
    one, other = (torch.from_numpy(np.concatenate(part)).float() for part in out)
    return one, other


@torch.no_grad()
def refit(layer: torch.nn.Linear, before: torch.Tensor, after: torch.Tensor) -> float:
    """Set `layer`, which read `before`, to read `after` float[n, width]. Returns the share of variance it keeps."""
    wanted = layer(before)
    ones = torch.ones(len(after), 1)
    design = torch.cat([after, ones], 1).double()
    gram = design.T @ design + 1e-3 * len(after) * torch.eye(design.shape[1], dtype=torch.double)
    solution = torch.linalg.solve(gram, design.T @ wanted.double()).float()
    layer.weight.copy_(solution[:-1].T)
    layer.bias.copy_(solution[-1])
    off = (layer(after) - wanted).square().sum()
    return float(1 - off / (wanted - wanted.mean(0)).square().sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, default=loading.NANO, help="the model whose decoder goes on")
    parser.add_argument("--tower", type=Path, default=Path("runs/pretrain/model.safetensors"))
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--tokenizer", type=Path, default=loading.NANO)
    parser.add_argument("--out", type=Path, default=Path("runs/refit.safetensors"))
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--bfloat16", action="store_true", help="for processors with AMX: several times faster")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    tokenizer = loading.tokenizer_of(args.tokenizer)
    codec = TextCodec(tokenizer, POINT_BINS)
    old, new = (Network(nano_config(len(tokenizer), tokenizer.pad_token_id, codec.end)).eval() for _ in range(2))
    load_weights(old, args.old)
    new.load_state_dict(old.state_dict())
    tower = {n.removeprefix("model."): v for n, v in load_file(args.tower).items()}
    new.load_state_dict({n: v for n, v in tower.items() if n.startswith(("vision.", "similarity."))}, strict=False)
    rng = np.random.default_rng(0)
    seeds = available(args.pool)[: args.worlds]
    pairs = [shared_tokens(old, new, PoolWorld(args.pool, seed), rng, args.bfloat16) for seed in seeds]
    before, after = (torch.cat(part) for part in zip(*pairs))
    logger.info("%d tokens, variance kept %.3f", len(after), refit(cast(nn.Linear, new.projector[0]), before, after))
    save_file({f"model.{n}": v.contiguous() for n, v in new.state_dict().items()}, args.out)


if __name__ == "__main__":
    main()
