"""Answer the examples' first questions beforehand, so that the page opens answered (app/answered.py).

    python -m tools.answered_examples                make assets/examples/answered again
    python -m tools.answered_examples --only suburb  one example

Prints, for each example and way, the answer at every budget, and says which change on the slider. Run it again whenever
nano's weights or the examples change: files of other weights are not shown.
"""

from __future__ import annotations

import argparse
import sys

from app import answered, examples
from uhrbat.answers import same_answer
from uhrbat.choices import DEFAULT_MODEL
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.protocol import query
from uhrbat.serving.server.models import Offer
from uhrbat.serving.server.service import Service


def main() -> int:
    """Make the files; 1 where fewer than three examples change their answer on the slider, or none opens on a loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", help="name of one example")
    only = parser.parse_args().only
    chosen = [example for example in examples.load() if only in (None, example.name)]
    flips = 0
    worker = InProcessWorker(Service(offer=Offer()))
    for example in chosen:
        flips += sum(make(worker, example, way) for way in answered.WAYS) > 0
    worker.close()
    lessons = [example.name for example in chosen if answered.is_lesson(example)]
    print(f"{flips} examples change their answer on the slider; opening on a loss: {', '.join(lessons) or 'none'}")
    return 0 if only or (flips >= 3 and lessons) else 1


def make(worker: InProcessWorker, example: examples.Example, way: str) -> bool:
    """Answer one example in one way and write it; whether the answer changes with the budget."""
    known = example.questions[0]
    image = worker.store(example.path, example.sha256)
    asked_as = query(image, known.text, {"model": DEFAULT_MODEL, **answered.WAYS[way]})
    asked = worker.ask(asked_as, example.budget).result()
    swept = worker.sweep(asked_as, answered.SWEEP, known.answer, example.boxes(known)).result()
    model = next(info for info in worker.models() if info.name == DEFAULT_MODEL)
    path = answered.file_of(example, way)
    answered.Answered(known.text, asked, swept, model, answered.weights()).write(path)
    answers = [
        f"{sum(point.budgets):,}: {point.answer.text} {'+' if same_answer(point.answer.text, known.answer) else '-'}"
        for point in swept.points
    ]
    print(f"{example.name} {way} ({path.stat().st_size / 1000:,.0f} kB): {'; '.join(answers)}", flush=True)
    return len({point.answer.text for point in swept.points}) > 1


if __name__ == "__main__":
    sys.exit(main())
