"""A running explorer and a Chromium. Without a Chromium these tests fail; they are never skipped.

UHRBAT_CHROMIUM names a browser to use. UHRBAT_EXPLORER_URL tests an explorer that runs already, e.g. the one on a
fake worker (`python -m tests.support.fake_worker`); otherwise `python app.py` is started, with the real worker and nano.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.support.browsing import FLAGS, find_chromium

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """Address of the explorer under test."""
    running = os.environ.get("UHRBAT_EXPLORER_URL")
    if running:
        yield running.rstrip("/") + "/"
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("explorer") / "log.txt"
    environment = {**os.environ, "PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    with log.open("w") as out:
        explorer = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        address = f"http://127.0.0.1:{port}/"
        wait_for(address, explorer, log)
        yield address
    finally:
        explorer.terminate()
        explorer.wait(20)


def wait_for(address, explorer, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert explorer.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(address, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"the explorer did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def chromium():
    """The browser, one for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, url):
    """Opens pages (`open_page(query, **context options)`) and fails if one logs an error or asks for anything else."""
    contexts, complaints, forgiven = [], [], []

    def watch(page):
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("console", lambda said: said.type == "error" and complaints.append(f"console: {said.text}"))
        page.on("response", lambda r: r.status >= 400 and complaints.append(f"{r.status} {r.url}"))
        page.on("request", lambda r: r.url.startswith((url, "data:", "blob:")) or complaints.append(f"out: {r.url}"))

    def open(query="", **options):
        options = {"viewport": {"width": 1440, "height": 900}, "accept_downloads": True, **options}
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        watch(page)
        page.goto(url + query, wait_until="domcontentloaded")
        page.wait_for_selector('.uhr-viewer[data-ready="1"]')
        page.wait_for_function("window.UHRBAT.state.image && !window.UHRBAT.state.busy")
        return page

    open.forgive = forgiven.append  # a text whose complaints are no fault of ours
    yield open
    for context in contexts:
        context.close()
    assert [said for said in complaints if not any(text in said for text in forgiven)] == []
