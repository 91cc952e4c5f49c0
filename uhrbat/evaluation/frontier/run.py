"""The frontier: accuracy and evidence preserved against the total budget, for UHR-BAT and for its baselines.

    python -m uhrbat evaluate frontier --scenes 300 --out runs/frontier --part 1/2 & ... --part 2/2

Every method is asked the same questions of the same model. Finished scenes are kept in --out; a run goes on where it
stopped, adds methods and budgets to what is there, and shares the work with others (--part). Each process ends by
writing the report of all that is kept.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.answers import answer_many, blind_answers
from uhrbat.evaluation.encoded import WorldEncoder, configuration, fingerprint
from uhrbat.evaluation.findings import FrontierFile, Method
from uhrbat.evaluation.frontier import report as frontier_report
from uhrbat.evaluation.frontier.methods import Asked, chosen_methods, methods, preserved
from uhrbat.evaluation.kept import Kept
from uhrbat.evaluation.seeds import Seeds
from uhrbat.settings import Settings
from uhrbat.worlds import World, WorldQuestion, questions

RECALLED = 80
_VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What is measured: evidence of `methods` at `budgets`; answers of some of them, and the default's at `wide`."""

    methods: tuple[Method, ...]
    budgets: tuple[int, ...]
    answered: tuple[Method, ...]
    answer_budgets: tuple[int, ...]
    wide: int | None = None
    questions: int = 20

    def answers_at(self, method: Method) -> list[int]:
        """The budgets at which a method's answers are wanted."""
        wanted = self.answer_budgets if method in self.answered else ()
        wide = (self.wide,) if method.default and self.wide and wanted else ()
        return sorted({*wanted, *wide})

    def missing(self, record: dict) -> dict[str, tuple[list[int], list[int]]]:
        """{method id: (budgets of evidence, of answers)} that a scene's record lacks."""
        found = {}
        for method in self.methods:
            evidence = record.get("evidence", {}).get(method.id, {})
            answers = record.get("answers", {}).get(method.id, {})
            lacks = (
                [budget for budget in self.budgets if str(budget) not in evidence],
                [budget for budget in self.answers_at(method) if str(budget) not in answers],
            )
            if any(lacks):
                found[method.id] = lacks
        return found


def measure(encoder: WorldEncoder, seed: int, plan: Plan, settings: Settings, record: dict | None = None) -> dict:
    """What a scene's record lacks of the plan, as a record to join to it (`joined`)."""
    seconds: dict[str, float] = defaultdict(float)
    began = time.process_time()

    def took(stage: str) -> None:
        nonlocal began
        now = time.process_time()
        seconds[stage] += now - began
        began = now

    missing = plan.missing(record or {})
    scene, encoded = encoder.scene(seed)
    asked = questions(scene, seed, plan.questions)
    took("encode")
    found: dict = {"seed": seed, "evidence": {}, "answers": {}}
    if not record:
        found["questions"] = [[q.type, q.answer, _smallest(scene, q)] for q in asked]
        found["blind"] = blind_answers(encoder.engine, [q.text for q in asked])
        took("no image")
    queries = [Asked(encoded, question.text, settings) for question in asked]
    for method in plan.methods:
        if method.id not in missing:
            continue
        evidence_at, answers_at = missing[method.id]
        common = None
        table, cuts = [], []
        for question, query in zip(asked, queries):
            boxes = scene.boxes(question)
            if not boxes and not answers_at:
                table.append(["-"] * len(evidence_at))
                continue
            ranked = common or query.rank(method)
            if method.importance is None:
                common = ranked
            kept = list(preserved(encoded, boxes, ranked, evidence_at)) if boxes and evidence_at else []
            table.append([str(int(value)) for value in kept] if boxes else ["-"] * len(evidence_at))
            cuts += [query.select(ranked, budget) for budget in answers_at]
        if evidence_at:
            found["evidence"][method.id] = {str(b): "".join(row) for b, row in zip(evidence_at, zip(*table))}
        took("rank")
        if answers_at:
            texts = answer_many(cuts)
            found["answers"][method.id] = {
                str(budget): texts[index :: len(answers_at)] for index, budget in enumerate(answers_at)
            }
            took("answer")
    if "recall" not in (record or {}) and any(method.importance == "attention" for method in plan.methods):
        found["recall"] = _recall(encoded, scene, asked, queries)
        took("rank")
    found["seconds"] = {stage: round(value, 2) for stage, value in seconds.items()}
    return found


def _smallest(scene: World, question: WorldQuestion) -> float:
    return round(min((scene.objects[index].size for index in question.evidence), default=0.0), 2)


def _recall(encoded: EncodedImage, scene: World, asked: list[WorldQuestion], queries: list[Asked]) -> list[list[float]]:
    """Of each object that a question needs: its size, whether one of its tokens is among the best 80 of the attention
    scale by `attention`, and the chance of it, were the 80 drawn at random."""
    size = encoded.engine.network.config.attention_scale
    found = []
    for question, query in zip(asked, queries):
        if not question.evidence:
            continue
        values = query.importance("attention")[size]
        best = set(torch.argsort(values, descending=True, stable=True)[:RECALLED].tolist())
        for index in question.evidence:
            item = scene.objects[index]
            tokens = encoded.square.tokens_in_box(size, item.box)
            left = len(values) - np.arange(RECALLED)
            chance = 1 - float(np.prod(np.clip(1 - len(tokens) / left, 0, 1)))
            found.append([round(item.size, 2), int(bool(best & set(tokens.tolist()))), round(chance, 5)])
    return found


def joined(records: list[dict]) -> dict[int, dict]:
    """The records of each scene as one, by seed, ascending."""
    scenes: dict[int, dict] = {}
    for record in records:
        scene = scenes.setdefault(record["seed"], {"evidence": {}, "answers": {}, "seconds": {}})
        for name, value in record.items():
            if name in ("evidence", "answers"):
                for method, by_budget in value.items():
                    scene[name].setdefault(method, {}).update(by_budget)
            elif name == "seconds":
                for stage, spent in value.items():
                    scene[name][stage] = scene[name].get(stage, 0) + spent
            else:
                scene[name] = value
    return dict(sorted(scenes.items()))


@dataclass(frozen=True)
class Wanted:
    """What to measure, in words: methods as patterns (`chosen_methods`; answer_methods may be "none"), and budgets."""

    methods: str | None
    budgets: tuple[int, ...]
    answer_methods: str
    answer_budgets: tuple[int, ...]
    wide: int
    questions: int = 20

    def plan(self, known: list[Method]) -> Plan:
        """The same for the methods that there are; InputError for patterns that match none."""
        chosen = chosen_methods(known, self.methods)
        answered = []
        if self.answer_methods != "none":
            answered = chosen_methods(known, self.answer_methods, "--answer-methods")
        return Plan(
            tuple(chosen),
            tuple(sorted(set(self.budgets))),
            tuple(method for method in answered if method in chosen),
            tuple(sorted(set(self.answer_budgets))),
            self.wide or None,
            self.questions,
        )


def run_frontier(
    engine: UHRBAT, seeds: Seeds, wanted: Wanted, out: Path, cache: Path | None = None, progress: bool = True
) -> FrontierFile:
    """Measure this part's worlds and report on all that `out` keeps, there (frontier.json, .md, .png) and as a value.

    cache: a folder of encoded worlds. InputError where `out` holds results of another model or of other settings.
    """
    settings = engine.settings
    known = methods(settings)
    plan = wanted.plan(known)
    encoder = WorldEncoder(engine, cache)
    print_ = fingerprint(
        engine.network, configuration(engine), asdict(settings), wanted.questions, seeds.kind, _VERSION
    )
    kept = Kept(out, "scenes", print_, seeds.part_name)
    done = joined(kept.records())
    for seed in tqdm(seeds.mine, desc="worlds", disable=not progress):
        if plan.missing(done.get(seed, {})):
            kept.add(measure(encoder, seed, plan, settings, done.get(seed)))
    worlds = {seed: record for seed, record in joined(kept.records()).items() if seed in seeds.wanted}
    found = frontier_report.summarise(worlds, known, engine, print_, seeds.kind)
    frontier_report.write_all(found, worlds, out)
    return found
