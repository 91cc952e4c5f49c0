"""The partition of one scale's tokens into regions: k-means, a grid, SAM's masks, or none.

Regions never depend on the question nor on the budget. A partition is int64[N], one region id a token,
tile-major.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from uhrbat.choices import REGIONS
from uhrbat.errors import InputError
from uhrbat.geometry import Scale
from uhrbat.selection.clustering import kmeans, principal
from uhrbat.settings import Settings

__all__ = [
    "RegionSettings",
    "grid_regions",
    "kmeans",
    "masks_to_regions",
    "no_regions",
    "partition",
    "region_settings",
    "square_coordinates",
    "tile_coordinates",
    "token_features",
]

# The region of tokens that no mask covers (SAM): each is a region of its own. Pass it to `rank_tokens` as
# background.
BACKGROUND = 0

_CHUNK = 8192
_TILE_CELLS = 4
"""Cells along each side of a tile of a native scale, for regions "grid"."""


@dataclass(frozen=True)
class RegionSettings:
    """How a scale's tokens are partitioned; the defaults are ours, `released` those of the released code.

    method: "kmeans", "grid", "sam" (from masks) or "none" (each token a region: plain top-k).
    clusters: k-means, at most this many regions a scale (600 as in the released evaluation commands).
    tokens_per_cluster: k-means, fewer regions where a scale is small: at most one for this many tokens. The
        count never depends on the budget, so that every budget is a prefix of one ranking.
    iterations, seed: of the k-means.
    feature_scale, coordinate_scale: weights of the L2-normalised embedding and of the position in a token's
        features.
    coordinates: "square" (tokens close together cluster together) or "tile" (as released: the place in the
        tile only).
    dims: embeddings are reduced to this many principal directions before clustering; None keeps them whole.
    sample: centres are fitted on this many tokens, then all tokens are assigned; None fits on all.
    exact: see `kmeans`.
    cells: "grid", cells along each side.
    """

    method: str = "kmeans"
    clusters: int = 600
    tokens_per_cluster: int = 28
    iterations: int = 10
    seed: int = 0
    feature_scale: float = 1.0
    coordinate_scale: float = 0.05
    coordinates: str = "square"
    dims: int | None = 48
    sample: int | None = 16384
    exact: bool = False
    cells: int = 24

    def __post_init__(self) -> None:
        if self.method not in REGIONS:
            raise InputError(f"Region method {self.method!r} is not known: use one of {', '.join(REGIONS)}.")
        if self.coordinates not in ("square", "tile"):
            raise InputError(f"Coordinates {self.coordinates!r} are not known: use square or tile")
        counts = {name: getattr(self, name) for name in ("clusters", "tokens_per_cluster", "iterations", "cells")}
        counts |= {name: getattr(self, name) for name in ("dims", "sample") if getattr(self, name) is not None}
        for name, value in counts.items():
            if value < 1:
                raise InputError(f"Region setting {name} is {value!r}: give a whole number from 1.")

    @classmethod
    def released(cls, clusters: int, iterations: int = 10, seed: int = 0) -> "RegionSettings":
        """k-means as the released code does it with `clusters` (its default: the budget), but seeded."""
        return cls(
            clusters=clusters,
            tokens_per_cluster=1,
            iterations=iterations,
            seed=seed,
            coordinates="tile",
            dims=None,
            sample=None,
        )

    def clusters_for(self, scale: Scale) -> int:
        """How many clusters k-means makes of this scale."""
        return max(1, min(self.clusters, scale.tokens // self.tokens_per_cluster))


def partition(
    embeddings: Tensor | None,
    scale: Scale,
    settings: RegionSettings | None = None,
    masks: np.ndarray | None = None,
) -> Tensor:
    """Region of each token of `scale`, int64[N], for its embeddings float[N, d] and the settings' method.

    Only k-means reads the embeddings; only "sam" needs `masks` (see `masks_to_regions`). Without masks "sam"
    calls every token background, which ranks as plain top-k, as released. Raises InputError where shapes do
    not fit.
    """
    settings = settings or RegionSettings()
    if settings.method == "grid":
        return grid_regions(scale, settings.cells)
    if settings.method == "none":
        return no_regions(scale)
    if settings.method == "sam":
        if masks is None:
            return torch.full((scale.tokens,), BACKGROUND, dtype=torch.int64)
        return masks_to_regions(masks, scale)
    if embeddings is None or embeddings.ndim != 2 or embeddings.shape[0] != scale.tokens:
        shape = None if embeddings is None else tuple(embeddings.shape)
        raise InputError(f"Embeddings of shape {shape} do not fit scale {scale.size}: give {scale.tokens} x d.")
    coordinates = square_coordinates(scale) if settings.coordinates == "square" else tile_coordinates(scale)
    return kmeans(
        token_features(
            embeddings,
            coordinates,
            settings.feature_scale,
            settings.coordinate_scale,
            dims=settings.dims,
            seed=settings.seed,
        ),
        settings.clusters_for(scale),
        settings.iterations,
        settings.seed,
        sample=settings.sample,
        exact=settings.exact,
    )


def partition_tiles(
    embeddings: Tensor, scale: Scale, settings: Settings, coordinates: str, masks: np.ndarray | None = None
) -> Tensor:
    """int64[N]: regions of a native scale's tokens, each inside one of the tiles looked at, so that they do not depend
    on which others were. As `partition` with the settings' method; k-means on whole embeddings, since reducing those of
    one tile takes longer than clustering them.

    embeddings: float[N, d]; coordinates: of the model's profile; masks: for "sam", of the upright image.
    """
    chosen = RegionSettings(
        method=settings.regions, seed=settings.seed, coordinates=coordinates, cells=_TILE_CELLS, dims=None
    )
    if settings.regions == "none":
        return no_regions(scale)
    tokens = scale.tile_grid**2
    if settings.regions == "sam":
        labels = torch.full((scale.tokens,), BACKGROUND) if masks is None else _labels_at(masks, scale)
        tile = torch.arange(scale.tokens) // tokens
        return torch.where(labels > BACKGROUND, labels + tile * (int(labels.max()) + 1), labels)
    one = Scale(scale.tile, scale.tile, scale.tile_grid)
    parts = [
        partition(embeddings[start : start + tokens], one, chosen).cpu() + start
        for start in range(0, scale.tokens, tokens)
    ]
    return torch.cat(parts)


def _labels_at(masks: np.ndarray, scale: Scale) -> Tensor:
    """int64[N]: the mask's label at each token's centre; masks as of `masks_to_regions`."""
    masks = paint_masks(masks) if masks.ndim == 3 else masks
    height, width = masks.shape
    side = max(height, width)
    column, row = (scale.centers * side).astype(int).T
    column, row = column - (side - width) // 2, row - (side - height) // 2
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    labels = np.where(inside, masks[row.clip(0, height - 1), column.clip(0, width - 1)], BACKGROUND)
    return torch.from_numpy(labels.astype(np.int64))


def token_features(
    embeddings: Tensor,
    coordinates: Tensor,
    feature_scale: float = 1.0,
    coordinate_scale: float = 0.05,
    dims: int | None = None,
    seed: int = 0,
) -> Tensor:
    """float32[N, d + 2]: what k-means clusters (`docs/released-code.md`, section 6).

    The embeddings float[N, d], L2-normalised and weighted; then coordinates float[N, 2] (x, y in 0..1),
    weighted. With `dims` below d the normalised embeddings are given by their `dims` principal directions
    (see `principal`), so the result is float32[N, dims + 2] and distances are approximate. Worked off in
    chunks of tokens.
    """
    count, width = embeddings.shape
    basis: Tensor | None = None
    if dims is not None and dims < width:
        drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:4096].sort().values
        mean, basis = principal(_normalised(embeddings[drawn.to(embeddings.device)]), dims, seed)
    columns = width if basis is None else basis.shape[1]
    features = torch.empty(count, columns + 2, device=embeddings.device)
    for start in range(0, count, _CHUNK):
        rows = slice(start, start + _CHUNK)
        part = _normalised(embeddings[rows])
        features[rows, :columns] = part if basis is None else (part - mean) @ basis
    features[:, :columns] *= feature_scale
    features[:, columns:] = coordinate_scale * coordinates.to(features)
    return features


def tile_coordinates(scale: Scale) -> Tensor:
    """float32[N, 2]: (x, y) of each token in its tile, 0..1, the same in every tile (the released code's)."""
    side = scale.tile_grid
    token = torch.arange(side**2)
    xy = torch.stack([token % side, token // side], dim=1) / (side - 1)
    return xy.repeat(scale.tiles**2, 1)


def square_coordinates(scale: Scale) -> Tensor:
    """float32[N, 2]: (x, y) of each token in the square, from 0 (first column or row) to 1 (last)."""
    row, col = scale.rowcol(np.arange(scale.tokens))
    return torch.from_numpy(np.stack([col, row], axis=1).astype(np.float32)) / (scale.grid - 1)


def grid_regions(scale: Scale, cells: int) -> Tensor:
    """int64[N]: the square cut into `cells` x `cells` squares (to a token), row-major."""
    cells = min(cells, scale.grid)
    row, col = scale.rowcol(np.arange(scale.tokens))
    return torch.from_numpy(row * cells // scale.grid * cells + col * cells // scale.grid)


def no_regions(scale: Scale) -> Tensor:
    """int64[N]: each token a region of its own, so that the ranking is plain top-k by importance."""
    return torch.arange(scale.tokens)


def paint_masks(masks: np.ndarray) -> np.ndarray:
    """Masks bool[n, H, W] -> int32[H, W] label map: 1..n painted from the largest area to the smallest, 0
    elsewhere.

    The smallest mask lies on top; labels number the masks in the order painted; equal areas keep their order.
    """
    masks = np.asarray(masks, dtype=bool)
    labels = np.zeros(masks.shape[1:], dtype=np.int32)
    for label, index in enumerate(np.argsort(-masks.sum(axis=(1, 2)), kind="stable"), 1):
        labels[masks[index]] = label
    return labels


def masks_to_regions(masks: np.ndarray, scale: Scale) -> Tensor:
    """SAM's masks cut to tokens -> int64[N], `BACKGROUND` where no mask rules (`docs/released-code.md`, sections 2
    and 7).

    masks: bool[n, H, W], painted from large to small, or an integer label map [H, W] (0 background, below 0
        never selectable), of the upright image or shrunk from it. It is padded with background to a centred
        square, resized to the scale by nearest neighbour, and each token's block takes its most frequent
        label (ties: the smallest).
    """
    masks = np.asarray(masks)
    if masks.ndim == 3:
        masks = paint_masks(masks)
    if masks.ndim != 2 or not masks.size or not np.issubdtype(masks.dtype, np.integer):
        raise InputError(f"Masks of shape {masks.shape} are not usable: give bool[n, H, W] or an integer map [H, W].")
    height, width = masks.shape
    side = max(height, width)
    square = np.zeros((side, side), dtype=np.int32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = masks
    resized = np.asarray(Image.fromarray(square).resize((scale.size, scale.size), Image.Resampling.NEAREST))
    patch = scale.patch
    blocks = resized.reshape(scale.grid, patch, scale.grid, patch).swapaxes(1, 2).reshape(scale.tokens, patch**2)
    return torch.from_numpy(_most_frequent(blocks)[scale.inverse])


def _most_frequent(blocks: np.ndarray) -> np.ndarray:
    """int64[n]: the most frequent value of each row, ties to the smallest."""
    ordered = np.sort(blocks, axis=1)
    starts = np.ones(ordered.shape, dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    start = np.flatnonzero(starts)
    lengths = np.diff(start, append=ordered.size)
    row = start // ordered.shape[1]
    # Rows are in order and values ascend in them, so the first longest run of a row is the smallest such
    # value.
    best = np.lexsort((start, -lengths, row))
    first = np.searchsorted(row[best], np.arange(len(ordered)))
    return ordered.ravel()[start[best[first]]].astype(np.int64)


def _normalised(embeddings: Tensor) -> Tensor:
    return torch.nn.functional.normalize(embeddings, dim=1).to(torch.float32)


def region_settings(settings: Settings, scale: Scale, sizes: tuple[int, ...], coordinates: str) -> RegionSettings:
    """What a question's settings mean for the partition of one of a model's scales.

    sizes: the model's scales; coordinates: its profile's. InputError where `settings.clusters` does not fit them.
    """
    if settings.clusters is None:
        return RegionSettings(method=settings.regions, seed=settings.seed, coordinates=coordinates)
    counts = settings.clusters
    if isinstance(counts, tuple) and len(counts) != len(sizes):
        raise InputError(f"clusters has {len(counts)} numbers; this model has {len(sizes)} scales")
    count = counts[sizes.index(scale.size)] if isinstance(counts, tuple) else counts
    released = RegionSettings.released(count, settings.iterations, settings.seed)
    return replace(released, method=settings.regions, coordinates=coordinates)
