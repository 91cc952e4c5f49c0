"""Send a gigapixel image from upload to answer through the page and its worker; print time and memory by stage.

    python -m tools.gigapixel jpeg|bigtiff [--width 40000] [--height 25000] [--looks 0] [--port 8340] [--folder /tmp]

The file is a mosaic of an example, written while streaming. Memory is the sum of the resident sets of the page, the
worker and whatever they start, looked at twenty times a second. Exits with 1 where it passes `LIMIT`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pyvips
from gradio_client import Client

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 4 * 2**30
QUESTION = "How many ships are there?"
START_SECONDS = 180


def make(kind: str, width: int, height: int, folder: Path) -> Path:
    """A `width` x `height` mosaic as baseline JPEG, or as BigTIFF with tiles of 512 x 512, deflate."""
    piece = pyvips.Image.new_from_file(str(ROOT / "assets" / "examples" / "harbour.jpg")).copy_memory()
    across, down = -(-width // piece.width), -(-height // piece.height)
    mosaic = piece.replicate(across, down).crop(0, 0, width, height)
    # Without grain a generated scene compresses ten times better than a photograph.
    mosaic = (mosaic + pyvips.Image.gaussnoise(width, height, mean=0, sigma=6, seed=1)).cast("uchar")
    path = folder / {"jpeg": "gigapixel.jpg", "bigtiff": "gigapixel.tif"}[kind]
    if kind == "jpeg":
        mosaic.jpegsave(str(path), Q=80)
    else:
        # Fewer levels a channel, as deflate of 3 GB would be over the page's own 2 GB.
        mosaic = (mosaic & 0xF0).cast("uchar").copy(interpretation="srgb")
        mosaic.tiffsave(str(path), tile=True, tile_width=512, tile_height=512, compression="deflate", bigtiff=True)
    return path


class Memory:
    """Resident memory of a process and all that it started, watched from a thread."""

    def __init__(self, pid: int):
        self.pid = pid
        self.peak = self.stage = 0
        self.alone: dict[str, int] = {}
        self._stop = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def begin(self) -> None:
        """A stage begins: its peak is counted from now."""
        self.stage = 0

    def close(self) -> None:
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            sizes = {pid: resident(pid) for pid in family(self.pid)}
            self.stage, self.peak = max(self.stage, sum(sizes.values())), max(self.peak, sum(sizes.values()))
            for pid, size in sizes.items():
                name = "page" if pid == self.pid else "worker"
                self.alone[name] = max(self.alone.get(name, 0), size)


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, listing.read_text().split())
            except OSError:
                continue
    return found


def resident(pid: int) -> int:
    """Bytes of a process's resident set; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def processor_seconds(pid: int) -> float:
    """Processor time of a process and its descendants so far."""
    times = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13] for one in family(pid)]
    return sum(int(value) for pair in times for value in pair) / os.sysconf("SC_CLK_TCK")


def start(port: int, folder: Path) -> subprocess.Popen:
    """The page and its worker, everything they store in `folder`; returns once both are ready."""
    own = {"PORT": port, "GRADIO_TEMP_DIR": folder / "uploads", "UHRBAT_CACHE": folder / "cache"}
    own |= {"UHRBAT_STORE_FOLDER": folder / "store", "GRADIO_ANALYTICS_ENABLED": "False"}
    environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
    page = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and page.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200 and len(family(page.pid)) > 1:
                return page
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("the explorer did not start")


def run(path: Path, port: int, memory: Memory, looks: int = 0) -> None:
    """Upload, ingest, ask twice, with so many looks; print a line a stage."""
    url = f"http://127.0.0.1:{port}"
    client = Client(url, verbose=False)
    client.predict(image="airfield", question=QUESTION, budget=3000, api_name="/ask")  # the model is loaded
    print("| stage | s | processor s | peak of page and worker, MB |\n| --- | --- | --- | --- |", flush=True)

    def stage(name, work):
        memory.begin()
        began, before = time.monotonic(), processor_seconds(memory.pid)
        result = work()
        took = f"{time.monotonic() - began:.1f} | {processor_seconds(memory.pid) - before:.1f}"
        print(f"| {name} | {took} | {memory.stage / 2**20:,.0f} |", flush=True)
        return result

    def upload():
        with path.open("rb") as file:
            reply = httpx.post(f"{url}/gradio_api/upload", files={"files": (path.name, file)}, timeout=900)
        return {"path": reply.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}

    sent = stage("upload", upload)
    image = stage("ingest (square, to the worker)", lambda: client.predict(sent, api_name="/ingest"))
    asked = {"image": image["image"], "question": QUESTION, "budget": 3000, "looks": looks, "api_name": "/ask"}
    info = stage("ask", lambda: client.predict(**asked))
    seconds = info["run"]["seconds"] | info["seconds"]
    print("| of it: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()) + " | | | |")
    stage("ask again, another question", lambda: client.predict(**asked | {"question": "Is there a ship?"}))
    print(json.dumps({name: image[name] for name in ("name", "width", "height", "notes")} | {"answer": info["answer"]}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("jpeg", "bigtiff"))
    parser.add_argument("--width", type=int, default=40_000)
    parser.add_argument("--height", type=int, default=25_000)
    parser.add_argument("--looks", type=int, default=0)
    parser.add_argument("--port", type=int, default=8340)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="gigapixel-") as temporary:
        folder = Path(temporary)
        path = make(options.kind, options.width, options.height, folder)
        print(f"{path.name}: {options.width:,} x {options.height:,}, {path.stat().st_size / 2**20:,.0f} MB")
        page = start(options.port, folder)
        memory = Memory(page.pid)
        try:
            run(path, options.port, memory, options.looks)
        finally:
            memory.close()
            page.terminate()
            page.wait(30)
    alone = ", ".join(f"{name} {size / 2**20:,.0f} MB" for name, size in sorted(memory.alone.items()))
    print(f"peak {memory.peak / 2**20:,.0f} MB together ({alone}), allowed {LIMIT / 2**20:,.0f} MB")
    return 0 if memory.peak < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
