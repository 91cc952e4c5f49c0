"""Writes the pages of results from the files that hold the measurements, so that no figure is copied by hand.

    python -m tools.make_results

From assets/findings (frontier.json, loss.json, loss_attention.json, real.json, looks.json, looks_loss.json) and
docs/results/measurements.json come the pages docs/results/*.md and the tables between `<!-- results: NAME -->` and
`<!-- end -->` in README.md and in nano's model card. Where real.json or those of looks are not there, their page says so. A test compares what is committed with what this
script writes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from uhrbat.data.kinds import TOWER_KINDS, plural
from uhrbat.evaluation.findings import (
    Evidence,
    FrontierFile,
    LossFile,
    Measured,
    Method,
    Point,
    RealFigures,
    RealFile,
    read_frontier,
    read_loss,
    read_real,
)
from uhrbat.evaluation.looks.findings import LooksFile, LooksLossFile, read_looks, read_looks_loss
from uhrbat.evaluation.looks.report import loss_markdown as looks_loss_markdown
from uhrbat.evaluation.looks.report import markdown as looks_markdown
from uhrbat.evaluation.markdown import in_points, percent, table

ROOT = Path(__file__).resolve().parents[1]
FINDINGS = Path("assets/findings")
RESULTS = Path("docs/results")
README, MODEL_CARD = Path("README.md"), Path("uhrbat/nano/README.md")
MADE = "<!-- Made by `python -m tools.make_results`; edit the JSON or the script, not this page. -->"
FRONTIER_COMMAND = (
    "uhrbat evaluate frontier --scenes 16 --out runs/frontier --answer-methods none\n"
    "uhrbat evaluate frontier --scenes 60 --out runs/frontier --answer-budgets 64,512 --wide 0 \\\n"
    "    --methods default,global_topk-similarity,attention-kmeans-mean\n"
    "uhrbat evaluate frontier --scenes 60 --out runs/frontier --answer-budgets 256,1024,3000 \\\n"
    "    --methods default,similarity-grid-max,similarity-none,attention-kmeans-mean,fused-kmeans-max,downsampling,\\\n"
    "dense_tiling,global_topk-similarity,random_tokens,coarse_to_fine-attention,everything_that_fits\n"
    "uhrbat evaluate frontier --scenes 300 --out runs/frontier --answer-budgets 256,1024,3000 --wide 0 --methods default"
)
LOSS_COMMAND = "uhrbat evaluate loss --scenes 100 --out runs/frontier"
ATTENTION_COMMAND = (
    "uhrbat evaluate loss --scenes 100 --out runs/frontier \\\n    --importance attention --budgets 256,3000"
)
LOOKS_COMMAND = (
    "uhrbat evaluate frontier --side 16384 --looks 0,64,256 --scenes 4 "
    "--answer-budgets 256,3000 --wide 0 --out runs/looks"
)
LOOKS_LOSS_COMMAND = "uhrbat evaluate loss --side 16384 --looks 0,64,256 --scenes 2 --out runs/looks"
SHORT = (256, 1024, 3000)
"""The budgets of README's table."""
README_METHODS = (
    "similarity-kmeans-max",
    "attention-kmeans-mean",
    "global_topk-similarity",
    "coarse_to_fine-attention",
    "downsampling",
    "dense_tiling",
    "random_tokens",
)
REAL_BUDGETS, REAL_SIZE, FINEST = (256, 3000), "9-60", 4032
"""Budgets of README's table about real pictures, and the group of sizes and the scale that it shows."""
WORLDS, TOGETHER, WHOLE = "generated worlds", "all kinds", "whole pictures"
"""What real.json measures beside the kinds of objects."""
SIDES = {"with": "with the object", "without": "without it", "pair": "both worlds of a pair"}
TYPES = ("relative position", "absolute position", "color", "presence", "land cover", "count", "all")


@dataclass(frozen=True)
class Measurement:
    """Figures that a tool printed once: the command, and the conditions as far as they were written down.

    page: the page in docs/results that shows it. date: when README first held these figures, where known. load: of the
    machine meanwhile; model: which nano. rows: cells of a table under `head`; notes: paragraphs below it.
    """

    page: str
    title: str
    command: str
    machine: str
    load: str
    model: str
    date: str = "not recorded"
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Share(Protocol):
    """Any of the dataclasses of `uhrbat.evaluation.findings` that hold a share and its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class Page:
    """A page of measurements that stand in measurements.json."""

    title: str
    about: str


PAGES = {
    "serving": Page(
        "Results: page and worker",
        "How the page and its worker behave under load, when a process is killed, and with several replicas.",
    ),
    "images": Page("Results: large images and file formats", "How files are read, how exactly, and how long it takes."),
    "speed": Page("Results: speed", "How long the page, one question and the selection of tokens take."),
}


def files(root: Path = ROOT) -> dict[Path, str]:
    """Every file that this script writes, by its path in the repository, with its content."""
    frontier = read_frontier(root / FINDINGS / "frontier.json")
    losses = [read_loss(root / FINDINGS / f"{name}.json") for name in ("loss", "loss_attention")]
    real = read_real(path) if (path := root / FINDINGS / "real.json").is_file() else None
    measurements = [Measurement(**values) for values in json.loads((root / RESULTS / "measurements.json").read_text())]
    timed = root / RESULTS / "bench.json"
    made = {
        RESULTS / "frontier.md": frontier_page(frontier, measurements),
        RESULTS / "loss.md": loss_page(*losses),
        RESULTS / "real.md": real_page(real),
        RESULTS / "looks.md": looks_page(
            read_looks(path) if (path := root / FINDINGS / "looks.json").is_file() else None,
            read_looks_loss(path) if (path := root / FINDINGS / "looks_loss.json").is_file() else None,
            measurements,
        ),
        **{RESULTS / f"{name}.md": measured_page(name, measurements) for name in PAGES},
    }
    if timed.is_file():
        made[RESULTS / "speed.md"] += "\n" + _text(timed_lines(json.loads(timed.read_text())))
    tables = {
        README: {"frontier": short_table(frontier), "real": short_real(real, "docs/results/real.md")},
        MODEL_CARD: {"types": types_table(frontier), "real": short_real(real, "../../docs/results/real.md")},
    }
    for path, parts in tables.items():
        made[path] = with_parts((root / path).read_text(), parts)
    return made


def with_parts(text: str, parts: dict[str, list[str]]) -> str:
    """A text with the lines of each part in its place, between `<!-- results: NAME -->` and `<!-- end -->`."""
    for name, lines in parts.items():
        place = re.compile(rf"(<!-- results: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        found = place.search(text)
        if found is None:
            raise ValueError(f"the text has no place for the results called {name}")
        body = "\n".join(lines).strip("\n")
        text = f"{text[: found.end(1)]}{body}{body and chr(10)}{text[found.start(2) :]}"
    return text


def frontier_page(found: FrontierFile, measurements: Sequence[Measurement]) -> str:
    """The accuracy-budget frontier: every method, the default by question type, and the comparisons."""
    points = _by_key(found)
    lines = [
        "# Results: the accuracy-budget frontier",
        "",
        MADE,
        "",
        f"{_on(found.measured)} Answers count by exact match, and the brackets hold the 95 % bootstrap interval with "
        "worlds resampled. All shares are in %.",
        "",
        *_code(FRONTIER_COMMAND),
        "The last command measures the default method on all worlds, the third ten others and the budget of 16,000 on 60 of "
        "them, the second the budgets of 64 and 512 tokens, and the first the evidence of all methods on 16 worlds.",
        "",
        "![Accuracy and evidence preserved against the total budget](../../assets/findings/frontier.png)",
        "",
        "The evidence of a question is *preserved* where every object that the answer needs has a token at some scale that "
        "the language model is given as it is. Such a token touches the object and need not show it: at scale 672 an object "
        "of 6 px at 4,032 is 1 px wide. A method that hands over a whole coarse scale therefore preserves everything and "
        "may still not answer.",
        "",
    ]
    for measure, title in (("accuracy", "Accuracy"), ("evidence", "Evidence preserved")):
        lines += [f"## {title} by total budget", "", *_measure_table(found, points, measure)]
    lines += [
        f"Without an image, the majority answer of each type is right for {percent(found.majority['all'])} % and the "
        f"language model without image tokens for {percent(found.no_image['all'])} %.",
        "",
        "## Accuracy by question type",
        "",
        "The default method, compared with what needs no image.",
        "",
        *types_table(found, interval),
        "Every method whose answers were measured at 256 and 3,000 tokens:",
        "",
        *_type_by_method(found, points),
        "## Evidence preserved by object size",
        "",
        "The size is the longer side, at 4,032 px, of the smallest object that the answer needs.",
        "",
        *_size_table(found, points),
        "## The default against the best baseline",
        "",
        *_comparison_table(found, points),
        "## The same answer as at a wide budget",
        "",
        *table(
            ["budget", "compared with", "equal answers", "questions"],
            [[number(row.budget), number(row.wide), interval(row), number(row.questions)] for row in found.agreement],
        ),
        "## What attention finds",
        "",
        "Objects that have a token among the 80 best of the 2,304 tokens of scale 672, scored by `attention`, and by chance.",
        "",
        *table(
            ["object's size at 4,032 px", "objects", "found", "by chance"],
            [
                [size_name(row.group), number(row.objects), interval(row), percent(row.chance)]
                for row in found.attention_recall
            ],
        ),
    ]
    lines += _measurements("frontier", measurements)
    return _text(lines)


def loss_page(default: LossFile, attention: LossFile) -> str:
    """The controlled loss test, by default and by attention."""
    lines = [
        "# Results: the controlled loss test",
        "",
        MADE,
        "",
        f"{_on(default.measured)} A pair is a world and the same world without one object that decides a question, every "
        f"other pixel equal; there are {default.pairs}. The brackets hold the 95 % bootstrap interval, worlds resampled.",
        "",
        f"A **loss** is an answer that is right at {default.wide:,} tokens by the "
        "model's defaults and wrong at the smaller budget; a **gain** is the reverse. A loss is **proved** if the answer is "
        "right again once the tokens of the evidence are forced in at the same budget.",
        "",
        *_code(f"{LOSS_COMMAND}\n{ATTENTION_COMMAND}"),
    ]
    for found in (default, attention):
        settings = found.measured.settings
        name = f"{settings['importance'].capitalize()} importance, {settings['regions']} regions by {settings['order']}"
        lines += [f"## {name}", "", *_loss_tables(found)]
    lines += [
        "The second table is scored by attention, as the released code scores, and its regions are ordered by the model's own "
        "default rather than by their mean.",
        "",
    ]
    return _text(lines)


def looks_page(found: LooksFile | None, lost: LooksLossFile | None, measurements: Sequence[Measurement] = ()) -> str:
    """What looks at the file's own pixels add on large worlds, and what is lost without them."""
    lines = ["# Results: looks at the file's own pixels", "", MADE, ""]
    lines += [
        "[Looks](../how-it-works.md#looks-beyond-the-finest-scale) are tiles of a file's native scales that are encoded, "
        "too. `all` stands for every tile. Seconds are of the machine that it was measured on, and are no benchmark.",
        "",
    ]
    for title, command, part in (
        ("Evidence and accuracy", LOOKS_COMMAND, found and looks_markdown(found)),
        ("What is lost, and why", LOOKS_LOSS_COMMAND, lost and looks_loss_markdown(lost)),
    ):
        lines += [
            f"## {title}",
            "",
            *_code(command),
            *([*map(_deeper, part), ""] if part else ["Not measured yet.", ""]),
        ]
    lines += _measurements("looks", measurements)
    return _text(lines)


def _deeper(line: str) -> str:
    """A heading a level deeper; other lines as they are."""
    return f"#{line}" if line.startswith("#") else line


def real_page(found: RealFile | None) -> str:
    """What was measured on real pictures: precision, evidence preserved, answers and the beach photographs."""
    lines = ["# Results: real pictures", "", MADE, ""]
    lines += [
        "Scenes of 4,032 to 8,064 px are put together from real pictures that were held back from training, "
        "by place where places are known ([what is held back](../training-real.md#what-is-held-back)), so that the box of "
        "every object asked for is known. All shares are in %; brackets hold the 95 % bootstrap interval, scenes resampled.",
        "",
    ]
    if found is None:
        command = "uhrbat evaluate real --data DATA/real --attention --out runs/real.json"
        return _text([*lines, *_code(command), "Not measured yet."])
    now, before = found.now, found.before
    lines += [
        f"Measured with {_sized(now)} on {now.compositions:,} scenes of {now.pictures:,} pictures"
        + (f", and on the evidence in {now.worlds} generated worlds beside them" if now.worlds else "")
        + (f'. "Before" is the same of {_sized(before)}' if before else "")
        + f". Fingerprint of weights, settings and pictures: `{now.fingerprint}`.",
        "",
        *_code(_real_command(found)),
    ]
    if now.precision:
        lines += [
            "## The 100 best tokens",
            "",
            "Of the 100 most important tokens of a scale, those that touch one of the 120 to 200 objects asked for, of 8 to 60 px "
            "at 4,032; chance: of all tokens of the scale.",
            "",
            *_real_precision(found),
        ]
    if now.evidence:
        lines += [
            "## Evidence preserved",
            "",
            "Of the two to six objects asked for in a scene, those that have a preserved token at some scale; random: by as many "
            "tokens drawn at random; attention: by the language model's attention in place of the model's own importance.",
            "",
            *_real_evidence(found),
        ]
    if now.accuracy:
        lines += [
            "## Answers",
            "",
            "At 3,000 tokens, of zero to six objects in a scene: whether there is one (yes and no count alike), and how many there are.",
            "",
            *_real_accuracy(found),
        ]
    if now.beach:
        lines += [
            "## The beach photographs",
            "",
            'Answers to "How many cars are there?" at 3,000 tokens, the right ones in bold. In the last photograph one car is half '
            "under a tree and one is cut by the edge, so that two answers are right.",
            "",
            *_real_beach(now),
        ]
    return _text(lines)


def short_real(found: RealFile | None, page: str) -> list[str]:
    """The table of README and model card, in %: a column a kind; nothing without a file. page: where all figures are."""
    if found is None:
        return []
    now = found.now
    precision = {(point.kind, point.scale): (point, point.chance) for point in now.precision}
    evidence = {(point.kind, point.size, point.budget): (point, point.random) for point in now.evidence}
    accuracy = {(point.kind, point.asked): point for point in now.accuracy}
    kinds = [kind for kind in _real_kinds(now) if kind != WORLDS]
    rows = [
        ["100 best tokens that touch one (of all tokens)", *(_beside(precision.get((kind, FINEST))) for kind in kinds)],
        *(
            [f"preserved at {number(budget)} (at random)"]
            + [_beside(evidence.get((kind, REAL_SIZE, budget))) for kind in kinds]
            for budget in REAL_BUDGETS
        ),
        ["is there one? right", *(_cell(accuracy.get((kind, "presence"))) for kind in kinds)],
        ["how many? exactly right", *(_cell(accuracy.get((kind, "count"))) for kind in kinds)],
    ]
    return [
        f"On {now.compositions:,} scenes of {now.pictures:,} real pictures held back from training, in %; preserved: objects of "
        f"{_size(REAL_SIZE)}. All figures, with intervals: [docs/results/real.md]({page}).",
        "",
        *table(["", *map(_kind, kinds)], rows),
    ]


def measured_page(name: str, measurements: Sequence[Measurement]) -> str:
    """One page of measurements that tools printed."""
    page = PAGES[name]
    lines = [f"# {page.title}", "", MADE, "", page.about, ""]
    return _text([*lines, *_measurements(name, measurements)])


def timed_lines(found: dict[str, Any]) -> list[str]:
    """What `tools.bench` wrote, as a section of a page."""
    about, rows = found["machine"], []
    for row in found["rows"]:
        sides = [f"{side['wall']:.3g} ({side['cpu']:.3g})" for side in (row["ours"], row["theirs"])]
        rows.append(
            [row["part"], row["what"], sides[0], row["beside"], sides[1], f"{row['ratio']:.3g}", f"{row['load']:.1f}"]
        )
    return [
        "## Side by side",
        "",
        *_code("python -m tools.bench " + " ".join(dict.fromkeys(row["part"] for row in found["rows"]))),
        f"Machine: {about['processor']}, {about['threads']} of {about['cores']} cores, torch {about['torch']}. Load: "
        f"{about['load at start']:.1f} at the start, and beside each row. Date: {found['date']}. Both sides took turns; "
        f"medians of {found['options']['rounds']} rounds, in seconds, and in brackets the processor's seconds.",
        "",
        *table(["part", "what", "ours", "beside", "that", "ratio", "load"], rows),
    ]


def short_table(found: FrontierFile) -> list[str]:
    """README's table: accuracy at three budgets and the evidence preserved, ours and the baselines."""
    points, rows = _by_key(found), []
    titles = {method.id: method for method in found.methods}
    for method in (titles[name] for name in README_METHODS):
        accuracy = [percent(points[method.id, budget, "accuracy", "all"].value) for budget in SHORT]
        evidence = [points[method.id, SHORT[-1], "evidence", group] for group in ("all", "size: <= 8")]
        rows.append([_name(method), *accuracy, *(percent(point.value) for point in evidence)])
    head = [
        "method",
        *(f"{budget:,} tokens" for budget in SHORT),
        "evidence preserved at 3,000",
        "of objects up to 8 px",
    ]
    return table(head, rows)


def types_table(found: FrontierFile, cell_text: Callable[[Point], str] | None = None) -> list[str]:
    """Accuracy of the default method by question type at every budget, beside what needs no image."""
    shown = cell_text or (lambda cell: percent(cell.value))
    points = _by_key(found)
    default = next(method.id for method in found.methods if method.default)
    budgets = [budget for budget in found.answer_budgets if (default, budget, "accuracy", "all") in points]
    rows = []
    for kind in TYPES:
        group = _type_group(kind)
        cells = [points[default, budget, "accuracy", group] for budget in budgets]
        name = f"{kind} ({max(cell.questions for cell in cells):,})"
        blind = (percent(found.majority[group]), percent(found.no_image[group]))
        rows.append([name, *map(shown, cells), *blind])
    return table(["question type (questions)", *map(number, budgets), "majority answer", "no image"], rows)


def _measure_table(found: FrontierFile, points: dict, measure: str) -> list[str]:
    budgets = sorted({point.budget for point in found.points if point.measure == measure})
    rows = []
    for method in found.methods:
        cells = [points.get((method.id, budget, measure, "all")) for budget in budgets]
        if any(cells):
            worlds = max(cell.scenes for cell in cells if cell)
            rows.append([_name(method), worlds, *(interval(cell) for cell in cells)])
    return table(["method", "worlds", *map(number, budgets)], rows)


def _type_by_method(found: FrontierFile, points: dict) -> list[str]:
    rows = []
    for method in found.methods:
        for budget in (256, 3000):
            cells = [points.get((method.id, budget, "accuracy", _type_group(kind))) for kind in TYPES]
            shares = [percent(cell.value) for cell in cells if cell]
            if len(shares) == len(TYPES):
                rows.append([_name(method), number(budget), *shares])
    return table(["method", "budget", *TYPES], rows)


def _size_table(found: FrontierFile, points: dict) -> list[str]:
    groups = ("size: <= 4", "size: 5-8", "size: <= 8", "size: 9-16", "size: 17-32", "size: > 32")
    rows = []
    for method in found.methods:
        if method.id not in ("similarity-kmeans-max", "attention-kmeans-mean"):
            continue
        for group in groups:
            cells = [points.get((method.id, budget, "evidence", group)) for budget in SHORT]
            questions = max(cell.questions for cell in cells if cell)
            rows.append([_name(method), size_name(group), number(questions), *(interval(cell) for cell in cells)])
    return table(["method", "smallest object", "questions", *map(number, SHORT)], rows)


def _comparison_table(found: FrontierFile, points: dict) -> list[str]:
    titles = {method.id: method.title for method in found.methods}
    rows = []
    for row in found.comparisons:
        ours, theirs = (points[name, row.budget, "accuracy", "all"] for name in (row.method, row.baseline))
        apart = "yes" if ours.low > theirs.high or theirs.low > ours.high else "no"
        paired = f"{in_points(row.difference)} ({in_points(row.low)} to {in_points(row.high)})"
        rows.append([number(row.budget), titles[row.baseline], interval(ours), interval(theirs), paired, apart])
    head = ["budget", "best baseline", "default", "baseline", "difference in points, paired", "own intervals apart"]
    return table(head, rows)


def _loss_tables(found: LossFile) -> list[str]:
    rows = [
        [
            number(row.budget),
            SIDES[row.side],
            row.cases,
            row.both_right,
            row.losses,
            row.gains,
            row.both_wrong,
            interval(row),
        ]
        for row in found.counts
    ]
    head = ["budget", "world", "questions", "right twice", "losses", "gains", "wrong twice", "losses, % of right"]
    lines = table(head, rows)
    causes = [[number(row.budget), row.cause, row.losses, row.proved] for row in found.causes]
    return lines + table(["budget", "cause (worlds with the object)", "losses", "proved"], causes)


def _real_precision(found: RealFile) -> list[str]:
    scales = sorted({point.scale for point in found.now.precision})
    now, before = (
        {(point.kind, point.scale): point for point in figures.precision} if figures else None
        for figures in (found.now, found.before)
    )
    rows = []
    for kind in _real_kinds(found.now):
        cells: list[object] = []
        for scale in scales:
            point = now.get((kind, scale)) if now else None
            cells += [interval(point), *_earlier(before, (kind, scale)), percent(point.chance) if point else "–"]
        if any(cell != "–" for cell in cells):
            rows.append([_kind(kind), *cells])
    head = [name for scale in scales for name in (f"scale {scale}", *(["before"] if before else []), "chance")]
    return table(["objects", *head], rows)


def _real_evidence(found: RealFile) -> list[str]:
    now = {(point.kind, point.size, point.budget): point for point in found.now.evidence}
    before = {(p.kind, p.size, p.budget): p for p in found.before.evidence} if found.before else None
    budgets = sorted({point.budget for point in found.now.evidence})
    attended = any(point.attention is not None for point in found.now.evidence)
    more = [*(["before"] if before else []), *(["attention"] if attended else []), "random"]
    lines = []

    def row(point: Evidence, *names: str) -> list[object]:
        attention = [_share_or_dash(point.attention)] if attended else []
        earlier = _earlier(before, (point.kind, point.size, point.budget))
        return [*names, number(point.objects), interval(point), *earlier, *attention, percent(point.random)]

    for budget in budgets:
        keys = [(kind, size, budget) for kind in _real_kinds(found.now) for size in ("<= 8", REAL_SIZE)]
        rows = [row(now[key], _kind(key[0]), _size(key[1])) for key in keys if key in now]
        head = ["objects", "longer side at 4,032", "how many", "preserved", *more]
        lines += [f"At {number(budget)} tokens:", "", *table(head, rows)]
    sizes = list(dict.fromkeys(point.size for point in found.now.evidence if point.kind == TOGETHER))
    rows = [row(now[TOGETHER, size, budget], _size(size), number(budget)) for size in sizes for budget in budgets]
    head = ["longer side at 4,032", "budget", "how many", "preserved", *more]
    return [*lines, "All kinds of objects by size:", "", *table(head, rows)]


def _real_accuracy(found: RealFile) -> list[str]:
    now = {(point.kind, point.asked): point for point in found.now.accuracy}
    before = {(p.kind, p.asked): p for p in found.before.accuracy} if found.before and found.before.accuracy else None
    asked = list(dict.fromkeys(point.asked for point in found.now.accuracy))
    rows = []
    for kind in _real_kinds(found.now):
        if (kind, asked[0]) in now:
            cells = [cell for name in asked for cell in (interval(now[kind, name]), *_earlier(before, (kind, name)))]
            rows.append([_kind(kind), number(now[kind, asked[0]].questions), *cells])
    head = [cell for name in asked for cell in (name, *(["before"] if before else []))]
    return table(["objects", "scenes", *head], rows)


def _real_beach(found: RealFigures) -> list[str]:
    given = {(point.picture, point.change): point for point in found.beach}
    changes = list(dict.fromkeys(point.change for point in found.beach))
    rows = []
    for picture, right in {point.picture: point.right for point in found.beach}.items():
        answers = [given[picture, change].given if (picture, change) in given else "–" for change in changes]
        rows.append([picture, " or ".join(right), *(f"**{one}**" if one in right else one for one in answers)])
    return table(["photograph", "cars", *changes], rows)


def _real_command(found: RealFile) -> str:
    """The command that measured it, its numbers as far as they show in the figures."""
    now = found.now
    counts = {
        "precision": max((p.compositions for p in now.precision if p.kind in TOWER_KINDS), default=0),
        "evidence": max((p.compositions for p in now.evidence if p.kind in TOWER_KINDS), default=0),
        "accuracy": max((p.questions for p in now.accuracy if p.kind in TOWER_KINDS), default=0),
        **({"worlds": now.worlds} if now.worlds else {}),
    }
    attention = " --attention" if any(point.attention is not None for point in now.evidence) else ""
    before = " --before runs/before.json" if found.before else ""
    numbers = " ".join(f"--{name} {count}" for name, count in counts.items())
    return f"uhrbat evaluate real --data DATA/real {numbers} \\\n   {attention}{before} --out runs/real.json"


def _real_kinds(found: RealFigures) -> list[str]:
    """The kinds in the order in which they were measured."""
    kinds = [point.kind for point in found.evidence]
    kinds += [point.kind for point in found.precision] + [point.kind for point in found.accuracy]
    return list(dict.fromkeys(kinds))


def _kind(kind: str) -> str:
    return plural(kind) if kind in TOWER_KINDS else kind


def _size(size: str) -> str:
    return size if size == "all" else size_name(f"size: {size}")


def _cell(found: Share | None) -> str:
    return percent(found.value) if found else "–"


def _beside(found: tuple[Share, float] | None) -> str:
    """A share and another in brackets."""
    return f"{percent(found[0].value)} ({percent(found[1])})" if found else "–"


def _share_or_dash(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _earlier(before: Mapping[tuple, Share] | None, key: tuple) -> list[str]:
    """The cell of the model before, where there is one."""
    return [] if before is None else [_cell(before.get(key))]


def _sized(found: RealFigures) -> str:
    return f"{found.model} ({found.parameters:,} parameters)"


def _measurements(page: str, measurements: Iterable[Measurement]) -> list[str]:
    lines = []
    for found in measurements:
        if found.page != page:
            continue
        lines += [f"## {found.title}", "", *_code(found.command)]
        lines += [f"Machine: {found.machine}. Load: {found.load}. Model: {found.model}. Date: {found.date}.", ""]
        lines += table(found.head, found.rows) if found.rows else []
        for note in found.notes:
            lines += [note, ""]
    return lines


def _on(measured: Measured) -> str:
    return (
        f"Measured with {measured.model} ({measured.parameters:,} parameters) on {measured.scenes} held-out worlds from seed "
        f"{measured.first_seed:,}, {measured.questions:,} questions. Fingerprint of weights and settings: "
        f"`{measured.fingerprint}`."
    )


def _by_key(found: FrontierFile) -> dict[tuple[str, int, str, str], Point]:
    return {(point.method, point.budget, point.measure, point.group): point for point in found.points}


def _name(method: Method) -> str:
    return f"**{method.title}**" if method.default else method.title


def _type_group(kind: str) -> str:
    return kind if kind == "all" else f"type: {kind}"


def size_name(group: str) -> str:
    """A group of objects in words: "size: <= 8" -> "up to 8 px"."""
    name = group.removeprefix("size: ").removeprefix("kind: ")
    if not group.startswith("size: "):
        return name
    return name.replace("<= ", "up to ").replace("> ", "above ").replace("-", " to ") + " px"


def interval(found: Share | None) -> str:
    """A share and its 95 % interval, "95.6 (94.0–97.1)"; "–" for None."""
    return f"{percent(found.value)} ({percent(found.low)}–{percent(found.high)})" if found else "–"


def number(value: int) -> str:
    """A whole number with thousands separated."""
    return f"{value:,}"


def _code(command: str) -> list[str]:
    return ["```sh", *command.splitlines(), "```", ""]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def main(report: Callable[[str], object] = print) -> int:
    """Write every file whose content has changed."""
    for path, content in files().items():
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != content:
            (ROOT / path).write_text(content)
            report(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
