"""The files that people reported trouble with elsewhere, and those that once hurt: each shows what it must.

They are made by scripts in the shared folder, so all this is skipped where that is not there; the kinds that they stand
for have tests of their own here.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio

from tests.support.shared import SHARED
from uhrbat.errors import ImageError
from uhrbat.imagery import GeoReference, apart
from uhrbat.imagery.georeference import _distance

CASES = SHARED / "data" / "cases"
pytestmark = pytest.mark.skipif(
    not (CASES / "make_cases.py").exists(), reason="no ../shared/data/cases beside the checkout"
)
NAMES = ("infrared_not_alpha.tif", "bands_named_bgrn.tif", "sentinel2_named.tif", "undeclared_nodata.tif",
         "black_collar.tif",
         "complex_int16.tif", "codec_jpeg_xl.tif", "display_p3.jpg", "lab.tif", "thumbnail_first.tif",
         "photograph.jfif",
         "no_ending", "without_end_marker.jpg", "transform_without_crs.tif", "curved_gcps.tif", "bitmap.bmp",
         "telephone.avif", "page.pdf")  # fmt: skip
HOSTILE = {"lying_jpeg.tif": "damaged", "one_huge_tile.tif": "empty mosaic|inner tiles",
           "black.webp": "decoded at once",
           "many_metadata.tif": "metadata", "many_scans.jpg": "scans", "many_tiles.tif": "inner tiles"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for script in ("make_cases.py", "make_hostile.py"):
        subprocess.run(
            [sys.executable, "-W", "ignore", str(CASES / script), str(folder)], check=True, capture_output=True
        )
    yield folder
    apart.stop()


@pytest.mark.parametrize("name", NAMES)
def test_a_case_shows_what_it_must(folder, name):
    expected = json.loads((folder / "expected.json").read_text())[name]
    try:
        canvas = apart.read_canvas(folder / name)
    except ImageError as error:
        message = str(error)
        canvas = None
    if canvas is None:
        assert expected["error"].lower() in message.lower() and expected.get("not", "???") not in message
        return
    info, pixels = canvas.info, np.asarray(canvas.image, float)
    words = " ".join(info.notes)
    assert "error" not in expected or expected["error"] in words  # complex values are shown, and said to be
    if "rgb" in expected:
        assert np.abs(pixels.reshape(-1, 3).mean(axis=0) - expected["rgb"]).max() <= expected["within"]
    if "valid" in expected:
        assert (1.0 if canvas.valid is None else canvas.valid.mean()) == pytest.approx(expected["valid"])
    if "size" in expected:
        size = expected["size"] if isinstance(expected["size"], list) else [expected["size"]] * 2
        assert [info.width, info.height] == size
    assert expected.get("note", "").lower() in words.lower()
    assert list(info.shown) == expected.get("order", list(info.shown))
    if "metres" in expected:
        reference = GeoReference.of(info)
        with rasterio.open(folder / name) as file:
            points = file.gcps[0]
        assert max(_distance(reference.to_map(p.col, p.row), (p.x, p.y)) for p in points) <= expected["metres"]


def test_a_sparse_mosaic_is_opened(folder):
    assert apart.open_image(folder / "sparse_mosaic.tif").width == 30_000  # decoding it takes a while


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_sentence(folder, name):
    with pytest.raises(ImageError, match=HOSTILE[name]) as caught:
        apart.read_canvas(folder / name)
    assert str(caught.value).count("\n") == 0 and str(caught.value).endswith(".")
