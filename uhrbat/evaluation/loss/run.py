"""The controlled loss test: a model that is right on the widest budget and wrong on the compressed tokens.

    python -m uhrbat evaluate loss --scenes 100 --out runs/loss

Of each world there is a pair, with and without the object that decides a question, every other pixel equal. Each loss
is reported with its cause as the inspector gives it, and proved by forcing the evidence in at the same budget. The
widest budget is answered with the model's defaults; the compressed ones with another importance where one is given
(`--importance attention`, as the released code scores).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from uhrbat.answers import same_answer
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.answers import answer_many
from uhrbat.evaluation.encoded import WorldEncoder, configuration, fingerprint
from uhrbat.evaluation.findings import MODEL_ITSELF, LossFile, Measured
from uhrbat.evaluation.kept import Kept
from uhrbat.evaluation.loss import report as loss_report
from uhrbat.evaluation.loss.pairs import Case, cases, evidence_without, scenes_without
from uhrbat.evaluation.seeds import Seeds
from uhrbat.question import Question
from uhrbat.selection.evidence import KEPT
from uhrbat.settings import Settings
from uhrbat.worlds import World, phrase

_VERSION = 2


def measure(
    encoder: WorldEncoder, seed: int, budgets: list[int], wide: int, pairs: int, settings: Settings | None = None
) -> dict:
    """The answers about a scene's pairs at every budget, and what became of the evidence of each loss, as a record.

    settings: of the compressed answers; the model's by default.
    """
    began = time.process_time()
    settings = settings or encoder.engine.settings
    scene, encoded = encoder.scene(seed)
    decided = cases(scene, seed, pairs)
    with_object = [case for index in decided for case in decided[index]]
    rows = _answered(encoded, with_object, [case.question.answer for case in with_object], budgets, wide, settings)
    for case, row in zip(with_object, rows):
        boxes = scene.boxes(case.question)
        _explain(encoded, scene, case, row, list(boxes), case.question.evidence, settings)
    for index, changed in scenes_without(encoder, scene, encoded, list(decided)):
        others = [case for case in decided[index] if case.truth_without]
        truths = [case.truth_without or "" for case in others]
        absent = _answered(changed, others, truths, budgets, wide, settings)
        for case, row in zip(others, absent):
            row["without"] = [index]
            left = [one for one in case.question.evidence if one != index]
            _explain(changed, scene, case, row, evidence_without(scene, case.question, index), left, settings)
            rows.append(row)
    return {"seed": seed, "rows": rows, "seconds": round(time.process_time() - began, 2)}


def _answered(
    encoded: EncodedImage,
    asked: list[Case],
    truths: list[str],
    budgets: list[int],
    wide: int,
    settings: Settings,
) -> list[dict]:
    """A row a case: the question, its truth, and its answer at every budget and the widest."""
    all_budgets = [*budgets, wide]
    cuts = []
    for case in asked:
        view = encoded.ask(case.question.text, settings)
        whole = view if settings == encoded.engine.settings else encoded.ask(case.question.text)
        cuts += [view.select(budget) for budget in budgets] + [whole.select(wide)]
    texts = answer_many(cuts)
    rows = []
    for place, (case, truth) in enumerate(zip(asked, truths)):
        facts = texts[place * len(all_budgets) : (place + 1) * len(all_budgets)]
        rows.append(
            {
                "case": [case.left_out, case.question.text],
                "type": case.question.type,
                "truth": truth,
                "without": [],
                "answers": {str(budget): text for budget, text in zip(all_budgets, facts)},
                "wide": str(wide),
                "losses": {},
            }
        )
    return rows


def _explain(
    encoded: EncodedImage,
    scene: World,
    case: Case,
    row: dict,
    boxes: list,
    evidence: tuple[int, ...] | list[int],
    settings: Settings,
) -> None:
    """Add the cause of each loss of a row, and the answer with its evidence forced in."""
    wide, truth = row["answers"][row["wide"]], row["truth"]
    if not same_answer(wide, truth):
        return
    view = encoded.ask(case.question.text, settings)
    for budget, answer in row["answers"].items():
        if budget == row["wide"] or same_answer(answer, truth):
            continue
        place, cause, verdict = cause_of(view, boxes, int(budget))
        forced = answer_many([view.select(int(budget), force=boxes)])[0] if boxes else None
        facts = None if place is None else scene.objects[evidence[place]]
        row["losses"][budget] = {
            "box": None if place is None else list(map(float, boxes[place])),
            "boxes": [list(map(float, box)) for box in boxes],
            "object": facts and phrase(facts.kind, facts.color),
            "object_size": facts and round(facts.size, 2),
            "cause": cause,
            "verdict": verdict,
            "forced_answer": forced,
            "proved": forced is not None and same_answer(forced, truth),
        }


def cause_of(view: Question, boxes: list, budget: int) -> tuple[int | None, str, str]:
    """Which of the boxes a loss is about, and its cause and verdict: the first that is not preserved.

    Where all are, it is the smallest, and the model itself is the cause.
    """
    if not boxes:
        return None, MODEL_ITSELF, "The answer needs no object here."
    fates = [view.fate(box, budget) for box in boxes]
    for place, fate in enumerate(fates):
        if fate.cause != KEPT:
            return place, fate.cause, fate.verdict
    place = min(range(len(boxes)), key=lambda one: max(boxes[one][2] - boxes[one][0], boxes[one][3] - boxes[one][1]))
    return place, MODEL_ITSELF, fates[place].verdict


def run_loss(
    engine: UHRBAT,
    seeds: Seeds,
    budgets: Sequence[int],
    wide: int,
    pairs: int,
    out: Path,
    importance: str | None = None,
    cache: Path | None = None,
    progress: bool = True,
) -> tuple[LossFile, Path]:
    """Measure this part's worlds and report on all that `out` keeps: the report as a value, and its page's file.

    budgets: compressed; wide: the one to compare with; pairs: objects left out of each world, at most; importance: of
    the compressed answers; cache: a folder of encoded worlds. InputError
    where `out` holds results of another model or of other settings.
    """
    budgets = sorted(set(budgets))
    encoder = WorldEncoder(engine, cache)
    settings = replace(engine.settings, importance=importance or engine.settings.importance)
    name = f"loss_{importance}" if settings != engine.settings else "loss"
    known = [configuration(engine), asdict(settings), budgets, wide, pairs, seeds.kind, _VERSION]
    print_ = fingerprint(engine.network, known)
    kept = Kept(out, name, print_, seeds.part_name)
    done = {record["seed"] for record in kept.records()}
    for seed in tqdm(seeds.mine, desc="worlds", disable=not progress):
        if seed not in done:
            kept.add(measure(encoder, seed, budgets, wide, pairs, settings))
    records = kept.worlds(seeds.wanted)
    worlds = [record["seed"] for record in records]
    measured = Measured.of(engine, settings, print_, seeds.kind, worlds, loss_report.questions(records))
    found = loss_report.summarise(records, measured, budgets, wide)
    loss_report.write_all(found, out, name)
    return found, out / f"{name}.md"
