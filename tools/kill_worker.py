"""Kills the worker, then the page, with SIGKILL at each stage and times what a user sees. Run by hand:

    python -m tools.kill_worker [--fake] [--image FILE] [--rounds 3]

For every stage: seconds until the running job reports that the worker stopped, and until the next question is answered
(encoding included, since a new worker has nothing encoded). Then: seconds until the worker is gone when its page is
killed. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.support.running import FAKE_CHILD, ROOT, reach, until
from uhrbat.errors import WorkerError
from uhrbat.serving.client.child import COMMAND, DIED, Supervisor
from uhrbat.serving.client.http import HttpWorker
from uhrbat.serving.protocol import query

EXAMPLE = ROOT / "assets" / "examples" / "harbour.jpg"
QUESTION = "How many ships are there?"
STAGES = ("upload", "encode", "ask", "answer", "sweep")
MOST_SECONDS = 600

PARENT = """
import sys, time
from tools.kill_worker import command
from uhrbat.serving.client.http import HttpWorker
from uhrbat.serving.client.child import Supervisor
worker = HttpWorker(Supervisor(command("--fake" in sys.argv)))
worker.health()
print(worker.endpoint.pid, flush=True)
time.sleep(60)
"""


def command(fake: bool) -> tuple[str, ...]:
    """What starts the worker."""
    return FAKE_CHILD if fake else COMMAND


def start(worker: HttpWorker, stage: str, image: str, fake: bool):
    """A job, and the progress stages at which it is where it is to be killed."""
    slow = {"ask": "slow ask", "answer": "slow answer", "sweep": "slow answer"}.get(stage, "") if fake else ""
    question = f"{QUESTION} {slow} {time.time()}"
    if stage == "encode":
        return worker.encode(image, {"picture": {"bands": [3, 2, 1]}}), ("encode", "read")
    if stage == "ask":
        return worker.ask(query(image, question)), ("score", "partition")
    if stage == "answer":
        return worker.answer(query(image, question), budget=8000), ("prefill", "decode")
    return worker.sweep(query(image, question), budgets=(8000, 3000, 1000)), ("prefill", "decode")


def kill_during_upload(worker: HttpWorker, folder: Path) -> float:
    """Seconds from the kill until the upload reports it: as to a worker elsewhere, since one here is given a link."""
    path = folder / "upload.bin"
    with open(path, "wb") as file:
        for _ in range(600):
            file.write(os.urandom(2**20))
    reported: list[float] = []

    def upload() -> None:
        here, worker.endpoint.folder = worker.endpoint.folder, None
        try:
            worker.store(path, "0" * 64)
        except WorkerError:
            reported.append(time.monotonic())
        finally:
            worker.endpoint.folder = here

    before = {file.name for file in folder.iterdir()}
    thread = threading.Thread(target=upload)
    thread.start()
    until(lambda: any(name.startswith("incoming-") for name in {f.name for f in folder.iterdir()} - before))
    killed = time.monotonic()
    process_of(worker).kill()
    thread.join(MOST_SECONDS)
    path.unlink()
    return reported[0] - killed


def process_of(worker: HttpWorker) -> psutil.Process:
    """The process of a worker that runs as a child."""
    assert isinstance(worker.endpoint, Supervisor)
    return psutil.Process(worker.endpoint.pid)


def kill_during_job(worker: HttpWorker, stage: str, image: str, fake: bool) -> float:
    """Seconds from the kill until the job reports it."""
    job, stages = start(worker, stage, image, fake)
    events = reach(job, stages)
    killed = time.monotonic()
    process_of(worker).kill()
    list(events)
    seconds = time.monotonic() - killed
    try:
        job.result(0)
    except WorkerError as error:
        if str(error) != DIED:
            raise
    return seconds


def worker_rounds(fake: bool, picture: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """The times of every stage, several rounds."""
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UHRBAT_STORE_FOLDER"] = folder
        with HttpWorker(Supervisor(command(fake))) as worker:
            image = worker.store(picture)
            for stage in STAGES * rounds:
                worker.ask(query(image, QUESTION), budget=3000).result(MOST_SECONDS)
                old = process_of(worker)
                began = time.monotonic()
                if stage == "upload":
                    message = kill_during_upload(worker, Path(folder))
                else:
                    message = kill_during_job(worker, stage, image, fake)
                reported = time.monotonic()
                worker.health()
                up = time.monotonic() - reported
                worker.ask(query(image, QUESTION), budget=3000).result(MOST_SECONDS)
                times = found.setdefault(stage, {"message": [], "worker up": [], "answered": [], "orphans": []})
                times["message"].append(message)
                times["worker up"].append(up)
                times["answered"].append(time.monotonic() - reported)
                times["orphans"].append(float(old.is_running() and old.status() != psutil.STATUS_ZOMBIE))
                print(f"{stage}: message {message:.2f} s, then {up:.2f} s until a worker is up, "
                      f"{time.monotonic() - reported:.2f} s until the next answer", file=sys.stderr)  # fmt: skip
                assert time.monotonic() - began < MOST_SECONDS
    return found


def page_kill(fake: bool) -> float:
    """Seconds from the page's death until its worker is gone."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "UHRBAT_STORE_FOLDER": tempfile.mkdtemp()}
    arguments = ["--fake"] if fake else []
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    killed = time.monotonic()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    worker.wait(timeout=30)
    return time.monotonic() - killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fake", action="store_true", help="with the fake engine of the tests")
    parser.add_argument("--image", type=Path, default=EXAMPLE)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = worker_rounds(options.fake, options.image, options.rounds)
    summary: dict[str, dict[str, float] | float] = {
        stage: {name: round(statistics.median(values), 2) for name, values in times.items()}
        for stage, times in found.items()
    }
    summary["page killed, worker gone"] = round(page_kill(options.fake), 2)
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
