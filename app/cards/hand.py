"""The card of tokens chosen by hand: regions forced in and taken out, and what is answered then."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr
import numpy as np

from uhrbat.errors import InputError

from .. import progress
from ..explorer import budget_of
from ..panel import Panel
from ..state.runs import KeptRun
from ..state.sessions import Session
from . import marks
from .card import Card, Json, Updates, sent


class HandCard(Card):
    """Tokens by hand."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("hand", "choose", elem_id="hand")

    def wire(self, long: Json, quick: Json) -> None:
        self.panel.choose(self.answer, self.cards.budget.panel, [self.panel, self.ask], **long)

    def answer(self, budget: Json, event: gr.EventData, request: gr.Request) -> Updates:
        """The question again, with some tokens forced in and others taken out."""
        yield from self.guarded(self._answer(self.session(request), budget, event))

    def tokens_in(self, run: KeptRun, boxes: Any) -> tuple[int, ...]:
        """How many tokens of each scale some boxes touch: the budget that they alone use up."""
        if not isinstance(boxes, list | tuple) or not boxes:
            raise InputError("No tokens are added: add some on the image first.")
        chosen = [self.explorer.box(run, box) for box in boxes]
        touched = ([run.square.tokens_in_box(scale.size, box) for box in chosen] for scale in run.scales)
        return tuple(len(np.unique(np.concatenate(each))) for each in touched)

    def _answer(self, session: Session, budget: Json, event: gr.EventData) -> Updates:
        run = session.needs_run()
        force: Any = sent(event, "force") or ()
        without: Any = sent(event, "without") or ()
        if not force and not without:
            raise InputError("No tokens are chosen: add or remove some on the image first.")
        only = bool(sent(event, "only"))
        started = time.monotonic()
        given = self.tokens_in(run, force) if only else budget_of(budget)
        job = self.explorer.answer(run, given, session.id, force, () if only else without)
        for bar, _ in self.follow(session, job):
            yield {self.ask: bar}
        result = job.result()
        if session.run is not run:
            return
        yield {
            self.panel: {
                "maps": run.id,
                "text": result.answer.text,
                "correct": marks.correct(result.answer.text, run.known),
                "budgets": list(result.budgets),
                "tokens": result.answer.tokens,
                "seconds": time.monotonic() - started,
                "force": len(force),
                "without": len(without),
                "only": only,
            },
            self.ask: progress.idle(),
        }
