"""Kills the worker behind an open page with SIGKILL at each stage, and times what its user sees. Run by hand:

    python -m tools.kill_page [encode] [ask] [answer] [sweep]

In a Chromium, at each stage: seconds until the page says that the worker stopped, or null where it does not, since a
new worker did the work; and seconds until the same page, never loaded again, has the next answer (encoding included: a
new worker has nothing encoded). A session is lost if that page has another picture afterwards, or no answer; an orphan
is a worker process besides the page's own. Last, the page is killed, and the seconds counted until its worker is gone.
Loopback only.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.support.browsing import open_page
from tests.support.running import children, explorer
from uhrbat.serving.client.child import DIED

MOST_SECONDS = 600
WORKER = "uhrbat.serving"
WORDS = {
    "encode": "encoding its tiles",
    "ask": "scoring the tokens|finding the regions|ranking the tokens",
    "answer": "the language model",
    "sweep": "budget . of",
}
"""What the page's progress says at each stage."""
ASKED = {"encode": "ships", "ask": "cars", "answer": "buildings"}
"""What is asked about: a question that the model does not know is refused before the worker has it."""


def answered(page: Page) -> None:
    """Press Ask, and wait for the answer."""
    page.wait_for_function("!window.UHRBAT.state.busy")
    page.evaluate("window.UHRBAT.set({answer: null})")
    page.click(".uhr-ask")
    page.wait_for_selector("#uhr-answer")
    page.wait_for_function("window.UHRBAT.state.tokens && !window.UHRBAT.state.busy")


def bring_to(page: Page, stage: str, folder: Path) -> None:
    """Do what has the worker at that stage, and return once it is there."""
    if stage == "encode":
        new = folder / "new.png"
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (1500, 1500, 3), np.uint8)).save(new)
        page.set_input_files("#upload input[type=file]", new)
        page.wait_for_function("window.UHRBAT.state.image?.title === 'new.png'")
    if stage == "sweep":
        page.get_by_role("tab", name="Budgets").click()
        page.click("#sweep button.uhr-wide")
    else:
        page.fill("#question textarea", f"How many {ASKED[stage]} are there?")
        page.click(".uhr-ask")
    page.wait_for_function(f"new RegExp('{WORDS[stage]}').test(window.UHRBAT.state.progress?.text)", polling=5)


def round_of(page: Page, stage: str, server: psutil.Process, folder: Path) -> dict[str, float | None]:
    """Kill the worker at one stage, and time what follows."""
    (old,) = children(server, WORKER)
    bring_to(page, stage, folder)
    shown = page.evaluate("window.UHRBAT.state.image.id")
    killed = time.monotonic()
    old.send_signal(signal.SIGKILL)
    page.wait_for_function(
        "died => document.body.textContent.includes(died) || !window.UHRBAT.state.busy", arg=DIED, polling=20
    )
    reported_gone = page.get_by_text(DIED).count() > 0
    reported = time.monotonic()
    if reported_gone or stage == "sweep":
        answered(page)
    next_answer = time.monotonic()
    lost = page.evaluate("window.UHRBAT.state.image.id") != shown
    page.evaluate("document.querySelectorAll('.toast-close').forEach((button) => button.click())")
    return {
        "message": round(reported - killed, 2) if reported_gone else None,
        "next answer": round(next_answer - killed, 2),
        "sessions lost": int(lost),
        "orphans": len(children(server, WORKER)) - 1 + int(old.is_running() and old.status() != psutil.STATUS_ZOMBIE),
    }


def main() -> None:
    found: dict[str, dict[str, float | None] | float] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        with explorer(UHRBAT_STORE_FOLDER=f"{name}/store", UHRBAT_CACHE=name) as (url, server):
            page = open_page(playwright, url, MOST_SECONDS)
            answered(page)
            for stage in sys.argv[1:] or WORDS:
                found[stage] = round_of(page, stage, server, folder)
                print(stage, found[stage], file=sys.stderr)
            (worker,) = children(server, WORKER)
            killed = time.monotonic()
            server.kill()
            worker.wait(timeout=30)
            found["page killed, worker gone"] = round(time.monotonic() - killed, 2)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
