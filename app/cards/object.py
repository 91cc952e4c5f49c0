"""The object card: what became of a box's tokens and why, and what the answer would be with or without them."""

from __future__ import annotations

import time
from collections.abc import Generator

import gradio as gr

from uhrbat.budget import Budget
from uhrbat.errors import Cancelled, UHRBATError
from uhrbat.results import AnswerResult, Box, InspectResult

from .. import progress
from ..explorer import budget_of
from ..panel import Panel
from ..state.runs import KeptRun
from ..state.sessions import Session
from ..texts import sentence
from .card import Card, Json, Updates, sent
from .viewer import rectangles

NEARBY = 3
"""Image pixels that a hand may draw a box too wide or too narrow by."""
SMALL = 64
"""Longer side, in image pixels, up to which a few pixels can change the verdict on a box."""
_WHAT_IF = {"forced": "force", "without": "without", "looked": "look"}
"""Counterfactuals, and what the explorer calls the box of each."""


class ObjectCard(Card):
    """The inspector."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("object", "box force without look", elem_id="object")

    def wire(self, long: Json, quick: Json) -> None:
        budget = self.cards.budget.panel
        self.panel.force(self.force, budget, [self.panel, self.ask], **long)
        self.panel.without(self.without, budget, [self.panel, self.ask], **long)
        self.panel.look(self.look, budget, [self.panel, self.ask], **long)
        self.panel.box(self.inspect, budget, self.panel, **quick)

    def inspect(self, budget: Json, event: gr.EventData, request: gr.Request) -> Updates:
        """A box is drawn or typed: what became of its tokens."""
        session = self.session(request)
        if session.run is None:
            yield {self.panel: gr.skip()}
            return
        try:
            run = session.needs_run()
            session.box = box = self.explorer.box(run, sent(event, "box"))
            job = self.explorer.inspect(run, box, budget_of(budget), session.id)
            for _ in job:
                yield {self.panel: gr.skip()}
            if session.run is not run or session.box != box:
                return
            if not run.inspected or run.inspected.box != box:
                run.counterfactuals.clear()
            run.inspected, run.nearby = job.result(), []
            yield {self.panel: object_value(run, run.inspected)}
            run.nearby = yield from self._nearby(session, run, box, budget_of(budget))
            if session.run is run and session.box == box:
                yield {self.panel: object_value(run, run.inspected)}
        except Cancelled:
            return
        except UHRBATError as error:
            yield {self.panel: {"error": sentence(error)}}

    def _nearby(self, session: Session, run: KeptRun, box: Box, budget: Budget) -> Generator[dict, None, list[Json]]:
        """The verdict on a small box if it were drawn a few pixels larger or smaller, where that differs."""
        verdict = run.inspected.fate if run.inspected else None
        found: list[Json] = []
        for by in (NEARBY, -NEARBY):
            x0, y0, x1, y1 = (value + sign * by for value, sign in zip(box, (-1, -1, 1, 1), strict=True))
            x0, y0 = max(0, x0), max(0, y0)
            x1, y1 = min(run.square.width, x1), min(run.square.height, y1)
            if verdict is None or x1 <= x0 or y1 <= y0 or max(x1 - x0, y1 - y0) > SMALL:
                continue
            job = self.explorer.inspect(run, (x0, y0, x1, y1), budget, session.id)
            for _ in job:
                yield {self.panel: gr.skip()}
            other = job.result().fate
            if (other.cause, other.smallest_budget) != (verdict.cause, verdict.smallest_budget):
                found.append({"by": by, "cause": other.cause, "smallest_budget": other.smallest_budget})
        return found

    def force(self, budget: Json, event: gr.EventData, request: gr.Request) -> Updates:
        """The question again with the box's tokens forced in."""
        yield from self.guarded(self._counterfactual("forced", sent(event, "box"), budget, request))

    def without(self, budget: Json, event: gr.EventData, request: gr.Request) -> Updates:
        """The question again with the box's tokens taken out."""
        yield from self.guarded(self._counterfactual("without", sent(event, "box"), budget, request))

    def look(self, budget: Json, event: gr.EventData, request: gr.Request) -> Updates:
        """The question again with a look at the box in the file's own pixels."""
        yield from self.guarded(self._counterfactual("looked", sent(event, "box"), budget, request))

    def _counterfactual(self, which: str, box: object, budget: Json, request: gr.Request) -> Updates:
        session = self.session(request)
        run = session.needs_run()
        started = time.monotonic()
        boxes: Json = {_WHAT_IF[which]: (box,)}
        job = self.explorer.answer(run, budget_of(budget), session.id, **boxes)
        for bar, _ in self.follow(session, job):
            yield {self.ask: bar}
        result = job.result()
        run.counterfactuals[which] = counterfactual_value(result, time.monotonic() - started)
        if session.run is run and run.inspected:
            yield {self.panel: object_value(run, run.inspected), self.ask: progress.idle()}


def object_value(run: KeptRun, inspected: InspectResult) -> Json:
    """What became of a box's tokens, and the verdict at every total budget."""
    fate = inspected.fate
    touched = rectangles(run.square, inspected.box, [row.size for row in fate.rows])
    tokens = {scale.size: scale.tokens for scale in run.scales}
    return {
        "box": [int(value) for value in inspected.box],
        "maps": run.id,
        "budgets": list(inspected.budgets),
        "rows": [
            {**vars(row), "pixels": list(row.pixels), **cells, "scale_tokens": tokens.get(row.size, 0)}
            for row, cells in zip(fate.rows, touched, strict=True)
        ],
        "verdict": fate.verdict,
        "cause": fate.cause,
        "smallest_budget": fate.smallest_budget,
        "steps": [vars(step) for step in fate.steps],
        "forced": run.counterfactuals.get("forced"),
        "without": run.counterfactuals.get("without"),
        "looked": run.counterfactuals.get("looked"),
        "nearby": run.nearby,
    }


def counterfactual_value(result: AnswerResult, seconds: float) -> Json:
    """An answer with a box's tokens forced in or taken out."""
    budgets = list(result.budgets)
    return {"text": result.answer.text, "budgets": budgets, "tokens": result.answer.tokens, "seconds": seconds}
