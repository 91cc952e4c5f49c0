"""Large worlds, written, encoded and looked at: what frontier and loss test beyond the finest scale share."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cachetools import LRUCache

from uhrbat import looks
from uhrbat.budget import read_looks
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError
from uhrbat.looks import Place
from uhrbat.progress import Reporter
from uhrbat.question import Question
from uhrbat.selection.importance import scale_weights
from uhrbat.worlds import World, WorldQuestion, questions
from uhrbat.worlds.large import LargeWorld, write_world

ALL = "all"
"""What stands for a look at every tile."""
SPLITS = ("paper", "question")


def read_list(text: str) -> tuple[str, ...]:
    """Numbers of looks, and "all", separated by commas, as they are named in reports; InputError for anything else."""
    found = []
    for part in (part.strip().replace("_", "") for part in text.split(",")):
        number = part if part == ALL else str(read_looks(int(part) if part.isdecimal() else part))
        if number not in found:
            found.append(number)
    return tuple(found)


@dataclass
class LookedWorld:
    """A large world with its questions, its tiles encoded ahead for all looks that are wanted.

    orders: of each question the tiles in the order in which they are looked at. seconds: of writing, of encoding the
    whole scales, of reading the tiles and encoding them ("look"), and how many "tiles" these were.
    """

    world: World
    image: EncodedImage
    questions: list[WorldQuestion]
    orders: list[list[Place]]
    seconds: dict[str, float] = field(default_factory=dict)

    def places(self, number: int, wanted: str) -> list[Place]:
        """The tiles that a question looks at."""
        order = self.orders[number]
        return order if wanted == ALL else order[: int(wanted)]

    def asked(self, number: int, wanted: str) -> dict[str, Question]:
        """A question with so many looks, by how a total budget is shared over the scales."""
        question = self.image.ask(self.questions[number].text, looks=_by_size(self.places(number, wanted)))
        weights = scale_weights(question.importance, question.image.excluded, question.image.square.scales)
        return {"paper": replace(question, weights=None), "question": replace(question, weights=weights)}

    def native_size(self, number: int) -> float:
        """Longer side of the smallest object that a question needs, in pixels of the file; 0 where it needs none."""
        boxes = self.world.boxes(self.questions[number])
        return float(min((max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes), default=0))


@contextmanager
def looked_world(
    engine: UHRBAT, seed: int, side: int, wanted: tuple[str, ...], count: int, folder: Path, keep: bool
) -> Iterator[LookedWorld]:
    """The large world of a seed, ready to be asked `count` questions with each of the wanted looks.

    Its file is in `folder`, and stays there if it is to be kept. InputError where the side shows no more than the
    finest scale does.
    """
    if not engine.network.config.square(side, side).native_sizes:
        raise InputError(f"a world of {side:,} px has no native scale to look at: choose a larger --side")
    folder.mkdir(parents=True, exist_ok=True)
    path, began = folder / f"world-{seed}-{side}.tif", time.perf_counter()
    world = LargeWorld(seed, side).truth if path.exists() else write_world(seed, side, path)
    seconds = {"write": time.perf_counter() - began}
    try:
        image = engine.encode(path, progress=None)
        seconds |= image.seconds
        asked = questions(world, seed, count)
        square, finest = image.square, image.square.sizes[-1]
        orders = [
            looks.plan(square, image.saliency(), image.ask(question.text).importance[finest]) for question in asked
        ]
        found = LookedWorld(world, image, asked, orders, seconds)
        needed = {place for number in range(len(asked)) for name in wanted for place in found.places(number, name)}
        needed |= {
            (size, int(tile))
            for question in asked
            for box in world.boxes(question)
            for size in square.native_sizes[-1:]
            for tile in square.tiles_in_box(size, box)
        }
        image.tiles = LRUCache(max(1, len(needed)))
        report = Reporter(None, None)
        report("look", 0.0)
        looks.encode(image, square.looking(_by_size(needed)), report)
        seconds |= {"look": report.close()["look"], "tiles": len(needed)}
        yield found
    finally:
        if not keep:
            path.unlink(missing_ok=True)
        gc.collect()  # an image and its questions hold one another


def _by_size(places: list[Place] | set[Place]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for size, tile in places:
        found.setdefault(size, []).append(tile)
    return found
