"""Times how long a cancelled job still holds the device, at each stage. Run by hand:

    python -m tests.serving.cancel [--fake] [--image FILE] [--rounds 3]

For every stage: the longest of some rounds, in seconds from the cancellation, at a random moment of the stage, until
the worker says that nothing runs.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

from tests.serving.kill import EXAMPLE, MOST_SECONDS, QUESTION, STAGES, command, start
from tests.serving.running import reach, until
from uhrbat.serving.http import HttpWorker
from uhrbat.serving.supervisor import Supervisor


def seconds_until_free(worker: HttpWorker, stage: str, image: str, fake: bool) -> float:
    """Cancel a job at a stage, and wait until the device is free."""
    job, stages = start(worker, stage, image, fake)
    reach(job, stages)
    time.sleep(random.uniform(0, 0.5))
    began = time.monotonic()
    job.cancel()
    until(lambda: not worker.health().running, pause=0.01)
    return time.monotonic() - began


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
            worker.ask(image, QUESTION, budget=3000).result(MOST_SECONDS)
            for stage in STAGES[1:]:
                took = [seconds_until_free(worker, stage, image, options.fake) for _ in range(options.rounds)]
                print(f"{stage}: {max(took):.2f} s", flush=True)


if __name__ == "__main__":
    main()
