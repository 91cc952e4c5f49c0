"""Processor seconds of decoding a picture here, and in a process of its own.

    python -m tools.decode_apart [--rounds 9] [FILE ...]

Without files: a JPEG of 4,000 x 4,000 and a sparse deflate TIFF of 20,000 x 20,000, made for it. Both ways take turns;
the median of their rounds is printed. Exits with 1 where the pixels differ.
"""

import argparse
import resource
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pyvips

from tests.support.made_images import sparse_mosaic
from uhrbat import imagery
from uhrbat.imagery import apart


def made(folder: Path) -> list[Path]:
    """The two files."""
    blocks = np.kron(np.random.default_rng(0).integers(0, 255, (250, 250, 3)), np.ones((16, 16, 1)))
    pyvips.Image.new_from_array(blocks.astype(np.uint8)).gaussblur(3).jpegsave(str(folder / "4000.jpg"), Q=90)
    return [folder / "4000.jpg", sparse_mosaic(folder / "20000.tif", side=20_000)]


def seconds() -> float:
    """Processor seconds of this process and of those that decode for it, ended ones included."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    running = sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children())
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + running


def main() -> int:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    same = True
    with tempfile.TemporaryDirectory() as folder:
        for path in given.files or made(Path(folder)):
            info = imagery.open_image(path)
            took: dict[str, list[float]] = {"here": [], "apart": []}
            apart.open_image(path)
            for _ in range(given.rounds):
                pictures = []
                seen: list[float] = []
                for name, read in (("here", imagery.read_canvas), ("apart", apart.read_canvas)):
                    began = seconds()
                    pictures.append(read(path, info, seen.append))
                    took[name].append(seconds() - began)
                same &= pictures[0].image.tobytes() == pictures[1].image.tobytes()
            here, there = (statistics.median(took[name]) for name in ("here", "apart"))
            print(f"{path.name}: here {here:.2f} s, apart {there:.2f} s, {100 * (there / here - 1):+.0f} %", flush=True)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
