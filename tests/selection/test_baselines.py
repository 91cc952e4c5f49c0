import numpy as np
import pytest
import torch

from uhrbat.errors import InputError
from uhrbat.geometry import Square
from uhrbat.selection.baselines import BASELINES, rank_baseline, select_baseline

PYRAMID = Square(4032, 4032, (672, 1344, 2688))
SCALES = PYRAMID.scales
ALL = PYRAMID.tokens


def importance(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {scale.size: torch.rand(scale.tokens, generator=generator) for scale in SCALES}


def used(selections):
    return {size: len(selection) for size, selection in selections.items()}


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("total", [1, 64, 3000, 12000, ALL, ALL + 5])
def test_the_budget_is_kept_and_nothing_is_merged(name, total):
    selections = select_baseline(name, importance(), SCALES, total)
    assert list(selections) == [672, 1344, 2688]
    spent = sum(used(selections).values())
    assert spent <= total
    if name in ("downsampling", "global_topk", "random_tokens"):
        assert spent == min(total, ALL)
    if name == "everything_that_fits":
        assert spent > 0
    for scale in SCALES:
        ledger = selections[scale.size].ledger(scale.size)
        assert ledger.merged_groups == 0
        assert ledger.preserved == ledger.used
        assert selections[scale.size].pool(torch.ones(scale.tokens, 2)).shape == (ledger.used, 2)


@pytest.mark.parametrize("name", BASELINES)
def test_excluded_tokens_never_enter_and_two_runs_are_equal(name):
    excluded = {s.size: torch.from_numpy(Square(4032, 3000, PYRAMID.sizes).padding(s)) for s in SCALES}
    runs = [select_baseline(name, importance(), SCALES, 20_000, 3, excluded) for _ in range(2)]
    for size in PYRAMID.sizes:
        kind = runs[0][size].kind
        assert not kind[excluded[size]].any()
        assert torch.equal(kind, runs[1][size].kind)


def test_downsampling_takes_whole_coarse_scales_then_an_even_grid():
    spent = used(select_baseline("downsampling", importance(), SCALES, 2304 + 576))
    assert spent == {672: 2304, 1344: 576, 2688: 0}


def test_dense_tiling_is_even_over_the_finest_scale():
    selections = select_baseline("dense_tiling", importance(), SCALES, 2304)
    assert used(selections) == {672: 0, 1344: 0, 2688: 2304}
    kept = selections[2688].kind.numpy()[SCALES[-1].permutation].reshape(24, 8, 24, 8)
    assert np.ptp(kept.sum(axis=(1, 3))) <= 1


def test_global_topk_is_the_best_of_all_scales():
    values = importance(4)
    selections = select_baseline("global_topk", values, SCALES, 500)
    threshold = torch.cat(list(values.values())).topk(500).values[-1]
    for size, selection in selections.items():
        assert torch.equal(selection.kind > 0, values[size] >= threshold)
        order = torch.cat(selection.groups) if len(selection) else torch.zeros(0, dtype=torch.int64)
        assert torch.equal(order, values[size].argsort(descending=True, stable=True)[: len(selection)])


def test_random_tokens_follow_the_seed_and_not_the_importance():
    first, same, other = (
        torch.cat([s.kind for s in select_baseline("random_tokens", importance(i), SCALES, 900, seed).values()])
        for i, seed in ((0, 1), (1, 1), (0, 2))
    )
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_coarse_to_fine_stays_inside_the_windows_that_coarse_importance_picks():
    values = {scale.size: torch.zeros(scale.tokens) for scale in SCALES}
    spot = PYRAMID.tokens_in_box(672, (100, 100, 400, 400))
    values[672][spot] = 1.0
    elsewhere = PYRAMID.tokens_in_box(2688, (3900, 3900, 4000, 4000))
    values[2688][elsewhere] = 5.0
    near = PYRAMID.tokens_in_box(2688, (200, 200, 220, 220))
    values[2688][near] = 1.0
    kind = select_baseline("coarse_to_fine", values, SCALES, 1000)[2688].kind
    assert (kind[near] == 1).all()
    assert (kind[elsewhere] == 0).all()


def test_everything_that_fits_takes_the_finest_whole_scale():
    def fitting(total):
        return used(select_baseline("everything_that_fits", importance(), SCALES, total))

    assert fitting(100) == {672: 100, 1344: 0, 2688: 0}
    assert fitting(9300) == {672: 0, 1344: 9216, 2688: 0}
    assert fitting(9216 + 2304) == {672: 2304, 1344: 9216, 2688: 0}


def test_every_baseline_is_described_in_one_sentence():
    for baseline in BASELINES.values():
        assert baseline.description.endswith(".") and ". " not in baseline.description


@pytest.mark.parametrize(("name", "total"), [("magic", 10), ("downsampling", 0), ("downsampling", 2.5)])
def test_unknown_names_and_bad_budgets_are_refused(name, total):
    with pytest.raises(InputError):
        select_baseline(name, importance(), SCALES, total)


@pytest.mark.parametrize("name", BASELINES)
def test_one_ranking_serves_every_budget(name):
    values = importance(7)
    ranked = rank_baseline(name, values, SCALES, seed=2)
    for total in (1, 700, 5000):
        alone = select_baseline(name, values, SCALES, total, seed=2)
        for size, selection in ranked.select(total).items():
            assert torch.equal(selection.kind, alone[size].kind)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_says_whether_it_reads_the_importance(name):
    kinds = [select_baseline(name, importance(seed), SCALES, 700) for seed in (0, 1)]
    same = all(torch.equal(kinds[0][size].kind, kinds[1][size].kind) for size in PYRAMID.sizes)
    assert same == (not BASELINES[name].scored)
