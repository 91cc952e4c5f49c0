"""Takes the README's pictures of a running explorer: `python -m tools.screenshots http://127.0.0.1:7860/`.

Of the explorer and of the Findings page: 1440 px light and dark, a laptop's 1366 x 768, a phone light and dark, and
with the system's forced colours.
"""

import sys
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import sync_playwright

from app import examples
from tests.support.browsing import FLAGS, find_chromium
from tests.support.running import ROOT

FOLDER = ROOT / "assets" / "screenshots"
_PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
VIEWS: dict[str, dict] = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "laptop": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "light"},
    "forced-colours": {"viewport": {"width": 1440, "height": 900}, "forced_colors": "active"},
    "phone": {**_PHONE, "color_scheme": "light"},
    "phone-dark": {**_PHONE, "color_scheme": "dark"},
}


def take(url: str, folder: Path = FOLDER) -> None:
    """Ask the first example's first question, inspect what it asks for, and take each view of both pages."""
    folder.mkdir(parents=True, exist_ok=True)
    example = examples.load()[0]
    boxes = example.boxes(example.questions[0]) or [item.box for item in example.objects]
    box = max(boxes, key=lambda corners: corners[2] - corners[0])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name, options in VIEWS.items():
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(300_000)
            page.goto(
                f"{url}?example={example.name}&q={quote(example.questions[0].text)}"
                f"&box={','.join(map(str, box))}&scale=2688"
            )
            page.wait_for_function("window.UHRBAT?.state.image && !window.UHRBAT.state.busy")
            page.click(".uhr-ask")
            page.wait_for_function("window.UHRBAT.state.tokens && !window.UHRBAT.state.busy")
            page.wait_for_selector(".uhr-verdict", state="attached")
            page.evaluate("window.UHRBAT.set({showObjects: true})")
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name}.png")
            page.click(".uhr-page[data-page=findings]")
            page.wait_for_selector('#findings [data-ready="1"]')
            page.wait_for_timeout(500)
            page.screenshot(path=folder / f"findings-{name}.png")
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1])
