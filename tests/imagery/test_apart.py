"""Decoding in a child gives the same pixels and errors as decoding here."""

import os

import numpy as np
import pytest

from tests.support.made_images import lying_jpeg_tiff
from uhrbat import imagery
from uhrbat.errors import ImageError, InputError
from uhrbat.geometry import Square
from uhrbat.imagery import Rendering, apart, native, saliency, wire


@pytest.fixture(scope="module", autouse=True)
def none_left():
    yield
    apart.stop()


@pytest.mark.parametrize(
    "name", ["rgb.jpg", "uint16.tif", "rgba.png", "nan.tif", "palette.tif", "cog.tif", "turned6.tif"]
)
def test_the_same_as_in_this_process(made, tmp_path, name):
    path = made[name].path
    info = apart.open_image(path)
    assert info == imagery.open_image(path)
    seen = []
    canvas, expected = apart.read_canvas(path, info, seen.append), imagery.read_canvas(path)
    assert np.array_equal(np.asarray(canvas.image), np.asarray(expected.image))
    assert np.array_equal(canvas.valid, expected.valid)
    assert canvas.info.notes == expected.info.notes and canvas.shrink == expected.shrink
    assert seen[-1] == 1 and all(0 <= share <= 1 for share in seen)
    assert apart.write_pyramid(path, tmp_path / "apart.tif", canvas.info) == canvas.info
    imagery.write_pyramid(path, tmp_path / "here.tif", canvas.info)
    assert (tmp_path / "apart.tif").read_bytes() == (tmp_path / "here.tif").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["apart.tif", "here.tif"]


def test_native_pixels_are_the_same_as_in_this_process(made):
    info = apart.open_image(made["rgba.png"].path)
    square = Square(info.width, info.height, (32,), 16, 4)
    assert square.native_sizes[-1] == 192
    wanted = [(192, 20), (64, 3), (192, 0)]
    here, there = native.read_tiles(info, square, wanted), apart.read_tiles(info, square, wanted)
    for (place, pixels, valid), (other, others, shown) in zip(here, there, strict=True):
        assert place == other and np.array_equal(pixels, others) and np.array_equal(valid, shown)
    seen = []
    assert np.array_equal(apart.saliency(info, seen.append), saliency.saliency(info)) and seen[-1] == 1
    assert apart.read_tiles(info, square, []) == []


def test_choices_and_histogram_pass_through(made):
    path = made["eight.tif"].path
    chosen = Rendering(bands=(8, 1, 5), limits=(200, 3000), gamma=1.5)
    info = apart.open_image(path, rendering=chosen)
    assert info == imagery.open_image(path, rendering=chosen)
    here, there = imagery.histogram(info, 32), apart.histogram(info, 32)
    assert np.array_equal(here.counts, there.counts) and np.array_equal(here.edges, there.edges)
    assert apart.open_image(path, bands=np.array([1, 2, 3])).shown == (1, 2, 3)
    for bands in ((1, 2), "red", object(), (1, 2, [3])):
        with pytest.raises(InputError, match="band"):
            apart.open_image(path, bands=bands)


def test_an_info_goes_through_json(made):
    for file in made.values():
        info = imagery.open_image(file.path)
        again = wire.info_from_dict(wire.info_to_dict(info))
        assert repr(again) == repr(info)  # nodata may be NaN


def test_errors_are_those_of_this_process(made, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    cases = [tmp_path / "text.png", tmp_path / "absent.png", lying_jpeg_tiff(tmp_path / "lying.tif")]
    for path in cases:
        messages = []
        for module in (imagery, apart):
            with pytest.raises(ImageError) as caught:
                module.read_canvas(path)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
    with pytest.raises(ImageError, match="accepted"):
        apart.open_image(made["rgb.png"].path, imagery.Limits(max_side=10))
