import threading
import time

import pytest

from uhrbat.errors import Cancelled, ImageError
from uhrbat.serving.server import turns
from uhrbat.serving.server.turns import in_turns

SECONDS = 60


@pytest.fixture(autouse=True)
def short_turns(monkeypatch):
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.05)


def drive(steps, between=lambda: None):
    """Take all turns; how many there were, and the result."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return count, stop.value
        count += 1
        between()


def batches(log, stage="encode", count=20):
    def work(report):
        for batch in range(count):
            report(stage, batch / count, "")
            log.append(batch)
            time.sleep(0.01)
        return "encoded"

    return work


def test_work_stands_still_while_others_have_their_turn():
    log, reports = [], []

    def between():
        before = len(log)
        time.sleep(0.1)
        assert len(log) == before

    steps = in_turns(batches(log), lambda *report: reports.append(report), threading.Event())
    count, result = drive(steps, between)
    assert (result, log) == ("encoded", list(range(20)))
    assert 2 <= count <= 20
    assert len(reports) == 20


def test_reading_goes_on_meanwhile():
    log = []
    steps = in_turns(batches(log, "read"), lambda *_: None, threading.Event())
    next(steps)
    until = time.monotonic() + SECONDS
    while len(log) < 20:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert drive(steps) == (0, "encoded")


def test_what_is_cancelled_between_its_turns_does_nothing_more():
    log, stop, ended = [], threading.Event(), threading.Event()

    def work(report):
        try:
            return batches(log, count=1000)(report)
        except Cancelled:
            ended.set()
            raise

    steps = in_turns(work, lambda *_: None, stop)
    next(steps)
    done = len(log)
    stop.set()
    steps.close()
    assert ended.wait(SECONDS)
    assert len(log) == done


def test_what_it_raises_is_raised_in_its_turn():
    def work(report):
        raise ImageError("no such band")

    with pytest.raises(ImageError, match="no such band"):
        drive(in_turns(work, lambda *_: None, threading.Event()))
