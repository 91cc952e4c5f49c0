"""What the frontier's records say: shares with intervals, as JSON, CSV, a figure and Markdown."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import astuple, fields
from pathlib import Path

from uhrbat.answers import same_answer
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.findings import Agreement, Comparison, FrontierFile, Measured, Method, Point, Recall, write
from uhrbat.evaluation.frontier.figure import draw
from uhrbat.evaluation.markdown import in_points, interval, percent, table
from uhrbat.evaluation.shares import SIZES, Share, groups_of, majority, share

COMPRESSED = 3000
TIGHT = 256


def summarise(
    scenes: dict[int, dict], known: list[Method], model: UHRBAT, fingerprint: str, seeds: str
) -> FrontierFile:
    """The records of `frontier.joined` as one file; `known`: all methods, of which those with a record are reported."""
    found = _Table(scenes)
    info = [m for m in known if any(m.id in scene["evidence"] or m.id in scene["answers"] for scene in scenes.values())]
    points = [point for method in info for point in _points(found, method.id)]
    asked = [question for scene in scenes.values() for question in scene["questions"]]
    kinds, truths = [question[0] for question in asked], [question[1] for question in asked]
    default = next((method.id for method in known if method.default), None)
    return FrontierFile(
        measured=Measured.of(model, model.settings, fingerprint, seeds, scenes, len(asked)),
        budgets=sorted({point.budget for point in points if point.measure == "evidence"}),
        answer_budgets=sorted({point.budget for point in points if point.measure == "accuracy"}),
        methods=info,
        points=points,
        comparisons=_comparisons(found, points, default, {m.id for m in info if m.family == "baseline"}),
        agreement=_agreement(found, default),
        attention_recall=_recall(scenes),
        majority=majority(kinds, truths),
        no_image=_blind(scenes),
    )


class _Table:
    """Values by (method, budget) and measure: {(seed, question's number): 0 or 1}."""

    def __init__(self, scenes: dict[int, dict]) -> None:
        self.questions = {
            (seed, number): question
            for seed, scene in scenes.items()
            for number, question in enumerate(scene["questions"])
        }
        self.values: dict[str, dict[tuple[str, int], dict]] = {"accuracy": {}, "evidence": {}}
        self.answers: dict[tuple[str, int], dict] = defaultdict(dict)
        for seed, scene in scenes.items():
            for method, by_budget in scene["evidence"].items():
                for budget, row in by_budget.items():
                    kept = self.values["evidence"].setdefault((method, int(budget)), {})
                    kept |= {(seed, number): int(bit) for number, bit in enumerate(row) if bit != "-"}
            for method, by_budget in scene["answers"].items():
                for budget, texts in by_budget.items():
                    key = method, int(budget)
                    right = self.values["accuracy"].setdefault(key, {})
                    for number, text in enumerate(texts):
                        right[seed, number] = int(same_answer(text, self.questions[seed, number][1]))
                        self.answers[key][seed, number] = text


def _share(values: dict) -> Share | None:
    return share(list(values.values()), [seed for seed, _ in values])


def _points(found: _Table, method: str) -> list[Point]:
    points = []
    for measure, by_key in found.values.items():
        for budget in sorted(budget for one, budget in by_key if one == method):
            groups: dict[str, dict] = defaultdict(dict)
            for place, value in by_key[method, budget].items():
                kind, _, size = found.questions[place]
                for group in groups_of(kind, size):
                    groups[group][place] = value
            for group in sorted(groups):
                if of_group := _share(groups[group]):
                    points.append(Point(method, budget, measure, group, *astuple(of_group)))
    return points


def _comparisons(found: _Table, points: list[Point], default: str | None, baselines: set[str]) -> list[Comparison]:
    if default is None:
        return []
    info = []
    right = found.values["accuracy"]
    for budget in sorted(budget for method, budget in right if method == default):
        rivals = [
            point
            for point in points
            if point.measure == "accuracy"
            and point.group == "all"
            and point.budget == budget
            and point.method in baselines
        ]
        if not rivals:
            continue
        best = max(rivals, key=lambda point: point.value).method
        ours, theirs = right[default, budget], right[best, budget]
        gap = _share({place: ours[place] - theirs[place] for place in ours if place in theirs})
        if gap:
            info.append(Comparison(budget, default, best, gap.value, gap.low, gap.high, gap.questions))
    return info


def _agreement(found: _Table, default: str | None) -> list[Agreement]:
    budgets = sorted(budget for method, budget in found.answers if method == default)
    if default is None or not budgets:
        return []
    wide = found.answers[default, budgets[-1]]
    info = []
    for budget in budgets[:-1]:
        here = found.answers[default, budget]
        same = _share({place: int(here[place] == wide[place]) for place in here if place in wide})
        if same:
            info.append(Agreement(budget, budgets[-1], same.value, same.low, same.high, same.questions))
    return info


def _recall(scenes: dict[int, dict]) -> list[Recall]:
    rows = [(seed, *row) for seed, scene in scenes.items() for row in scene.get("recall", [])]
    info = []
    for name, (above, upto) in ({"all": (0, float("inf"))} | SIZES).items():
        here = [row for row in rows if above < row[1] <= upto]
        hits = share([row[2] for row in here], [row[0] for row in here])
        if hits:
            chance = round(sum(row[3] for row in here) / len(here), 4)
            group = name if name == "all" else f"size: {name}"
            info.append(Recall(group, 80, hits.value, hits.low, hits.high, chance, hits.questions))
    return info


def _blind(scenes: dict[int, dict]) -> dict[str, float]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for scene in scenes.values():
        for (kind, truth, _), text in zip(scene["questions"], scene["blind"]):
            for group in ("all", f"type: {kind}"):
                groups[group].append(same_answer(text, truth))
    return {group: round(sum(values) / len(values), 4) for group, values in sorted(groups.items())}


def write_all(found: FrontierFile, scenes: dict[int, dict], out: Path) -> None:
    """frontier.json, .csv, .png and .md in a folder."""
    write(out / "frontier.json", found)
    with (out / "frontier.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([field.name for field in fields(Point)])
        lines.writerows(astuple(point) for point in found.points)
    draw(found, out / "frontier.png")
    (out / "frontier.md").write_text(markdown(found, scenes))


def markdown(found: FrontierFile, scenes: dict[int, dict]) -> str:
    """The report for people: what was asked, the tables, and what each says."""
    info, values = found.measured, {(p.method, p.budget, p.measure, p.group): p for p in found.points}
    default = next((method for method in found.methods if method.default), None)
    lines = [
        "# Frontier: what survives a budget, and what is answered",
        "",
        f"{info.model} ({info.parameters:,} parameters, fingerprint {info.fingerprint}) on {info.scenes} {info.seeds} "
        f"scenes from seed {info.first_seed}, {info.questions:,} questions. Default settings: "
        f"{info.settings['importance']} importance, {info.settings['regions']} regions by {info.settings['order']}. "
        "Shares in %, in brackets the 95 % bootstrap interval (scenes resampled).",
        "",
        "Evidence is preserved where every object that the answer needs has a token at some scale that is handed over "
        "as it is. Such a token need not show the object: at scale 672 one of 6 px at 4,032 is 1 px. So a method that "
        "hands over the whole of a coarse scale preserves all evidence and may still not answer.",
        "",
    ]
    for measure, title in (("accuracy", "Accuracy (exact match)"), ("evidence", "Evidence preserved")):
        budgets = sorted({p.budget for p in found.points if p.measure == measure})
        if not budgets:
            continue
        lines += [f"## {title} by total budget", ""]
        rows = []
        for method in found.methods:
            cells = [values.get((method.id, budget, measure, "all")) for budget in budgets]
            if any(cells):
                name = f"**{method.title}**" if method.default else method.title
                most = max(cell.questions for cell in cells if cell)
                rows.append([name, most, *map(interval, cells)])
        lines += table(["method", "questions", *(f"{budget:,}" for budget in budgets)], rows)
        if measure == "accuracy":
            lines += [
                f"Without an image: majority answer of each type {percent(found.majority['all'])}, the language model "
                f"without image tokens {percent(found.no_image['all'])}.",
                "",
            ]
    if default:
        lines += _default_tables(found, values, default)
    lines += _comparison_lines(found, values)
    if found.attention_recall:
        lines += [
            "## `attention` on the 672 scale",
            "",
            "Objects with a token among the 80 best of 2,304, beside 80 drawn at random.",
            "",
        ]
        rows = [[row.group, row.objects, interval(row), percent(row.chance)] for row in found.attention_recall]
        lines += table(["object's size at 4,032 px", "objects", "recall", "chance"], rows)
    lines += _ranked(found, values)
    return "\n".join([*lines, _seconds(scenes)]) + "\n"


def _default_tables(found: FrontierFile, values: dict, default: Method) -> list[str]:
    """The default method by question type (accuracy) and by object size (evidence), released attention beside it."""
    lines = []
    budgets = sorted({p.budget for p in found.points if p.method == default.id and p.measure == "accuracy"})
    if budgets:
        kinds = [group for group in found.majority if group != "all"]
        rows = [
            [
                group.removeprefix("type: "),
                max(values[default.id, budget, "accuracy", group].questions for budget in budgets),
                *(percent(values[default.id, budget, "accuracy", group].value) for budget in budgets),
                percent(found.majority[group]),
                percent(found.no_image[group]),
            ]
            for group in [*kinds, "all"]
        ]
        lines += [f"## {default.title}: accuracy by question type", ""]
        lines += table(["type", "questions", *(f"{b:,}" for b in budgets), "majority", "no image"], rows)
    rows = []
    for method in found.methods:
        if not method.default and method.id != "attention-kmeans-mean":
            continue
        for size in SIZES:
            cells = [values.get((method.id, budget, "evidence", f"size: {size}")) for budget in found.budgets]
            if any(cells):
                rows.append([method.title, f"{size} px", max(c.questions for c in cells if c), *map(interval, cells)])
    lines += ["## Evidence preserved by object size", ""]
    return lines + table(["method", "smallest object", "questions", *(f"{b:,}" for b in found.budgets)], rows)


def _comparison_lines(found: FrontierFile, values: dict) -> list[str]:
    if not found.comparisons:
        return []
    titles = {method.id: method.title for method in found.methods}
    rows = []
    for row in found.comparisons:
        ours, theirs = (values[one, row.budget, "accuracy", "all"] for one in (row.method, row.baseline))
        apart = "yes" if ours.low > theirs.high else "no"
        gap = f"{in_points(row.difference)} ({in_points(row.low)} to {in_points(row.high)})"
        rows.append([f"{row.budget:,}", titles[row.baseline], interval(ours), interval(theirs), gap, apart])
    lines = ["## Default against the best baseline", ""]
    lines += table(["budget", "best baseline", "default", "baseline", "difference, paired", "intervals apart"], rows)
    for same in found.agreement:
        if same.budget == COMPRESSED:
            lines += [
                f"Answers at {same.budget:,} equal to those at {same.wide:,}: {percent(same.value)} % of "
                f"{same.questions:,} questions ({percent(same.low)} to {percent(same.high)}).",
                "",
            ]
    return lines


def _ranked(found: FrontierFile, values: dict) -> list[str]:
    """UHR-BAT's settings by the evidence they preserve at 3,000 tokens: how the defaults are chosen."""
    ours = [
        (
            values[method.id, COMPRESSED, "evidence", "all"],
            values.get((method.id, COMPRESSED, "evidence", "size: <= 8")),
            method,
        )
        for method in found.methods
        if method.family == "uhrbat" and (method.id, COMPRESSED, "evidence", "all") in values
    ]
    if not ours:
        return []
    ours.sort(key=lambda row: (-row[0].value, -(row[1].value if row[1] else 0)))
    lines = [f"## Settings by evidence preserved at {COMPRESSED:,} tokens", ""]
    rows = [
        [
            method.importance,
            method.regions,
            method.order or "-",
            interval(whole),
            interval(small),
            interval(values.get((method.id, TIGHT, "evidence", "all"))),
        ]
        for whole, small, method in ours
    ]
    head = ["importance", "regions", "order", "all", "smallest object <= 8 px", f"all, at {TIGHT} tokens"]
    return lines + table(head, rows)


def _seconds(scenes: dict[int, dict]) -> str:
    stages: dict[str, float] = defaultdict(float)
    for scene in scenes.values():
        for stage, spent in scene["seconds"].items():
            stages[stage] += spent / len(scenes)
    return "CPU seconds a scene: " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in stages.items()) + "."
