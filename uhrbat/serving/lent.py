"""How many seconds of a lent GPU an action asks for: too many wait longer and need more of a visitor's quota."""

from __future__ import annotations

import math

import numpy as np
from pydantic import PositiveFloat

from uhrbat.budget import total_of
from uhrbat.choices import METHODS
from uhrbat.geometry import Square
from uhrbat.serving.limits import FromEnvironment
from uhrbat.serving.protocol import (
    AnswerRequest,
    AnyQuestion,
    AnyRequest,
    CompareRequest,
    EncodeRequest,
    InspectRequest,
    SweepRequest,
)


class LentSeconds(FromEnvironment):
    """What parts of an action take on a lent GPU, at most. Set one by UHRBAT_ and its name in capitals.

    | limit | default | meaning |
    | --- | --- | --- |
    | gpu_start_seconds | 10 | until the work begins: the process is forked and the models move to the GPU |
    | gpu_read_seconds | 0.1 | reading a megapixel of the image; looks read it twice more |
    | gpu_encode_seconds | 0.5 | encoding a megapixel of the scales, or of the tiles that are looked at |
    | gpu_question_seconds | 5 | importance, regions and ranking of one question |
    | gpu_token_seconds | 0.001 | one visual token that the language model reads |
    | gpu_answer_seconds | 5 | writing one answer |
    | gpu_most_seconds | 300 | one action, whatever its parts add up to |
    """

    gpu_start_seconds: PositiveFloat = 10
    gpu_read_seconds: PositiveFloat = 0.1
    gpu_encode_seconds: PositiveFloat = 0.5
    gpu_question_seconds: PositiveFloat = 5
    gpu_token_seconds: PositiveFloat = 0.001
    gpu_answer_seconds: PositiveFloat = 5
    gpu_most_seconds: PositiveFloat = 300

    def of(self, request: AnyRequest, square: Square) -> int:
        """Whole seconds for an action on an image with this square, of a model's scales and tiles.

        The image counts as not encoded yet: whether the process that held it is still there is not known before. So do
        the tiles that are looked at.
        """
        passes, pixels = 1, sum(side * side for side in square.sizes)
        if not isinstance(request, EncodeRequest):
            looked = _tiles_looked_at(request, square)
            passes += 2 * bool(looked)  # what stands out is found, and then the tiles are read
            pixels += looked * square.tile**2
        seconds = self.gpu_start_seconds + self.gpu_read_seconds * passes * square.width * square.height / 1e6
        seconds += self.gpu_encode_seconds * pixels / 1e6
        if not isinstance(request, EncodeRequest):
            tokens = _tokens_of_answers(request)
            seconds += self.gpu_question_seconds
            seconds += len(tokens) * self.gpu_answer_seconds + sum(tokens) * self.gpu_token_seconds
        return math.ceil(min(seconds, self.gpu_most_seconds))


def _tiles_looked_at(request: AnyQuestion, square: Square) -> int:
    """The tiles of native scales that a question looks at, as far as the image has so many."""
    sizes = square.native_sizes
    if not sizes:
        return 0
    whole = (0, 0, square.width, square.height)
    chosen = min(request.settings.looks, sum(len(square.tiles_in_box(size, whole)) for size in sizes))
    boxes = request.look if isinstance(request, AnswerRequest) else ()
    beside = [square.tiles_in_box(sizes[-1], box) for box in boxes]
    return chosen + (len(np.unique(np.concatenate(beside))) if beside else 0)


def _tokens_of_answers(request: AnyRequest) -> list[int]:
    """The visual tokens of each answer that an action asks for."""
    if isinstance(request, EncodeRequest | InspectRequest):
        return []
    if isinstance(request, SweepRequest):
        return [total_of(budget) for budget in request.budgets]
    if request.budget is None:
        return []
    count = len(request.methods or METHODS) if isinstance(request, CompareRequest) else 1
    return [total_of(request.budget)] * count
