"""What a family of vision-language models says of itself; everything else is alike for all (`FamilyNetwork`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from uhrbat.geometry import SCALES


class Family(ABC):
    """One family. `config` is transformers' configuration of a model, `model` its `AutoModelForImageTextToText`.

    name: as its authors write it. model_types: those of config.json that it serves. around: what the model reads before
    and after an image's tokens besides what its chat template writes; an image token there stands for `mark`.
    placeholder: what the template writes for an image; None for the image token itself. has_places: whether an image
    token's position is its place in the picture (M-RoPE), rather than its turn. sees_itself: whether an image's tokens
    attend to each other both ways.
    """

    name: str
    model_types: tuple[str, ...]
    around: tuple[str, str] = ("", "")
    placeholder: str | None = None
    has_places = False
    sees_itself = False

    @abstractmethod
    def geometry(self, config: Any) -> tuple[int, int]:
        """Side of a tile in pixels, and tokens a side of it."""

    @abstractmethod
    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        """Normalised tiles float[n, 3, tile, tile] -> float[n, tile_grid², hidden x (1 + extras)], row by row."""

    def mark(self, model: Any) -> Tensor | None:
        """Embedding float[hidden] of the mark that stands among an image's tokens; None for a model without one."""
        return None

    def extras(self, config: Any) -> int:
        """How many vectors, each as wide as an embedding, go with an image token besides its embedding."""
        return 0

    def with_extras(self, extras: list[Tensor]) -> dict[str, Any]:
        """The language model's own arguments for the extras, float[B, T, hidden] each, zero where there is text."""
        return {}

    def twin(self, config: Any) -> str | None:
        """Hub id of the CLIP or SigLIP that the vision `tower` is of; None where it is of none."""
        return None

    def tower(self, model: Any) -> Any:
        """The vision tower whose hidden states the tokens are, one each; None where tokens are merged."""
        return None

    def rotation(self, text: Any, hidden: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of positions in the last layer of a language model, as its attention takes them."""
        return text.rotary_emb(hidden, positions)

    def scales(self, config: Any) -> tuple[int, ...]:
        """Sizes of the scales: the multiples of a tile that are nearest to the released model's."""
        tile, _ = self.geometry(config)
        return tuple(sorted({max(1, int(size / tile + 0.5)) * tile for size in SCALES}))


def side_of(size: int | Sequence[int]) -> int:
    """The side of a square, of which a configuration may give height and width."""
    return size if isinstance(size, int) else size[0]
