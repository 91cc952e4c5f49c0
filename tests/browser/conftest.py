"""A running explorer and a Chromium. Without a Chromium these tests fail; they are never skipped.

UHRBAT_CHROMIUM names a browser to use. UHRBAT_EXPLORER_URL tests an explorer that runs already, e.g. the one on a
fake worker (`python -m tests.support.fake_worker`); otherwise `python app.py` is started, with the real worker and
nano.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.support.browsing import FLAGS, MOST_MS, find_chromium, ready
from tests.support.shared import ROOT

START_SECONDS = 300
STOP_SECONDS = 120

expect.set_options(timeout=MOST_MS)  # 5 seconds are not enough for a machine that does other work


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """Address of the explorer under test."""
    running = os.environ.get("UHRBAT_EXPLORER_URL")
    if running:
        yield running.rstrip("/") + "/"
        return
    with started(tmp_path_factory.mktemp("explorer") / "log.txt") as address:
        yield address


@contextmanager
def started(log, **more):
    """The address of an explorer of its own, its environment changed by `more`, which stops at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "UHRBAT_ANSWERED": "0"}
    environment = {**os.environ, **settings, **more}
    with log.open("w") as out:
        explorer = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        address = f"http://127.0.0.1:{port}/"
        wait_for(address, explorer, log)
        yield address
    finally:
        explorer.terminate()
        try:
            explorer.wait(STOP_SECONDS)
        finally:
            explorer.kill()


def wait_for(address, explorer, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert explorer.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(address, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"the explorer did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def chromium():
    """The browser, one for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        browser.close()


class Pages:
    """Opens pages, and notes what they log as an error or ask of any other server.

    When a page is left or closed, Gradio's client aborts its event stream and logs that as an error where an event was
    still on its way. So nothing is listened to while a page is left, and it is left only once it is ready, unless a
    test is about leaving a running page.
    """

    def __init__(self, chromium, url):
        self.chromium, self.url = chromium, url
        self.contexts, self.complaints, self.forgiven = [], [], []
        self.leaving = False

    def __call__(self, query="", **options):
        """A page of the explorer, ready to be asked; options: of the browser context."""
        options = {"viewport": {"width": 1440, "height": 900}, "accept_downloads": True, **options}
        context = self.chromium.new_context(**options)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(MOST_MS)
        self._watch(page)
        page.goto(self.url + query, wait_until="domcontentloaded")
        ready(page)
        return page

    def forgive(self, text):
        """Complaints with this text are no fault of ours."""
        self.forgiven.append(text)

    def reload(self, page, running=False):
        """Load the page again and wait until it is ready; running: do not wait for what it does now."""
        if not running:
            ready(page)
        with self._left():
            page.reload(wait_until="domcontentloaded")
        ready(page)

    def close(self):
        """Close all, and check that none complained."""
        for context in self.contexts:
            for page in context.pages:
                ready(page)
        with self._left():
            for context in self.contexts:
                context.close()
        assert [said for said in self.complaints if not any(text in said for text in self.forgiven)] == []

    @contextmanager
    def _left(self):
        self.leaving = True
        try:
            yield
        finally:
            self.leaving = False

    def _watch(self, page):
        def complain(said):
            if not self.leaving:
                self.complaints.append(said)

        page.on("pageerror", lambda error: complain(f"error: {error}"))
        page.on("console", lambda said: said.type == "error" and complain(f"console: {said.text}"))
        page.on("response", lambda r: r.status >= 400 and complain(f"{r.status} {r.url}"))
        page.on("request", lambda r: r.url.startswith((self.url, "data:", "blob:")) or complain(f"out: {r.url}"))


@pytest.fixture
def open_page(chromium, url):
    """Opens pages (`open_page(query, **context options)`) and fails if one logs an error or asks for anything else."""
    pages = Pages(chromium, url)
    yield pages
    pages.close()
