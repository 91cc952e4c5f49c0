"""The one interface to a model worker, wherever it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from uhrbat.budget import Budget
from uhrbat.choices import DEFAULT_BUDGET
from uhrbat.results import AnswerResult, AskResult, Box, CompareResult, EncodeResult, InspectResult, SweepResult
from uhrbat.serving import protocol
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import AnyRequest, Health, ModelInfo, Query, Settings


class Worker(ABC):
    """A model worker: stores images, and does the explorer's heavy work on them as jobs.

    `query` is the question, made by `protocol.query(image, question, settings)`; `session` names whose turn a job
    uses: sessions are served in rotation. Boxes are (x0, y0, x1, y1) in pixels of the upright image. A budget may be
    anything that `uhrbat.budget.read_budget` reads. Wrong input raises InputError at once; what happens later is
    raised by the job's `result()`.
    """

    @abstractmethod
    def store(self, path: str | Path, image: str | None = None) -> str:
        """Give the worker an image file unless it holds it; returns the image's id (SHA-256 of its bytes).

        image: the id, where it is known already. A worker on this machine is given a hard link where that is
        possible: do not change the file in place afterwards.
        """

    @abstractmethod
    def health(self) -> Health:
        """How the worker is."""

    @abstractmethod
    def metrics(self) -> str:
        """Counters and gauges, as Prometheus text."""

    @abstractmethod
    def models(self) -> tuple[ModelInfo, ...]:
        """The models on offer."""

    @abstractmethod
    def close(self) -> None:
        """Release the worker; a worker that this object started is stopped."""

    @abstractmethod
    def _submit(self, request: AnyRequest) -> Job[Any]:
        """Start an action."""

    def encode(
        self, image: str, settings: Settings | Mapping[str, Any] | None = None, session: str = ""
    ) -> Job[EncodeResult]:
        """Read the image and encode its scales, ahead of a question. Questions of any session go first."""
        settings = settings or Settings()
        return self._submit(protocol.EncodeRequest.of(image=image, settings=settings, session=session))

    def ask(self, query: Query, budget: Budget | None = None, session: str = "") -> Job[AskResult]:
        """Importance, regions and ranking of every scale and, with a budget, the ledger and the answer."""
        return self._submit(protocol.AskRequest.of(query=query, budget=budget, session=session))

    def answer(
        self,
        query: Query,
        budget: Budget = DEFAULT_BUDGET,
        force: Sequence[Box] = (),
        without: Sequence[Box] = (),
        session: str = "",
        look: Sequence[Box] = (),
        attention: bool = False,
    ) -> Job[AnswerResult]:
        """The answer at a budget, with the tokens of some boxes forced in or left out, or with a look at some boxes;
        attention: the result says what each of its words looked at."""
        chosen = {"force": force, "without": without, "look": look, "attention": attention}
        return self._submit(protocol.AnswerRequest.of(query=query, budget=budget, **chosen, session=session))

    def sweep(
        self,
        query: Query,
        budgets: Sequence[Budget],
        truth: str | None = None,
        boxes: Sequence[Box] = (),
        session: str = "",
    ) -> Job[SweepResult]:
        """Answer and evidence at several budgets; each `SweepPoint` is also an event."""
        return self._submit(
            protocol.SweepRequest.of(query=query, budgets=budgets, truth=truth, boxes=boxes, session=session)
        )

    def compare(
        self,
        query: Query,
        budget: Budget = DEFAULT_BUDGET,
        methods: Sequence[str] = (),
        boxes: Sequence[Box] = (),
        session: str = "",
    ) -> Job[CompareResult]:
        """The question at one budget through several compressors (none named: all); each `MethodResult` is also an
        event."""
        return self._submit(
            protocol.CompareRequest.of(query=query, budget=budget, methods=methods, boxes=boxes, session=session)
        )

    def inspect(self, query: Query, box: Box, budget: Budget = DEFAULT_BUDGET, session: str = "") -> Job[InspectResult]:
        """What became of a box's tokens at a budget, and why."""
        return self._submit(protocol.InspectRequest.of(query=query, box=box, budget=budget, session=session))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
