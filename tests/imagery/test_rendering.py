"""What a picture is: its bands by name, what is transparency, what is missing, which page; what a user may choose."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from tests.support.made_images import deep, grey, picture, stretched, write_tiff
from uhrbat.errors import InputError
from uhrbat.imagery import Rendering, histogram, open_image, read_canvas, write_pyramid
from uhrbat.imagery.bands import natural_colour

PLACE = {"crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 1, 1)}


def described(path, values, names, **profile):
    write_tiff(path, values, **profile)
    with rasterio.open(path, "r+") as file:
        file.descriptions = names
    return path


NAMES = {
    ("Blue", "Green", "Red", "NIR"): (3, 2, 1),
    ("nir", "red", "green", "blue"): (2, 3, 4),
    ("NIR", "R", "G", "B"): (2, 3, 4),
    ("B01", "B02", "B03", "B04", "B05"): (4, 3, 2),
    ("B4", "B3", "B2", "B8"): (1, 2, 3),
    ("b02_10m", "b03_10m", "b04_10m", "b08_10m"): (3, 2, 1),
    ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"): (4, 3, 2),
    ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"): (3, 2, 1),
    ("coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"): (6, 4, 2),
    ("Band 1 - Blue", "Band 2 - Green", "Band 3 - Red", "Band 4 - Red Edge"): (3, 2, 1),
    ("482 nm", "562 nm", "655 nm", "865 nm"): (3, 2, 1),
    ("NIR", "Red", "Green"): None,
    ("VV", "VH", "ratio"): None,
    (None, None, None, None): None,
}


def test_infinite_values_are_no_nodata_and_bands_are_numbers_or_names():
    assert Rendering(nodata=float("nan")) == Rendering(nodata=None) == Rendering(nodata=float("-inf"))
    for wrong in ("red", (1, [2], 3), (True, 1, 2), (1.5,), ("red",) * 65, 3):
        with pytest.raises(InputError, match="bands"):
            Rendering(bands=wrong)


@pytest.mark.parametrize("names", NAMES)
def test_red_green_and_blue_are_found_by_their_names(names):
    assert natural_colour(names) == NAMES[names]


def test_bands_are_shown_and_chosen_by_their_names(tmp_path):
    values = deep(4)
    path = described(tmp_path / "bgrn.tif", values, ("Blue", "Green", "Red", "NIR"))
    canvas = read_canvas(path)
    assert canvas.info.shown == (3, 2, 1) and canvas.info.names == ("Blue", "Green", "Red", "NIR")
    assert np.array_equal(np.asarray(canvas.image), stretched(values[..., [2, 1, 0]]))
    assert any("Red, Green, Blue" in note for note in canvas.info.notes)
    chosen = read_canvas(path, rendering=Rendering(bands=("nir", "RED", "green")))
    assert chosen.info.shown == (4, 3, 2)
    assert np.array_equal(np.asarray(chosen.image), stretched(values[..., [3, 2, 1]]))
    with pytest.raises(InputError, match="bands 1 to 4"):
        open_image(path, bands=("swir", "red", "green"))


def test_infrared_that_is_marked_as_alpha_is_a_band(tmp_path):
    """GDAL marks the fourth of four 8-bit bands as alpha, whatever it is."""
    rng = np.random.default_rng(0)
    water = np.zeros((149, 203), bool)
    water[:, :100] = True
    noise = rng.integers(60, 220, water.shape)
    variants = {
        "flat": np.where(water, 0, 200),
        "noise": np.where(water, 0, noise),
        "saturated": np.where(water, 0, np.where(noise > 200, 255, noise)),
        "none": np.full(water.shape, 90),
        "zero": np.zeros(water.shape),
    }
    for name, infrared in variants.items():
        path = write_tiff(tmp_path / f"{name}.tif", np.dstack([picture(), infrared.astype(np.uint8)]), **PLACE)
        with rasterio.open(path) as file:
            assert file.colorinterp[3].name == "alpha"
        canvas = read_canvas(path)
        assert canvas.valid is None and np.array_equal(np.asarray(canvas.image), picture()), name
        assert any("band 4" in note for note in canvas.info.notes)
        assert "alpha" not in canvas.info.names
        believed = read_canvas(path, rendering=Rendering(transparency="alpha")) if name in ("flat", "noise") else None
        assert believed is None or np.array_equal(believed.valid, infrared > 0)


def test_a_name_says_that_alpha_is_infrared(tmp_path):
    hard = np.where(picture()[..., 1] > 90, 255, 0).astype(np.uint8)
    path = described(tmp_path / "named.tif", np.dstack([picture(), hard]), ("Red", "Green", "Blue", "NIR"))
    assert read_canvas(path).valid is None


def test_transparency_is_believed_where_it_is_transparency(tmp_path):
    y, x = np.mgrid[:149, :203]
    soft = np.clip((x - 20) * 3, 0, 255).astype(np.uint8)
    hidden = np.where((soft == 0)[..., None], 0, picture())
    cases = {
        "hard": (picture(), np.where((x - 90) ** 2 + (y - 70) ** 2 < 900, 0, 255).astype(np.uint8)),
        "soft": (hidden, soft),
        "opaque": (picture(), np.full(soft.shape, 255, np.uint8)),
    }
    for name, (rgb, alpha) in cases.items():
        path = write_tiff(tmp_path / f"{name}.tif", np.dstack([rgb, alpha]), photometric="RGB", alpha="YES")
        canvas = read_canvas(path)
        expected = alpha > 0
        assert (canvas.valid is None) == expected.all() and (
            expected.all() or np.array_equal(canvas.valid, expected)
        ), name
        opaque = read_canvas(path, rendering=Rendering(transparency="none"))
        assert opaque.valid is None and np.array_equal(np.asarray(opaque.image), rgb)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("value", [-9999, -32768, 0, 65535, "lowest", "highest"])
def test_nodata_that_no_tag_declares_is_noticed_along_edges(tmp_path, dtype, value):
    kind = np.dtype(dtype)
    limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    value = {"lowest": limits.min, "highest": limits.max}.get(value, value)
    if not limits.min <= value <= limits.max:
        pytest.skip("the type has no such value")
    values = deep()[..., 0].astype(kind)
    values[:, :30] = value
    values[-9:] = value
    values[50:60, 100:110] = value
    canvas = read_canvas(write_tiff(tmp_path / "collar.tif", values))
    expected = values != value
    joined = value not in (-9999, -32768) and not (kind.kind in "if" and value == limits.min)
    if joined:  # inside it may well be measured
        expected[50:60, 100:110] = True
    assert np.array_equal(canvas.valid, expected)
    assert any(f"{value:.6g}" in note and "edges" in note for note in canvas.info.notes)
    back = read_canvas(tmp_path / "collar.tif", rendering=Rendering(nodata=None))
    assert back.valid is None and back.info.nodata is None


def test_a_slanted_collar_is_noticed(tmp_path):
    """A picture turned on the map, whose corners are empty."""
    y, x = np.mgrid[:300, :300]
    inside = np.abs(x - 150) + np.abs(y - 150) < 149
    values = np.where(inside, np.resize(deep()[..., 0], (300, 300)), 0).astype(np.uint16)
    assert np.array_equal(read_canvas(write_tiff(tmp_path / "slanted.tif", values)).valid, inside)


def test_zeros_inside_a_picture_are_data(tmp_path):
    values = deep()
    values[40:90, 60:120] = 0
    values[0, :50] = 0
    assert read_canvas(write_tiff(tmp_path / "inside.tif", values)).valid is None
    assert read_canvas(write_tiff(tmp_path / "zero.tif", np.zeros((50, 60), np.uint16))).valid is None


def test_eight_bits_have_a_collar_only_on_a_map(tmp_path):
    framed = picture()
    framed[:, :20] = 0
    for suffix in ("png", "tif"):
        Image.fromarray(framed).save(tmp_path / f"framed.{suffix}")
        assert np.array_equal(np.asarray(read_canvas(tmp_path / f"framed.{suffix}").image), framed)
    placed = read_canvas(write_tiff(tmp_path / "placed.tif", framed, photometric="RGB", **PLACE))
    assert not placed.valid[:, :20].any() and placed.valid[:, 21:].mean() > 0.99


def test_a_nodata_value_can_be_chosen(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "rgb.png")
    write_tiff(tmp_path / "int16.tif", deep()[..., 0].astype(np.int16), nodata=-1)
    values = deep()[..., 0]
    value = int(values[70, 100])
    canvas = read_canvas(tmp_path / "int16.tif", rendering=Rendering(nodata=value))
    assert np.array_equal(canvas.valid, values != value) and canvas.info.nodata == value
    red = read_canvas(
        tmp_path / "rgb.png", open_image(tmp_path / "rgb.png", rendering=Rendering(bands=(1,), nodata=250))
    )
    assert np.array_equal(red.valid, picture()[..., 0] != 250)


def test_limits_and_gamma_are_those_chosen(tmp_path):
    values = deep()
    path = write_tiff(tmp_path / "deep.tif", values, photometric="RGB")
    canvas = read_canvas(path, rendering=Rendering(limits=(500, 2500)))
    expected = np.clip(np.rint((values.astype(float) - 500) * 255 / 2000), 0, 255)
    assert np.abs(np.asarray(canvas.image) - expected).max() <= 1
    assert canvas.info.stretch == (500, 2500) and any("as chosen" in note for note in canvas.info.notes)
    bright = np.asarray(read_canvas(path, rendering=Rendering(limits=(500, 2500), gamma=2)).image)
    assert np.abs(bright - 255 * (np.asarray(canvas.image) / 255) ** 0.5).max() <= 1
    Image.fromarray(picture()).save(tmp_path / "rgb.png")
    plain = read_canvas(tmp_path / "rgb.png", rendering=Rendering(gamma=2.2))
    assert np.abs(np.asarray(plain.image) - 255 * (picture() / 255) ** (1 / 2.2)).max() <= 1
    info = open_image(path, rendering=Rendering(gamma=1.5, limits=(0, 900)))
    assert write_pyramid(path, tmp_path / "viewer.tif", info).rendering == info.rendering


def test_the_histogram_is_that_of_the_valid_values(tmp_path):
    values = deep()
    values[:, :30] = 0
    path = write_tiff(tmp_path / "collar.tif", values, photometric="RGB")
    made = histogram(open_image(path), bins=50)
    inside = values[:, 30:].reshape(-1, 3)
    assert made.pixels == len(inside) and made.counts.shape == (3, 50)
    for band in range(3):
        assert made.counts[band].tolist() == np.histogram(inside[:, band], made.edges)[0].tolist()
    assert made.percentiles == pytest.approx(tuple(np.percentile(inside, (2, 98))))
    with pytest.raises(InputError):
        histogram(open_image(path), bins=0)


def test_complex_values_are_shown_by_their_magnitude(tmp_path):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 50)) + 1j * rng.normal(size=(60, 50))
    for dtype in ("complex64", "complex128"):
        path = write_tiff(tmp_path / f"{dtype}.tif", values.astype(dtype))
        canvas = read_canvas(path)
        assert np.array_equal(
            np.asarray(canvas.image), stretched(np.abs(values.astype(dtype)).astype(canvas.info.dtype))
        )
        assert any("complex" in note for note in canvas.info.notes)
    with rasterio.open(
        tmp_path / "int.tif", "w", driver="GTiff", width=50, height=60, count=1, dtype="complex_int16"
    ) as out:
        out.write((values * 100).astype(np.complex64)[None])
    assert "magnitude" in " ".join(read_canvas(tmp_path / "int.tif").info.notes)


def test_the_largest_page_is_shown_and_others_can_be_chosen(tmp_path):
    big, small = Image.fromarray(picture()), Image.fromarray(picture(40, 30))
    for name, pages, marked in (
        ("thumbnail", [small, big], True),
        ("unmarked", [small, big], False),
        ("last", [big, small], False),
    ):
        path = tmp_path / f"{name}.tif"
        pages[0].save(path, save_all=True, append_images=pages[1:], tiffinfo={254: 1} if marked else {})
        canvas = read_canvas(path)
        assert np.array_equal(np.asarray(canvas.image), picture()), name
        assert canvas.info.pages == 2 and f"page {canvas.info.page} of 2 is shown" in canvas.info.notes
        assert canvas.info.page_sizes[canvas.info.page - 1] == big.size
        other = read_canvas(path, rendering=Rendering(page=3 - canvas.info.page))
        assert other.image.size == small.size
        with pytest.raises(InputError, match="2 pages"):
            open_image(path, rendering=Rendering(page=3))


def test_frames_of_animations_can_be_chosen(made):
    for name in ("animated.gif", "animated.webp"):
        second = read_canvas(made[name].path, rendering=Rendering(page=2))
        assert np.abs(np.asarray(second.image, int) - (255 - picture())).mean() < 25, name
        assert "page 2 of 2 is shown" in second.info.notes


def test_bitmaps_are_read(tmp_path):
    rgb = picture()
    Image.fromarray(rgb).save(tmp_path / "rgb.bmp")
    assert np.array_equal(np.asarray(read_canvas(tmp_path / "rgb.bmp").image), rgb)
    indexed = Image.fromarray(rgb).quantize(60)
    indexed.save(tmp_path / "indexed.bmp")
    assert np.array_equal(np.asarray(read_canvas(tmp_path / "indexed.bmp").image), np.asarray(indexed.convert("RGB")))
    Image.fromarray(rgb[..., 1]).save(tmp_path / "grey.bmp")
    assert np.array_equal(np.asarray(read_canvas(tmp_path / "grey.bmp").image), grey(rgb[..., 1]))
    Image.fromarray(rgb[..., 1] > 100).save(tmp_path / "bilevel.bmp")
    assert np.array_equal(np.asarray(read_canvas(tmp_path / "bilevel.bmp").image)[..., 0], (rgb[..., 1] > 100) * 255)


def test_nitf_is_read(tmp_path):
    path = write_tiff(tmp_path / "rgb.ntf", picture(), driver="NITF")
    assert np.array_equal(np.asarray(read_canvas(path).image), picture())
    path = write_tiff(tmp_path / "deep.ntf", deep()[..., 0], driver="NITF")
    assert np.array_equal(np.asarray(read_canvas(path).image), stretched(deep()[..., 0]))


def test_a_choice_goes_through_json():
    chosen = Rendering(bands=("nir", 2, 1), limits=(0, 9.5), gamma=2, nodata=None, page=2, transparency="none")
    assert Rendering.from_dict(chosen.as_dict()) == chosen
    assert Rendering.from_dict({"bands": [1, 2, 3], "limits": [0, 1]}) == Rendering(bands=(1, 2, 3), limits=(0.0, 1.0))
    assert Rendering().as_dict() == {}


WRONG = [{"gamma": 0}, {"gamma": "x"}, {"gamma": float("nan")}, {"limits": (1, 1)}, {"limits": (1,)}, {"limits": "ab"},
         {"limits": (0, float("inf"))}, {"page": 0}, {"page": 1.5}, {"page": True}, {"nodata": "x"}, {"nodata": True},
         {"nodata": [1]}, {"transparency": "x"}]  # fmt: skip


@pytest.mark.parametrize("given", WRONG, ids=str)
def test_a_wrong_choice_is_refused(given):
    with pytest.raises(InputError):
        Rendering(**given)
    for other in ({"colour": 1}, [], None, "x" * 10_000):
        with pytest.raises(InputError) as caught:
            Rendering.from_dict(other)
        assert len(str(caught.value)) < 250
