"""Every format and oddity gives the upright RGB pixels that an independent reading expects."""

import io

import numpy as np
import pytest
import rasterio
from PIL import Image

from tests.support.made_images import deep, grey, stretched
from tests.support.shared import real
from uhrbat.errors import InputError
from uhrbat.imagery import TileReader, open_image, read_canvas, write_pyramid


def check(file):
    canvas = read_canvas(file.path)
    pixels = np.asarray(canvas.image)
    assert pixels.shape == file.expected.shape, file.odd
    difference = np.abs(pixels.astype(int) - file.expected.astype(int)).max()
    assert difference <= file.tolerance, f"{file.odd}: {difference}"
    if file.valid is None:
        assert canvas.valid is None, file.odd
    else:
        assert np.array_equal(canvas.valid, file.valid), file.odd


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WebP", "GIF", "TIFF", "GeoTIFF", "BigTIFF", "JPEG 2000"])
def test_pixels_are_those_of_an_independent_reading(made, format):
    files = [file for file in made.values() if file.odd.split(",")[0] == format]
    assert files
    for file in files:
        check(file)


def test_rasters_read_as_rasterio_reads_them(made):
    """Made ones, and real ones where there are any."""
    valued_files = [made["nan.tif"].path, *real("rasters/cog_nodata_nan.tif")]
    files = [*valued_files, made["alpha.tif"].path, *real("rasters/pix4d_alpha_nodata.tif")]
    for path in files:
        valued = path in valued_files
        with rasterio.open(path) as file:
            values = np.moveaxis(file.read([1] if valued else [1, 2, 3]), 0, 2)
            valid = file.dataset_mask() > 0
        valid = valid & np.isfinite(values).all(axis=2)
        canvas = read_canvas(path)
        assert np.array_equal(canvas.valid, valid)
        expected = stretched(values, valid) if valued else values
        assert np.array_equal(np.asarray(canvas.image)[valid], expected[valid])


def test_viewer_and_model_see_the_same_pixels(made, tmp_path):
    for name in (
        "exif6.jpg",
        "deep_alpha.png",
        "nan.tif",
        "palette.tif",
        "cmyk.jpg",
        "turned8.tif",
        "rgb.jp2",
    ):
        file = made[name]
        canvas = read_canvas(file.path)
        write_pyramid(file.path, tmp_path / "viewer.tif", canvas.info)
        with TileReader(tmp_path / "viewer.tif") as reader:
            tile = np.asarray(Image.open(io.BytesIO(reader.tile(0, 0, 0))), dtype=int)
        height, width = file.expected.shape[:2]
        difference = np.abs(tile[:height, :width] - np.asarray(canvas.image, dtype=int))
        assert difference.mean() < 8, name


def test_what_is_shown_is_said(made):
    def notes(name):
        return " | ".join(read_canvas(made[name].path).info.notes)

    assert "page 1 of 3 is shown" in notes("pages.tif")
    assert "page 1 of 2 is shown" in notes("animated.gif")
    assert "page 1 of 2 is shown" in notes("animated.webp")
    assert "first frame" in notes("animated.png")
    assert notes("cog.tif") == notes("rgb.jpg") == ""
    assert "contrast stretched: " in notes("uint16.tif") and "(2nd to 98th percentile)" in notes("uint16.tif")
    assert "bands 1, 2, 3 of 8 are shown as red, green and blue" in notes("eight.tif")
    assert "band 1 of 2 is shown in grey" in notes("two.tif")
    assert "CMYK" in notes("cmyk.jpg")


def test_header_says_what_the_file_is(made):
    info = open_image(made["exif6.jpg"].path)
    assert (info.width, info.height, info.orientation, info.stored_size) == (149, 203, 6, (203, 149))
    info = open_image(made["int16.tif"].path)
    assert (info.format, info.dtype, info.nodata, info.validity) == ("TIFF", "int16", -9999, "nodata")
    assert info.stretch is None and info.needs_stretch
    info = open_image(made["bgr.tif"].path)
    assert (info.colors, info.shown, info.mode) == (("blue", "green", "red"), (3, 2, 1), "rgb")
    assert open_image(made["really_png.jpg"].path).format == "PNG"


def test_bands_can_be_chosen(made):
    path = made["eight.tif"].path
    canvas = read_canvas(path, open_image(path, bands=(8, 1, 5)))
    assert np.array_equal(np.asarray(canvas.image), stretched(deep(8)[..., [7, 0, 4]]))
    canvas = read_canvas(path, open_image(path, bands=(4,)))
    assert np.array_equal(np.asarray(canvas.image), stretched(deep(8)[..., 3]))
    path = made["rgb.png"].path
    canvas = read_canvas(path, open_image(path, bands=2))
    assert np.array_equal(np.asarray(canvas.image), grey(made["rgb.png"].expected[..., 1]))
    for bands in ((0, 1, 2), (1, 2, 9), (1, 2), (), "red", (1.0, 2.0, 3.0), 4.5):
        with pytest.raises(InputError, match="band"):
            open_image(made["eight.tif"].path, bands=bands)
