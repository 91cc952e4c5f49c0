"""Goes on for long, and watches the memory of page and worker meanwhile. Run by hand, one command each:

    python -m tools.endure questions [--count 500] [--fake]    different questions about one image, at a worker
    python -m tools.endure sessions [--count 1000]             pages opened, asked and never closed
    python -m tools.endure uploads [--sessions 20] [--count 3] [--megabytes 200]
                                                               uploads and questions at once, every other one left early

Prints JSON: peak memory in each fifth of the time, seconds of each step, failures, and the machine's load. The sessions
are those of a page with the worker of the tests, whose token maps are of the real size; the others have nano. Loopback
only.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import psutil
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.support.running import ROOT, explorer, is_up, until
from tools.kill_worker import EXAMPLE, command
from uhrbat.errors import Cancelled
from uhrbat.serving.client.child import Supervisor
from uhrbat.serving.client.http import HttpWorker
from uhrbat.serving.protocol import query

METHOD = ("nano", "default", "default", "default", 0)


class Watch:
    """The memory of a process and of what it started, from a thread; and how long steps took."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()
        self._memory: list[tuple[int, int]] = []
        self._load = os.getloadavg()
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            with suppress(psutil.Error):
                children = sum(child.memory_info().rss for child in self.process.children(recursive=True))
                self._memory.append((self.process.memory_info().rss, children))

    def step(self, work: Callable[[], object]) -> None:
        """One step; what goes wrong is counted."""
        began = time.monotonic()
        try:
            work()
        except (AppError, httpx.HTTPError, RuntimeError) as error:
            self.failures[str(error)[:120]] += 1
        self.seconds.append(time.monotonic() - began)
        if len(self.seconds) % 50 == 0:
            print(f"{len(self.seconds)} steps, {self._memory[-1]} bytes", file=sys.stderr)

    def report(self) -> dict:
        """What was seen."""
        self._over.set()
        rows = self._memory
        fifths = [rows[part * len(rows) // 5 : (part + 1) * len(rows) // 5] for part in range(5)]
        return {
            "steps": len(self.seconds),
            "seconds": {"half within": statistics.median(self.seconds), "most": max(self.seconds)},
            "peak MiB in each fifth": {
                name: [max(row[column] for row in fifth) // 2**20 for fifth in fifths if fifth]
                for column, name in enumerate(("process", "what it started"))
            },
            "failures": dict(self.failures),
            "load": {"before": self._load[0], "after": os.getloadavg()[0]},
        }


def questions(options: argparse.Namespace) -> dict:
    """Questions about one image, one after the other."""
    with HttpWorker(Supervisor(command(options.fake))) as worker:
        image = worker.store(EXAMPLE)
        worker.ask(query(image, "How many ships are there?"), budget=256).result()
        watch = Watch(psutil.Process())
        for number in range(options.count):
            text = f"How many ships are there near place {number}?"
            watch.step(lambda: worker.ask(query(image, text), budget=256).result())  # noqa: B023
        return watch.report()


class Visitor:
    """A page's requests without a page: it opens an example, asks, and goes without a word."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}gradio_api/queue"
        self.client = httpx.Client(trust_env=False, timeout=120)
        config = self.client.get(f"{url}config").json()
        parts = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        self.events = {}
        for event in config["dependencies"]:
            for target, name in event["targets"]:
                self.events[target, name] = event["id"]
        self.ask = self.events[parts["ask"], "ask"]
        self.load = next(id for (_, name), id in self.events.items() if name == "load")

    def visit(self, session: str) -> None:
        """One session, from opening to the answer."""
        self._do(self.load, [""], session)
        self._do(self.ask, [f"How many ships, {session}?", {"total": 3000, "per_scale": None}, *METHOD], session)

    def _do(self, event: int, data: list, session: str) -> None:
        asked = {"data": data, "fn_index": event, "session_hash": session, "event_data": None, "trigger_id": None}
        self.client.post(f"{self.url}/join", json=asked).raise_for_status()
        with self.client.stream("GET", f"{self.url}/data", params={"session_hash": session}) as news:
            for line in news.iter_lines():
                if line.startswith("data:") and (message := json.loads(line[5:]))["msg"] == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"failed: {message['output']}")
                    return


def sessions(options: argparse.Namespace) -> dict:
    """Pages that are opened, asked and abandoned."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    arguments = ["-m", "tests.support.fake_worker", "--port", str(port), "--step-seconds", "0"]
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT) as page:
        try:
            until(lambda: is_up(url), seconds=300, pause=0.5)
            visitor = Visitor(url)
            visitor.visit("first")
            watch = Watch(psutil.Process(page.pid))
            for number in range(options.count):
                watch.step(lambda: visitor.visit(f"abandoned{number}"))  # noqa: B023
            return watch.report()
        finally:
            page.terminate()


def uploads(options: argparse.Namespace) -> dict:
    """Sessions that each upload a large file again and again, and ask of it; every other question is left early."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "large.tif"
        side = int((options.megabytes * 2**20 / 3) ** 0.5)
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)).save(path)
        with explorer(UHRBAT_STORE_FOLDER=f"{name}/store", UHRBAT_CACHE=name) as (url, process):
            watch = Watch(process)

            def visit(number: int) -> None:
                client = Client(url, verbose=False, httpx_kwargs={"timeout": 900})
                for turn in range(options.count):
                    watch.step(lambda: upload_and_ask(client, path, leave=(number + turn) % 2 == 1))  # noqa: B023

            with ThreadPoolExecutor(options.sessions) as pool:
                list(pool.map(visit, range(options.sessions)))
            return watch.report()


def upload_and_ask(client: Client, path: Path, leave: bool) -> None:
    """One upload and one question; leave: it is cancelled after a second."""
    image = client.predict(handle_file(str(path)), api_name="/ingest")["image"]
    job = client.submit(image=image, question="How many ships are there?", budget=1000, api_name="/ask")
    if leave:
        time.sleep(1)
        job.cancel()
    else:
        with suppress(Cancelled):
            job.result(timeout=900)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    for work, count in ((questions, 500), (sessions, 1000), (uploads, 3)):
        one = what.add_parser(work.__name__, help=work.__doc__)
        one.add_argument("--count", type=int, default=count)
        one.set_defaults(work=work)
        if work is questions:
            one.add_argument("--fake", action="store_true", help="with the fake engine of the tests")
        if work is uploads:
            one.add_argument("--sessions", type=int, default=20)
            one.add_argument("--megabytes", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"UHRBAT_STORE_FOLDER": f"{folder}/store"}
        found = options.work(options)
    print(json.dumps(found, indent=1))
    return 1 if found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
