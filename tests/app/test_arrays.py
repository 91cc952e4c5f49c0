import io
import json

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.io import MemoryFile

from app import arrays
from tests.support.made_images import picture as pixels
from uhrbat.choices import PRESERVED
from uhrbat.errors import InputError

BUDGET = {"total": 3000, "per_scale": None}


@pytest.fixture
def asked(explorer, cards, request_of):
    """Uploads a picture and asks; gives the run."""

    def run(*paths):
        list(cards.image.upload([str(path) for path in paths], request_of()))
        list(cards.question.asked("How many cars?", BUDGET, "nano", "default", "default", "default", 0, request_of()))
        return explorer.sessions.of("page").run

    return run


def test_arrays_lie_as_the_picture_does_and_no_object_is_pickled(asked, wide_photo):
    run = asked(wide_photo)
    found = np.load(io.BytesIO(arrays.npz(run)), allow_pickle=False)
    about = json.loads(str(found["about"]))
    assert about["question"] == "How many cars?" and sum(about["budgets"]) == 3000 and about["seed"] == 0
    for scale in run.scales:
        fate, padding = found[f"fate_{scale.size}"], found[f"padding_{scale.size}"]
        assert fate.shape == padding.shape == found[f"rank_{scale.size}"].shape == (scale.grid, scale.grid)
        # a 900 x 500 picture, centred: what is padding lies above and below
        assert padding[0].all() and padding[-1].all() and not padding[scale.grid // 2].any()
        row = next(row for row in run.asked.ledger if row.size == scale.size)
        assert (fate == PRESERVED).sum() == row.preserved


def test_a_geotiff_lies_where_the_picture_lies(asked, six_bands):
    run = asked(six_bands)
    with MemoryFile(arrays.geotiff(run, 672)) as memory, memory.open() as made, rasterio.open(six_bands) as source:
        assert made.crs == source.crs and made.descriptions == arrays.BANDS
        for x, y in ((0, 0), (203, 149), (100, 10)):
            east, north = source.transform * (x, y)
            column, row = ~made.transform * (east, north)
            token = 203 / 48
            assert (column, row) == pytest.approx((x / token, (y + 27) / token), abs=0.01)
        rank = made.read(2)
        padding = np.load(io.BytesIO(arrays.npz(run)))["padding_672"]
        assert np.array_equal(np.isnan(rank), padding)
        assert made.tags()["question"] == "How many cars?"


def test_a_geotiff_of_a_picture_with_control_points_has_them(asked, tmp_path):
    path = tmp_path / "points.tif"
    points = [
        GroundControlPoint(row, col, 10 + 1e-4 * col + 1e-6 * col * row, 50 - 1e-4 * row + 1e-6 * col * col)
        for row in range(0, 101, 20)
        for col in range(0, 151, 30)
    ]
    with rasterio.open(path, "w", driver="GTiff", width=151, height=101, count=3, dtype="uint8") as out:
        out.gcps = (points, "EPSG:4326")
        out.write(np.moveaxis(pixels(151, 101), 2, 0))
    run = asked(path)
    with MemoryFile(arrays.geotiff(run, 672)) as memory, memory.open() as made:
        found, crs = made.gcps
        assert len(found) == 81 and crs == "EPSG:4326"
        first = run.picture.place.to_map(0, 0)
        assert (found[0].x, found[0].y) == pytest.approx(first)
        assert found[0].row == pytest.approx(25 * 48 / 151)


def test_a_picture_on_no_map_has_no_geotiff(asked, wide_photo):
    with pytest.raises(InputError, match="NPZ"):
        arrays.geotiff(asked(wide_photo), 672)
