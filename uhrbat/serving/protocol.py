"""What crosses the wire between the explorer and a model worker, version 1.

A request is one of the models below, sent as JSON to `/v1/<action>`. The reply is a stream of lines, each one
JSON object with a `type`: `progress`, `partial`, `result` or `error`. A line whose `bytes` is N > 0 is
followed by exactly N bytes of safetensors that hold the arrays the line refers to. `results.py` holds what
the lines become.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from uhrbat.errors import InputError

SCHEMA = 1
DEFAULT_MODEL = "nano"
REGIONS = ("kmeans", "grid", "sam", "none")

ImageId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the upright image; x1 and y1 are outside."""
Budget = int | tuple[int, ...]
"""A total, or one number a scale, coarse to fine."""


class Message(BaseModel):
    """Base of everything on the wire: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(Message):
    """What a page chooses besides image, question and budget; None means the model's own default."""

    model: str = Field(default=DEFAULT_MODEL, min_length=1, max_length=200)
    importance: str | None = Field(default=None, max_length=40)
    regions: str | None = Field(default=None, max_length=40)
    order: str | None = Field(default=None, max_length=40)
    seed: int = Field(default=0, ge=0, lt=2**31)
    bands: tuple[int, ...] | None = Field(default=None, max_length=3)


class Request(Message):
    """What every action needs: an image that the worker holds, settings, and whose turn it uses."""

    image: ImageId
    settings: Settings = Settings()
    session: str = Field(default="", max_length=128)


class EncodeRequest(Request):
    """Read the image and encode its four scales."""


class QuestionRequest(Request):
    """Base of the actions about a question."""

    question: str

    @field_validator("question")
    @classmethod
    def _not_empty(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("the question is empty: type one")
        return question


class AskRequest(QuestionRequest):
    """Importance, regions and ranking for a question and, with a budget, the answer."""

    budget: Budget | None = None

    _checked = field_validator("budget")(lambda budget: check_budget(budget))


class AnswerRequest(QuestionRequest):
    """The answer at a budget, with the tokens of some boxes forced in or left out."""

    budget: Budget
    force: tuple[Box, ...] = ()
    without: tuple[Box, ...] = ()

    _checked = field_validator("budget")(lambda budget: check_budget(budget))


class SweepRequest(QuestionRequest):
    """Answer and evidence at several budgets, streamed point by point."""

    budgets: tuple[Budget, ...] = Field(min_length=1)
    truth: str | None = Field(default=None, max_length=1000)
    boxes: tuple[Box, ...] = ()

    @field_validator("budgets")
    @classmethod
    def _budgets(cls, budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
        return tuple(check_budget(budget) for budget in budgets)


class CompareRequest(QuestionRequest):
    """The same question at the same budget through several compressors, streamed method by method."""

    budget: Budget
    methods: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()

    _checked = field_validator("budget")(lambda budget: check_budget(budget))


class InspectRequest(QuestionRequest):
    """What became of a box's tokens at a budget, and why."""

    box: Box
    budget: Budget

    _checked = field_validator("budget")(lambda budget: check_budget(budget))


ACTIONS: dict[str, type[Request]] = {
    "encode": EncodeRequest,
    "ask": AskRequest,
    "answer": AnswerRequest,
    "sweep": SweepRequest,
    "compare": CompareRequest,
    "inspect": InspectRequest,
}


class Line(Message):
    """One line of a reply's stream; `bytes` more bytes of safetensors follow it."""

    type: Literal["progress", "partial", "result", "error"]
    value: dict[str, Any]
    bytes: int = Field(default=0, ge=0)


class Failure(Message):
    """An error on the wire: its kind (a key of `codec.KINDS`) and one sentence for the user."""

    kind: str
    message: str


class ModelInfo(Message):
    """One model that a worker offers; what is known only once it is loaded is None before."""

    name: str
    loaded: bool
    regions: tuple[str, ...] = ()
    """The partitions that the worker can make; none are told by one of an older release."""
    knows_photographs: bool | None = None
    scales: tuple[int, ...] | None = None
    tile: int | None = None
    """Side of a tile in pixels."""
    tile_grid: int | None = None
    """Tokens a side of a tile."""
    point_bins: int | None = None
    """Location bins an axis with which the model points; 0 if it does not point."""
    default_settings: Settings | None = None
    parameters: int | None = None
    bytes_per_token: int | None = None
    """Of the language model's cache."""
    prefill_tokens_per_second: float | None = None
    """As last measured."""


class Health(Message):
    """How a worker is; everything but `status` and `schema_version` is told only to those who may use it."""

    status: Literal["starting", "ready", "failed", "stuck"]
    schema_version: int = SCHEMA
    message: str = ""
    device: str | None = None
    dtype: str | None = None
    uptime_seconds: float | None = None
    running: int | None = None
    queued: int | None = None
    upload_bytes: int | None = None
    """The largest image file that is accepted."""


def check_budget(budget: Budget | None) -> Budget | None:
    """The budget itself, or ValueError if it hands the language model no token."""
    numbers = (budget,) if isinstance(budget, int) else budget
    if numbers is not None and (not numbers or min(numbers) < 0 or sum(numbers) < 1):
        raise ValueError("a budget must be at least 1 token")
    return budget


def request(action: str, **fields: Any) -> Request:
    """The checked request of an action; InputError, in one line, if a field does not fit."""
    try:
        return ACTIONS[action](**fields)
    except ValidationError as error:
        raise InputError(first_problem(error)) from None


def first_problem(error: ValidationError) -> str:
    """The first thing wrong with a request, in one line."""
    problem = error.errors(include_url=False, include_input=False)[0]
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    where = ".".join(str(part) for part in problem["loc"] if isinstance(part, str)) or "request"
    return f"{where}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
