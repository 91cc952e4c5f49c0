"""k-means over one scale's tokens, and the reduction of their features that makes it quick.

The clustering is that of the released code (`docs/released-code.md`, section 6): Euclidean, centres started on
random tokens, an emptied cluster keeps its centre. Ours draws from its own seeded generator and never holds
an N x K matrix.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uhrbat.errors import InputError

# PyTorch says once that sparse matrices are a beta feature; the one used here is checked by the tests.
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")

# Scores of one chunk: small enough to stay in a CPU's cache between the product and its argmax; far under 256
# MB on a GPU, where few large products are quicker.
_CPU_SCORES = 2**20
_GPU_SCORES = 2**25

# A token's shortlist is set by the winners of this many groups of centres, and halved until it holds `_LISTED` of
# them on average. With few centres, or fewer pairs of tokens and centres than this, it gains nothing.
_GROUPS = 96
_LISTED = 20
_SHORTLIST_FROM = 2**25


def kmeans(
    features: Tensor,
    clusters: int,
    iterations: int = 10,
    seed: int = 0,
    init: Tensor | None = None,
    sample: int | None = None,
    exact: bool = False,
) -> Tensor:
    """Cluster features float[N, d] -> int64[N] labels below `clusters` (taken as at most N, at least 1).

    iterations: assignments made at most; it stops where no centre moves any more (allclose). The labels are
        those from before the last update of the centres, as in the released code.
    seed: of the starting centres, `clusters` different tokens drawn with a CPU generator of our own, so that
        the CPU and the GPU start from the same and the global generator is left alone. init: int[clusters] tokens to
        start from.
    sample: fit the centres on this many tokens, drawn with the same generator, then assign every token once
        to the final centres; None fits on all.
    exact: compare every token with every centre in every iteration. Otherwise, on a CPU and where there is
        much to compare, a token is compared from the second iteration on only with the 70 or so centres that
        were nearest in the first, then with the better of those: about 4 times quicker, with 2 to 3 % other
        labels (up to 10 % after 100 iterations) and the same spread to a thousandth (measured by
        tests/benchmarks/bench_selection.py). The released code's own labels change from run to run, as it draws its
        starting centres unseeded; only where they are compared with it do they have to be the same.

    Raises InputError where shapes or numbers do not fit.
    """
    clusters = _checked(features, clusters, iterations, init, sample)
    count = features.shape[0]
    if clusters <= 1:
        return torch.zeros(count, dtype=torch.int64, device=features.device)
    features = _with_one(features.to(torch.float32))
    generator = torch.Generator().manual_seed(seed)
    fitted = features
    if sample is not None and sample < count:
        drawn = torch.randperm(count, generator=generator)[: max(sample, clusters)]
        fitted = features[drawn.sort().values.to(features.device)]
    if init is None:
        centres = fitted[torch.randperm(len(fitted), generator=generator)[:clusters].to(features.device)]
    else:
        centres = features[torch.as_tensor(init).to(features.device)]
    labels, centres = _fit(fitted, centres[:, :-1], iterations, exact or features.device.type != "cpu")
    return labels if fitted is features else _nearest(features, _weights(centres))


def principal(values: Tensor, dims: int, seed: int = 0, sample: int = 4096) -> tuple[Tensor, Tensor]:
    """Mean float[d] and basis float[d, dims] of the `dims` directions in which values float[N, d] vary most.

    Found on a seeded sample of the rows by a randomised subspace iteration (Halko, Martinsson and Tropp
    2011), so it is an approximation, and the same for the same seed. `(values - mean) @ basis` keeps
    distances as far as those directions hold the variance; dims is taken as at most d.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(values), generator=generator)[:sample].sort().values.to(values.device)
    drawn = values[rows].to(torch.float32)
    mean = drawn.mean(0)
    drawn = drawn - mean
    width = drawn.shape[1]
    if dims >= width:
        return mean, torch.eye(width, device=values.device)
    basis = torch.randn(width, min(width, dims + 8), generator=generator).to(values.device)
    for _ in range(3):
        basis = _orthonormal(drawn.T @ (drawn @ basis))
    small = torch.linalg.eigh((drawn @ basis).T @ (drawn @ basis)).eigenvectors.flip(1)
    return mean, (basis @ small)[:, :dims]


def _orthonormal(values: Tensor) -> Tensor:
    """float[d, k] with orthonormal columns that span those of values, zero where one adds nothing to those before it.

    Gram and Schmidt's procedure, each column twice: LAPACK's QR rounds differently with another number of threads,
    which moves tokens to other regions.
    """
    out = torch.zeros_like(values)
    for column, value in enumerate(values.T):
        length = value.norm()
        for _ in range(2):
            value = value - out @ (out.T @ value)
        rest = value.norm()
        out[:, column] = torch.where(rest > 1e-6 * length, value / rest, 0)
    return out


def _fit(features: Tensor, centres: Tensor, iterations: int, exact: bool) -> tuple[Tensor, Tensor]:
    shortlist = None
    exact = exact or len(centres) < 5 * _GROUPS or len(features) * len(centres) < _SHORTLIST_FROM
    for _ in range(iterations):
        weights = _weights(centres)
        if exact:
            labels = _nearest(features, weights)
        elif shortlist is None:
            labels, shortlist = _nearest_and_near(features, weights)
        else:
            labels, shortlist = _nearest_listed(features, weights, shortlist)
        moved = _means(features, labels, centres)
        settled = torch.allclose(moved, centres)
        centres = moved
        if settled:
            break
    return labels, centres


def _with_one(features: Tensor) -> Tensor:
    """Features and a column of ones: one product gives x.c - |c|^2 / 2, highest at the nearest centre."""
    return torch.cat([features, features.new_ones(len(features), 1)], dim=1)


def _weights(centres: Tensor) -> Tensor:
    """float[K, d + 1]; a centre equal to an earlier one never wins, so that ties go to the lowest label."""
    weights = torch.cat([centres, centres.square().sum(1, keepdim=True) / -2], dim=1)
    label = torch.arange(len(weights), device=weights.device)
    same = torch.unique(weights, dim=0, return_inverse=True)[1]
    first = torch.full_like(label, len(weights)).scatter_reduce_(0, same, label, "amin")
    weights[first[same] < label, -1] = -torch.inf
    return weights


def _chunks(features: Tensor, clusters: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    rows = max(1, (_CPU_SCORES if features.device.type == "cpu" else _GPU_SCORES) // clusters)
    scores = features.new_empty(rows, clusters)
    for start in range(0, len(features), rows):
        part = features[start : start + rows]
        yield slice(start, start + len(part)), part, scores[: len(part)]


def _nearest(features: Tensor, weights: Tensor) -> Tensor:
    labels = torch.empty(len(features), dtype=torch.int64, device=features.device)
    weights = weights.T.contiguous()
    for rows, part, scores in _chunks(features, weights.shape[1]):
        torch.mm(part, weights, out=scores)
        if scores.device.type == "cpu":
            # NumPy's argmax is vectorised, PyTorch's is not: a tenth of the time.
            labels[rows] = torch.from_numpy(scores.numpy().argmax(1))
        else:
            labels[rows] = scores.argmax(1)
    return labels


@dataclass(frozen=True)
class _Shortlist:
    """Which centres each token is still compared with: a sparse N x K pattern of m pairs, row by row."""

    starts: Tensor  # int64[N + 1]
    tokens: Tensor  # int64[m]
    centres: Tensor  # int64[m]

    def only(self, keep: Tensor) -> "_Shortlist":
        """The pairs that `keep` bool[m] keeps, at least one a token."""
        kept = torch.cat([torch.zeros(1, dtype=torch.int64), keep.cumsum(0)])
        return _Shortlist(kept[self.starts], self.tokens[keep], self.centres[keep])


def _nearest_and_near(features: Tensor, weights: Tensor) -> tuple[Tensor, _Shortlist]:
    """Labels, and the centres that score at least as well as the mean winner of `_GROUPS` groups of centres."""
    clusters = len(weights)
    labels = torch.empty(len(features), dtype=torch.int64)
    weights = weights.T.contiguous()
    grouped = clusters // _GROUPS * _GROUPS
    columns, lengths = [], []
    for rows, part, scores in _chunks(features, clusters):
        torch.mm(part, weights, out=scores)
        labels[rows] = torch.from_numpy(scores.numpy().argmax(1))
        winners = scores[:, :grouped].view(len(part), -1, _GROUPS).amax(1)
        # A mean of equal winners can be rounded above them all.
        near = scores >= torch.minimum(winners.mean(1), winners.amax(1))[:, None]
        listed = np.flatnonzero(near.numpy())
        row_starts = np.arange(len(part) + 1) * clusters
        row_lengths = np.diff(np.searchsorted(listed, row_starts))
        lengths.append(row_lengths)
        columns.append(listed - np.repeat(row_starts[:-1], row_lengths))
    counts = np.concatenate(lengths)
    return labels, _Shortlist(
        starts=torch.from_numpy(np.concatenate([[0], counts.cumsum()])),
        tokens=torch.from_numpy(np.repeat(np.arange(len(features)), counts)),
        centres=torch.from_numpy(np.concatenate(columns)),
    )


def _nearest_listed(features: Tensor, weights: Tensor, shortlist: _Shortlist) -> tuple[Tensor, _Shortlist]:
    """Labels, and the shortlist: without each token's worse half while it is longer than `_LISTED`."""
    pattern = torch.sparse_csr_tensor(
        shortlist.starts,
        shortlist.centres,
        features.new_zeros(len(shortlist.centres)),
        (len(features), len(weights)),
        check_invariants=False,
    )
    scores = torch.sparse.sampled_addmm(pattern, features, weights.T, beta=0.0).values()
    starts = shortlist.starts[:-1].numpy()
    best = torch.from_numpy(np.maximum.reduceat(scores.numpy(), starts))
    winning = scores == best[shortlist.tokens]
    # Of equal scores the lowest label stays.
    labels = torch.full((len(features),), len(weights), dtype=torch.int64)
    labels.scatter_reduce_(0, shortlist.tokens[winning], shortlist.centres[winning], "amin")
    if len(scores) > _LISTED * len(features):
        mean = torch.from_numpy(np.add.reduceat(scores.numpy(), starts)) / shortlist.starts.diff()
        shortlist = shortlist.only(winning | (scores >= mean[shortlist.tokens]))
    return labels, shortlist


def _means(features: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
    """The mean of each cluster's features (the last column is one); an emptied cluster keeps its centre."""
    if features.device.type == "cpu":
        total = features.new_zeros(len(centres), features.shape[1]).index_add_(0, labels, features)
    else:
        # index_add_ adds in any order on a GPU, so that two runs could differ; a sorted reduction does not.
        sizes = torch.bincount(labels, minlength=len(centres))
        by_label = features[torch.argsort(labels, stable=True)]
        total = torch.segment_reduce(by_label, "sum", lengths=sizes, axis=0)
    sizes = total[:, -1:]
    return torch.where(sizes > 0, total[:, :-1] / sizes.clamp(min=1), centres)


def _checked(features: Tensor, clusters: int, iterations: int, init: Tensor | None, sample: int | None) -> int:
    if features.ndim != 2 or not len(features) or not features.dtype.is_floating_point:
        raise InputError(f"Features must be floats of N x d with N from 1, not {tuple(features.shape)}.")
    if clusters < 1 or iterations < 1 or (sample is not None and sample < 1):
        raise InputError("Clusters, iterations and sample of a k-means must be at least 1.")
    clusters = min(int(clusters), len(features))
    if init is not None and len(init) != clusters:
        raise InputError(f"{len(init)} starting tokens were given for {clusters} clusters: give one a cluster.")
    if not torch.isfinite(features.sum(dtype=torch.float32)):
        raise InputError("Features hold values that are not finite numbers: the embeddings are broken.")
    return clusters
