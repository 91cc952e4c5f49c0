"""Windows of real pictures and what their tokens are said to show."""

from __future__ import annotations

import numpy as np
import pytest

from uhrbat.data.kinds import INDEX, TOWER_KINDS
from uhrbat.data.real import training
from uhrbat.geometry import PATCH, TILE, TILE_GRID
from uhrbat.training.nano.windows import (
    NOT,
    SHOWN,
    UNKNOWN,
    Bag,
    RealWindows,
    Window,
    blank_labels,
    clipped,
    mark_boxes,
    moved,
    turned_window,
)


def marked(boxes, unsure=()):
    state = np.full((TILE_GRID, TILE_GRID), NOT, np.int8)
    mark_boxes(state, boxes, unsure)
    return state


def test_a_box_marks_the_tokens_it_covers():
    state = marked([(28.0, 42.0, 56.0, 56.0)])
    assert {tuple(place) for place in np.argwhere(state == SHOWN)} == {(3, 2), (3, 3)}


def test_an_object_smaller_than_a_token_marks_the_one_it_is_in():
    state = marked([(29.0, 43.0, 34.0, 47.0)])
    assert np.argwhere(state == SHOWN).tolist() == [[3, 2]]


def test_tokens_at_the_edge_of_a_box_and_unsure_ones_are_unknown():
    state = marked([(28.0, 28.0, 56.0, 58.0)], [(140.0, 140.0, 154.0, 154.0)])
    assert state[4, 2] == UNKNOWN
    assert state[10, 10] == UNKNOWN


def test_what_is_too_small_to_see_is_unknown():
    assert marked([(30.0, 30.0, 32.0, 32.0)])[2, 2] == UNKNOWN


def test_corners_of_a_large_box_are_unknown():
    state = marked([(0.0, 0.0, 140.0, 140.0)])
    assert state[0, 0] == UNKNOWN and state[5, 5] == SHOWN and state[0, 5] == SHOWN


def test_boxes_move_with_the_window():
    assert moved([(10, 20, 30, 40)], 10, 10, 2) == [(0, 20, 40, 60)]


def test_turning_moves_pixels_labels_and_bags_together():
    state, color, center, land = blank_labels()
    state[2, 3, 5] = SHOWN
    pixels = np.zeros((TILE, TILE, 3), np.uint8)
    pixels[3 * PATCH : 4 * PATCH, 5 * PATCH : 6 * PATCH] = 255
    window = Window(pixels, state, color, center, land, (Bag(2, slice(3, 4), slice(5, 6), 0.1),))
    for turn in range(4):
        for flip in (False, True):
            out = turned_window(window, turn, flip)
            (row, column), bag = np.argwhere(out.state[2] == SHOWN)[0], out.bags[0]
            assert out.pixels[row * PATCH + 7, column * PATCH + 7].min() == 255
            assert (bag.rows.start, bag.columns.start, bag.rows.stop - bag.rows.start) == (row, column, 1)


@pytest.fixture(scope="module")
def windows(pictures):
    return RealWindows(training(pictures), np.random.default_rng(0))


def test_every_sort_of_window_is_whole_and_says_something(windows):
    drawn = [windows.draw() for _ in range(30)]
    for window in drawn:
        assert window.pixels.shape == (TILE, TILE, 3) and window.pixels.dtype == np.uint8
        assert window.state.shape == (len(TOWER_KINDS), TILE_GRID, TILE_GRID)
        assert (window.state != UNKNOWN).any() or window.bags
    assert any((window.state[INDEX["car"]] == SHOWN).any() for window in drawn)
    assert any(window.bags for window in drawn)


def test_shown_tokens_lie_on_the_painted_object(pictures):
    windows = RealWindows([p for p in training(pictures) if p.boxes.get("car")], np.random.default_rng(1))
    reds = []
    for _ in range(12):
        window = windows.around("car")
        for row, column in np.argwhere(window.state[INDEX["car"]] == SHOWN):
            cut = window.pixels[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            reds.append(float(cut[..., 0].max()) - float(cut[..., 1].min()))
    assert len(reds) > 10 and np.mean(np.array(reds) > 60) > 0.9


def test_pictures_with_points_show_trees_there_and_none_far_off(windows):
    window = windows.points()
    trees = window.state[INDEX["tree"]]
    assert (trees == NOT).any()
    assert set(np.unique(window.state[INDEX["car"]])) == {UNKNOWN}


def test_without_bags_scene_classes_teach_only_what_is_absent(pictures):
    windows = RealWindows(training(pictures), np.random.default_rng(0), bags=False)
    assert not any(windows.mosaic().bags for _ in range(10))


def test_the_same_generator_draws_the_same(pictures):
    one, other = (RealWindows(training(pictures), np.random.default_rng(7)).draw() for _ in range(2))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.state, other.state)


def test_an_object_at_a_cell_s_edge_is_not_denied_by_the_next_cell(pictures):
    windows = RealWindows([p for p in training(pictures) if p.boxes.get("car")], np.random.default_rng(2))
    denied = 0
    for _ in range(6):
        window = windows.mosaic(9)
        red = (window.pixels[..., 0].astype(int) - window.pixels[..., 1] > 70).reshape(24, 14, 24, 14).mean((1, 3))
        denied += int((window.state[INDEX["car"]] == NOT)[red > 0.3].sum())
        assert (window.state[INDEX["car"]] == SHOWN).any()
    assert denied <= 2


def test_boxes_are_clipped_to_a_cell():
    assert clipped((5, 5, 20, 20), (0, 0, 10, 30)) == (5, 5, 10, 20)
    assert clipped((50, 5, 60, 20), (0, 0, 10, 30))[::2] == (10, 10)
