"""What UHR-BAT is compared with at the same total budget, as selections of the same type.

Each is a priority of every token and a budget for every scale; regions play no part, and nothing is merged.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uhrbat.errors import InputError
from uhrbat.pyramid import Scale, split_budget
from uhrbat.ranking import Selection, rank_tokens

# coarse_to_fine: the share of the windows it looks into that it keeps on its way to the next scale.
_WINDOWS_KEPT = 0.5


@dataclass(frozen=True)
class _Task:
    """What a baseline decides on: importance and enters (bool[N]: not excluded) by size, scales ascending."""

    importance: dict[int, Tensor]
    enters: dict[int, Tensor]
    scales: tuple[Scale, ...]
    total: int
    seed: int

    def available(self, scale: Scale) -> int:
        """Tokens of the scale that may be handed over."""
        return int(self.enters[scale.size].sum())


# Of every scale's size: the priority float64[N] of its tokens (-inf: never), and the scale's budget.
_Plan = dict[int, tuple[Tensor, int]]


@dataclass(frozen=True)
class Baseline:
    """A compressor to compare with: its name on the page, what it does in one sentence, and how it plans."""

    title: str
    description: str
    plan: Callable[[_Task], _Plan]


def select_baseline(
    name: str,
    importance: Mapping[int, Tensor],
    pyramid_scales: Sequence[Scale],
    total_budget: int,
    seed: int = 0,
    excluded: Mapping[int, Tensor] | None = None,
) -> dict[int, Selection]:
    """The selections {size: Selection} of baseline `name` when `total_budget` tokens may be handed over.

    importance: float[N] by scale size; excluded: bool[N] by size, tokens that never enter (padding, no data);
    seed: read by `random_tokens` alone. Together the selections use the budget, or less where there is not so
    much to hand over. Raises InputError for an unknown name, or a budget that is not a whole number from 1.
    """
    if name not in BASELINES:
        raise InputError(f"Baseline {name!r} is not known: use one of {', '.join(BASELINES)}.")
    if isinstance(total_budget, bool) or int(total_budget) != total_budget or total_budget < 1:
        raise InputError(f"A budget of {total_budget!r} tokens is not usable: give a whole number from 1.")
    scales = tuple(sorted(pyramid_scales, key=lambda scale: scale.size))
    enters = {}
    for scale in scales:
        values = importance[scale.size]
        mask = (excluded or {}).get(scale.size)
        enters[scale.size] = torch.ones_like(values, dtype=torch.bool) if mask is None else ~mask.to(values.device)
    task = _Task(dict(importance), enters, scales, int(total_budget), seed)
    plan = BASELINES[name].plan(task)
    return {scale.size: _cut(*plan[scale.size], enters[scale.size]) for scale in scales}


def _cut(priority: Tensor, budget: int, enters: Tensor) -> Selection:
    never = ~enters | torch.isinf(priority)
    alone = torch.zeros_like(never, dtype=torch.int64)
    return rank_tokens(priority.masked_fill(never, 0.0), alone, background=0, excluded=never).select(budget)


def _downsampling(task: _Task) -> _Plan:
    plan, rest = {}, task.total
    for scale in task.scales:
        plan[scale.size] = _spread(scale, task), min(rest, task.available(scale))
        rest -= plan[scale.size][1]
    return plan


def _dense_tiling(task: _Task) -> _Plan:
    finest = task.scales[-1]
    return {s.size: (_spread(s, task), task.total if s is finest else 0) for s in task.scales}


def _everything_that_fits(task: _Task) -> _Plan:
    budgets, rest = {}, task.total
    for scale in reversed(task.scales):
        budgets[scale.size] = task.available(scale) if task.available(scale) <= rest else 0
        rest -= budgets[scale.size]
    if rest == task.total:
        budgets[task.scales[0].size] = rest
    return {scale.size: (_spread(scale, task), budgets[scale.size]) for scale in task.scales}


def _global_topk(task: _Task) -> _Plan:
    return _best_of_all({size: values.double() for size, values in task.importance.items()}, task)


def _random_tokens(task: _Task) -> _Plan:
    generator = torch.Generator().manual_seed(task.seed)
    priority = {}
    for scale in task.scales:
        drawn = torch.rand(scale.tokens, generator=generator, dtype=torch.float64)
        priority[scale.size] = drawn.to(task.enters[scale.size].device)
    return _best_of_all(priority, task)


def _coarse_to_fine(task: _Task) -> _Plan:
    plan, inside = {}, {}
    for index, scale in enumerate(task.scales):
        if index == 0:
            inside[scale.size] = task.enters[scale.size]
        else:
            coarser = task.scales[index - 1]
            inside[scale.size] = _descend(coarser, scale, task, inside[coarser.size])
        priority = task.importance[scale.size].double()
        plan[scale.size] = priority.masked_fill(~inside[scale.size], -torch.inf)
    most = {size: int(mask.sum()) for size, mask in inside.items()}
    shares = split_budget(min(task.total, sum(s.tokens for s in task.scales)), task.scales)
    budgets = {scale.size: min(share, most[scale.size]) for scale, share in zip(task.scales, shares, strict=True)}
    for scale in reversed(task.scales):
        rest = task.total - sum(budgets.values())
        budgets[scale.size] += min(rest, most[scale.size] - budgets[scale.size])
    return {size: (priority, budgets[size]) for size, priority in plan.items()}


def _descend(coarser: Scale, scale: Scale, task: _Task, inside: Tensor) -> Tensor:
    """bool[N] of `scale`: the tokens in its better windows, by the coarser tokens `inside` the kept ones.

    A window is a tile of `scale`; it scores as its most important coarser token does.
    """
    device = inside.device
    column, row = torch.tensor(coarser.centers, device=device).mul(scale.tiles).long().unbind(1)
    window = row * scale.tiles + column
    seen = task.importance[coarser.size].double().masked_fill(~inside, -torch.inf)
    score = torch.full((scale.tiles**2,), -torch.inf, dtype=torch.float64, device=device)
    score.scatter_reduce_(0, window, seen, "amax")
    keep = math.ceil(_WINDOWS_KEPT * int(torch.isfinite(score).sum()))
    kept = torch.zeros(scale.tiles**2, dtype=torch.bool, device=device)
    kept[torch.argsort(score, descending=True, stable=True)[:keep]] = True
    return kept.repeat_interleave(scale.tokens // scale.tiles**2) & task.enters[scale.size]


def _best_of_all(priority: dict[int, Tensor], task: _Task) -> _Plan:
    """The best tokens of all scales together; of equal ones the coarser scale's, then the lower index."""
    sizes = [scale.size for scale in task.scales]
    everything = torch.cat([priority[size].masked_fill(~task.enters[size], -torch.inf) for size in sizes])
    best = torch.argsort(everything, descending=True, stable=True)[: task.total]
    best = best[torch.isfinite(everything[best])]
    ends = torch.tensor([scale.tokens for scale in task.scales], device=best.device).cumsum(0)
    counts = torch.bincount(torch.searchsorted(ends, best, right=True), minlength=len(sizes)).tolist()
    return {size: (priority[size], count) for size, count in zip(sizes, counts, strict=True)}


def _spread(scale: Scale, task: _Task) -> Tensor:
    """float64[N]: a priority of which every prefix lies evenly over the scene (the order of a Bayer matrix)."""
    row, col = (torch.from_numpy(axis) for axis in scale.rowcol(np.arange(scale.tokens)))
    order = torch.zeros(scale.tokens, dtype=torch.int64)
    for bit in range((scale.grid - 1).bit_length()):
        odd_row, odd_col = row >> bit & 1, col >> bit & 1
        order = order * 4 + (odd_row ^ odd_col) * 2 + odd_row
    return -order.double().to(task.enters[scale.size].device)


BASELINES = {
    "downsampling": Baseline(
        "Downsampling",
        "Whole scales from the coarsest on while they fit, then an even grid of the next.",
        _downsampling,
    ),
    "dense_tiling": Baseline(
        "Dense tiling",
        "The finest scale alone, thinned evenly to the budget, whatever the question.",
        _dense_tiling,
    ),
    "global_topk": Baseline(
        "Global top-k",
        "The most important tokens of all scales together, one by one; no regions, nothing merged.",
        _global_topk,
    ),
    "random_tokens": Baseline(
        "Random",
        "Tokens of all scales drawn at random (seeded), whatever the question.",
        _random_tokens,
    ),
    "coarse_to_fine": Baseline(
        "Coarse to fine",
        "The better half of the windows at each scale, by the importance of the scale before; then the most "
        "important tokens inside them (in the manner of LRS-VQA's pruning).",
        _coarse_to_fine,
    ),
    "everything_that_fits": Baseline(
        "Everything that fits",
        "The finest whole scale that fits the budget, then whatever coarser ones still fit whole.",
        _everything_that_fits,
    ),
}
