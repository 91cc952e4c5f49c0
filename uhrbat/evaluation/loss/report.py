"""What the records of the loss test say: counts, causes and misses, as JSON, CSV and Markdown."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import astuple, fields
from pathlib import Path

from uhrbat.answers import same_answer
from uhrbat.evaluation.findings import CauseCount, LossCount, LossFile, Measured, Miss, write
from uhrbat.evaluation.markdown import interval, table
from uhrbat.evaluation.shares import share

_SIDES = {"with": "with the object", "without": "without it", "pair": "both scenes of a pair"}


def questions(records: list[dict]) -> int:
    """How many questions were asked of scenes with the deciding object."""
    return sum(not row["without"] for record in records for row in record["rows"])


def summarise(records: list[dict], measured: Measured, budgets: list[int], wide: int) -> LossFile:
    """The records of `loss.measure` as one file."""
    rows = [row | {"seed": record["seed"]} for record in records for row in record["rows"]]
    sides = {
        "with": [[row] for row in rows if not row["without"]],
        "without": [[row] for row in rows if row["without"]],
        "pair": _pairs(rows),
    }
    misses = [_miss(row, int(budget), loss) for row in rows for budget, loss in row["losses"].items()]
    return LossFile(
        measured=measured,
        pairs=len({(row["seed"], row["case"][0]) for row in rows}),
        wide=wide,
        budgets=budgets,
        counts=[_count(sides[side], budget, side) for budget in budgets for side in sides if sides[side]],
        causes=_causes(misses, budgets),
        misses=sorted(misses, key=lambda miss: (miss.budget, miss.seed, miss.question, miss.without)),
    )


def _pairs(rows: list[dict]) -> list[list[dict]]:
    """The two rows of every question that has an answer in both scenes of a pair."""
    absent = {(row["seed"], *row["case"]): row for row in rows if row["without"]}
    return [
        [row, absent[row["seed"], *row["case"]]]
        for row in rows
        if not row["without"] and (row["seed"], *row["case"]) in absent
    ]


def _count(cases: list[list[dict]], budget: int, side: str) -> LossCount:
    def right(rows: list[dict], at: str) -> bool:
        return all(same_answer(row["answers"][at], row["truth"]) for row in rows)

    info = [(right(rows, rows[0]["wide"]), right(rows, str(budget)), rows[0]["seed"]) for rows in cases]
    counts = Counter((wide, compressed) for wide, compressed, _ in info)
    lost = share([not compressed for wide, compressed, _ in info if wide], [seed for wide, _, seed in info if wide])
    interval = (lost.value, lost.low, lost.high) if lost else (0.0, 0.0, 0.0)
    both_right, losses, gains, both_wrong = (counts[wide, here] for wide in (True, False) for here in (True, False))
    return LossCount(budget, side, len(cases), both_right, losses, gains, both_wrong, *interval)


def _causes(misses: list[Miss], budgets: list[int]) -> list[CauseCount]:
    info = []
    for budget in budgets:
        here = [miss for miss in misses if miss.budget == budget and not miss.without]
        for cause in sorted({miss.cause for miss in here}):
            these = [miss for miss in here if miss.cause == cause]
            info.append(CauseCount(budget, cause, len(these), sum(miss.proved for miss in these)))
    return info


def _miss(row: dict, budget: int, loss: dict) -> Miss:
    return Miss(
        seed=row["seed"],
        without=row["without"],
        question=row["case"][1],
        type=row["type"],
        budget=budget,
        truth=row["truth"],
        wide_answer=row["answers"][row["wide"]],
        answer=row["answers"][str(budget)],
        **loss,
    )


def write_all(found: LossFile, out: Path, name: str = "loss") -> None:
    """`name`.json, .csv (a line a miss) and .md in a folder."""
    write(out / f"{name}.json", found)
    with (out / f"{name}.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([field.name for field in fields(Miss)])
        lines.writerows(astuple(miss) for miss in found.misses)
    (out / f"{name}.md").write_text(markdown(found))


def markdown(found: LossFile) -> str:
    """The report for people."""
    info = found.measured
    lines = [
        "# Loss test: right on the widest budget, wrong on the compressed one",
        "",
        f"{info.model} ({info.parameters:,} parameters, fingerprint {info.fingerprint}) on {info.scenes} {info.seeds} "
        f"scenes from seed {info.first_seed}: {found.pairs} pairs of a scene with and without the object that decides, "
        f"every other pixel equal; {info.questions} questions. The compressed answers: {info.settings['importance']} "
        f"importance, {info.settings['regions']} regions by {info.settings['order']}. The widest budget, by the "
        f"model's defaults: {found.wide:,} tokens. In brackets the 95 % bootstrap interval (scenes resampled).",
        "",
        "## Losses and gains",
        "",
    ]
    rows = [
        [
            f"{row.budget:,}",
            _SIDES[row.side],
            row.cases,
            row.both_right,
            row.losses,
            row.gains,
            row.both_wrong,
            interval(row),
        ]
        for row in found.counts
    ]
    head = ["budget", "scene", "cases", "right twice", "losses", "gains", "wrong twice", "losses, % of right wide"]
    lines += [*table(head, rows), "## Causes of the losses, scenes with the object", ""]
    if found.causes:
        rows = [[f"{row.budget:,}", row.cause, row.losses, row.proved] for row in found.causes]
        lines += table(["budget", "cause", "losses", "right again with the evidence forced in"], rows)
    else:
        lines += ["No answer was lost.", ""]
    lines += ["## Misses", ""]
    rows = [
        [
            miss.seed,
            f"without object {miss.without[0]}" if miss.without else "whole",
            f"{miss.budget:,}",
            miss.question,
            f"{miss.object}, {miss.object_size:g} px" if miss.object else "-",
            miss.truth,
            miss.answer,
            miss.cause,
            "-" if miss.forced_answer is None else miss.forced_answer,
        ]
        for miss in found.misses
    ]
    head = ["seed", "scene", "budget", "question", "evidence", "truth", "answer", "cause", "forced in"]
    lines += table(head, rows) if rows else ["None.", ""]
    return "\n".join(lines) + "\n"
