import hashlib

import numpy as np
import pytest
import rasterio

from uhrbat.errors import Cancelled, InputError
from uhrbat.imagery import canvas_of, open_image, read_canvas
from uhrbat.imagery.provenance import is_generated
from uhrbat.worlds import questions
from uhrbat.worlds.large import LargeWorld, object_sizes, write_world
from uhrbat.worlds.noise import BLOCK

SEED, SIDE = 4_000_001, 2100


@pytest.fixture(scope="module")
def painted():
    world = LargeWorld(SEED, SIDE)
    return world.truth, np.concatenate(list(world.strips()))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "world.tif"
    return write_world(SEED, SIDE, path), path


def test_a_world_is_painted_in_strips_that_make_its_picture(painted):
    heights = [len(strip) for strip in LargeWorld(SEED, SIDE).strips()]
    assert heights == [BLOCK] * 4 + [SIDE - 4 * BLOCK]
    assert painted[1].shape == (SIDE, SIDE, 3)


def test_the_same_seed_gives_the_same_world(painted):
    again = np.concatenate(list(LargeWorld(SEED, SIDE).strips()))
    assert hashlib.sha256(again).digest() == hashlib.sha256(painted[1]).digest()
    assert LargeWorld(SEED + 1, SIDE).truth.objects != painted[0].objects


@pytest.mark.parametrize("side", [SIDE, 16_384, 30_240])
def test_objects_have_pixels_of_the_picture_itself(side):
    truth = LargeWorld(SEED, side).truth
    sizes = object_sizes()
    assert len(truth.objects) >= 8
    for item in truth.objects:
        x0, y0, x1, y1 = item.box
        low, high = sizes[item.kind]
        assert low - 1 <= max(x1 - x0, y1 - y0) <= high + 1
        assert 0 <= x0 < x1 <= side and 0 <= y0 < y1 <= side
    assert max(x1 for item in truth.objects for x1 in item.box) > side / 3


def test_an_object_stands_where_the_truth_says(painted):
    """Without its objects the same picture differs inside every box, and nowhere far from one."""
    truth, picture = painted
    world = LargeWorld(SEED, SIDE)
    for shapes in world._strips:
        shapes[:] = [shape for shape in shapes if not hasattr(shape, "sprite")]
    changed = (np.concatenate(list(world.strips())) != picture).any(axis=2)
    for item in truth.objects:
        x0, y0, x1, y1 = item.box
        assert changed[y0:y1, x0:x1].mean() > 0.2
        changed[max(0, y0 - 70) : y1 + 70, max(0, x0 - 70) : x1 + 70] = False
    assert not changed.any()


def test_a_line_between_strips_is_not_seen(painted):
    """Rows on both sides of a strip's edge differ no more than other neighbouring rows."""
    steps = np.abs(np.diff(painted[1].astype(int), axis=0)).mean(axis=(1, 2))
    edges = steps[[BLOCK - 1, 2 * BLOCK - 1, 3 * BLOCK - 1]]
    assert edges.max() <= np.percentile(steps, 99.5)


def test_questions_are_asked_as_of_any_world(painted):
    truth, _ = painted
    asked = questions(truth, seed=0, n=20)
    assert len(asked) == 20
    for item in asked:
        assert len(truth.boxes(item)) == len(item.evidence)


def test_the_file_is_a_tiled_bigtiff_of_the_picture(written, painted):
    truth, path = written
    assert truth.objects == painted[0].objects and not truth.image.size
    assert path.read_bytes()[:4] == b"II+\0"
    with rasterio.open(path) as file:
        assert file.block_shapes == [(BLOCK, BLOCK)] * 3
    canvas = read_canvas(path)
    difference = np.abs(np.asarray(canvas.image).astype(int) - painted[1])
    assert difference.mean() < 4 and canvas.full_size == (SIDE, SIDE)
    assert open_image(path).width == SIDE


def test_the_file_is_known_as_generated_until_its_tiles_are_others(written, tmp_path):
    _, path = written
    canvas = canvas_of(np.zeros((4, 4, 3), np.uint8))
    assert is_generated(path, canvas)
    with rasterio.open(path) as file:
        pixels, profile, tags = file.read(), file.profile, file.tags()
    pixels[:, 40:60, 40:60] = 0
    with rasterio.open(tmp_path / "other.tif", "w", **profile, BIGTIFF="YES") as file:
        file.write(pixels)
        file.update_tags(**tags)
    assert not is_generated(tmp_path / "other.tif", canvas)
    for length in (3, 17, 30, 400):
        (tmp_path / "cut.tif").write_bytes(path.read_bytes()[:length])
        assert not is_generated(tmp_path / "cut.tif", canvas)


@pytest.mark.parametrize(("seed", "side"), [(0, 500), (0, 70_000), (-1, 2016)])
def test_an_impossible_world_is_refused(seed, side, tmp_path):
    with pytest.raises(InputError):
        write_world(seed, side, tmp_path / "no.tif")
    assert not list(tmp_path.iterdir())


def test_writing_can_be_cancelled_and_leaves_nothing(tmp_path):
    class Stop:
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 2

    with pytest.raises(Cancelled):
        write_world(SEED, SIDE, tmp_path / "world.tif", cancel=Stop())
    assert not list(tmp_path.iterdir())
