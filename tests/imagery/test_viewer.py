"""The viewer's tiles: right pixels at every zoom, background beyond the edge, safe from many threads."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.support.made_images import picture
from uhrbat.errors import ImageError, InputError
from uhrbat.imagery import TileReader, write_pyramid


def decode(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)), dtype=int)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer")
    pixels = np.asarray(Image.fromarray(picture()).resize((1501, 807), Image.Resampling.BICUBIC))
    Image.fromarray(pixels).save(folder / "image.png")
    write_pyramid(folder / "image.png", folder / "viewer.tif")
    with TileReader(folder / "viewer.tif") as reader:
        yield reader, pixels


@pytest.mark.parametrize("size", [256, 512])
def test_tiles_show_the_image_at_every_zoom(viewer, size):
    reader, pixels = viewer
    deepest = reader.max_zoom(size)
    assert deepest == {256: 3, 512: 2}[size] and (reader.width, reader.height) == (1501, 807)
    for zoom in range(deepest + 1):
        span = size << (deepest - zoom)
        for x in range(-(-1501 // span)):
            for y in range(-(-807 // span)):
                tile = decode(reader.tile(zoom, x, y, size))
                assert tile.shape == (size, size, 3)
                part = pixels[y * span : (y + 1) * span, x * span : (x + 1) * span]
                height, width = (max(1, round(n * size / span)) for n in part.shape[:2])
                expected = Image.fromarray(part).resize((width, height), Image.Resampling.BOX)
                assert np.abs(tile[:height, :width] - np.asarray(expected, dtype=int)).mean() < 8
                if height < size - 16:
                    beyond = tile[height + 16 :, :]
                    assert np.abs(beyond - np.array([122, 116, 104])).max() < 12


def test_the_background_can_be_chosen(viewer):
    reader, _ = viewer
    with TileReader(reader.path, background=(255, 255, 255)) as white:
        assert decode(white.tile(0, 0, 0))[240, 128].min() > 245


@pytest.mark.parametrize("place", [(-1, 0, 0), (4, 0, 0), (0, 1, 0), (0, 0, 1), (3, 6, 0), (3, 0, 4), (3, -1, 0)])
def test_a_tile_that_is_not_there_is_refused(viewer, place):
    with pytest.raises(InputError, match="no tile"):
        viewer[0].tile(*place)


def test_many_threads_read_the_same_tiles(viewer):
    reader, _ = viewer
    places = [(3, x, y) for x in range(6) for y in range(4)] * 4
    with ThreadPoolExecutor(8) as pool:
        tiles = list(pool.map(lambda place: reader.tile(*place), places))
    assert tiles[:24] == tiles[24:48] == tiles[-24:]


def test_a_missing_or_damaged_pyramid_is_an_image_error(tmp_path):
    with pytest.raises(ImageError):
        TileReader(tmp_path / "absent.tif")
    (tmp_path / "text.tif").write_text("no")
    with pytest.raises(ImageError):
        TileReader(tmp_path / "text.tif")
