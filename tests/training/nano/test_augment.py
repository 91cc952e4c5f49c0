"""Pictures are changed as cameras differ, and stay pictures."""

from __future__ import annotations

import numpy as np
import pytest

from uhrbat.training.nano.augment import degraded, recoloured

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


@pytest.mark.parametrize("change", [recoloured, degraded])
def test_shape_dtype_and_seed(change):
    for seed in range(12):
        out = change(PICTURE, np.random.default_rng(seed))
        assert out.shape == PICTURE.shape and out.dtype == np.uint8
        np.testing.assert_array_equal(out, change(PICTURE, np.random.default_rng(seed)))


def test_colours_move_but_stay_near():
    apart = [abs(recoloured(PICTURE, np.random.default_rng(seed)).mean() - PICTURE.mean()) for seed in range(40)]
    assert 2 < np.median(apart) < 60


def test_half_of_the_pictures_are_left_alone():
    same = [degraded(PICTURE, np.random.default_rng(seed)) is PICTURE for seed in range(60)]
    assert 0.3 < np.mean(same) < 0.7
