"""A small, quick engine that obeys the real one's contract, for tests of what is around it. No torch.

Questions steer it: "slow" waits at every stage, "oom" runs out of memory, "crash" raises, "exit" ends the
process.
"""

import hashlib
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from uhrbat import results
from uhrbat.budget import split_budget
from uhrbat.errors import Cancelled, InputError
from uhrbat.geometry import Square

SIZES = (672, 1344)
SLOW_SECONDS = 3.0


class Tensor:
    """As much of a torch tensor as the worker uses."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values


@dataclass(frozen=True)
class Settings:
    importance: str = "similarity"
    regions: str = "kmeans"
    order: str = "max"
    split: str = "paper"
    seed: int = 0

    def __post_init__(self):
        if self.importance not in ("similarity", "attention"):
            raise InputError(f"importance is '{self.importance}'; choose one of similarity, attention")


def spend(seconds, stage, progress, cancel):
    """Pretend to compute, reporting as the engine does."""
    for step in range(max(1, round(seconds / 0.02))):
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"stopped while at work on '{stage}', as asked")
        progress(stage, min(1.0, step * 0.02 / max(seconds, 0.02)), "")
        time.sleep(min(seconds, 0.02))


class Engine:
    device, dtype, scales = "cpu", "torch.float32", SIZES
    settings = Settings()
    parameters, bytes_per_token = 1000, 64
    tile, tile_grid, point_bins = 336, 24, 64
    least_side = 0

    def __init__(self, name="nano"):
        self.name = name
        self.encoded = 0

    def encode(self, path, *, info, reader, progress=None, cancel=None):
        began = time.perf_counter()
        reader.canvas(path, info, lambda share: progress("read", share, ""), cancel.is_set)
        spend(SLOW_SECONDS if info.width == 77 or info.shown == (3, 2, 1) else 0.02, "encode", progress, cancel)
        self.encoded += 1
        seed = int(hashlib.sha256(Path(path).read_bytes()).hexdigest()[:8], 16)
        square = Square(info.width, info.height, SIZES)
        return EncodedImage(self, info, square, seed, {"encode": time.perf_counter() - began})


@dataclass
class EncodedImage:
    engine: Engine
    info: object
    square: Square
    seed: int
    seconds: dict
    questions: dict = field(default_factory=dict)
    generated = False
    caveat = "nano was trained on generated scenes only"

    @property
    def nbytes(self):
        return 1000 + 100 * len(self.questions)

    def ask(self, question, settings=None, progress=None, cancel=None, looks=0):
        key = (question, settings, str(looks))
        if key not in self.questions:
            image = self
            if looks:
                spend(0.02, "look", progress, cancel)
                tiles = looks if isinstance(looks, dict) else {2688: range(looks)}
                image = replace(self, square=self.square.looking(tiles), seconds=self.seconds | {"look": 0.02})
            self.questions[key] = Question(image, question, settings, progress, cancel)
        return self.questions[key]


class Question:
    def __init__(self, image, text, settings, progress, cancel):
        self.image, self.text, self.settings = image, text, settings
        spend(SLOW_SECONDS if "slow ask" in text else 0.02, "score", progress, cancel)
        if "oom" in text:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        if "crash" in text:
            raise KeyError("/secret/server/path")
        if "exit" in text:
            os._exit(9)
        self.scored_scales, self.seconds = SIZES, {"score": 0.02}
        self.importance, self.regions, self.rankings = {}, {}, {}
        for scale in image.square.scales:
            random = np.random.default_rng([image.seed, len(text), settings.seed, scale.size])
            rank = random.permutation(scale.tokens) + 1
            self.importance[scale.size] = Tensor(random.random(scale.tokens, dtype=np.float32))
            self.regions[scale.size] = Tensor(random.integers(0, 9, scale.tokens))
            ones = np.ones(scale.tokens, dtype=int)
            self.rankings[scale.size] = SimpleNamespace(
                rank=Tensor(rank), averaged=Tensor(rank % 7 == 0), group_size=Tensor(ones)
            )

    def budgets(self, budget):
        scales = self.image.square.scales
        shares = budget if isinstance(budget, tuple) else split_budget(budget, scales)
        return dict(zip(self.image.square.sizes, shares, strict=True))

    @property
    def looks(self):
        return sum(len(tiles) for _, tiles in self.image.square.looks)

    def looking_at(self, boxes, progress=None, cancel=None):
        tiles = {2688: [tile for box in boxes for tile in self.image.square.tiles_in_box(2688, box).tolist()]}
        return self.image.ask(self.text, self.settings, progress, cancel, tiles)

    def select(self, budget, force=(), without=()):
        return Selection(self, self.budgets(budget), len(force) - len(without))

    def baseline(self, name, budget, seed=0):
        return Selection(self, self.budgets(budget), 100)

    def fate(self, box, budget):
        row = results.FateRow(
            size=672, pixels=(3.0, 2.0), scored=True, tokens=4, budget=80, preserved=1, merged=1, dropped=2,
            best_importance=0.9, percentile=99.0, best_rank=3, best_merged=False, members=1,
            smallest_budget=3,
        )  # fmt: skip
        step = results.VerdictStep(total=1, cause="cut by the budget", verdict="dropped", preserved=False)
        return results.Fate(
            rows=(row,), verdict="preserved at 672", cause="preserved", smallest_budget=40, steps=(step,)
        )


@dataclass
class Selection:
    question: Question
    budgets: dict
    shift: int

    @property
    def selections(self):
        parts = {}
        for size, ranking in self.question.rankings.items():
            kept = ranking.rank.values <= self.budgets[size]
            parts[size] = SimpleNamespace(kind=Tensor(np.where(kept, 1 + ranking.averaged.values, 0)))
        return parts

    @property
    def ledger(self):
        rows = {}
        for size, part in self.selections.items():
            padding = self.question.image.square.padding(size)
            counts = np.bincount(part.kind.values[~padding], minlength=3).tolist()
            rows[size] = results.LedgerRow(
                size=size, tokens=sum(counts), budget=self.budgets[size], used=self.budgets[size], preserved=counts[1],
                merged=counts[2], regions=9, dropped=counts[0], padding=int(padding.sum()),
            )  # fmt: skip
        return rows

    def answer_and_attention(self, progress=None, cancel=None, max_new_tokens=64):
        weights = {
            size: np.full((1, budget), 0.5 / max(1, budget), np.float32) for size, budget in self.budgets.items()
        }
        answer = self.answer(progress, cancel, max_new_tokens)
        return answer, results.Attention((answer.text,), weights)

    def answer(self, progress=None, cancel=None, max_new_tokens=64):
        spend(0, "prefill", progress, cancel)
        spend(SLOW_SECONDS if "slow answer" in self.question.text else 0.02, "decode", progress, cancel)
        total = sum(self.budgets.values())
        text = f"{(self.question.image.seed + total + self.shift) % 97}"
        return results.Answer(text, ((1.5, 2.5),), total, {"prefill": 0.001, "decode": 0.02})


def load(source, device, progress, cancel):
    return Engine(source)
