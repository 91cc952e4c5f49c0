"""Many sessions at once against one worker, and what each of them had to wait. Run by hand:

    python -m tests.serving.load [--fake] [--sessions 32] [--seconds 300] [--images DIR] [--json FILE]

Every session repeats: choose one of the images, ask one of the questions, then answer at other budgets, inspect a
box, sometimes sweep or compare, with pauses of a reader. Counts what was completed, busy and failed, the times of each
action, and the memory of this process (which stands for the page's) and of the worker over time. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import psutil

from tests.serving.kill import ROOT, command
from uhrbat.errors import BusyError, UHRBATError
from uhrbat.serving.http import HttpWorker
from uhrbat.serving.supervisor import Supervisor

QUESTIONS = (
    "How many ships are there?",
    "Is there an aeroplane?",
    "What colour is the storage tank?",
    "Where is the tennis court?",
    "What is the land cover in the upper left?",
    "Describe the scene.",
)
BUDGETS = (256, 1024, 3000, 8000)
PAUSE_SECONDS = (0.5, 4.0)


class Tally:
    """What happened, from many threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.times: dict[str, list[float]] = defaultdict(list)
        self.failures: Counter[str] = Counter()
        self.memory: list[tuple[float, int, int]] = []

    def timed(self, worker: HttpWorker, action: str, asked: dict) -> None:
        """Do one action and note how it went."""
        began = time.monotonic()
        try:
            for _ in (job := getattr(worker, action)(**asked)):
                pass
            job.result()
            outcome = "completed"
        except BusyError:
            outcome = "busy"
        except UHRBATError as error:
            outcome = "failed"
            with self.lock:
                self.failures[f"{action}: {error}"] += 1
        with self.lock:
            self.outcomes[outcome] += 1
            if outcome == "completed":
                self.times[action].append(time.monotonic() - began)


def session(worker: HttpWorker, images: list[str], name: str, until: float, tally: Tally) -> None:
    """One user, until the time is up."""
    choose = random.Random(name)
    while time.monotonic() < until:
        asked = {"image": choose.choice(images), "question": choose.choice(QUESTIONS), "session": name}
        steps = [
            ("ask", asked | {"budget": choose.choice(BUDGETS)}),
            ("answer", asked | {"budget": choose.choice(BUDGETS)}),
            ("inspect", asked | {"box": (100, 100, 160, 150), "budget": 3000}),
            ("sweep", asked | {"budgets": BUDGETS}),
        ]
        for action, what in steps[: 4 if choose.random() < 0.15 else 3]:
            if time.monotonic() < until:
                tally.timed(worker, action, what)
                time.sleep(choose.uniform(*PAUSE_SECONDS))


def watch_memory(worker: HttpWorker, until: float, tally: Tally) -> None:
    """Note the memory of this process and of the worker once a second."""
    began, own = time.monotonic(), psutil.Process()
    while time.monotonic() < until:
        child = psutil.Process(worker.endpoint.pid).memory_info().rss
        tally.memory.append((time.monotonic() - began, own.memory_info().rss, child))
        time.sleep(1)


def summary(tally: Tally) -> dict:
    """The numbers to report."""
    mib = 2**20
    halves = [tally.memory[: len(tally.memory) // 2], tally.memory[len(tally.memory) // 2 :]]
    return {
        "outcomes": dict(tally.outcomes),
        "failures": dict(tally.failures),
        "seconds": {
            action: {
                "count": len(times),
                "p50": round(statistics.median(times), 2),
                "p95": round(sorted(times)[int(0.95 * (len(times) - 1))], 2),
            }
            for action, times in sorted(tally.times.items())
        },
        "peak MiB, first and second half": {
            name: [max(row[column] for row in half) // mib for half in halves if half]
            for name, column in (("page", 1), ("worker", 2))
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fake", action="store_true", help="with the fake engine of the tests")
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--images", type=Path, default=ROOT / "assets" / "examples")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["UHRBAT_STORE_FOLDER"] = tempfile.mkdtemp()
    tally = Tally()
    pictures = [path for path in sorted(options.images.iterdir()) if path.suffix in (".jpg", ".png", ".tif")][:6]
    with HttpWorker(Supervisor(command(options.fake))) as worker:
        images = [worker.store(path) for path in pictures]
        until = time.monotonic() + options.seconds
        threads = [
            threading.Thread(target=session, args=(worker, images, f"session {n}", until, tally))
            for n in range(options.sessions)
        ]
        threads.append(threading.Thread(target=watch_memory, args=(worker, until, tally)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        starts = worker.endpoint.starts
        counted = [line for line in worker.metrics().splitlines() if line.startswith("uhrbat_scene_lookups_total")]
    found = summary(tally) | {"worker starts": starts, "scene look-ups": counted}
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found | {"memory": tally.memory}))
    sys.exit(1 if tally.outcomes["failed"] else 0)


if __name__ == "__main__":
    main()
