"""What became of a box's tokens, and why: geometry, importance and ranks, no model.

A box is *preserved* at a scale when a token that it touches is handed to the language model as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from uhrbat.budget import Weights, smallest_total, split_budget
from uhrbat.choices import DROPPED, MERGED, PRESERVED
from uhrbat.geometry import Scale, Square
from uhrbat.results import Box, Fate, FateRow, Kept, VerdictStep
from uhrbat.selection.ranking import Ranking

KEPT = "preserved"
TOO_SMALL = "too small"
DILUTED = "importance diluted"
AVERAGED = "averaged away"
CUT = "cut by the budget"
NOT_LOOKED = "not looked at"
BELOW_A_TOKEN = "smaller than a token at every scale that was looked at"
CAUSES = {
    KEPT: "A token of the box reaches the model as it is.",
    TOO_SMALL: "At every scale that was scored the box is too small to be seen, so nothing could score it.",
    NOT_LOOKED: "It is large enough to be seen at a native scale, but no look went there.",
    BELOW_A_TOKEN: "Native scales were looked at where it is, and it is too small to be seen even there.",
    DILUTED: "Its tokens score low though they cover it: a tenth of the scale's or more score as well.",
    AVERAGED: "Its tokens score well, but are merged with others of their region into one average.",
    CUT: "Its tokens score well, but those before them use up the budget.",
}

# Importance is diluted where the box's best token outscores less than this share of the scale's tokens.
DILUTED_BELOW = 90.0
# Stands for "no budget" among ranks; above every number of tokens.
NEVER = np.iinfo(np.int64).max


def fate(
    square: Square,
    box: Box,
    importance: Mapping[int, Tensor],
    rankings: Mapping[int, Ranking],
    budgets: Mapping[int, int],
    scored_scales: Iterable[int] | None = None,
    weights: Weights | None = None,
) -> Fate:
    """What became of the tokens of `box` (x0, y0, x1, y1 in image pixels), and why.

    importance, rankings and budgets: by scale size, importance float[N]; scored_scales: sizes at which
    importance was computed (None: all; for `attention` importance only one); weights: how a total budget is shared over
    the scales (`split_budget`).

    Where tiles of native scales were looked at (`Square.looks`), every native scale has a row, those where no look went
    to the box with no token.

    Where the box is not preserved at any scale, the cause is the first of these that holds: *too small*: it is under
    1.3 px (square root of its area) at every scored scale; where native scales were looked at that is *not looked at*,
    if it would be seen at one where no look went to it, or else *smaller than a token at every scale that was looked
    at*; else, at the scored scale where it is visible and its best token's percentile is highest (ties: the finer),
    *importance diluted*: that percentile is under 90; *averaged away*: its tokens there are in an average; *cut by the
    budget*: they are dropped.

    Raises InputError where the box is not usable.
    """
    scored = set(rankings if scored_scales is None else scored_scales)
    sizes = [size for size in square.sizes if size in rankings]
    rows = tuple(
        _row(square, size, box, importance[size], rankings[size], budgets[size], size in scored) for size in sizes
    )
    scales = [scale for scale in square.scales if scale.size in sizes]
    smallest = _smallest_total(rows, scales, weights)
    unseen = tuple(
        _not_looked_at(square, size, box) for size in square.native_sizes if square.looks and size not in sizes
    )
    cause, verdict = _judge(rows, [row.budget for row in rows], smallest, unseen)
    steps = _steps(rows, scales, smallest, weights, unseen)
    return Fate(tuple(sorted((*rows, *unseen), key=lambda row: row.size)), cause, verdict, smallest, steps)


def preserving_budgets(square: Square, boxes: Iterable[Box], rankings: Mapping[int, Ranking]) -> np.ndarray:
    """int64[boxes, scales]: the smallest budget of a scale that preserves a token of a box; `NEVER`: none.

    boxes: (x0, y0, x1, y1) in image pixels; scales ascending, those of the square that have a ranking.
    """
    boxes = list(boxes)
    sizes = [size for size in square.sizes if size in rankings]
    smallest = np.full((len(boxes), len(sizes)), NEVER, dtype=np.int64)
    for column, size in enumerate(sizes):
        ranks = _preserving_ranks(rankings[size])
        for row, box in enumerate(boxes):
            smallest[row, column] = ranks[square.tokens_in_box(size, box)].min(initial=NEVER)
    return smallest


def evidence_preserved(
    square: Square,
    boxes: Iterable[Box],
    rankings: Mapping[int, Ranking],
    budgets: Mapping[int, int] | Sequence[int] | np.ndarray,
) -> np.ndarray:
    """bool[..., boxes]: whether each box has a preserved token at some scale.

    budgets: {size: budget}, or int[..., scales] for many budgets at once (scales ascending, those of the
    square that have a ranking). `.all(-1)` is the preserved evidence of a question, `.mean(-1)` the share of
    its boxes.
    """
    if isinstance(budgets, Mapping):
        budgets = [budgets[size] for size in square.sizes if size in rankings]
    smallest = preserving_budgets(square, boxes, rankings)
    return np.asarray((smallest <= np.asarray(budgets)[..., None, :]).any(-1))


def kept_evidence(
    square: Square, fates: Mapping[int, np.ndarray], boxes: Iterable[Box]
) -> tuple[tuple[Kept, ...], float | None]:
    """What a selection kept of the evidence: one row a scale and one for all, and the share of the boxes with a
    preserved token at some scale. Where there are no boxes: no rows, and None.

    fates: {size: uint8[N]} of `choices.DROPPED`, `PRESERVED`, `MERGED` and `PADDING`; boxes in image pixels. The share
    is `evidence_preserved(...).mean()`, from fates instead of ranks, so that it serves baselines too.
    """
    boxes = tuple(boxes)
    if not boxes:
        return (), None
    rows, preserved = [], np.zeros(len(boxes), dtype=bool)
    for size, fate in fates.items():
        touched = [square.tokens_in_box(size, box) for box in boxes]
        preserved |= [bool((fate[tokens] == PRESERVED).any()) for tokens in touched]
        tokens = np.unique(np.concatenate(touched))
        counts = np.bincount(fate[tokens], minlength=3)
        rows.append((size, len(tokens), counts[PRESERVED], counts[MERGED], counts[DROPPED]))
    rows.append((0, *np.sum([row[1:] for row in rows], axis=0)))
    return tuple(Kept(*(int(number) for number in row)) for row in rows), float(preserved.mean())


def _row(
    square: Square, size: int, box: Box, importance: Tensor, ranking: Ranking, budget: int, scored: bool
) -> FateRow:
    tokens = square.tokens_in_box(size, box)
    if not len(tokens):
        return replace(_not_looked_at(square, size, box), budget=int(budget), best_rank=ranking.never)
    rank = ranking.rank.cpu().numpy()
    values = importance.detach().float().cpu().numpy()
    fates = ranking.select(budget).kind.cpu().numpy()[tokens]
    enters = rank < ranking.never
    compared = values[enters] if enters.any() else values
    best = float(values[tokens].max())
    first = int(tokens[rank[tokens].argmin()])
    averaged = bool(ranking.averaged[first])
    preserving = int(_preserving_ranks(ranking)[tokens].min())
    return FateRow(
        size=size,
        pixels=_size_at(square, size, box),
        scored=scored,
        tokens=len(tokens),
        budget=int(budget),
        preserved=int((fates == PRESERVED).sum()),
        merged=int((fates == MERGED).sum()),
        dropped=int((fates == DROPPED).sum()),
        best_importance=best,
        percentile=100 * float((compared < best).mean()),
        best_rank=int(rank[first]),
        best_merged=averaged,
        members=int(ranking.group_size[first]) if averaged else 1,
        smallest_budget=None if preserving == NEVER else preserving,
        native=size in square.native_sizes,
    )


def _not_looked_at(square: Square, size: int, box: Box) -> FateRow:
    """The row of a native scale where no look went to the box."""
    return FateRow(
        size=size,
        pixels=_size_at(square, size, box),
        scored=False,
        tokens=0,
        budget=0,
        preserved=0,
        merged=0,
        dropped=0,
        best_importance=0.0,
        percentile=0.0,
        best_rank=1,
        best_merged=False,
        members=1,
        smallest_budget=None,
        looked=False,
        native=True,
    )


def _size_at(square: Square, size: int, box: Box) -> tuple[float, float]:
    """Width and height at a scale of the box's part inside the image."""
    inside = np.clip(square.check_box(box), 0, [square.width, square.height] * 2)
    x0, y0, x1, y1 = inside * (size / square.side)
    return float(x1 - x0), float(y1 - y0)


def _preserving_ranks(ranking: Ranking) -> np.ndarray:
    """int64[N]: each token's rank where it then enters as it is, `NEVER` elsewhere."""
    rank = ranking.rank.cpu().numpy()
    return np.where(ranking.averaged.cpu().numpy() | (rank == ranking.never), NEVER, rank)


def _judge(
    rows: Sequence[FateRow], budgets: Sequence[int], smallest: int | None, unseen: Sequence[FateRow] = ()
) -> tuple[str, str]:
    """Cause and verdict at `budgets`, one a row; the sentences name nothing else that a budget changes.

    unseen: rows of native scales of which nothing was looked at.
    """
    pairs = list(zip(rows, budgets, strict=True))
    kept = [row for row, k in pairs if row.smallest_budget is not None and row.smallest_budget <= k]
    if kept:
        verdict = f"Preserved at {_listed(kept)}."
        if not any(row.visible for row in kept):
            verdict += f" It is only {_pixels(kept[-1])} px there, so what is kept may not show it."
        return KEPT, verdict
    if smallest is None:
        later = "No budget preserves it; only adding its tokens does."
    else:
        later = f"It is kept from {smallest:,} tokens."
    candidates = [(row, k) for row, k in pairs if row.scored and row.visible]
    if not candidates:
        scored = [row for row in rows if row.scored]
        missed = [row for row in (*rows, *unseen) if not row.looked and row.visible]
        if missed:
            there = max(missed, key=lambda row: row.size)
            seen = f"{_pixels(scored[-1])} px at {scored[-1].size}; " if scored else ""
            instead = "Looking there may show it." if smallest is None else later
            return (
                NOT_LOOKED,
                f"Not looked at: {seen}{_pixels(there)} px at {there.size}, where no look went. {instead}",
            )
        if any(row.native for row in scored):
            where = f"at most {_pixels(scored[-1])} px, at {scored[-1].size}"
            return BELOW_A_TOKEN, f"Smaller than a token at every scale that was looked at: {where}. {later}"
        where = f": at most {_pixels(scored[-1])} px, at {scored[-1].size}" if scored else ""
        return TOO_SMALL, f"Too small at every scale that was scored{where}. {later}"
    row, budget = max(candidates, key=lambda pair: (pair[0].percentile, pair[0].size))
    if row.percentile < DILUTED_BELOW:
        where = f"At scale {row.size} its best token ranks in the top {100 - int(row.percentile)} %"
        return DILUTED, f"{where}, which is not high enough. {later}"
    if row.best_rank <= budget:
        others = "1 other" if row.members == 2 else f"{row.members - 1:,} others"
        return AVERAGED, f"At scale {row.size} it is merged with {others}. {later}"
    return CUT, f"The budget is spent on tokens that rank higher. {later}"


def _smallest_total(rows: Sequence[FateRow], scales: Sequence[Scale], weights: Weights | None) -> int | None:
    totals = [
        smallest_total(scales, index, row.smallest_budget, weights)
        for index, row in enumerate(rows)
        if row.smallest_budget is not None
    ]
    return min((total for total in totals if total is not None), default=None)


def _steps(
    rows: Sequence[FateRow],
    scales: Sequence[Scale],
    smallest: int | None,
    weights: Weights | None,
    unseen: Sequence[FateRow] = (),
) -> tuple[VerdictStep, ...]:
    """The verdict changes where a scale's share reaches a row's best rank or its smallest preserving budget."""
    totals = {1}
    for index, row in enumerate(rows):
        for rank in (row.smallest_budget, row.best_rank):
            total = None if rank is None else smallest_total(scales, index, rank, weights)
            if total is not None:
                totals.add(total)
    steps: list[VerdictStep] = []
    for total in sorted(totals):
        cause, verdict = _judge(rows, split_budget(total, scales, weights), smallest, unseen)
        if not steps or steps[-1].verdict != verdict:
            steps.append(VerdictStep(total, cause, verdict, cause == KEPT))
    return tuple(steps)


def _pixels(row: FateRow) -> str:
    return " x ".join(f"{side:.1f}" for side in row.pixels)


def _listed(rows: Sequence[FateRow]) -> str:
    *most, last = (str(row.size) for row in rows)
    return f"scales {', '.join(most)} and {last}" if most else f"scale {last}"
