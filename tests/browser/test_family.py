"""The page with a model of another geometry: what it draws, counts and offers is that model's."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import Pages, started
from tests.support import families
from tests.support.browsing import ANSWER_MS, ask, draw_box, settle, state
from uhrbat.budget import split_budget
from uhrbat.geometry import Scale, Square

SIZES, TILE, GRID = (512, 1536, 2560, 4096), 512, 8
SCALES = [Scale(size, TILE, GRID) for size in SIZES]
WIDTH, HEIGHT = 1200, 700
SQUARE = Square(WIDTH, HEIGHT, SIZES, TILE, GRID)
EVERY = sum(scale.tokens for scale in SCALES)


@pytest.fixture
def page(chromium, tmp_path):
    """The explorer of a tiny SmolVLM, open on a picture of its own."""
    families.write(tmp_path / "smolvlm", "smolvlm")
    picture = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(picture)
    with started(tmp_path / "log.txt", UHRBAT_MODELS=f"smolvlm={tmp_path / 'smolvlm'}") as url:
        pages = Pages(chromium, url)
        page = pages()
        page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
        before = state(page, "image.id")
        page.set_input_files("#upload input[type=file]", picture)
        page.wait_for_function(f"window.UHRBAT.state.image.id !== '{before}'")
        yield page
        pages.close()


def test_a_model_of_another_geometry(page):
    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    page.fill("#question textarea", "How many ships are there?")
    ask(page)

    # The model's own scales, tile and grid; a budget is shared as the library shares it.
    model = state(page, "model")
    assert (tuple(model["scales"]), model["tile"], model["grid"]) == (SIZES, TILE, GRID)
    for total in (4, 777, 3000, EVERY):
        assert page.evaluate(f"window.UHRBAT.split({total})") == list(split_budget(total, SCALES))

    # Ledger and bars: as the library counts, padding apart, each bar full.
    page.evaluate("window.UHRBAT.chooseBudget(500)")
    page.wait_for_function("!window.UHRBAT.state.busy")
    ask(page)
    reply, rows = state(page, "answer"), page.locator(".uhr-ledger tbody tr")
    assert reply["budgets"] == list(split_budget(500, SCALES))
    for row, scale, counted in zip(rows.all(), SCALES, reply["ledger"], strict=True):
        said = [int(row.get_attribute(f"data-{fate}")) for fate in ("preserved", "merged", "dropped", "padding")]
        assert said == [counted[name] for name in ("preserved", "merged", "dropped", "padding")]
        assert sum(said) == scale.tokens and said[-1] == int(SQUARE.padding(scale).sum())
        widths = row.locator(".uhr-bar i").evaluate_all("parts => parts.map((part) => parseFloat(part.style.width))")
        assert sum(widths) == pytest.approx(100, abs=0.1)
    expect(page.locator(".uhr-share")).to_contain_text(f"of {SQUARE.all_image_tokens:,}")

    # The viewer: one pixel a token at each scale.
    page.click("[data-value=fate]")
    page.hover(".uhr-map")
    for key, scale in zip("1234", SCALES, strict=True):
        page.keyboard.press(key)
        page.wait_for_function(f"document.querySelector('canvas.uhr-fate')?.width === {scale.grid}")

    # The inspector: the tokens that a box touches.
    box = (300, 200, 520, 420)
    draw_box(page, box)
    page.wait_for_selector(".uhr-verdict")
    drawn = state(page, "box")
    for found, scale in zip(state(page, "object.rows"), SCALES, strict=True):
        assert found["size"] == scale.size and found["tokens"] == len(SQUARE.tokens_in_box(scale, drawn))
    assert page.locator(".uhr-fates tbody tr").count() == 4
    expect(page.locator(".uhr-terms")).to_contain_text("a square of 64 pixels of the image, at one of 4 sizes")

    # Presets and the slider's end are what the model has; a sweep stops at all tokens.
    page.click(".uhr-chip >> text=XLRS")
    assert state(page, "budget") == {"total": EVERY, "perScale": None}
    expect(page.locator(".uhr-chip >> text=XLRS")).to_have_attribute("aria-pressed", "true")
    page.click(".uhr-chip >> text=Paper default")
    assert state(page, "budget") == {"total": 3000, "perScale": None}
    page.fill(".uhr-total", "9000")
    page.press(".uhr-total", "Enter")
    expect(page.locator("#budget .uhr-problem")).to_contain_text(f"1 to {EVERY:,}")
    page.locator(".uhr-slider").press("End")
    settle(page)
    assert state(page, "budget.total") == EVERY
    page.get_by_role("tab", name="Budgets").click()
    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    page.click("text=Try ten budgets")
    page.wait_for_function("window.UHRBAT.state.sweep?.running === false", timeout=ANSWER_MS)
    assert [sum(point["budgets"]) for point in state(page, "sweep.points")][-1] == EVERY
    assert re.match(r"\d+", page.locator(".uhr-sweep tbody tr").last.inner_text().replace(",", ""))
