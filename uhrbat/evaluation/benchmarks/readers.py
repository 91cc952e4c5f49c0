"""The public benchmarks: how their files are read, asked and scored, and what the paper reports.

XLRS-Bench (arXiv 2503.23771), MME-RealWorld's remote sensing part (2408.13257), RSHR-Bench, published as XHRBench
(2512.17319), and LRS-VQA (2503.07588). None of their data is part of this project.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uhrbat.budget import PRESETS, RELEASED_BUDGETS
from uhrbat.errors import InputError
from uhrbat.evaluation.benchmarks.records import Embedded, ImageSource, read_records
from uhrbat.evaluation.benchmarks.scoring import choice_is_right, word_is_right

Box = tuple[float, float, float, float]
Record = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One question of a benchmark.

    images: where its picture is, more than one where it asks about several; prompt: what the model is asked, line
    breaks included; truth: option letters, or words; options: as printed; group: the report's coarse class (Perception,
    Reasoning, a part of the data); boxes: evidence in image pixels, where the data has any.
    """

    id: str
    images: tuple[ImageSource, ...]
    prompt: str
    truth: str
    category: str
    group: str
    options: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """How a benchmark is read and scored.

    read: a record and the image folder -> Item, or None where the record belongs to another part. budgets: the paper's,
    one a scale. published: the paper's figures in percent, by group, or for the mean over "questions" or "categories".
    """

    title: str
    read: Callable[[Record, Path], Item | None]
    right: Callable[[str, Item], bool]
    budgets: tuple[int, ...]
    published: dict[str, float] = field(default_factory=dict)
    max_new_tokens: int = 64


def read_items(benchmark: Benchmark, questions: Path, images: Path) -> list[Item]:
    """All questions of a benchmark's file or folder; InputError where a record lacks what it must have."""
    items = []
    for number, record in enumerate(read_records(questions)):
        try:
            item = benchmark.read({"_number": number} | record, images)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(
                f"record {number} of '{Path(questions).name}' is not one of {benchmark.title}: {error!r}"
            ) from error
        if item is not None:
            items.append(item)
    if not items:
        raise InputError(f"'{Path(questions).name}' holds no question of {benchmark.title}")
    return items


def _xlrs(record: Record, folder: Path) -> Item:
    if "conversations" in record:
        return _conversation(record, folder)
    options = tuple(record["multi-choice options"])
    category = str(record["category"])
    many = category.endswith("Overall Land use classification")
    ending = (
        "Select the best answer(s) for the multiple-choice question based on the image. There may be more than one "
        "correct option. Only respond with the letter(s) corresponding to the correct answer(s) (A, B, C, D), with "
        "multiple choices separated by spaces.The answer(s) is(are):"
        if many
        else "Select the best answer for the multiple-choice question based on the image. Only respond with the letter "
        "corresponding to the correct answer (A, B, C, D).\nThe answer is:"
    )
    prompt = f"{record['question']}The choices are listed below:\n" + "\n".join(options) + f"\n\n{ending}"
    task = category.split("/")[0]
    return Item(
        id=str(record.get("index", record["_number"])),
        images=_images(record, folder),
        prompt=prompt,
        truth=_letters(record["answer"]),
        category=category,
        group="Reasoning" if "reasoning" in f"{category}/{record.get('l2-category', '')}".lower() else task,
        options=options,
    )


def _mme(record: Record, folder: Path) -> Item | None:
    if "conversations" in record:
        return _conversation(record, folder)
    if "Text" in record:  # the published JSON
        part, task = str(record.get("Subtask", "")), str(record.get("Task", ""))
        question, options, truth = record["Text"], tuple(record["Answer choices"]), record["Ground truth"]
        number, category = record["Question_id"], str(record["Category"])
    else:  # its parquet edition
        path = str(record["category"])
        part, task = path.split("/")[-1], path.split("/")[0]
        question, options, truth = record["question"], tuple(record["multi-choice options"]), record["answer"]
        number, category = record["index"], str(record.get("l2-category", part))
    if "remote" not in part.lower():
        return None
    prompt = (
        f"{question} The choices are listed below:\n" + "\n".join(options) + "\nSelect the best answer to the above "
        "multiple-choice question based on the image. Respond with only the letter (A, B, C, D, or E) of the correct "
        "option.\nThe best answer is:"
    )
    group = "Reasoning" if "reason" in task.lower() else "Perception"
    return Item(str(number), _images(record, folder), prompt, _letters(truth), category.lower(), group, options)


def _rshr(record: Record, folder: Path) -> Item:
    if "conversations" in record:
        return _conversation(record, folder)
    given = record.get("options") or ()
    if isinstance(given, dict):
        given = [f"{str(key).strip().upper()}. {given[key]}" for key in sorted(given, key=str)]
    else:
        given = [option if option[1:2] in ".):" else f"{'ABCDEFGH'[i]}. {option}" for i, option in enumerate(given)]
    truth = _letters(record["answer"]) if given else str(record["answer"])
    prompt = str(record["question"])
    if given:
        several = " You should choose multiple answers." if len(truth) > 1 else ""
        choose = f"Select the best answer based on the image.{several} Answer with the option letter only."
        prompt = "\n".join([prompt, *given, choose])
    category, group = _classes(record)
    return Item(
        str(record.get("id", record["_number"])), _images(record, folder), prompt, truth, category, group, tuple(given)
    )


def _lrs(record: Record, folder: Path) -> Item:
    number = str(record["question_id"])
    boxes: tuple[Box, ...] = ()
    if record.get("hbox"):
        x0, y0, x1, y1 = map(float, record["hbox"])
        boxes = ((x0, y0, x1, y1),)
    return Item(
        id=number,
        images=_images(record, folder),
        prompt=str(record["text"]),
        truth=str(record["ground_truth"]),
        category=str(record["category"]),
        group=number.split("_")[0],
        boxes=boxes,
    )


def _conversation(record: Record, folder: Path) -> Item:
    """LLaVA's layout, which the released evaluation scripts read for every benchmark."""
    asked = next(turn["value"] for turn in record["conversations"] if turn["from"] == "human")
    facts = next(turn["value"] for turn in record["conversations"] if turn["from"] == "gpt")
    category, group = _classes(record)
    return Item(
        id=str(record.get("id", record["_number"])),
        images=_images(record, folder),
        prompt=asked.replace("<image>", "").strip(),
        truth=_letters(facts),
        category=category,
        group=group,
    )


def _classes(record: Record) -> tuple[str, str]:
    """(category, group) by whatever fields a record has for them."""
    names = ("category", "l2_category", "l2-category", "task", "task_type", "type", "qa_type", "subtask")
    facts = [str(record[name]) for name in names if record.get(name)]
    everything = "/".join(facts).lower()
    group = next((group for group in ("Perception", "Reasoning") if group.lower()[:6] in everything), "other")
    return (facts[0] if facts else "all"), group


def _images(record: Record, folder: Path) -> tuple[ImageSource, ...]:
    given = next((record[name] for name in ("image", "images", "Image", "bytes") if record.get(name) is not None), None)
    if given is None:
        raise KeyError("image")
    listed = given if isinstance(given, (list, tuple)) else [given]
    return tuple(one if isinstance(one, Embedded) else folder / str(one) for one in listed)


def _letters(truth: Any) -> str:
    return "".join(map(str, truth)) if isinstance(truth, (list, tuple)) else str(truth).strip()


def _choice(answer: str, item: Item) -> bool:
    return choice_is_right(answer, item.truth, item.options)


def _choice_or_word(answer: str, item: Item) -> bool:
    letters = item.options or re.fullmatch("[A-H]+", item.truth)
    return _choice(answer, item) if letters else word_is_right(answer, item.truth)


def _word(answer: str, item: Item) -> bool:
    return word_is_right(answer, item.truth)


BENCHMARKS = {
    "xlrs-bench": Benchmark("XLRS-Bench", _xlrs, _choice, PRESETS["XLRS-Bench"], {"questions": 44.0}),
    "mme-realworld-rs": Benchmark(
        "MME-RealWorld-RS", _mme, _choice, PRESETS["MME-RealWorld-RS"], {"categories": 33.33}
    ),
    "rshr-bench": Benchmark(
        "RSHR-Bench (XHRBench)",
        _rshr,
        _choice_or_word,
        PRESETS["RSHR-Bench"],
        {"Perception": 29.2, "Reasoning": 45.0},
    ),
    "lrs-vqa": Benchmark("LRS-VQA", _lrs, _word, tuple(RELEASED_BUDGETS.values()), max_new_tokens=32),
}
