"""What the evaluations found (assets/findings), for the Findings page, and the scenes in which its misses lie."""

import gzip
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from uhrbat.errors import InputError
from uhrbat.evaluation.findings import FrontierFile, LossFile, Miss, RealFile, read_frontier, read_loss, read_real
from uhrbat.evaluation.looks.findings import LooksFile, LooksLossFile, read_looks, read_looks_loss
from uhrbat.worlds import files
from uhrbat.worlds.files import WorldKey

from .examples import Example, from_item
from .paths import ASSETS
from .state.pictures import Picture, Shelf, Steps, Work

FOLDER = ASSETS / "findings"
COMMANDS = {
    "frontier": "python -m uhrbat evaluate frontier --out assets/findings",
    "loss": "python -m uhrbat evaluate loss --out assets/findings",
    "loss_attention": "python -m uhrbat evaluate loss --importance attention --out assets/findings",
}
"""The command that writes each file that the page misses; the others are shown where they are there."""
_READERS: dict[str, Callable[[Path], Any]] = {
    "frontier": read_frontier,
    "loss": read_loss,
    "loss_attention": read_loss,
    "real": read_real,
    "looks": read_looks,
    "looks_loss": read_looks_loss,
}


@dataclass(frozen=True)
class Findings:
    """The files as far as they are there; problems: why one that is there cannot be shown.

    loss: the loss test by the model's defaults; loss_attention: scored by attention, as the released code does; real:
    on real pictures; looks, looks_loss: with looks at the file's own pixels, on large worlds.
    """

    frontier: FrontierFile | None = None
    loss: LossFile | None = None
    loss_attention: LossFile | None = None
    real: RealFile | None = None
    looks: LooksFile | None = None
    looks_loss: LooksLossFile | None = None
    problems: tuple[str, ...] = ()

    @property
    def losses(self) -> tuple[LossFile, ...]:
        """The loss tests that are there."""
        return tuple(found for found in (self.loss, self.loss_attention) if found)

    def misses_of(self, key: WorldKey) -> tuple[Miss, ...]:
        """The misses that lie in one scene."""
        return tuple(miss for found in self.losses for miss in found.misses if _key(miss) == key)

    @property
    def page(self) -> bytes:
        """What the page is sent: gzipped JSON; numbers of the frontier by measure, group and method."""
        missing = [COMMANDS[name] for name in COMMANDS if getattr(self, name) is None]
        content: dict[str, Any] = {"missing": missing, "problems": self.problems, "frontier": None, "losses": []}
        for name in ("real", "looks", "looks_loss"):
            found = getattr(self, name)
            content[name] = found and asdict(found)
        if self.frontier:
            content["frontier"] = asdict(self.frontier) | {"points": _by_curve(self.frontier)}
        for found in self.losses:
            method = {name: found.measured.settings[name] for name in ("importance", "regions", "order")}
            misses = [asdict(miss) | {"scene": _key(miss).name, "method": method} for miss in found.misses]
            content["losses"].append(asdict(found) | {"misses": misses})
        return gzip.compress(json.dumps(content, separators=(",", ":")).encode(), 6, mtime=0)


def load(folder: Path = FOLDER) -> Findings:
    """The findings in a folder; read again when a file has changed."""
    paths = {name: folder / f"{name}.json" for name in _READERS}
    return _load(tuple((path, path.stat().st_mtime_ns if path.is_file() else None) for path in paths.values()))


@lru_cache(maxsize=2)
def _load(files: tuple[tuple[Path, int | None], ...]) -> Findings:
    found: dict[str, Any] = dict.fromkeys(_READERS)
    problems = []
    for path, written in files:
        try:
            found[path.stem] = _READERS[path.stem](path) if written else None
        except InputError as error:
            problems.append(str(error))
    return Findings(**found, problems=tuple(problems))


def open_scene(shelf: Shelf, key: WorldKey, found: Findings) -> Steps:
    """Make the scene of a miss and show it: as `Shelf.ingest`. InputError where no miss lies in it."""
    misses = found.misses_of(key)
    if not misses:
        raise InputError(f"There is no miss in {key.name}: choose one on the Findings page.")
    known = shelf.showing(key.name)
    if known:
        yield known
        return
    painting = Work(lambda report, stopped: files.make(key, shelf.folder, lambda share: report(share / 2), stopped))
    yield from painting
    example = _example(shelf.folder, key, painting.outcome, misses)
    for step in shelf.ingest(example.path, example.title, example):
        yield step if isinstance(step, Picture) else type(step)(0.5 + step / 2)


def _example(folder: Path, key: WorldKey, truth: dict, misses: tuple[Miss, ...]) -> Example:
    """A scene that was made, as an example that asks what was missed in it."""
    boxes = [item["box"] for item in truth["objects"]]
    asked = {miss.question: miss for miss in misses}
    left_out = " One object was removed on purpose." if key.without else ""
    item = {
        **truth,
        "name": key.name,
        "title": f"Scene {key.seed:,}",
        "caption": f"Scene from the loss test, made again just now.{left_out}",
        "budget": misses[0].budget,
        "questions": [
            {
                "text": miss.question,
                "type": miss.type,
                "answer": miss.truth,
                "evidence": [boxes.index(box) for box in ([int(v) for v in b] for b in miss.boxes) if box in boxes],
            }
            for miss in asked.values()
        ],
    }
    return from_item(folder, item, shipped=False)


def _key(miss: Miss) -> WorldKey:
    return WorldKey(miss.seed, tuple(miss.without))


def _by_curve(frontier: FrontierFile) -> dict[str, dict[str, dict[str, list[list[float]]]]]:
    """measure -> group -> method -> [budget, value, low, high, questions] by budget."""
    curves: dict = {}
    for point in sorted(frontier.points, key=lambda p: p.budget):
        curve = curves.setdefault(point.measure, {}).setdefault(point.group, {}).setdefault(point.method, [])
        curve.append([point.budget, point.value, point.low, point.high, point.questions])
    return curves
