"""Whether in-process, child process and remote workers give the same selections and answers. Run by hand:

    python -m tools.equal_workers [--image FILE] [--url URL --secret SECRET]

A worker at --url (Ray Serve, say) is compared as well.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.results import same, without_costs
from tests.support.running import ROOT
from tools.kill_worker import QUESTION
from uhrbat.serving.client.child import Supervisor
from uhrbat.serving.client.http import HttpWorker, Remote
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.protocol import query

BOX = (100, 100, 160, 150)


def results(worker, picture: Path) -> list:
    """What a worker makes of the same four questions."""
    image = worker.store(picture)
    jobs = (
        worker.ask(query(image, QUESTION), budget=3000),
        worker.answer(query(image, QUESTION), budget=1000, without=(BOX,)),
        worker.sweep(query(image, QUESTION), budgets=(256,), boxes=(BOX,)),
        worker.inspect(query(image, QUESTION), box=BOX, budget=3000),
    )
    return [without_costs(job.result()) for job in jobs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, default=ROOT / "assets" / "examples" / "tanks.jpg")
    parser.add_argument("--url")
    parser.add_argument("--secret")
    options = parser.parse_args()
    store = tempfile.TemporaryDirectory()
    os.environ["UHRBAT_STORE_FOLDER"] = store.name
    found = {}
    with InProcessWorker() as worker:
        expected = results(worker, options.image)
    with HttpWorker(Supervisor()) as worker:
        found["child process"] = results(worker, options.image)
    environment = os.environ | {"UHRBAT_WORKER_TOKEN": "t"}
    command = [sys.executable, "-m", "uhrbat.serving", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with HttpWorker(Remote(f"http://127.0.0.1:{port}", "t")) as worker:
            found["remote"] = results(worker, options.image)
    finally:
        process.kill()
    if options.url:
        with HttpWorker(Remote(options.url, options.secret)) as worker:
            found[options.url] = results(worker, options.image)
    print("answer:", expected[0].answer.text)
    for name, given in found.items():
        print(name, "equal" if same(tuple(expected), tuple(given)) else "DIFFERENT")


if __name__ == "__main__":
    main()
