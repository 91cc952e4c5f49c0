"""Takes memory away from a worker until its allocator refuses, and shows that it lives on. Run by hand:

    python -m tools.worker_memory [--image FILE] [--spare 100 200 400 800]

For each number of MiB: the worker may grow by so much (RLIMIT_AS), is asked about the image, and what came of it is
printed: an answer, whether tiles were encoded in smaller batches, or that memory did not suffice. Then the limit is
lifted, and the same process must answer. Linux only.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import psutil

from tools.kill_worker import EXAMPLE, QUESTION, process_of
from uhrbat.errors import WorkerError
from uhrbat.results import Progress
from uhrbat.serving.client.child import Supervisor
from uhrbat.serving.client.http import HttpWorker
from uhrbat.serving.protocol import query

ENDLESS = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def ask(worker: HttpWorker, image: str) -> str:
    """What comes of a question, and what was said on the way about memory."""
    job = worker.ask(query(image, QUESTION), budget=3000)
    said = {
        event.message.partition("; ")[2] for event in job if isinstance(event, Progress) and event.stage == "encode"
    }
    try:
        answer = job.result().answer
        came = f"answered {answer.text!r}" if answer else "not answered"
    except WorkerError as error:
        came = str(error)
    return "; ".join([came, *sorted(filter(None, said))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, default=EXAMPLE)
    parser.add_argument("--spare", type=int, nargs="+", default=[100, 200, 400, 800])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UHRBAT_STORE_FOLDER"] = folder
        with HttpWorker(Supervisor()) as worker:
            image = worker.store(options.image)
            while worker.health().status != "ready":
                time.sleep(0.1)
            process = process_of(worker)
            for spare in options.spare:
                process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + spare * 2**20, ENDLESS[1]))
                print(f"{spare} MiB to spare: {ask(worker, image)}", flush=True)
                process.rlimit(psutil.RLIMIT_AS, ENDLESS)
            print(f"limit lifted: {ask(worker, image)}")
            print("the same process" if process_of(worker) == process else "ANOTHER PROCESS")


if __name__ == "__main__":
    main()
