"""How a question's tokens are scored, partitioned and ordered: the choices, and each model's own."""

from __future__ import annotations

from dataclasses import dataclass

from uhrbat.choices import SETTINGS
from uhrbat.errors import InputError


@dataclass(frozen=True)
class Settings:
    """How tokens are scored, partitioned and ordered. InputError for any other value.

    importance: "similarity", "attention" or "fused"; regions: "kmeans", "grid", "sam" or "none"; order of regions:
    "max" or "mean" (paper); split of a total budget over the scales: "paper", or "question", by how high the question's
    best tokens stand at each scale (`selection.importance.scale_weights`); seed of the k-means' initial centres.
    clusters: k-means as the released code does it, on every token's whole embedding, with so many clusters (one number,
    or one a scale), a few labels apart (`clustering.kmeans`, exact); None is our quicker one (RegionSettings).
    iterations: of that k-means.
    release: do what the released code does only when it infers: the chat markers replaced by the end token, the
    initial centres drawn from PyTorch's global generator (docs/released-code.md, sections 1, 6), every label its own.
    """

    importance: str = "similarity"
    regions: str = "kmeans"
    order: str = "max"
    seed: int = 0
    clusters: int | tuple[int, ...] | None = None
    iterations: int = 10
    release: bool = False
    split: str = "paper"

    def __post_init__(self) -> None:
        for name, choices in SETTINGS.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is '{getattr(self, name)}'; choose one of {', '.join(choices)}")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise InputError(f"the seed is {self.seed!r}; give a whole number from 0")
        if isinstance(self.clusters, list):
            object.__setattr__(self, "clusters", tuple(self.clusters))
        counts = self.clusters if isinstance(self.clusters, tuple) else (self.clusters or 1,)
        for name, value in [("clusters", count) for count in counts] + [("iterations", self.iterations)]:
            if type(value) is not int or value < 1:
                raise InputError(f"{name} is {value!r}; give a whole number from 1")
