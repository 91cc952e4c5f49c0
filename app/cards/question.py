"""The question card: the question, suggestions, and the Ask button with the progress of whatever is under way."""

from __future__ import annotations

import time

import gradio as gr

from .. import progress
from ..explorer import budget_of, looks_of
from ..panel import Panel
from ..state.runs import KeptRun
from ..state.sessions import Session
from .card import Card, Json, Updates


class QuestionCard(Card):
    """What is asked."""

    def build(self) -> None:
        """Make the question and its suggestions."""
        self.text = gr.Textbox(
            label="Question",
            lines=2,
            max_lines=4,
            elem_id="question",
            placeholder="Ask something about this image",
            submit_btn=False,
        )
        self.suggestions = Panel("gallery", "suggest", mount="mountSuggestions", elem_id="suggestions")

    def build_ask(self) -> None:
        """Make the Ask button."""
        value = progress.running("opening the page", 0.0, "open")
        self._ask_panel = Panel("ask", "ask cancel", elem_id="ask", value=value)

    @property
    def ask(self) -> Panel:
        """The Ask button and the progress."""
        return self._ask_panel

    def wire(self, long: Json, quick: Json) -> None:
        method = self.cards.method
        asked = [self.text, self.cards.budget.panel, *method.components]
        self.ask.ask(self.asked, asked, self.cards.results, **long)
        self.ask.cancel(self.cancel, None, None, **quick)
        self.suggestions.suggest(None, None, self.text, js="() => window.UHRBAT.suggested()")
        self.text.change(None, self.text, None, js="(text) => window.UHRBAT.set({question: text ?? ''})")
        self.text.submit(None, None, None, js="() => window.UHRBAT.ask()")

    def asked(
        self,
        question: str,
        budget: Json,
        model: str,
        importance: str,
        regions: str,
        order: str,
        seed: float,
        request: gr.Request,
    ) -> Updates:
        """The question is asked: token maps of every scale, and the answer."""
        session = self.session(request)
        method = (model, importance, regions, order, seed)
        yield from self.guarded(self._asked(session, question, budget, method))

    def _asked(self, session: Session, question: str, budget: Json, method: tuple) -> Updates:
        picture = session.needs_picture()
        started = time.monotonic()
        settings = self.explorer.settings(*method) | {"looks": looks_of(budget)}
        asked = self.explorer.asked(picture, question, settings)
        chosen = budget_of(budget)
        with session.at_work():
            if session.encoding is not None and not session.encoding.done:
                session.start(session.encoding.cancel)
                for bar in progress.watch(session.encoding):
                    yield {self.ask: bar}
            job = self.explorer.ask(asked, chosen, session.id)
            for bar, _ in self.follow(session, job):
                yield {self.ask: bar}
        result = job.result()
        if session.picture is not picture:
            yield {self.ask: progress.idle()}
            return
        run = self.explorer.runs.add(KeptRun(picture, asked.query, asked.scales, asked.least, result))
        session.run = run
        cards = self.cards
        yield {
            cards.object.panel: None,
            cards.budgets.panel: None,
            cards.compare.panel: None,
            cards.hand.panel: None,
            **cards.answer.show(session, run, result, time.monotonic() - started),
        }

    def cancel(self, request: gr.Request) -> None:
        """Cancel is pressed: the job ends, and with it the event that waits for it."""
        self.session(request).stop()
