"""The frontier beyond the finest scale: evidence preserved and accuracy against the number of looks.

    uhrbat evaluate frontier --side 16384 --looks 0,64,256,all --scenes 10 --out runs/looks

Worlds are large, and their objects have 6 to 30 pixels of the file whatever its side. Finished worlds are kept in
--out; a run goes on where it stopped, and shares the work with others (--part).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from uhrbat.answers import same_answer
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.answers import answer_many
from uhrbat.evaluation.encoded import configuration, fingerprint
from uhrbat.evaluation.findings import Measured, write
from uhrbat.evaluation.frontier.methods import preserved
from uhrbat.evaluation.kept import Kept
from uhrbat.evaluation.looks.findings import LooksFile, LooksPoint
from uhrbat.evaluation.looks.report import markdown
from uhrbat.evaluation.looks.worlds import SPLITS, LookedWorld, looked_world
from uhrbat.evaluation.seeds import Seeds
from uhrbat.evaluation.shares import share
from uhrbat.question import Question, SelectedTokens
from uhrbat.results import Box

_VERSION = 1
_TOGETHER = 4
"""Questions that are answered together; each may hold tokens of its own looks."""
SIZES = {"6-8": (0, 8), "9-16": (8, 16), "17-30": (16, float("inf"))}
"""Groups of objects by the longer side of the smallest that an answer needs (above, up to), in pixels of the file."""


@dataclass(frozen=True)
class Wanted:
    """What is measured: looks as they are named, total budgets of evidence and of answers, questions of each world."""

    side: int
    looks: tuple[str, ...]
    budgets: tuple[int, ...]
    answer_budgets: tuple[int, ...]
    questions: int = 20


def measure(looked: LookedWorld, wanted: Wanted) -> dict:
    """What a world's questions come to with each number of looks, as a record."""
    asked = looked.questions
    found: dict = {
        "questions": [
            [question.type, question.answer, looked.native_size(number)] for number, question in enumerate(asked)
        ],
        "evidence": {},
        "answers": {},
        "tokens": {},
    }
    for looks in wanted.looks:
        evidence: dict[str, list] = {split: [] for split in SPLITS}
        texts: dict[str, list] = {split: [] for split in SPLITS}
        tokens = 0
        for start in range(0, len(asked), _TOGETHER):
            cuts: list[SelectedTokens] = []
            for number in range(start, min(start + _TOGETHER, len(asked))):
                for split, view in looked.asked(number, looks).items():
                    evidence[split].append(_bits(view, looked.world.boxes(asked[number]), wanted.budgets))
                    cuts += [view.select(budget) for budget in wanted.answer_budgets]
                    tokens = max(tokens, view.image.square.all_image_tokens)
            said = iter(answer_many(cuts) if cuts else [])
            for _ in range(start, min(start + _TOGETHER, len(asked))):
                for split in SPLITS:
                    texts[split].append(list(islice(said, len(wanted.answer_budgets))))
        found["evidence"][looks], found["answers"][looks], found["tokens"][looks] = evidence, texts, tokens
    return found


def _bits(view: Question, boxes: tuple[Box, ...], budgets: tuple[int, ...]) -> str:
    """Of each budget "1" where all boxes are preserved, else "0"; "-" where there are none."""
    if not boxes:
        return "-" * len(budgets)
    return "".join(str(int(value)) for value in preserved(view.image, boxes, view, list(budgets)))


def run_frontier(
    engine: UHRBAT, seeds: Seeds, wanted: Wanted, out: Path, cache: Path | None = None, progress: bool = True
) -> LooksFile:
    """Measure this part's worlds and report on all that `out` keeps, there (looks.json, looks.md) and as a value.

    cache: a folder that keeps the worlds' files. InputError where `out` holds results of another model or settings.
    """
    settings = engine.settings
    print_ = fingerprint(engine.network, configuration(engine), asdict(settings), asdict(wanted), _VERSION)
    kept = Kept(out, "looks", print_, seeds.part_name)
    done = {record["seed"] for record in kept.records()}
    for seed in tqdm(seeds.mine, desc="worlds", disable=not progress):
        if seed in done:
            continue
        began = time.perf_counter()
        folder = cache or out / "worlds"
        with looked_world(
            engine, seed, wanted.side, wanted.looks, wanted.questions, folder, cache is not None
        ) as world:
            record = measure(world, wanted)
            spent = world.seconds | {"all": time.perf_counter() - began}
            kept.add({"seed": seed} | record | {"seconds": {name: round(value, 2) for name, value in spent.items()}})
    records = kept.worlds(seeds.wanted)
    asked = sum(len(record["questions"]) for record in records)
    measured = Measured.of(engine, settings, print_, seeds.kind, [record["seed"] for record in records], asked)
    found = LooksFile(measured, wanted.side, list(wanted.looks), list(_points(records, wanted)), _seconds(records))
    write(out / "looks.json", found)
    (out / "looks.md").write_text("\n".join(["# Looks: what the file's own pixels add", "", *markdown(found)]) + "\n")
    return found


def _points(records: list[dict], wanted: Wanted) -> Iterator[LooksPoint]:
    for looks in wanted.looks:
        for split in SPLITS:
            for measure_, budgets in (("evidence", wanted.budgets), ("accuracy", wanted.answer_budgets)):
                for place, budget in enumerate(budgets):
                    groups: dict[str, list[tuple[int, int]]] = defaultdict(list)
                    for record in records:
                        for number, (_, truth, size) in enumerate(record["questions"]):
                            if measure_ == "evidence":
                                bit = record["evidence"][looks][split][number][place]
                                value = None if bit == "-" else int(bit)
                            else:
                                value = int(same_answer(record["answers"][looks][split][number][place], truth))
                            if value is not None:
                                for group in _groups(size):
                                    groups[group].append((record["seed"], value))
                    for group, values in sorted(groups.items()):
                        part = share([value for _, value in values], [seed for seed, _ in values])
                        if part:
                            yield LooksPoint(
                                looks, split, budget, measure_, group, part.value, part.low, part.high, part.questions
                            )


def _groups(size: float) -> list[str]:
    return ["all", *(f"size: {name}" for name, (above, upto) in SIZES.items() if size and above < size <= upto)]


def _seconds(records: list[dict]) -> dict[str, float]:
    """Means a world; of looks, a tile."""
    names = sorted({name for record in records for name in record["seconds"]})
    means = {name: sum(r["seconds"].get(name, 0.0) for r in records) / len(records) for name in names}
    tiles = means.pop("tiles", 0.0)
    look = means.pop("look", 0.0)
    return {name: round(value, 2) for name, value in means.items()} | {
        "a look": round(look / tiles, 4) if tiles else 0.0
    }
