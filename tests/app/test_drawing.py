import numpy as np
import pytest
from PIL import Image

from app import drawing
from uhrbat.choices import DROPPED, MERGED, PADDING, PRESERVED


def test_the_picture_of_a_view_lies_where_it_says(run):
    pixels, place = drawing.picture_of(run, (1000, 2000, 1600, 2300))
    whole, everything = drawing.picture_of(run, (0, 0, run.square.width, run.square.height))
    assert place[0] <= 1000 and place[1] <= 2000 and place[2] >= 1600 and place[3] >= 2300
    assert everything == pytest.approx((0, 0, run.square.width, run.square.height), abs=8)
    step = whole.shape[1] / everything[2]
    x0, y0, x1, y1 = (round(value * step) for value in place)
    small = np.asarray(Image.fromarray(pixels).resize((x1 - x0, y1 - y0), Image.Resampling.BOX), dtype=float)
    assert np.abs(small - whole[y0:y1, x0:x1]).mean() < 12


def test_what_the_model_sees_is_the_mean_of_each_average():
    fates = np.array([[PRESERVED, MERGED], [MERGED, DROPPED]], np.uint8)
    colors = np.zeros((2, 2, 3))
    colors[0, 1], colors[1, 0] = (1, 0, 0), (0, 1, 0)
    seen = drawing.seen_colors(fates, np.array([[1, 2], [2, 9]]), colors)
    assert seen[0, 0, 3] == 0 and seen[1, 1].tolist() == [0, 0, 0, 1]
    assert seen[0, 1].tolist() == seen[1, 0].tolist() == [0.5, 0.5, 0, 1]


def test_averages_are_the_stronger_the_more_they_mix_and_padding_is_hatched():
    fates = np.array([[MERGED, MERGED, PRESERVED], [PADDING] * 3], np.uint8)
    painted = drawing.fate_colors(fates, np.array([[3, 300, 1], [1, 1, 1]]))
    assert painted[0, 0, 3] < painted[0, 1, 3] and painted[0, 2, 3] == 0
    assert (painted[1, :, 3] > 0).any()


@pytest.mark.parametrize(
    ("most", "bar"), [(7, (5, "5 m")), (2.5, (2, "2 m")), (1999, (1000, "1 km")), (0.3, (0.2, "0.2 m"))]
)
def test_a_scale_bar_is_a_round_length(most, bar):
    assert drawing.bar_of(most) == (pytest.approx(bar[0]), bar[1])
