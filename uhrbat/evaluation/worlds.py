"""Accuracy on held-out generated scenes, by question type and budget, beside what needs no image.

    python -m uhrbat evaluate worlds --scenes 200 --budgets 256,1024,3000,8000 --json

Finished scenes are kept in a file (`--resume`), so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from uhrbat.answers import same_answer
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.answers import answer_many, blind_answers
from uhrbat.evaluation.encoded import WorldEncoder
from uhrbat.evaluation.shares import SIZES, majority
from uhrbat.selection.evidence import evidence_preserved
from uhrbat.settings import Settings
from uhrbat.worlds import EVALUATION_SEEDS, World, WorldQuestion, questions


@dataclass(frozen=True)
class Outcome:
    """One question at one budget. size: longer side in px at 4,032 of the smallest evidence, 0 without any."""

    scene: int
    type: str
    budget: int
    truth: str
    answer: str
    preserved: bool
    size: float

    @property
    def right(self) -> bool:
        return same_answer(self.answer, self.truth)


@torch.inference_mode()
def answer_scene(
    encoded: EncodedImage, scene: World, asked: list[WorldQuestion], budgets: list[int], settings: Settings
) -> list[Outcome]:
    """Every question at every budget, in the order of the budgets."""
    cuts, kept = [], []
    for question in asked:
        view = encoded.ask(question.text, settings)
        selections = [view.select(budget) for budget in budgets]
        cuts += selections
        boxes = scene.boxes(question)
        kept += [evidence_preserved(encoded.square, boxes, view.rankings, cut.budgets).all() for cut in selections]
    texts = answer_many(cuts)
    out = []
    for place, budget in enumerate(budgets):
        for number, question in enumerate(asked):
            index = number * len(budgets) + place
            size = min((scene.objects[i].size for i in question.evidence), default=0.0)
            answer, seen = texts[index], bool(kept[index])
            out.append(Outcome(scene.seed, question.type, budget, question.answer, answer, seen, size))
    return out


def share(values: Iterable[float]) -> float | None:
    values = list(values)
    return round(float(np.mean(values)), 4) if values else None


def summarise(outcomes: list[Outcome], blind: list[Outcome], budgets: list[int]) -> dict:
    """Accuracy by budget and type, evidence preserved by size of the smallest object, baselines."""
    first = [outcome for outcome in outcomes if outcome.budget == budgets[0]]
    types = sorted({outcome.type for outcome in first})
    report: dict = {
        "questions": len(first),
        "scenes": len({o.scene for o in first}),
        "accuracy": {},
        "by_type": {},
    }
    report["evidence_preserved"] = {}
    for budget in budgets:
        here = [outcome for outcome in outcomes if outcome.budget == budget]
        report["accuracy"][str(budget)] = share(outcome.right for outcome in here)
        report["by_type"][str(budget)] = {t: share(o.right for o in here if o.type == t) for t in types}
        report["evidence_preserved"][str(budget)] = {
            name: share(o.preserved for o in here if above < o.size <= upto) for name, (above, upto) in SIZES.items()
        }
    by_group = majority([outcome.type for outcome in first], [outcome.truth for outcome in first])
    report["majority"] = {group.removeprefix("type: "): value for group, value in by_group.items()}
    report["no_image"] = {t: share(o.right for o in blind if o.type == t) for t in types}
    report["no_image"]["all"] = share(o.right for o in blind)
    return report


def run_scenes(
    model: UHRBAT,
    count: int,
    budgets: list[int],
    per_scene: int = 20,
    settings: Settings | None = None,
    first: int = EVALUATION_SEEDS.start,
    keep: Path | None = None,
    progress: bool = True,
    cache: Path | None = None,
) -> dict:
    """Score a model on `count` generated scenes from seed `first`. Returns the report as plain values.

    keep: a file of finished scenes; cache: a folder of encoded ones (`WorldEncoder`).
    """
    encoder = WorldEncoder(model, cache)
    settings = settings or model.settings
    budgets = sorted(budgets)
    done: dict[int, dict] = {}
    if keep and keep.exists():
        done = {record["seed"]: record for record in map(json.loads, keep.read_text().splitlines())}
    outcomes: list[Outcome] = []
    blind: list[Outcome] = []
    seconds: dict[str, float] = defaultdict(float)
    for seed in tqdm(range(first, first + count), desc="scenes", disable=not progress):
        if seed not in done:
            began = time.perf_counter()
            scene, encoded = encoder.scene(seed)
            asked = questions(scene, seed, per_scene)
            middle = time.perf_counter()
            results = answer_scene(encoded, scene, asked, budgets, settings)
            blinds = blind_answers(model, [question.text for question in asked])
            record = {
                "seed": seed,
                "outcomes": [vars(outcome) for outcome in results],
                "blind": [[q.type, q.answer, text] for q, text in zip(asked, blinds)],
                "seconds": [middle - began, time.perf_counter() - middle],
            }
            done[seed] = record
            if keep:
                with keep.open("a") as file:
                    file.write(json.dumps(record) + "\n")
        record = done[seed]
        outcomes += [Outcome(**values) for values in record["outcomes"]]
        blind += [Outcome(seed, kind, 0, truth, text, False, 0.0) for kind, truth, text in record["blind"]]
        seconds["generate and encode"] += record["seconds"][0]
        seconds["rank and answer"] += record["seconds"][1]
    report = summarise(outcomes, blind, budgets)
    return report | {
        "model": model.name,
        "settings": vars(settings),
        "first_seed": first,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def table(report: dict) -> str:
    """The report as plain text, a row a question type."""
    budgets = list(report["accuracy"])
    rows = [["question type", *budgets, "majority", "no image"]]
    for kind in [*report["by_type"][budgets[0]], "all"]:
        values = [report["by_type"][b][kind] if kind != "all" else report["accuracy"][b] for b in budgets]
        rows.append(
            [kind, *(f"{v:.3f}" for v in values)] + [f"{report[n][kind]:.3f}" for n in ("majority", "no_image")]
        )
    return "\n".join("  ".join(f"{cell:>17}" if i == 0 else f"{cell:>9}" for i, cell in enumerate(row)) for row in rows)
