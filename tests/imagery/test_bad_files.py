"""Every unusable file is one ImageError that names it; nothing is left behind."""

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import pyvips
import rasterio
from PIL import Image

from tests.support.made_images import (
    claiming_png,
    cyclic_tiff,
    deep,
    lying_jpeg_tiff,
    many_scans_jpeg,
    picture,
    plain_tags,
    raw_tiff,
    sparse_mosaic,
    write_tiff,
)
from uhrbat.errors import ImageError
from uhrbat.imagery import Limits, headers, open_image, read_canvas, sha256_file, write_pyramid

NOT_IMAGES = {
    "empty.jpg": (b"", "empty"),
    "text.png": (b"hello", "not an image"),
    "renamed.jpg": (b"%PDF-1.7\n" + bytes(500), "a PDF document"),
    "page.png": (b"\n<!DOCTYPE html><html></html>", "a web page"),
    "archive.tif": (b"PK\x03\x04" + bytes(50), "a ZIP archive"),
    "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(50), "a HEIC picture, .*: save it as JPEG"),
    "phone.avif": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(50), "an AVIF picture, .*: save it as JPEG"),
    "clip.mp4": (b"\0\0\0\x18ftypisom" + bytes(50), "a video"),
    "drawing.svg": (
        b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
        "an SVG drawing, .*: export it as PNG",
    ),
    "bare.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "map.sid": (b"msid" + bytes(500), "a MrSID picture, .*: convert it to GeoTIFF"),
    "map.ecw": (b"e\x02" + bytes(500), "an ECW picture, .*: convert it to GeoTIFF"),
    "scan.dcm": (bytes(128) + b"DICM" + bytes(50), "a DICOM file"),
    "sky.fits": (b"SIMPLE  =                    T", "a FITS file"),
    "new.jxl": (b"\xff\x0a" + bytes(50), "a JPEG XL picture"),
    "virtual.vrt": (b"<VRTDataset rasterXSize='9' rasterYSize='9'/>", "only points at other files"),
    "place.tfw": (b"1.0\n0.0\n0.0\n-1.0\n5.0\n6.0\n", "a world file, which belongs to a picture and is ignored alone"),
    "place.prj": (b'GEOGCS["x"]', "ignored alone"),
    "some.tif.aux.xml": (b"<PAMDataset></PAMDataset>", "belongs to a picture and is ignored alone"),
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


def test_a_tile_is_counted_with_its_own_width_and_all_bands(tmp_path):
    """A 64 x 64 picture in one tile of 65,520 x 65,520 took 4 GB."""
    one_tile = [(322, 4, 1, 65520), (323, 4, 1, 65520), (324, 4, 1, 4096), (325, 4, 1, 4096)]
    for big in (False, True):
        path = raw_tiff(tmp_path / "tile.tif", [*plain_tags(64, 64), *one_tile], big=big)
        refused(path, "inner tiles too large", tmp_path)
    wide = [(322, 4, 1, 524288), (323, 4, 1, 1024), (324, 4, 1, 4096), (325, 4, 1, 4096)]
    refused(raw_tiff(tmp_path / "wide.tif", [*plain_tags(64, 64), *wide]), "inner tiles too large", tmp_path)
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"}
    path = write_tiff(tmp_path / "bands.tif", np.zeros((20, 20, 64), np.float32), **options)
    open_image(path)
    refused_by = Limits(max_block_bytes=64 * 2**20 - 1)
    with pytest.raises(ImageError, match="inner tiles too large"):
        open_image(path, refused_by)


def test_a_directory_of_too_many_tiles_is_refused_before_they_are_read(tmp_path):
    count = 400 * 400
    tags = [*plain_tags(6400, 6400), (322, 4, 1, 16), (323, 4, 1, 16)]
    lists = [(324, 4, count, struct.pack("<I", 4096) * count), (325, 3, count, struct.pack("<H", 256) * count)]
    refused(raw_tiff(tmp_path / "tiles.tif", [*tags, *lists]), "160,000 inner tiles", tmp_path)
    refused(raw_tiff(tmp_path / "claimed.tif", tags), "160,000 inner tiles", tmp_path)


def test_metadata_that_takes_minutes_to_read_is_refused(tmp_path):
    text = b"<GDALMetadata>" + b"".join(b'<Item name="k%d">v</Item>' % i for i in range(40_000)) + b"</GDALMetadata>\0"
    strip = [(278, 4, 1, 64), (273, 4, 1, 4096), (279, 4, 1, 4096)]
    for big in (False, True):
        path = raw_tiff(tmp_path / "text.tif", [*plain_tags(64, 64), *strip, (42112, 2, len(text), text)], big=big)
        began = time.process_time()
        refused(path, "bytes of metadata", tmp_path)
        assert time.process_time() - began < 1
    many = [(60000 + i, 3, 1, 1) for i in range(5000)]
    refused(raw_tiff_far(tmp_path / "entries.tif", [*plain_tags(64, 64), *strip, *many]), "entries", tmp_path)


def raw_tiff_far(path, tags):
    """A TIFF whose data lies behind a directory that does not fit before offset 4096."""
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags)) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8192) + bytes(8184) + body)
    return path


def test_sparse_mosaics_are_no_bombs(tmp_path):
    path = sparse_mosaic(tmp_path / "mosaic.tif")
    strict = Limits(free_bytes=2**20, max_expansion=20)
    assert open_image(path, strict).width == 6000
    refused(sparse_mosaic(tmp_path / "empty.tif", written=False), "empty mosaic", tmp_path)
    full = write_tiff(tmp_path / "full.tif", np.zeros((3000, 3000), np.uint8), compress="zstd")
    with pytest.raises(ImageError, match="decompression bomb"):
        open_image(full, strict)


def test_scans_are_counted(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "few.jpg", progressive=True)
    assert (
        headers.jpeg_scans(tmp_path / "few.jpg", 100) == (10, True) and read_canvas(tmp_path / "few.jpg").valid is None
    )
    began = time.process_time()
    refused(many_scans_jpeg(tmp_path / "many.jpg", 5000), "more than 100 scans", tmp_path)
    assert time.process_time() - began < 1


def test_files_decoded_at_once_are_counted_in_bytes(tmp_path):
    Image.new("RGB", (3000, 3000)).save(tmp_path / "black.webp", lossless=True, method=0)
    assert (tmp_path / "black.webp").stat().st_size < 100
    refused(tmp_path / "black.webp", "decompression bomb", tmp_path)
    noise = np.random.default_rng(0).integers(0, 65536, (300, 200, 4), dtype=np.uint16)
    pyvips.Image.new_from_array(noise, interpretation="rgb16").pngsave(str(tmp_path / "deep.png"), interlace=True)
    with pytest.raises(ImageError, match="interlaced PNG"):
        open_image(tmp_path / "deep.png", Limits(max_whole_bytes=300 * 200 * 8 - 1))
    assert open_image(tmp_path / "deep.png", Limits(max_whole_bytes=300 * 200 * 8)).dtype == "uint16"
    Image.fromarray(picture()).save(tmp_path / "full.jpg", progressive=True, subsampling=0)
    with pytest.raises(ImageError, match="progressive JPEG"):  # two bytes a value are kept
        open_image(tmp_path / "full.jpg", Limits(max_whole_bytes=203 * 149 * 6 - 1))


def test_a_codec_that_is_not_built_in_is_named(tmp_path):
    path = write_tiff(tmp_path / "codec.tif", picture(), compress="deflate", photometric="RGB")
    data = bytearray(path.read_bytes())
    at = struct.unpack_from("<I", data, 4)[0] + 2
    entries = range(at, at + 12 * struct.unpack_from("<H", data, at - 2)[0], 12)
    place = next(entry for entry in entries if struct.unpack_from("<H", data, entry)[0] == 259)
    for number, name in (
        (50002, "JPEG XL"),
        (34712, "JPEG 2000"),
        (33005, "JPEG 2000"),
        (34715, "JBIG 2"),
        (22610, "JPEG XR"),
    ):
        struct.pack_into("<H", data, place + 8, number)
        path.write_bytes(data)
        refused(path, f"compressed as {name}.*not built in", tmp_path)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"quality": 95, "subsampling": 0}, {"optimize": True}], ids=str
)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(tmp_path, options, lost):
    for name, rgb in (("rgb", picture()), ("grey", picture()[..., 0])):
        Image.fromarray(rgb).save(tmp_path / "whole.jpg", **options)
        content = (tmp_path / "whole.jpg").read_bytes()
        (tmp_path / "cut.jpg").write_bytes(content[:-lost])
        canvas = read_canvas(tmp_path / "cut.jpg")
        assert np.array_equal(np.asarray(canvas.image), np.asarray(read_canvas(tmp_path / "whole.jpg").image)), name
        assert any("end marker is missing" in note for note in canvas.info.notes)
        write_pyramid(tmp_path / "cut.jpg", tmp_path / "viewer.tif")
        for more in (8, 40, 400):
            (tmp_path / "cut.jpg").write_bytes(content[:-more])
            with pytest.raises(ImageError):
                read_canvas(tmp_path / "cut.jpg")
