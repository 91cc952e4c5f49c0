import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uhrbat.budget import PRESETS, budgets_of, smallest_total, split_budget
from uhrbat.errors import InputError
from uhrbat.geometry import SCALES, Scale, Square

sides = st.integers(1, 200_000)
sizes = st.sampled_from(SCALES)
fractions = st.floats(0, 1, allow_nan=False)


def test_scales_have_the_tokens_of_the_plan():
    assert [Scale(size).tokens for size in SCALES] == [2304, 9216, 36864, 82944]
    assert Square(100, 50).tokens == 131328
    assert (Scale(4032).tiles, Scale(4032).grid) == (12, 288)


def test_tile_major_order_of_a_small_scale():
    scale = Scale(672)
    assert scale.index(0, 0) == 0
    assert scale.index(0, 23) == 23
    assert scale.index(0, 24) == 576
    assert scale.index(1, 0) == 24
    assert scale.index(24, 0) == 2 * 576
    assert scale.rowcol(3 * 576 + 25) == (25, 25)


@pytest.mark.parametrize("size", SCALES)
def test_permutation_turns_tile_major_into_raster_and_back(size):
    scale = Scale(size)
    row, col = scale.rowcol(np.arange(scale.tokens))
    assert np.array_equal(scale.index(row, col), np.arange(scale.tokens))
    raster = row[scale.permutation].reshape(scale.grid, scale.grid)
    assert np.array_equal(raster, np.repeat(np.arange(scale.grid)[:, None], scale.grid, axis=1))
    assert np.array_equal(raster.ravel()[scale.inverse], row)
    assert np.allclose(scale.centers[:, 0] * scale.grid, col + 0.5, atol=1e-3)
    assert np.allclose(scale.centers[:, 1] * scale.grid, row + 0.5, atol=1e-3)
    assert scale.centers.dtype == np.float32
    with pytest.raises(ValueError):
        scale.permutation[0] = 1


def test_the_image_is_centred_as_the_released_code_centres_it():
    assert Square(1000, 701).offset == (0, 149)
    assert Square(701, 1000).offset == (149, 0)
    assert Square(1000, 701).to_square((0, 0, 1000, 701)).tolist() == [0, 149, 1000, 850]


@given(sides, sides, sizes, st.data())
def test_a_tokens_box_holds_that_token_and_no_other(width, height, size, data):
    square, scale = Square(width, height), Scale(size)
    inside = np.flatnonzero(~square.padding(scale))
    index = int(inside[data.draw(st.integers(0, len(inside) - 1))])
    box = square.token_box(scale, index)
    assert square.tokens_in_box(scale, box).tolist() == [index]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    assert square.token_at(scale, x, y) == index


@given(sides, sides, sizes, fractions, fractions)
def test_a_point_of_the_image_lies_in_the_box_of_its_token(width, height, size, u, v):
    square = Square(width, height)
    x, y = u * width, v * height
    x0, y0, x1, y1 = square.token_box(size, square.token_at(size, x, y))
    slack = 1e-6 * square.side
    assert x0 - slack <= x <= x1 + slack and y0 - slack <= y <= y1 + slack


@given(sides, sides, sizes, st.tuples(fractions, fractions, fractions, fractions))
def test_tokens_of_a_box_cover_it_and_reach_no_further_than_a_token(width, height, size, corners):
    square, scale = Square(width, height), Scale(size)
    x0, x1 = sorted((corners[0] * width, corners[2] * width))
    y0, y1 = sorted((corners[1] * height, corners[3] * height))
    if not (x0 < x1 and y0 < y1 and x0 < width and y0 < height and x1 > 0 and y1 > 0):
        with pytest.raises(InputError):
            square.tokens_in_box(scale, (x0, y0, x1, y1))
        return
    tokens = square.tokens_in_box(scale, (x0, y0, x1, y1))
    boxes = square.token_box(scale, tokens)
    step = square.side / scale.grid
    left, top, right, bottom = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
    slack = 2e-6 * step + 1e-6
    assert left <= x0 + slack and top <= y0 + slack and right >= x1 - slack and bottom >= y1 - slack
    assert left > x0 - step - slack and top > y0 - step - slack
    assert right < x1 + step + slack and bottom < y1 + step + slack
    assert tokens.dtype == np.int64 and np.all(np.diff(tokens) > 0)


@given(sides, sides, st.tuples(*[st.floats(-1e6, 1e6)] * 4))
def test_square_and_image_coordinates_are_inverse(width, height, box):
    square = Square(width, height)
    assert np.allclose(square.to_image(square.to_square(box)), box, atol=1e-6)


@given(sides, sides, sizes)
def test_tokens_are_padding_where_their_box_misses_the_image(width, height, size):
    square, scale = Square(width, height), Scale(size)
    x0, y0, x1, y1 = square.token_box(scale, np.arange(scale.tokens)).T
    edge = 2e-6 * square.side / scale.grid + 1e-6
    outside = (x1 <= edge) | (y1 <= edge) | (x0 >= width - edge) | (y0 >= height - edge)
    clearly_inside = (x1 > edge) & (y1 > edge) & (x0 < width - edge) & (y0 < height - edge)
    padding = square.padding(scale)
    assert not padding[clearly_inside].any()
    assert padding[outside].sum() >= outside.sum() - 2 * scale.grid
    assert not padding.all()
    assert square.image_tokens(scale) == (~padding).sum()


@pytest.mark.parametrize(
    "box",
    [
        (5, 5, 5, 9),
        (9, 5, 5, 9),
        (0, 0, float("nan"), 5),
        (0, 0, float("inf"), 5),
        (200, 0, 300, 5),
        (0, -9, 5, 0),
        (1, 2, 3),
        "box",
        None,
        [[0, 0, 1, 1]],
    ],
)
def test_unusable_boxes_are_refused(box):
    with pytest.raises(InputError, match="box"):
        Square(200, 100).tokens_in_box(672, box)


def test_a_box_over_the_edge_keeps_what_lies_in_the_square():
    square = Square(672, 336)
    assert len(square.tokens_in_box(672, (-50, -50, 14, 14))) == 5
    assert square.tokens_in_box(672, (-1e9, -1e9, 1e9, 1e9)).tolist() == list(range(2304))


def test_unusable_sizes_points_and_scales_are_refused():
    for width, height in ((0, 5), (5, -1), (2.5, 5), (True, 5)):
        with pytest.raises(InputError):
            Square(width, height)
    for sizes_ in ((), (670,), (672, 672), (1344, 672), (0,)):
        with pytest.raises(InputError):
            Square(5, 5, sizes_)
    for x, y in ((-1, 5), (5, 201), (float("nan"), 5)):
        with pytest.raises(InputError):
            Square(200, 200).token_at(672, x, y)


def test_presets_are_what_the_paper_spends():
    assert split_budget(3000, SCALES) == PRESETS["Released"] == (80, 320, 600, 2000)
    assert PRESETS["XLRS-Bench"] == (180, 1320, 1600, 8000)
    assert PRESETS["RSHR-Bench"] == PRESETS["MME-RealWorld-RS"] == (80, 320, 1600, 4000)


@settings(max_examples=300)
@given(st.integers(1, 131328), st.integers(0, 400))
def test_budgets_add_up_fit_and_grow_with_the_total(total, more):
    budgets = split_budget(total, SCALES)
    assert sum(budgets) == total
    assert all(0 <= budget <= Scale(size).tokens for budget, size in zip(budgets, SCALES, strict=True))
    larger = split_budget(min(total + more, 131328), SCALES)
    assert all(a <= b for a, b in zip(budgets, larger, strict=True))


@given(st.integers(1, 86_000))
def test_budgets_keep_the_released_proportion_until_a_scale_is_full(total):
    budgets = split_budget(total, SCALES)
    assert all(abs(b - total * share / 3000) < 2 for b, share in zip(budgets, (80, 320, 600, 2000), strict=True))


@pytest.mark.parametrize("total", [0, -1, 131329, 10**12, 2.0, "3000", None, True, float("nan")])
def test_unusable_budgets_are_refused(total):
    with pytest.raises(InputError, match="budget"):
        split_budget(total, SCALES)


@given(weights=st.tuples(*[st.integers(1, 10**7)] * 4), total=st.integers(1, 131328), more=st.integers(1, 4000))
def test_in_any_proportion_a_budget_is_a_prefix_of_a_larger_one(weights, total, more):
    shares, larger = split_budget(total, SCALES, weights), split_budget(min(total + more, 131328), SCALES, weights)
    assert sum(shares) == total
    assert all(first <= second for first, second in zip(shares, larger, strict=True))


def test_a_total_follows_the_weights_that_are_given():
    assert split_budget(400, SCALES, (1, 1, 1, 1)) == (100, 100, 100, 100)
    assert split_budget(1000, SCALES, (1, 1, 1, 7)) == (100, 100, 100, 700)
    assert smallest_total(SCALES, 3, 700, (1, 1, 1, 7)) <= 1000 < smallest_total(SCALES, 3, 700, (7, 1, 1, 1))
    scales = tuple(Scale(size) for size in SCALES)
    assert budgets_of(400, scales, (1, 1, 1, 1)) == dict.fromkeys(SCALES, 100)
    assert budgets_of((1, 2, 3, 4), scales, (1, 1, 1, 1)) == dict(zip(SCALES, (1, 2, 3, 4), strict=True))


@pytest.mark.parametrize(("looks", "most"), [(1, 15), (16, 230), (256, 1200), (512, 1200)])
def test_native_scales_take_no_more_of_a_budget_than_the_finest_whole_scale(looks, most):
    some = range(looks // 8)
    scales = Square(20_000, 20_000).looking({8064: some, 16128: range(looks - len(some))}).scales
    budgets = budgets_of(3000, scales)
    native = sum(budgets[size] for size in budgets if size > 4032)
    assert 0 < native <= most and native <= budgets[4032] + 1
    kept = {size: budgets[size] for size in SCALES}
    assert all(
        abs(kept[size] * 5 - kept[4032] * part * 5 / 2000) < 8 for size, part in zip(SCALES, (80, 320, 600, 2000))
    )


def test_budgets_of_other_scales():
    assert sum(split_budget(700, (336, 672))) == 700
    assert split_budget(576, (336,)) == (576,)
    assert split_budget(np.int64(10), [Scale(672)]) == (10,)
