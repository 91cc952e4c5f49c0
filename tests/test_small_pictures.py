"""A picture smaller than a model's least side lies in the middle of a square of that side."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny import engine
from uhrbat.geometry import Square
from uhrbat.imagery import canvas_of, scale_image

LEAST = 400


@pytest.fixture(scope="module")
def model():
    made = engine()
    made.network.config = replace(made.network.config, least_side=LEAST)
    return made


def test_the_square_is_at_least_so_large():
    small, large = Square(100, 60, least=LEAST), Square(500, 60, least=LEAST)
    assert (small.side, small.offset) == (400, (150, 170)) and (large.side, large.offset) == (500, (0, 220))
    assert small.all_image_tokens < Square(100, 60).all_image_tokens
    x0, y0, x1, y1 = small.token_box(672, small.token_at(672, 50, 30))
    assert x0 <= 50 < x1 and y0 <= 30 < y1


def test_the_picture_is_in_its_middle():
    picture = np.full((200, 200, 3), 200, np.uint8)
    shown = scale_image(canvas_of(picture), 672, LEAST)
    assert (shown[170:500, 170:500] == 200).all() and not (shown[:160] == 200).any()


def test_only_tiles_that_show_it_are_encoded(model):
    """And its tokens are those of the picture in the middle of a larger one made by hand."""
    picture = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    seen: list[str] = []
    encoded = model.encode_canvas(canvas_of(picture), progress=lambda stage, share, message: seen.append(message))
    tiles = sum(scale.tiles**2 for scale in encoded.square.scales)
    assert encoded.square.side == LEAST and f"of {tiles} tiles" not in " ".join(seen)
    laid = np.empty((LEAST, LEAST, 3), np.uint8)
    laid[:] = scale_image(canvas_of(picture), 672, LEAST)[0, 0]
    laid[150:250, 150:250] = picture
    whole = model.encode_canvas(canvas_of(laid))
    for size, excluded in encoded.excluded.items():
        kept = ~excluded
        assert kept.any() and excluded.any()
        np.testing.assert_allclose(encoded.embeddings[size][kept], whole.embeddings[size][kept], atol=1e-4)
