"""The viewer card: the image with its token maps, boxes and points."""

from __future__ import annotations

from uhrbat.geometry import Square
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


def rectangles(square: Square, box: Box) -> list[dict[str, list[int]]]:
    """For each scale the first and last row and column of the tokens that a box touches."""
    found = []
    for scale in square.scales:
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
                "scored": scale.scored,
                "low": float(scale.importance.min()),
                "high": float(scale.importance.max()),
                **{kind: f"run/{run.id}/{scale.size}/{kind}.png" for kind in ("rank", "importance", "region")},
            }
            for scale in run.asked.scales
        ],
    }
