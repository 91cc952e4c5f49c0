"""What a model finds in real pictures that it was never trained on: precision, evidence preserved and answers.

Measured on compositions of pictures held back by place (`uhrbat.data.real`). Precision: of the 100 best tokens
of a scale, how many touch an object asked for, where there are many. Evidence preserved: of two to six objects asked
for, how many have a preserved token at a budget, beside tokens chosen at random. Accuracy: presence and counts of zero
to six objects, on compositions and on whole pictures, and counts on the four beach photographs as they are, mirrored,
turned and darker. What is
finished is kept, so that a run that was cut off goes on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from uhrbat.budget import split_budget
from uhrbat.data.compositions import Composer, Composition
from uhrbat.data.kinds import plural
from uhrbat.data.real import Box, Picture, held_back, read_pictures
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.encoded import configuration, fingerprint
from uhrbat.evaluation.findings import Accuracy, Beach, Evidence, Precision, RealFigures
from uhrbat.evaluation.kept import Kept
from uhrbat.evaluation.shares import Share, share
from uhrbat.imagery import canvas_of
from uhrbat.selection.baselines import rank_baseline
from uhrbat.selection.evidence import evidence_preserved, preserving_budgets
from uhrbat.worlds import DEVELOPMENT_SEEDS, generate, questions
from uhrbat.worlds.questions import NUMBERS

KINDS = ("car", "building", "airplane", "ship", "storage tank", "tennis court")
BUDGETS = (256, 1024, 3000)
FINE = (2688, 4032)
BEST = 100
WORLDS, ALL, WHOLE = "generated worlds", "all kinds", "whole pictures"
MEASURES = ("evidence", "precision", "accuracy")
QUESTIONS = 20
"""Questions asked of a generated world."""
BUDGET = 3000
"""The budget at which answers are counted."""
BEACH = {"DJI_0018": (0,), "DJI_0023": (0,), "DJI_0031": (3,), "DJI_0035": (3, 4)}
"""The beach photographs and how many cars each shows: of the last one's, one is half hidden and one is cut off."""
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda picture: picture,
    "mirrored": ImageOps.mirror,
    "turned": lambda picture: picture.rotate(90, expand=True),
    "darker by a third": lambda picture: ImageEnhance.Brightness(picture).enhance(2 / 3),
}
"""How each beach photograph is also shown."""
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
WAYS = ("preserved", "random", "attention")
"""What a record of evidence tells of each object and budget; the last only where it was wanted."""
_VERSION = 1
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. compositions: {measure: how many a kind}; worlds: how many generated ones beside them;
    attention: evidence also by `attention` importance."""

    kinds: tuple[str, ...]
    compositions: dict[str, int]
    worlds: int = 0
    attention: bool = False


def question_of(kind: str) -> str:
    return f"How many {plural(kind)} are there?"


def presence_of(kind: str) -> str:
    return f"Is there {'an' if kind[0] in 'aeiou' else 'a'} {kind} in the image?"


def compositions(
    composer: Composer, kind: str, measure: str, count: int, done: Collection[int] = ()
) -> Iterator[tuple[int, Composition]]:
    """Up to `count` compositions of a kind for a measure, each with its index, always the same ones; `done`: not these.

    There are fewer where no picture is large enough to show objects as small as wanted.
    """
    for index in range(count):
        if index in done:
            continue
        seed = np.random.default_rng((index, KINDS.index(kind), MEASURES.index(measure)))
        wanted = index % len(NUMBERS)
        objects = {"precision": MANY, "evidence": FEW, "accuracy": (wanted, wanted)}[measure]
        longer = LONGER[measure][index % len(LONGER[measure])]
        found = composer.compose(kind, seed, objects, longer, SIDES[index % len(SIDES)])
        if found.boxes or objects == (0, 0):
            yield index, found


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


def evidence_record(encoded: EncodedImage, found: Composition, attention: bool = False) -> dict:
    """A row an object: its size, and at each budget whether it is preserved, and by tokens chosen at random."""
    kept = preserved(encoded, question_of(found.kinds[0]), found.boxes, attention)
    chance = random_preserved(encoded, found.boxes)
    rows = {name: values.T.tolist() for name, values in kept.items()}
    return {"sizes": found.sizes, **rows, "random": chance.T.tolist()}


def preserved(encoded: EncodedImage, text: str, boxes: Sequence[Box], attention: bool) -> dict[str, np.ndarray]:
    """bool[budgets, boxes]: "preserved" by the model's own settings and, if wanted, by "attention" importance."""
    own = encoded.engine.settings
    ways = {"preserved": own} | ({"attention": replace(own, importance="attention")} if attention else {})
    table = np.array([split_budget(budget, encoded.square.scales) for budget in BUDGETS])
    return {
        name: evidence_preserved(encoded.square, boxes, encoded.ask(text, settings).rankings, table)
        for name, settings in ways.items()
    }


def accuracy_record(encoded: EncodedImage, found: Composition) -> dict:
    """How many there are, and what was answered when asked how many there are and whether there is one."""
    return {"objects": len(found.boxes)} | answers_about(encoded, found.kinds[0])


def answers_about(encoded: EncodedImage, kind: str) -> dict[str, str]:
    """What is answered when asked how many there are, and whether there is one."""
    asked = {"count": question_of(kind), "presence": presence_of(kind)}
    return {name: str(encoded.ask(text).select(BUDGET).answer()) for name, text in asked.items()}


def whole_pictures(pictures: Sequence[Picture], kind: str) -> list[tuple[Picture, int]]:
    """Pictures that show one to six objects of a kind, with how many, and as many that surely show none."""
    most = len(NUMBERS) - 1
    showing = [(p, len(p.boxes[kind])) for p in pictures if 0 < len(p.boxes.get(kind, ())) <= most]
    showing = [(p, count) for p, count in showing if not p.unsure.get(kind)]
    without = [(p, 0) for p in pictures if kind in p.absent]
    order = np.random.default_rng(KINDS.index(kind)).permutation(len(without))
    return showing + [without[index] for index in order[: len(showing)]]


def whole_records(engine: UHRBAT, pictures: Sequence[Picture], kind: str, done: Collection[str]) -> Iterator[dict]:
    """A record a whole picture: as `accuracy_record`."""
    for picture, count in whole_pictures(pictures, kind):
        if picture.path.name not in done:
            shown = Image.open(picture.path).convert("RGB")
            encoded = engine.encode_canvas(canvas_of(np.asarray(shown)))
            record = {"measure": "whole", "kind": kind, "index": picture.path.name, "objects": count}
            yield record | answers_about(encoded, kind)


def beach_records(engine: UHRBAT, folder: Path, done: Collection[str]) -> Iterator[dict]:
    """A record a beach photograph and change, but for those whose index is `done`: what was answered."""
    for name in BEACH:
        for change, changed in CHANGES.items():
            index = f"{name} {change}"
            if index in done:
                continue
            shown = changed(Image.open(folder / f"{name}.JPG").convert("RGB"))
            encoded = engine.encode_canvas(canvas_of(np.asarray(shown)))
            given = str(encoded.ask(question_of("car")).select(BUDGET).answer())
            yield {"measure": "beach", "kind": "car", "index": index, "picture": name, "change": change, "given": given}


def world_record(engine: UHRBAT, seed: int, attention: bool = False) -> dict:
    """As `evidence_record`, of a generated world: a row a question that has evidence, its smallest object's size."""
    world = generate(seed)
    encoded = engine.encode_canvas(canvas_of(world.image), generated=True)
    out: dict = {"sizes": [], "random": []}
    for asked in questions(world, seed, QUESTIONS):
        if not asked.evidence:
            continue
        boxes = world.boxes(asked)
        out["sizes"].append(min(world.objects[index].size for index in asked.evidence))
        out["random"].append(random_preserved(encoded, boxes, 1).all(-1).astype(float).tolist())
        for name, values in preserved(encoded, asked.text, boxes, attention).items():
            out.setdefault(name, []).append(values.all(-1).tolist())
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


def measure(engine: UHRBAT, composer: Composer, kept: Kept, wanted: Wanted, beach: Path | None = None) -> list[dict]:
    """Every record of `kept`, after what is wanted and not there yet was measured. beach: the beach photographs."""
    for record in _new_records(engine, composer, wanted, beach, kept.records()):
        kept.add(record)
        logger.info("%s %s %s", record["measure"], record["kind"], record["index"])
    return kept.records()


def _new_records(
    engine: UHRBAT, composer: Composer, wanted: Wanted, beach: Path | None, known: list[dict]
) -> Iterator[dict]:
    def done(measure: str, kind: str) -> set:
        return {record["index"] for record in known if (record["measure"], record["kind"]) == (measure, kind)}

    first = DEVELOPMENT_SEEDS.start
    for seed in range(first, first + wanted.worlds):
        if seed not in done("evidence", WORLDS):
            found = world_record(engine, seed, wanted.attention)
            yield {"measure": "evidence", "kind": WORLDS, "index": seed} | found
    for name, count in wanted.compositions.items():
        for kind in wanted.kinds:
            for index, composition in compositions(composer, kind, name, count, done(name, kind)):
                encoded = engine.encode_canvas(canvas_of(composition.image))
                record = {"measure": name, "kind": kind, "index": index}
                if name == "precision":
                    scores = encoded.score(question_of(kind), engine.settings)
                    record["scales"] = precision_record(encoded, composition, scores)
                elif name == "accuracy":
                    record |= accuracy_record(encoded, composition)
                else:
                    record |= evidence_record(encoded, composition, wanted.attention)
                yield record
    if wanted.compositions.get("accuracy"):
        for kind in wanted.kinds:
            yield from whole_records(engine, composer.pictures, kind, done("whole", kind))
    if beach:
        yield from beach_records(engine, beach, done("beach", "car"))


def run(engine: UHRBAT, data: Path, boxes: Path, folder: Path, wanted: Wanted) -> RealFigures:
    """Measure what is wanted of a model on the held-back pictures in `data`; finished records are kept in `folder`.

    boxes: the folder of more boxes. InputError where `folder` holds records of another model, or of other pictures.
    """
    pictures = held_back(read_pictures(data, boxes))
    boxed = {kind for picture in pictures for kind, found in picture.boxes.items() if found}
    wanted = replace(wanted, kinds=tuple(kind for kind in wanted.kinds if kind in boxed))
    shown = sorted((picture.path.name, picture.boxes) for picture in pictures)
    known = [configuration(engine), asdict(engine.settings), BUDGETS, FINE, BEST, wanted.attention, shown, _VERSION]
    print_ = fingerprint(engine.network, known)
    beach = data / "brighton"
    asked = wanted.compositions.get("accuracy") and beach.is_dir()
    records = measure(engine, Composer(pictures), Kept(folder, "real", print_), wanted, beach if asked else None)
    return summarise(engine, print_, len(pictures), records)


def summarise(engine: UHRBAT, print_: str, pictures: int, records: list[dict]) -> RealFigures:
    """Records as what is reported. print_: the model's fingerprint; pictures: how many were held back."""
    kinds = [kind for kind in (*KINDS, ALL, WORLDS) if _of(kind, records)]
    return RealFigures(
        model=engine.name,
        parameters=engine.parameters,
        fingerprint=print_,
        settings=asdict(engine.settings),
        pictures=pictures,
        compositions=sum(record["measure"] in MEASURES for record in _of(ALL, records)),
        worlds=len(_of(WORLDS, records)),
        precision=[point for kind in kinds for point in _precision(kind, _of(kind, records, "precision"))],
        evidence=[point for kind in kinds for point in _evidence(kind, _of(kind, records, "evidence"))],
        accuracy=[
            *(point for kind in kinds for point in _accuracy(kind, _of(kind, records, "accuracy"))),
            *_accuracy(WHOLE, _of(ALL, records, "whole")),
        ],
        beach=[
            Beach(record["picture"], record["change"], [NUMBERS[n] for n in BEACH[record["picture"]]], record["given"])
            for record in _of("car", records, "beach")
        ],
    )


def _of(kind: str, records: list[dict], measure: str | None = None) -> list[dict]:
    """The records of a kind, or of all kinds in real pictures; of one measure where it is given."""
    kinds = KINDS if kind == ALL else (kind,)
    return [one for one in records if one["kind"] in kinds and measure in (None, one["measure"])]


def _group(record: dict) -> str:
    return f"{record['kind']} {record['index']}"


def _precision(kind: str, records: list[dict]) -> Iterator[Precision]:
    for size in FINE if records else ():
        rows = [record["scales"][str(size)] for record in records]
        found = _share([row[0] for row in rows], list(map(_group, records)))
        yield Precision(kind, size, found.value, found.low, found.high, _mean(row[1] for row in rows), len(rows))


def _accuracy(kind: str, records: list[dict]) -> Iterator[Accuracy]:
    if not records:
        return
    truths = [record["objects"] for record in records]
    counts = [NUMBERS.index(record["count"]) if record["count"] in NUMBERS else -9 for record in records]
    there = Counter(truth > 0 for truth in truths)
    weights = [len(records) / len(there) / there[truth > 0] for truth in truths]
    seen = [record["presence"] == ("yes" if truth else "no") for record, truth in zip(records, truths)]
    asked = {
        "presence": [right * weight for right, weight in zip(seen, weights)],
        "count": [float(count == truth) for count, truth in zip(counts, truths)],
        "count within one": [float(abs(count - truth) <= 1) for count, truth in zip(counts, truths)],
    }
    for name, values in asked.items():
        found = _share(values, list(map(_group, records)))
        yield Accuracy(kind, name, found.value, found.low, min(1.0, found.high), len(records))


def _evidence(kind: str, records: list[dict]) -> Iterator[Evidence]:
    rows = [
        {"size": size, "group": _group(record)} | {way: record[way][place] for way in WAYS if way in record}
        for record in records
        for place, size in enumerate(record["sizes"])
    ]
    for name, (above, upto) in SIZES.items():
        group = [row for row in rows if above < row["size"] <= upto]
        for place, budget in enumerate(BUDGETS if group else ()):
            found = _share([row["preserved"][place] for row in group], [row["group"] for row in group])
            chance = _mean(row["random"][place] for row in group)
            attended = None
            if all("attention" in row for row in group):
                attended = _mean(row["attention"][place] for row in group)
            ends = found.value, found.low, found.high
            yield Evidence(kind, name, budget, *ends, chance, attended, found.questions, found.scenes)


def _mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 4)


def _share(values: list[float], groups: list[str]) -> Share:
    found = share(values, groups)
    assert found is not None
    return found


def as_text(found: RealFigures) -> str:
    """The report as plain text."""
    lines = [f"{'precision':16} {'scale':>17} {'value':>7} {'interval':>14} {'chance':>7} {'n':>4}"]
    for p in found.precision:
        lines.append(f"{p.kind:16} {p.scale:17} {_ends(p)} {p.chance:7.3f} {p.compositions:4}")
    head = f"{'value':>7} {'interval':>14} {'random':>7} {'attention':>9} {'n':>4}"
    lines.append(f"{'evidence':16} {'size':>10} {'budget':>6} {head}")
    for e in found.evidence:
        attention = "-" if e.attention is None else f"{e.attention:.3f}"
        lines.append(f"{e.kind:16} {e.size:>10} {e.budget:6} {_ends(e)} {e.random:7.3f} {attention:>9} {e.objects:4}")
    lines.append(f"{'accuracy':16} {'asked':>17} {'value':>7} {'interval':>14} {'n':>4}")
    for a in found.accuracy:
        lines.append(f"{a.kind:16} {a.asked:>17} {_ends(a)} {a.questions:4}")
    for b in found.beach:
        lines.append(f"{b.picture} {b.change:20} {b.given:8} right: {' or '.join(b.right)}")
    return "\n".join(lines)


def _ends(found: Precision | Evidence | Accuracy) -> str:
    return f"{found.value:7.3f} {f'{found.low:.2f} to {found.high:.2f}':>14}"
