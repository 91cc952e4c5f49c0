"""The one interface to a model worker, wherever it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from uhrbat.budget import Budget
from uhrbat.results import AnswerResult, AskResult, CompareResult, EncodeResult, InspectResult, SweepResult
from uhrbat.serving import protocol
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import Box, Health, ModelInfo, Request, Settings


class Worker(ABC):
    """A model worker: stores images, and does the explorer's heavy work on them as jobs.

    `session` names whose turn a job uses: sessions are served in rotation. `settings` is a `protocol.Settings`,
    its fields as a dict, or None for the defaults. Boxes are (x0, y0, x1, y1) in pixels of the upright image.
    Wrong input raises InputError at once; what happens later is raised by the job's `result()`.
    """

    @abstractmethod
    def store(self, path: str | Path) -> str:
        """Give the worker an image file unless it holds it; returns the image's id (SHA-256 of its bytes)."""

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
        """Let go of the worker; a worker that this object started is stopped."""

    @abstractmethod
    def _submit(self, action: str, request: Request) -> Job[Any]:
        """Start an action."""

    def encode(self, image: str, settings: Settings | dict | None = None, session: str = "") -> Job[EncodeResult]:
        """Read the image and encode its scales, ahead of a question."""
        return self._start("encode", image=image, settings=settings, session=session)

    def ask(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budget: Budget | None = None,
        session: str = "",
    ) -> Job[AskResult]:
        """Importance, regions and ranking of every scale and, with a budget, the ledger and the answer."""
        return self._start("ask", image=image, question=question, settings=settings, budget=budget, session=session)

    def answer(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budget: Budget = 3000,
        force: tuple[Box, ...] = (),
        without: tuple[Box, ...] = (),
        session: str = "",
    ) -> Job[AnswerResult]:
        """The answer at a budget, with the tokens of some boxes forced in or left out."""
        return self._start(
            "answer", image=image, question=question, settings=settings, budget=budget, force=force,
            without=without, session=session,
        )  # fmt: skip

    def sweep(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budgets: tuple[Budget, ...] = (),
        truth: str | None = None,
        boxes: tuple[Box, ...] = (),
        session: str = "",
    ) -> Job[SweepResult]:
        """Answer and evidence at several budgets; each `SweepPoint` is also an event."""
        return self._start(
            "sweep", image=image, question=question, settings=settings, budgets=budgets, truth=truth,
            boxes=boxes, session=session,
        )  # fmt: skip

    def compare(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        budget: Budget = 3000,
        methods: tuple[str, ...] = (),
        boxes: tuple[Box, ...] = (),
        session: str = "",
    ) -> Job[CompareResult]:
        """The question at one budget through several compressors; each `MethodResult` is also an event."""
        return self._start(
            "compare", image=image, question=question, settings=settings, budget=budget, methods=methods,
            boxes=boxes, session=session,
        )  # fmt: skip

    def inspect(
        self,
        image: str,
        question: str,
        settings: Settings | dict | None = None,
        box: Box = (0, 0, 0, 0),
        budget: Budget = 3000,
        session: str = "",
    ) -> Job[InspectResult]:
        """What became of a box's tokens at a budget, and why."""
        return self._start(
            "inspect",
            image=image,
            question=question,
            settings=settings,
            box=box,
            budget=budget,
            session=session,
        )

    def _start(self, action: str, settings: Settings | dict | None, **fields: Any) -> Job[Any]:
        return self._submit(action, protocol.request(action, settings=settings or Settings(), **fields))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
