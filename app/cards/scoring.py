"""The scoring card: two buttons, as released and ours, and the examples that are answered in both ways beforehand."""

from __future__ import annotations

import gradio as gr

from .. import answered, progress
from ..examples import Example
from ..panel import Panel
from ..state.runs import KeptRun
from ..texts import whole
from .budgets import sweep_value
from .card import Card, Json, Updates, sent


class ScoringCard(Card):
    """How tokens are chosen, as two words that everybody understands."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("scoring", "choose", elem_id="scoring", value={"ways": answered.WAYS})

    def wire(self, long: Json, quick: Json) -> None:
        cards = self.cards
        chosen = [cards.method.importance, cards.method.regions, cards.method.order, cards.method.seed]
        self.panel.choose(self.choose, cards.question.text, [self.panel, *chosen, *cards.results], **quick)

    def choose(self, question: object, event: gr.EventData, request: gr.Request) -> Updates:
        """A way is chosen. What is answered in it already is shown; otherwise the page asks."""
        way, session = str(sent(event, "way")), self.session(request)
        if way not in answered.WAYS:
            yield {self.panel: gr.skip()}
            return
        yield self.cards.method.choose(answered.WAYS[way])
        example = session.picture.example if session.picture else None
        first = bool(example and example.questions and example.question(whole(str(question))) is example.questions[0])
        if example and first and answered.find(example, way):
            session.stop()
            yield from self.show(example, way, request)
            return
        yield {
            self.panel: {"ways": answered.WAYS, "ask": progress.new_job()},
            self.ask: progress.idle(),
        }

    def show(self, example: Example, way: str, request: gr.Request) -> Updates:
        """Show an example's first question as it was answered beforehand, if it was; no worker is needed for it."""
        session, found = self.session(request), answered.find(example, way)
        if found is None or session.picture is None or session.picture.example is not example:
            return
        picture = session.picture
        asked = self.explorer.asked(picture, found.question, dict(answered.WAYS[way]))
        run = session.run = self.explorer.runs.add(
            KeptRun(picture, asked.query, asked.scales, asked.least, found.asked)
        )
        run.swept = found.swept
        cards = self.cards
        wanted = list(answered.SWEEP)
        took = sum(found.asked.answer.seconds.values()) if found.asked.answer else 0.0
        yield {
            cards.object.panel: None,
            cards.compare.panel: None,
            cards.hand.panel: None,
            **cards.answer.show(session, run, found.asked, took, found.model),
            cards.budgets.panel: sweep_value(run, list(found.swept.points), wanted, False),
        }
