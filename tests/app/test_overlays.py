import io

import numpy as np
import pytest
from PIL import Image

from app import overlays
from tests.support.fake_worker import scale_map
from uhrbat.geometry import Scale


def read(png: bytes) -> np.ndarray:
    """The numbers that a browser reads from a map, int64[G, G]."""
    pixels = np.asarray(Image.open(io.BytesIO(png)), dtype=np.int64)
    assert pixels.ndim == 3 and pixels.shape[2] == 3
    return (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]


@pytest.mark.parametrize("size", [672, 1344])
def test_every_token_stands_at_its_row_and_column(size):
    made, scale = scale_map(Scale(size), 3), Scale(size)
    numbers = read(overlays.rank_png(made, Scale(made.size)))
    rows, cols = scale.rowcol(np.arange(scale.tokens))
    assert np.array_equal(numbers[rows, cols] & (overlays.MERGED_BIT - 1), made.rank)
    assert np.array_equal((numbers[rows, cols] & overlays.MERGED_BIT) > 0, made.merged)
    assert np.array_equal(read(overlays.region_png(made, Scale(made.size)))[rows, cols], made.region)


def test_importance_keeps_its_range_and_order():
    made, scale = scale_map(Scale(672), 3), Scale(672)
    numbers = read(overlays.importance_png(made, Scale(made.size)))[scale.rowcol(np.arange(scale.tokens))]
    assert numbers.min() == 0 and numbers.max() == overlays.HEADROOM
    low, high = made.importance.astype(float).min(), made.importance.astype(float).max()
    assert np.abs(low + numbers / overlays.HEADROOM * (high - low) - made.importance).max() < (high - low) / 60000


def test_equal_importances_make_a_flat_map():
    made = scale_map(Scale(672), 3)
    flat = type(made)(672, np.ones(2304, np.float16), made.rank, made.merged, made.region, made.members, made.padding)
    assert not read(overlays.importance_png(flat, Scale(flat.size))).any()


def test_tokens_without_a_region_have_a_number_of_their_own():
    made = scale_map(Scale(672), 3)
    alone = type(made)(672, made.importance, made.rank, made.merged, np.full(2304, -1), made.members, made.padding)
    assert (read(overlays.region_png(alone, Scale(alone.size))) == (1 << 24) - 1).all()


def test_a_thumbnail_is_the_scene_square(picture):
    image = Image.open(io.BytesIO(overlays.thumbnail(picture)))
    pixels = np.asarray(image)
    assert image.size == (288, 288)
    assert pixels[:50].max() < 30 and pixels[-50:].max() < 30  # padding above and below
    assert pixels[100:180].std() > 10
