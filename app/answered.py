"""The examples' first questions, answered beforehand (maps, ledger, answer, sweep), so that the page opens answered.

`python -m tools.answered_examples` makes them, for two ways of choosing tokens. They count only for the weights that
they were made with: with others on this disk the examples open unanswered.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import uhrbat
from uhrbat.answers import same_answer
from uhrbat.results import AskResult, SweepResult
from uhrbat.serving import codec
from uhrbat.serving.protocol import ModelInfo

from .examples import FOLDER, Example

ANSWERED = FOLDER / "answered"
WAYS: dict[str, dict[str, str]] = {
    "released": {"importance": "attention", "regions": "kmeans", "order": "mean"},
    "ours": {},
}
"""How tokens are chosen: as the released code does, and by the model's own defaults."""
SWITCH = "UHRBAT_ANSWERED"
"""Environment variable; with 0, examples open unanswered."""
SWEEP = (4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 3000, 5000, 8000, 16000)
WEIGHTS = Path(uhrbat.__file__).parent / "nano" / "model.safetensors"


@dataclass(frozen=True)
class Answered:
    """An example's first question in one way, and what came of it.

    asked: with the answer at the example's budget; swept: the answers at other budgets; model: as the worker reported
    it; weights: the SHA-256 of the model's weights.
    """

    question: str
    asked: AskResult
    swept: SweepResult
    model: ModelInfo
    weights: str

    def write(self, path: Path) -> None:
        """Write it to a file: a line of JSON, then both results as they cross the wire, compressed."""
        head = {"question": self.question, "weights": self.weights, "model": self.model.model_dump(mode="json")}
        content = json.dumps(head).encode() + b"\n" + codec.to_line("result", self.asked)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(content + codec.to_line("result", self.swept), preset=9))


def read(path: Path) -> Answered:
    """What `Answered.write` wrote."""
    head, rest = lzma.decompress(path.read_bytes()).split(b"\n", 1)
    (asked, swept), said = codec.Lines().feed(rest), json.loads(head)
    return Answered(
        said["question"],
        codec.from_line(*asked, AskResult),
        codec.from_line(*swept, SweepResult),
        ModelInfo.model_validate(said["model"]),
        said["weights"],
    )


def file_of(example: Example, way: str, folder: Path = ANSWERED) -> Path:
    """Where an example's answer lies."""
    return folder / f"{example.name}-{way}.xz"


@cache
def weights() -> str:
    """SHA-256 of the weights that ship; '' where there are none."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() if WEIGHTS.is_file() else ""


@lru_cache(maxsize=24)
def _read(path: Path, _written: int) -> Answered:
    return read(path)


def find(example: Example, way: str, folder: Path = ANSWERED) -> Answered | None:
    """An example's answer in a way; None where it was not made, or for another picture, question or weights."""
    path = file_of(example, way, folder)
    if os.environ.get(SWITCH) == "0" or not path.is_file() or not example.questions:
        return None
    found = _read(path, path.stat().st_mtime_ns)
    own = (found.asked.image, found.question, found.weights)
    return found if own == (example.sha256, example.questions[0].text, weights()) else None


def opening_way(example: Example, folder: Path = ANSWERED) -> str:
    """In which way an example opens: as released where that loses what ours keeps, else in ours."""
    return "released" if is_lesson(example, folder) else "ours"


def way_of(
    example: Example, question: str | None, method: dict[str, Any] | None, folder: Path = ANSWERED
) -> str | None:
    """The way in which a link's question is answered already: that of its method; None where it is another's.

    A link that says neither question nor method opens as the example itself does.
    """
    if question is None and method is None:
        return opening_way(example, folder)
    if not example.questions or question not in (None, example.questions[0].text):
        return None
    named = {key: value for key, value in (method or {}).items() if value not in (None, "default")}
    return next((way for way, choices in WAYS.items() if choices == named), None)


def chosen(example: Example, way: str, folder: Path = ANSWERED) -> dict[str, str]:
    """What is chosen of importance, regions and order where an example opens: the way's where it is answered in it."""
    return WAYS[way] if find(example, way, folder) else example.method


def is_lesson(example: Example, folder: Path = ANSWERED) -> bool:
    """Whether the answer is wrong as released and right in ours, at the example's budget."""
    truth = example.questions[0].answer if example.questions else None
    right: dict[str, Any] = {}
    for way in WAYS:
        found = find(example, way, folder)
        right[way] = truth and found and found.asked.answer and same_answer(found.asked.answer.text, truth)
    return right["released"] is False and right["ours"] is True
