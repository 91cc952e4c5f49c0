"""What a researcher does on the page: two settings in step, tokens by hand, the history, a figure, programs."""

import csv
import io

from playwright.sync_api import expect

from tests.support.browsing import ANSWER_MS, accessible, ask, settle, state
from uhrbat.geometry import SCALES, Square

PLACE = "([x, y]) => { const v = window.UHRBAT.view; return v.map.latLngToContainerPoint(v.toMap(x, y)); }"


def on_screen(page, x, y):
    """Where an image position is on the screen."""
    frame, place = page.locator(".uhr-map").bounding_box(), page.evaluate(PLACE, [x, y])
    return frame["x"] + place["x"], frame["y"] + place["y"]


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def painted(page, side):
    """A side's painted budget: pixels of its canvas that are not clear."""
    return page.evaluate(
        """(side) => {
          const canvas = document.querySelector(`.leaflet-${side}-pane canvas`);
          if (!canvas) return null;
          const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          const data = new Uint32Array(pixels.data.buffer);
          return data.reduce((sum, pixel, i) => (sum * 31 + pixel + i) % 1000003, 7);
        }""",
        side,
    )


def test_two_settings_in_step(open_page):
    page = open_page("?example=airfield&layer=fate")
    ask(page)
    page.click("[data-tool=swipe]")
    settle(page)
    assert painted(page, "left") == painted(page, "right") is not None
    page.evaluate("window.UHRBAT.setBudget(64)")
    settle(page)
    before = painted(page, "right")
    assert painted(page, "left") != before
    expect(page.locator(".uhr-side.is-a")).to_contain_text("64 tokens")
    expect(page.locator(".uhr-side.is-b")).to_contain_text("3,000 tokens")
    handle = page.locator(".uhr-handle")
    box, frame = handle.bounding_box(), page.locator(".uhr-map").bounding_box()
    where = page.evaluate("window.UHRBAT.view.where()")
    page.mouse.move(box["x"] + 18, box["y"] + 18)
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.25 * frame["width"], box["y"] + 30, steps=3)
    page.mouse.up()
    assert abs(state(page, "divider") - 0.25) < 0.01 and page.evaluate("window.UHRBAT.view.where()") == where
    handle.press("ArrowRight")
    assert abs(state(page, "divider") - 0.27) < 0.01
    # the panes are cut where the divider is, also after the map has moved
    page.evaluate("window.UHRBAT.view.map.panBy([120, 40], {animate: false})")
    settle(page)
    cut = page.evaluate(
        """() => {
          const map = window.UHRBAT.view.map;
          const x = map.layerPointToContainerPoint([parseFloat(map.getPane('right').style.clipPath.slice(8)), 0]).x;
          return x / map.getSize().x;
        }"""
    )
    assert abs(cut - 0.27) < 0.01
    page.click(".is-difference")
    settle(page)
    expect(page.locator(".uhr-side.is-b")).to_contain_text("preserved by B only")
    assert painted(page, "right") is None
    page.evaluate("window.UHRBAT.set({tourStep: 0})")
    accessible(page)
    for step in range(5):
        expect(page.locator(".uhr-tour")).to_contain_text(f"{step + 1} of 5")
        page.click(".uhr-tour >> text=/Next|Done/")
    assert page.locator(".uhr-tour").is_hidden() and state(page, "budget.total") == 64
    page.click("[data-tool=swipe]")
    settle(page)
    assert state(page, "pinned") is None and not page.locator(".uhr-divider").is_visible()


def test_tokens_by_hand(open_page):
    page = open_page("?example=airfield&scale=672")
    ask(page)
    what_each_word_looked_at(page)
    page.click(".uhr-hand summary")
    page.click("[data-hand=force]")
    page.mouse.click(*on_screen(page, 1000, 1000))
    page.mouse.click(*on_screen(page, 2000, 2000))
    page.click("[data-hand=without]")
    x, y = on_screen(page, 3000, 1000)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=2)
    page.mouse.up()
    assert len(state(page, "hand.force")) == 2 and len(state(page, "hand.without")) == 1
    token = state(page, "image.side") / 48
    x0, y0, x1, y1 = state(page, "hand.force")[0]
    assert x0 <= 1000 <= x1 and y0 <= 1000 <= y1 and abs(x1 - x0 - token) <= 2
    assert page.locator(".uhr-box.is-force").count() == 2 and page.locator(".uhr-box.is-without").count() == 1
    assert state(page, "box") is None  # nothing is inspected
    page.keyboard.press("Escape")
    page.click("[data-hand-ask]")
    expect(page.locator("[data-hand-answer]")).to_contain_text("2 regions added and 1 removed", timeout=ANSWER_MS)
    page.wait_for_function("!window.UHRBAT.state.busy")
    page.click("[data-hand-only]")
    expect(page.locator("[data-hand-answer]")).to_contain_text("With 2 regions alone", timeout=ANSWER_MS)
    square, chosen = Square(*(state(page, f"image.{side}") for side in ("width", "height"))), state(page, "hand.force")
    inside = [{token for box in chosen for token in square.tokens_in_box(size, box)} for size in SCALES]
    assert state(page, "handAnswer.budgets") == [len(tokens) for tokens in inside]
    assert state(page, "handAnswer.tokens") == sum(map(len, inside))
    assert page.locator("[data-hand-answer].is-stale").count() == 0  # its budget is its own
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".uhr-box.is-force").count() == 0


def what_each_word_looked_at(page):
    """A word that is pointed at, or held by a click, shows what it looked at; another budget ends that."""
    page.click("text=What did each word look at?")
    words = page.locator(".uhr-words .uhr-word")
    words.last.wait_for(timeout=ANSWER_MS)
    page.wait_for_function("!window.UHRBAT.state.busy")
    words.last.hover()
    page.wait_for_selector("canvas.uhr-word")
    expect(page.locator("#answer")).to_contain_text("of its attention to the image")
    page.hover("#header")
    page.wait_for_selector("canvas.uhr-word", state="detached")
    words.last.click()
    page.hover("#header")
    settle(page)
    assert painted(page, "left") is not None and page.locator("canvas.uhr-word").count() == 1
    page.evaluate("window.UHRBAT.setBudget(100)")
    page.wait_for_selector("canvas.uhr-word", state="detached")
    page.evaluate("window.UHRBAT.setBudget(3000)")


def test_the_history_leads_back_and_is_exported(open_page):
    page = open_page("?example=airfield")
    ask(page)
    first = state(page, "maps.id")
    page.fill("#question textarea", "Where is the ship?")
    page.keyboard.press("Tab")
    ask(page)
    open_tab(page, "Run")
    rows = page.locator("[data-past]")
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("button", name="beside").click()
    page.wait_for_function("window.UHRBAT.state.pinned")
    expect(page.locator(".uhr-side.is-b")).to_contain_text("“")
    rows.nth(1).locator(".uhr-pastanswer").click()
    page.wait_for_function(f"window.UHRBAT.state.maps?.id === '{first}' && !window.UHRBAT.state.busy")
    expect(page.locator("#question textarea")).not_to_have_value("Where is the ship?")
    with page.expect_download() as download:
        page.click("[data-csv]")
    found = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [row["question"] for row in found][1] == "Where is the ship?" and found[0]["tokens allowed"] == "3000"


def test_a_figure_of_the_view_is_downloaded_under_a_name_that_says_what_it_is(open_page):
    page = open_page("?example=airfield", permissions=["clipboard-read", "clipboard-write"])
    ask(page)
    open_tab(page, "Run")
    page.evaluate("window.UHRBAT.view.goWhere([2000, 2000, 0])")
    page.locator("[data-panel=importance]").uncheck()
    with page.expect_download(timeout=ANSWER_MS) as download:
        page.click("[data-figure=svg]")
    assert download.value.suggested_filename == "uhrbat-airfield-4032-3000-overview-image-fate.svg"
    page.get_by_role("button", name="Copy caption").click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.includes('dang2026uhrbat'))")
    assert "View: pixels" in page.evaluate("navigator.clipboard.readText()")
    page.click("[data-copy=python]")
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.includes('gradio_client'))")
    assert 'image = "airfield"' in page.evaluate("navigator.clipboard.readText()")
