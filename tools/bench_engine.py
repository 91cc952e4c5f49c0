"""How long nano's stages take on this machine, beside what its matrix rate allows.

    python -m tools.bench_engine --threads 1

Prints: the measured bfloat16 and float32 matrix rates; the encoding of the four scales (131,328 tokens) in both, and
the share of the rate that this is; a first and a second question on the encoded image; a second budget's selection.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from uhrbat import UHRBAT
from uhrbat.geometry import SCALES, TILE, TILE_GRID
from uhrbat.imagery import canvas_of
from uhrbat.network.model import Network
from uhrbat.worlds import DEVELOPMENT_SEEDS, generate

FIRST, SECOND = "How many ships are there?", "Where is the red car?"
BUDGETS = range(500, 5000, 150)


def matrix_rate(dtype: torch.dtype, seconds: float = 2.0) -> float:
    """FLOP/s of a matrix product of a tile batch's shape, the best of several."""
    left, right = torch.randn(4608, 768).to(dtype), torch.randn(768, 768).to(dtype)
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * 4608 * 768 * 768 / best


def encode_flops(model: Network) -> float:
    """Multiplications and additions of the vision tower, projector and similarity vectors over four scales."""
    vision, hidden = model.vision.config, model.language.config.hidden_size
    width, tokens = vision.hidden_size, TILE_GRID**2 + 1
    layer = 4 * width**2 + 2 * width * vision.intermediate_size + 2 * tokens * width
    a_token = vision.num_hidden_layers * layer + 3 * vision.patch_size**2 * width
    a_token += width * hidden + hidden**2 + width * model.config.projection_dim
    return 2 * a_token * tokens * sum((size // TILE) ** 2 for size in SCALES)


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, default=4032, help="side of the generated scene")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    canvas = canvas_of(generate(DEVELOPMENT_SEEDS.start, args.size).image)
    rates = {dtype: matrix_rate(dtype) for dtype in (torch.bfloat16, torch.float32)}
    for dtype, rate in rates.items():
        model = UHRBAT.from_pretrained("nano", device="cpu", dtype=dtype)
        flops = encode_flops(model.network)
        took = min(seconds(lambda: model.encode_canvas(canvas, generated=True)) for _ in range(2))  # noqa: B023
        print(f"{dtype!s:15} matrix rate {rate / 1e9:.0f} GFLOP/s; encode {flops / 1e9:.0f} GFLOP in {took:.2f} s")
        print(f"{'':15} {flops / rates[torch.bfloat16] / took:.0%} of what the bfloat16 rate allows")
    scene = model.encode_canvas(canvas, generated=True)

    def ask(question: str) -> None:
        scene.ask(question).select(3000).answer()

    first, second = seconds(lambda: ask(FIRST)), seconds(lambda: ask(SECOND))
    print(f"first question {took + first:.2f} s with encoding, {first:.2f} s without; second question {second:.2f} s")
    view = scene.ask(SECOND)
    times = [seconds(lambda: view.select(budget)) for budget in BUDGETS]  # noqa: B023
    print(f"another budget's selection: median {statistics.median(times) * 1e3:.1f} ms, most {max(times) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
