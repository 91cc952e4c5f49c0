"""The budget card: how many tokens the language model is handed, and what they cost."""

from __future__ import annotations

from uhrbat.choices import DEFAULT_BUDGET
from uhrbat.results import Answer
from uhrbat.serving.protocol import ModelInfo

from ..panel import Panel
from .card import Card, Json


class BudgetCard(Card):
    """The slider, presets, and one number a scale."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("budget", elem_id="budget", value={"total": DEFAULT_BUDGET, "per_scale": None})

    def price(self, model: str, budget: Json) -> Json:
        """A model is chosen: the budget panel says what a token costs with it."""
        return {**budget, "cost": cost_value(model, self.explorer.model(model))}


def cost_value(name: str, model: ModelInfo | None, device: str | None = None, answer: Answer | None = None) -> Json:
    """What a token costs with a model: as the worker last measured, else as this answer shows."""
    prefill = answer.seconds.get("prefill") if answer else None
    speed = answer.tokens / prefill if answer and prefill and answer.tokens >= 64 else None
    return {
        "model": name,
        "device": {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}.get((device or "").split(":")[0], device),
        "tokens_per_second": (model.prefill_tokens_per_second if model else None) or speed,
        "bytes_per_token": model.bytes_per_token if model else None,
    }
