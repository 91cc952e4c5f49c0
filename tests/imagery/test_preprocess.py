"""The scales and tiles equal those of the released code."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.support.golden import each
from uhrbat.errors import InputError
from uhrbat.geometry import SCALES, Scale, Square
from uhrbat.imagery import canvas_of, read_canvas, scale_image, scale_images, tiles, valid_tokens


@pytest.mark.parametrize(("golden", "name", "size"), each("preprocessed"))
def test_tiles_equal_the_golden_ones(golden, name, size):
    folder = golden.folder / "preprocess"
    processor = json.loads((folder / "preprocess.json").read_text())["processor"]
    stored = np.load(folder / "preprocess.npz")
    part = {key.split(".")[2]: stored[key] for key in stored.files if key.startswith(f"{name}.{size}.")}
    canvas = read_canvas(folder / f"{name}.png")
    count = len(part["coords"])
    batch = tiles(scale_image(canvas, size), processor["image_mean"], processor["image_std"], range(count))
    assert np.abs(batch[:, :, :8, :8] - part["corner8"]).max() < 1e-5
    whole = batch[part.get("whole", range(count))]  # the repository's pictures lack the rest of the other tiles
    if len(whole):
        pooled = whole.reshape(len(whole), 3, 24, 14, 24, 14).mean(axis=(3, 5))
        assert np.abs(pooled - part["pooled24"]).max() < 2e-3
        assert np.abs(whole.mean(axis=(2, 3)) - part["mean"]).max() < 1e-5
        assert np.abs(whole.std(axis=(2, 3)) - part["std"]).max() < 1e-4


def test_scale_images_gives_each_scale_as_scale_image_does():
    pixels = np.random.default_rng(0).integers(0, 256, (70, 101, 3), np.uint8)
    canvas = canvas_of(pixels)
    given = dict(scale_images(canvas, (336, 672)))
    assert list(given) == [336, 672]
    for size, array in given.items():
        assert array.shape == (size, size, 3) and array.dtype == np.uint8
        assert np.array_equal(array, scale_image(canvas, size))


def test_padding_has_the_mean_colour_and_is_never_valid():
    canvas = canvas_of(Image.new("RGB", (200, 100), (255, 0, 0)))
    square = scale_image(canvas, 672)
    assert square[10, 300].tolist() == [122, 116, 104] and square[336, 300].tolist() == [255, 0, 0]
    for size in SCALES:
        assert np.array_equal(valid_tokens(canvas, size), ~Square(200, 100).padding(size))


def test_tokens_without_a_valid_pixel_are_not_valid(made):
    canvas = read_canvas(made["rgba.png"].path)
    pyramid = Square(*canvas.full_size)
    for size in (672, 1344):
        scale = Scale(size)
        tokens = valid_tokens(canvas, scale)
        x0, y0, x1, y1 = pyramid.token_box(scale, np.arange(scale.tokens)).T
        for index in range(0, scale.tokens, 7):
            rows = slice(max(0, int(np.floor(y0[index]))), max(0, int(np.ceil(y1[index]))))
            cols = slice(max(0, int(np.floor(x0[index]))), max(0, int(np.ceil(x1[index]))))
            assert tokens[index] == canvas.valid[rows, cols].any()


def test_a_tile_that_is_not_there_is_refused():
    array = np.zeros((672, 672, 3), np.uint8)
    assert tiles(array, [0] * 3, [1] * 3, []).shape == (0, 3, 336, 336)
    with pytest.raises(InputError):
        tiles(array, [0] * 3, [1] * 3, [4])


def test_a_canvas_made_in_memory_is_bounded():
    with pytest.raises(InputError):
        canvas_of(Image.new("RGB", (8065, 3)))
