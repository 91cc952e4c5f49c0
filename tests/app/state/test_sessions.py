"""Sessions of pages that never say that they close."""

import gc

from app.state.runs import Runs
from app.state.sessions import Sessions
from tests.support.handlers import event
from uhrbat.serving.job import Job

BUDGET = {"total": 3000, "per_scale": None}


def test_the_longest_unused_session_goes_first_and_one_at_work_stays():
    sessions, jobs = Sessions(most=3), {"used": Job(), "old": Job()}
    with sessions.of("working").at_work():
        for name, job in jobs.items():
            sessions.of(name).encode(job)
        sessions.of("used")
        sessions.of("new")
    assert set(sessions.ids) == {"working", "used", "new"}
    assert jobs["old"].done and not jobs["used"].done


def test_a_session_keeps_its_run_and_nobody_else_does(cards, explorer, request_of):
    explorer.runs = Runs(most=1)
    asked = ("nano", "default", "default", "default", 0)
    for page in ("one", "two"):
        list(cards.image.pick(event(name="airfield"), request_of(page)))
        list(cards.question.asked("How many?", BUDGET, *asked, request_of(page)))
    shown = explorer.sessions.of("one").run.id
    assert explorer.runs.get(shown) is explorer.sessions.of("one").run
    explorer.sessions.forget("one")
    gc.collect()
    assert explorer.runs.get(shown) is explorer.runs.get("nobody") is None
