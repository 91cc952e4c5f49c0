"""Times how long a cancelled job still holds the device, at each stage. Run by hand:

    python -m tools.cancel_jobs [--fake] [--image FILE] [--rounds 3]

For every stage: the longest of some rounds, from the cancellation, at a random moment of the stage, until the worker
says that nothing runs; in seconds, and in seconds of CPU that the worker used meanwhile, which a busy machine leaves
alone.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

from tests.support.running import reach, until
from tools.kill_worker import EXAMPLE, MOST_SECONDS, QUESTION, STAGES, command, process_of, start
from uhrbat.serving.client.child import Supervisor
from uhrbat.serving.client.http import HttpWorker
from uhrbat.serving.protocol import query


def seconds_until_free(worker: HttpWorker, stage: str, image: str, fake: bool) -> tuple[float, float]:
    """Cancel a job at a stage, and wait until the device is free: (seconds, the worker's CPU seconds)."""
    process = process_of(worker)
    job, stages = start(worker, stage, image, fake)
    _following = reach(job, stages)  # dropped, it would cancel the job at once
    time.sleep(random.uniform(0, 0.5))
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    job.cancel()
    until(lambda: not worker.health().running, pause=0.01)
    return time.monotonic() - began, sum(process.cpu_times()[:2]) - used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fake", action="store_true", help="with the fake engine of the tests")
    parser.add_argument("--image", type=Path, default=EXAMPLE)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UHRBAT_STORE_FOLDER"] = folder
        with HttpWorker(Supervisor(command(options.fake))) as worker:
            image = worker.store(options.image)
            worker.ask(query(image, QUESTION), budget=3000).result(MOST_SECONDS)
            for stage in STAGES[1:]:
                took = [seconds_until_free(worker, stage, image, options.fake) for _ in range(options.rounds)]
                seconds, cpu = map(max, zip(*took))
                print(f"{stage}: {seconds:.2f} s, {cpu:.2f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
