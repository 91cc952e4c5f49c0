"""Training conversations: LLaVA-style JSON, or the parquet metadata of UHR-BAT-SFT-10K."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uhrbat.errors import InputError
from uhrbat.evaluation.benchmarks.records import Embedded, ImageSource, read_records
from uhrbat.network.text import clean_question


@dataclass(frozen=True)
class Conversation:
    """Questions about one image, each with the answer to learn; turns: (question, answer)."""

    id: str
    image: ImageSource
    turns: tuple[tuple[str, str], ...]


def read_conversations(path: Path, images: Path) -> list[Conversation]:
    """Every conversation of a .json, .jsonl or .parquet file; image names start from the folder `images`.

    A record has `image` and `conversations`, a list of {"from": "human" | "gpt", "value": ...} that alternates; the
    parquet edition may have `image_paths` or `file_name`, and `question` (or `prompt`) with `answer`. InputError names
    the record that does not fit, or has several images.
    """
    out = []
    for number, record in enumerate(read_records(path)):
        try:
            out.append(_conversation(record, number, images))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"record {number} of '{Path(path).name}' is no conversation: {error}") from error
    if not out:
        raise InputError(f"'{Path(path).name}' holds no conversation")
    return out


def _conversation(record: dict[str, Any], number: int, folder: Path) -> Conversation:
    names = ("image", "image_paths", "images", "file_name")
    given = next((record[name] for name in names if record.get(name) is not None), None)
    if isinstance(given, str) and given.lstrip().startswith("["):
        given = json.loads(given)
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(listed) != 1 or listed[0] is None:
        raise ValueError(f"it has {len([one for one in listed if one is not None])} images, not one")
    image = listed[0] if isinstance(listed[0], Embedded) else _found(folder, str(listed[0]))
    turns = record.get("conversations")
    if isinstance(turns, str):
        turns = json.loads(turns)
    if turns is None:
        turns = [
            {"from": "human", "value": record.get("prompt") or record["question"]},
            {"from": "gpt", "value": record["answer"]},
        ]
    said = [(turn["from"], str(turn["value"])) for turn in turns if turn["from"] in ("human", "gpt")]
    if not said or len(said) % 2 or [who for who, _ in said] != ["human", "gpt"] * (len(said) // 2):
        raise ValueError("its turns do not alternate between human and gpt")
    pairs = [
        (clean_question(question.replace("<image>", "").strip(), lines=True), answer.strip())
        for (_, question), (_, answer) in zip(said[::2], said[1::2], strict=True)
    ]
    return Conversation(str(record.get("id", number)), image, tuple(pairs))


def _found(folder: Path, name: str) -> Path:
    """The image's path; a leading images/ may or may not be a part of the folder."""
    path = folder / name
    return path if path.exists() else folder / name.removeprefix("images/")
