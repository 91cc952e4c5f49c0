"""The viewer under fingers, keys, dense screens and forced colours: what is drawn lies where it says."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from app import examples
from tests.support.browsing import ANSWER_MS, ask, draw_box, settle, state
from tests.support.made_images import write_tiff

PLACE = "([x, y]) => { const v = window.UHRBAT.view; return v.map.latLngToContainerPoint(v.toMap(x, y)); }"


def on_screen(page, x, y):
    """Where an image position is on the screen."""
    frame, place = page.locator(".uhr-map").bounding_box(), page.evaluate(PLACE, [x, y])
    return frame["x"] + place["x"], frame["y"] + place["y"]


class Fingers:
    """Real touches, as a touch screen sends them."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)

    def __call__(self, kind, *places):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})


@pytest.fixture
def phone(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.locator("#viewer").scroll_into_view_if_needed()
    return page


def test_one_finger_draws_a_box_and_the_map_stays(phone):
    box = (1500, 1500, 2500, 2200)
    corners = [on_screen(phone, *box[:2]), on_screen(phone, *box[2:])]
    where = phone.evaluate("window.UHRBAT.view.where()")
    phone.tap("[data-tool=drawing]")
    finger = Fingers(phone)
    finger("Start", corners[0])
    for share in (0.3, 0.6, 1):
        finger("Move", tuple(a + share * (b - a) for a, b in zip(*corners, strict=True)))
    finger("End")
    phone.wait_for_function("window.UHRBAT.state.box")
    assert phone.evaluate("window.UHRBAT.view.where()") == where
    pixel = 4096 / 374 * 1.5
    assert state(phone, "box") == pytest.approx(box, abs=pixel)


def test_two_fingers_zoom_while_a_box_is_to_be_drawn(phone):
    zoom = phone.evaluate("window.UHRBAT.view.map.getZoom()")
    x, y = on_screen(phone, 2048, 2048)
    phone.tap("[data-tool=drawing]")
    fingers = Fingers(phone)
    fingers("Start", (x - 20, y))
    fingers("Start", (x - 20, y), (x + 20, y))
    for reach in (40, 60, 80):
        fingers("Move", (x - reach, y), (x + reach, y))
    fingers("End")
    phone.wait_for_function(f"window.UHRBAT.view.map.getZoom() > {zoom} + 0.5")
    assert state(phone, "box") is None and state(phone, "rubber") is None


def shown(page, x0, y0, x1, y1):
    """The screen's own pixels of a part of the image, float[height, width, 3]."""
    (left, top), (right, bottom) = on_screen(page, x0, y0), on_screen(page, x1, y1)
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"), dtype=float)


def open_file(page, path):
    before = state(page, "image.id")
    page.set_input_files("#upload input[type=file]", path)
    page.wait_for_function(f"window.UHRBAT.state.image.id !== '{before}' && !window.UHRBAT.state.busy")
    page.evaluate("window.UHRBAT.set({layer: 'image'})")


@pytest.mark.parametrize("density", [1, 2])
def test_every_pixel_lies_where_its_box_is(open_page, tmp_path, density):
    """A one-pixel checkerboard, whole at the deepest zoom, on both sides of the tiles' edge at pixel 256."""
    rows, cols = np.indices((600, 600))
    board = np.repeat(np.where((rows + cols) % 2, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    page = open_page(device_scale_factor=density)
    open_file(page, write_tiff(tmp_path / "board.tif", board))
    page.evaluate("window.UHRBAT.view.goWhere([256, 256, 3])")
    page.wait_for_function("[...document.querySelectorAll('.leaflet-tile')].every((tile) => tile.complete)")
    settle(page)
    side = 8 * density
    seen = shown(page, 248, 248, 264, 264).mean(axis=2)
    assert seen.shape == (16 * side, 16 * side)
    middles = seen[side // 2 :: side, side // 2 :: side]
    expected = np.where(np.indices((16, 16)).sum(axis=0) % 2, 255, 0)
    assert np.abs(middles - expected).max() < 90  # JPEG tiles


def test_no_seam_shows_between_tiles_at_any_zoom(open_page, tmp_path):
    page = open_page()
    open_file(page, write_tiff(tmp_path / "white.tif", np.full((900, 900, 3), 255, np.uint8)))
    for zoom in (-0.75, -0.25, 0.25, 0.5, 1.25):
        page.evaluate(f"window.UHRBAT.view.goWhere([512, 512, {zoom}])")
        page.wait_for_function("[...document.querySelectorAll('.leaflet-tile')].every((tile) => tile.complete)")
        settle(page)
        assert shown(page, 480, 480, 540, 540).min() > 245, zoom


def test_a_dense_screen_gets_tiles_of_its_own_density(open_page):
    page = open_page(device_scale_factor=2)
    page.evaluate("window.UHRBAT.view.goWhere([2000, 2000, -1.25])")
    page.wait_for_function("[...document.querySelectorAll('.leaflet-tile')].every((tile) => tile.complete)")
    settle(page)
    size = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.leaflet-tile')].map((t) => t.getBoundingClientRect().width))"
    )
    assert 2 * size <= 256 * 1.5


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1440, 700), (1024, 768), (1440, 900)])
def test_ask_and_its_progress_are_in_view(open_page, width, height):
    page = open_page(viewport={"width": width, "height": height})
    page.evaluate("window.UHRBAT.set({progress: {state: 'running', text: 'encoding its tiles', fraction: 0.4}})")
    for part in (".uhr-ask", ".uhr-cancel", ".uhr-progress", ".uhr-status", ".uhr-slider[aria-label='Token budget']"):
        box = page.locator(part).bounding_box()
        seen = page.evaluate(
            "([x, y]) => document.elementFromPoint(x, y)?.className ?? ''",
            [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
        )
        if part != ".uhr-slider[aria-label='Token budget']":
            assert box["y"] >= 0 and box["y"] + box["height"] <= height, part
            assert seen, part
    page.evaluate("window.UHRBAT.set({progress: null})")
    rows = {
        page.locator(f".uhr-segment:has([{tool}])").bounding_box()["y"] for tool in ("data-value=seen", "data-tool")
    }
    assert width < 1366 or len(rows) == 1  # the tools stand in one row


def test_enter_asks_and_with_shift_breaks_the_line(open_page):
    page = open_page()
    field = page.locator("#question textarea")
    field.fill("How many")
    field.press("Shift+Enter")
    field.press_sequentially("cars?")
    assert field.input_value() == "How many\ncars?" and not state(page, "busy")
    field.fill(examples.load()[0].questions[0].text)
    field.press("Enter")
    page.wait_for_selector("#uhr-answer", timeout=ANSWER_MS)
    assert field.input_value() == examples.load()[0].questions[0].text


def test_the_focus_stays_and_the_answer_is_spoken(open_page):
    page = open_page()
    page.focus(".uhr-ask")
    page.keyboard.press("Enter")
    page.wait_for_selector("#uhr-answer", timeout=ANSWER_MS)
    page.wait_for_function("!window.UHRBAT.state.busy")
    assert page.evaluate("document.activeElement.className") == "uhr-ask"
    spoken = page.locator("#answer .uhr-unseen[role=status]")
    expect(spoken).to_contain_text(state(page, "answer.text"))
    expect(spoken).to_contain_text("Answered at")


def test_a_server_that_is_gone_is_told(open_page):
    page = open_page()
    open_page.forgive("")
    page.context.set_offline(True)
    page.click(".uhr-ask")
    expect(page.locator(".uhr-status")).to_contain_text("does not answer", timeout=60_000)
    assert not state(page, "busy")
    page.context.set_offline(False)


def test_without_motion_the_map_jumps(open_page):
    page = open_page(reduced_motion="reduce")
    moved = page.evaluate("""() => {
        const before = window.UHRBAT.view.where();
        window.UHRBAT.set({goto: {box: [1000, 1000, 1040, 1040]}});
        return [before, window.UHRBAT.view.where()];
    }""")
    assert moved[1][:2] == pytest.approx([1020, 1020], abs=2) and moved[0] != moved[1]


def test_forced_colours_keep_what_is_pressed_and_measured(open_page):
    page = open_page(forced_colors="active")
    ask(page)
    look = "(e) => getComputedStyle(e).backgroundColor"
    pressed = page.locator("[data-value=seen]").evaluate(look)
    assert pressed != page.locator("[data-value=regions]").evaluate(look)
    bar = page.locator(".uhr-ledger .uhr-bar .is-merged").first
    assert bar.evaluate(look) == "rgb(230, 159, 0)"


def test_what_was_missed_is_seen_from_afar_and_leads_there(open_page):
    """The fake worker, and a model that misses: a ring of one size at every zoom, and a link that inspects."""
    page = open_page()
    ask(page)
    box = list(examples.load()[0].objects[0].box)
    page.evaluate(
        "(box) => window.UHRBAT.set({points: [{x: box[0], y: box[1], status: 'missed', label: 'missed: it', box}]})",
        box,
    )
    ring = page.locator(".uhr-ring.missed")
    assert ring.bounding_box()["width"] >= 20
    page.click("#answer .uhr-places >> text=missed: it")
    page.wait_for_function(f"JSON.stringify(window.UHRBAT.state.box) === '{str(box).replace(' ', '')}'")
    page.wait_for_selector(".uhr-verdict", timeout=ANSWER_MS)
    settle(page)
    assert ring.bounding_box()["width"] >= 20
    where = page.evaluate("window.UHRBAT.view.where()")
    assert where[:2] == pytest.approx([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], abs=300)


def test_a_loosely_drawn_box_is_the_object_s_and_a_jump_asks_again(open_page):
    page = open_page()
    ask(page)
    known = min(examples.load()[0].objects, key=lambda item: item.box[2] - item.box[0])
    x0, y0, x1, y1 = known.box
    page.evaluate(f"window.UHRBAT.view.goWhere([{x0}, {y0}, 2])")
    draw_box(page, (x0 - 3, y0 - 3, x1 + 3, y1 + 3))
    page.wait_for_selector(".uhr-verdict", timeout=ANSWER_MS)
    assert state(page, "box") == list(known.box)
    expect(page.locator("#object .uhr-note").first).to_contain_text(f"{x1 - x0} × {y1 - y0} px")
    least = state(page, "object.smallest_budget")
    if least:
        page.click(f'[data-jump="{least}"]')
        page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
        assert sum(state(page, "answer.budgets")) == least == state(page, "budget.total")
        assert page.locator(".uhr-stale").count() == 0
