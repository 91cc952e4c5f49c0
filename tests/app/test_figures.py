import io
import xml.etree.ElementTree as ElementTree

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from app import examples, figures
from uhrbat.choices import DROPPED, MERGED, PADDING, PRESERVED
from uhrbat.errors import InputError

BUDGET = {"total": 3000, "per_scale": None}


@pytest.fixture
def run(explorer, cards, request_of):
    """An example asked about, with an inspected box."""
    example = examples.load()[2]
    list(cards.image.pick(gr.EventData(None, {"name": example.name}), request_of()))
    method = ("nano", "default", "default", "default", 0)
    list(cards.question.asked(example.questions[0].text, BUDGET, *method, request_of()))
    list(cards.object.inspect(BUDGET, gr.EventData(None, {"box": list(example.objects[0].box)}), request_of()))
    return explorer.sessions.of("page").run


def wanted(run, **asked):
    return figures.Wanted.of(run, asked)


@pytest.mark.parametrize(("width", "pixels"), [("3.3", 990), ("7", 2100)])
def test_a_figure_has_the_width_of_a_column_or_a_page_at_300_dots_an_inch(run, width, pixels):
    image = Image.open(io.BytesIO(figures.figure(run, wanted(run, width=width, scale="672"), "png")))
    assert image.width == pixels and image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert np.asarray(image.convert("L")).std() > 20


def test_a_figure_says_how_to_make_it_again(run):
    link = "https://example.org/?example=suburb"
    asked = wanted(run, scale="672", panels="fate", link=link)
    texts = Image.open(io.BytesIO(figures.figure(run, asked, "png"))).text
    assert texts["Source"] == link and "seed 0" in texts["Description"] and "dang2026uhrbat" in texts["Comment"]
    pdf = figures.figure(run, asked, "pdf")
    assert pdf.startswith(b"%PDF") and link.encode() in pdf and b"/Type3" not in pdf
    svg = figures.figure(run, asked, "svg")
    ElementTree.fromstring(svg)
    assert link.encode() in svg and svg == figures.figure(run, asked, "svg")
    assert link in figures.caption(run, asked) and "dang2026uhrbat" in figures.caption(run, asked)


@pytest.mark.filterwarnings("ignore:Glyph")  # matplotlib's own font lacks some
@pytest.mark.parametrize("question", ["$\\frac{1}{", "a\nb " * 400, "\u8239 \U0001f6a2", "<b>bold</b>\x00"])
@pytest.mark.parametrize("kind", figures.TYPES)
def test_a_question_of_any_kind_has_a_figure(run, question, kind):
    run.query = run.query.model_copy(update={"question": question})
    assert len(figures.figure(run, wanted(run, scale="672", panels="fate"), kind)) > 1000


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"scale": "100"}, "no scale 100"), ({"view": "1,2"}, "x0,y0,x1,y1"), ({"view": "nan,0,5,5"}, "x0,y0,x1,y1"),
     ({"view": "9000,0,9999,5"}, "nothing of the image"), ({"panels": "secret"}, "panels"), ({"width": "50"}, "inches"),
     ({"panels": ",".join(["fate"] * 7)}, "panels"), ({"budgets": "1-2"}, "4 whole numbers"),
     ({"budgets": "x"}, "4 whole")],
)  # fmt: skip
def test_what_a_figure_cannot_show_is_an_error(run, asked, message):
    with pytest.raises(InputError, match=message):
        wanted(run, **asked)


def test_a_link_is_an_address_or_nothing(run):
    assert wanted(run, link="javascript:alert(1)").link == ""


def test_the_picture_of_a_view_lies_where_it_says(run):
    pixels, place = figures.picture_of(run, (1000, 2000, 1600, 2300))
    whole, everything = figures.picture_of(run, (0, 0, run.square.width, run.square.height))
    assert place[0] <= 1000 and place[1] <= 2000 and place[2] >= 1600 and place[3] >= 2300
    assert everything == pytest.approx((0, 0, run.square.width, run.square.height), abs=8)
    step = whole.shape[1] / everything[2]
    x0, y0, x1, y1 = (round(value * step) for value in place)
    small = np.asarray(Image.fromarray(pixels).resize((x1 - x0, y1 - y0), Image.Resampling.BOX), dtype=float)
    assert np.abs(small - whole[y0:y1, x0:x1]).mean() < 12


def test_what_the_model_sees_is_the_mean_of_each_average():
    fates = np.array([[PRESERVED, MERGED], [MERGED, DROPPED]], np.uint8)
    colors = np.zeros((2, 2, 3))
    colors[0, 1], colors[1, 0] = (1, 0, 0), (0, 1, 0)
    seen = figures.seen_colors(fates, np.array([[1, 2], [2, 9]]), colors)
    assert seen[0, 0, 3] == 0 and seen[1, 1].tolist() == [0, 0, 0, 1]
    assert seen[0, 1].tolist() == seen[1, 0].tolist() == [0.5, 0.5, 0, 1]


def test_averages_are_the_stronger_the_more_they_mix_and_padding_is_hatched():
    fates = np.array([[MERGED, MERGED, PRESERVED], [PADDING] * 3], np.uint8)
    painted = figures.fate_colors(fates, np.array([[3, 300, 1], [1, 1, 1]]))
    assert painted[0, 0, 3] < painted[0, 1, 3] and painted[0, 2, 3] == 0
    assert (painted[1, :, 3] > 0).any()


@pytest.mark.parametrize(
    ("most", "bar"), [(7, (5, "5 m")), (2.5, (2, "2 m")), (1999, (1000, "1 km")), (0.3, (0.2, "0.2 m"))]
)
def test_a_scale_bar_is_a_round_length(most, bar):
    assert figures.bar_of(most) == (pytest.approx(bar[0]), bar[1])


def test_a_file_name_says_what_is_in_it(run):
    assert figures.file_name(run, "3000", "fate") == "uhrbat-suburb-3000-fate"
    run.picture.example, run.picture.name = None, '../a "b"\n船.tif'
    assert figures.file_name(run, "run.json") == "uhrbat-a-b-run.json"
