"""What stands out in a file's own pixels, found while its canvas is decoded."""

from dataclasses import replace

import numpy as np
import pytest
import pyvips
from PIL import Image

from tests.support.tiny import engine
from uhrbat import imagery
from uhrbat.geometry import Square
from uhrbat.imagery import apart, open_image, read_canvas
from uhrbat.imagery.rows import CELL
from uhrbat.imagery.saliency import saliency, tile_saliency

OBJECT = (2000, 150, 2010, 160)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Long pictures of faint noise with one small red object, by width."""
    folder, made = tmp_path_factory.mktemp("long"), {}
    for width, height in ((5000, 40), (5200, 300), (9000, 601), (17000, 290)):
        pixels = np.random.default_rng(width).integers(90, 110, (height, width, 3), np.uint8)
        x0, y0, x1, y1 = OBJECT
        pixels[y0:y1, x0:x1] = (250, 20, 20)
        made[width] = folder / f"{width}.png"
        Image.fromarray(pixels).save(made[width], compress_level=1)
    return made


@pytest.mark.parametrize(("width", "shrink"), [(5200, 1), (9000, 2), (17000, 3)])
def test_the_canvas_is_that_of_one_pass_without_it_and_the_file_is_not_read_twice(files, width, shrink):
    path = files[width]
    canvas = read_canvas(path)
    plain = pyvips.Image.new_from_file(str(path)).shrink(shrink, shrink, ceil=True).numpy()
    assert canvas.shrink == shrink and np.array_equal(np.asarray(canvas.image), plain)
    assert np.array_equal(canvas.saliency, saliency(open_image(path)))


def test_a_file_that_the_finest_scale_shows_whole_has_none(files):
    assert read_canvas(files[5000]).saliency is None


def test_it_comes_from_a_process_of_its_own_too(files):
    here, there = read_canvas(files[9000]), apart.read_canvas(files[9000])
    assert np.array_equal(here.saliency, there.saliency)
    assert np.array_equal(np.asarray(here.image), np.asarray(there.image))


def test_what_stands_out_is_the_object(files):
    cells = read_canvas(files[5200]).saliency
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    assert (row * CELL - CELL < OBJECT[1] < (row + 1) * CELL) and (
        column * CELL - CELL < OBJECT[0] < (column + 1) * CELL
    )
    square = Square(5200, 300, (672, 1344))
    tiles = tile_saliency(cells, square, 2688)
    assert tiles[square.tiles_in_box(2688, OBJECT)].max() == tiles.max()


def test_a_question_with_looks_reads_the_file_once_more_and_not_twice(files):
    reader = replace(imagery.HERE, saliency=None)
    image = engine().encode(files[5200], progress=None, reader=reader)
    assert image.ask("How many ships are there?", looks=2).looks == 2
    assert image.nbytes > image.saliency().nbytes
