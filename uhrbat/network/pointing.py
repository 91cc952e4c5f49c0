"""How a model that points before it answers lists places (nano), and how the likeliest next id is chosen among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uhrbat.network.extent import Extents
from uhrbat.network.text import TextCodec

BESIDE = 1.5
"""Two points this near, in bins of the location tokens, along both axes are one place."""

MOST_PLACES = 16
"""After so many points the answer follows: evidence of more was never listed in training, and a list that does not end
has no answer."""


@dataclass(frozen=True)
class Pointing:
    """What a model that points sees of the image while it lists places, and which places it may not list again.

    codec: of the model, with its location tokens. places: float[n, 2], the centre (x, y) of each image token in 0..1
    of the square, infinite for averages. reach: `NetworkConfig.inhibition`, a share of the square's side. extents: how
    far objects reach, where the tokens have similarity logits.
    """

    codec: TextCodec
    places: Tensor
    reach: float
    extents: Extents | None = None

    def near(self, ids: list[int]) -> Tensor | None:
        """bool[n]: the image tokens within reach of the points that `ids` list, and those of the objects at them; None
        where they list none."""
        points = [point for _, point in self.codec.points(ids)]
        if not points or not self.reach:
            return None
        distance = (self.places[:, None] - torch.tensor(points, device=self.places.device)).abs().amax(-1)
        close = (distance < self.reach).any(1)
        if self.extents:
            for point in points:
                close |= self.extents.around(point, self.reach).to(close.device)
        return close

    def allow(self, ids: list[int], logits: Tensor) -> None:
        """Rule out, in place, what cannot follow `ids`: a row is followed by a column, and MOST_PLACES points by words.

        logits: float[1, vocabulary].
        """
        rows = torch.tensor(self.codec.y_ids, device=logits.device)
        if ids and ids[-1] in self.codec.y_ids:
            columns = torch.tensor(self.codec.x_ids, device=logits.device)
            kept = logits[:, columns].clone()
            logits.fill_(-torch.inf)
            logits[:, columns] = kept
        elif sum(id_ in self.codec.y_ids for id_ in ids) >= MOST_PLACES:
            logits[:, rows] = -torch.inf

    def repeated(self, ids: list[int]) -> list[int]:
        """The ids of the last point's row and of the rows beside it, where `ids` end in a point beside an earlier one.

        Empty where they do not.
        """
        *earlier, (index, (x, y)) = self.codec.points(ids) or [(-1, (0.0, 0.0))]
        limit = BESIDE / max(1, self.codec.point_bins)
        beside = any(abs(x - other_x) < limit and abs(y - other_y) < limit for _, (other_x, other_y) in earlier)
        if index != len(ids) - 1 or not beside:
            return []
        row = self.codec.bin(y)
        return list(self.codec.y_ids[max(0, row - 1) : row + 2])


def most_likely(logits: Tensor, together: Sequence[int] = ()) -> Tensor:
    """Greedy choice int64[n] of logits float[n, vocabulary]; the ids in `together` win or lose as one.

    A place is as likely as all places are, since each shares its likelihood with its neighbours
    (`TextCodec.point_starts`): by itself none might ever outweigh the one id that ends the listing.
    """
    if not len(together):
        return logits.argmax(-1)
    group = torch.tensor(together, device=logits.device)
    others = logits.index_fill(-1, group, -torch.inf)
    wins = logits[:, group].logsumexp(-1) > others.amax(-1)
    return torch.where(wins, group[logits[:, group].argmax(-1)], others.argmax(-1))
