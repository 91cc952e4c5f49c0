"""The viewer card: the image with its token maps, boxes and points."""

from __future__ import annotations

from collections.abc import Iterable

from uhrbat.geometry import Scale, Square
from uhrbat.results import Box

from ..panel import Panel
from ..state.runs import KeptRun
from .card import Card, Json


class ViewerCard(Card):
    """Deep zoom and layers."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("viewer", "box", elem_id="viewer")

    def wire(self, long: Json, quick: Json) -> None:
        inspected = self.cards.object
        self.panel.box(inspected.inspect, self.cards.budget.panel, inspected.panel, **quick)


def rectangles(square: Square, box: Box, sizes: Iterable[int] | None = None) -> list[dict[str, list[int]]]:
    """For each scale, or for scales of these sizes, the first and last row and column of the tokens that a box touches,
    whether they were looked at or not."""
    found = []
    for size in square.sizes if sizes is None else sizes:
        scale = Scale(size, square.tile, square.tile_grid)
        rows, cols = scale.rowcol(square.tokens_in_box(scale, box))
        found.append({"rows": [int(rows.min()), int(rows.max())], "cols": [int(cols.min()), int(cols.max())]})
    return found


def maps_value(run: KeptRun) -> Json:
    """Where the browser finds the token maps of a question, and how to read them."""
    grids = {scale.size: scale.grid for scale in run.scales}
    return {
        "id": run.id,
        "question": run.question,
        "importance": run.asked.run.importance,
        "scales": [
            {
                "size": scale.size,
                "grid": grids[scale.size],
                "tokens": len(scale.rank),
                "looked": None if scale.looked is None else list(scale.looked),
                "scored": scale.scored,
                "low": float(scale.importance.min()),
                "high": float(scale.importance.max()),
                **{kind: f"run/{run.id}/{scale.size}/{kind}.png" for kind in ("rank", "importance", "region")},
            }
            for scale in run.asked.scales
        ],
    }
