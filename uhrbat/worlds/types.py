"""What a generated world is, and a question about it."""

from dataclasses import dataclass

import numpy as np

from uhrbat.worlds.terrain import UNITS

Box = tuple[int, int, int, int]
Spec = tuple[str, str | None]
"""(kind, colour); None stands for any colour."""


@dataclass(frozen=True)
class WorldObject:
    """One object of a world.

    box: (x0, y0, x1, y1), half-open, in pixels of the world's picture, tight around the visible pixels of the object
    without its shadow, wake or surf. color: None for islands and turbines. world_size: the picture's side in pixels.
    """

    kind: str
    color: str | None
    box: Box
    world_size: int = UNITS

    @property
    def size(self) -> float:
        """Longer side of the box in pixels of a 4,032-px picture."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0) * UNITS / self.world_size

    @property
    def center(self) -> tuple[float, float]:
        """Center (x, y) of the box in pixels of the world's picture."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True)
class WorldQuestion:
    """A question about a world.

    `text` includes the choices of a multiple-choice question; `choices` holds them as answered, e.g.
    ``"(B) blue"``, and is empty for an open one. `evidence` holds the indices of the objects the
    answer depends on (subject, then reference, for a relative position), `targets` the (kind, color)
    specifications that the question names, in the same order.
    """

    type: str
    text: str
    answer: str
    choices: tuple[str, ...]
    evidence: tuple[int, ...]
    targets: tuple[Spec, ...]


@dataclass(frozen=True, eq=False)
class World:
    """A generated picture and everything that is true of it.

    `image` is uint8[size, size, 3], RGB; it is empty where the world was written to a file by strips.
    `land_map` is uint8[288, 288]: the index into LAND_COVERS of each 14-px token of the 4,032-px scale, by
    row and column. `land_cover` is the cover of the largest area (55 to 80 %).
    """

    image: np.ndarray
    objects: tuple[WorldObject, ...]
    land_cover: str
    land_map: np.ndarray
    seed: int
    size: int

    def boxes(self, question: WorldQuestion) -> tuple[Box, ...]:
        """The boxes of the objects that a question's answer depends on, in pixels."""
        return tuple(self.objects[index].box for index in question.evidence)
