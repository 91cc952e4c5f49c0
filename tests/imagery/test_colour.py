"""Pictures that are not sRGB are shown as sRGB; those that are keep every value."""

import io

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from tests.support.made_images import ADOBE_RGB, matrix_profile, picture, write_tiff
from uhrbat.imagery import open_image, read_canvas

RED = (200, 30, 30)


def solid(color=RED) -> Image.Image:
    return Image.new("RGB", (40, 30), color)


def shown(path) -> np.ndarray:
    return np.asarray(read_canvas(path).image).reshape(-1, 3).mean(axis=0)


def in_profile(profile: bytes, color=RED) -> Image.Image:
    """The picture that shows an sRGB colour in another profile."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.profileToProfile(solid(color), ImageCms.createProfile("sRGB"), target, renderingIntent=1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_a_wide_profile_is_converted(tmp_path, suffix):
    profile = matrix_profile(ADOBE_RGB, 2.199, "Adobe RGB (1998)")
    image = in_profile(profile)
    assert np.abs(np.asarray(image)[0, 0].astype(int) - RED).max() > 10
    options = {"jpg": {"quality": 100}, "webp": {"lossless": True}}.get(suffix, {})
    image.save(tmp_path / f"adobe.{suffix}", icc_profile=profile, **options)
    assert np.abs(shown(tmp_path / f"adobe.{suffix}") - RED).max() <= 3
    notes = open_image(tmp_path / f"adobe.{suffix}").notes
    assert any("Adobe RGB (1998)" in note and "sRGB" in note for note in notes)


def test_display_p3_is_converted(tmp_path):
    image = (pyvips.Image.black(40, 30, bands=3) + list(RED)).cast("uchar").copy(interpretation="srgb")
    image.icc_transform("p3", input_profile="srgb").jpegsave(str(tmp_path / "p3.jpg"), Q=98, keep="icc")
    assert np.abs(shown(tmp_path / "p3.jpg") - RED).max() <= 3


def test_sixteen_bits_are_converted_and_then_stretched(tmp_path):
    profile = matrix_profile(ADOBE_RGB, 2.199)
    values = np.full((20, 30, 3), 200 * 257, np.uint16)
    values[:, :15, 1:] = 30 * 257
    image = pyvips.Image.new_from_array(values, interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    image.pngsave(str(tmp_path / "deep.png"), keep="icc")
    plain = pyvips.Image.new_from_array(values, interpretation="rgb16")
    plain.pngsave(str(tmp_path / "plain.png"), keep="none")
    assert shown(tmp_path / "deep.png").tolist() != shown(tmp_path / "plain.png").tolist()


def test_a_grey_curve_is_converted(tmp_path):
    profile = matrix_profile(None, 1.0, "linear")
    Image.new("L", (40, 30), 55).save(tmp_path / "linear.png", icc_profile=profile)
    linear = 55 / 255
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(shown(tmp_path / "linear.png") - expected).max() <= 2


def test_srgb_keeps_every_value(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb = picture()
    Image.fromarray(rgb).save(tmp_path / "srgb.png", icc_profile=profile)
    canvas = read_canvas(tmp_path / "srgb.png")
    assert np.array_equal(np.asarray(canvas.image), rgb) and canvas.info.notes == ()


def test_a_damaged_profile_is_left_aside(tmp_path):
    profile = bytearray(matrix_profile(ADOBE_RGB, 2.199))
    profile[132:400] = bytes(268)
    Image.fromarray(picture()).save(tmp_path / "broken.png", icc_profile=bytes(profile))
    assert np.array_equal(np.asarray(read_canvas(tmp_path / "broken.png").image), picture())


def test_chosen_bands_are_shown_as_stored(tmp_path):
    image = in_profile(matrix_profile(ADOBE_RGB, 2.199))
    image.save(tmp_path / "adobe.png", icc_profile=matrix_profile(ADOBE_RGB, 2.199))
    canvas = read_canvas(tmp_path / "adobe.png", open_image(tmp_path / "adobe.png", bands=1))
    assert np.asarray(canvas.image)[0, 0].tolist() == [np.asarray(image)[0, 0, 0]] * 3


def test_inks_are_converted_by_their_profile(tmp_path):
    brown = (150, 110, 90)  # red is out of the inks' gamut
    image = (pyvips.Image.black(40, 30, bands=3) + list(brown)).cast("uchar").copy(interpretation="srgb")
    inks = image.icc_transform("cmyk", input_profile="srgb", intent="relative")
    for name in ("inks.jpg", "inks.tif"):
        getattr(inks, "jpegsave" if name.endswith("jpg") else "tiffsave")(str(tmp_path / name), Q=98, keep="icc")
        assert np.abs(shown(tmp_path / name) - brown).max() <= 5
        assert any("CMYK" in note and "profile" in note for note in open_image(tmp_path / name).notes)


def test_lab_is_converted(tmp_path):
    space = ImageCms.profileToProfile(
        solid(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    space.save(tmp_path / "lab.tif")
    assert np.abs(shown(tmp_path / "lab.tif") - RED).max() <= 3
    shades = [53.0, -40.0, 30.0]
    lab = (pyvips.Image.black(40, 30, bands=3) + shades).cast("float").copy(interpretation="lab")
    expected = lab.icc_export(output_profile="srgb", intent="relative").numpy()[0, 0]
    for name, values in {
        "signed.tif": np.array([53 * 65535 / 100, -40 * 256, 30 * 256]).round().astype(np.int64) % 65536,
    }.items():
        deep = np.broadcast_to(values.astype(np.uint16), (30, 40, 3))
        write_tiff(tmp_path / name, np.ascontiguousarray(deep), photometric="CIELAB")
        assert np.abs(shown(tmp_path / name) - expected).max() <= 2, name
