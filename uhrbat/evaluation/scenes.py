"""Accuracy on held-out generated scenes, by question type and budget, beside what needs no image.

    python -m uhrbat evaluate scenes --scenes 200 --budgets 256,1024,3000,8000 --json

Finished scenes are kept in a file (`--resume`), so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..decoding import generate_many
from ..engine import UHRBAT, EncodedScene, Settings, View
from ..errors import InputError
from ..imagery import canvas_of
from ..scenes import DEVELOPMENT_SEEDS, EVALUATION_SEEDS, Question, Scene, generate, questions

SIZES = ((0, 4), (4, 8), (8, 16), (16, 32), (32, 1000))
logger = logging.getLogger(__name__)


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
        return self.answer.strip().lower() == self.truth.lower()


def evidence_preserved(view: View, boxes, selections) -> bool:
    """Whether every box has a preserved token at some scale."""
    for box in boxes:
        kept = False
        for size, selection in selections.items():
            tokens = torch.as_tensor(view.scene.pyramid.tokens_in_box(size, box), device=view.scene.device)
            if bool((selection.kind[tokens] == 1).any()):
                kept = True
                break
        if not kept:
            return False
    return True


@torch.inference_mode()
def answer_scene(
    model: UHRBAT,
    encoded: EncodedScene,
    scene: Scene,
    asked: list[Question],
    budgets: list[int],
    settings: Settings,
) -> list[Outcome]:
    """Every question at every budget; image tokens pass the model once, at the largest budget (a budget is a prefix)."""
    network, codec = model.model, model.codec
    before = codec.prompt(asked[0].text).before
    caches: dict[int, list] = defaultdict(list)
    found: dict[int, list[bool]] = defaultdict(list)
    for question in asked:
        view = encoded.ask(question.text, settings)
        boxes = scene.boxes(question)
        largest = view.select(max(budgets))
        pairs = network.image_cache(largest.image_tokens(), len(before))
        offsets, start = {}, 0
        for size, selection in sorted(largest.selections.items()):
            offsets[size] = start
            start += len(selection)
        for budget in budgets:
            chosen = view.select(budget)
            rows = torch.cat(
                [torch.arange(len(part)) + offsets[size] for size, part in sorted(chosen.selections.items())]
            ).to(model.device)
            caches[budget].append([(key[:, :, rows], value[:, :, rows]) for key, value in pairs])
            found[budget].append(evidence_preserved(view, boxes, chosen.selections))
    afters = [codec.prompt(question.text).after for question in asked]
    out = []
    for budget in budgets:
        ids = []
        for part in range(0, len(asked), 10):
            span = slice(part, part + 10)
            ids += generate_many(network, before, caches[budget][span], afters[span], codec.stop)
        for question, tokens, kept in zip(asked, ids, found[budget]):
            size = min((scene.objects[i].size for i in question.evidence), default=0.0)
            answer = codec.parse(tokens)[0]
            out.append(Outcome(scene.seed, question.type, budget, question.answer, answer, kept, size))
    return out


def blind_answers(model: UHRBAT, asked: list[Question]) -> list[str]:
    """Answers of the language model without any image token."""
    network, codec = model.model, model.codec
    config = network.language.config
    width = config.hidden_size // config.num_attention_heads
    empty = torch.zeros(1, config.num_key_value_heads, 0, width, device=model.device, dtype=model.dtype)
    pairs = [(empty, empty)] * config.num_hidden_layers
    afters = [codec.prompt(question.text).after for question in asked]
    before = codec.prompt(asked[0].text).before
    ids = generate_many(network, before, [pairs] * len(asked), afters, codec.stop)
    return [codec.parse(tokens)[0] for tokens in ids]


def majority(outcomes: list[Outcome]) -> float:
    """Share of the most frequent answer."""
    counts = Counter(outcome.truth for outcome in outcomes)
    return max(counts.values()) / len(outcomes) if outcomes else 0.0


def share(values) -> float | None:
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
            f"{low}-{high}": share(o.preserved for o in here if low < o.size <= high) for low, high in SIZES
        }
    report["majority"] = {t: round(majority([o for o in first if o.type == t]), 4) for t in types}
    weights = Counter(outcome.type for outcome in first)
    report["majority"]["all"] = round(sum(report["majority"][t] * weights[t] for t in types) / len(first), 4)
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
) -> dict:
    """Score a model on `count` generated scenes from seed `first`. Returns the report as plain values."""
    if model.model.config.image_attention != "self":
        raise InputError(
            "evaluate scenes reads nano-like models (image_attention 'self'); use ask for others"
        )
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
            scene = generate(seed)
            asked = questions(scene, seed, per_scene)
            encoded = model.encode_canvas(canvas_of(scene.image), generated=True)
            middle = time.perf_counter()
            results = answer_scene(model, encoded, scene, asked, budgets, settings)
            blinds = blind_answers(model, asked)
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="nano", help="nano or a checkpoint folder")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--questions", type=int, default=20, help="questions a scene")
    parser.add_argument("--budgets", default="256,1024,3000,8000", help="total tokens, separated by commas")
    parser.add_argument("--importance", choices=("similarity", "attention", "fused"))
    parser.add_argument("--regions", choices=("kmeans", "grid", "none"))
    parser.add_argument("--order", choices=("max", "mean"))
    parser.add_argument("--development", action="store_true", help="the development seeds, for choices")
    parser.add_argument("--skip", type=int, default=0, help="skip this many seeds (to share the work out)")
    parser.add_argument("--resume", type=Path, help="keep finished scenes in this file and go on from it")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace) -> int:
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        budgets = [int(value) for value in args.budgets.split(",")]
    except ValueError:
        raise InputError(f"--budgets is '{args.budgets}'; give whole numbers separated by commas") from None
    if args.scenes < 1 or args.questions < 1 or args.skip < 0:
        raise InputError("--scenes and --questions are whole numbers from 1, --skip from 0")
    model = UHRBAT.from_pretrained(args.model)
    chosen = {name: getattr(args, name) for name in ("importance", "regions", "order") if getattr(args, name)}
    settings = Settings(**(vars(model.settings) | chosen))
    seeds = DEVELOPMENT_SEEDS if args.development else EVALUATION_SEEDS
    report = run_scenes(
        model,
        args.scenes,
        budgets,
        args.questions,
        settings,
        seeds.start + args.skip,
        args.resume,
        not args.json,
    )
    print(json.dumps(report, indent=1) if args.json else table(report))
    return 0


def table(report: dict) -> str:
    """The report as plain text, a row a question type."""
    budgets = list(report["accuracy"])
    rows = [["question type", *budgets, "majority", "no image"]]
    for kind in [*report["by_type"][budgets[0]], "all"]:
        values = [report["by_type"][b][kind] if kind != "all" else report["accuracy"][b] for b in budgets]
        rows.append(
            [kind, *(f"{v:.3f}" for v in values)]
            + [f"{report[n][kind]:.3f}" for n in ("majority", "no_image")]
        )
    return "\n".join(
        "  ".join(f"{cell:>17}" if i == 0 else f"{cell:>9}" for i, cell in enumerate(row)) for row in rows
    )
