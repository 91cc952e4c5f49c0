"""What a model finds in real pictures that it was never trained on: precision, evidence preserved and answers.

Measured on compositions of pictures held back by place (`uhrbat.data.real`). Precision: of the 100 best tokens
of a scale, how many touch an object asked for, where there are many. Evidence preserved: of two to six objects asked
for, how many have a preserved token at a budget, beside tokens chosen at random. Accuracy: presence and counts of zero
to six objects, and counts on the four beach photographs as they are, mirrored, turned and darker. Finished compositions
are kept beside --out, so that a run that was cut off goes on.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from uhrbat.budget import split_budget
from uhrbat.data.compositions import Composer, Composition
from uhrbat.data.kinds import plural
from uhrbat.data.real import Box, held_back, read_pictures
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.shares import Share, share
from uhrbat.geometry import SCALES
from uhrbat.imagery import canvas_of
from uhrbat.selection.baselines import rank_baseline
from uhrbat.selection.evidence import evidence_preserved, preserving_budgets
from uhrbat.worlds import DEVELOPMENT_SEEDS, generate, questions
from uhrbat.worlds.questions import NUMBERS

KINDS = ("car", "building", "airplane", "ship", "storage tank", "tennis court")
BUDGETS = (256, 1024, 3000)
FINE = (2688, 4032)
BEST = 100
WORLDS, ALL = "generated worlds", "all kinds"
MEASURES = ("evidence", "precision", "accuracy")
QUESTIONS = 20
"""Questions asked of a generated world."""
BUDGET = 3000
"""The budget at which answers are counted."""
BEACH = {"DJI_0018": (0,), "DJI_0023": (0,), "DJI_0031": (3,), "DJI_0035": (3, 4)}
"""The beach photographs and how many cars each shows: of the last one's, one is half hidden and one is cut off."""
MANY, FEW = (120, 200), (2, 6)
"""How many objects a composition holds for precision, and for evidence."""
LONGER = {
    "precision": ((8.0, 60.0),),
    "evidence": ((9.0, 16.0), (17.0, 60.0), (4.0, 8.0)),
    "accuracy": ((9.0, 60.0),),
}
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


@dataclass(frozen=True)
class Accuracy:
    """Share of questions that were answered right at BUDGET tokens. asked: "presence" (balanced between present and
    absent), "count" (exact), "count within one", or the name of a beach photograph's set."""

    kind: str
    asked: str
    value: float
    low: float
    high: float
    questions: int


def question_of(kind: str) -> str:
    return f"How many {plural(kind)} are there?"


def presence_of(kind: str) -> str:
    return f"Is there {'an' if kind[0] in 'aeiou' else 'a'} {kind} in the image?"


def compositions(composer: Composer, kind: str, measure: str, count: int) -> Iterator[Composition]:
    """Up to `count` compositions of a kind for "precision" or "evidence", always the same ones.

    There are fewer where no picture is large enough to show objects as small as wanted.
    """
    for index in range(count):
        seed = np.random.default_rng((index, KINDS.index(kind), MEASURES.index(measure)))
        wanted = index % len(NUMBERS)
        objects = {"precision": MANY, "evidence": FEW, "accuracy": (wanted, wanted)}[measure]
        longer = LONGER[measure][index % len(LONGER[measure])]
        found = composer.compose(kind, seed, objects, longer, SIDES[index % len(SIDES)])
        if found.boxes or objects == (0, 0):
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


def accuracy_record(encoded: EncodedImage, found: Composition) -> dict:
    """How many there are, and what was answered when asked how many there are and whether there is one."""
    kind = found.kinds[0]
    return {
        "objects": len(found.boxes),
        "count": str(encoded.ask(question_of(kind)).select(BUDGET).answer()),
        "presence": str(encoded.ask(presence_of(kind)).select(BUDGET).answer()),
    }


def beach_records(engine: UHRBAT, folder: Path) -> Iterator[dict]:
    """A record a beach photograph and change: how many cars it shows, and what was answered."""
    for name, right in BEACH.items():
        picture = Image.open(folder / f"{name}.JPG").convert("RGB")
        changed = {
            "as it is": picture,
            "mirrored": ImageOps.mirror(picture),
            "turned": picture.rotate(90, expand=True),
            "darker by a third": ImageEnhance.Brightness(picture).enhance(2 / 3),
        }
        for change, shown in changed.items():
            encoded = engine.encode_canvas(canvas_of(np.asarray(shown)))
            given = str(encoded.ask(question_of("car")).select(BUDGET).answer())
            record = {"measure": "beach", "kind": "car", "index": f"{name} {change}"}
            yield record | {"right": [NUMBERS[count] for count in right], "count": given, "caveat": encoded.caveat}


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
                elif name == "accuracy":
                    record |= accuracy_record(encoded, found)
                else:
                    record |= evidence_record(encoded, found)
                records.append(record)
                with keep.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                logger.info("%s %s %d", name, kind, index)
    return records


def run(
    model: str, data: Path, boxes: Path, keep: Path, counts: dict[str, int], kinds: Sequence[str], worlds: int = 0
) -> dict:
    """Measure a model and report. counts: compositions a kind, by measure; keep: the file of finished records."""
    pictures = held_back(read_pictures(data, boxes))
    known = {kind for picture in pictures for kind, found in picture.boxes.items() if found}
    engine = UHRBAT.from_pretrained(model)
    kinds = tuple(kind for kind in kinds if kind in known)
    records = measure(engine, Composer(pictures), kinds, counts, keep, worlds)
    if counts.get("accuracy") and (data / "brighton").is_dir():
        done = {record["index"] for record in records if record["measure"] == "beach"}
        for record in beach_records(engine, data / "brighton") if len(done) < len(BEACH) * 4 else ():
            records.append(record)
            with keep.open("a") as file:
                file.write(json.dumps(record) + "\n")
            logger.info("%s: %s", record["index"], record["count"])
    return report(records) | {"model": model, "scales": SCALES}


def report(records: list[dict]) -> dict:
    """Records as what is reported: precision by kind and scale, evidence by kind, size and budget."""
    precision, evidence = [], []
    kinds = [*dict.fromkeys(record["kind"] for record in records), ALL]
    for kind in kinds:
        mine = [r for r in records if r["kind"] == kind and r["measure"] == "precision"]
        for size in FINE if mine else ():
            rows = [record["scales"][str(size)] for record in mine]
            found = _share([row[0] for row in rows], [r["index"] for r in mine])
            chance = round(float(np.mean([row[1] for row in rows])), 4)
            precision.append(asdict(Precision(kind, size, found.value, found.low, found.high, chance, len(mine))))
        evidence += [asdict(point) for point in _evidence_points(kind, records)]
    accuracy = [asdict(point) for kind in kinds for point in _accuracy_points(kind, records)]
    beach = [record for record in records if record["measure"] == "beach"]
    return {"precision": precision, "evidence": evidence, "accuracy": accuracy, "beach": beach}


def _accuracy_points(kind: str, records: list[dict]) -> Iterator[Accuracy]:
    rows = [r for r in records if r["measure"] == "accuracy" and r["kind"] in (kind, *(KINDS if kind == ALL else ()))]
    if not rows:
        return
    groups = list(range(len(rows)))
    numbers = [NUMBERS.index(row["count"]) if row["count"] in NUMBERS else len(NUMBERS) + 9 for row in rows]
    present = [row["presence"] == ("yes" if row["objects"] else "no") for row in rows]
    there = sum(row["objects"] > 0 for row in rows)
    weights = [0.5 / there if row["objects"] else 0.5 / max(1, len(rows) - there) for row in rows]
    balanced = [right * weight * len(rows) for right, weight in zip(present, weights)]
    for asked, values in (
        ("presence", balanced),
        ("count", [number == row["objects"] for number, row in zip(numbers, rows)]),
        ("count within one", [abs(number - row["objects"]) <= 1 for number, row in zip(numbers, rows)]),
    ):
        found = _share([float(value) for value in values], groups)
        yield Accuracy(kind, asked, found.value, found.low, min(1.0, found.high), len(rows))


def _evidence_points(kind: str, records: list[dict]) -> Iterator[Evidence]:
    rows = [
        (size, kept, chance, f"{record['kind']} {record['index']}")
        for record in records
        if record["measure"] == "evidence" and (record["kind"] == kind or (kind == ALL and record["kind"] in KINDS))
        for size, kept, chance in zip(record["sizes"], record["preserved"], record["random"])
    ]
    for name, (above, upto) in SIZES.items():
        group = [row for row in rows if above < row[0] <= upto]
        for place, budget in enumerate(BUDGETS if group else ()):
            found = _share([row[1][place] for row in group], [row[3] for row in group])
            chance = round(float(np.mean([row[2][place] for row in group])), 4)
            ends = (found.value, found.low, found.high)
            yield Evidence(kind, name, budget, *ends, chance, found.questions, found.scenes)


def _share(values: list[float], groups: list[int] | list[str]) -> Share:
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
    lines.append(f"{'accuracy':14} {'asked':>17} {'value':>7} {'interval':>14} {'n':>4}")
    for a in facts["accuracy"]:
        ends = f"{a['low']:.2f} to {a['high']:.2f}"
        lines.append(f"{a['kind']:14} {a['asked']:>17} {a['value']:7.3f} {ends:>14} {a['questions']:4}")
    for b in facts["beach"]:
        lines.append(f"{b['index']:30} {b['count']:8} right: {' or '.join(b['right'])}")
    return "\n".join(lines)
