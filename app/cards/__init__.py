"""The page's cards, one file each: its components, its events, and what the browser is sent for it."""

from __future__ import annotations

import gradio as gr

from ..explorer import Explorer
from .answer import AnswerCard
from .budget import BudgetCard
from .budgets import BudgetsCard
from .card import Card, Json
from .compare import CompareCard
from .findings import FindingsCard
from .hand import HandCard
from .history import HistoryCard
from .image import ImageCard
from .method import MethodCard
from .object import ObjectCard
from .question import QuestionCard
from .run import RunCard
from .scoring import ScoringCard
from .viewer import ViewerCard

AT_ONCE = 48
"""Events of a kind that may wait for the worker at once; each holds a thread meanwhile."""
_EACH: Json = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "trigger_mode": "multiple",
    "concurrency_limit": AT_ONCE,
}
LONG: Json = {**_EACH, "concurrency_id": "model"}
"""Options of events that wait for the worker: they may overlap, the worker itself queues and says who is ahead."""
QUICK: Json = {**_EACH, "concurrency_id": "page"}


class Cards:
    """All cards of one page. A card's `build` makes its components where it stands; `wire` joins their events."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.image = ImageCard(self)
        self.question = QuestionCard(self)
        self.budget = BudgetCard(self)
        self.method = MethodCard(self)
        self.viewer = ViewerCard(self)
        self.answer = AnswerCard(self)
        self.object = ObjectCard(self)
        self.budgets = BudgetsCard(self)
        self.compare = CompareCard(self)
        self.run = RunCard(self)
        self.history = HistoryCard(self)
        self.hand = HandCard(self)
        self.findings = FindingsCard(self)
        self.scoring = ScoringCard(self)

    def wire(self, page: gr.Blocks) -> None:
        """Join every card's events, and those of the page as a whole."""
        asking: tuple[Card, ...] = (self.question, self.answer, self.object, self.budgets, self.compare, self.scoring)
        opening: tuple[Card, ...] = (self.image, self.findings, self.viewer, self.method, self.history, self.hand)
        for card in (*asking, *opening):
            card.wire(LONG, QUICK)
        page.load(
            self.image.start,
            self.image.link,
            [*self.openings, self.image.address, self.method.model],
            js=self.image.LINK,
            **QUICK,
        )
        page.unload(self.closed)

    @property
    def results(self) -> list[gr.components.Component]:
        """What a question fills."""
        return [
            self.viewer.panel,
            self.answer.panel,
            self.object.panel,
            self.budgets.panel,
            self.compare.panel,
            self.run.panel,
            self.history.panel,
            self.hand.panel,
            self.question.ask,
        ]

    @property
    def openings(self) -> list[gr.components.Component]:
        """What opening an image changes."""
        method = self.method
        return [
            self.question.text,
            self.budget.panel,
            self.image.gallery,
            self.image.file,
            method.importance,
            method.regions,
            method.order,
            method.seed,
            *self.results,
        ]

    def closed(self, request: gr.Request) -> None:
        """The page is closed or loaded again."""
        self.explorer.sessions.forget(str(request.session_hash))
        self.explorer.shelf.expire()
