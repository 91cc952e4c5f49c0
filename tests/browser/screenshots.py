"""Takes the README's pictures of a running explorer: `python -m tests.browser.screenshots http://127.0.0.1:7860/`."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from app import examples
from tests.browser.conftest import FLAGS, ROOT, find_chromium

FOLDER = ROOT / "assets" / "screenshots"
VIEWS = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2,
              "is_mobile": True, "has_touch": True},
}  # fmt: skip


def take(url: str, folder: Path = FOLDER) -> None:
    """Ask the first example's first question, inspect its largest object, and take each view."""
    folder.mkdir(parents=True, exist_ok=True)
    item = max(examples.load()[0].objects, key=lambda known: known.box[2] - known.box[0])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name, options in VIEWS.items():
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(300_000)
            page.goto(f"{url}?example={examples.load()[0].name}&box={','.join(map(str, item.box))}&scale=2688")
            page.wait_for_function("window.UHRBAT?.state.image && !window.UHRBAT.state.busy")
            page.click(".uhr-ask")
            page.wait_for_function("window.UHRBAT.state.tokens && !window.UHRBAT.state.busy")
            page.wait_for_selector(".uhr-verdict", state="attached")
            page.evaluate("window.UHRBAT.set({showObjects: true})")
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1])
