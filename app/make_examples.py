"""Makes the examples that ship with the explorer: `python -m app.make_examples`.

The same seeds give the same scenes. Each is a generated scene as JPEG, with everything that is true of it in
`assets/examples/examples.json`.
"""

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from app.examples import FOLDER
from uhrbat.scenes import EXAMPLE_SEEDS, Scene, generate
from uhrbat.scenes.questions import Question, questions

_ASKED = 40


@dataclass(frozen=True)
class Plan:
    """One example: which scene, what it teaches, and the questions suggested first (by type and word)."""

    name: str
    title: str
    caption: str
    seed: int
    first: tuple[tuple[str, str], ...]
    size: int = 4032
    quality: int = 90
    budget: int = 3000


PLANS = (
    Plan(
        "airfield",
        "Airfield",
        "An easy one: aeroplanes of up to 57 px stand out at every scale.",
        6,
        (("color", "airplane"), ("count", "airplane"), ("land cover", "")),
    ),
    Plan(
        "harbour",
        "Harbour",
        "A few-pixel object that survives: it is only seen at the finest scales.",
        10,
        (("absolute position", "ship"), ("color", "island"), ("presence", "car")),
        size=8192,
        quality=78,
    ),
    Plan(
        "suburb",
        "Suburb",
        "One that is easily lost: a car of 3 px is averaged away before anything is scored.",
        7,
        (("presence", "car"), ("color", "car"), ("count", "building")),
    ),
    Plan(
        "rafts",
        "Fish rafts",
        "Where is the island, seen from the fish rafts? Two objects must survive at once.",
        13,
        (("relative position", "raft"), ("relative position", "island"), ("count", "raft")),
    ),
    Plan(
        "tanks",
        "Tank farm",
        "Counting: every object that is lost makes the number wrong.",
        26,
        (("count", "tank"), ("count", "tennis"), ("absolute position", "")),
    ),
    Plan(
        "lagoon",
        "Lagoon",
        "A question about land cover needs almost no tokens at all.",
        28,
        (("land cover", ""), ("presence", ""), ("count", "island")),
        budget=256,
    ),
)


def make(folder: Path = FOLDER, plans: tuple[Plan, ...] = PLANS) -> None:
    """Write every planned example and their list into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = [_make_one(folder, plan) for plan in plans]
    (folder / "examples.json").write_text(json.dumps({"examples": listed}, indent=1) + "\n")


def _make_one(folder: Path, plan: Plan) -> dict:
    scene = generate(EXAMPLE_SEEDS[plan.seed], plan.size)
    path = folder / f"{plan.name}.jpg"
    Image.fromarray(scene.image).save(path, "JPEG", quality=plan.quality, optimize=True)
    print(f"{path.name}: {plan.size} px, {path.stat().st_size / 1e6:.1f} MB, {len(scene.objects)} objects")
    return {
        "name": plan.name,
        "title": plan.title,
        "caption": plan.caption,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "seed": scene.seed,
        "size": plan.size,
        "budget": plan.budget,
        "land_cover": scene.land_cover,
        "objects": [
            {"kind": item.kind, "color": item.color, "box": [int(value) for value in item.box]}
            for item in scene.objects
        ],
        "questions": [
            {"text": asked.text, "type": asked.type, "answer": asked.answer, "evidence": list(asked.evidence)}
            for asked in _choose(scene, plan)
        ],
    }


def _choose(scene: Scene, plan: Plan) -> list[Question]:
    """The planned questions first, then one of each other type; open ones before multiple choice."""
    asked = sorted(questions(scene, scene.seed, _ASKED), key=lambda question: bool(question.choices))
    chosen = []
    for kind, word in plan.first:
        fitting = [q for q in asked if q.type == kind and word in q.text and q not in chosen]
        chosen += fitting[:1]
    for question in asked:
        if question.type not in {other.type for other in chosen}:
            chosen.append(question)
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    make(parser.parse_args().folder)


if __name__ == "__main__":
    main()
