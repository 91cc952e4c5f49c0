"""What a model finds in real pictures that it was never trained on: precision and evidence preserved, by kind and size.

    python -m uhrbat.evaluation.real --data DATA/real --boxes BOXES --model nano --out runs/real.json

Measured on compositions of pictures held back by place (`uhrbat.data.real`). Precision: of the 100 best tokens
of a scale, how many touch an object asked for, where there are many. Evidence preserved: of two to six objects asked
for, how many have a preserved token at a budget, beside tokens chosen at random. Finished compositions are kept beside
--out, so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from uhrbat.budget import split_budget
from uhrbat.data.compositions import Composer, Composition
from uhrbat.data.kinds import plural
from uhrbat.data.real import OWN_BOXES, Box, held_back, read_pictures
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.shares import Share, share
from uhrbat.geometry import SCALES
from uhrbat.imagery import canvas_of
from uhrbat.selection.baselines import rank_baseline
from uhrbat.selection.evidence import evidence_preserved, preserving_budgets
from uhrbat.worlds import DEVELOPMENT_SEEDS, generate, questions

KINDS = ("car", "building", "airplane", "ship", "storage tank", "tennis court")
BUDGETS = (256, 1024, 3000)
FINE = (2688, 4032)
BEST = 100
WORLDS = "generated worlds"
QUESTIONS = 20
"""Questions asked of a generated world."""
MANY, FEW = (120, 200), (2, 6)
"""How many objects a composition holds for precision, and for evidence."""
LONGER = {"precision": ((8.0, 60.0),), "evidence": ((9.0, 16.0), (17.0, 60.0), (4.0, 8.0))}
"""Longer side of the objects at 4032, of one composition after another."""
SIDES = (4032, 4032, 6048, 8064)
"""Sides of the compositions, in turn."""
SIZES = {"<= 8": (0, 8), "9-16": (8, 16), "17-32": (16, 32), "> 32": (32, np.inf), "9-60": (8, 60), "all": (0, np.inf)}
"""Groups of objects by their longer side at 4032, (above, up to) px."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Precision:
    """Share of the best tokens of a scale that touch an object asked for; chance: of all tokens, how many do."""

    kind: str
    scale: int
    value: float
    low: float
    high: float
    chance: float
    compositions: int


@dataclass(frozen=True)
class Evidence:
    """Share of objects asked for that have a preserved token at a budget; random: of tokens chosen at random."""

    kind: str
    size: str
    budget: int
    value: float
    low: float
    high: float
    random: float
    objects: int
    compositions: int


def question_of(kind: str) -> str:
    return f"How many {plural(kind)} are there?"


def compositions(composer: Composer, kind: str, measure: str, count: int) -> Iterator[Composition]:
    """Up to `count` compositions of a kind for "precision" or "evidence", always the same ones.

    There are fewer where no picture is large enough to show objects as small as wanted.
    """
    objects = MANY if measure == "precision" else FEW
    for index in range(count):
        seed = np.random.default_rng((index, KINDS.index(kind), measure == "precision"))
        longer = LONGER[measure][index % len(LONGER[measure])]
        found = composer.compose(kind, seed, objects, longer, SIDES[index % len(SIDES)])
        if found.boxes:
            yield found


def touching(encoded: EncodedImage, boxes: tuple, size: int) -> np.ndarray:
    """bool[N]: tokens of a scale that touch one of the boxes."""
    touched = np.zeros(len(encoded.excluded[size]), bool)
    for box in boxes:
        touched[encoded.square.tokens_in_box(size, box)] = True
    return touched


def precision_record(encoded: EncodedImage, found: Composition, importance: dict[int, Tensor]) -> dict:
    """{scale: [precision of the best tokens, chance]}."""
    out = {}
    for size in FINE:
        touched = touching(encoded, found.boxes, size)
        best = importance[size].float().topk(BEST).indices.cpu().numpy()
        out[str(size)] = [float(touched[best].mean()), float(touched.mean())]
    return out


def evidence_record(encoded: EncodedImage, found: Composition) -> dict:
    """A row an object: its size, and at each budget whether it is preserved, and by tokens chosen at random."""
    question = encoded.ask(question_of(found.kinds[0]))
    scales = encoded.square.scales
    table = np.array([split_budget(budget, scales) for budget in BUDGETS])
    ours = evidence_preserved(encoded.square, found.boxes, question.rankings, table)
    chance = random_preserved(encoded, found.boxes)
    return {"sizes": found.sizes, "preserved": ours.T.tolist(), "random": chance.T.tolist()}


def world_record(engine: UHRBAT, seed: int) -> dict:
    """As `evidence_record`, of a generated world: a row a question that has evidence, its smallest object's size."""
    world = generate(seed)
    encoded = engine.encode_canvas(canvas_of(world.image), generated=True)
    table = np.array([split_budget(budget, encoded.square.scales) for budget in BUDGETS])
    out: dict = {"sizes": [], "preserved": [], "random": []}
    for asked in questions(world, seed, QUESTIONS):
        if not asked.evidence:
            continue
        boxes = world.boxes(asked)
        rankings = encoded.ask(asked.text).rankings
        out["sizes"].append(min(world.objects[index].size for index in asked.evidence))
        out["preserved"].append(evidence_preserved(encoded.square, boxes, rankings, table).all(-1).tolist())
        out["random"].append(random_preserved(encoded, boxes, 1).all(-1).astype(float).tolist())
    return out


def random_preserved(encoded: EncodedImage, boxes: Sequence[Box], draws: int = 5) -> np.ndarray:
    """float[budgets, objects]: how often tokens drawn at random from all scales preserve each object."""
    none = {size: torch.zeros(len(excluded)) for size, excluded in encoded.excluded.items()}
    total = np.zeros((len(BUDGETS), len(boxes)))
    for seed in range(draws):
        ranked = rank_baseline("random_tokens", none, encoded.square.scales, seed, encoded.excluded)
        smallest = preserving_budgets(encoded.square, boxes, ranked.rankings)
        for row, budget in enumerate(BUDGETS):
            split = np.array([ranked.split(budget)[size] for size in encoded.square.sizes])
            total[row] += (smallest <= split[None]).any(-1)
    return total / draws


def measure(
    engine: UHRBAT, composer: Composer, kinds: tuple[str, ...], counts: dict[str, int], keep: Path, worlds: int = 0
) -> list[dict]:
    """A record a composition; finished ones are read from the file `keep` and new ones written to it."""
    records = [json.loads(line) for line in keep.read_text().splitlines()] if keep.exists() else []
    done = {(record["measure"], record["kind"], record["index"]) for record in records}
    for seed in range(DEVELOPMENT_SEEDS.start, DEVELOPMENT_SEEDS.start + worlds):
        if ("evidence", WORLDS, seed) not in done:
            record = {"measure": "evidence", "kind": WORLDS, "index": seed} | world_record(engine, seed)
            records.append(record)
            with keep.open("a") as file:
                file.write(json.dumps(record) + "\n")
            logger.info("world %d", seed)
    for name, count in counts.items():
        for kind in kinds:
            for index, found in enumerate(compositions(composer, kind, name, count)):
                if (name, kind, index) in done:
                    continue
                began = time.perf_counter()
                encoded = engine.encode_canvas(canvas_of(found.image))
                record = {"measure": name, "kind": kind, "index": index, "encode": time.perf_counter() - began}
                if name == "precision":
                    scores = encoded.score(question_of(kind), engine.settings)
                    record["scales"] = precision_record(encoded, found, scores)
                else:
                    record |= evidence_record(encoded, found)
                records.append(record)
                with keep.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                logger.info("%s %s %d", name, kind, index)
    return records


def report(records: list[dict]) -> dict:
    """Records as what is reported: precision by kind and scale, evidence by kind, size and budget."""
    precision, evidence = [], []
    kinds = list(dict.fromkeys(record["kind"] for record in records))
    for kind in kinds:
        mine = [r for r in records if r["kind"] == kind and r["measure"] == "precision"]
        for size in FINE if mine else ():
            rows = [record["scales"][str(size)] for record in mine]
            found = _share([row[0] for row in rows], [r["index"] for r in mine])
            chance = round(float(np.mean([row[1] for row in rows])), 4)
            precision.append(asdict(Precision(kind, size, found.value, found.low, found.high, chance, len(mine))))
        evidence += [asdict(point) for point in _evidence_points(kind, records)]
    return {"precision": precision, "evidence": evidence}


def _evidence_points(kind: str, records: list[dict]) -> Iterator[Evidence]:
    rows = [
        (size, kept, chance, record["index"])
        for record in records
        if record["kind"] == kind and record["measure"] == "evidence"
        for size, kept, chance in zip(record["sizes"], record["preserved"], record["random"])
    ]
    for name, (above, upto) in SIZES.items():
        group = [row for row in rows if above < row[0] <= upto]
        for place, budget in enumerate(BUDGETS if group else ()):
            found = _share([row[1][place] for row in group], [row[3] for row in group])
            chance = round(float(np.mean([row[2][place] for row in group])), 4)
            ends = (found.value, found.low, found.high)
            yield Evidence(kind, name, budget, *ends, chance, found.questions, found.scenes)


def _share(values: list[float], groups: list[int]) -> Share:
    found = share(values, groups)
    assert found is not None
    return found


def table(facts: dict) -> str:
    """The report as plain text."""
    lines = [f"{'precision':14} {'scale':>6} {'value':>7} {'interval':>14} {'chance':>7} {'n':>4}"]
    for p in facts["precision"]:
        ends = f"{p['low']:.2f} to {p['high']:.2f}"
        lines.append(
            f"{p['kind']:14} {p['scale']:6} {p['value']:7.3f} {ends:>14} {p['chance']:7.3f} {p['compositions']:4}"
        )
    lines.append(f"{'evidence':14} {'size':>6} {'budget':>6} {'value':>7} {'interval':>14} {'random':>7} {'n':>4}")
    for e in facts["evidence"]:
        ends = f"{e['low']:.2f} to {e['high']:.2f}"
        found = f"{e['value']:7.3f} {ends:>14} {e['random']:7.3f} {e['objects']:4}"
        lines.append(f"{e['kind']:14} {e['size']:>6} {e['budget']:6} {found}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of real pictures")
    parser.add_argument("--boxes", type=Path, default=OWN_BOXES, help="the folder of our own boxes")
    parser.add_argument("--model", default="nano", help="nano or a checkpoint folder")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--precision", type=int, default=4, help="compositions a kind with many objects")
    parser.add_argument("--evidence", type=int, default=10, help="compositions a kind with two to six objects")
    parser.add_argument("--worlds", type=int, default=0, help="generated worlds, beside real pictures")
    parser.add_argument("--out", type=Path, default=Path("runs/real.json"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    pictures = held_back(read_pictures(args.data, args.boxes))
    known = {kind for picture in pictures for kind, boxes in picture.boxes.items() if boxes}
    kinds = tuple(kind for kind in args.kinds.split(",") if kind in known)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    engine = UHRBAT.from_pretrained(args.model)
    counts = {"precision": args.precision, "evidence": args.evidence}
    records = measure(engine, Composer(pictures), kinds, counts, args.out.with_suffix(".records.jsonl"), args.worlds)
    facts = report(records) | {"model": args.model, "scales": SCALES}
    args.out.write_text(json.dumps(facts, indent=1))
    sys.stdout.write(table(facts) + "\n")


if __name__ == "__main__":
    main()
