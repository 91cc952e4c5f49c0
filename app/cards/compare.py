"""The compare card: the question through several token compressors at one budget."""

from __future__ import annotations

import gradio as gr

from uhrbat.budget import budgets_of
from uhrbat.choices import METHODS
from uhrbat.results import MethodResult

from .. import progress
from ..explorer import COMPARED, budget_of
from ..panel import Panel
from ..state.runs import KeptRun
from ..state.sessions import Session
from . import marks
from .card import Card, Json, Updates


class CompareCard(Card):
    """One card a compressor."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("compare", "compare", elem_id="compare")

    def wire(self, long: Json, quick: Json) -> None:
        self.panel.compare(self.compare, self.cards.budget.panel, [self.panel, self.ask], **long)

    def compare(self, budget: Json, request: gr.Request) -> Updates:
        """The question through several compressors at this budget, shown one by one."""
        yield from self.guarded(self._compare(self.session(request), budget))

    def _compare(self, session: Session, budget: Json) -> Updates:
        run = session.needs_run()
        chosen = budget_of(budget)
        budgets = tuple(budgets_of(chosen, run.scales).values())
        shown: list[tuple[str, MethodResult]] = []
        job = self.explorer.compare(run, chosen, session.id)
        yield {self.panel: compare_value(run, budgets, shown, True)}
        for bar, news in self.follow(session, job, "compressors"):
            update = {self.ask: {**bar, "fraction": len(shown) / len(COMPARED)}}
            if news is not None:
                shown.append((run.keep_kinds(news.kinds), news))
                update[self.panel] = compare_value(run, budgets, shown, True)
            yield update
        run.compared = job.result()
        if session.run is run:
            yield {self.panel: compare_value(run, budgets, shown, False), self.ask: progress.idle()}


def compare_value(
    run: KeptRun, budgets: tuple[int, ...], methods: list[tuple[str, MethodResult]], under_way: bool
) -> Json:
    """One card a compressor; each comes with the key of its kept fates."""
    cards = []
    for key, result in methods:
        label, explanation = METHODS.get(result.method, (result.method, ""))
        cards.append(
            {
                "name": result.method,
                "label": label,
                "explanation": explanation,
                "answer": result.answer.text,
                "correct": marks.correct(result.answer.text, run.known),
                "tokens": result.answer.tokens,
                "seconds": result.seconds,
                "evidence": result.evidence_preserved,
                "fates": {str(size): f"run/{run.id}/kinds/{key}/{size}.png" for size in sorted(result.kinds)},
            }
        )
    return {
        "question": run.question,
        "budgets": list(budgets),
        "running": under_way,
        "thumbnail": f"thumbnail/{run.picture.id}/{run.least}.jpg",
        "methods": cards,
    }
