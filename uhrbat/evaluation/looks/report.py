"""What the evaluations with looks found, as Markdown."""

from __future__ import annotations

from uhrbat.evaluation.findings import Measured
from uhrbat.evaluation.looks.findings import LooksFile, LooksLossFile
from uhrbat.evaluation.markdown import interval, table


def markdown(found: LooksFile) -> list[str]:
    """The lines of the frontier against looks: evidence and accuracy by looks, split and budget, and by object size."""
    values = {(p.looks, p.split, p.budget, p.measure, p.group): p for p in found.points}
    lines = [*_measured(found.measured, found.side), ""]
    for measure, title in (("evidence", "Evidence preserved"), ("accuracy", "Accuracy (exact match)")):
        budgets = sorted({p.budget for p in found.points if p.measure == measure})
        if not budgets:
            continue
        rows = [
            [looks, split, *(interval(values.get((looks, split, budget, measure, "all"))) for budget in budgets)]
            for looks in found.looks
            for split in sorted({p.split for p in found.points})
        ]
        lines += [f"## {title} by looks and total budget", ""]
        lines += table(["looks", "split", *(f"{budget:,}" for budget in budgets)], rows)
        most = 3000 if 3000 in budgets else budgets[-1]
        groups = sorted({p.group for p in found.points if p.group.startswith("size: ")}, key=_first_number)
        by_size = [
            [looks, *(interval(values.get((looks, "paper", most, measure, group))) for group in groups)]
            for looks in found.looks
        ]
        lines += [f"At {most:,} tokens, by the smallest object that the answer needs, in pixels of the file:", ""]
        lines += table(["looks", *(f"{group.removeprefix('size: ')} px" for group in groups)], by_size)
    spent = ", ".join(f"{name} {value:g}" for name, value in found.seconds.items())
    return [*lines, f"Seconds a world, by the clock: {spent}."]


def loss_markdown(found: LooksLossFile) -> list[str]:
    """The lines of the losses by looks and budget, and of their causes."""
    lines = [*_measured(found.measured, found.side), ""]
    head = ["looks", "budget", "questions", "right", "right where it is looked at the evidence", "lost"]
    rows = [[row.looks, f"{row.budget:,}", row.questions, row.right, row.there, row.lost] for row in found.losses]
    lines += table(head, rows)
    causes = [[row.looks, f"{row.budget:,}", row.cause, row.losses] for row in found.causes]
    return lines + table(["looks", "budget", "cause", "losses"], causes)


def _measured(measured: Measured, side: int) -> list[str]:
    worlds = f"{measured.scenes} {measured.seeds} world{'' if measured.scenes == 1 else 's'}"
    return [
        f"{measured.model} ({measured.parameters:,} parameters, fingerprint {measured.fingerprint}) on {worlds} of "
        f"{side:,} px from seed {measured.first_seed}, {measured.questions:,} questions, objects of 6 to 30 pixels of "
        "the file. Shares in %, in brackets the 95 % bootstrap interval (worlds resampled).",
    ]


def _first_number(group: str) -> int:
    return int(group.removeprefix("size: ").split("-")[0])
