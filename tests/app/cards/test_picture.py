"""What the picture panel shows, for files of many kinds."""

import json

import numpy as np
import pytest

from app.cards.picture import picture_value, summary
from tests.support.made_images import deep, hole, picture, write_tiff
from uhrbat.imagery import Rendering, open_image, with_stretch

SUMMARIES = {
    "rgb.jpg": "Shown as it is",
    "palette.tif": "Shown as it is",
    "rgba.png": "Shown as it is; what is transparent left out",
    "eight.tif": "Shown as band 1, band 2, band 3; LOW is black and HIGH white",
    "bgrn.tif": "Shown as Red, Green, Blue; LOW is black and HIGH white",
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_one_line_says_how_a_file_is_shown(made, name):
    info = with_stretch(open_image(made[name].path))
    low, high = (f"{value:.6g}" for value in info.stretch or (0, 0))
    assert summary(info) == SUMMARIES[name].replace("LOW", low).replace("HIGH", high)


def test_a_choice_is_said(made):
    chosen = Rendering(bands=(8,), limits=(20, 3000.5), gamma=1.5, nodata=7)
    info = open_image(made["eight.tif"].path, rendering=chosen)
    assert summary(info) == "Shown as band 8 in grey; 20 is black and 3000.5 white; gamma 1.5; 7 left out"


def test_noticed_nodata_is_said_and_taken_back(tmp_path):
    values = np.where(hole()[..., None], deep().astype(np.int16), -9999).astype(np.int16)
    values[:4] = values[-4:] = values[:, :4] = values[:, -4:] = -9999
    path = write_tiff(tmp_path / "edges.tif", values)
    info = with_stretch(open_image(path))
    assert info.noticed and "-9999 left out" in summary(info)
    info = with_stretch(open_image(path, rendering=Rendering(nodata=None)))
    assert "left out" not in summary(info)


@pytest.fixture
def value(explorer):
    """What the panel is sent of a file."""
    return lambda path, **options: picture_value(list(explorer.shelf.ingest(path, **options))[-1])


def test_bands_can_be_chosen_of_any_file_of_more_than_one(value, tmp_path):
    two = value(write_tiff(tmp_path / "two.tif", picture()[..., :2]))
    assert (two["names"], two["shown"], two["mode"]) == (["band 1", "band 2"], [1], "gray")
    assert two["histogram"].startswith("picture/") and two["limits"] is None and two["whole"]
    floats = value(write_tiff(tmp_path / "floats.tif", picture().astype(np.float32)))
    assert not floats["whole"] and len(floats["limits"]) == 2
    json.dumps(floats, allow_nan=False)


def test_pages_are_listed_with_their_sizes(value, made):
    pages = value(made["pages.tif"].path)
    assert len(pages["pages"]) >= 2 and all(" × " in text for text in pages["pages"])
    assert value(made["pages.tif"].path, rendering=Rendering(page=2))["page"] == 2


def test_transparency_is_a_choice_only_where_there_could_be_some(value, made):
    assert value(made["rgb.jpg"].path)["transparency"] is None
    assert value(made["rgba.png"].path)["transparency"] == "alpha band"
    assert value(made["rgba.png"].path, rendering=Rendering(transparency="none"))["transparency"] == "nothing"
    assert value(made["palette.tif"].path)["histogram"] is None
