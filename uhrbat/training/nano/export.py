"""Write trained weights as the shipped model: config, tokenizer and safetensors in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from uhrbat.checkpoints import loading
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.config import POINT_BINS, config_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="model.safetensors of the decoder's training")
    parser.add_argument("--tokenizer", type=Path, default=Path("runs/tokenizer"))
    parser.add_argument("--out", type=Path, default=loading.NANO)
    args = parser.parse_args()
    tokenizer = loading.tokenizer_of(args.tokenizer)
    codec = TextCodec(tokenizer, POINT_BINS)
    tensors = {n.removeprefix("model."): v for n, v in load_file(args.weights).items() if not n.startswith("heads.")}
    shapes = {name: value.shape for name, value in tensors.items()}
    config = config_of(shapes, len(tokenizer), tokenizer.pad_token_id, codec.end)
    if config.tower == "clip":
        config.extra = {"generated_scenes_only": True}
    model = Network(config)
    model.load_state_dict(tensors)
    loading.save(model, tokenizer, args.out, torch.float16)


if __name__ == "__main__":
    main()
