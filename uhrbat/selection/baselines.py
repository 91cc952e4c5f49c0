"""What UHR-BAT is compared with at the same total budget, as selections of the same type.

Each is a priority of every token and, for every total, a budget for every scale; regions play no part, and nothing is
merged.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uhrbat.budget import split_budget
from uhrbat.choices import METHODS
from uhrbat.errors import InputError
from uhrbat.geometry import Scale
from uhrbat.selection.ranking import Ranking, Selection, rank_tokens

# coarse_to_fine: the share of the windows it looks into that it keeps on its way to the next scale.
_WINDOWS_KEPT = 0.5


@dataclass(frozen=True)
class _Task:
    """What a baseline decides on: importance and enters (bool[N]: not excluded) by size, scales ascending."""

    importance: dict[int, Tensor]
    enters: dict[int, Tensor]
    scales: tuple[Scale, ...]
    seed: int

    def available(self, scale: Scale) -> int:
        """Tokens of the scale that may be handed over."""
        return int(self.enters[scale.size].sum())


# The priority float64[N] of the tokens by scale size (-inf: never), and {size: budget} of a total.
_Plan = tuple[dict[int, Tensor], Callable[[int], dict[int, int]]]


@dataclass(frozen=True)
class Baseline:
    """A compressor to compare with: its name on the page, what it does in one sentence, and how it plans.

    scored: whether it reads the importance.
    """

    title: str
    description: str
    plan: Callable[[_Task], _Plan]
    scored: bool = False


@dataclass(frozen=True)
class BaselineRanking:
    """A baseline's order of every scale's tokens, of which each total budget takes a part.

    rankings: by scale size; split: {size: budget} of a total budget, a whole number from 1.
    """

    rankings: dict[int, Ranking]
    split: Callable[[int], dict[int, int]]

    def select(self, total: int) -> dict[int, Selection]:
        """The selections by scale size; InputError where the total is not a whole number from 1."""
        if isinstance(total, bool) or int(total) != total or total < 1:
            raise InputError(f"A budget of {total!r} tokens is not usable: give a whole number from 1.")
        budgets = self.split(int(total))
        return {size: ranking.select(budgets[size]) for size, ranking in self.rankings.items()}


def rank_baseline(
    name: str,
    importance: Mapping[int, Tensor],
    pyramid_scales: Sequence[Scale],
    seed: int = 0,
    excluded: Mapping[int, Tensor] | None = None,
) -> BaselineRanking:
    """The order of baseline `name`, once for every budget.

    importance: float[N] by scale size; excluded: bool[N] by size, tokens that never enter (padding, no data);
    seed: read by `random_tokens` alone. The selections of a total together use it up, or less where there is not so
    much to hand over. Raises InputError for an unknown name.
    """
    if name not in BASELINES:
        raise InputError(f"Baseline {name!r} is not known: use one of {', '.join(BASELINES)}.")
    scales = tuple(sorted(pyramid_scales, key=lambda scale: scale.size))
    enters = {}
    for scale in scales:
        values = importance[scale.size]
        mask = (excluded or {}).get(scale.size)
        enters[scale.size] = torch.ones_like(values, dtype=torch.bool) if mask is None else ~mask.to(values.device)
    priority, split = BASELINES[name].plan(_Task(dict(importance), enters, scales, seed))
    return BaselineRanking({s.size: _ranked(priority[s.size], enters[s.size]) for s in scales}, split)


def select_baseline(
    name: str,
    importance: Mapping[int, Tensor],
    pyramid_scales: Sequence[Scale],
    total_budget: int,
    seed: int = 0,
    excluded: Mapping[int, Tensor] | None = None,
) -> dict[int, Selection]:
    """The selections {size: Selection} of baseline `name` when `total_budget` tokens may be handed over.

    As `rank_baseline`, cut at one total; InputError as there, and for a budget that is not a whole number from 1.
    """
    return rank_baseline(name, importance, pyramid_scales, seed, excluded).select(total_budget)


def _ranked(priority: Tensor, enters: Tensor) -> Ranking:
    never = ~enters | torch.isinf(priority)
    alone = torch.zeros_like(never, dtype=torch.int64)
    return rank_tokens(priority.masked_fill(never, 0.0), alone, background=0, excluded=never)


def _downsampling(task: _Task) -> _Plan:
    def split(total: int) -> dict[int, int]:
        budgets, rest = {}, total
        for scale in task.scales:
            budgets[scale.size] = min(rest, task.available(scale))
            rest -= budgets[scale.size]
        return budgets

    return _even(task), split


def _dense_tiling(task: _Task) -> _Plan:
    finest = task.scales[-1]
    return _even(task), lambda total: {s.size: total if s is finest else 0 for s in task.scales}


def _everything_that_fits(task: _Task) -> _Plan:
    def split(total: int) -> dict[int, int]:
        budgets, rest = {}, total
        for scale in reversed(task.scales):
            budgets[scale.size] = task.available(scale) if task.available(scale) <= rest else 0
            rest -= budgets[scale.size]
        if rest == total:
            budgets[task.scales[0].size] = rest
        return budgets

    return _even(task), split


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
    priority, inside = {}, {}
    for index, scale in enumerate(task.scales):
        if index == 0:
            inside[scale.size] = task.enters[scale.size]
        else:
            coarser = task.scales[index - 1]
            inside[scale.size] = _descend(coarser, scale, task, inside[coarser.size])
        values = task.importance[scale.size].double()
        priority[scale.size] = values.masked_fill(~inside[scale.size], -torch.inf)
    most = {size: int(mask.sum()) for size, mask in inside.items()}

    def split(total: int) -> dict[int, int]:
        shares = split_budget(min(total, sum(s.tokens for s in task.scales)), task.scales)
        budgets = {scale.size: min(share, most[scale.size]) for scale, share in zip(task.scales, shares, strict=True)}
        for scale in reversed(task.scales):
            rest = total - sum(budgets.values())
            budgets[scale.size] += min(rest, most[scale.size] - budgets[scale.size])
        return budgets

    return priority, split


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
    best = torch.argsort(everything, descending=True, stable=True)
    best = best[torch.isfinite(everything[best])]
    ends = torch.tensor([scale.tokens for scale in task.scales], device=best.device).cumsum(0)
    owner = torch.searchsorted(ends, best, right=True)

    def split(total: int) -> dict[int, int]:
        counts = torch.bincount(owner[:total], minlength=len(sizes)).tolist()
        return dict(zip(sizes, counts, strict=True))

    return priority, split


def _even(task: _Task) -> dict[int, Tensor]:
    return {scale.size: _spread(scale, task) for scale in task.scales}


def _spread(scale: Scale, task: _Task) -> Tensor:
    """float64[N]: a priority of which every prefix lies evenly over the square (the order of a Bayer matrix)."""
    row, col = (torch.from_numpy(axis) for axis in scale.rowcol(np.arange(scale.tokens)))
    order = torch.zeros(scale.tokens, dtype=torch.int64)
    for bit in range((scale.grid - 1).bit_length()):
        odd_row, odd_col = row >> bit & 1, col >> bit & 1
        order = order * 4 + (odd_row ^ odd_col) * 2 + odd_row
    return -order.double().to(task.enters[scale.size].device)


BASELINES = {
    name: Baseline(*METHODS[name], plan, scored)
    for name, plan, scored in (
        ("downsampling", _downsampling, False),
        ("dense_tiling", _dense_tiling, False),
        ("global_topk", _global_topk, True),
        ("random_tokens", _random_tokens, False),
        ("coarse_to_fine", _coarse_to_fine, True),
        ("everything_that_fits", _everything_that_fits, False),
    )
}
