"""How far a picture is from those that a model has seen: a distance of its tiles' features from the training's.

A tile is summed up by the mean and the deviation of its tokens' features and by its brightness. Training pictures give
their mean and, by principal components, the deviation along each direction; the distance of a tile is its root mean
square deviation in those units (Mahalanobis), that of a picture the median of its tiles'. A picture by night differs
little in that and much in brightness, so a picture darker than any of the training is not seen either.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SHOWN = 0.2
"""How much of a tile must show the picture: of a long strip no tile shows half."""


class Familiarity(nn.Module):
    """mean float[2 width], whitening float[2 width, directions], limit float[1]: the largest distance that was seen,
    darkest float[1]: the lowest brightness (0..1)."""

    mean: Tensor
    whitening: Tensor
    limit: Tensor
    darkest: Tensor

    def __init__(self, width: int, directions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * width))
        self.register_buffer("whitening", torch.zeros(2 * width, directions))
        self.register_buffer("limit", torch.full((1,), torch.inf))
        self.register_buffer("darkest", torch.zeros(1))

    def distance(self, summaries: Tensor) -> float:
        """Tiles' summaries float[n, 2 width + 1] -> the picture's distance; 0 where it has no tile."""
        if not len(summaries):
            return 0.0
        apart = (summaries[:, :-1].float() - self.mean.float()) @ self.whitening.float()
        return float(apart.square().mean(-1).sqrt().median())

    def seen(self, summaries: Tensor) -> bool:
        """Whether pictures such as this one were seen in training."""
        return brightness(summaries) >= float(self.darkest) and self.distance(summaries) <= float(self.limit)

    @torch.no_grad()
    def fit(self, summaries: Tensor, shrinkage: float = 0.02) -> None:
        """Take mean and directions from training tiles' summaries float[n, 2 width + 1]; the limits are set apart.

        shrinkage: this share of the mean variance is added to every direction, so that none is all but forbidden.
        """
        features = summaries[:, :-1].float()
        mean = features.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((features - mean).T))
        values = values.clamp(min=0) + shrinkage * values.mean()
        count = self.whitening.shape[1]
        self.mean.copy_(mean)
        self.whitening.copy_(vectors[:, -count:] / values[-count:].sqrt())


def brightness(summaries: Tensor) -> float:
    """How bright a picture is, 0..1: the median of its tiles'; 1 where it has none."""
    return float(summaries[:, -1].median()) if len(summaries) else 1.0


def summary(features: Tensor, light: Tensor, valid: Tensor) -> Tensor:
    """Tiles' features float[b, t, width], their tokens' brightness float[b, t] and which tokens show the picture
    bool[b, t] -> float[n, 2 width + 1] of the tiles of which at least SHOWN does."""
    kept = valid.float().mean(1) >= SHOWN
    features, weight = features[kept].float(), valid[kept].float()[..., None]
    total = weight.sum(1)
    mean = (features * weight).sum(1) / total
    spread = ((features - mean[:, None]).square() * weight).sum(1) / total
    dark = light[kept].float().masked_fill(~valid[kept], torch.nan).nanmedian(1).values
    return torch.cat([mean, spread.clamp(min=1e-8).sqrt(), dark[:, None]], -1)
