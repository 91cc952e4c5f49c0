"""A budget of visual tokens, read from what a user gave, checked, split over the scales; one of looks. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from uhrbat.errors import InputError, quoted
from uhrbat.geometry import Scale, is_integer

Budget = int | tuple[int, ...]
"""A total over all scales, or one number a scale, coarse to fine."""
Weights = tuple[int, ...]
"""In what proportion a total is shared over the scales, coarse to fine: whole numbers from 1."""

RELEASED_BUDGETS = {672: 80, 1344: 320, 2688: 600, 4032: 2000}
"""The proportion in which the released model was trained to spend a budget (paper, section 4)."""
PRESETS = {
    "Released": (80, 320, 600, 2000),
    "XLRS-Bench": (180, 1320, 1600, 8000),
    "RSHR-Bench": (80, 320, 1600, 4000),
    "MME-RealWorld-RS": (80, 320, 1600, 4000),
}
"""Budgets a scale of the paper's evaluations."""
MOST_LOOKS = 10**6
"""More tiles than any image has."""


def read_budget(value: object) -> Budget:
    """A budget from a number, a list of numbers, or text such as "3000" or "80,320,600,2000".

    Numbers are whole, from 0, and not all 0; InputError otherwise. Whether they fit a model, `split_budget` says.
    """
    if isinstance(value, str):
        parts = [part.strip().replace("_", "") for part in value.split(",")]
        if not all(part.isdecimal() and len(part) <= 12 for part in parts):
            raise InputError(f"'{value[:80]}' is no budget: give a whole number, or one a scale like 80,320,600,2000")
        numbers = [int(part) for part in parts]
        value = numbers if len(numbers) > 1 else numbers[0]
    if isinstance(value, list | tuple):
        if not 0 < len(value) <= 64 or not all(is_integer(number) and number >= 0 for number in value):
            raise InputError(f"a budget of {quoted(value)} is not usable: give one whole number from 0 for each scale")
        budget: Budget = tuple(int(number) for number in value)
    elif is_integer(value):
        budget = int(value)  # type: ignore[call-overload]
    else:
        raise InputError(f"a budget of {quoted(value)} is not usable: give a whole number of tokens")
    if total_of(budget) < 1:
        raise InputError(f"a budget of {total_of(budget):,} tokens is not usable: give at least 1")
    return budget


def read_budgets(text: str) -> tuple[int, ...]:
    """Several total budgets from text such as "256,1024,3000"; InputError unless they are whole numbers from 1."""
    budgets = [read_budget(part) for part in text.split(",")]
    return tuple(budget for budget in budgets if isinstance(budget, int))


def read_looks(value: object) -> int:
    """A number of looks, tiles of native scales to look at: a whole number from 0; InputError for anything else."""
    if not is_integer(value) or not 0 <= value <= MOST_LOOKS:  # type: ignore[operator]
        raise InputError(f"looks is {quoted(value)}: give a whole number from 0")
    return int(value)  # type: ignore[call-overload]


def total_of(budget: Budget) -> int:
    """The tokens of all scales together."""
    return sum(budget) if isinstance(budget, tuple) else budget


def budgets_of(budget: object, scales: Sequence[Scale], weights: Weights | None = None) -> dict[int, int]:
    """A budget as {size: tokens} for a model's scales, ascending; InputError where it does not fit them.

    weights: as of `split_budget`.
    """
    budget = read_budget(budget)
    if isinstance(budget, int):
        return dict(zip((scale.size for scale in scales), split_budget(budget, scales, weights), strict=True))
    if len(budget) != len(scales):
        names = ", ".join(str(scale.size) for scale in scales)
        raise InputError(
            f"budgets a scale are {list(budget)}; give {len(scales)} whole numbers from 0, for the scales {names}"
        )
    for scale, count in zip(scales, budget, strict=True):
        if count > scale.tokens:
            raise InputError(f"the budget of scale {scale.size} is {count:,}; it has {scale.tokens:,} tokens")
    return {scale.size: count for scale, count in zip(scales, budget, strict=True)}


def split_budget(total: int, scales: Sequence[Scale | int], weights: Weights | None = None) -> tuple[int, ...]:
    """Tokens for each scale (Scale or size, coarse to fine) when `total` go to the language model.

    The total is shared in the proportion of `weights`, by default `paper_weights`, token by token, each to the
    scale that is furthest below its share (Webster's method; ties: the coarser scale), so a larger total never
    gives a scale fewer tokens and every budget is a prefix of every larger one, which largest remainders do not
    guarantee. A full scale's share goes to the others. The sum equals `total`. InputError unless total is an
    integer from 1 to the number of tokens of all scales.
    """
    known = _scales(scales)
    available = sum(scale.tokens for scale in known)
    if not is_integer(total) or not 1 <= total <= available:
        shown = f"{total:,} tokens" if is_integer(total) and abs(total) < 10**18 else quoted(total)
        raise InputError(f"a budget of {shown} is not usable: give a whole number from 1 to {available:,}")
    return tuple(np.bincount(order_of_shares(known, weights)[: int(total)], minlength=len(known)).tolist())


def smallest_total(scales: Sequence[Scale | int], index: int, count: int, weights: Weights | None = None) -> int | None:
    """The smallest total whose share for the scale at `index` is `count` (from 1); None where it never is as much."""
    turns = _turns(_scales(scales), weights)[index]
    return int(turns[count - 1]) + 1 if count <= len(turns) else None


def paper_weights(scales: Sequence[Scale | int]) -> Weights:
    """The released proportion 80:320:600:2000; a scale that the released model does not have counts with a fortieth of
    its tokens, and native scales, of which some tiles were looked at, together at most as much as the finest whole one.
    """
    known = _scales(scales)
    parts = [
        scale.tokens // 40 if scale.looked is not None else RELEASED_BUDGETS.get(scale.size, scale.tokens // 40)
        for scale in known
    ]
    native = sum(part for part, scale in zip(parts, known, strict=True) if scale.looked is not None)
    whole = [part for part, scale in zip(parts, known, strict=True) if scale.looked is None]
    share = min(1.0, whole[-1] / native) if native and whole else 1.0
    return tuple(
        max(1, round(part * share) if scale.looked is not None else part)
        for part, scale in zip(parts, known, strict=True)
    )


@lru_cache(maxsize=32)
def order_of_shares(scales: tuple[Scale, ...], weights: Weights | None = None) -> np.ndarray:
    """int64[tokens of all scales]: for each token of a growing total, the index of the scale that it goes to."""
    weights = weights or paper_weights(scales)
    turn = np.concatenate([(np.arange(s.tokens) + 0.5) / w for s, w in zip(scales, weights, strict=True)])
    owner = np.repeat(np.arange(len(scales)), [scale.tokens for scale in scales])
    return owner[np.argsort(turn, kind="stable")]


@lru_cache(maxsize=32)
def _turns(scales: tuple[Scale, ...], weights: Weights | None) -> tuple[np.ndarray, ...]:
    """For each scale, the places of its tokens in `order_of_shares`, ascending."""
    owner = order_of_shares(scales, weights)
    return tuple(np.flatnonzero(owner == index) for index in range(len(scales)))


def _scales(scales: Sequence[Scale | int]) -> tuple[Scale, ...]:
    return tuple(scale if isinstance(scale, Scale) else Scale(scale) for scale in scales)
