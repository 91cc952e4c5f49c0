"""Print how far the scales of a large image are from those of all its pixels, because it is shrunk while it streams.

    python -m tools.shrink_difference IMAGE [--width 16000] [--height 12000]

A mosaic of IMAGE, mirrored at its seams, is read by `read_canvas` and, for comparison, held whole in memory and resized
by Pillow as smaller images are. Differences are of 255, over all pixels and channels.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image

from uhrbat.imagery import Canvas, read_canvas, scale_images


def mosaic(path: Path, width: int, height: int) -> pyvips.Image:
    """`width` x `height` pixels of an image and its mirror images side by side."""
    image = pyvips.Image.new_from_file(str(path))
    row = image.join(image.fliphor(), "horizontal")
    block = row.join(row.flipver(), "vertical").copy_memory()
    return block.replicate(-(-width // block.width), -(-height // block.height)).crop(0, 0, width, height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("--width", type=int, default=16_000)
    parser.add_argument("--height", type=int, default=12_000)
    options = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mosaic.tif"
        mosaic(options.image, options.width, options.height).tiffsave(str(path), tile=True)
        canvas = read_canvas(path)
        exact = Canvas(Image.open(path).convert("RGB"))
    print(f"{options.width:,} x {options.height:,}, shrunk by {canvas.shrink}")
    print("| scale | mean | 99.9 % | most |\n| --- | --- | --- | --- |")
    for (size, ours), (_, theirs) in zip(scale_images(canvas), scale_images(exact), strict=True):
        difference = np.abs(ours.astype(np.int16) - theirs)
        print(
            f"| {size} | {difference.mean():.2f} | {np.percentile(difference, 99.9):.0f} | {difference.max()} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
