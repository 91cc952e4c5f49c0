"""The explorer's one way to the worker: pictures and questions in, jobs and kept runs out, for page and API."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.ingest import Picture, Shelf
from app.runs import KeptRun, Runs
from app.sessions import Sessions
from app.values import METHODS
from uhrbat.errors import InputError, UHRBATError
from uhrbat.pyramid import SCALES, Pyramid, split_budget
from uhrbat.serving.client import Worker
from uhrbat.serving.job import Job
from uhrbat.serving.results import AnswerResult, AskResult, CompareResult, InspectResult, SweepResult
from uhrbat.serving.schema import Budget, ModelInfo

SWEEP = (64, 128, 256, 512, 1000, 2000, 3000, 5000, 8000, 16000)
DEFAULT = "default"
"""What a page or a client says to leave a choice to the model."""


class Explorer:
    """Everything the page and the API do, without how it looks. The worker is started when first needed."""

    def __init__(self, connect: Callable[[], Worker], folder: Path | None = None):
        self._connect = connect
        self._worker: Worker | None = None
        self._lock = threading.Lock()
        self.shelf = Shelf(self.worker, folder)
        self.runs = Runs()
        self.sessions = Sessions()

    def worker(self) -> Worker:
        """The worker."""
        with self._lock:
            if self._worker is None:
                self._worker = self._connect()
            return self._worker

    def close(self) -> None:
        """Let go of pictures and of the worker."""
        self.shelf.close()
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def models(self) -> tuple[ModelInfo, ...]:
        """The models on offer; none where the worker cannot be reached."""
        try:
            return self.worker().models()
        except UHRBATError:
            return ()

    def model(self, name: str) -> ModelInfo | None:
        """What is known of a model."""
        return next((model for model in self.models() if model.name == name), None)

    @staticmethod
    def settings(model: str, importance: str, regions: str, order: str, seed: float | None) -> dict[str, Any]:
        """The choices of a page or a client as the worker wants them; InputError for an unusable seed."""
        if seed is None or seed != int(seed) or not 0 <= seed < 2**31:
            raise InputError(f"A seed of {seed} is not usable: give a whole number from 0 to {2**31 - 1:,}.")
        chosen = {"importance": importance, "regions": regions, "order": order}
        return {
            "model": model or "nano",
            "seed": int(seed),
            **{name: value for name, value in chosen.items() if value and value != DEFAULT},
        }

    def ask(self, picture: Picture, question: str, settings: dict, budget: Budget, session: str) -> Job[AskResult]:
        """Ask a question of a picture at a budget."""
        if not (question or "").strip():
            raise InputError("The question is empty: type one, or choose a suggestion.")
        check_budget(picture, budget)
        return self.worker().ask(picture.image, question, settings, budget, session)

    def keep(self, picture: Picture, question: str, settings: dict, result: AskResult) -> KeptRun:
        """Keep an asked question, so that its maps and downloads can be fetched."""
        known = picture.example.question(question) if picture.example else None
        return self.runs.add(KeptRun(picture, question, settings, result, known))

    def answer(
        self, run: KeptRun, budget: Budget, session: str, force: tuple = (), without: tuple = ()
    ) -> Job[AnswerResult]:
        """The answer at another budget, or with some boxes forced in or taken out."""
        check_budget(run.picture, budget)
        return self.worker().answer(
            run.picture.image,
            run.question,
            run.settings,
            budget,
            force=force,
            without=without,
            session=session,
        )

    def inspect(self, run: KeptRun, box: tuple, budget: Budget, session: str) -> Job[InspectResult]:
        """What became of a box's tokens."""
        check_budget(run.picture, budget)
        box = tuple(float(value) for value in Pyramid(run.picture.info.width, run.picture.info.height).check_box(box))
        return self.worker().inspect(run.picture.image, run.question, run.settings, box, budget, session)

    def sweep(self, run: KeptRun, budgets: tuple[Budget, ...], session: str) -> Job[SweepResult]:
        """The question at several budgets, with truth and evidence where they are known."""
        for budget in budgets:
            check_budget(run.picture, budget)
        truth = run.known.answer if run.known else None
        return self.worker().sweep(run.picture.image, run.question, run.settings, budgets, truth, _boxes(run), session)

    def compare(
        self, run: KeptRun, budget: Budget, session: str, methods: tuple[str, ...] = tuple(METHODS)
    ) -> Job[CompareResult]:
        """The question through several compressors at one budget."""
        check_budget(run.picture, budget)
        return self.worker().compare(
            run.picture.image, run.question, run.settings, budget, methods, _boxes(run), session
        )


def budget_of(value: dict | None) -> Budget:
    """The budget panel's value as a worker wants it: a total, or one number a scale."""
    if not value:
        raise InputError("There is no budget: set one.")
    per_scale = value.get("per_scale")
    return tuple(int(number) for number in per_scale) if per_scale else int(value["total"])


def check_budget(picture: Picture, budget: Budget) -> None:
    """InputError unless the budget is one to 131,328 tokens, and no scale gets more than it has."""
    pyramid = Pyramid(picture.info.width, picture.info.height)
    if isinstance(budget, int):
        split_budget(budget, pyramid.sizes)
        return
    if len(budget) != len(SCALES) or sum(budget) < 1:
        raise InputError(f"A budget of {budget} is not usable: give a total, or four numbers of which one is above 0.")
    for scale, number in zip(pyramid.scales, budget, strict=True):
        if not 0 <= number <= scale.tokens:
            raise InputError(
                f"A budget of {number:,} tokens for scale {scale.size} is not usable: it has {scale.tokens:,}."
            )


def _boxes(run: KeptRun) -> tuple:
    return run.picture.example.boxes(run.known) if run.picture.example else ()
