"""Send every file of a folder through a page and a worker, and print what each gave and what it cost.

    python -m tools.odd_files FOLDER ...

The page is `python app.py`, asked by its API (`/ingest`); the worker is a process around an engine that only reads
pictures, sent each file and asked to encode it. Seconds are of processors, children included; memory is the most that
the decoding processes held at once; processes and files are those more than before the file. Exits with 1 where one of
the two did not live.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from gradio_client import Client, handle_file

from tests.support.running import FAKE_CHILD, explorer
from uhrbat.serving.client.child import Supervisor
from uhrbat.serving.client.http import HttpWorker

DECODER = "uhrbat.imagery.child"
TICK = 0.02
MEBI = 2**20


class Watch:
    """What a process and all that it starts use while a file is worked on."""

    def __init__(self, process: psutil.Process, folder: Path) -> None:
        self.process, self.folder = process, folder

    def seconds(self) -> float:
        """Processor seconds of the process, its living children, and those that it has waited for."""
        times = self.process.cpu_times()
        total = sum(times[:4])
        for child in self.process.children():
            with suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:2])
        return total

    def decoding(self) -> int:
        """Bytes held by the processes that decode."""
        held = 0
        for child in self.process.children():
            with suppress(psutil.NoSuchProcess):
                held += child.memory_info().rss if DECODER in " ".join(child.cmdline()) else 0
        return held

    def processes(self) -> int:
        """How many there are."""
        return 1 + len(self.process.children(recursive=True))

    def files(self) -> int:
        """How many files there are in the folder that all of them keep theirs in."""
        return sum(len(names) for _, _, names in os.walk(self.folder))

    @contextmanager
    def peak(self) -> Iterator[list[int]]:
        """The most that was held by decoders in the block, in the list's one element."""
        most, over = [0], threading.Event()

        def look() -> None:
            while not over.wait(TICK):
                most[0] = max(most[0], self.decoding())

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield most
        finally:
            over.set()
            thread.join()


def row(watch: Watch, path: Path, send: Callable[[Path], str]) -> str:
    """One line of the table."""
    began, processes, files = watch.seconds(), watch.processes(), watch.files()
    with watch.peak() as most:
        said = send(path)
    time.sleep(0.3)
    used, more = watch.seconds() - began, (watch.processes() - processes, watch.files() - files)
    return f"| {path.name} | {said[:110]} | {used:.1f} | {most[0] / MEBI:,.0f} | {more[0]:+d} | {more[1]:+d} |"


def by_page(client: Client) -> Callable[[Path], str]:
    """What a page says of a file."""

    def send(path: Path) -> str:
        try:
            shown = client.predict(handle_file(str(path)), api_name="/ingest")
        except Exception as error:
            return str(error)
        return f"{shown['width']} x {shown['height']}, " + "; ".join(shown["notes"])

    return send


def by_worker(worker: HttpWorker) -> Callable[[Path], str]:
    """What a worker says of a file."""

    def send(path: Path) -> str:
        try:
            worker.encode(worker.store(path)).result(300)
        except Exception as error:
            return str(error)
        return "encoded"

    return send


def table(title: str, watch: Watch, paths: list[Path], send: Callable[[Path], str]) -> None:
    """All rows of one of the two."""
    print(f"\n{title}\n\n| file | what it gave | CPU s | decoders, MiB | processes | files |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    send(paths[0])  # what is imported or started once is not the file's
    for path in paths:
        print(row(watch, path, send), flush=True)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    given = parser.parse_args()
    paths = [p for folder in given.folders for p in sorted(folder.iterdir()) if p.suffix not in (".json", ".py")]
    alive = True
    with tempfile.TemporaryDirectory(prefix="uhrbat-odd-") as folder:
        os.environ["TMPDIR"] = os.environ["UHRBAT_STORE_FOLDER"] = folder
        with HttpWorker(Supervisor(FAKE_CHILD)) as worker:
            worker.health()
            process = next(p for p in psutil.Process().children() if "fake_child" in " ".join(p.cmdline()))
            table("Worker", Watch(process, Path(folder)), paths, by_worker(worker))
            alive &= process.is_running() and worker.health().status == "ready"
        with explorer() as (url, process):
            client = Client(url, verbose=False)
            table("Page", Watch(process, Path(folder)), paths, by_page(client))
            alive &= process.is_running()
            print(f"\nboth alive: {alive}; load average {os.getloadavg()[0]:.1f}")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main())
