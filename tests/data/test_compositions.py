"""Compositions hold exactly what they say they hold."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.made_pictures import BOX
from uhrbat.data.compositions import Composer, Cut, shown_boxes
from uhrbat.data.real import Picture, training


@pytest.fixture(scope="module")
def composer(pictures):
    return Composer(training(pictures))


@pytest.fixture(scope="module")
def found(composer):
    return composer.compose("car", np.random.default_rng(3), (2, 4), (8, 60))


def test_the_number_of_objects_is_as_asked(found):
    assert 2 <= len(found.boxes) <= 4
    assert found.image.shape == (4032, 4032, 3) and found.image.dtype == np.uint8


def test_red_is_where_boxes_are_and_nowhere_else(found):
    red = (found.image[..., 0] > 160) & (found.image[..., 1] < 90)
    inside = np.zeros(red.shape, bool)
    for x0, y0, x1, y1 in found.boxes:
        box = np.s_[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
        assert red[box].mean() > 0.5
        inside[int(y0) - 3 : int(y1) + 4, int(x0) - 3 : int(x1) + 4] = True
    assert not (red & ~inside).any()


def test_sizes_are_at_scale_4032(composer):
    small, large = (composer.compose("car", np.random.default_rng(5), (1, 3), (10, 20), side) for side in (4032, 8064))
    assert len(large.image) == 8064
    np.testing.assert_allclose(small.sizes, large.sizes, rtol=0.05)
    assert all(9 < size < 31 for size in small.sizes)


def test_none_at_all(composer):
    assert composer.compose("car", np.random.default_rng(0), (0, 0)).boxes == ()


def test_the_same_generator_lays_the_same(composer, found):
    again = composer.compose("car", np.random.default_rng(3), (2, 4), (8, 60))
    assert again.boxes == found.boxes
    np.testing.assert_array_equal(again.image, found.image)


def test_a_mosaic_shows_whole_pictures_with_all_their_objects(composer):
    """Objects are many times as large as in a composition of the same pictures, and red is where they are alone."""
    mosaic = composer.mosaic(("car",), np.random.default_rng(1), 4)
    assert mosaic.image.shape == (4032, 4032, 3) and set(mosaic.labels) == {"car"}
    small = composer.compose("car", np.random.default_rng(1), (2, 4), (10, 60)).sizes
    assert min(mosaic.sizes) > 1.5 * max(small)
    red = (mosaic.image[..., 0] > 160) & (mosaic.image[..., 1] < 90)
    for x0, y0, x1, y1 in mosaic.boxes:
        box = np.s_[max(0, int(y0) - 9) : int(y1) + 10, max(0, int(x0) - 9) : int(x1) + 10]
        assert red[box].mean() > 0.3
        red[box] = False
    assert not red.any()


def test_a_kind_that_no_picture_boxes_is_refused(composer):
    with pytest.raises(ValueError, match="storage tank"):
        composer.compose("storage tank", np.random.default_rng(0))


def test_boxes_are_cut_to_what_is_shown(tmp_path):
    picture = Picture(tmp_path / "one.jpg", {"car": [tuple(map(float, BOX))]})
    assert shown_boxes(Cut(picture, 30, 40, 64), "car", 100, 200, 128) == [(120, 220, 168, 244)]
    assert shown_boxes(Cut(picture, 70, 40, 50), "car", 0, 0, 100) == []
