import csv
import io
import json

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from app import examples, export

BUDGET = {"total": 3000, "per_scale": None}


@pytest.fixture
def run(explorer, cards, request_of):
    """A run with everything in it."""
    example = examples.load()[2]
    list(cards.image.pick(gr.EventData(None, {"name": example.name}), request_of()))
    list(
        cards.question.asked(
            example.questions[0].text, BUDGET, "nano", "default", "default", "default", 0, request_of()
        )
    )
    list(cards.object.inspect(BUDGET, gr.EventData(None, {"box": list(example.objects[0].box)}), request_of()))
    list(cards.budgets.sweep(request_of()))
    list(cards.compare.compare(BUDGET, request_of()))
    return explorer.sessions.of("page").run


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


def test_geojson_of_a_placed_image_is_in_its_crs(explorer, cards, six_bands, request_of):
    list(cards.image.upload([str(six_bands)], "", request_of()))
    list(cards.question.asked("How many cars?", BUDGET, "nano", "default", "default", "default", 0, request_of()))
    list(cards.object.inspect(BUDGET, gr.EventData(None, {"box": [10, 20, 30, 40]}), request_of()))
    reply = json.loads(export.marks_geojson(explorer.sessions.of("page").run))
    assert reply["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    (box,) = (f["geometry"] for f in reply["features"] if f["properties"]["role"] == "inspected")
    ring = [
        [500_005, 4_999_990],
        [500_015, 4_999_990],
        [500_015, 4_999_980],
        [500_005, 4_999_980],
        [500_005, 4_999_990],
    ]
    assert box == {"type": "Polygon", "coordinates": [ring]}


@pytest.mark.filterwarnings("ignore:Glyph")  # matplotlib's own font lacks some
@pytest.mark.parametrize("question", ["$\\frac{1}{", "a\nb " * 400, "\u8239 \U0001f6a2", "<b>bold</b>"])
def test_a_question_of_any_kind_has_a_figure(run, question):
    run.query = run.query.model_copy(update={"question": question})
    assert Image.open(io.BytesIO(export.figure(run, 672))).width == 2240


def test_the_figure_has_four_pictures(run):
    image = np.asarray(Image.open(io.BytesIO(export.figure(run, 4032))).convert("L"))
    assert image.shape[1] == 2240 and image.std() > 20
