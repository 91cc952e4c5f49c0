"""The answer card: what the language model answered at the budget, and where it pointed."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from uhrbat.grammar import refusal
from uhrbat.results import Answer, AnswerResult, AskResult
from uhrbat.serving.protocol import ModelInfo

from .. import progress
from ..explorer import METHOD_CHOICES, budget_of
from ..panel import Panel
from ..shares import geometry
from ..state.runs import KeptRun
from ..state.sessions import Session
from . import marks
from .budget import cost_value
from .card import Card, Json, Updates
from .image import image_value
from .run import run_value
from .viewer import maps_value


class AnswerCard(Card):
    """The answer, its ledger and its cost."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("answer", "again words", elem_id="answer")

    def wire(self, long: Json, quick: Json) -> None:
        cards = self.cards
        self.panel.again(
            self.again,
            cards.budget.panel,
            [cards.viewer.panel, self.panel, cards.run.panel, cards.history.panel, self.ask],
            **long,
        )

        self.panel.words(self.words, None, [self.panel, self.ask], **long)

    def words(self, request: gr.Request) -> Updates:
        """What did each word of the answer look at? It is answered once more, and that is noted."""
        yield from self.guarded(self._words(self.session(request)))

    def _words(self, session: Session) -> Updates:
        run = session.needs_run()
        shown = run.answer
        job = self.explorer.answer(run, run.budgets, session.id, attention=True)
        for bar, _ in self.follow(session, job):
            yield {self.ask: bar}
        result = job.result()
        if session.run is run and run.answer is shown and shown is not None:
            run.attention = result.attention
            yield {self.panel: {**shown, "words": words_value(run)}, self.ask: progress.idle()}

    def again(self, budget: Json, request: gr.Request) -> Updates:
        """The budget slider is released and the model is quick: the answer follows."""
        yield from self.guarded(self._again(self.session(request), budget))

    def _again(self, session: Session, budget: Json) -> Updates:
        run = session.needs_run()
        started = time.monotonic()
        job = self.explorer.answer(run, budget_of(budget), session.id)
        for bar, _ in self.follow(session, job):
            yield {self.ask: bar}
        result = job.result()
        if session.run is run:
            yield self.show(session, run, result, time.monotonic() - started)

    def show(
        self,
        session: Session,
        run: KeptRun,
        result: AskResult | AnswerResult,
        seconds: float,
        info: ModelInfo | None = None,
    ) -> dict[Any, Any]:
        """Show an answer: its text, its points on the map, and how it came about. info: of the model, where it is known
        without asking the worker."""
        answer, info = result.answer, info or self.explorer.model(result.run.model)
        assert answer is not None, "a question of the page comes with a budget"
        run.attention = None
        run.answer = answer_value(
            run, result, answer, seconds, cost_value(result.run.model, info, result.run.device, answer)
        )
        cell = run.square.side / info.point_bins if info and info.point_bins else 0.0
        run.points = marks.points(answer.points, run.picture.example, run.known, cell)
        cards, how = self.cards, run_value(run, result)
        return {
            cards.viewer.panel: {
                "image": image_value(run.picture),
                "model": geometry(run.scales, run.least),
                "maps": maps_value(run),
                "points": run.points,
            },
            self.panel: run.answer,
            cards.run.panel: how,
            cards.history.panel: cards.history.add(session, run, how),
            self.ask: progress.idle(),
        }


def answer_value(run: KeptRun, result: AskResult | AnswerResult, answer: Answer, seconds: float, cost: Json) -> Json:
    """An answer as the page shows it; `seconds` from the click to the answer."""
    return {
        "text": answer.text,
        "question": run.question,
        "budgets": list(result.budgets or ()),
        "looks": run.settings.looks,
        "tokens": answer.tokens,
        "truncated": answer.truncated,
        "seconds": seconds,
        "decode_seconds": answer.seconds.get("decode", 0.0),
        "model": result.run.model,
        "method": {name: value for name in METHOD_CHOICES if (value := getattr(run.settings, name))},
        "caveat": result.caveat,
        "understood": answer.understood,
        "read_as": read_as(answer),
        "not_understood": None if answer.reading is None or answer.understood else refusal(answer.reading),
        "measured": answer.measured,
        "correct": marks.correct(answer.text, run.known),
        "ledger": [vars(row) for row in result.ledger],
        "cost": cost,
        "words": None,
    }


def words_value(run: KeptRun) -> Json | None:
    """The words of an answer, and where what each looked at is fetched.

    That is float32, little-endian, by scale, word and rank.
    """
    if run.attention is None:
        return None
    parts = [run.attention.weights[scale.size] for scale in run.scales]
    return {
        "maps": run.id,
        "words": list(run.attention.words),
        "ranks": [part.shape[1] for part in parts],
        "source": f"run/{run.id}/words.bin",
    }


def read_as(answer: Answer) -> str | None:
    """The question as the model was asked it, where that is in other words."""
    reading = answer.reading
    return reading.text if reading and reading.understood and reading.reworded else None
