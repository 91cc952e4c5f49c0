"""Large files: what the shrink while streaming costs in exactness, memory, progress, cancel, a full disk."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import pyvips
from PIL import Image

from tests.support.made_images import picture, stretched, write_tiff
from uhrbat.errors import Cancelled
from uhrbat.geometry import Scale, Square
from uhrbat.imagery import Canvas, open_image, read_canvas, scale_image, valid_tokens, write_pyramid
from uhrbat.imagery.canvas import MAX_SIDE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """An 8,131 x 603 picture: shrunk by 2, with partial boxes at the right and lower edges."""
    path = tmp_path_factory.mktemp("wide") / "wide.png"
    pixels = np.tile(picture(740, 603), (1, 11, 1))[:, :8131]
    pyvips.Image.new_from_array(pixels).pngsave(str(path), compression=1, filter="none")
    return path, pixels


def test_a_large_image_is_box_averaged(wide):
    path, pixels = wide
    canvas = read_canvas(path)
    assert canvas.shrink == 2 and canvas.image.size == (4066, 302) and canvas.full_size == (8131, 603)
    boxes = np.pad(pixels, ((0, 1), (0, 1), (0, 0)), "edge").reshape(302, 2, 4066, 2, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(canvas.image) - boxes).max() <= 1


def test_shrinking_while_streaming_stays_near_the_exact_path(wide):
    path, pixels = wide
    canvas = read_canvas(path)
    exact = Canvas(Image.fromarray(pixels))
    for size, mean, most in ((672, 0.2, 4), (2688, 0.4, 12)):
        difference = np.abs(scale_image(canvas, size).astype(int) - scale_image(exact, size).astype(int))
        assert difference.mean() < mean and np.percentile(difference, 99.9) <= most


def test_exact_pixels_up_to_the_canvas(tmp_path):
    pixels = np.tile(picture(96, 48), (1, 84, 1))
    assert pixels.shape[1] == MAX_SIDE
    Image.fromarray(pixels).save(tmp_path / "edge.png")
    canvas = read_canvas(tmp_path / "edge.png")
    assert canvas.shrink == 1 and np.array_equal(np.asarray(canvas.image), pixels)


def test_validity_survives_the_shrink(tmp_path):
    pixels = np.full((900, 16_200), 7, np.uint8)
    pixels[:, 6000:] = 0
    pixels[450, 12_001] = 9
    path = write_tiff(tmp_path / "mask.tif", pixels, nodata=0, compress="deflate")
    canvas = read_canvas(path)
    assert canvas.shrink == 3
    expected = (pixels > 0).reshape(300, 3, 5400, 3).any(axis=(1, 3))
    assert np.array_equal(canvas.valid, expected)
    scale = Scale(672)
    tokens = valid_tokens(canvas, scale)
    seen = Square(16_200, 900).token_at(scale, 12_001.5, 450.5)
    assert tokens[seen] and tokens.sum() == len(Square(16_200, 900).tokens_in_box(scale, (0, 0, 6000, 900))) + 1


def test_a_stretch_of_a_large_image_is_near_that_of_all_its_pixels(tmp_path):
    values = np.random.default_rng(5).gamma(2, 500, (2001, 2100)).astype(np.uint16)
    canvas = read_canvas(write_tiff(tmp_path / "deep.tif", values))
    low, high = np.percentile(values, (2, 98))
    assert canvas.info.stretch == pytest.approx((low, high), rel=0.01)
    assert np.abs(np.asarray(canvas.image).astype(int) - stretched(values).astype(int)).max() <= 2


def test_progress_moves_from_nothing_to_all(made, tmp_path):
    for name in ("cog.tif", "uint16.tif"):
        seen = []
        canvas = read_canvas(made[name].path, progress=seen.append)
        write_pyramid(made[name].path, tmp_path / "viewer.tif", canvas.info, progress=seen.append)
        assert seen and all(0 <= share <= 1 for share in seen) and seen[-1] == 1


def test_cancel_stops_and_leaves_nothing(wide, made, tmp_path):
    for path in (wide[0], made["cog.tif"].path, made["uint16.tif"].path, made["turned6.tif"].path):
        stop = threading.Event()
        stop.set()
        with pytest.raises(Cancelled):
            read_canvas(path, cancel=stop.is_set)
        with pytest.raises(Cancelled):
            write_pyramid(path, tmp_path / "viewer.tif", cancel=stop.is_set)
        assert os.listdir(tmp_path) == []


def test_cancel_half_way(wide, tmp_path):
    seen = []

    def enough():
        return bool(seen) and seen[-1] > 0.3

    with pytest.raises(Cancelled):
        write_pyramid(wide[0], tmp_path / "viewer.tif", progress=seen.append, cancel=enough)
    assert 0.3 < max(seen) < 1 and os.listdir(tmp_path) == []


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from uhrbat.errors import ImageError
from uhrbat.imagery import write_pyramid
try:
    write_pyramid(sys.argv[1], sys.argv[2])
except ImageError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_leaves_nothing(made, tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(made["cog.tif"].path), str(tmp_path / "viewer.tif")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert "disk is full" in done.stdout, done.stdout + done.stderr
    assert os.listdir(tmp_path) == []


MEMORY = """
import sys
from uhrbat.imagery import read_canvas
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
before = peak()
canvas = read_canvas(sys.argv[1])
print(round(peak() - before))
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
    """A 24,000 x 8,000 file, 549 MiB of pixels, is read with less than that."""
    image = pyvips.Image.new_from_array(picture(500, 500)).replicate(48, 16)
    image.tiffsave(str(tmp_path / "big.tif"), tile=True)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "big.tif")], capture_output=True, text=True, timeout=600
    )
    assert int(done.stdout) < 500, done.stdout + done.stderr


def test_files_can_be_read_at_the_same_time(made):
    names = ["rgb.jpg", "tiled.tif", "deep.jp2", "nan.tif", "turned6.tif", "rgba.png", "palette.tif", "exif8.jpg"]
    alone = [np.asarray(read_canvas(made[name].path).image) for name in names]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda name: np.asarray(read_canvas(made[name].path).image), names * 3))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 3, together, strict=True))


def test_the_header_alone_decides(wide):
    info = open_image(wide[0])
    assert (info.width, info.height, info.notes) == (8131, 603, ())
