"""The explorer's one way to the worker: pictures and questions in, jobs and kept runs out, for page and API."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uhrbat.budget import Budget, budgets_of, read_budget, read_looks
from uhrbat.choices import DEFAULT_MODEL, METHODS
from uhrbat.errors import InputError, UHRBATError, quoted
from uhrbat.geometry import SCALES, TILE, TILE_GRID, Scale
from uhrbat.results import AnswerResult, AskResult, Box, CompareResult, EncodeResult, InspectResult, SweepResult
from uhrbat.serving import protocol
from uhrbat.serving.client.worker import Worker
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import ModelInfo

from . import findings
from .findings import Findings
from .limits import PageLimits
from .state.pictures import Picture, Shelf
from .state.runs import Asked, Runs
from .state.sessions import Sessions
from .texts import whole

SWEEP = (4, 16, 64, 256, 1000, 2000, 3000, 5000, 8000, 16000)
"""The budgets of a sweep, as far as a model has so many tokens (`swept`)."""
COMPARED = ("uhrbat", "downsampling", "dense_tiling", "global_topk", "random_tokens")
"""The token compressors that are compared."""
METHOD_CHOICES = ("importance", "regions", "order", "seed")
"""What a share link says of the method, where it was chosen."""
MOST_LISTED = 64
"""Budgets, boxes or methods in one request."""
DEFAULT = "default"
"""What a page or a client says to leave a choice to the model."""


def swept(scales: Sequence[Scale]) -> tuple[int, ...]:
    """`SWEEP` up to all tokens that a model's scales have together."""
    most = sum(scale.tokens for scale in scales)
    return tuple(dict.fromkeys(min(total, most) for total in SWEEP))


class Explorer:
    """Everything the page and the API do, without how it looks. The worker is started when first needed."""

    def __init__(
        self,
        connect: Callable[[], Worker],
        folder: Path | None = None,
        limits: PageLimits | None = None,
        found: Path = findings.FOLDER,
    ) -> None:
        self._connect = connect
        self._worker: Worker | None = None
        self._lock = threading.Lock()
        self.shelf = Shelf(self.worker, folder, limits)
        self.runs = Runs()
        self.sessions = Sessions()
        self._found = found
        self._reported: dict[str, ModelInfo] = {}

    def worker(self) -> Worker:
        """The worker."""
        with self._lock:
            if self._worker is None:
                self._worker = self._connect()
            return self._worker

    def close(self) -> None:
        """Release the worker, which may have a question under way, and all pictures."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None
        self.shelf.close()

    def findings(self) -> Findings:
        """What the evaluations found, as far as they were run."""
        return findings.load(self._found)

    def models(self) -> tuple[ModelInfo, ...]:
        """The models on offer; none where the worker cannot be reached."""
        try:
            models = self.worker().models()
        except UHRBATError:
            return ()
        self._reported |= {model.name: model for model in models}
        return models

    def model(self, name: str) -> ModelInfo | None:
        """What is known of a model."""
        return next((model for model in self.models() if model.name == name), None)

    def scales(self, model: str) -> tuple[Scale, ...]:
        """A model's scales with its tile and grid, as the worker reports them; the released ones until it does."""
        info = self._reported.get(model)  # never asked for here: a worker that is starting must not hold the page
        if info is None or info.scales is None:
            return tuple(Scale(size) for size in SCALES)
        return tuple(Scale(size, info.tile or TILE, info.tile_grid or TILE_GRID) for size in info.scales)

    def least(self, model: str) -> int:
        """Side in image pixels of the square that a model lays a smaller picture in; 0 until the worker reports it."""
        info = self._reported.get(model)
        return (info.least_side if info else None) or 0

    def checked(self, budget: object, asked: Asked) -> Budget:
        """A budget that fits the model which a question is asked of; InputError for any other."""
        budget = read_budget(budget)
        if isinstance(budget, int) or not asked.awaits_looks:
            budgets_of(budget, asked.scales)
        return budget

    @staticmethod
    def settings(
        model: str, importance: str, regions: str, order: str, seed: object, split: str = DEFAULT, looks: object = 0
    ) -> dict[str, Any]:
        """The choices of a page or a client as the worker wants them; InputError for an unusable seed
        or number of looks."""
        number = seed if isinstance(seed, int | float) and not isinstance(seed, bool) else -1
        if not 0 <= number < 2**31 or number != int(number):
            raise InputError(f"a seed of {quoted(seed)} is not usable: give a whole number from 0 to {2**31 - 1:,}")
        chosen = {"model": model or DEFAULT_MODEL, "importance": importance, "regions": regions, "order": order}
        chosen["split"] = split
        for name, value in chosen.items():
            if value is not None and not isinstance(value, str):
                raise InputError(f"{name} is {quoted(value)}: give one of its names")
        return {
            "seed": int(number),
            **({"looks": looks} if (looks := read_looks(looks)) else {}),
            **{name: whole(value) for name, value in chosen.items() if value and value != DEFAULT},
        }

    def asked(self, picture: Picture, question: object, settings: dict[str, Any]) -> Asked:
        """A question to be asked of a picture; InputError where it is no text, or empty."""
        if question is not None and not isinstance(question, str):
            raise InputError(f"the question is {quoted(question)}: give text")
        question = whole(question or "")
        if not question.strip():
            raise InputError("the question is empty: type one, or choose a suggestion")
        settings = settings | picture.settings
        query = protocol.query(picture.image, question, settings)
        return Asked(picture, query, self.scales(query.settings.model), self.least(query.settings.model))

    def encode(self, picture: Picture, model: str, session: str) -> Job[EncodeResult]:
        """Encode an image ahead of the first question about it."""
        settings = {"model": model or DEFAULT_MODEL} | picture.settings
        return self._given(picture).encode(picture.image, settings, session)

    def ask(self, asked: Asked, budget: Budget, session: str) -> Job[AskResult]:
        """Token maps of every scale, and the answer at a budget."""
        return self._given(asked.picture).ask(asked.query, self.checked(budget, asked), session)

    def answer(
        self,
        asked: Asked,
        budget: Budget,
        session: str,
        force: tuple = (),
        without: tuple = (),
        look: tuple = (),
        attention: bool = False,
    ) -> Job[AnswerResult]:
        """The answer at another budget, or with some boxes forced in or taken out, or looked at; attention: with what
        each of its words looked at."""
        forced, left_out, looked = (self._boxes(asked, boxes) for boxes in (force, without, look))
        budget = self.checked(budget, asked)
        return self._given(asked.picture).answer(asked.query, budget, forced, left_out, session, looked, attention)

    def inspect(self, asked: Asked, box: object, budget: Budget, session: str) -> Job[InspectResult]:
        """What became of a box's tokens."""
        return self._given(asked.picture).inspect(
            asked.query, self.box(asked, box), self.checked(budget, asked), session
        )

    def sweep(
        self,
        asked: Asked,
        budgets: Sequence[Budget],
        session: str,
        truth: str | None = None,
        boxes: Sequence[Sequence[float]] | None = None,
    ) -> Job[SweepResult]:
        """The question at several budgets; truth and evidence are those of the example unless given."""
        truth = truth or (asked.known.answer if asked.known else None)
        boxes = asked.evidence if boxes is None else self._boxes(asked, boxes)
        if truth is not None and not isinstance(truth, str):
            raise InputError(f"the true answer is {quoted(truth)}: give text")
        if not isinstance(budgets, list | tuple) or not 0 < len(budgets) <= MOST_LISTED:
            raise InputError(f"budgets is {quoted(budgets)}: give a list of 1 to {MOST_LISTED} budgets")
        budgets = tuple(self.checked(budget, asked) for budget in budgets)
        return self._given(asked.picture).sweep(asked.query, budgets, truth, boxes, session)

    def compare(
        self,
        asked: Asked,
        budget: Budget,
        session: str,
        methods: Sequence[str] = COMPARED,
        boxes: Sequence[Sequence[float]] | None = None,
    ) -> Job[CompareResult]:
        """The question through several compressors at one budget."""
        boxes = asked.evidence if boxes is None else self._boxes(asked, boxes)
        if not isinstance(methods, list | tuple) or not all(
            isinstance(method, str) for method in methods[:MOST_LISTED]
        ):
            raise InputError(f"methods is {quoted(methods)}: give a list of names among {', '.join(METHODS)}")
        if len(methods) > MOST_LISTED:
            raise InputError(f"{len(methods):,} methods are too many: give at most {MOST_LISTED}")
        return self._given(asked.picture).compare(
            asked.query, self.checked(budget, asked), tuple(methods), boxes, session
        )

    def _given(self, picture: Picture) -> Worker:
        """The worker, which holds the picture's file: a shipped example is shown before it is given to a worker."""
        worker = self.worker()
        if picture.example and picture.example.shipped:
            worker.store(picture.path, picture.image)
        return worker

    @staticmethod
    def box(asked: Asked, box: object) -> Box:
        """A box in pixels of the image; InputError for anything else, fractions of the image among it."""
        x0, y0, x1, y1 = asked.square.check_box(box).tolist()
        if max(x1, y1) <= 1 and max(asked.square.width, asked.square.height) > 8:
            raise InputError(f"the box {quoted(box)} looks like fractions: boxes are x0, y0, x1, y1 in pixels")
        return (x0, y0, x1, y1)

    def _boxes(self, asked: Asked, boxes: object) -> tuple[Box, ...]:
        if not isinstance(boxes, list | tuple) or len(boxes) > MOST_LISTED:
            raise InputError(f"boxes is {quoted(boxes)}: give a list of at most {MOST_LISTED} boxes")
        return tuple(self.box(asked, box) for box in boxes)


def looks_of(value: object) -> int:
    """The budget panel's number of looks; InputError where it is none."""
    return read_looks(value.get("looks") or 0) if isinstance(value, dict) else 0


def budget_of(value: object) -> Budget:
    """The budget panel's value: a total, or one number a scale. InputError where it is neither."""
    if not isinstance(value, dict):
        raise InputError("there is no budget: set one")
    return read_budget(value.get("per_scale") or value.get("total"))
