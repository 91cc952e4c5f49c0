import numpy as np
import pytest
import torch

from tests.support.golden import SUBSET, cases
from uhrbat.errors import InputError
from uhrbat.geometry import Scale
from uhrbat.selection import clustering
from uhrbat.selection.clustering import principal
from uhrbat.selection.ranking import rank_tokens
from uhrbat.selection.regions import (
    RegionSettings,
    grid_regions,
    kmeans,
    masks_to_regions,
    no_regions,
    paint_masks,
    partition,
    square_coordinates,
    tile_coordinates,
    token_features,
)

SMALL = Scale(672)


def blobs(count=3000, dims=12, centres=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(centres, dims, generator=generator) * 4
    truth = torch.randint(centres, (count,), generator=generator)
    return means[truth] + torch.randn(count, dims, generator=generator) * 0.3, truth


def spread(features, labels):
    """Mean squared distance to the own region's mean."""
    clusters = int(labels.max()) + 1
    total = torch.zeros(clusters, features.shape[1]).index_add_(0, labels, features)
    means = total / torch.bincount(labels, minlength=clusters).clamp(min=1)[:, None]
    return float((features - means[labels]).square().sum(1).mean())


def as_grid(regions):
    return regions.numpy()[SMALL.permutation].reshape(48, 48)


def plain_kmeans(features, init, iterations):
    centres = features[init].clone()
    for _ in range(iterations):
        labels = torch.cdist(features, centres).argmin(1)
        moved = torch.stack(
            [features[labels == k].mean(0) if (labels == k).any() else centres[k] for k in range(len(centres))]
        )
        if torch.allclose(moved, centres):
            break
        centres = moved
    return labels


@pytest.mark.parametrize("case", cases("select_kmeans"))
def test_features_and_labels_are_the_released_ones(case):
    config = case.entry["config"]
    for size, run in case.entry["kmeans"].items():
        side = case.tensors[f"attn.{size}"].shape[1]
        token = torch.arange(run["n_points"]) % side**2
        xy = torch.stack([token % side, token // side], dim=1) / (side - 1)
        scales = config.get("kmeans_feat_scale", 1.0), config.get("kmeans_coord_scale", 0.05)
        features = token_features(case.embeddings(size), xy, *scales)
        assert torch.equal(features, case.tensors[f"features.{size}"])
        init = case.tensors.get(f"init_idx.{size}")
        labels = kmeans(features, run["num_clusters"], run["iters"], init=init)
        assert torch.equal(labels, case.tensors[f"labels.{size}"])


@pytest.mark.parametrize("case", cases("select_kmeans"))
def test_the_seed_draws_the_released_starting_tokens(case):
    """The first scale a case processes is the first to draw from the generator."""
    size, run = next(iter(case.entry["kmeans"].items()))
    labels = kmeans(case.tensors[f"features.{size}"], run["num_clusters"], run["iters"], seed=case.entry["rng_seed"])
    assert torch.equal(labels, case.tensors[f"labels.{size}"])


def test_kmeans_equals_the_plain_algorithm():
    features, _ = blobs(800, centres=40)
    init = torch.randperm(800, generator=torch.Generator().manual_seed(3))[:60]
    assert torch.equal(kmeans(features, 60, 6, init=init), plain_kmeans(features, init, 6))


def test_kmeans_finds_clear_clusters_from_a_sample_too():
    features, truth = blobs()
    init = torch.tensor([int(torch.nonzero(truth == k)[0]) for k in range(9)])
    assert torch.equal(kmeans(features, 9, init=init), truth)
    assert torch.equal(kmeans(features, 9, init=init, sample=500), truth)


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_the_shortlist_changes_next_to_nothing(monkeypatch):
    monkeypatch.setattr(clustering, "_SHORTLIST_FROM", 0)
    features, _ = blobs(6000, 16, 700, seed=1)
    exact, quick = (kmeans(features, 600, exact=exact) for exact in (True, False))
    assert (exact != quick).float().mean() < 0.02
    assert spread(features, quick) < spread(features, exact) * 1.001


def test_kmeans_is_seeded_and_leaves_the_global_generator_alone():
    features, _ = blobs()
    state = torch.get_rng_state()
    first, second, other = (kmeans(features, 30, seed=seed) for seed in (7, 7, 8))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_number_of_threads_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    scale = Scale(1344)
    embeddings = torch.randn(scale.tokens, 192, generator=generator) @ torch.randn(192, 192, generator=generator)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append((principal(embeddings, 48)[1], partition(embeddings, scale)))
    finally:
        torch.set_num_threads(threads)
    for basis, labels in found[1:]:
        assert torch.equal(basis, found[0][0])
        assert torch.equal(labels, found[0][1])


def test_twins_among_the_starting_tokens_leave_the_later_cluster_empty():
    features = torch.tensor([[0.0, 0.0], [0.0, 0.0], [5.0, 0.0], [5.1, 0.0]])
    assert kmeans(features, 3, init=torch.tensor([0, 1, 2])).tolist() == [0, 0, 2, 2]


def test_more_clusters_than_tokens_and_one_cluster():
    features = torch.eye(4)
    assert sorted(kmeans(features, 99).tolist()) == [0, 1, 2, 3]
    assert kmeans(features, 1).tolist() == [0] * 4


@pytest.mark.parametrize(
    "arguments",
    [
        (torch.ones(4), 2),
        (torch.ones(0, 3), 2),
        (torch.ones(4, 2), 0),
        (torch.ones(4, 2), 2, 0),
        (torch.ones(4, 2), 2, 1, 0, torch.tensor([1])),
        (torch.ones(4, 2), 2, 1, 0, None, 0),
        (torch.full((4, 2), torch.nan), 2),
    ],
)
def test_what_cannot_be_clustered_is_refused(arguments):
    with pytest.raises(InputError):
        kmeans(*arguments)


def test_no_chunk_of_scores_is_large():
    assert max(clustering._CPU_SCORES, clustering._GPU_SCORES) * 4 <= 256 * 2**20


def test_principal_directions_hold_the_variance():
    generator = torch.Generator().manual_seed(2)
    low = torch.randn(5000, 6, generator=generator) @ torch.randn(6, 64, generator=generator)
    values = low + 0.01 * torch.randn(5000, 64, generator=generator) + 3
    mean, basis = principal(values, 6)
    torch.testing.assert_close(basis.T @ basis, torch.eye(6), atol=1e-5, rtol=0)
    reduced = (values - mean) @ basis
    assert reduced.square().sum() / (values - mean).square().sum() > 0.999
    assert principal(values, 100)[1].shape == (64, 64)
    wide = torch.randn(500, 800, generator=generator)
    assert principal(wide, 48)[1].shape == (800, 48)


def test_fewer_directions_than_asked_for_are_no_directions():
    flat = torch.arange(4.0)[:, None].repeat(200, 1) * torch.tensor([[1.0, 2.0, 0.0, 0.0, 0.0, 0.0]])
    mean, basis = principal(flat, 3)
    assert torch.isfinite(basis).all()
    torch.testing.assert_close((flat - mean) @ basis @ basis.T, flat - mean, atol=1e-4, rtol=0)
    assert principal(torch.ones(50, 6), 3)[1].isfinite().all()


def test_coordinates_of_a_tile_repeat_and_those_of_the_square_do_not():
    tile, scene = tile_coordinates(SMALL), square_coordinates(SMALL)
    assert tile.shape == scene.shape == (SMALL.tokens, 2)
    assert torch.equal(tile[:576], tile[576:1152])
    assert tile[1].tolist() == pytest.approx([1 / 23, 0])
    last_of_the_second_tile = SMALL.index(0, 47)
    assert scene[last_of_the_second_tile].tolist() == [1.0, 0.0]
    assert scene[SMALL.index(47, 0)].tolist() == [0.0, 1.0]


def test_reduced_features_keep_most_of_the_distances():
    embeddings, _ = blobs(SMALL.tokens, 128, 40)
    whole = token_features(embeddings, square_coordinates(SMALL))
    reduced = token_features(embeddings, square_coordinates(SMALL), dims=48)
    assert reduced.shape == (SMALL.tokens, 50)
    pairs = torch.randint(SMALL.tokens, (2, 500), generator=torch.Generator().manual_seed(0))
    distance = [(f[pairs[0]] - f[pairs[1]]).norm(dim=1) for f in (whole, reduced)]
    assert torch.allclose(*distance, atol=0.1)


def test_grid_regions_are_squares_of_tokens():
    regions = grid_regions(SMALL, 6)
    raster = as_grid(regions)
    assert torch.bincount(regions).tolist() == [64] * 36
    assert (raster[:8, :8] == 0).all() and (raster[:8, 8:16] == 1).all() and (raster[40:, 40:] == 35).all()
    assert torch.equal(grid_regions(SMALL, 999).sort().values, torch.arange(SMALL.tokens))


def test_without_regions_the_ranking_is_plain_top_k():
    importance = torch.rand(SMALL.tokens, generator=torch.Generator().manual_seed(4))
    ranking = rank_tokens(importance, no_regions(SMALL))
    assert torch.equal(torch.cat(ranking.select(50).groups), importance.topk(50).indices)
    assert not ranking.averaged.any()


@pytest.mark.golden
def test_masks_are_cut_to_tokens_as_released():
    with np.load(SUBSET.folder / "e2e/mask_333x900.npz") as stored:
        for size in (336, 672, 1008):
            expected = torch.from_numpy(stored[f"masks_{size}"]).flatten().long()
            assert torch.equal(masks_to_regions(stored["label"], Scale(size)), expected)


def test_small_masks_are_painted_over_large_ones_and_ties_take_the_smallest_label():
    masks = np.zeros((3, 672, 672), dtype=bool)
    masks[0, 28:42, 28:42] = True
    masks[1, :336] = True
    masks[2, 350:357, :14] = True
    assert np.unique(paint_masks(masks)).tolist() == [0, 1, 2, 3]
    raster = as_grid(masks_to_regions(masks, SMALL))
    assert raster[2, 2] == 2 and raster[0, 0] == 1 and raster[47, 47] == 0
    assert raster[25, 0] == 0


def test_masks_of_a_wide_image_are_centred():
    labels = np.ones((100, 200), dtype=np.int64)
    raster = as_grid(masks_to_regions(labels, SMALL))
    assert (raster[:12] == 0).all() and (raster[12:36] == 1).all() and (raster[36:] == 0).all()
    with pytest.raises(InputError):
        masks_to_regions(np.ones((4, 4)), SMALL)


@pytest.mark.parametrize(
    ("settings", "regions"),
    [
        (RegionSettings(), 82),
        (RegionSettings(method="grid", cells=5), 25),
        (RegionSettings(method="none"), 2304),
        (RegionSettings(method="sam"), 1),
        (RegionSettings.released(80), 80),
    ],
)
def test_partition_gives_every_token_a_region(settings, regions):
    embeddings = torch.randn(SMALL.tokens, 64, generator=torch.Generator().manual_seed(0))
    labels = partition(embeddings, SMALL, settings)
    assert labels.shape == (SMALL.tokens,) and labels.dtype == torch.int64
    assert labels.unique().numel() == regions


def test_clusters_do_not_exceed_the_setting():
    assert [RegionSettings().clusters_for(Scale(s)) for s in (672, 1344, 2688, 4032)] == [82, 329, 600, 600]
    assert RegionSettings.released(2000).clusters_for(Scale(4032)) == 2000


@pytest.mark.parametrize("bad", [{"method": "watershed"}, {"coordinates": "polar"}, {"clusters": 0}, {"dims": 0}])
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(InputError):
        RegionSettings(**bad)


def test_embeddings_must_fit_the_scale():
    with pytest.raises(InputError):
        partition(torch.ones(5, 3), SMALL)
    with pytest.raises(InputError):
        partition(None, SMALL)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_two_runs_on_the_gpu_are_equal_and_near_the_cpu():
    embeddings, _ = blobs(SMALL.tokens, 64, 100)
    first, second = (partition(embeddings.cuda(), SMALL).cpu() for _ in range(2))
    assert torch.equal(first, second)
    assert (first != partition(embeddings, SMALL)).float().mean() < 0.01
