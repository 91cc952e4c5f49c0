"""Drives the real page. One story first, as a visitor would go through it; then what goes wrong; then the phone."""

import json
import re
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from app import examples
from tests.support.browsing import ANSWER_MS, MOST_MS, accessible, ask, draw_box, settle, state
from uhrbat.budget import split_budget
from uhrbat.evaluation.markdown import percent
from uhrbat.geometry import SCALES

FIRST = examples.load()[0]


def ledger(page):
    rows = page.query_selector_all(".uhr-ledger tbody tr")
    return [[int(row.get_attribute(f"data-{fate}")) for fate in ("preserved", "merged", "dropped")] for row in rows]


def drag_slider(page, start, stop, steps=24):
    """Drag the budget slider by mouse from one share of its length to another."""
    track = page.locator(".uhr-slider[aria-label='Token budget']").bounding_box()
    y = track["y"] + track["height"] / 2
    x = [track["x"] + track["width"] * (start + (stop - start) * step / steps) for step in range(steps + 1)]
    page.mouse.move(x[0], y)
    page.mouse.down()
    for position in x[1:]:
        page.mouse.move(position, y)
    return page.mouse.up


def test_the_story(open_page, url):
    page = open_page()
    assert state(page, "image.example") == FIRST.name
    page.wait_for_function("window.UHRBAT.marks.some((mark) => mark.what === 'tiles')")
    assert page.locator("#address").is_hidden()  # no host is allowed unless somebody says so

    # Ask: the answer, its ledger as the library counts it, and no caveat for one of nano's own scenes.
    ask(page)
    reply = state(page, "answer")
    assert reply["budgets"] == list(split_budget(FIRST.budget, SCALES)) and not reply["caveat"]
    assert ledger(page) == [[row["preserved"], row["merged"], row["dropped"]] for row in reply["ledger"]]
    page.get_by_role("tab", name="Run").click()
    expect(page.locator(".uhr-stages tr").nth(4)).to_be_visible()

    # Drag: until the slider is released everything follows in the browser; only the picture's tiles are requested.
    requests = []
    page.on("request", lambda request: None if "/tile/" in request.url else requests.append(request.url))
    page.evaluate("window.UHRBAT.marks.length = 0")
    before = ledger(page)
    let_go = drag_slider(page, 0.7, 0.2)
    settle(page)
    paints = page.evaluate("window.UHRBAT.marks.filter((m) => m.what === 'paint' && m.layer === 'seen')")
    assert requests == [] and paints
    assert min(paint["took"] for paint in paints) < 16  # what a paint takes where nothing else has the processor
    assert ledger(page) != before and page.locator(".uhr-stale").is_visible()
    let_go()

    # A budget typed in, the presets, and numbers for each scale are shared as the library shares them.
    for total in (64, 777, 3000, 16_000, 131_328):
        assert page.evaluate(f"window.UHRBAT.split({total})") == list(split_budget(total, SCALES))
    page.click(".uhr-chip >> text=XLRS")
    assert state(page, "budget.perScale") == [180, 1320, 1600, 8000]
    page.fill(".uhr-total", "200000")
    page.press(".uhr-total", "Enter")
    expect(page.locator("#budget .uhr-problem")).to_contain_text("1 to 131,328")
    page.fill(".uhr-total", "3000")
    page.press(".uhr-total", "Enter")
    assert state(page, "budget.total") == 3000

    # Layers and scales, by button and by key; zoom and choices survive.
    page.wait_for_function("!window.UHRBAT.state.busy")
    page.evaluate("window.UHRBAT.view.goWhere([2000, 2000, -1])")
    for layer in ("importance", "regions", "fate"):
        page.click(f"[data-value={layer}]")
        page.wait_for_selector(f".uhr-map canvas.uhr-{layer}")
    page.hover(".uhr-map")
    for key, size in zip("1234", SCALES, strict=True):
        page.keyboard.press(key)
        page.wait_for_function(f"document.querySelector('canvas.uhr-fate')?.width === {size // 14}")
    expect(page.locator(".uhr-readout")).to_contain_text("rank")
    page.keyboard.press("h")
    page.wait_for_selector("canvas.uhr-importance")
    page.check(".uhr-outline input")
    page.wait_for_selector("canvas.uhr-outlines")
    where = page.evaluate("window.UHRBAT.view.where()")
    page.fill("#question textarea", FIRST.questions[1].text)
    page.wait_for_function("document.querySelector('.uhr-stale')")
    ask(page)
    assert page.evaluate("window.UHRBAT.view.where()") == pytest.approx(where, abs=8)  # the answer's card may grow
    assert (state(page, "layer"), state(page, "scale")) == ("importance", 4032)

    # A box: rows, verdict, jump to the budget that preserves it, and both counterfactuals.
    item = max(FIRST.objects, key=lambda known: known.box[2] - known.box[0])
    page.evaluate(f"window.UHRBAT.view.goWhere([{item.box[0]}, {item.box[1]}, 1])")
    draw_box(page, item.box)
    page.wait_for_selector(".uhr-verdict")
    rows = page.locator(".uhr-fates tbody tr")
    assert rows.count() == 4
    for row, reply in zip(rows.all(), state(page, "object.rows"), strict=True):
        fate = "preserved" if reply["preserved"] else "merged" if reply["merged"] else "dropped"
        assert row.get_attribute("data-fate") == fate
    least = state(page, "object.smallest_budget")
    if least:
        page.click(f'[data-jump="{least}"]')
        expect(page.locator(".uhr-verdict")).to_have_class(re.compile("kept"))
        if least > 1:
            page.click(f'[data-jump="{least - 1}"]')
            expect(page.locator(".uhr-verdict")).to_have_class(re.compile("lost"))
    page.evaluate("window.UHRBAT.chooseBudget(1000)")
    for text, answers in (("Add this object", 2), ("Remove this object", 3)):
        page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
        page.click(f"text={text}")
        expect(page.locator("#object .uhr-counteranswer")).to_have_count(answers, timeout=ANSWER_MS)
    page.wait_for_function("!window.UHRBAT.state.busy")
    accessible(page)

    # Budgets: a point each, and a click sets the budget.
    page.get_by_role("tab", name="Budgets").click()
    page.click("text=Try ten budgets")
    page.wait_for_function("window.UHRBAT.state.sweep?.running === false", timeout=ANSWER_MS)
    assert page.locator(".uhr-chart circle").count() == 10 == page.locator(".uhr-sweep tbody tr").count()
    accessible(page)
    page.click('circle[data-total="256"]')
    assert sum(state(page, "budget.perScale")) == 256

    # Compare: five compressors, each with a picture of every scale.
    page.get_by_role("tab", name="Compare").click()
    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    page.click("#compare button >> text=Compare")
    page.wait_for_function("window.UHRBAT.state.compare?.running === false", timeout=ANSWER_MS)
    assert page.locator(".uhr-method").count() == 5 and page.locator(".uhr-method canvas").count() == 20
    accessible(page)

    # Downloads.
    page.get_by_role("tab", name="Run").click()
    with page.expect_download() as arriving:
        page.click("#run >> text=JSON")
    reply = json.loads(Path(arriving.value.path()).read_text())
    assert reply["question"] == FIRST.questions[1].text and len(reply["budgets"]["points"]) == 10
    accessible(page)

    # The share link leads another visitor to the same example, question, budget, view, box and answer.
    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    page.click("[data-value=fate]")
    link = page.evaluate("(async () => (await import(new URL('gradio_api/uhr/assets/link.js', document.baseURI).href))"
                         ".shareLink())()")  # fmt: skip
    other = open_page(link.removeprefix(url))
    other.wait_for_selector("#uhr-answer", timeout=ANSWER_MS)
    for part in ("image.example", "question", "budget", "layer", "scale", "box"):
        assert state(other, part) == state(page, part), part
    assert other.evaluate("window.UHRBAT.view.where()") == pytest.approx(
        page.evaluate("window.UHRBAT.view.where()"), abs=8
    )
    assert state(other, "answer.text") == state(page, "answer.text")


def nothing_known(folder):
    """A picture of a kind that nano has never seen."""
    path = folder / "nothing-known.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (45, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((1600, 900), Image.Resampling.BICUBIC).save(path)
    return path


def test_a_picture_of_an_unknown_kind_and_a_bad_file(open_page, tmp_path):
    page = open_page()
    path = nothing_known(tmp_path)
    question = page.locator("#question textarea")
    expect(question).not_to_have_value("")
    page.set_input_files("#upload input[type=file]", path)
    page.wait_for_function(f"window.UHRBAT.state.image?.title === '{path.name}'")
    assert page.evaluate("window.UHRBAT.state.image.example") is None
    expect(question).to_have_value("")  # the example's own
    question.fill("How many cars are there?")
    ask(page)
    expect(page.locator(".uhr-caveat")).to_contain_text("never seen this kind of picture")
    shown = state(page, "image.id")

    bad = tmp_path / "bad.jpg"
    bad.write_text("I am no image")
    page.set_input_files("#upload input[type=file]", bad)
    expect(page.locator(".uhr-status")).to_contain_text("bad.jpg")
    page.wait_for_timeout(2000)  # what follows an upload has ended, and has not wiped it away
    expect(page.locator(".uhr-status")).to_contain_text("bad.jpg")
    assert page.locator(".toast-body").count() == 0  # once is enough
    assert state(page, "image.id") == shown and not state(page, "busy")
    expect(question).to_have_value("How many cars are there?")

    page.fill("#question textarea", "   ")
    page.click(".uhr-ask")
    expect(page.locator(".uhr-status")).to_contain_text("question is empty")


@pytest.mark.parametrize("how", ["cancel", "reload"])
def test_stopping_mid_run_leaves_a_usable_page(open_page, how):
    page = open_page()
    name = examples.load()[5 if how == "cancel" else 4].name
    page.click(f"[data-example={name}]")
    page.wait_for_function(f"window.UHRBAT.state.image.example === '{name}' && !window.UHRBAT.state.busy")
    page.click(".uhr-ask")
    page.wait_for_function("window.UHRBAT.state.progress.fraction > 0.02")
    if how == "cancel":
        page.click(".uhr-cancel")
        expect(page.locator(".uhr-status")).to_have_text("Stopped.")
    else:
        open_page.reload(page, running=True)
    assert state(page, "answer") is None and page.locator(".uhr-cancel").is_hidden()
    page.click(f"[data-example={FIRST.name}]")
    page.wait_for_function(f"window.UHRBAT.state.image.example === '{FIRST.name}' && !window.UHRBAT.state.busy")
    ask(page)


def test_token_maps_that_cannot_be_loaded_are_reported(open_page):
    page = open_page()
    open_page.forgive("net::ERR_FAILED")
    page.route("**/rank.png", lambda route: route.abort())
    page.click(".uhr-ask")
    notice = page.locator(".uhr-notice")
    expect(notice).to_have_text("The token maps could not be loaded. Ask again.", timeout=ANSWER_MS)
    expect(notice).to_be_visible()
    page.unroute("**/rank.png")
    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    ask(page)
    expect(notice).to_have_text("")


def test_a_library_that_arrives_late_is_waited_for(chromium, url):
    page = chromium.new_page()

    def late(route):
        time.sleep(3)
        route.continue_()

    page.route("**/leaflet/leaflet.js", late)
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_selector('.uhr-viewer[data-ready="1"]', timeout=MOST_MS)
    page.close()


def test_phone(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for part in ("#viewer", "#question textarea", ".uhr-slider[aria-label='Token budget']", ".uhr-ask", "#tabs"):
        box = page.locator(part).bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    ask(page)
    page.locator("#viewer").scroll_into_view_if_needed()
    page.tap("[data-tool=drawing]")
    frame = page.locator(".uhr-map").bounding_box()
    page.touchscreen.tap(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    page.tap("details:has(.uhr-ledger) > summary")  # folded where the window is low
    page.tap(".uhr-ledger thead th:nth-child(4)")
    expect(page.locator(".uhr-explanation")).to_contain_text("Passed to the model unchanged")
    page.wait_for_selector(".uhr-verdict")  # a tap takes the token under the finger
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_findings(open_page):
    page = open_page()
    page.wait_for_url("**example=**")  # so that Back has several entries to choose from
    page.click(".uhr-page[data-page=findings]")
    page.wait_for_selector('#findings [data-ready="1"]')
    is_seen = "(part) => part.checkVisibility({visibilityProperty: true})"
    seen = f"[...document.querySelectorAll('#explorer *')].filter({is_seen})"
    shows = "getComputedStyle(document.querySelector('#upload .wrap'), '::after').visibility"
    assert page.evaluate(f"{seen}.length") == 0 and page.evaluate(shows) == "hidden"  # nothing of the explorer
    reply = httpx.get(
        page.evaluate("new URL('gradio_api/uhr/findings.json', document.baseURI).href"), trust_env=False
    ).json()
    for command in reply["missing"]:
        expect(page.locator("#findings")).to_contain_text(command)
    if reply["frontier"]:
        before = page.locator(".uhr-frontier .method").count()
        page.click(".uhr-legendline[aria-pressed=false]:not([hidden]) >> nth=0")
        assert page.locator(".uhr-frontier .method").count() == before + 1
        curves = reply["frontier"]["points"]["accuracy"]["all"]
        asked = {method: max(point[4] for point in curve) for method, curve in curves.items()}
        for method, questions in asked.items():
            fewer = "" if questions == max(asked.values()) else f"{questions:,} questions"
            expect(page.locator(f".uhr-legendline[data-method='{method}'] .uhr-fewer")).to_have_text(fewer)
        same = page.locator("table[aria-label='Answers that are those at the widest budget']")
        for row in reply["frontier"]["agreement"]:
            expect(same).to_contain_text(f"{percent(row['value'])} %")
    if reply["real"]:
        points = reply["real"]["now"]["evidence"]
        budget, kind = min(point["budget"] for point in points), points[0]["kind"]
        page.click(f".uhr-real .uhr-chip[data-budget='{budget}']")
        page.click(f".uhr-real .uhr-chip[data-kind='{kind}']")
        shown = [point for point in points if (point["budget"], point["kind"]) == (budget, kind)]
        rows = page.locator("table[aria-label='Evidence preserved in real pictures'] tbody tr")
        expect(rows).to_have_count(len(shown))
        for row, point in zip(rows.all(), shown):
            expect(row).to_contain_text(f"{percent(point['value'])} %")
            expect(row).to_contain_text(f"{percent(point['random'])} %")
        cars = page.locator("table[aria-label='Cars counted in the beach photographs'] tbody .uhr-tick")
        expect(cars).to_have_count(len(reply["real"]["now"]["beach"]))
    sections = page.locator(".uhr-looksfound")
    expect(sections).to_have_count(int(bool(reply["looks"] or reply["looks_loss"])))
    if reply["looks"]:
        rows = sections.locator("table").first.locator("tbody tr")
        expect(rows).to_have_count(
            len(
                {
                    (point["looks"], point["split"])
                    for point in reply["looks"]["points"]
                    if point["measure"] == "evidence"
                }
            )
        )
    wider = "parts => parts.filter((part) => part.scrollWidth > part.clientWidth + 1).map((part) => part.className)"
    assert not page.locator("#findings section").evaluate_all(wider)  # wide tables scroll in a frame of their own
    accessible(page, unfold=False)  # every number of the chart takes axe many seconds
    misses = [miss for loss in reply["losses"] for miss in loss["misses"]]
    if misses:
        miss = misses[0]
        page.click(".uhr-miss button >> nth=0")
        page.wait_for_function(f"window.UHRBAT.state.image?.example === '{miss['scene']}'", timeout=ANSWER_MS)
        page.wait_for_selector("#uhr-answer", timeout=ANSWER_MS)
        assert (state(page, "question"), state(page, "budget.total")) == (miss["question"], miss["budget"])
        assert state(page, "answer.caveat") is None
        page.go_back()
    expect(page.locator(".uhr-page[data-page=findings]")).to_have_attribute("aria-current", "page")
    expect(page.locator("#viewer")).not_to_be_visible()
    page.click(".uhr-page[data-page=explore]")
    expect(page.locator("#viewer")).to_be_visible()


def test_findings_on_a_phone(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.tap(".uhr-page[data-page=findings]")
    page.wait_for_url("**tab=findings**")
    page.wait_for_selector('#findings [data-ready="1"]')
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_viewer_is_moved_by_keys_and_keeps_its_place_in_full_screen(open_page):
    page = open_page()
    page.hover(".uhr-map")
    where = page.evaluate("window.UHRBAT.view.where()")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"window.UHRBAT.view.where()[0] > {where[0]}")
    page.keyboard.press("+")
    page.wait_for_function(f"window.UHRBAT.view.where()[2] > {where[2]}")
    page.wait_for_function("window.UHRBAT.view.map._animatingZoom !== true")
    page.keyboard.press("0")
    page.wait_for_function(f"window.UHRBAT.view.where()[2] === {where[2]}")
    page.click("[aria-label='Full screen']")
    page.wait_for_function("document.fullscreenElement")
    page.wait_for_function(f"Math.abs(window.UHRBAT.view.where()[0] - {where[0]}) < 2")


def test_dark_and_light(open_page):
    page = open_page(color_scheme="light")
    background = "getComputedStyle(document.querySelector('#answer')).backgroundColor"
    light = page.evaluate(background)
    page.click("[aria-label='Dark colours']")
    page.wait_for_function(f"{background} !== '{light}'")
    open_page.reload(page)
    page.wait_for_function(f"{background} !== '{light}'")


def test_every_control_has_a_name(open_page):
    page = open_page()
    nameless = page.evaluate("""() => [...document.querySelectorAll('#explorer :is(button, input, textarea)')]
        .filter((e) => e.offsetParent
          && !(e.ariaLabel || e.title || e.textContent?.trim() || e.labels?.length || e.closest('label')))
        .map((e) => e.outerHTML.slice(0, 120))""")
    assert nameless == []
