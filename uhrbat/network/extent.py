"""How far an object reaches around a point: the tokens that look like what is asked for and lie side by side.

A model that lists places counts an object twice where its second half is still to be seen after its first was listed.
How much of the image an object takes is not known; it is taken from the similarity of the tokens that are there.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

LIKELY = -1.0
"""A token with a similarity logit above this looks like what is asked for."""
FINE = 2
"""Tokens up to so many times the finest side say where an object ends; larger ones cover what is beside it, too."""
LONG = 4
"""An object reaches this many times half its width there from a point of it: to its other end, but not to its
neighbours in a row of many."""


class Extents:
    """What lies around points, from the tokens that look like what is asked for.

    places: float[n, 2], centre (x, y) of each image token in 0..1 of the square, infinite for averages; sides:
    float[n], each token's side in 0..1; logits: float[n], their similarity logits; grid: tokens a side of the finest
    scale.
    """

    def __init__(self, places: Tensor, sides: Tensor, logits: Tensor, grid: int) -> None:
        self.places = places.double().cpu().numpy()
        self.grid = grid
        cells = np.round(sides.double().cpu().numpy() * grid).astype(int)
        likely = (logits.cpu().numpy() > LIKELY) & np.isfinite(self.places).all(1)
        self._likely = [(place, cell) for place, cell in zip(self.places[likely] * grid, cells[likely])]
        finite = np.where(np.isfinite(self.places), self.places, 0)
        self._cells = np.clip((finite * grid).astype(int), 0, grid - 1)
        self._alone = np.isfinite(self.places).all(1)

    @cached_property
    def _map(self) -> tuple[np.ndarray, np.ndarray]:
        """int32[grid, grid], which connected part each cell of the finest scale is of, 0 for none; and float32 of the
        same shape, cells from its nearest that is of none."""
        shown = np.zeros((self.grid, self.grid), np.uint8)
        finest = min((cell for _, cell in self._likely), default=1)
        for (x, y), cell in self._likely:
            if cell <= FINE * finest:
                left, top = round(x - cell / 2), round(y - cell / 2)
                shown[max(0, top) : top + cell, max(0, left) : left + cell] = 1
        return cv2.connectedComponents(shown, connectivity=4)[1], _inside(shown)

    def around(self, point: tuple[float, float], reach: float) -> Tensor:
        """bool[n]: the tokens of the object at a point (x, y), which is a little off: by at most `reach`, in 0..1."""
        labels, inside = self._map
        near = max(1, int(np.ceil(reach * self.grid)))
        column, row = (min(self.grid - 1, int(value * self.grid)) for value in point)
        rows = slice(max(0, row - near), row + near + 1)
        columns = slice(max(0, column - near), column + near + 1)
        here = labels[rows, columns]
        if not here.any():
            return torch.zeros(len(self.places), dtype=torch.bool)
        y, x = np.nonzero(here)
        nearest = np.argmin(np.maximum(abs(y + rows.start - row), abs(x + columns.start - column)))
        label = here[y[nearest], x[nearest]]
        part = labels == label
        wide = float(inside[rows, columns][here == label].max())
        y, x = self._cells[:, 1], self._cells[:, 0]
        close = np.maximum(abs(y - row), abs(x - column)) <= LONG * wide + near
        grown = cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        return torch.from_numpy(close & grown[y, x] & self._alone)


def _inside(shown: np.ndarray) -> np.ndarray:
    """float32, as `shown` uint8[grid, grid]: how far each cell is from the nearest that is not shown, in cells."""
    return cv2.distanceTransform(np.pad(shown, 1), cv2.DIST_C, 3)[1:-1, 1:-1]
