"""What became of a box's tokens, and why: geometry, importance and ranks, no model.

A box is *preserved* at a scale when a token that it touches is handed to the language model as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Tensor

from uhrbat.geometry import Pyramid, Scale, split_budget
from uhrbat.selection.ranking import Ranking

PRESERVED = "preserved"
TOO_SMALL = "too small"
DILUTED = "importance diluted"
AVERAGED = "averaged away"
CUT = "cut by the budget"
CAUSES = {
    PRESERVED: "A token of the box reaches the model as it is.",
    TOO_SMALL: "At every scale that was scored the box is too small to be seen, so nothing could score it.",
    DILUTED: "Its tokens score low though they cover it: a tenth of the scale's or more score as well.",
    AVERAGED: "Its tokens score well, but are merged with others of their region into one average.",
    CUT: "Its tokens score well, but those before them use up the budget.",
}

# An object below this many pixels (square root of its area) is not seen at a scale (`nano.md`).
VISIBLE_PIXELS = 1.3
# Importance is diluted where the box's best token outscores less than this share of the scale's tokens.
DILUTED_BELOW = 90.0
# Stands for "no budget" among ranks; above every number of tokens.
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class FateRow:
    """What became of a box's tokens at one scale.

    size: the scale's side; pixels: the box's width and height there, of its part inside the image; scored:
        whether importance was computed at this scale, not enlarged from another.
    tokens: how many the box touches, of which preserved, merged (with at least one other) and dropped at
        `budget`.
    best_importance: the highest of them; percentile: 0..100, the share of the scale's tokens that score
        lower.
    best_rank: the smallest budget of this scale that represents one of them (the scale's tokens + 1: none
        does); best_merged: whether that is in an average, of `members` tokens (1 where it is not).
    smallest_budget: the smallest budget of this scale that preserves one of them; None where none does.
    """

    size: int
    pixels: tuple[float, float]
    scored: bool
    tokens: int
    budget: int
    preserved: int
    merged: int
    dropped: int
    best_importance: float
    percentile: float
    best_rank: int
    best_merged: bool
    members: int
    smallest_budget: int | None

    @property
    def visible(self) -> bool:
        """Whether the box is large enough at this scale to be seen (`VISIBLE_PIXELS`)."""
        return (self.pixels[0] * self.pixels[1]) ** 0.5 >= VISIBLE_PIXELS


@dataclass(frozen=True)
class VerdictStep:
    """The verdict from this total budget on, up to the next step's."""

    total: int
    cause: str
    verdict: str
    preserved: bool


@dataclass(frozen=True)
class Fate:
    """What became of a box at a budget.

    rows: scales ascending. cause: one of `CAUSES`; verdict: it in plain sentences. smallest_budget: the
    smallest total budget, split by `split_budget`, at which the box is preserved at some scale; None where
    none is.
    steps: the verdict at every total budget at which it changes, ascending from 1.
    """

    rows: tuple[FateRow, ...]
    cause: str
    verdict: str
    smallest_budget: int | None
    steps: tuple[VerdictStep, ...]


def fate(
    pyramid: Pyramid,
    box,
    importance: Mapping[int, Tensor],
    rankings: Mapping[int, Ranking],
    budgets: Mapping[int, int],
    scored_scales: Iterable[int] | None = None,
) -> Fate:
    """What became of the tokens of `box` (x0, y0, x1, y1 in image pixels), and why.

    importance, rankings and budgets: by scale size, importance float[N]; scored_scales: sizes at which
    importance was computed (None: all; for `attention` importance only 672).

    Where the box is not preserved at any scale, the cause is the first of these that holds: *too small*: it
    is under 1.3 px (square root of its area) at every scored scale; else, at the scored scale where it is
    visible and its best token's percentile is highest (ties: the finer), *importance diluted*: that
    percentile is under 90; *averaged away*: its tokens there are in an average; *cut by the budget*: they are
    dropped.

    Raises InputError where the box is not usable.
    """
    scored = set(rankings if scored_scales is None else scored_scales)
    sizes = [size for size in pyramid.sizes if size in rankings]
    rows = tuple(
        _row(pyramid, size, box, importance[size], rankings[size], budgets[size], size in scored) for size in sizes
    )
    smallest = _smallest_total(rows)
    cause, verdict = _judge(rows, [row.budget for row in rows], smallest)
    return Fate(rows, cause, verdict, smallest, _steps(rows, smallest))


def preserving_budgets(pyramid: Pyramid, boxes, rankings: Mapping[int, Ranking]) -> np.ndarray:
    """int64[boxes, scales]: the smallest budget of a scale that preserves a token of a box; `NEVER`: none.

    boxes: (x0, y0, x1, y1) in image pixels; scales ascending, those of the pyramid that have a ranking.
    """
    boxes = list(boxes)
    sizes = [size for size in pyramid.sizes if size in rankings]
    smallest = np.full((len(boxes), len(sizes)), NEVER, dtype=np.int64)
    for column, size in enumerate(sizes):
        ranks = _preserving_ranks(rankings[size])
        for row, box in enumerate(boxes):
            smallest[row, column] = ranks[pyramid.tokens_in_box(size, box)].min()
    return smallest


def evidence_preserved(pyramid: Pyramid, boxes, rankings: Mapping[int, Ranking], budgets) -> np.ndarray:
    """bool[..., boxes]: whether each box has a preserved token at some scale.

    budgets: {size: budget}, or int[..., scales] for many budgets at once (scales ascending, those of the
    pyramid that have a ranking). `.all(-1)` is the preserved evidence of a question, `.mean(-1)` the share of
    its boxes.
    """
    if isinstance(budgets, Mapping):
        budgets = [budgets[size] for size in pyramid.sizes if size in rankings]
    smallest = preserving_budgets(pyramid, boxes, rankings)
    return (smallest <= np.asarray(budgets)[..., None, :]).any(-1)


def _row(pyramid, size, box, importance, ranking, budget, scored) -> FateRow:
    tokens = pyramid.tokens_in_box(size, box)
    rank = ranking.rank.cpu().numpy()
    values = importance.detach().float().cpu().numpy()
    kind = ranking.select(budget).kind.cpu().numpy()[tokens]
    enters = rank < ranking.never
    compared = values[enters] if enters.any() else values
    best = float(values[tokens].max())
    first = int(tokens[rank[tokens].argmin()])
    averaged = bool(ranking.averaged[first])
    preserving = int(_preserving_ranks(ranking)[tokens].min())
    inside = np.clip(pyramid.check_box(box), 0, [pyramid.width, pyramid.height] * 2)
    x0, y0, x1, y1 = inside * (size / pyramid.side)
    return FateRow(
        size=size,
        pixels=(float(x1 - x0), float(y1 - y0)),
        scored=scored,
        tokens=len(tokens),
        budget=int(budget),
        preserved=int((kind == 1).sum()),
        merged=int((kind == 2).sum()),
        dropped=int((kind == 0).sum()),
        best_importance=best,
        percentile=100 * float((compared < best).mean()),
        best_rank=int(rank[first]),
        best_merged=averaged,
        members=int(ranking.group_size[first]) if averaged else 1,
        smallest_budget=None if preserving == NEVER else preserving,
    )


def _preserving_ranks(ranking: Ranking) -> np.ndarray:
    """int64[N]: each token's rank where it then enters as it is, `NEVER` elsewhere."""
    rank = ranking.rank.cpu().numpy()
    return np.where(ranking.averaged.cpu().numpy() | (rank == ranking.never), NEVER, rank)


def _judge(rows, budgets, smallest) -> tuple[str, str]:
    """Cause and verdict at `budgets`, one a row; the sentences name nothing else that a budget changes."""
    pairs = list(zip(rows, budgets, strict=True))
    kept = [row for row, k in pairs if row.smallest_budget is not None and row.smallest_budget <= k]
    if kept:
        verdict = f"Preserved at {_listed(kept)}."
        if not any(row.visible for row in kept):
            verdict += f" It is only {_pixels(kept[-1])} px there, so what is kept may not show it."
        return PRESERVED, verdict
    if smallest is None:
        later = "No budget preserves it; only forcing its tokens in does."
    else:
        later = f"A total budget of {smallest:,} would preserve it."
    candidates = [(row, k) for row, k in pairs if row.scored and row.visible]
    if not candidates:
        scored = [row for row in rows if row.scored]
        where = f": at most {_pixels(scored[-1])} px, at {scored[-1].size}" if scored else ""
        return TOO_SMALL, f"Too small at every scale that was scored{where}. {later}"
    row, budget = max(candidates, key=lambda pair: (pair[0].percentile, pair[0].size))
    if row.percentile < DILUTED_BELOW:
        where = f"at scale {row.size} its best token outscores only {int(row.percentile)} % of the tokens"
        return DILUTED, f"Importance diluted: {where}. {later}"
    if row.best_rank <= budget:
        where = f"at scale {row.size} it is merged with {row.members - 1:,} others"
        return AVERAGED, f"Averaged away: {where}. {later}"
    return CUT, f"Cut by the budget: the tokens before it use it up. {later}"


def _smallest_total(rows) -> int | None:
    totals = [
        total
        for index, row in enumerate(rows)
        if row.smallest_budget is not None
        for total in _around(rows, index, row.smallest_budget)
        if _split(rows, total)[index] >= row.smallest_budget
    ]
    return min(totals, default=None)


def _steps(rows, smallest) -> tuple[VerdictStep, ...]:
    totals = {1}
    for index, row in enumerate(rows):
        for rank in {row.smallest_budget, row.best_rank} - {None}:
            totals.update(_around(rows, index, rank))
    steps = []
    for total in sorted(totals):
        cause, verdict = _judge(rows, _split(rows, total), smallest)
        if not steps or steps[-1].verdict != verdict:
            steps.append(VerdictStep(total, cause, verdict, cause == PRESERVED))
    return tuple(steps)


def _around(rows, index: int, rank: int) -> range:
    """The totals around which scale `index` comes to a budget of `rank`: all later ones give it as much.

    Shares by largest remainder can shrink by a token as the total grows, so there is a short range, not one
    total.
    """
    most, full = sum(_tokens(row.size) for row in rows), _tokens(rows[index].size)
    if rank > full:
        return range(0)
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _split(rows, middle)[index] >= rank else (middle + 1, high)
    first = last = low
    while first > 1 and _split(rows, first - 1)[index] >= rank - 1:
        first -= 1
    while last < most and _split(rows, last)[index] < min(rank + 1, full):
        last += 1
    return range(first, last + 1)


def _tokens(size: int) -> int:
    return Scale(size).tokens


def _split(rows, total: int) -> tuple[int, ...]:
    return _split_cached(tuple(row.size for row in rows), total)


@lru_cache(maxsize=2**17)
def _split_cached(sizes: tuple[int, ...], total: int) -> tuple[int, ...]:
    return split_budget(total, sizes)


def _pixels(row: FateRow) -> str:
    return " x ".join(f"{side:.1f}" for side in row.pixels)


def _listed(rows) -> str:
    *most, last = (str(row.size) for row in rows)
    return f"scales {', '.join(most)} and {last}" if most else f"scale {last}"
