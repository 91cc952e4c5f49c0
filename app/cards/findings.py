"""The findings card: what the evaluations found, and the misses, each of which opens in the viewer."""

from __future__ import annotations

import gradio as gr

from uhrbat.worlds.files import WorldKey

from .. import findings
from ..links import panel_value, sendable
from ..panel import Panel
from ..texts import whole
from .card import Card, Json, Updates, sent


class FindingsCard(Card):
    """The Findings page."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("findings", "open", elem_id="findings")

    def wire(self, long: Json, quick: Json) -> None:
        self.panel.open(self.open, None, self.cards.openings, **quick)

    @staticmethod
    def world_of(name: str) -> WorldKey | None:
        """The generated world that a link names, where it names one."""
        return WorldKey.parse(name)

    def open(self, event: gr.EventData, request: gr.Request) -> Updates:
        """A miss is chosen: its world, its question, and the budget and method that lost it."""
        key = self.world_of(str(sent(event, "scene")))
        if key is None:
            yield {self.ask: gr.skip()}
            return
        yield from self.guarded(self._open(key, event, request))

    def _open(self, key: WorldKey, event: gr.EventData, request: gr.Request) -> Updates:
        yield {
            self.cards.budget.panel: panel_value(sendable(sent(event, "budget"))),
            **self.cards.method.choose(sent(event, "method")),
        }
        yield from self.show(key, whole(str(sent(event, "question") or "")), request)

    def show(self, key: WorldKey, question: str | None, request: gr.Request) -> Updates:
        """Make a world again and show it with a question."""
        yield {self.cards.question.text: question or ""}
        steps = findings.open_scene(self.explorer.shelf, key, self.explorer.findings())
        yield from self.cards.image.show(steps, self.session(request), "making the scene")
