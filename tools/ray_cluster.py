"""Ray Serve on this machine: are answers those of a worker in this process, does one image stay on one replica, do two
replicas do more than one, what does a client see when a replica is killed. Run by hand, with requirements-cluster.txt:

    python -m tools.ray_cluster [--fake] [--port 8370] [--images 12] [--questions 20] [--sessions 4] [--seconds 30]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import ray
from PIL import Image
from ray import serve

from tests.support import fake_engine
from tests.support.results import same
from tests.support.running import ROOT, children
from tools import equal_workers
from uhrbat.errors import UHRBATError
from uhrbat.serving.client.http import HttpWorker, Remote
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.protocol import query
from uhrbat.serving.ray import NAME, Replicas, application, start
from uhrbat.serving.server.models import load_engine
from uhrbat.serving.server.service import Service

TOKEN = "only-for-this-run"


def deploy(replicas: int, load) -> None:
    """So many replicas, ready."""
    serve.run(application(Replicas(least=replicas, most=replicas, cpus=0.5), TOKEN, load), name=NAME)


def is_equal(worker: HttpWorker, load) -> bool:
    """Whether answers and selections are those of a worker in this process."""
    picture = ROOT / "assets" / "examples" / "tanks.jpg"
    with InProcessWorker(Service(load=load)) as local:
        expected = equal_workers.results(local, picture)
    return same(tuple(expected), tuple(equal_workers.results(worker, picture)))


def pictures(folder: Path, count: int) -> list[Path]:
    """Distinct small images, of the width that the fake engine takes three seconds for."""
    paths = [folder / f"{time.monotonic_ns()}.png" for _ in range(count)]
    for path in paths:
        Image.effect_noise((77, 60), 50).save(path)
    return paths


def hit_rate(worker: HttpWorker, images: list[str], questions: int, sessions: int) -> dict:
    """Of the questions about an image asked before, how many found it encoded."""
    for image in images:
        worker.encode(image).result(600)

    def ask(number: int) -> bool:
        image = images[number % len(images)]
        result = worker.ask(query(image, f"question {number}?"), session=str(number % sessions)).result(600)
        return "encode" in result.run.reused

    with ThreadPoolExecutor(sessions) as pool:
        hits = list(pool.map(ask, range(len(images) * questions)))
    return {"questions": len(hits), "hits": sum(hits), "rate": round(sum(hits) / len(hits), 4)}


def throughput(worker: HttpWorker, paths: list[Path]) -> float:
    """Images a second, encoded and asked about for the first time, all sent at once."""
    images = [worker.store(path) for path in paths]
    began = time.monotonic()
    jobs = [worker.ask(query(image, "how many?"), budget=400, session=image) for image in images]
    for job in jobs:
        job.result(600)
    return round(len(images) / (time.monotonic() - began), 3)


def kill_one(worker: HttpWorker, images: list[str], seconds: float) -> dict:
    """Sessions ask all the time; after a third of the time one replica is killed."""
    until, lock = time.monotonic() + seconds, threading.Lock()
    seen: Counter[str] = Counter()
    last_failure = [0.0]

    def session(name: int) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            try:
                worker.ask(query(images[(name + number) % len(images)], f"{name} {number}?"), session=str(name)).result(
                    600
                )
                outcome = "completed"
            except UHRBATError as error:
                outcome = f"{type(error).__name__}: {error}"
                last_failure[0] = time.monotonic()
            with lock:
                seen[outcome] += 1
            time.sleep(0.1)

    threads = [threading.Thread(target=session, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 3)
    replica = children(psutil.Process(), "ServeReplica:uhrbat")[0]
    killed, questions = time.monotonic(), sum(seen.values())
    replica.kill()
    for thread in threads:
        thread.join()
    last = max(0.0, last_failure[0] - killed)
    return {
        "questions before": questions,
        "outcomes": dict(seen),
        "seconds until the last failure": round(last, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Ray Serve on this machine")
    parser.add_argument("--fake", action="store_true", help="with the fake engine of the tests")
    parser.add_argument("--port", type=int, default=8370)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    load = fake_engine.load if options.fake else load_engine
    store, made = tempfile.TemporaryDirectory(), tempfile.TemporaryDirectory()
    os.environ["UHRBAT_STORE_FOLDER"] = store.name
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 leaves replicas nothing on a busy machine
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    folder = Path(made.name)
    found: dict[str, object] = {}
    start("127.0.0.1", options.port, num_cpus=2, log_to_driver=False)
    try:
        with HttpWorker(Remote(f"http://127.0.0.1:{options.port}", TOKEN)) as worker:
            deploy(2, load)
            found["equal to in-process"] = is_equal(worker, load)
            images = [worker.store(path) for path in pictures(folder, options.images)]
            found["hit rate"] = hit_rate(worker, images, options.questions, options.sessions)
            found["two replicas, images a second"] = throughput(worker, pictures(folder, options.images))
            print(json.dumps(found), flush=True)
            found["a replica killed"] = kill_one(worker, images, options.seconds)
            print(json.dumps(found), flush=True)
            deploy(1, load)
            found["one replica, images a second"] = throughput(worker, pictures(folder, options.images))
    finally:
        serve.shutdown()
        ray.shutdown()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
