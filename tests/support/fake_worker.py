"""A worker that knows nothing and answers at once: the explorer's test double. Its made-up numbers fit together."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from uhrbat import results
from uhrbat.budget import smallest_total, split_budget
from uhrbat.errors import Cancelled, InputError
from uhrbat.geometry import SCALES, Scale, Square
from uhrbat.grammar import read
from uhrbat.imagery import open_image
from uhrbat.network.text import clean_question
from uhrbat.serving.client.worker import Worker
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import AnyRequest, EncodeRequest, Health, ModelInfo, Settings

BLOCK = 6
RELEASED = tuple(Scale(size) for size in SCALES)
CAVEAT = "nano was trained on generated scenes only; its answers on other images mean little."


STAGES = {
    "encode": ("read", "encode"),
    "ask": ("read", "encode", "score", "partition", "rank", "prefill", "decode"),
}


class FakeWorker(Worker):
    """Scores by a hash of the question, merges in blocks, says "four" below 1,000 tokens and "five" above."""

    def __init__(self, step_seconds: float = 0.0, steps: int = 5, scales: tuple[Scale, ...] = RELEASED):
        self.step_seconds = step_seconds
        self.steps = steps
        self.scales = scales
        self.files: dict[str, Path] = {}
        self.requests: list[tuple[str, AnyRequest]] = []
        self.cancelled = 0
        self.closed = False

    def store(self, path: str | Path, image: str | None = None) -> str:
        image = image or hashlib.sha256(Path(path).read_bytes()).hexdigest()
        self.files[image] = Path(path)
        return image

    def health(self) -> Health:
        return Health(status="ready", device="cpu")

    def metrics(self) -> str:
        return ""

    def models(self) -> tuple[ModelInfo, ...]:
        return (
            ModelInfo(
                name="nano",
                loaded=True,
                regions=("kmeans", "grid", "sam", "none"),
                scales=tuple(scale.size for scale in self.scales),
                tile=self.scales[0].tile,
                tile_grid=self.scales[0].tile_grid,
                point_bins=64,
                default_settings=Settings(),
                parameters=9_000_000,
                bytes_per_token=6144,
                prefill_tokens_per_second=9000.0,
                most_looks=512,
                tile_seconds=0.1,
                megapixel_seconds=0.02,
            ),
        )

    def close(self) -> None:
        self.closed = True

    def _submit(self, request: AnyRequest) -> Job[Any]:
        if request.image not in self.files:
            raise InputError("the worker does not hold this image")
        if request.settings.model != "nano":
            raise InputError(f"model '{request.settings.model}' is not offered here; choose one of nano")
        if not isinstance(request, EncodeRequest):
            clean_question(request.question)
        self.requests.append((request.action, request))
        job: Job[Any] = Job()
        stop = threading.Event()
        job.on_cancel(stop.set)
        threading.Thread(target=self._work, args=(request, job, stop), daemon=True).start()
        return job

    def _work(self, request: AnyRequest, job: Job, stop: threading.Event) -> None:
        try:
            for stage in STAGES.get(request.action, ("prefill", "decode")):
                for step in range(self.steps):
                    job.emit(results.Progress(stage, (step + 1) / self.steps))
                    if stop.wait(self.step_seconds):
                        self.cancelled += 1
                        raise Cancelled("cancelled")
            job.finish(getattr(self, f"_{request.action}")(request, job, stop))
        except Exception as error:
            job.fail(error)

    def _ask(self, request, job, stop) -> results.AskResult:
        maps = self._maps(request)
        budgets = None if request.budget is None else self._split(request.budget, maps)
        answer = None if budgets is None else self._said(request, budgets)
        return results.AskResult(
            request.image,
            request.question,
            tuple(maps.values()),
            budgets,
            ledger(maps, budgets or ()),
            answer,
            self._caveat(request),
            run(),
        )

    def _answer(self, request, job, stop) -> results.AnswerResult:
        maps = self._maps(request)
        budgets = self._split(request.budget, maps)
        text = "none" if request.without else "five" if request.force else "six" if request.look else None
        return results.AnswerResult(
            request.question,
            budgets,
            self._said(request, budgets, text),
            ledger(maps, budgets),
            self._caveat(request),
            run(),
            attention(tuple(maps), budgets) if request.attention else None,
        )

    def _sweep(self, request, job, stop) -> results.SweepResult:
        points = []
        for budget in request.budgets:
            budgets = self._split(budget, self._maps(request))
            answer = self._said(request, budgets)
            right = None if request.truth is None else answer.text == request.truth
            fates = {size: s.kind(k) for (size, s), k in zip(self._maps(request).items(), budgets, strict=True)}
            points.append(results.SweepPoint(budgets, answer, right, *self._evidence(request, fates)))
            job.emit(points[-1])
            if stop.wait(self.step_seconds):
                raise Cancelled("cancelled")
        return results.SweepResult(request.question, tuple(points), self._caveat(request), run())

    def _compare(self, request, job, stop) -> results.CompareResult:
        maps, methods = self._maps(request), []
        budgets = self._split(request.budget, maps)
        for number, method in enumerate(request.methods):
            kinds = {size: np.roll(s.kind(k), 97 * number) for (size, s), k in zip(maps.items(), budgets, strict=True)}
            evidence, preserved = self._evidence(request, kinds)
            methods.append(results.MethodResult(method, self._said(request, budgets), 0.2, evidence, kinds, preserved))
            job.emit(methods[-1])
        return results.CompareResult(request.question, budgets, tuple(methods), self._caveat(request), run())

    def _inspect(self, request, job, stop) -> results.InspectResult:
        maps = self._maps(request)
        budgets = self._split(request.budget, maps)
        square = self._square(request)
        scales = square.scales
        rows, alone = [], []
        for (size, scale), budget in zip(maps.items(), budgets, strict=True):
            inside = square.tokens_in_box(size, request.box)
            if not len(inside):
                rows.append(_not_looked_at(square, size, request.box))
                continue
            ranks, merged = scale.rank[inside], scale.merged[inside]
            kind = scale.kind(budget)[inside]
            best = int(ranks.argmin())
            singles = ranks[~merged]
            if singles.size:
                alone.append((square.sizes.index(size), int(singles.min())))
            x0, y0, x1, y1 = request.box
            rows.append(
                results.FateRow(
                    size=size,
                    pixels=((x1 - x0) * size / square.side, (y1 - y0) * size / square.side),
                    scored=True,
                    tokens=len(inside),
                    budget=budget,
                    preserved=int((kind == 1).sum()),
                    merged=int((kind == 2).sum()),
                    dropped=int((kind == 0).sum()),
                    best_importance=float(scale.importance[inside].max()),
                    percentile=float((scale.importance < scale.importance[inside].max()).mean() * 100),
                    best_rank=int(ranks.min()),
                    best_merged=bool(merged[best]),
                    members=int(scale.members[inside][best]),
                    smallest_budget=int(singles.min()) if singles.size else None,
                )
            )
        least = smallest(alone, scales)
        steps = [
            results.VerdictStep(1, "cut by the budget", f"It would enter at {least:,} tokens.", False),
            results.VerdictStep(least, "preserved", "A token of it reaches the model.", True),
        ]
        now = steps[sum(budgets) >= least]
        return results.InspectResult(
            request.question,
            request.box,
            budgets,
            results.Fate(tuple(rows), now.cause, now.verdict, least, tuple(steps)),
            self._caveat(request),
            run(),
        )

    def _encode(self, request, job, stop) -> results.EncodeResult:
        tokens = {scale.size: scale.tokens for scale in self.scales}
        return results.EncodeResult(request.image, tokens, self._caveat(request), run())

    def _evidence(self, request, fates) -> tuple[tuple[results.Kept, ...], float | None]:
        from uhrbat.selection.evidence import kept_evidence

        return kept_evidence(self._square(request), fates, request.boxes)

    def _said(self, request, budgets, text: str | None = None) -> results.Answer:
        total = sum(budgets)
        text = text or ("four" if total < 1000 else "five")
        seconds = {"prefill": total / 9000, "decode": 0.1}
        return results.Answer(text, ((120.0, 90.0), (300.0, 200.0)), total, seconds, reading=read(request.question))

    def _caveat(self, request) -> str | None:
        file = self.files[request.image]
        return None if "examples" in file.parts or file.name.startswith("world-") else CAVEAT

    def _maps(self, request) -> dict[int, results.ScaleMap]:
        seed = int(hashlib.sha256((request.image + request.question).encode()).hexdigest()[:8], 16)
        square = self._square(request)
        maps = {scale.size: scale_map(scale, seed, square.padding(scale)) for scale in self.scales}
        return maps | {scale.size: looked_map(scale) for scale in square.scales if scale.looked is not None}

    def _square(self, request) -> Square:
        """The image's square, of which so many tiles of the finest native scale are looked at, the first ones."""
        info = open_image(self.files[request.image])
        sizes = tuple(scale.size for scale in self.scales)
        square = Square(info.width, info.height, sizes, self.scales[0].tile, self.scales[0].tile_grid)
        native, looks = square.native_sizes[-1:], request.settings.looks
        return square.looking({size: range(looks) for size in native}) if looks else square

    def _split(self, budget, maps: dict[int, results.ScaleMap]) -> tuple[int, ...]:
        scales = [replace(self.scales[0], size=size, looked=scale.looked) for size, scale in maps.items()]
        return tuple(budget) if isinstance(budget, tuple) else split_budget(budget, scales)


def scale_map(scale: Scale, seed: int, padding: np.ndarray | None = None) -> results.ScaleMap:
    """Smooth importance with a few peaks; blocks as regions; ranks as in `rank_tokens` with order "max"; padding
    never enters."""
    random = np.random.default_rng(seed)
    at = (np.arange(scale.grid) + 0.5) / scale.grid
    y, x = np.meshgrid(at, at, indexing="ij")
    field = np.zeros((scale.grid, scale.grid))
    for px, py, width in zip(random.random(9), random.random(9), random.uniform(0.01, 0.09, 9), strict=True):
        field += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2))
    field += 0.02 * np.random.default_rng(scale.size).random(field.shape)
    side = -(-scale.grid // BLOCK)
    cells = np.arange(scale.grid) // BLOCK
    region = (cells[:, None] * side + cells[None, :]).astype(np.int32)
    flat, of = field.ravel(), region.ravel()
    total = np.bincount(of, flat)
    mean = total / np.bincount(of)
    best = np.full(side * side, -np.inf)
    np.maximum.at(best, of, flat)
    single = flat > mean[of]
    rank, members, place = np.zeros(flat.size, np.int32), np.ones(flat.size, np.int32), 0
    for chosen in np.argsort(-best, kind="stable"):
        inside = np.flatnonzero(of == chosen) if flat.size < 10_000 else block(chosen, side, scale.grid)
        ones = inside[single[inside]]
        ones = ones[np.argsort(-flat[ones], kind="stable")]
        rank[ones] = place + 1 + np.arange(ones.size)
        rest = inside[~single[inside]]
        place += ones.size + 1
        rank[rest], members[rest] = place, rest.size
    order = scale.inverse
    padding = np.zeros(flat.size, bool) if padding is None else padding
    rank = np.where(padding, flat.size + 1, rank[order]).astype(np.int32)
    return results.ScaleMap(
        scale.size, flat[order].astype(np.float16), rank, ~single[order] & ~padding, of[order], members[order], padding
    )


def looked_map(scale: Scale) -> results.ScaleMap:
    """Tokens of the tiles looked at, each its own region, of which the first enter first."""
    every = np.arange(scale.tokens, dtype=np.int32)
    no = np.zeros(scale.tokens, bool)
    importance = np.linspace(1, 0, scale.tokens).astype(np.float16)
    return results.ScaleMap(scale.size, importance, every + 1, no, every, no + np.int32(1), no, looked=scale.looked)


def block(number: int, side: int, grid: int) -> np.ndarray:
    """Raster positions of a block's tokens."""
    row, col = divmod(int(number), side)
    rows = np.arange(row * BLOCK, min(row * BLOCK + BLOCK, grid))
    cols = np.arange(col * BLOCK, min(col * BLOCK + BLOCK, grid))
    return (rows[:, None] * grid + cols[None, :]).ravel()


def ledger(maps: dict[int, results.ScaleMap], budgets) -> tuple[results.LedgerRow, ...]:
    rows = []
    for (size, scale), k in zip(maps.items(), budgets, strict=False):
        kind = scale.kind(k)
        entering = scale.rank[~scale.padding]
        used, regions = min(k, int(entering.max())), len(np.unique(scale.region[(kind == 1) | (kind == 2)]))
        rows.append(
            results.LedgerRow(
                size,
                int((kind != 3).sum()),
                k,
                used,
                int((kind == 1).sum()),
                int((kind == 2).sum()),
                int((kind == 0).sum()),
                regions,
                int((kind == 3).sum()),
            )
        )
    return tuple(rows)


def attention(sizes: tuple[int, ...], budgets) -> results.Attention:
    """Two words; each looks the more at a token the sooner that enters, the second at the coarsest scale alone."""
    weights = {}
    for size, k in zip(sizes, budgets, strict=True):
        falling = np.geomspace(1, 1e-3, max(k, 1), dtype=np.float32)[:k]
        weights[size] = np.stack([falling, falling * (size == sizes[0])]) * np.float32(0.1 / max(falling.sum(), 1))
    return results.Attention(("place 1", "five"), weights)


def smallest(alone: list[tuple[int, int]], scales: tuple[Scale, ...]) -> int:
    """The smallest total whose share reaches one of (scale, rank)."""
    return min(total for index, rank in alone if (total := smallest_total(scales, index, rank)) is not None)


def _not_looked_at(square: Square, size: int, box) -> results.FateRow:
    from uhrbat.selection.evidence import _not_looked_at

    return _not_looked_at(square, size, box)


def run() -> results.Run:
    seconds = {"read": 0.3, "encode": 4.2, "score": 0.1, "partition": 0.9, "rank": 0.05}
    return results.Run(
        "nano", "cpu", "float32", "similarity", "kmeans", "max", 0, seconds, ("read",), {"host": 812_000_000}
    )


def serve(port: int, step_seconds: float, found: Path) -> None:
    """Start the explorer on a fake worker, for looking at the page: `python -m tests.support.fake_worker`."""
    from app.explorer import Explorer
    from app.page import build, launch_options

    explorer = Explorer(lambda: FakeWorker(step_seconds), found=found)
    build(explorer).launch(server_name="127.0.0.1", server_port=port, **launch_options(explorer))


if __name__ == "__main__":
    import argparse

    from app.findings import FOLDER

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=7950)
    parser.add_argument("--step-seconds", type=float, default=0.05)
    parser.add_argument("--findings", type=Path, default=FOLDER, help="folder of frontier.json and loss.json")
    chosen = parser.parse_args()
    serve(chosen.port, chosen.step_seconds, chosen.findings)
