"""The examples: worlds of nano's own kind, each chosen because the present nano shows on it what it is to teach.

    python -m tools.make_examples               tell, for every question, what nano answers and the fate of its evidence
    python -m tools.make_examples --captions    tell it, and write the captions again from what was measured
    python -m tools.make_examples --make        choose worlds and questions again and write them to assets/examples

All end with exit code 1 where an example does not teach what it is there for, the first also where its caption names
other numbers. `--only NAME` keeps to one.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

from PIL import Image

from app import examples
from tools.make_examples.lessons import PLANS, Plan, Shown, show, table
from uhrbat.engine import UHRBAT
from uhrbat.worlds import EXAMPLE_SEEDS, World, WorldQuestion, generate, questions
from uhrbat.worlds.files import world_item

_ASKED = 40


def check(model: UHRBAT, folder: Path, plans: tuple[Plan, ...], captions: bool) -> bool:
    """Print what a model makes of every question of the examples in a folder; whether the first of each teaches, and
    the captions are true; captions: make them so."""
    teaches = True
    measured: dict[str, str] = {}
    planned = {plan.name: plan for plan in plans}
    for example in examples.load(folder):
        plan = planned.get(example.name)
        if plan is None:
            continue
        encoded = model.encode(example.path, progress=None)
        for number, asked in enumerate(example.questions):
            shown = show(encoded, asked, example.objects, importance=example.method.get("importance"))
            assert shown is not None
            print(table(example.name, shown, plan if number == 0 else None), flush=True)
            if number == 0:
                measured[example.name] = plan.caption_of(shown)
                stale = measured[example.name] != example.caption
                teaches &= plan.taught_by(shown) and (captions or not stale)
                if stale:
                    print(f"  the caption is to be: {measured[example.name]}", flush=True)
    if captions:
        listing = folder / "examples.json"
        listed = json.loads(listing.read_text())["examples"]
        _write(listing, [item | {"caption": measured.get(item["name"], item["caption"])} for item in listed])
    return teaches


def _write(listing: Path, listed: list[dict]) -> None:
    listing.write_text(json.dumps({"examples": listed}, indent=1) + "\n")


def make(model: UHRBAT, folder: Path, plans: tuple[Plan, ...]) -> bool:
    """Choose and write every planned example, and the list of all; whether each teaches what it is to."""
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / "examples.json"
    listed = {item["name"]: item for item in (json.loads(listing.read_text())["examples"] if listing.is_file() else ())}
    teaches = True
    for plan in plans:
        item, found = _choose(model, folder, plan)
        teaches &= found
        listed[plan.name] = item
        order = [planned.name for planned in PLANS if planned.name in listed]
        _write(listing, [listed[name] for name in order])
    return teaches


def _choose(model: UHRBAT, folder: Path, plan: Plan) -> tuple[dict, bool]:
    """Write the first world that shows the plan's lesson, or else its first; its entry, and whether it shows it."""
    path = folder / f"{plan.name}.jpg"
    scenes = (_Candidate(generate(EXAMPLE_SEEDS[seed], plan.size), plan) for seed in plan.seeds)
    fallback = None
    for candidate in scenes:
        fallback = fallback or candidate
        if candidate.fitting:
            candidate.save(path)
            encoded = model.encode(path, progress=None)
        for question in candidate.fitting:
            shown = show(encoded, question, candidate.scene.objects, plan.pixels, plan.importance)
            if shown and plan.taught_by(shown):
                print(table(f"{plan.name}, seed {candidate.scene.seed}", shown, plan), flush=True)
                return candidate.entry(path, question, shown), True
        print(f"{plan.name}: seed {candidate.scene.seed} does not teach it", flush=True)
    assert fallback is not None, f"{plan.name} has no seeds"
    fallback.save(path)
    return fallback.entry(path, (*fallback.fitting, *fallback.asked)[0], None), False


class _Candidate:
    """A scene that may become an example: its questions, open ones first, and those that fit the plan, best first."""

    def __init__(self, scene: World, plan: Plan):
        self.scene, self.plan = scene, plan
        self.asked = sorted(questions(scene, scene.seed, _ASKED), key=lambda q: bool(q.choices))
        fitting = (q for kind, word in plan.wanted for q in self.asked if q.type == kind and word in q.text)
        self.fitting = tuple(dict.fromkeys(fitting))

    def save(self, path: Path) -> None:
        """Write the picture."""
        Image.fromarray(self.scene.image).save(path, "JPEG", quality=self.plan.quality, optimize=True)

    def entry(self, path: Path, first: WorldQuestion, shown: Shown | None) -> dict:
        """The example as `examples.json` lists it: its first question, then one of each other type."""
        return {
            "name": self.plan.name,
            "title": self.plan.title,
            "caption": self.plan.caption_of(shown) if shown else "A generated scene.",
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "budget": self.plan.budget,
            "method": {"importance": self.plan.importance} if self.plan.importance else {},
            **world_item(self.scene),
            "questions": [
                {"text": asked.text, "type": asked.type, "answer": asked.answer, "evidence": list(asked.evidence)}
                for asked in suggested(first, self.asked)
            ],
        }


def suggested(first: WorldQuestion, asked: list[WorldQuestion]) -> list[WorldQuestion]:
    """A question, then one of each other type: those with evidence first, open ones before multiple choice."""
    chosen = [first]
    for question in sorted(asked, key=lambda q: (not q.evidence, bool(q.choices))):
        if question.type not in {other.type for other in chosen}:
            chosen.append(question)
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    work = parser.add_mutually_exclusive_group()
    work.add_argument("--make", action="store_true", help="choose the examples again and write them")
    work.add_argument("--captions", action="store_true", help="write the captions again")
    parser.add_argument("--only", choices=[plan.name for plan in PLANS], help="one example")
    parser.add_argument("--tries", type=int, help="at most so many scenes an example")
    parser.add_argument("--model", default="nano", help="nano or a checkpoint folder")
    parser.add_argument("--folder", type=Path, default=examples.FOLDER)
    args = parser.parse_args()
    plans = tuple(replace(p, seeds=p.seeds[: args.tries]) for p in PLANS if args.only in (None, p.name))
    model = UHRBAT.from_pretrained(args.model)
    teaches = make(model, args.folder, plans) if args.make else check(model, args.folder, plans, args.captions)
    return 0 if teaches else 1


if __name__ == "__main__":
    sys.exit(main())
