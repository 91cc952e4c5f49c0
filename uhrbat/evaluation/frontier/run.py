"""The frontier: accuracy and evidence preserved against the total budget, for UHR-BAT and for its baselines.

    python -m uhrbat evaluate frontier --scenes 300 --out runs/frontier --part 1/2 & ... --part 2/2

Every method is asked the same questions of the same model. Finished scenes are kept in --out; a run goes on where it
stopped, adds methods and budgets to what is there, and shares the work with others (--part). Each process ends by
writing the report of all that is kept.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError
from uhrbat.evaluation.answers import answer_many, blind_answers
from uhrbat.evaluation.encoded import WorldEncoder, fingerprint
from uhrbat.evaluation.findings import Method
from uhrbat.evaluation.frontier import report as frontier_report
from uhrbat.evaluation.frontier.methods import Asked, chosen_methods, methods, preserved
from uhrbat.evaluation.kept import Kept, part_of
from uhrbat.settings import Settings
from uhrbat.worlds import DEVELOPMENT_SEEDS, EVALUATION_SEEDS, World, WorldQuestion, questions

BUDGETS = (64, 128, 256, 512, 1024, 2048, 3000, 8000, 16000)
ANSWER_BUDGETS = (64, 256, 1024, 3000)
ANSWERED = (
    "default,attention-kmeans-mean,fused-kmeans-max,similarity-grid-max,similarity-none,downsampling,dense_tiling,"
    "everything_that_fits,random_tokens,global_topk-similarity,coarse_to_fine-attention"
)
WIDE = 16000
RECALLED = 80
_VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What is measured: the evidence of `methods` at `budgets`; the answers of some of them, and the default's at `wide`."""

    methods: tuple[Method, ...]
    budgets: tuple[int, ...]
    answered: tuple[Method, ...]
    answer_budgets: tuple[int, ...]
    wide: int | None = WIDE
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
            kept = preserved(encoded, boxes, ranked, evidence_at) if boxes and evidence_at else []
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


def add_common_arguments(parser: argparse.ArgumentParser, scenes: int) -> None:
    """The arguments of every evaluation that generates scenes."""
    parser.add_argument("--model", default="nano", help="nano or a checkpoint folder")
    parser.add_argument("--scenes", type=int, default=scenes)
    parser.add_argument("--skip", type=int, default=0, help="skip this many seeds")
    parser.add_argument("--part", default="1/1", help="i/n: every n-th scene, for n processes that share the work")
    parser.add_argument("--development", action="store_true", help="the development seeds, for choices")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished scenes and the report")
    parser.add_argument("--cache", type=Path, help="keep encoded scenes in this folder, 50 MB each, and read them")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the model")
    parser.add_argument("--threads", type=int, help="CPU threads of this process")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, and no progress bar")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common_arguments(parser, 300)
    parser.add_argument("--questions", type=int, default=20, help="questions a scene")
    parser.add_argument("--budgets", default=_listed(BUDGETS), help="total tokens of which the evidence is told")
    parser.add_argument(
        "--methods", help="only these, separated by commas; * stands for anything: similarity-*,default"
    )
    parser.add_argument(
        "--answer-budgets", default=_listed(ANSWER_BUDGETS), help="total tokens of which answers are told"
    )
    parser.add_argument("--answer-methods", default=ANSWERED, help="whose answers are told; none: nobody's")
    parser.add_argument(
        "--wide", type=int, default=WIDE, help="the default's answers are told at this budget, too; 0: not"
    )


def _listed(numbers) -> str:
    return ",".join(map(str, numbers))


def budgets_of(text: str, option: str) -> tuple[int, ...]:
    """ "64,256" -> (64, 256), ascending; InputError for anything else."""
    try:
        budgets = sorted({int(value) for value in text.split(",")})
    except ValueError:
        budgets = [0]
    if budgets[0] < 1:
        raise InputError(f"{option} is '{text}'; give whole numbers from 1, separated by commas")
    return tuple(budgets)


def seeds_of(args: argparse.Namespace) -> tuple[str, range, list[int]]:
    """The set's name, all the seeds asked for, and this part's. InputError for wrong numbers."""
    if args.scenes < 1 or args.skip < 0 or getattr(args, "questions", 1) < 1:
        raise InputError("--scenes and --questions are whole numbers from 1, --skip from 0")
    index, count = part_of(args.part)
    seeds = DEVELOPMENT_SEEDS if args.development else EVALUATION_SEEDS
    wanted = seeds[args.skip : args.skip + args.scenes]
    return "development" if args.development else "evaluation", wanted, list(wanted[index - 1 :: count])


def loaded_model(args: argparse.Namespace) -> UHRBAT:
    """The model of the arguments, on as many threads as they say."""
    if args.threads:
        torch.set_num_threads(args.threads)
    return UHRBAT.from_pretrained(args.model, "cpu", getattr(torch, args.dtype))


def run(args: argparse.Namespace) -> int:
    kind, wanted, mine = seeds_of(args)
    budgets = budgets_of(args.budgets, "--budgets")
    answer_budgets = budgets_of(args.answer_budgets, "--answer-budgets")
    model = loaded_model(args)
    settings = model.settings
    known = methods(settings)
    chosen = chosen_methods(known, args.methods)
    answered = [] if args.answer_methods == "none" else chosen_methods(known, args.answer_methods, "--answer-methods")
    plan = Plan(
        tuple(chosen),
        budgets,
        tuple(method for method in answered if method in chosen),
        answer_budgets,
        args.wide or None,
        args.questions,
    )
    encoder = WorldEncoder(model, args.cache)
    print_ = fingerprint(model.network, asdict(model.network.config), asdict(settings), args.questions, kind, _VERSION)
    kept = Kept(args.out, "scenes", print_, args.part.replace("/", "of"))
    done = joined(kept.records())
    for seed in tqdm(mine, desc="scenes", disable=args.json):
        if plan.missing(done.get(seed, {})):
            kept.add(measure(encoder, seed, plan, settings, done.get(seed)))
    scenes = {seed: record for seed, record in joined(kept.records()).items() if seed in wanted}
    found = frontier_report.summarise(scenes, known, model, print_, kind)
    frontier_report.write_all(found, scenes, args.out)
    if args.json:
        print(json.dumps(asdict(found)))
    else:
        print((args.out / "frontier.md").read_text())
    return 0
