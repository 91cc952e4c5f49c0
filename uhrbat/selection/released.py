"""What the released code does only when it infers, not when it was trained: kept apart, used on request.

`Settings(release=True)` asks for it (docs/docs/released-code.md, sections 1 and 6).
"""

from __future__ import annotations

import torch
from torch import Tensor

from uhrbat.geometry import Scale
from uhrbat.selection.regions import RegionSettings, kmeans, square_coordinates, tile_coordinates, token_features


def unseeded_kmeans(embeddings: Tensor, scale: Scale, settings: RegionSettings) -> Tensor:
    """Regions int64[N] by k-means whose initial centres come from PyTorch's global generator: two runs differ."""
    coordinates = square_coordinates(scale) if settings.coordinates == "square" else tile_coordinates(scale)
    features = token_features(embeddings, coordinates, settings.feature_scale, settings.coordinate_scale)
    clusters = settings.clusters_for(scale)
    init = torch.randperm(len(features))[:clusters] if clusters > 1 else None
    return kmeans(features, clusters, settings.iterations, init=init, exact=True)
