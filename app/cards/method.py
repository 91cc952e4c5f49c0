"""The method card: model, importance, regions, order and seed, which most people leave alone."""

from __future__ import annotations

from typing import Any

import gradio as gr

from uhrbat.choices import DEFAULT_MODEL, IMPORTANCES, ORDERS

from ..explorer import DEFAULT
from .card import Card, Json


class MethodCard(Card):
    """How tokens are chosen."""

    def build(self) -> None:
        """Make the components."""
        self.model = gr.Dropdown(
            [DEFAULT_MODEL],
            value=DEFAULT_MODEL,
            label="Model",
            allow_custom_value=True,
            elem_id="model",
            info="nano is built in. Start the server with UHRBAT_MODELS=... to add others.",
        )
        self.importance = gr.Dropdown(
            [DEFAULT, *IMPORTANCES],
            value=DEFAULT,
            label="Importance",
            elem_id="importance",
            info=(
                "How a token's relevance to the question is scored: similarity, the language model's attention, or both"
            ),
        )
        self.regions = gr.Dropdown(
            [DEFAULT, "kmeans", "grid", "none"],
            value=DEFAULT,
            label="Regions",
            elem_id="regions",
            info="The partition inside which tokens are merged",
        )
        self.order = gr.Dropdown(
            [DEFAULT, *ORDERS],
            value=DEFAULT,
            label="Order of regions",
            elem_id="order",
            info="Regions are visited by their best token, or by their mean (as in the paper)",
        )
        self.seed = gr.Number(
            0, label="Seed", precision=0, minimum=0, elem_id="seed", info="Random seed of the k-means regions"
        )

    @property
    def components(self) -> list[gr.components.Component]:
        """In the order in which a question takes them."""
        return [self.model, self.importance, self.regions, self.order, self.seed]

    def wire(self, long: Json, quick: Json) -> None:
        budget = self.cards.budget
        self.model.change(budget.price, [self.model, budget.panel], budget.panel, **quick)

    def choose(self, chosen: object) -> dict[Any, Any]:
        """The choices but the model: those given by name, where they can be chosen, else the defaults."""
        chosen = chosen if isinstance(chosen, dict) else {}
        seed = str(chosen.get("seed", ""))
        updates: dict[Any, Any] = {self.seed: int(seed) if seed.isdecimal() and len(seed) < 10 else 0}
        for name, component in (("importance", self.importance), ("regions", self.regions), ("order", self.order)):
            known = [value for _, value in component.choices]
            updates[component] = chosen.get(name) if chosen.get(name) in known else DEFAULT
        return updates
