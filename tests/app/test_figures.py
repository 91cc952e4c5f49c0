import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from app import figures
from uhrbat.errors import InputError


def wanted(run, **asked):
    return figures.Wanted.of(run, asked)


@pytest.mark.parametrize(("width", "pixels"), [("3.3", 990), ("7", 2100)])
def test_a_figure_has_the_width_of_a_column_or_a_page_at_300_dots_an_inch(run, width, pixels):
    image = Image.open(io.BytesIO(figures.figure(run, wanted(run, width=width, scale="672"), "png")))
    assert image.width == pixels and image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert np.asarray(image.convert("L")).std() > 20


@pytest.mark.parametrize(("width", "panels"), [("3.3", "fate,importance"), ("3.3", "fate"), ("7", "fate,importance")])
def test_titles_legend_and_numbers_are_inside_the_figure(run, width, panels):
    """Nothing reaches the edge, where it would be cut off."""
    made = figures.figure(run, wanted(run, width=width, scale="672", panels=panels), "png")
    pixels = np.asarray(Image.open(io.BytesIO(made)).convert("L"))
    assert all((edge == 255).all() for edge in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]))


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_file_name_says_what_is_in_it(run):
    assert figures.file_name(run, "3000", "fate") == "uhrbat-suburb-3000-fate"
    run.picture.example, run.picture.name = None, '../a "b"\n船.tif'
    assert figures.file_name(run, "run.json") == "uhrbat-a-b-run.json"
