"""Seconds and memory until a language model of a released size has read a budget of image tokens, and every token.

    python -m tools.prefill --shape 2b --out runs/prefill.json
    python -m tools.prefill --shape 7b --device cuda --tokens 3000,11100,all --out runs/prefill-7b.json

The model is a family's with random weights, made from a configuration: nothing is downloaded, and what is read takes as
long as with trained weights. Peaks are those of this process, budgets ascending, so that each row's is its own. A row
that is in --out is not measured again; where memory does not suffice for the shape, --layers takes fewer of its layers.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from uhrbat.checkpoints.memory import check_room
from uhrbat.errors import InputError, UHRBATError
from uhrbat.network.decoder import DecoderInput, growing_cache, prefill
from uhrbat.network.families import family_of
from uhrbat.network.families.network import FamilyNetwork
from uhrbat.network.text import Prompt

ALL = "all"
TEXT = 24
"""Tokens of text before the image, and as many after it."""
_ROPE = {"rope_type": "default", "rope_theta": 5e6, "mrope_interleaved": True}
_VISION = {"depth": 1, "hidden_size": 64, "intermediate_size": 64, "num_heads": 1}
SHAPES: dict[str, dict[str, Any]] = {
    "2b": {
        "model_type": "qwen3_vl",
        "vision_config": _VISION | {"out_hidden_size": 2048, "deepstack_visual_indexes": [0, 0, 0]},
        "text_config": {
            "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
            "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": True,
            "rope_parameters": _ROPE | {"mrope_section": [24, 20, 20]},
        },
        "tie_word_embeddings": True,
    },
    "7b": {
        "model_type": "qwen2_5_vl",
        "vision_config": _VISION | {"out_hidden_size": 3584},
        "text_config": {
            "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
    },
}  # fmt: skip
"""The language models of Qwen3-VL-2B and Qwen2.5-VL-7B, behind a vision tower of one layer, which is not run."""


def made(shape: str, layers: int | None, device: torch.device, dtype: torch.dtype) -> FamilyNetwork:
    """A network of a shape with random weights. CheckpointError where it does not fit into memory."""
    fields = dict(SHAPES[shape])
    fields["text_config"] = dict(fields["text_config"])
    if layers:
        fields["text_config"]["num_hidden_layers"] = layers
    kind = fields.pop("model_type")
    config = AutoConfig.for_model(kind, **fields)
    with torch.device("meta"):
        numbers = sum(value.numel() for value in AutoModelForImageTextToText.from_config(config).parameters())
    check_room(f"of shape {shape}", numbers, device, dtype)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
    family = family_of(kind)
    if family is None:
        raise InputError(f"the shape '{shape}' is of no family: give one of {', '.join(SHAPES)}")
    return FamilyNetwork(family, model, (0.5,) * 3, (0.5,) * 3).eval()


@torch.inference_mode()
def measured(network: FamilyNetwork, tokens: int, rounds: int) -> dict[str, float]:
    """Seconds from so many image tokens to the first token's logits, the median of some rounds, and the peak memory."""
    device = network.device
    side = network.config.scale(network.config.scales[-1]).grid
    numbers = torch.Generator(device).manual_seed(1)
    image = torch.randn(tokens, network.embedding, generator=numbers, device=device, dtype=network.dtype) * 0.02
    places = torch.randint(0, side, (2, tokens), generator=numbers, device=device)
    one = DecoderInput(Prompt([*range(TEXT)], [*range(TEXT)]), image, places=places, side=side)
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        read = prefill(network, [one], growing_cache(network.text_config.num_hidden_layers))
        int(network.logits(read.output[:, -1]).argmax())
        seconds.append(time.perf_counter() - began)
        del read
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"tokens": tokens, "seconds": round(statistics.median(seconds), 3), "peak_gb": round(peak / 1e9, 3)}


def table(found: dict[str, Any]) -> str:
    """The rows as Markdown; ratios are to the row of most tokens."""
    rows = sorted(found["rows"], key=lambda row: row["tokens"])
    lines = ["| image tokens | seconds | of the most | peak, GB |", "| --- | --- | --- | --- |"]
    for row in rows:
        share = row["seconds"] / rows[-1]["seconds"]
        lines.append(f"| {row['tokens']:,} | {row['seconds']:.2f} | {share:.1%} | {row['peak_gb']:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="2b")
    parser.add_argument("--layers", type=int, help="of the language model, fewer than the shape's")
    parser.add_argument("--tokens", default=f"256,1024,3000,{ALL}", help="of the image, separated by commas")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--out", type=Path, required=True, help="JSON that the rows are kept in")
    options = parser.parse_args(arguments)
    try:
        found = run(options)
    except UHRBATError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(found))
    return 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what --out does not hold yet. InputError where it holds rows of something else."""
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    what = {
        "shape": options.shape,
        "layers": options.layers or SHAPES[options.shape]["text_config"]["num_hidden_layers"],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "dtype": options.dtype,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {"what": what, "rows": []}
    if found["what"] != what:
        raise InputError(f"'{options.out}' holds rows of {found['what']}: give another --out, or delete it")
    network = made(options.shape, options.layers, device, dtype)
    config = network.config
    every = sum(config.scale(size).tokens for size in config.scales)
    wanted = {every if word == ALL else int(word) for word in options.tokens.split(",")}
    known = {row["tokens"] for row in found["rows"]}
    for tokens in sorted(wanted - known):
        found["rows"].append(measured(network, tokens, options.rounds))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    sys.exit(main())
