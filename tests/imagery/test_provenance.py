import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.windows import Window

from uhrbat.imagery import canvas_of, read_canvas
from uhrbat.imagery.provenance import is_generated, save_world, stamp_world
from uhrbat.imagery.strips import write_tiff
from uhrbat.worlds import generate


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A small generated picture, saved."""
    path = tmp_path_factory.mktemp("scene") / "scene.png"
    save_world(Image.fromarray(generate(3_000_001, 504).image), path)
    return path


def test_a_saved_scene_is_known_again(scene):
    assert is_generated(scene, read_canvas(scene))


def test_its_stamp_on_other_pixels_says_nothing(scene, tmp_path):
    with Image.open(scene) as image:
        pixels, stamp = np.asarray(image).copy(), image.info
    pixels[0, 0, 0] ^= 1
    assert not is_generated(scene, canvas_of(pixels))
    assert stamp and not is_generated(save(tmp_path, pixels), canvas_of(pixels))


def test_a_stamped_picture_is_known_until_its_tiles_are_others(tmp_path):
    path, pixels = tmp_path / "large.tif", np.random.default_rng(0).integers(0, 256, (512, 600, 3), np.uint8)
    write_tiff(path, 600, 512, [pixels])
    canvas = canvas_of(pixels)
    assert not is_generated(path, canvas)
    stamp_world(path)
    assert is_generated(path, canvas)
    with rasterio.open(path, "r+") as file:
        file.write(np.zeros((3, 512, 88), np.uint8), window=Window(512, 0, 88, 512))
    assert not is_generated(path, canvas)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_other_files_are_not_scenes(content, tmp_path):
    path = tmp_path / "other"
    path.write_bytes(content)
    assert not is_generated(path, canvas_of(np.zeros((4, 4, 3), np.uint8)))


def save(folder, pixels):
    path = folder / "plain.png"
    Image.fromarray(pixels).save(path)
    return path
