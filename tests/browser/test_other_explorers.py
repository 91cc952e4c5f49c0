"""Explorers that were started in another way: with a model of another geometry, and with a host to open images from.

One explorer, in this process, on the fake worker.
"""

import re
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from app import answered, examples
from app.explorer import Explorer
from app.limits import PageLimits
from app.page import build, launch_options
from tests.browser.conftest import Pages
from tests.support.browsing import ANSWER_MS, accessible, ask, draw_box, settle, state
from tests.support.fake_worker import FakeWorker
from tests.support.made_images import picture, write_tiff
from tests.support.web import page as web_page
from tests.support.web import serving
from uhrbat.budget import split_budget
from uhrbat.geometry import Scale, Square

SCALES = tuple(Scale(size, 512, 8) for size in (512, 1024, 2048))
SIDE = 4032  # of the example
SQUARE = Square(SIDE, SIDE, tuple(scale.size for scale in SCALES), 512, 8)
EVERY = sum(scale.tokens for scale in SCALES)


FAULT, SECRET = "How many faults are there?", "/a/folder/of/the/server"


class OtherWorker(FakeWorker):
    """A slow model of another geometry, with a fault."""

    def models(self):
        (model,) = super().models()
        return (model.model_copy(update={"prefill_tokens_per_second": 350.0, "prefill_overhead_seconds": 0.1}),)

    def _ask(self, request, job, stop):
        if request.question == FAULT:
            raise KeyError(SECRET)
        return super()._ask(request, job, stop)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Such an explorer: its address, and that of the host."""
    folder = tmp_path_factory.mktemp("other")
    image = write_tiff(folder / "field.tif", picture(203, 149)).read_bytes()
    with pytest.MonkeyPatch.context() as changed, serving({"/a/field.tif": web_page(image)}) as (port, _):
        changed.setenv(answered.SWITCH, "0")
        limits = PageLimits(addresses=f"127.0.0.1:{port}")
        explorer = Explorer(lambda: OtherWorker(scales=SCALES), folder / "tiles", limits)
        built = build(explorer)
        built.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(explorer))
        yield SimpleNamespace(url=built.local_url, host=f"http://127.0.0.1:{port}")
        built.close()
        explorer.close()


@pytest.fixture
def open_page(chromium, other):
    """As the explorer's own."""
    pages = Pages(chromium, other.url)
    yield pages
    pages.close()


def test_a_model_of_another_geometry(open_page):
    # A link with looks, which this model has of the example: its finest scale is smaller than the file.
    example = examples.find("airfield")
    asked = {"example": example.name, "q": example.questions[0].text, "budget": 700, "looks": 16, "ask": 1}
    page = open_page(f"?{urlencode(asked)}")
    page.wait_for_selector("#uhr-answer", timeout=ANSWER_MS)
    page.wait_for_function("window.UHRBAT.state.tokens && !window.UHRBAT.state.busy", timeout=ANSWER_MS)
    assert (state(page, "looks"), state(page, "answer.looks")) == (16, 16)
    assert state(page, "model.looked") == {"3584": list(range(16))}
    assert "looks=16" in page.evaluate("window.UHRBAT.shareLink()")
    page.get_by_label("Looks", exact=True).press("Home")
    assert state(page, "looks") == 0
    ask(page)
    page.wait_for_function("!location.search.includes('looks')")

    # The model's own scales, tile and grid; a budget is shared as the library shares it.
    model = state(page, "model")
    assert (tuple(model["scales"]), model["tile"], model["grid"]) == (SQUARE.sizes, 512, 8)
    for total in (4, 77, 700, EVERY):
        assert page.evaluate(f"window.UHRBAT.split({total})") == list(split_budget(total, SCALES))

    # Ledger and bars are as the library counts, each bar full.
    reply, rows = state(page, "answer"), page.locator(".uhr-ledger tbody tr")
    assert reply["budgets"] == list(split_budget(700, SCALES)) and rows.count() == len(SCALES)
    for row, scale, counted in zip(rows.all(), SCALES, reply["ledger"], strict=True):
        said = [int(row.get_attribute(f"data-{fate}")) for fate in ("preserved", "merged", "dropped", "padding")]
        assert said == [counted[name] for name in ("preserved", "merged", "dropped", "padding")]
        assert sum(said) == scale.tokens
        widths = row.locator(".uhr-bar i").evaluate_all("parts => parts.map((part) => parseFloat(part.style.width))")
        assert sum(widths) == pytest.approx(100, abs=0.1)
    expect(page.locator(".uhr-share")).to_contain_text(f"of {EVERY:,}")
    expect(page.locator(".uhr-cost")).to_have_text("about 2.1 s to read, 4 MB of memory (nano, CPU)")

    # What the model did not point at although the answer needs it: the server says so, and the page shows it.
    missed = [example.objects[index] for index in example.questions[0].evidence]
    expect(page.locator(".uhr-ring.missed")).to_have_count(len(missed))
    page.locator("#answer .uhr-places button", has_text="missed").first.click()
    page.wait_for_function(f"window.UHRBAT.state.box?.join() === '{','.join(map(str, missed[0].box))}'")

    # The picture shows, and the tokens over it are one pixel each at every scale, as large as a token of the model.
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
    page.click("[data-value=fate]")
    page.hover(".uhr-map")
    for key, scale in zip("123", SCALES, strict=True):
        page.keyboard.press(key)
        page.wait_for_function(f"document.querySelector('canvas.uhr-fate')?.width === {scale.grid}")
    page.wait_for_function(  # once the map has flown to the object
        f"""() => {{
          const {{ view, state }} = window.UHRBAT;
          const drawn = document.querySelector('canvas.uhr-fate').getBoundingClientRect().width;
          return Math.abs(drawn / (2 ** (view.map.getZoom() - state.image.max_zoom) * {SIDE}) - 1) < 0.01;
        }}"""
    )

    # The inspector counts the tokens that a box touches.
    page.evaluate("window.UHRBAT.view.goWhere([1200, 1200, -1])")
    draw_box(page, (1100, 1100, 1300, 1290))
    page.wait_for_function(
        "(({box, object}) => box && object?.box?.join() === box.join() && box[0] > 1000)(window.UHRBAT.state)",
        timeout=ANSWER_MS,
    )
    box = state(page, "box")
    for found, scale in zip(state(page, "object.rows"), SCALES, strict=True):
        assert found["size"] == scale.size and found["tokens"] == len(SQUARE.tokens_in_box(scale, box))
    what_if_at_another_budget_is_marked(page)
    expect(page.locator(".uhr-terms")).to_contain_text("a square of 64 pixels of the image, at one of 3 sizes")

    # Field and slider keep to the tokens that the model has, and a preset of more is not offered.
    expect(page.locator("#budget .uhr-chip", has_text="XLRS")).to_be_hidden()
    page.fill(".uhr-total", "9000")
    page.press(".uhr-total", "Enter")
    expect(page.locator("#budget .uhr-problem")).to_contain_text(f"1 to {EVERY:,}")
    page.locator(".uhr-slider[aria-label='Token budget']").press("Home")
    settle(page)
    assert state(page, "budget.total") == 4
    page.locator(".uhr-slider[aria-label='Token budget']").press("End")
    settle(page)
    assert state(page, "budget.total") == EVERY
    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    ask(page)
    assert state(page, "answer.budgets") == [scale.tokens for scale in SCALES]


def what_if_at_another_budget_is_marked(page):
    """Answers to "What if?" say of which budget they are as soon as another one is set."""
    page.click("text=Add this object")
    cards = page.locator(".uhr-counter .uhr-card")
    expect(cards.locator(".uhr-counteranswer")).to_have_count(2, timeout=ANSWER_MS)
    page.wait_for_function("!window.UHRBAT.state.busy")
    marks = page.locator(".uhr-counter .is-stale .uhr-stale")
    expect(marks).to_have_count(0)
    page.evaluate("window.UHRBAT.setBudget(64)")  # the slider moves
    expect(marks).to_have_text(["for 700 tokens"] * 2)
    page.evaluate("window.UHRBAT.chooseBudget(64)")  # it is released, and a quick answer follows
    page.wait_for_function("window.UHRBAT.state.answer.tokens === 64 && !window.UHRBAT.state.busy", timeout=ANSWER_MS)
    expect(marks).to_have_text(["for 700 tokens"])
    page.click("text=Remove this object")
    expect(cards.locator(".uhr-counteranswer")).to_have_count(3, timeout=ANSWER_MS)
    expect(marks).to_have_text(["for 700 tokens"])
    page.wait_for_function("!window.UHRBAT.state.busy")


def test_an_image_is_opened_by_its_address(open_page, other):
    page = open_page()
    # Nothing is asked yet, and the budget keeps to the tokens of the model already.
    page.wait_for_function(f"window.UHRBAT.state.budget.total === {EVERY}")
    assert tuple(state(page, "model.scales")) == SQUARE.sizes
    field = page.get_by_label("Address of an image")
    for address, said in (
        ("http://elsewhere.example/a.tif", "'elsewhere.example' is not among the hosts in UHRBAT_ADDRESSES"),
        (f"{other.host}/none.tif", "answers '404 Not Found' instead of a file"),
    ):
        field.fill(address)
        field.press("Enter")
        expect(page.locator(".uhr-status")).to_contain_text(said)
        assert state(page, "image.example") is not None
        said_once(page, said)
    accessible(page, unfold=False)
    field.fill(f"{other.host}/a/field.tif")
    page.locator("#address").get_by_role("button", name="Open").click()
    page.wait_for_function("window.UHRBAT.state.image.title === 'field.tif' && !window.UHRBAT.state.busy")
    assert re.match(r"field.tif\s+203 × 149", page.locator(".uhr-caption").inner_text())
    expect(page.locator("#question textarea")).to_have_value("")  # the example's question says nothing about it
    page.wait_for_function("!window.UHRBAT.state.busy && window.UHRBAT.state.progress.state !== 'ahead'")

    # What goes wrong later is said in the same place.
    for question, said in ((" ", "the question is empty"), (FAULT, "through a fault of the explorer")):
        page.fill("#question textarea", question)
        page.click(".uhr-ask")
        expect(page.locator(".uhr-status")).to_contain_text(said)
        page.wait_for_function("!window.UHRBAT.state.busy")
        said_once(page, said)
        expect(page.locator("body")).not_to_contain_text(SECRET)
    page.fill("#question textarea", "How many ships are there?")
    ask(page)


def said_once(page, text):
    """A sentence is on the page once, and nothing is said beside it."""
    settle(page)
    assert page.get_by_text(text).count() == 1 and page.locator(".toast-body").count() == 0
