"""The loss test on photographs: real objects, shrunk to a few pixels, in real backgrounds; evidence preserved alone.

What is cut out of which photograph stands in chips.json, as boxes in pixels. nano has never seen a photograph, so its
answers about them are not asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from uhrbat.encoded import EncodedImage
from uhrbat.evaluation.encoded import WorldEncoder
from uhrbat.evaluation.findings import CauseCount, Method, PhotographPoint, Photographs
from uhrbat.evaluation.frontier.methods import Asked, methods, preserved
from uhrbat.evaluation.kept import Kept
from uhrbat.evaluation.shares import groups_of, share
from uhrbat.geometry import SCALES
from uhrbat.imagery import canvas_of, scale_images
from uhrbat.question import Question
from uhrbat.selection.evidence import KEPT

SIZES = (4, 8, 16, 30)
"""Longer sides of the placed objects, px at 4,032."""
_EDGE = 40
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Chip:
    """An object in a photograph: box (x0, y0, x1, y1) in its pixels, and the question that asks for it."""

    photograph: str
    kind: str
    question: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Placement:
    """A chip in a photograph: the changed picture, and the chip's box there."""

    chip: Chip
    size: int
    picture: np.ndarray
    box: tuple[int, int, int, int]


def chips() -> list[Chip]:
    """Every object that is cut out."""
    facts = json.loads((_FOLDER / "chips.json").read_text())
    return [Chip(**item | {"box": tuple(item["box"])}) for item in facts]


def placements(name: str, pictures: dict[str, np.ndarray], sizes: tuple[int, ...] = SIZES) -> Iterator[Placement]:
    """Each chip at each size, one at a time, somewhere in the photograph `name` (seeded), off the chips cut out of it.

    pictures: {name: uint8[height, width, 3]}.
    """
    found, background = chips(), pictures[name]
    height, width = background.shape[:2]
    taken = [chip.box for chip in found if chip.photograph == name]
    rng = np.random.default_rng(sorted(pictures).index(name))
    for chip in found:
        x0, y0, x1, y1 = chip.box
        cut = Image.fromarray(pictures[chip.photograph][y0:y1, x0:x1])
        for size in sizes:
            factor = size / SCALES[-1] * max(width, height) / max(cut.size)
            small = cut.resize([max(1, round(side * factor)) for side in cut.size], Image.Resampling.BOX)
            while True:
                left, top = (int(rng.integers(_EDGE, side - _EDGE)) for side in (width, height))
                box = left, top, left + small.width, top + small.height
                if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                    break
            picture = background.copy()
            picture[top : box[3], left : box[2]] = np.asarray(small)
            yield Placement(chip, size, picture, box)


def measure(
    encoder: WorldEncoder, folder: Path | None, kept: Kept, budgets: list[int], part: tuple[int, int], progress: bool
) -> tuple[Photographs | None, str]:
    """What is preserved of the placements in every photograph of the folder, and a sentence where there is none.

    part: (i, n), this process takes the i-th of n shares of the photographs; records are kept, those of others read.
    """
    names = sorted({chip.photograph for chip in chips()})
    if folder is None:
        return None, "No photographs were given (--photographs FOLDER), so none were measured."
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        return None, f"{folder} does not hold {', '.join(missing)}, so no photographs were measured."
    pictures = {path.name: np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.JPG"))}
    done = {record["photograph"] for record in kept.records()}
    mine = list(pictures)[part[0] - 1 :: part[1]]
    for name in tqdm([name for name in mine if name not in done], desc="photographs", disable=not progress):
        kept.add({"photograph": name, "rows": _rows(encoder, name, pictures, budgets)})
    records = sorted(kept.records(), key=lambda record: record["photograph"])
    rows = [dict(row, photograph=record["photograph"]) for record in records for row in record["rows"]]
    if not rows:
        return None, "No photograph was measured yet."
    return _summary(rows, len(records), _methods(encoder), budgets), ""


def _methods(encoder: WorldEncoder) -> list[Method]:
    """UHR-BAT with the default's regions, each importance and order."""
    settings = encoder.engine.settings
    return [m for m in methods(settings) if m.family == "uhrbat" and m.regions == settings.regions]


def _rows(encoder: WorldEncoder, name: str, pictures: dict[str, np.ndarray], budgets: list[int]) -> list[dict]:
    picture = pictures[name]
    size = picture.shape[1], picture.shape[0]
    encoded = encoder.encoding(size, encoder.features(picture), generated=False)
    before = dict(scale_images(canvas_of(picture), encoded.square.sizes))
    rows = []
    for placed in placements(name, pictures):
        changed = encoder.encoding(size, encoder.features_after(encoded, before, placed.picture), generated=False)
        rows.append(_row(changed, placed, _methods(encoder), budgets))
    return rows


def _row(encoded: EncodedImage, placed: Placement, known: list[Method], budgets: list[int]) -> dict:
    settings = encoded.engine.settings
    asked = Asked(encoded, placed.chip.question, settings)
    row: dict = {"kind": placed.chip.kind, "size": placed.size, "preserved": {}, "causes": {}}
    for method in known:
        ranked = asked.rank(method)
        row["preserved"][method.id] = preserved(encoded, [placed.box], ranked, budgets).tolist()
        if method.default and isinstance(ranked, Question):
            row["causes"] = {str(budget): ranked.fate(placed.box, budget).cause for budget in budgets}
    return row


def _summary(rows: list[dict], pictures: int, known: list[Method], budgets: list[int]) -> Photographs:
    points = []
    groups: dict[str, list[dict]] = {}
    for row in rows:
        for group in [*groups_of("", row["size"]), f"kind: {row['kind']}"]:
            groups.setdefault(group, []).append(row)
    del groups["type: "]
    for method in known:
        for place, budget in enumerate(budgets):
            for group, members in sorted(groups.items()):
                found = share(
                    [row["preserved"][method.id][place] for row in members],
                    [f"{row['photograph']} {index}" for index, row in enumerate(members)],
                )
                if found:
                    measured = found.value, found.low, found.high, found.questions
                    points.append(
                        PhotographPoint(method.importance or "-", method.order or "-", budget, group, *measured)
                    )
    causes = []
    for budget in budgets:
        counts = Counter(row["causes"][str(budget)] for row in rows)
        causes += [CauseCount(budget, cause, count, 0) for cause, count in sorted(counts.items()) if cause != KEPT]
    return Photographs(pictures, len(chips()), len(rows), points, causes)
