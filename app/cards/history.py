"""The history card: every question, budget and method that this page asked, with its answer."""

from __future__ import annotations

import secrets

import gradio as gr

from uhrbat.errors import InputError

from .. import progress
from ..links import panel_value, sendable
from ..panel import Panel
from ..shares import geometry
from ..state.runs import KeptRun
from ..state.sessions import Past, Session
from .budgets import sweep_value
from .card import Card, Json, Updates, sent
from .image import image_value
from .viewer import maps_value


class HistoryCard(Card):
    """What was asked."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("past", "back", elem_id="history")

    def wire(self, long: Json, quick: Json) -> None:
        cards = self.cards
        method = cards.method
        chosen = [method.importance, method.regions, method.order, method.seed]
        self.panel.back(self.back, None, [cards.question.text, cards.budget.panel, *chosen, *cards.results], **quick)

    def add(self, session: Session, run: KeptRun, how: Json) -> Json:
        """Note an answer, and give what the panel shows. how: of the run card."""
        answer = run.answer or {}
        session.past.append(
            Past(secrets.token_urlsafe(6), run.id, run.picture.id, run.picture.name, answer, run.points, how)
        )
        return past_value(session)

    def back(self, event: gr.EventData, request: gr.Request) -> Updates:
        """An answer of before is chosen: the page shows it again, with its picture."""
        yield from self.guarded(self._back(self.session(request), str(sent(event, "id"))))

    def _back(self, session: Session, id: str) -> Updates:
        past = next((each for each in session.past if each.id == id), None)
        run = self.explorer.runs.get(past.run) if past else None
        if past is None or run is None or run.picture.released:
            raise InputError("That answer is not kept any more: ask the question again.")
        session.stop()
        run.picture.touch()
        session.picture, session.run, session.box = run.picture, run, None
        run.answer, run.points, run.inspected = past.answer, past.points, None
        cards = self.cards
        method = run.settings.model_dump(mode="json", exclude_none=True)
        swept = run.swept
        points = list(swept.points) if swept else []
        yield {
            cards.question.text: run.question,
            cards.budget.panel: panel_value(sendable(past.budget(run)), run.settings.looks),
            **cards.method.choose(method),
            cards.viewer.panel: {
                "image": image_value(run.picture),
                "model": geometry(run.scales, run.least),
                "maps": maps_value(run),
                "points": run.points,
                "job": progress.new_job(),
            },
            cards.answer.panel: run.answer,
            cards.run.panel: past.how,
            cards.object.panel: None,
            cards.budgets.panel: sweep_value(run, points, [sum(p.budgets) for p in points], False) if swept else None,
            cards.compare.panel: None,
            self.ask: progress.idle(),
        }


def past_value(session: Session) -> Json:
    """The answers of a page, in the order in which they came."""
    return {
        "entries": [
            {
                "id": past.id,
                "maps": past.run,
                "picture": past.picture,
                "image": past.image,
                **{name: past.answer.get(name) for name in _NAMES},
            }
            for past in session.past
        ]
    }


_NAMES = ("question", "budgets", "looks", "tokens", "text", "correct", "seconds", "model", "method")
"""What of an answer stands in the history."""
