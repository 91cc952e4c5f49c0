import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from uhrbat.budget import split_budget
from uhrbat.errors import InputError
from uhrbat.geometry import Scale, Square
from uhrbat.selection import evidence
from uhrbat.selection.evidence import AVERAGED, CUT, DILUTED, KEPT, TOO_SMALL, evidence_preserved, fate, kept_evidence
from uhrbat.selection.ranking import rank_tokens

PYRAMID = Square(1344, 1000, (672, 1344))
BOX = (100.0, 200.0, 110.0, 210.0)


def tokens(size, box=BOX):
    return torch.from_numpy(PYRAMID.tokens_in_box(size, box))


def ranked(importance, regions=lambda scale: torch.arange(scale.tokens) // 16, order="mean"):
    return {size: rank_tokens(values, regions(Scale(size)), order) for size, values in importance.items()}


def noise(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {scale.size: torch.rand(scale.tokens, generator=generator) for scale in PYRAMID.scales}


def budgets(coarse, fine):
    return {672: coarse, 1344: fine}


def alone(scale):
    return torch.arange(scale.tokens)


def test_a_box_whose_token_scores_best_is_preserved():
    importance = noise()
    importance[1344][tokens(1344)] = 9.0
    found = fate(PYRAMID, BOX, importance, ranked(importance), budgets(0, 50))
    assert found.cause == KEPT
    assert found.verdict == "Preserved at scale 1344."
    row = found.rows[1]
    assert (row.size, row.scored, row.budget) == (1344, True, 50)
    assert row.pixels == pytest.approx((10, 10))
    assert row.tokens == row.preserved + row.merged + row.dropped == len(tokens(1344))
    assert row.best_importance == 9.0
    assert row.percentile == pytest.approx(100 * (1 - len(tokens(1344)) / 9216))
    assert found.rows[0].pixels == pytest.approx((5, 5))


def test_a_box_under_a_pixel_at_every_scored_scale_is_too_small():
    importance = noise()
    importance[672][tokens(672)] = 9.0
    importance[1344][tokens(1344, (100, 200, 102, 202))] = 9.0
    small = fate(PYRAMID, (100, 200, 102, 202), importance, ranked(importance), budgets(0, 0), (672,))
    assert small.cause == TOO_SMALL
    assert small.verdict.startswith("Too small at every scale that was scored: at most 1.0 x 1.0 px, at 672.")
    assert [row.scored for row in small.rows] == [True, False]
    assert fate(PYRAMID, (100, 200, 102, 202), importance, ranked(importance), budgets(0, 0)).cause == CUT


def test_a_preserved_token_in_which_the_box_cannot_be_seen_is_said():
    importance = noise()
    box = (100, 200, 102, 202)
    importance[672][tokens(672, box)] = 9.0
    importance[1344][tokens(1344, box)] = 0.0
    found = fate(PYRAMID, box, importance, ranked(importance), budgets(30, 0))
    assert found.cause == KEPT and "only 1.0 x 1.0 px" in found.verdict


def test_low_scores_are_diluted_importance():
    importance = noise()
    for size in importance:
        importance[size][tokens(size)] = 0.5
    found = fate(PYRAMID, BOX, importance, ranked(importance, alone), budgets(100, 100))
    assert found.cause == DILUTED
    assert "ranks in the top" in found.verdict
    assert found.smallest_budget is not None


def test_a_high_score_inside_an_average_is_averaged_away():
    importance = {scale.size: torch.full((scale.tokens,), 0.1) for scale in PYRAMID.scales}
    importance[1344][tokens(1344)] = 0.8
    one_brighter = tokens(1344)[0] + 1
    importance[1344][one_brighter] = 0.9
    regions = {scale.size: torch.zeros(scale.tokens, dtype=torch.int64) for scale in PYRAMID.scales}
    regions[1344][tokens(1344)] = 1
    regions[1344][one_brighter] = 1
    found = fate(PYRAMID, BOX, importance, ranked(importance, lambda scale: regions[scale.size]), budgets(0, 9))
    assert found.cause == AVERAGED
    assert found.verdict.endswith("No budget preserves it; only adding its tokens does.")
    assert found.smallest_budget is None
    assert found.rows[1].best_merged and found.rows[1].members == len(tokens(1344).unique())
    assert found.rows[1].smallest_budget is None


def test_a_high_score_behind_others_is_cut_by_the_budget():
    importance = noise()
    importance[1344][tokens(1344)] = 0.97
    rankings = ranked(importance, alone)
    found = fate(PYRAMID, BOX, importance, rankings, budgets(10, 10))
    assert found.cause == CUT
    total = found.smallest_budget
    assert f"{total:,}" in found.verdict
    enough = dict(zip(PYRAMID.sizes, split_budget(total, PYRAMID.scales), strict=True))
    assert fate(PYRAMID, BOX, importance, rankings, enough).cause == KEPT


def test_forced_in_is_preserved_and_taken_out_is_not():
    importance = noise(3)
    rankings = ranked(importance)
    forced = {size: ranking.with_tokens(tokens(size)) for size, ranking in rankings.items()}
    assert fate(PYRAMID, BOX, importance, forced, budgets(1, 1)).cause == KEPT
    out = fate(
        PYRAMID,
        BOX,
        importance,
        {size: ranking.without(tokens(size)) for size, ranking in rankings.items()},
        budgets(2304, 9216),
    )
    assert out.cause != KEPT and out.smallest_budget is None
    assert [row.best_rank for row in out.rows] == [2305, 9217]


@given(
    st.integers(0, 10**6),
    st.sampled_from([(0, 0, 20, 20), (300, 310, 330, 330), (5, 650, 9, 655), (0, 0, 672, 672)]),
    st.sampled_from([(336, 672), (672,), (336, 672, 1008)]),
    st.sampled_from(["mean", "max"]),
)
@settings(max_examples=6, deadline=None)
def test_smallest_budget_and_steps_equal_a_search_over_every_total(seed, box, sizes, order):
    generator = torch.Generator().manual_seed(seed)
    square = Square(672, 672, sizes)
    importance = {scale.size: torch.rand(scale.tokens, generator=generator) for scale in square.scales}
    rankings = {
        scale.size: rank_tokens(importance[scale.size], torch.randint(40, (scale.tokens,), generator=generator), order)
        for scale in square.scales
    }
    totals = np.arange(1, square.tokens + 1)
    splits = np.array([split_budget(int(total), square.scales) for total in totals])
    kept = evidence_preserved(square, [box], rankings, splits)[:, 0]
    first = fate(square, box, importance, rankings, dict(zip(sizes, splits[0], strict=True)))
    assert first.smallest_budget == (int(totals[kept][0]) if kept.any() else None)
    starts = [step.total for step in first.steps]
    assert starts[0] == 1 and starts == sorted(set(starts))
    by_total = np.searchsorted(starts, totals, side="right") - 1
    assert [first.steps[i].preserved for i in by_total] == kept.tolist()
    for total in generator_sample(generator, totals, starts):
        found = fate(square, box, importance, rankings, dict(zip(sizes, splits[total - 1], strict=True)))
        step = first.steps[by_total[total - 1]]
        assert (found.cause, found.verdict) == (step.cause, step.verdict)


def generator_sample(generator, totals, starts):
    drawn = torch.randint(len(totals), (20,), generator=generator) + 1
    return sorted({*drawn.tolist(), *starts, *(start - 1 for start in starts[1:])})


def test_preserved_evidence_of_many_boxes_and_budgets():
    importance = noise(5)
    rankings = ranked(importance)
    boxes = [BOX, (600, 600, 640, 620), (1000, 30, 1003, 33)]
    sweep = np.array([split_budget(total, PYRAMID.scales) for total in (1, 64, 500, 3000, 11520)])
    kept = evidence_preserved(PYRAMID, boxes, rankings, sweep)
    assert kept.shape == (5, 3)
    for row, (coarse, fine) in zip(kept, sweep, strict=True):
        chosen = budgets(int(coarse), int(fine))
        causes = [fate(PYRAMID, box, importance, rankings, chosen).cause for box in boxes]
        assert row.tolist() == [cause == KEPT for cause in causes]
        assert evidence_preserved(PYRAMID, boxes, rankings, chosen).tolist() == row.tolist()
    assert evidence_preserved(PYRAMID, [], rankings, sweep).shape == (5, 0)


def test_what_is_kept_by_fates_is_what_is_preserved_by_ranks():
    rankings = ranked(noise(3))
    boxes = [(x, y, x + 9, y + 9) for x in (3, 300, 640) for y in (5, 333, 610)]
    chosen = budgets(300, 900)
    fates = {size: ranking.select(chosen[size]).kind.numpy() for size, ranking in rankings.items()}
    rows, share = kept_evidence(PYRAMID, fates, boxes)
    assert share == evidence_preserved(PYRAMID, boxes, rankings, chosen).mean()
    assert 0 < share < 1
    assert [row.size for row in rows] == [*fates, 0]
    for row in rows:
        assert row.preserved + row.merged + row.dropped == row.tokens
    assert rows[-1].tokens == sum(row.tokens for row in rows[:-1])
    assert kept_evidence(PYRAMID, fates, []) == ((), None)


def test_every_cause_is_explained():
    looked = {evidence.NOT_LOOKED, evidence.BELOW_A_TOKEN}
    assert set(evidence.CAUSES) == {KEPT, TOO_SMALL, DILUTED, AVERAGED, CUT} | looked


def test_a_box_outside_the_image_is_refused():
    importance = noise()
    with pytest.raises(InputError):
        fate(PYRAMID, (2000, 0, 2010, 10), importance, ranked(importance), budgets(1, 1))


def looked_fate(box, budget=500, tiles=(10,), importance=0.2):
    """The fate at a budget of a box of a 16,128-px image, of which these tiles of scale 8064 were looked at."""
    square = Square(16128, 16128, sizes=(672, 1344)).looking({5376: tiles})
    values = {scale.size: torch.full((scale.tokens,), importance) for scale in square.scales}
    rankings = {
        scale.size: rank_tokens(values[scale.size], torch.zeros(scale.tokens).long()) for scale in square.scales
    }
    budgets = dict(zip(square.sizes, split_budget(budget, square.scales), strict=True))
    return square, fate(square, box, values, rankings, budgets)


def test_an_object_where_no_look_went_was_not_looked_at():
    square, found = looked_fate((16000, 16000, 16012, 16012))
    assert found.cause == "not looked at"
    assert "1.0 x 1.0 px at 1344" in found.verdict and "12.0 x 12.0 px at 16128" in found.verdict
    assert [row.size for row in found.rows] == [672, 1344, *square.native_sizes]
    assert [row.looked for row in found.rows] == [True, True, *[False] * len(square.native_sizes)]
    assert {step.cause for step in found.steps} == {"not looked at"}


def test_too_small_even_where_it_was_looked():
    square = Square(16128, 16128, sizes=(672, 1344))
    size, tile = square.native_sizes[-1], int(square.tiles_in_box(square.native_sizes[-1], (8000, 8000, 8001, 8001))[0])
    looked = square.looking(
        {other: square.tiles_in_box(other, (8000, 8000, 8001, 8001)) for other in square.native_sizes}
    )
    assert dict(looked.looks)[size] == (tile,)
    values = {scale.size: torch.full((scale.tokens,), 0.2) for scale in looked.scales}
    rankings = {
        scale.size: rank_tokens(values[scale.size], torch.zeros(scale.tokens).long()) for scale in looked.scales
    }
    found = fate(looked, (8000, 8000, 8001, 8001), values, rankings, dict.fromkeys(looked.sizes, 0))
    assert found.cause == "smaller than a token at every scale that was looked at"
    assert all(row.looked for row in found.rows) and f"at {size}" in found.verdict


def test_an_object_is_preserved_by_the_look_that_shows_it():
    square = Square(16128, 16128, sizes=(672, 1344))
    box = (8000, 8000, 8012, 8012)
    looked = square.looking({5376: square.tiles_in_box(5376, box)})
    values = {scale.size: torch.full((scale.tokens,), 0.2) for scale in looked.scales}
    token = looked.tokens_in_box(5376, box)
    values[5376][token] = 0.9
    rankings = {
        scale.size: rank_tokens(values[scale.size], torch.zeros(scale.tokens).long()) for scale in looked.scales
    }
    found = fate(looked, box, values, rankings, {672: 0, 1344: 0, 5376: len(token)})
    assert found.cause == "preserved" and "5376" in found.verdict
    assert evidence_preserved(looked, [box, (0, 0, 5, 5)], rankings, {672: 0, 1344: 0, 5376: 1}).tolist() == [
        True,
        False,
    ]
