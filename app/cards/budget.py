"""The budget card: how many tokens the language model is handed, and what they cost."""

from __future__ import annotations

from uhrbat.choices import DEFAULT_BUDGET
from uhrbat.errors import InputError
from uhrbat.results import Answer
from uhrbat.serving.protocol import ModelInfo

from ..explorer import budget_of
from ..links import panel_value, sendable
from ..panel import Panel
from ..shares import geometry
from ..texts import whole
from .card import Card, Json

_TELLING = 512
"""Fewer tokens than this say nothing of the speed: they are read in the time that any answer takes."""


class BudgetCard(Card):
    """The slider, presets, and one number a scale."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("budget", elem_id="budget", value=panel_value(DEFAULT_BUDGET))

    def price(self, model: object, budget: object) -> Json:
        """A model is chosen: the budget panel says what its tokens cost and which it has. A budget that is none becomes
        the default."""
        name = whole(str(model))
        info = self.explorer.model(name)
        try:
            shown = panel_value(sendable(budget_of(budget)))
        except InputError:
            shown = panel_value(DEFAULT_BUDGET)
        if isinstance(budget, dict) and budget.get("looks"):
            shown["looks"] = budget["looks"]
        if info and info.scales:
            shown["model"] = geometry(self.explorer.scales(name), self.explorer.least(name))
        return {**shown, "cost": cost_value(name, info)}


def cost_value(name: str, model: ModelInfo | None, device: str | None = None, answer: Answer | None = None) -> Json:
    """What a token costs with a model: as the worker measured, else as this answer shows."""
    prefill = answer.seconds.get("prefill") if answer else None
    speed = answer.tokens / prefill if answer and prefill and answer.tokens >= _TELLING else None
    return {
        "model": name,
        "device": {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}.get((device or "").split(":")[0], device),
        "tokens_per_second": (model.prefill_tokens_per_second if model else None) or speed,
        "overhead_seconds": (model.prefill_overhead_seconds if model else None) or 0.0,
        "bytes_per_token": model.bytes_per_token if model else None,
        "most_looks": model.most_looks if model else None,
        "tile_seconds": model.tile_seconds if model else None,
        "megapixel_seconds": model.megapixel_seconds if model else None,
    }
