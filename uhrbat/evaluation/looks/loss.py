"""The loss test beyond the finest scale: what is wrong with so many looks and right once it is looked at the evidence.

    uhrbat evaluate loss --side 16384 --looks 0,64,256 --scenes 10 --out runs/looks

Each loss is reported with its cause as the inspector gives it, *not looked at* and *smaller than a token at every scale
that was looked at* among them. It is proved by looking at the evidence, at the same budget, its tokens put first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from uhrbat.answers import same_answer
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.answers import answer_many
from uhrbat.evaluation.encoded import configuration, fingerprint
from uhrbat.evaluation.findings import Measured, write
from uhrbat.evaluation.kept import Kept
from uhrbat.evaluation.looks.findings import LooksCause, LooksLoss, LooksLossFile
from uhrbat.evaluation.looks.report import loss_markdown
from uhrbat.evaluation.looks.worlds import LookedWorld, looked_world
from uhrbat.evaluation.loss.run import cause_of
from uhrbat.evaluation.seeds import Seeds

_VERSION = 1


def measure(looked: LookedWorld, looks: tuple[str, ...], budgets: tuple[int, ...]) -> list[dict]:
    """A row for each question that an object decides: its answer with each number of looks at each budget, its answer
    where it is looked at the evidence, and the cause of each loss."""
    rows = []
    for number, question in enumerate(looked.questions):
        boxes = list(looked.world.boxes(question))
        if not boxes:
            continue
        row: dict = {"truth": question.answer, "size": looked.native_size(number), "answers": {}, "causes": {}}
        there = looked.asked(number, "0")["paper"].looking_at(boxes)
        row["there"] = answer_many([there.select(budget, force=boxes) for budget in budgets])
        for name in looks:
            view = looked.asked(number, name)["paper"]
            row["answers"][name] = said = answer_many([view.select(budget) for budget in budgets])
            row["causes"][name] = [
                cause_of(view, boxes, budget)[1]
                if same_answer(right, question.answer) and not same_answer(answer, question.answer)
                else None
                for budget, answer, right in zip(budgets, said, row["there"], strict=True)
            ]
        rows.append(row)
    return rows


def run_loss(
    engine: UHRBAT,
    seeds: Seeds,
    side: int,
    looks: tuple[str, ...],
    budgets: tuple[int, ...],
    out: Path,
    cache: Path | None = None,
    progress: bool = True,
    questions: int = 20,
) -> LooksLossFile:
    """Measure this part's worlds and report on all that `out` keeps, there (looks_loss.json, .md) and as a value.

    cache: a folder that keeps the worlds' files. InputError where `out` holds results of another model or settings.
    """
    settings, budgets = engine.settings, tuple(sorted(set(budgets)))
    known = [configuration(engine), asdict(settings), side, looks, budgets, questions, _VERSION]
    print_ = fingerprint(engine.network, known)
    kept = Kept(out, "looks_loss", print_, seeds.part_name)
    done = {record["seed"] for record in kept.records()}
    for seed in tqdm(seeds.mine, desc="worlds", disable=not progress):
        if seed not in done:
            folder = cache or out / "worlds"
            with looked_world(engine, seed, side, looks, questions, folder, cache is not None) as world:
                kept.add({"seed": seed, "rows": measure(world, looks, budgets)})
    records = kept.worlds(seeds.wanted)
    rows = [row for record in records for row in record["rows"]]
    measured = Measured.of(engine, settings, print_, seeds.kind, [record["seed"] for record in records], len(rows))
    found = LooksLossFile(
        measured,
        side,
        list(looks),
        list(budgets),
        list(_losses(rows, looks, budgets)),
        list(_causes(rows, looks, budgets)),
    )
    write(out / "looks_loss.json", found)
    title = ["# Looks: what is lost without them, and why", ""]
    (out / "looks_loss.md").write_text("\n".join([*title, *loss_markdown(found)]) + "\n")
    return found


def _losses(rows: list[dict], looks: tuple[str, ...], budgets: tuple[int, ...]) -> Iterator[LooksLoss]:
    for name in looks:
        for place, budget in enumerate(budgets):
            right = sum(same_answer(row["answers"][name][place], row["truth"]) for row in rows)
            there = sum(same_answer(row["there"][place], row["truth"]) for row in rows)
            lost = sum(row["causes"][name][place] is not None for row in rows)
            yield LooksLoss(name, budget, len(rows), right, there, lost)


def _causes(rows: list[dict], looks: tuple[str, ...], budgets: tuple[int, ...]) -> Iterator[LooksCause]:
    for name in looks:
        for place, budget in enumerate(budgets):
            counted = Counter(cause for row in rows if (cause := row["causes"][name][place]) is not None)
            for cause, count in counted.most_common():
                yield LooksCause(name, budget, cause, count)
