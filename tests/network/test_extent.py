"""How far an object reaches around a point that was listed."""

import pytest
import torch

from uhrbat.network.extent import Extents

GRID = 32
REACH = 1 / GRID


def grid_of(*boxes: tuple[int, int, int, int]) -> torch.Tensor:
    """Logits of a grid of tokens, high in boxes of (left, top, right, bottom) cells."""
    logits = torch.full((GRID, GRID), -4.0)
    for left, top, right, bottom in boxes:
        logits[top:bottom, left:right] = 2.0
    return logits


def around(logits: torch.Tensor, point: tuple[float, float], reach: float = REACH) -> set[tuple[int, int]]:
    """(column, row) of the cells that are of the object at a point given in cells."""
    rows, columns = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    places = (torch.stack([columns.flatten(), rows.flatten()], 1) + 0.5) / GRID
    extents = Extents(places, torch.full((GRID * GRID,), 1 / GRID), logits.flatten(), GRID)
    found = extents.around((point[0] / GRID, point[1] / GRID), reach)
    return {(int(index) % GRID, int(index) // GRID) for index in found.nonzero().flatten()}


@pytest.mark.parametrize("point", [(10.5, 10.5), (8.5, 8.5), (12.5, 11.5)])
def test_a_whole_object_and_no_other(point):
    """A long object of 12 x 4, and another, two cells beside it."""
    found = around(grid_of((4, 8, 16, 12), (19, 8, 24, 12)), point)
    assert {(x, y) for x in range(4, 16) for y in range(8, 12)} <= found
    assert not any(x >= 18 for x, _ in found)


def test_objects_side_by_side_in_a_row_are_not_one():
    """Four of 2 x 4 touch one another: what is far from the point is another's."""
    found = around(grid_of((4, 8, 28, 10)), (5.0, 9.0))
    assert (5, 8) in found and not any(x > 5 + 4 + 1 for x, _ in found)


def test_a_point_that_is_a_little_off_takes_the_nearest():
    logits = grid_of((10, 10, 14, 14))
    assert around(logits, (9.5, 12.0)) and not around(logits, (6.5, 12.0))


def test_nothing_likely_hides_nothing():
    assert not around(grid_of(), (16.0, 16.0))


def test_averages_and_coarse_tokens():
    """An average has no place; a token of a coarser scale does not enlarge the object under it."""
    fine = [(10.5, 10.5), (11.5, 10.5), (20.5, 10.5)]
    coarse = [(12.0, 12.0), (20.0, 12.0)]
    places = torch.tensor([*fine, *coarse]) / GRID
    places = torch.cat([places, torch.full((1, 2), torch.inf)])
    sides = torch.tensor([1 / GRID] * 3 + [8 / GRID] * 2 + [0.0])
    found = Extents(places, sides, torch.full((6,), 1.0), GRID).around((10.5 / GRID, 10.5 / GRID), REACH)
    assert found.tolist() == [True, True, False, False, False, False]
