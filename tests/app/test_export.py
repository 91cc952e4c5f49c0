import csv
import io
import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint

from app import export
from app.cards.image import image_value, place_value
from tests.support.made_images import picture as pixels
from uhrbat.imagery import GeoReference, ImageInfo

BUDGET = {"total": 3000, "per_scale": None}


@pytest.fixture
def run(run, cards, request_of):
    """A run with everything in it."""
    list(cards.budgets.sweep(request_of()))
    list(cards.compare.compare(BUDGET, request_of()))
    return run


def test_json_has_every_number_and_no_token_arrays(run):
    text = export.run_json(run)
    reply = json.loads(text)
    assert len(text) < 100_000 and reply["settings"]["seed"] == 0
    assert reply["answer"]["text"] == "five" and reply["object"]["smallest_budget"] > 0
    assert len(reply["budgets"]["points"]) == 10 and len(reply["compare"]["methods"]) == 5
    assert "kinds" not in reply["compare"]["methods"][0]


def test_the_ledger_adds_up(run):
    rows = list(csv.DictReader(io.StringIO(export.ledger_csv(run))))
    assert [row["size"] for row in rows] == ["672", "1344", "2688", "4032"]
    for row in rows:
        assert int(row["preserved"]) + int(row["merged"]) + int(row["dropped"]) == int(row["tokens"])


def test_padding_is_neither_dropped_nor_counted(explorer, cards, picture, request_of):
    """A 9 x 5 picture: about four ninths of the square's tokens are padding, and no percentage counts them."""
    explorer.sessions.of("page").picture = picture
    list(cards.question.asked("How many?", BUDGET, "nano", "default", "default", "default", 0, request_of()))
    run = explorer.sessions.of("page").run
    rows = list(csv.DictReader(io.StringIO(export.ledger_csv(run))))
    for row, scale in zip(rows, run.scales, strict=True):
        assert int(row["padding"]) == run.square.padding(scale).sum() > 0.4 * scale.tokens
        assert int(row["tokens"]) + int(row["padding"]) == scale.tokens
        assert int(row["preserved"]) + int(row["merged"]) + int(row["dropped"]) == int(row["tokens"])
    assert [row["padding"] for row in json.loads(export.run_json(run))["ledger"]] == [int(r["padding"]) for r in rows]


def test_geojson_holds_objects_box_and_points(run):
    roles = [feature["properties"]["role"] for feature in json.loads(export.marks_geojson(run))["features"]]
    assert "inspected" in roles and ("object" in roles or "evidence" in roles)


@pytest.fixture
def boxed(explorer, cards, request_of):
    """Uploads a picture, asks, and inspects a box; gives the run."""

    def run(*paths):
        list(cards.image.upload([str(path) for path in paths], request_of()))
        list(cards.question.asked("How many cars?", BUDGET, "nano", "default", "default", "default", 0, request_of()))
        list(cards.object.inspect(BUDGET, gr.EventData(None, {"box": [10, 20, 30, 40]}), request_of()))
        return explorer.sessions.of("page").run

    return run


def box_of(reply):
    """The inspected box's ring."""
    (box,) = (f["geometry"] for f in reply["features"] if f["properties"]["role"] == "inspected")
    assert box["type"] == "Polygon"
    return box["coordinates"][0]


def test_geojson_is_in_longitude_and_latitude(boxed, six_bands):
    reply = json.loads(export.marks_geojson(boxed(six_bands)))
    assert "crs" not in reply and "accuracy" not in reply
    ring = np.array(box_of(reply))
    assert np.allclose(ring[:, 0], 15, atol=0.001) and np.allclose(ring[:, 1], 45.15, atol=0.01)
    area = np.sum(ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1])
    assert area > 0  # counter-clockwise, as RFC 7946 has it


def test_geojson_of_an_approximate_place_says_how_far_off_it_is(boxed, tmp_path):
    path, rng = tmp_path / "points.tif", np.random.default_rng(0)
    points = [
        GroundControlPoint(row, col, 10 + 1e-4 * col + rng.normal(0, 1e-3), 50 - 1e-4 * row + 1e-8 * col * col)
        for row in range(0, 101, 20)
        for col in range(0, 151, 30)
    ]
    with rasterio.open(path, "w", driver="GTiff", width=151, height=101, count=3, dtype="uint8") as out:
        out.gcps = (points, "EPSG:4326")
        out.write(np.moveaxis(pixels(151, 101), 2, 0))
    run = boxed(path)
    reply = json.loads(export.marks_geojson(run))
    metres = reply["accuracy"]["metres"]
    assert 30 < metres < 200 and reply["accuracy"]["points"] == 36
    digits = max(len(str(value).partition(".")[2]) for position in box_of(reply) for value in position)
    assert 10.0**-digits * 111_320 >= metres / 10
    image = image_value(run.picture)
    assert f"off by about {metres:.0f} m" in image["picture"]["summary"]
    assert image["place"]["accuracy"] == f"±{metres:.0f} m" and image["place"]["decimals"] == digits
    assert any(f"off by about {metres:.0f} metres" in note for note in image["picture"]["notes"])


def test_geojson_of_a_place_without_crs_says_so(boxed, wide_photo, tmp_path):
    (tmp_path / "wide.jgw").write_text("0.5\n0\n0\n-0.5\n500000.25\n4999999.75\n")
    reply = json.loads(export.marks_geojson(boxed(wide_photo, tmp_path / "wide.jgw")))
    assert "CRS" in reply["note"] and "crs" not in reply
    assert box_of(reply)[0] == [500_005, 4_999_990]


def test_a_curved_place_is_sent_as_a_lattice(explorer):
    points = tuple(
        (c, r, 170 + c / 5 + (c / 40) ** 3 / 50, 10 - r / 50) for c in range(0, 101, 20) for r in range(0, 81, 20)
    )
    info = ImageInfo(Path("a.tif"), "TIFF", 100, 80, 3, "uint8", ("red",) * 3, "rasterio", "rgb", (1, 2, 3),
                     crs="EPSG:4326", points=points)  # fmt: skip
    place = place_value(GeoReference.of(info), 100, 80)
    assert place["transform"] is None and place["degrees"]
    assert len(place["lattice"]) == 33 and {len(row) for row in place["lattice"]} == {33}
    east = [position[0] for position in place["lattice"][0]]
    assert east == sorted(east) and east[0] == pytest.approx(170, abs=0.1) and east[-1] > 180
    json.dumps(place, allow_nan=False)


def test_geojson_can_be_in_the_crs_of_the_file(boxed, six_bands):
    run = boxed(six_bands)
    reply = json.loads(export.FILES["objects-crs.geojson"](run))
    assert reply["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    assert box_of(reply) == [
        [500_005, 4_999_990],
        [500_015, 4_999_990],
        [500_015, 4_999_980],
        [500_005, 4_999_980],
        [500_005, 4_999_990],
    ]
