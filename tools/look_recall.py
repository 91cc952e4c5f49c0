"""Print how many of the objects that questions need are looked at, by looks, for other constants of the order of looks.

    python -m tools.look_recall --side 16384 --scenes 4 [--looks 64,256]

On large development worlds, by nano: of each question's evidence, whether a look of the finest native scale goes to it.
`uhrbat.looks.EVEN` and `QUESTION_WEIGHT` are to be chosen by this table.
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path

from uhrbat import looks
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.markdown import percent, table
from uhrbat.geometry import Square
from uhrbat.looks import Place
from uhrbat.results import Box
from uhrbat.worlds import DEVELOPMENT_SEEDS, questions
from uhrbat.worlds.large import write_world

EVERY = (4, 8, 16)
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)


def looked_at(square: Square, order: list[Place], boxes: list[Box]) -> list[int]:
    """Of each box at which place of the order, from 1, the first look at it by the finest native scale comes."""
    size = square.native_sizes[-1]
    place = {tile: number for number, (at, tile) in enumerate(order, 1) if at == size}
    return [min(place[tile] for tile in square.tiles_in_box(size, box).tolist()) for box in boxes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=16_384)
    parser.add_argument("--scenes", type=int, default=4, help="development worlds")
    parser.add_argument("--looks", default="64,256")
    options = parser.parse_args()
    counts = [int(part) for part in options.looks.split(",")]
    engine = UHRBAT.from_pretrained("nano")
    found: dict[tuple[int, float], list[int]] = {key: [] for key in product(EVERY, WEIGHTS)}
    with tempfile.TemporaryDirectory() as folder:
        for seed in DEVELOPMENT_SEEDS[: options.scenes]:
            path = Path(folder) / f"{seed}.tif"
            world = write_world(seed, options.side, path)
            image = engine.encode(path, progress=None)
            finest = image.square.sizes[-1]
            for question in questions(world, seed, 20):
                importance = image.ask(question.text).importance[finest]
                for (every, weight), places in found.items():
                    order = looks.plan(image.square, image.saliency(), importance, every, weight)
                    places += looked_at(image.square, order, list(world.boxes(question)))
            path.unlink()
    rows = [
        [every, weight, *(percent(sum(place <= count for place in places) / len(places)) for count in counts)]
        for (every, weight), places in found.items()
    ]
    print(f"{options.scenes} development worlds of {options.side:,} px; evidence looked at, %, by the number of looks")
    print("\n".join(table(["every so many one evenly", "weight of the question", *counts], rows)))


if __name__ == "__main__":
    main()
