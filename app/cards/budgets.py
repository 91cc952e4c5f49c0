"""The budgets card: the question at many budgets, point by point."""

from __future__ import annotations

import gradio as gr

from uhrbat.results import SweepPoint

from .. import progress
from ..explorer import swept
from ..panel import Panel
from ..state.runs import KeptRun
from ..state.sessions import Session
from .card import Card, Json, Updates


class BudgetsCard(Card):
    """The sweep."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("sweep", "sweep", elem_id="sweep")

    def wire(self, long: Json, quick: Json) -> None:
        self.panel.sweep(self.sweep, None, [self.panel, self.ask], **long)

    def sweep(self, request: gr.Request) -> Updates:
        """The question at many budgets, shown point by point."""
        yield from self.guarded(self._sweep(self.session(request)))

    def _sweep(self, session: Session) -> Updates:
        run = session.needs_run()
        wanted = list(swept(run.scales))
        points: list[SweepPoint] = []
        job = self.explorer.sweep(run, wanted, session.id)
        yield {self.panel: sweep_value(run, points, wanted, True)}
        for bar, news in self.follow(session, job, "budgets"):
            update = {self.ask: {**bar, "fraction": len(points) / len(wanted)}}
            if news is not None:
                points.append(news)
                update[self.panel] = sweep_value(run, points, wanted, True)
            yield update
        run.swept = job.result()
        if session.run is run:
            yield {
                self.panel: sweep_value(run, list(run.swept.points), wanted, False),
                self.ask: progress.idle(),
            }


def sweep_value(run: KeptRun, points: list[SweepPoint], wanted: list[int], under_way: bool) -> Json:
    """One point a budget."""
    shown = [
        {
            "budgets": list(point.budgets),
            "answer": point.answer.text,
            "correct": point.correct,
            "tokens": point.answer.tokens,
            "seconds": sum(point.answer.seconds.values()),
            "evidence": point.evidence_preserved,
        }
        for point in points
    ]
    return {"question": run.question, "wanted": wanted, "running": under_way, "points": shown}
