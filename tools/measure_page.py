"""Measures the page on a quiet machine: `python -m tools.measure_page http://127.0.0.1:7860/ [IMAGE]`.

Prints, as JSON, seconds to the first complete view and bytes over the wire until then; for an image file the same from
the moment it is chosen, and seconds to its first answer; frames a second while the budget slider moves with every token
on screen, and while the divider between two budgets does; milliseconds a repaint; and the machine's load.

    --slow: the first view alone, over a network of 800 kbit/s with 300 ms
    --visitor FOLDER: the first view alone, with pictures of it after 2, 10 and 30 seconds
"""

import argparse
import json
import os
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.browsing import FLAGS, find_chromium

DRAG = """async () => {
  const slider = document.querySelector('.uhr-slider[aria-label="Token budget"]');
  window.UHRBAT.marks.length = 0;
  const start = performance.now();
  let frames = 0;
  while (performance.now() - start < 3000) {
    slider.value = 500 + 400 * Math.sin((performance.now() - start) / 400);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise(requestAnimationFrame);
    frames++;
  }
  const took = window.UHRBAT.marks.filter((m) => m.what === 'paint').map((m) => m.took).sort((a, b) => a - b);
  return { frames_per_second: frames / 3, repaints_per_second: took.length / 3,
    repaint_ms: took[took.length >> 1], repaint_ms_95: took[Math.floor(took.length * 0.95)] };
}"""
SWIPE = """async () => {
  const start = performance.now();
  let frames = 0;
  while (performance.now() - start < 3000) {
    window.UHRBAT.set({ divider: 0.5 + 0.4 * Math.sin((performance.now() - start) / 400) });
    await new Promise(requestAnimationFrame);
    frames++;
  }
  return { frames_per_second: frames / 3 };
}"""
SLOW = {"offline": False, "latency": 300, "downloadThroughput": 100_000, "uploadThroughput": 100_000}
"""800 kbit/s either way."""
LOOKED_AT = (2, 10, 30)

_TILES = "window.UHRBAT?.marks?.some((mark) => mark.what === 'tiles')"


def measure(url: str, image: Path | None = None, slow: bool = False, pictures: Path | None = None) -> dict:
    """All figures of the explorer at an address; `image`: a file to be uploaded to it; slow, pictures: the first view
    alone, over a slow network, or with pictures in that folder."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        if slow:
            wire.send("Network.emulateNetworkConditions", SLOW)
        received = []
        wire.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        started = time.monotonic()
        page.goto(url, wait_until="commit" if pictures else "domcontentloaded")
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            for second in LOOKED_AT:
                page.wait_for_timeout(max(0, 1000 * (started + second - time.monotonic())))
                page.screenshot(path=pictures / f"second-{second}.png")
        page.wait_for_function(_TILES, timeout=120_000)
        figures = {"first_view_seconds": round(time.monotonic() - started, 2)}
        figures |= {"requests": len(received), "bytes": int(sum(received))}
        if slow or pictures:
            browser.close()
            return figures | {"load": os.getloadavg()[0]}
        page.wait_for_function("!window.UHRBAT.state.busy", timeout=120_000)
        if image:
            page.evaluate("window.UHRBAT.marks.length = 0")
            started = time.monotonic()
            page.set_input_files("#upload input[type=file]", image)
            page.wait_for_function(_TILES, timeout=300_000)
            figures["image_view_seconds"] = round(time.monotonic() - started, 2)
            page.fill("#question textarea", "How many ships are there?")
            page.wait_for_function("!window.UHRBAT.state.busy", timeout=120_000)
        asked = time.monotonic()
        page.click(".uhr-ask")
        page.wait_for_selector("#uhr-answer", timeout=600_000)
        figures["answer_seconds"] = round(time.monotonic() - asked, 2)
        if image:
            figures["image_answer_seconds"] = round(time.monotonic() - started, 2)
        page.wait_for_function("window.UHRBAT.state.tokens && !window.UHRBAT.state.busy", timeout=300_000)
        page.evaluate("window.UHRBAT.set({layer: 'fate', scale: 4032})")
        page.wait_for_timeout(2000)
        figures["drag"] = page.evaluate(DRAG)
        page.click("[data-tool=swipe]")
        page.evaluate("window.UHRBAT.setBudget(300)")
        page.wait_for_timeout(2000)
        figures["swipe"] = page.evaluate(SWIPE)
        browser.close()
    return figures | {"load": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("image", nargs="?", type=Path)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--visitor", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    print(json.dumps(measure(given.url, given.image, given.slow, given.visitor), indent=1))


if __name__ == "__main__":
    main()
