"""Every unusable file is one ImageError that names it; nothing is left behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from tests.support.made_images import claiming_png, cyclic_tiff, deep, lying_jpeg_tiff, picture, write_tiff
from uhrbat.errors import ImageError
from uhrbat.imagery import Limits, open_image, read_canvas, sha256_file, write_pyramid

NOT_IMAGES = {
    "empty.jpg": (b"", "empty"),
    "text.png": (b"hello", "not an image"),
    "renamed.jpg": (b"%PDF-1.7\n" + bytes(500), "a PDF document"),
    "page.png": (b"\n<!DOCTYPE html><html></html>", "a web page"),
    "archive.tif": (b"PK\x03\x04" + bytes(50), "a ZIP archive"),
    "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC"),
}


def leftovers() -> set[Path]:
    """Temporary files of libvips and of ours."""
    folder = Path(tempfile.gettempdir())
    return {*folder.glob("vips*"), *folder.glob("*.part.tif")}


def refused(path, match, tmp_path) -> None:
    """Canvas and viewer pyramid refuse the file, with a message that names it, and leave nothing behind."""
    for work in (lambda: read_canvas(path), lambda: write_pyramid(path, tmp_path / "out" / "viewer.tif")):
        (tmp_path / "out").mkdir(exist_ok=True)
        before = leftovers()
        with pytest.raises(ImageError, match=match) as caught:
            work()
        message = str(caught.value)
        assert message.startswith("'") and message.endswith(".") and "\n" not in message, message
        assert os.listdir(tmp_path / "out") == []
        assert leftovers() == before


@pytest.mark.parametrize("name", NOT_IMAGES)
def test_what_is_no_image_is_named(tmp_path, name):
    content, match = NOT_IMAGES[name]
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, match, tmp_path)


def test_paths_that_lead_to_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    cases = {
        tmp_path / "absent.png": "does not exist",
        tmp_path: "a folder",
        tmp_path / ("x" * 300 + ".png"): "cannot be opened",
        "nul\0.png": "cannot be opened",
        tmp_path / "pipe.png": "not a regular file",
        "/dev/zero": "not a regular file",
        tmp_path / "bytes\udcff.png": "not valid Unicode",
    }
    for path, match in cases.items():
        refused(path, match, tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        sha256_file(tmp_path / "absent.png")


NAMES = [
    "rgb.jpg",
    "progressive.jpg",
    "rgb.png",
    "deep.png",
    "lossless.webp",
    "still.gif",
    "rgb.jp2",
    "code.j2k",
]
NAMES += ["striped.tif", "tiled.tif", "lzw.tif", "jpeg.tif", "cog.tif", "turned6.tif", "interlaced.png"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_short_is_refused(made, tmp_path, name):
    content = made[name].path.read_bytes()
    for share in (0.05, 0.5, 0.95):
        (tmp_path / name).write_bytes(content[: int(len(content) * share)])
        refused(tmp_path / name, "cut short|damaged", tmp_path)


def test_a_directory_that_names_itself_is_read_once(tmp_path):
    for big_endian in (False, True):
        canvas = read_canvas(cyclic_tiff(tmp_path / "cyclic.tif", big_endian))
        assert np.asarray(canvas.image)[..., 0].tolist() == [[10, 60], [120, 250]]
        assert canvas.info.pages == 1


def test_no_valid_pixel(tmp_path):
    Image.fromarray(np.zeros((9, 9, 4), np.uint8)).save(tmp_path / "clear.png")
    write_tiff(tmp_path / "nodata.tif", np.zeros((9, 9), np.uint16), nodata=0)
    write_tiff(tmp_path / "nan.tif", np.full((9, 9), np.nan, np.float32))
    for name in ("clear.png", "nodata.tif", "nan.tif"):
        with pytest.raises(ImageError, match="no valid pixel"):
            read_canvas(tmp_path / name)


def test_limits_are_checked_from_the_header(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(picture(300, 200)).save(path)
    cases = {
        "60,000 accepted|59,999 accepted": Limits(max_pixels=59_999),
        "at most 299 a side": Limits(max_side=299),
        "at least 201 on each side": Limits(min_side=201),
        "more than 1.4 times as long as wide": Limits(max_aspect=1.4),
        "GiB accepted": Limits(max_bytes=1000),
        "at most 2 are accepted": Limits(max_bands=2),
        "decompression bomb": Limits(free_bytes=1000, max_expansion=1),
    }
    for match, limits in cases.items():
        with pytest.raises(ImageError, match=match):
            open_image(path, limits)
    whole = Limits(max_whole_bytes=1000)
    assert open_image(path, whole).width == 300
    Image.fromarray(picture(300, 200)).save(tmp_path / "image.webp")
    with pytest.raises(ImageError, match="decoded at once"):
        open_image(tmp_path / "image.webp", whole)
    write_tiff(tmp_path / "blocks.tif", picture(300, 200), blockysize=200)
    with pytest.raises(ImageError, match="inner tiles too large"):
        open_image(tmp_path / "blocks.tif", Limits(max_block_bytes=1000))


def test_claims_of_absurd_sizes_are_refused_at_once(tmp_path):
    refused(claiming_png(tmp_path / "a.png", 60_000, 60_000), "2,000,000,000 accepted", tmp_path)
    refused(claiming_png(tmp_path / "b.png", 40_000, 40_000), "decompression bomb", tmp_path)
    refused(claiming_png(tmp_path / "c.png", 2**31 - 1, 2**31 - 1), "damaged", tmp_path)
    refused(claiming_png(tmp_path / "d.png", 0, 7), "damaged", tmp_path)
    refused(claiming_png(tmp_path / "e.png", 5_000, 1), "200 times as long as wide", tmp_path)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "tiled": True, "SPARSE_OK": True}
    with rasterio.open(tmp_path / "f.tif", "w", width=40_000, height=40_000, **profile):
        pass
    refused(tmp_path / "f.tif", "empty mosaic", tmp_path)
    refused(write_tiff(tmp_path / "g.tif", deep(70)[:9, :9]), "70 bands", tmp_path)


@pytest.mark.parametrize("samples", [1, 2, 4, None])
def test_a_jpeg_tiff_that_lies_about_its_samples_does_not_end_the_process(tmp_path, samples):
    path = lying_jpeg_tiff(tmp_path / "lying.tif", samples)
    code = (
        "import sys\nfrom uhrbat.errors import ImageError\nfrom uhrbat.imagery import read_canvas\n"
        "try:\n    read_canvas(sys.argv[1])\nexcept ImageError as error:\n    sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "lying.tif" in done.stderr
