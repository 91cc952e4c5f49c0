"""Windows of generated worlds carry the labels of the pool."""

from __future__ import annotations

import numpy as np
import pytest

from uhrbat.data.kinds import INDEX
from uhrbat.geometry import PATCH, TILE, TILE_GRID
from uhrbat.training.nano.windows import NOT, SHOWN, UNKNOWN
from uhrbat.training.nano.worlds import WorldWindows, grid_of
from uhrbat.worlds import COLORS

CAR = (7, 4032, 2000 // PATCH, 1000 // PATCH)


@pytest.fixture
def worlds(pool):
    return WorldWindows(pool, np.random.default_rng(0))


def test_a_cut_shows_its_object_in_its_colour_and_no_other(worlds):
    seed, size, row, column = CAR
    window = worlds.cut(seed, size, row - 4, column - 4, 8)
    car = window.state[INDEX["car"]] == SHOWN
    assert 2 <= car.sum() <= 6
    assert set(window.color[car]) == {COLORS.index("red")}
    assert (window.state[INDEX["ship"]] == NOT).all()
    assert (window.state[INDEX["tree"]] == UNKNOWN).all()
    rows, columns = np.nonzero(car)
    assert all(
        window.pixels[r * PATCH : r * PATCH + 14, c * PATCH : c * PATCH + 14, 0].max() > 200
        for r, c in zip(rows, columns)
    )


def test_windows_are_whole_tiles(worlds):
    for share in (0.0, 1.0):
        window = worlds.draw(laid=share)
        assert window.pixels.shape == (TILE, TILE, 3)
        assert window.state.shape[1:] == (TILE_GRID, TILE_GRID)
        assert (window.land == 4).all()


def test_parts_lie_around_mistakes(worlds):
    worlds.add_mistakes([CAR])
    for _ in range(20):
        seed, size, row, column = worlds.place(1.0, 8)
        assert (seed, size) == CAR[:2]
        assert row <= CAR[2] < row + 8 and column <= CAR[3] < column + 8
        assert row // TILE_GRID == (row + 7) // TILE_GRID


def test_mistakes_are_forgotten_in_order(pool):
    worlds = WorldWindows(pool, np.random.default_rng(0), capacity=2)
    worlds.add_mistakes([(7, 672, 0, 0), (7, 672, 1, 1), (7, 672, 2, 2)])
    assert [place[2] for place in worlds.mistakes] == [1, 2]


def test_nine_parts_are_laid_in_three_rows():
    parts = [np.full((2, 2), index) for index in range(9)]
    assert grid_of(parts)[::2, ::2].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
