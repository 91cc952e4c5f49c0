"""Measures the page on a quiet machine: `python -m tools.measure_page http://127.0.0.1:7860/ [IMAGE]`.

Prints, as JSON, seconds to the first complete view and bytes over the wire until then; for an image file the same from
the moment it is chosen, and seconds to its first answer; frames a second while the budget slider moves with every token
on screen, milliseconds a repaint; and the machine's load.
"""

import json
import os
import sys
import time

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


_TILES = "window.UHRBAT?.marks?.some((mark) => mark.what === 'tiles')"


def measure(url: str, image: str | None = None) -> dict:
    """All figures of the explorer at an address; `image`: a file to be uploaded to it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        received = []
        wire.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        started = time.monotonic()
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_function(_TILES, timeout=120_000)
        figures = {"first_view_seconds": round(time.monotonic() - started, 2)}
        figures |= {"requests": len(received), "bytes": int(sum(received))}
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
        browser.close()
    return figures | {"load": os.getloadavg()[0]}


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:3]), indent=1))
