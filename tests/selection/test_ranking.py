import dataclasses
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.golden import cases
from uhrbat.choices import DROPPED, PRESERVED
from uhrbat.errors import InputError
from uhrbat.selection.ranking import rank_tokens


def walk(importance, regions, order, background, excluded):
    """The walk of docs/method.md, item 5, in plain Python: a list of (tokens, merged)."""
    members, emitted = {}, []
    for token, region in enumerate(regions):
        if region >= 0 and not excluded[token]:
            members.setdefault((-1, token) if region == background else (0, region), []).append(token)
    mean = {key: mean32([importance[t] for t in tokens]) for key, tokens in members.items()}
    score = mean if order == "mean" else {k: max(importance[t] for t in m) for k, m in members.items()}
    for key in sorted(members, key=lambda key: (-score[key], key)):
        single = [t for t in members[key] if importance[t] > mean[key] or key[0] == -1]
        emitted += [([t], False) for t in sorted(single, key=lambda t: -importance[t])]
        others = [t for t in members[key] if t not in single]
        emitted += [(others, True)] if others else []
    return emitted


def mean32(values):
    return torch.tensor(values, dtype=torch.float64).mean().float().item()


def emitted(ranking):
    groups = ranking.select(ranking.tokens).groups
    return [(group.tolist(), bool(ranking.merged[group[0]])) for group in groups]


@pytest.mark.parametrize("case", cases("select_kmeans") + cases("select_sam"))
def test_selects_what_the_released_code_selects(case):
    pooled = []
    for size, budget in case.scales:
        if budget == 0:
            continue
        ranking = case.ranking(size)
        selection = ranking.select(budget)
        expected = case.emitted(size)
        assert [group.tolist() for group in selection.groups] == [token["pos"] for token in expected]
        merged = [bool(ranking.merged[token["pos"][0]]) for token in expected]
        assert merged == [token.get("aggregated", False) for token in expected]
        pooled.append(selection.pool(case.embeddings(size)))
    selected = case.through_mlp(torch.cat(pooled))
    assert selected.dtype == case.tensors["selected"].dtype
    torch.testing.assert_close(selected, case.tensors["selected"], rtol=0, atol=1e-5)


scenes = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1.0, -2.0, 1e-9]), min_size=n, max_size=n),
        st.lists(st.sampled_from([-1, 0, 1, 2, 3, 9, 500]), min_size=n, max_size=n),
        st.lists(st.sampled_from([False, False, False, True]), min_size=n, max_size=n),
        st.sampled_from(["mean", "max"]),
        st.sampled_from([None, 0, 3]),
    )
)


@given(scenes)
@settings(max_examples=120, deadline=None)
def test_the_sorted_walk_equals_the_plain_walk(scene):
    values, regions, excluded, order, background = scene
    importance = torch.tensor(values)
    ranking = rank_tokens(importance, torch.tensor(regions), order, background, torch.tensor(excluded))
    expected = walk(importance.tolist(), regions, order, background, excluded)
    assert emitted(ranking) == expected
    rank = {t: place for place, (tokens, _) in enumerate(expected, 1) for t in tokens}
    assert ranking.rank.tolist() == [rank.get(t, len(values) + 1) for t in range(len(values))]
    assert ranking.groups_count == len(expected)


@given(scenes, st.data())
@settings(max_examples=60, deadline=None)
def test_counterfactual_rankings_keep_the_order_of_all_others(scene, data):
    values, regions, excluded, order, background = scene
    ranking = rank_tokens(torch.tensor(values), torch.tensor(regions), order, background, torch.tensor(excluded))
    chosen = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=5))
    rest = [([t for t in tokens if t not in chosen], merged) for tokens, merged in emitted(ranking)]
    rest = [(tokens, merged) for tokens, merged in rest if tokens]
    assert emitted(ranking.without(chosen)) == rest
    front = sorted(set(chosen), key=lambda t: (int(ranking.rank[t]), t))
    forced = ranking.with_tokens(chosen)
    assert emitted(forced) == [([t], False) for t in front] + rest
    assert forced.rank[front].tolist() == list(range(1, len(front) + 1))


def random_ranking(tokens=3000, regions=40, order="mean"):
    generator = torch.Generator().manual_seed(5)
    importance = torch.rand(tokens, generator=generator)
    return rank_tokens(importance, torch.randint(regions, (tokens,), generator=generator), order)


def test_every_budget_is_a_prefix():
    ranking = random_ranking()
    everything = ranking.select(ranking.groups_count).groups
    for k in (0, 1, 7, 500, ranking.groups_count, 10**6):
        selection = ranking.select(k)
        assert len(selection) == len(selection.groups) == min(k, ranking.groups_count)
        assert all(torch.equal(a, b) for a, b in zip(selection.groups, everything, strict=False))
        assert torch.equal(selection.kind != DROPPED, ranking.rank <= k)


def test_the_ledger_accounts_for_every_token():
    ranking = random_ranking()
    for k in (0, 1, 100, 1500, 5000):
        ledger = ranking.select(k).ledger(672)
        assert ledger.preserved + ledger.merged_groups == ledger.used == min(k, ranking.groups_count)
        assert ledger.preserved + ledger.merged + ledger.dropped == ledger.tokens == 3000
        assert ledger.budget == k
    assert ledger.regions == ledger.merged_groups == 40
    assert dataclasses.is_dataclass(ledger)


def test_padding_is_a_kind_of_its_own_in_the_ledger():
    importance, regions = torch.tensor([0.9, 0.8, 0.1, 0.1, 0.7, 0.2]), torch.zeros(6, dtype=torch.int64)
    padding = torch.tensor([False, True, False, False, False, True])
    released = rank_tokens(importance, regions).select(3).ledger(672, padding)  # padding takes part
    assert (released.tokens, released.padding) == (4, 2)
    assert (released.preserved, released.padding_used, released.merged, released.dropped) == (2, 1, 0, 2)
    assert released.merged_groups == 0
    ours = rank_tokens(importance, regions, excluded=padding).select(3).ledger(672, padding)
    assert (ours.preserved, ours.merged, ours.dropped, ours.padding, ours.padding_used) == (2, 2, 0, 2, 0)
    assert ours.merged_groups == 1


def test_a_token_averaged_with_itself_alone_is_preserved():
    selection = rank_tokens(torch.tensor([0.2, 0.9, 0.1]), torch.tensor([0, 1, 0])).select(3)
    assert [group.tolist() for group in selection.groups] == [[1], [0], [2]]
    assert selection.ranking.merged.tolist() == [False, True, True]
    assert selection.kind.tolist() == [PRESERVED] * 3


def test_pool_averages_each_group_and_keeps_the_dtype():
    ranking = random_ranking()
    selection = ranking.select(1400)
    embeddings = torch.randn(3000, 600, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([embeddings[group].mean(0) for group in selection.groups])
    torch.testing.assert_close(selection.pool(embeddings), expected, rtol=0, atol=1e-6)
    assert selection.pool(embeddings.bfloat16()).dtype == torch.bfloat16
    assert ranking.select(0).pool(embeddings).shape == (0, 600)


def test_members_are_the_tokens_of_one_average():
    ranking = rank_tokens(torch.tensor([1.0, 5.0, 1.0, 2.0]), torch.tensor([0, 0, 0, -1]))
    assert ranking.rank.tolist() == [2, 1, 2, ranking.never]
    assert ranking.members(0).tolist() == [0, 2]
    assert ranking.members(1).tolist() == [1]
    assert ranking.members(3).tolist() == []
    assert ranking.group_size.tolist() == [2, 1, 2, 0]


def test_max_order_does_not_hide_one_important_token_in_a_large_region():
    importance = torch.full((100,), 0.1)
    importance[99] = 0.9
    importance[:10] = 0.3
    regions = (torch.arange(100) >= 10).long()
    assert int(rank_tokens(importance, regions, "mean").rank[99]) == 2
    assert int(rank_tokens(importance, regions, "max").rank[99]) == 1


def test_equal_importance_merges_whole_regions():
    ranking = rank_tokens(torch.full((16,), 0.3), torch.arange(16) % 2)
    assert ranking.groups_count == 2
    assert ranking.merged.all()


def test_region_ids_may_be_large_and_sparse():
    ids = torch.tensor([7_000_000_000, 3, 7_000_000_000, 3])
    ranking = rank_tokens(torch.tensor([0.5, 0.1, 0.4, 0.2]), ids, background=3)
    assert [group.tolist() for group in ranking.select(9).groups] == [[0], [2], [3], [1]]
    assert torch.equal(ranking.region, ids)


def test_no_token_is_an_empty_ranking():
    ranking = rank_tokens(torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    assert ranking.groups_count == 0
    assert ranking.select(5).groups == ()
    nothing = rank_tokens(torch.ones(3), torch.zeros(3, dtype=torch.int64), excluded=torch.ones(3, dtype=torch.bool))
    assert nothing.groups_count == 0 and nothing.rank.tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("importance", "regions", "options"),
    [
        (torch.ones(3), torch.zeros(4, dtype=torch.int64), {}),
        (torch.ones(3, 3), torch.zeros(3, 3, dtype=torch.int64), {}),
        (torch.tensor([1.0, float("nan")]), torch.zeros(2, dtype=torch.int64), {}),
        (torch.ones(3), torch.zeros(3), {}),
        (torch.ones(3), torch.zeros(3, dtype=torch.int64), {"order": "median"}),
        (torch.ones(3), torch.zeros(3, dtype=torch.int64), {"excluded": torch.ones(2, dtype=torch.bool)}),
    ],
)
def test_what_does_not_fit_is_refused(importance, regions, options):
    with pytest.raises(InputError):
        rank_tokens(importance, regions, **options)


def test_bad_budgets_tokens_and_embeddings_are_refused():
    ranking = random_ranking()
    for k in (-1, 2.5, True):
        with pytest.raises(InputError):
            ranking.select(k)
    for call in (ranking.members, ranking.with_tokens, ranking.without):
        with pytest.raises(InputError):
            call(3000)
    with pytest.raises(InputError):
        ranking.select(3).pool(torch.ones(5, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_ranks_alike():
    ranking = random_ranking()
    generator = torch.Generator().manual_seed(5)
    importance = torch.rand(3000, generator=generator)
    regions = torch.randint(40, (3000,), generator=generator)
    assert torch.equal(rank_tokens(importance.cuda(), regions.cuda()).rank.cpu(), ranking.rank)


def test_the_whole_pyramid_is_ranked_at_once():
    """A sanity bound far above the 50 ms aimed at (tools.bench_selection measures it)."""
    began = time.process_time()
    for tokens in (2304, 9216, 36864, 82944):
        random_ranking(tokens, 600)
    assert time.process_time() - began < 2
