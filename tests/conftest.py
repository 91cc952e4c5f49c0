"""Markers by folder and fixture, and a line at the end that says what was skipped and why."""

import atexit
import os
import shutil
import tempfile
from collections import Counter

import pytest
from hypothesis import settings

from tests.support.made_images import make_all

pytest_plugins = ("tests.support.picture_fixtures",)

# Test processes that run side by side each have an upload folder of their own.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="uhrbat-tests-")
atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

settings.register_profile("patient", deadline=None)  # an example may take long on a busy machine
settings.load_profile("patient")


def pytest_collection_modifyitems(items):
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
        if "dense_scene" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter):
    """Skips of the same reason are one count; a module that is skipped counts once."""
    reasons = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    if reasons:
        listed = "; ".join(f"{count} ({reason})" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"skipped: {listed}")
    else:
        terminalreporter.write_line("skipped: none")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Every made picture (`tests.support.made_images`) by its file's name."""
    return {file.path.name: file for file in make_all(tmp_path_factory.mktemp("made"))}
