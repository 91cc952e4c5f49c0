"""A Chromium and the explorer's page in it, for browser tests and for tools that measure the page."""

import os
import shutil
from functools import cache
from pathlib import Path

from playwright.sync_api import Page, Playwright

MOST_MS = 120_000
"""How long anything but an answer may take on a slow machine that does other work as well."""
ANSWER_MS = 240_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip


def find_chromium():
    """UHRBAT_CHROMIUM, else the system's, else None: Playwright's own."""
    named = os.environ.get("UHRBAT_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def open_page(playwright: Playwright, url: str, timeout: float) -> Page:
    """The explorer in a Chromium, ready to be asked; timeout: seconds that anything on it may take."""
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(1000 * timeout)
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_function("window.UHRBAT?.state.image && !window.UHRBAT.state.busy")
    return page


def ready(page):
    """Wait until the page has an image and nothing under way; the viewer is hidden where Findings is open."""
    page.wait_for_selector('.uhr-viewer[data-ready="1"]', state="attached")
    page.wait_for_function("window.UHRBAT.state.image && !window.UHRBAT.state.busy")


def state(page, expression):
    """A part of the page's state."""
    return page.evaluate(f"window.UHRBAT.state.{expression}")


def ask(page):
    """Ask, and wait for the answer to this very question; what is under way is waited for, a stale answer cleared."""
    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    page.evaluate("window.UHRBAT.set({answer: null})")
    page.click(".uhr-ask")
    page.wait_for_selector("#uhr-answer", timeout=ANSWER_MS)
    page.wait_for_function("window.UHRBAT.state.tokens && !window.UHRBAT.state.busy", timeout=ANSWER_MS)


def settle(page):
    """Two frames: what follows a change has been drawn."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def draw_box(page, box):
    """Draw a box, in image pixels, by mouse on the map."""
    place = "([x, y]) => { const v = window.UHRBAT.view; return v.map.latLngToContainerPoint(v.toMap(x, y)); }"
    corners = [page.evaluate(place, [box[i], box[i + 1]]) for i in (0, 2)]
    frame = page.locator(".uhr-map").bounding_box()
    page.click("[data-tool=drawing]")
    (x0, y0), (x1, y1) = [(frame["x"] + c["x"], frame["y"] + c["y"]) for c in corners]
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, steps=2)
    page.mouse.move(x1, y1, steps=2)
    page.mouse.up()


@cache
def axe_script():
    """axe-core, which checks a page against the rules of accessibility."""
    import axe_playwright_python

    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()


def inaccessible(page, colours_only=False):
    """What axe finds wrong with the page as it is now: (rule, element) each; colours_only: contrast alone."""
    options = {"resultTypes": ["violations"]}
    if colours_only:
        options["runOnly"] = ["color-contrast"]
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(axe_script())
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [(wrong["id"], node["html"]) for wrong in found["violations"] for node in wrong["nodes"]]


def accessible(page, unfold=True):
    """Check the page as it is now, with everything on it unfolded if wanted, in the light and in the dark."""
    if unfold:
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        settle(page)
    assert inaccessible(page) == []
    page.evaluate("document.body.classList.toggle('dark')")
    settle(page)
    wrong = inaccessible(page, colours_only=True)
    page.evaluate("document.body.classList.toggle('dark')")
    assert wrong == []
