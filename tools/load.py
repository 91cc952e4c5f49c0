"""Many sessions at once against one worker, and what each of them had to wait. Run by hand:

    python -m tools.load [--page | --fake] [--sessions 32] [--seconds 300] [--images DIR] [--json FILE]

With --page the sessions are `gradio_client`s of an explorer started for this; else they use the worker's interface.
First each image is asked about once, since encoding six of them may take longer than all that follows. Then every
session repeats: choose one of the images, ask one of the questions, answer at another budget, inspect a box and
sometimes sweep, with the pauses of a reader. Counts what was completed, busy and failed, the times of each action, and
the memory of the page (of this process, without one) and of the worker over time; meanwhile with --page, once a second
how long the page takes for a file, and in a browser how the slider moves. Loopback only.
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

import httpx
import psutil
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import sync_playwright

from tests.support.browsing import open_page
from tests.support.running import ROOT, explorer
from tools.kill_worker import command
from tools.measure_page import DRAG
from uhrbat.errors import BusyError, UHRBATError
from uhrbat.serving.client.child import Supervisor
from uhrbat.serving.client.http import HttpWorker
from uhrbat.serving.protocol import query

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
ENCODE_SECONDS = 600


class Tally:
    """What happened, from many threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.times: dict[str, list[float]] = defaultdict(list)
        self.failures: Counter[str] = Counter()
        self.memory: list[tuple[float, int, int]] = []
        self.slider: list[dict] = []

    def timed(self, visitor, action: str, asked: dict) -> None:
        """Do one action and note how it went."""
        began = time.monotonic()
        try:
            visitor.do(action, asked)
            outcome = "completed"
        except (UHRBATError, AppError) as error:
            busy = isinstance(error, BusyError) or "busy" in str(error) or "still waiting" in str(error)
            outcome = "busy" if busy else "failed"
            if not busy:
                with self.lock:
                    self.failures[f"{action}: {error}"] += 1
        with self.lock:
            self.outcomes[outcome] += 1
            if outcome == "completed":
                self.times[action].append(time.monotonic() - began)


class AtWorker:
    """A session that uses the worker's own interface."""

    def __init__(self, worker: HttpWorker, name: str) -> None:
        self.worker, self.name = worker, name

    def do(self, action: str, asked: dict) -> None:
        more = {name: value for name, value in asked.items() if name not in ("image", "question")}
        what = query(asked["image"], asked["question"])
        for _ in (job := getattr(self.worker, action)(what, **more, session=self.name)):
            pass
        job.result()


class AtPage:
    """A session that uses the explorer's named endpoints; another budget is another `ask` there."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, verbose=False, httpx_kwargs={"timeout": 120})

    def do(self, action: str, asked: dict) -> None:
        listed = {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()}
        self.client.predict(**listed, api_name="/ask" if action == "answer" else f"/{action}")


def session(visitor, images: list[str], name: str, until: float, tally: Tally) -> None:
    """One user, until the time is up."""
    choose = random.Random(name)
    while time.monotonic() < until:
        asked: dict[str, object] = {"image": choose.choice(images), "question": choose.choice(QUESTIONS)}
        steps: list[tuple[str, dict]] = [
            ("ask", asked | {"budget": choose.choice(BUDGETS)}),
            ("answer", asked | {"budget": choose.choice(BUDGETS)}),
            ("inspect", asked | {"box": (100, 100, 160, 150), "budget": 3000}),
            ("sweep", asked | {"budgets": BUDGETS}),
        ]
        for action, what in steps[: 4 if choose.random() < 0.15 else 3]:
            if time.monotonic() < until:
                tally.timed(visitor, action, what)
                time.sleep(choose.uniform(*PAUSE_SECONDS))


def watch_memory(page: psutil.Process, until: float, tally: Tally) -> None:
    """Note the memory of the page's process and of its child, the worker, once a second."""
    began = time.monotonic()
    while time.monotonic() < until:
        children = sum(child.memory_info().rss for child in page.children())
        tally.memory.append((time.monotonic() - began, page.memory_info().rss, children))
        time.sleep(1)


def watch_files(url: str, until: float, tally: Tally) -> None:
    """Once a second, note how long the page takes for its scripts: what it does for the others holds nobody up."""
    while time.monotonic() < until:
        began = time.monotonic()
        httpx.get(f"{url}gradio_api/uhr/assets/store.js", trust_env=False, timeout=60).raise_for_status()
        tally.times["(page's files)"].append(time.monotonic() - began)
        time.sleep(1)


def watch_slider(url: str, until: float, tally: Tally) -> None:
    """In a browser, ask the first example's question once, then move the slider for three seconds of every 30."""
    with sync_playwright() as playwright:
        page = open_page(playwright, url, ENCODE_SECONDS)
        page.click(".uhr-ask")
        page.wait_for_function("window.UHRBAT.state.tokens && !window.UHRBAT.state.busy")
        page.evaluate("window.UHRBAT.set({layer: 'fate', scale: 4032})")
        while time.monotonic() < until:
            tally.slider.append(page.evaluate(DRAG))
            time.sleep(max(0, min(30, until - time.monotonic())))


def drive(visitors: list, images: list[str], page: psutil.Process, seconds: float, url: str = "") -> Tally:
    """All visitors at once, for so long."""
    first, tally = Tally(), Tally()
    for image in images:
        first.timed(visitors[0], "ask", {"image": image, "question": QUESTIONS[0], "budget": 3000})
    print(f"asked of each image once, in {[round(s) for s in first.times['ask']]} s", file=sys.stderr)
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=watch_memory, args=(page, until, tally))]
    if url:
        threads += [threading.Thread(target=watch, args=(url, until, tally)) for watch in (watch_files, watch_slider)]
    for number, visitor in enumerate(visitors):
        threads.append(threading.Thread(target=session, args=(visitor, images, str(number), until, tally)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def drive_page(options: argparse.Namespace) -> Tally:
    """Start an explorer, and visit its examples."""
    with explorer() as (url, page):
        images = [path.stem for path in pictures(options.images)]
        visitors = [AtPage(url) for _ in range(options.sessions)]
        return drive(visitors, images, page, options.seconds, url)


def drive_worker(options: argparse.Namespace) -> Tally:
    """Start a worker, and use it from this process, which stands for the page's."""
    with HttpWorker(Supervisor(command(options.fake))) as worker:
        images = [worker.store(path) for path in pictures(options.images)]
        visitors = [AtWorker(worker, str(number)) for number in range(options.sessions)]
        return drive(visitors, images, psutil.Process(), options.seconds)


def pictures(folder: Path) -> list[Path]:
    """Six images."""
    return [path for path in sorted(folder.iterdir()) if path.suffix in (".jpg", ".png", ".tif")][:6]


def summary(tally: Tally) -> dict:
    """The numbers to report."""
    mib, rows = 2**20, tally.memory
    fifths = [rows[part * len(rows) // 5 : (part + 1) * len(rows) // 5] for part in range(5)]
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
        "peak MiB in each fifth of the time": {
            name: [max(row[column] for row in fifth) // mib for fifth in fifths if fifth]
            for name, column in (("page", 1), ("worker", 2))
        },
        "slider": tally.slider,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fake", action="store_true", help="with the fake engine of the tests")
    parser.add_argument("--page", action="store_true", help="through gradio_client and the explorer")
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--images", type=Path, default=ROOT / "assets" / "examples")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"UHRBAT_STORE_FOLDER": f"{folder}/store", "UHRBAT_CACHE": folder}
        tally = drive_page(options) if options.page else drive_worker(options)
    found = summary(tally)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found | {"memory": tally.memory}))
    sys.exit(1 if tally.outcomes["failed"] else 0)


if __name__ == "__main__":
    main()
