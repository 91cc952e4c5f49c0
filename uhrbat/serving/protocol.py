"""What crosses the wire between a client and a model worker, version 3.

A request is one of the models below, sent as JSON to `/v1/<action>`. The reply is a stream of lines, each one
JSON object with a `type`: `progress`, `partial`, `result` or `error`. A line whose `bytes` is N > 0 is
followed by exactly N bytes of safetensors that hold the arrays the line refers to. `uhrbat.results` holds what
the lines become.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationError,
    field_validator,
)

from uhrbat import budget as budgets
from uhrbat.choices import DEFAULT_MODEL
from uhrbat.errors import InputError
from uhrbat.imagery.rendering import Rendering
from uhrbat.results import Box

SCHEMA = 3

ImageId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of an image file's bytes."""
Budget = Annotated[budgets.Budget, BeforeValidator(budgets.read_budget)]
"""As `uhrbat.budget` reads it: a total, or one number a scale, coarse to fine."""
Looks = Annotated[int, BeforeValidator(budgets.read_looks)]
"""As `uhrbat.budget` reads them: how many tiles of the native scales are looked at (`uhrbat.looks`)."""
Picture = Annotated[
    InstanceOf[Rendering],
    BeforeValidator(lambda given: given if isinstance(given, Rendering) else Rendering.from_dict(given)),
    PlainSerializer(Rendering.as_dict),
]
"""How a picture is shown to the model, by the page's viewer too: what differs from `Rendering`'s defaults."""
M = TypeVar("M", bound="Message")


class Message(BaseModel):
    """Base of everything on the wire: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls: type[M], **fields: Any) -> M:
        """The checked message; InputError, in one line, if a field does not fit."""
        try:
            return cls(**fields)
        except ValidationError as error:
            raise InputError(first_problem(error)) from None


class Settings(Message):
    """What a page chooses besides image, question and budget; None means the model's own default."""

    model: str = Field(default=DEFAULT_MODEL, min_length=1, max_length=200)
    importance: str | None = Field(default=None, max_length=40)
    regions: str | None = Field(default=None, max_length=40)
    order: str | None = Field(default=None, max_length=40)
    split: str | None = Field(default=None, max_length=40)
    seed: int = Field(default=0, ge=0, lt=2**31)
    looks: Looks = 0
    picture: Picture = Rendering()
    mask: ImageId | None = None
    """A mask (.msk) that was given with the image and is stored as images are."""


class Query(Message):
    """A question about an image, and how it is asked."""

    image: ImageId
    question: str
    settings: Settings = Settings()

    @field_validator("question")
    @classmethod
    def _not_empty(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("the question is empty: type one")
        return question


def query(image: str, question: str, settings: Settings | Mapping[str, Any] | None = None) -> Query:
    """The checked query; InputError, in one line, for what does not fit. settings: their fields will do."""
    return Query.of(image=image, question=question, settings=settings or Settings())


class Request(Message):
    """Base of the actions; session: whose turn one uses."""

    action: ClassVar[str]
    session: str = Field(default="", max_length=128)


class EncodeRequest(Request):
    """Read the image and encode its scales, ahead of a question."""

    action = "encode"
    image: ImageId
    settings: Settings = Settings()


class QuestionRequest(Request):
    """Base of the actions about a question."""

    query: Query

    @property
    def image(self) -> str:
        return self.query.image

    @property
    def question(self) -> str:
        return self.query.question

    @property
    def settings(self) -> Settings:
        return self.query.settings


class AskRequest(QuestionRequest):
    """Importance, regions and ranking for a question and, with a budget, the answer."""

    action = "ask"
    budget: Budget | None = None


class AnswerRequest(QuestionRequest):
    """The answer at a budget, with the tokens of some boxes forced in or left out, or with a look at some boxes."""

    action = "answer"
    budget: Budget
    force: tuple[Box, ...] = ()
    without: tuple[Box, ...] = ()
    look: tuple[Box, ...] = ()
    attention: bool = False
    """Whether the reply says what each word of the answer looked at."""


class SweepRequest(QuestionRequest):
    """Answer and evidence at several budgets, streamed point by point."""

    action = "sweep"
    budgets: tuple[Budget, ...] = Field(min_length=1)
    truth: str | None = Field(default=None, max_length=1000)
    boxes: tuple[Box, ...] = ()


class CompareRequest(QuestionRequest):
    """The same question at the same budget through several compressors, streamed method by method."""

    action = "compare"
    budget: Budget
    methods: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


class InspectRequest(QuestionRequest):
    """What became of a box's tokens at a budget, and why."""

    action = "inspect"
    box: Box
    budget: Budget


AnyQuestion = AskRequest | AnswerRequest | SweepRequest | CompareRequest | InspectRequest
AnyRequest = EncodeRequest | AnyQuestion
ACTIONS: dict[str, type[AnyRequest]] = {
    request.action: request
    for request in (EncodeRequest, AskRequest, AnswerRequest, SweepRequest, CompareRequest, InspectRequest)
}
"""The requests by the names under which they are sent."""


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
    """The partitions that the worker can make; empty from one of an older release."""
    scales: tuple[int, ...] | None = None
    tile: int | None = None
    """Side in pixels of the window that the vision tower takes at once."""
    tile_grid: int | None = None
    """Tokens a side of a tile."""
    least_side: int | None = None
    """Side in image pixels of the square that a smaller image lies in."""
    point_bins: int | None = None
    """Places a side of the square that the model can point to; 0 if it does not point."""
    default_settings: Settings | None = None
    parameters: int | None = None
    bytes_per_token: int | None = None
    """Of the language model's cache."""
    prefill_tokens_per_second: float | None = None
    """As the last answers show."""
    prefill_overhead_seconds: float | None = None
    """What reading takes besides, however few the tokens."""
    most_looks: int | None = None
    """Tiles of native scales that one question may look at."""
    tile_seconds: float | None = None
    """Of encoding one tile, as the last images and looks show."""
    megapixel_seconds: float | None = None
    """Of reading a million pixels of a file, as the last ones show."""


Status = Literal["starting", "ready", "failed", "stuck"]


class Health(Message):
    """How a worker is; everything but `status` and `schema_version` is only for those who may use it."""

    status: Status
    schema_version: int = SCHEMA
    message: str = ""
    device: str | None = None
    dtype: str | None = None
    uptime_seconds: float | None = None
    running: int | None = None
    queued: int | None = None
    upload_bytes: int | None = None
    """The largest image file that is accepted."""


def first_problem(error: ValidationError) -> str:
    """The first thing wrong with a request, in one line."""
    problem = error.errors(include_url=False, include_input=False)[0]
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    where = ".".join(str(part) for part in problem["loc"] if isinstance(part, str)) or "request"
    return f"{where}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
