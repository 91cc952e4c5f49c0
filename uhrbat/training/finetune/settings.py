"""How to fine-tune: the numbers of a run."""

from __future__ import annotations

from dataclasses import dataclass

from uhrbat.errors import InputError


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    steps of `batch` conversations each, over all processes. lr: of the language model or its adapters; lr_modules:
    of residuals, projector and token MLP. warmup: share of the steps; then cosine to zero. clip: largest gradient
    norm. budgets: tokens a scale; None takes the released 80, 320, 600, 2000 or, with other scales, a fortieth.
    random_budgets: (low, high) totals between which each sample draws one, evenly in the logarithm, instead. lora:
    rank of the adapters, 0 trains the whole language model. recompute: save memory by computing the language model's
    activations twice.
    """

    steps: int = 1000
    batch: int = 8
    lr: float = 1e-5
    lr_modules: float = 1e-5
    weight_decay: float = 0.0
    warmup: float = 0.03
    clip: float = 1.0
    budgets: tuple[int, ...] | None = None
    random_budgets: tuple[int, int] | None = None
    lora: int = 0
    seed: int = 0
    save_every: int = 200
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a whole number from 1")
        if self.lora < 0 or min(self.lr, self.lr_modules, self.clip) <= 0:
            raise InputError("learning rates and clip must be above 0, lora at least 0")
