"""Running a public benchmark: every question once, kept as it is answered, and the report.

    python -m uhrbat evaluate benchmark lrs-vqa --questions LRS_VQA_merged.jsonl --images LRS_VQA/image --out runs/lrs
    accelerate launch -m uhrbat evaluate benchmark xlrs-bench ...     # each process takes a share of the images

A run that was cut off goes on where it stopped; started once more when all is answered, it only reports.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from uhrbat.budget import Budget
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError, UHRBATError
from uhrbat.evaluation.benchmarks.readers import BENCHMARKS, Benchmark, Item
from uhrbat.evaluation.benchmarks.records import ImageSource, open_image_file
from uhrbat.evaluation.benchmarks.scoring import wordnet
from uhrbat.imagery import sha256_file
from uhrbat.selection.evidence import evidence_preserved
from uhrbat.settings import Settings

logger = logging.getLogger(__name__)


def shares() -> tuple[int, int]:
    """(this process's number, how many there are), as accelerate launch and torchrun set them."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def run_benchmark(
    name: str,
    model: UHRBAT,
    items: list[Item],
    out: Path,
    budget: Budget | None = None,
    settings: Settings | None = None,
    share: tuple[int, int] | None = None,
    progress: bool = True,
) -> dict:
    """Answer this process's share of the questions and report on all answers that `out` holds.

    budget: a total or one number a scale; None is the benchmark's own, where the model has four scales, or their total
    where one of its scales has fewer tokens. Answers are kept in `out`/answers-*.jsonl, one line a question; questions
    about several images, and images that cannot be read, are counted, not asked. The last process to end writes the
    report of all of them. InputError where `out` holds a run of another kind.
    """
    benchmark = BENCHMARKS[name]
    settings = settings or model.settings
    budget = budget if budget is not None else _own_budget(benchmark, model)
    model.budgets(budget)
    rank, world = share or shares()
    out.mkdir(parents=True, exist_ok=True)
    _same_run(out, {"benchmark": name, "model": model.name, "budget": budget, "settings": asdict(settings)})
    done = _answers(out)
    by_image: dict[tuple[ImageSource, ...], list[Item]] = defaultdict(list)
    for item in items:
        by_image[item.images].append(item)
    mine = [item for group in list(by_image.values())[rank::world] for item in group if item.id not in done]
    file = out / f"answers-{rank:05}-of-{world:05}.jsonl"
    reader = _Scenes(model)
    with file.open("a", encoding="utf-8") as kept:
        for item in tqdm(mine, desc=benchmark.title, disable=not progress or rank > 0):
            record = _answered(benchmark, reader, item, budget, settings)
            kept.write(json.dumps(record) + "\n")
            kept.flush()
    report = make_report(name, items, _answers(out))
    _write(out / "report.json", report)
    return report


def _write(path: Path, facts: dict) -> None:
    """Write JSON whole or not at all: other processes read and write it too."""
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    part.write_text(json.dumps(facts, indent=1))
    part.replace(path)


def _own_budget(benchmark: Benchmark, model: UHRBAT) -> Budget:
    if len(model.scales) != len(benchmark.budgets):
        raise InputError(f"model '{model.name}' has other scales than {benchmark.title}'s budgets: give --budget")
    available = [model.network.config.scale(size).tokens for size in model.scales]
    fits = all(part <= most for part, most in zip(benchmark.budgets, available, strict=True))
    return benchmark.budgets if fits else sum(benchmark.budgets)


class _Scenes:
    """Encodes images, and keeps the last one for the next question about the same bytes."""

    def __init__(self, model: UHRBAT) -> None:
        self.model = model
        self.last: tuple[str, EncodedImage] | None = None
        self.sources: tuple[ImageSource, ...] = ()

    def scene(self, item: Item) -> EncodedImage:
        if self.last is None or self.sources != item.images:
            with open_image_file(item.images[0]) as path:
                if not path.is_file():
                    raise InputError(f"there is no image '{path}'")
                digest = sha256_file(path)
                if self.last is None or self.last[0] != digest:
                    self.last = None  # the old scene's memory goes before the new one's comes
                    self.last = (digest, self.model.encode(path, progress=None))
            self.sources = item.images
        return self.last[1]


def _answered(benchmark: Benchmark, scenes: _Scenes, item: Item, budget: Budget, settings: Settings) -> dict:
    record: dict = {"id": item.id, "category": item.category, "group": item.group, "truth": item.truth}
    if len(item.images) > 1:
        return record | {"skipped": "several images"}
    began = time.perf_counter()
    try:
        scene = scenes.scene(item)
        view = scene.ask(item.prompt, settings, lines=True)
        selection = view.select(budget)
        answer = selection.answer(max_new_tokens=benchmark.max_new_tokens)
        preserved = None
        if item.boxes:
            kept = evidence_preserved(view.image.square, item.boxes, view.rankings, selection.budgets)
            preserved = bool(kept.all())
    except UHRBATError as error:
        logger.warning("question %s is left out: %s", item.id, error)
        return record | {"skipped": str(error)}
    return record | {
        "answer": str(answer),
        "right": benchmark.right(str(answer), item),
        "preserved": preserved,
        "tokens": answer.tokens,
        "seconds": round(time.perf_counter() - began, 3),
    }


def _answers(out: Path) -> dict[str, dict]:
    """Every answer kept so far, by question; a last line that was cut off is asked again."""
    found: dict[str, dict] = {}
    for file in sorted(out.glob("answers-*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            found[record["id"]] = record
    return found


def _same_run(out: Path, facts: dict) -> None:
    path = out / "run.json"
    facts = json.loads(json.dumps(facts))
    if not path.exists():
        _write(path, facts)
    elif json.loads(path.read_text()) != facts:
        raise InputError(f"'{out}' holds a run with another model, budget or settings: choose another folder")


def make_report(name: str, items: list[Item], answers: dict[str, dict]) -> dict:
    """Accuracy in percent over questions and over categories, by group and category, with the paper's figures."""
    benchmark = BENCHMARKS[name]
    records = [answers[item.id] for item in items if item.id in answers]
    asked = [record for record in records if "skipped" not in record]
    categories, groups = defaultdict(list), defaultdict(list)
    for record in asked:
        categories[record["category"]].append(record["right"])
        groups[record["group"]].append(record["right"])
    by_category = {key: _percent(values) for key, values in sorted(categories.items())}
    seen = [record["preserved"] for record in asked if record["preserved"] is not None]
    report = {
        "benchmark": benchmark.title,
        "questions": len(items),
        "answered": len(asked),
        "skipped": len(records) - len(asked),
        "missing": len(items) - len(records),
        "accuracy": {
            "questions": _percent([record["right"] for record in asked]),
            "categories": _mean(list(by_category.values())),
        },
        "by_group": {key: _percent(values) for key, values in sorted(groups.items())},
        "by_category": by_category,
        "published": benchmark.published,
        "evidence_preserved": _percent(seen),
        "evidence_lost": {
            "right when preserved": _percent([r["right"] for r in asked if r["preserved"] is True]),
            "right when lost": _percent([r["right"] for r in asked if r["preserved"] is False]),
        },
        "tokens": _mean([record["tokens"] for record in asked]),
        "seconds": _mean([record["seconds"] for record in asked]),
    }
    if name == "lrs-vqa" and wordnet() is None:
        report["note"] = (
            "exact matches only, where the benchmark counts synonyms too: nltk or its WordNet is missing "
            "(pip install nltk, python -m nltk.downloader wordnet; then start again in another folder)"
        )
    return report


def _percent(values: list) -> float | None:
    return None if not values else round(100 * sum(values) / len(values), 2)


def _mean(values: list) -> float | None:
    known = [value for value in values if value is not None]
    return None if not known else round(sum(known) / len(known), 2)


def table(report: dict) -> str:
    """The report as plain text, the paper's figures marked as published."""
    published = report["published"]
    rows = [(f"mean over {key}", value, published.get(key)) for key, value in report["accuracy"].items()]
    rows += [(key, value, published.get(key)) for key, value in report["by_group"].items()]
    rows += [(f"  {key}", value, None) for key, value in report["by_category"].items()]
    lines = [
        f"{report['benchmark']}: {report['answered']} of {report['questions']} questions answered, "
        f"{report['skipped']} skipped, {report['missing']} not yet asked"
    ]
    lines += [
        f"{label:<48}{'-' if value is None else f'{value:7.2f}'}"
        + (f"   published (paper): {other}" if other is not None else "")
        for label, value, other in rows
    ]
    if report["evidence_preserved"] is not None:
        lines.append(f"{'evidence preserved':<48}{report['evidence_preserved']:7.2f}")
    return "\n".join([*lines, report["note"]] if "note" in report else lines)
