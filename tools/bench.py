"""Times what the explorer does, each beside something of the same machine and run, so that the ratio means something.

    python -m tools.bench [PART ...] [--threads 1] [--rounds 3] [--json FILE]
    python -m tools.bench encode --against GIT_REVISION|MODEL_FOLDER

| part | what is timed | beside |
| --- | --- | --- |
| selection | regions and ranking of each scale | the released procedure, written plainly |
| encode | a world's four scales, in float32 and bfloat16 | what the machine's matrix rate allows |
| questions | a first and a second question, to the answer | encoding; the first question with encoding |
| budget | the selection at another budget | the second question |
| ingest | a large image made showable (not timed unless named) | decoding the same file once |

The two sides of a row take turns, and the medians of all rounds are shown, in wall and in processor seconds; ratios are
of wall seconds, ours to the other's. `docs/results/speed.md` shows what was written to `docs/results/bench.json`.

--against: encoding by nano as it is here beside another model folder, or beside nano as it was at a revision of this
repository; both are read by the code as it is here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pyvips
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from tools import bench_selection
from uhrbat.budget import RELEASED_BUDGETS
from uhrbat.engine import UHRBAT
from uhrbat.geometry import Scale
from uhrbat.imagery import Canvas, canvas_of, open_image, sha256_file, write_pyramid
from uhrbat.selection.ranking import rank_tokens
from uhrbat.worlds import DEVELOPMENT_SEEDS, generate

ROOT = Path(__file__).resolve().parents[1]
NANO = Path("uhrbat/nano")
QUESTIONS = ("How many ships are there?", "Where is the red car?")
BUDGETS = (500, 1000, 2000, 3000, 4000)
PARTS = ("selection", "encode", "questions", "budget", "ingest")
USUAL = PARTS[:-1]


@dataclass(frozen=True)
class Timing:
    """Medians of some rounds."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """Two things done in turns; load: the machine's, averaged over the last minute, as the row ended."""

    part: str
    what: str
    ours: Timing
    beside: str
    theirs: Timing
    rounds: int
    load: float

    @property
    def ratio(self) -> float:
        """Our wall seconds to theirs."""
        return self.ours.wall / self.theirs.wall


@dataclass(frozen=True)
class Options:
    """How much is timed."""

    rounds: int
    size: int
    scales: tuple[int, ...]
    dims: int
    side: int


def timed(call: Callable[[], object]) -> Timing:
    """One call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(rounds: int, *calls: Callable[[], object]) -> list[Timing]:
    """Several calls, one after the other and all over again; the medians of each."""
    taken = [[timed(call) for call in calls] for _ in range(rounds)]
    return [median(times) for times in zip(*taken, strict=True)]


def median(times: Sequence[Timing]) -> Timing:
    return Timing(statistics.median(t.wall for t in times), statistics.median(t.cpu for t in times))


def row(part: str, what: str, beside: str, times: Sequence[Timing], rounds: int) -> Row:
    ours, theirs = times
    return Row(part, what, ours, beside, theirs, rounds, os.getloadavg()[0])


def selection(options: Options) -> Iterator[Row]:
    """Regions and ranking as shipped, beside the released procedure written plainly."""
    for size in options.scales:
        scale = Scale(size)
        embeddings = bench_selection.structured(scale, options.dims)
        importance = torch.rand(scale.tokens, generator=torch.Generator().manual_seed(2))

        def select(variant: str) -> None:
            labels = bench_selection.regions(variant, embeddings, scale)  # noqa: B023 (called at once)
            rank_tokens(importance, labels).select(RELEASED_BUDGETS[size])  # noqa: B023

        times = in_turns(options.rounds, lambda: select("default"), lambda: select("plain"))
        yield row("selection", f"scale {size:,}", "the released procedure, written plainly", times, options.rounds)


def encode(options: Options) -> Iterator[Row]:
    """Encoding, beside the seconds that the machine's matrix rate needs for as many operations."""
    canvas = world(options.size)
    for dtype in (torch.float32, torch.bfloat16):
        model = UHRBAT.from_pretrained("nano", device="cpu", dtype=dtype)
        work = operations(model, canvas)
        taken = []
        for _ in range(options.rounds):
            seconds = work / matrix_rate(torch.bfloat16)
            taken.append((timed(lambda: model.encode_canvas(canvas, generated=True)), Timing(seconds, seconds)))  # noqa: B023
        times = [median(side) for side in zip(*taken, strict=True)]
        name = str(dtype).removeprefix("torch.")
        yield row("encode", name, "what the bfloat16 matrix rate allows", times, options.rounds)


def encode_against(options: Options, other: str, shipped: str | Path = "nano") -> Iterator[Row]:
    """Encoding by two models in turns."""
    canvas = world(options.size)
    with folder_of(other) as folder:
        models = [UHRBAT.from_pretrained(str(source), device="cpu") for source in (shipped, folder)]
    encodings = [lambda model=model: model.encode_canvas(canvas, generated=True) for model in models]
    yield row("encode", "nano as it is here", other, in_turns(options.rounds, *encodings), options.rounds)


def questions(options: Options) -> Iterator[Row]:
    """The first question on an encoded image beside its encoding; the second beside the first with encoding."""
    canvas, model, taken = world(options.size), UHRBAT.from_pretrained("nano", device="cpu"), []
    for _ in range(options.rounds):
        encoded = []
        encoding = timed(lambda: encoded.append(model.encode_canvas(canvas, generated=True)))  # noqa: B023
        asked = [timed(lambda: encoded[0].ask(text).select(3000).answer()) for text in QUESTIONS]  # noqa: B023
        taken.append((encoding, *asked))
    encoding, first, second = (median(side) for side in zip(*taken, strict=True))
    whole = Timing(encoding.wall + first.wall, encoding.cpu + first.cpu)
    yield row("questions", "first question, encoded image", "its encoding", (first, encoding), options.rounds)
    yield row("questions", "second question", "the first, encoding included", (second, whole), options.rounds)


def budget(options: Options) -> Iterator[Row]:
    """The selection at other budgets, beside the question itself."""
    model = UHRBAT.from_pretrained("nano", device="cpu")
    encoded = model.encode_canvas(world(options.size), generated=True)
    encoded.ask(QUESTIONS[0])
    asked, changed = [], []
    for number in range(options.rounds):
        text = f"{QUESTIONS[1]} {number}"
        asked.append(timed(lambda: encoded.ask(text)))  # noqa: B023
        question = encoded.ask(text)
        changed += [timed(lambda: question.select(total)) for total in BUDGETS]  # noqa: B023
    times = median(changed), median(asked)
    yield row("budget", "another budget's tokens", "a question's ranking", times, options.rounds)


def ingest(options: Options) -> Iterator[Row]:
    """A large JPEG opened, hashed and tiled, beside decoding it once."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "large.jpg"
        mosaic(options.side).jpegsave(str(path), Q=80)
        count = iter(range(options.rounds))

        def ours() -> None:
            write_pyramid(path, Path(name) / f"{next(count)}.tif", info=open_image(path))
            sha256_file(path)

        times = in_turns(options.rounds, ours, lambda: pyvips.Image.new_from_file(str(path), access="sequential").avg())
        what = f"{options.side:,} x {options.side:,} JPEG, {path.stat().st_size / 2**20:,.0f} MiB"
        yield row("ingest", what, "decoding it once", times, options.rounds)


def world(size: int) -> Canvas:
    """A generated world."""
    return canvas_of(generate(DEVELOPMENT_SEEDS.start, size).image)


def mosaic(side: int) -> pyvips.Image:
    """A large image with grain: without it, a generated world compresses ten times better than a photograph."""
    piece = pyvips.Image.new_from_file(str(ROOT / "assets" / "examples" / "harbour.jpg")).copy_memory()
    whole = piece.replicate(-(-side // piece.width), -(-side // piece.height)).crop(0, 0, side, side)
    return (whole + pyvips.Image.gaussnoise(side, side, mean=0, sigma=6, seed=1)).cast("uchar")


def operations(model: UHRBAT, canvas: Canvas) -> int:
    """Multiplications and additions of an encoding."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # the one kind that is not counted anyway
    mapping = {attention: lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        model.encode_canvas(canvas, generated=True)
    return counter.get_total_flops()


def matrix_rate(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """FLOP/s of a matrix product of a tile batch's shape, the best of several."""
    left, right = torch.randn(4608, 768).to(dtype), torch.randn(768, 768).to(dtype)
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < seconds:
        best = min(best, timed(lambda: left @ right).wall)
    return 2 * 4608 * 768 * 768 / best


class folder_of:  # noqa: N801 (reads as a function: with folder_of(name) as folder)
    """A model's folder, or for a while nano's as it was at a revision of this repository."""

    def __init__(self, name: str) -> None:
        self._name, self._made = name, tempfile.TemporaryDirectory()

    def __enter__(self) -> Path:
        if Path(self._name).is_dir():
            return Path(self._name)
        packed = subprocess.run(
            ["git", "archive", "--format=tar", self._name, str(NANO)], cwd=ROOT, capture_output=True, check=False
        )
        if packed.returncode:
            raise SystemExit(f"'{self._name}' is neither a folder nor a revision that has {NANO}")
        with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
            archive.extractall(self._made.name, filter="data")
        return Path(self._made.name) / NANO

    def __exit__(self, *_: object) -> None:
        self._made.cleanup()


def machine(threads: int) -> dict[str, object]:
    """What it was timed on."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load at start": os.getloadavg()[0],
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []


def shown(found: Row) -> str:
    """A row of the printed table."""
    sides = " | ".join(f"{side.wall:.3g} | {side.cpu:.3g}" for side in (found.ours, found.theirs))
    return f"| {found.part} | {found.what} | {found.beside} | {sides} | {found.ratio:.3g} | {found.load:.1f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all but ingest)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=4000, help="side of the generated world")
    parser.add_argument("--scales", type=int, nargs="+", default=list(RELEASED_BUDGETS), help="of the selection")
    parser.add_argument("--dims", type=int, default=256, help="embedding size of the selection")
    parser.add_argument("--side", type=int, default=20_000, help="of the image that is ingested")
    parser.add_argument("--against", metavar="MODEL", help="a model folder, or a revision of this repository")
    parser.add_argument("--json", type=Path, help="where to write everything")
    options = parser.parse_args(arguments)
    wrong = set(options.parts) - set(PARTS)
    if wrong or (options.against and options.parts != ["encode"]):
        parser.error(f"no such part: {', '.join(sorted(wrong))}" if wrong else "--against goes with encode alone")
    torch.set_num_threads(options.threads)
    chosen = Options(options.rounds, options.size, tuple(options.scales), options.dims, options.side)
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(options.threads), "options": asdict(chosen)}
    print(json.dumps(about))
    print("| part | what | beside | ours, s | CPU s | beside, s | CPU s | ratio | load |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    for part in options.parts or USUAL:
        for found in encode_against(chosen, options.against) if options.against else globals()[part](chosen):
            print(shown(found), flush=True)
            rows.append(asdict(found) | {"ratio": found.ratio})
    if options.json:
        options.json.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
