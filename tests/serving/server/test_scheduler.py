import threading
import time

import pytest

from uhrbat.errors import BusyError, Cancelled, InputError, WorkerError
from uhrbat.results import Progress
from uhrbat.serving.limits import Limits
from uhrbat.serving.server.scheduler import Scheduler

SECONDS = 120.0
"""Longer than anything here takes, on a busy machine too."""


@pytest.fixture
def make():
    made = []

    def make(lanes=1, on_end=lambda *_: None, **limits):
        made.append(Scheduler(Limits(**limits), lanes, on_end))
        return made[-1]

    yield make
    for scheduler in made:
        scheduler.close()


def work(log, name, steps=1, gate=None):
    """Steps that write their name to the log; the first waits for the gate."""

    def run(job, deadline):
        for _ in range(steps):
            if gate is not None:
                gate.wait(SECONDS)
            log.append(name)
            yield
        return name

    return run


def until_stopped(job, deadline):
    """Works until it must stop, as the engine does."""
    while not deadline.is_set():
        time.sleep(0.01)
    raise Cancelled("stopped")
    yield


def wait_for(condition, seconds=SECONDS):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_returns_what_the_steps_return(make):
    assert make().submit("ask", "a", work([], "x", steps=3)).result(SECONDS) == "x"


def test_a_long_job_takes_turns_with_other_sessions(make):
    scheduler, log, gate = make(), [], threading.Event()
    sweep = scheduler.submit("sweep", "a", work(log, "sweep", 20, gate))
    wait_for(lambda: scheduler.running == 1)
    asks = [scheduler.submit("ask", session, work(log, session)) for session in "bcd"]
    gate.set()
    for job in [sweep, *asks]:
        job.result(SECONDS)
    assert log[:5] == ["sweep", "b", "c", "d", "sweep"]


def test_one_sessions_many_jobs_wait_behind_anothers_one(make):
    scheduler, log, gate = make(), [], threading.Event()
    first = scheduler.submit("ask", "hold", work(log, "hold", 1, gate))
    wait_for(lambda: scheduler.running == 1)
    many = [scheduler.submit("ask", "greedy", work(log, f"greedy {n}")) for n in range(5)]
    one = scheduler.submit("ask", "modest", work(log, "modest"))
    gate.set()
    for job in [first, *many, one]:
        job.result(SECONDS)
    assert log.index("modest") == 2


def test_reports_the_place_in_the_queue(make):
    scheduler, gate = make(), threading.Event()
    scheduler.submit("ask", "a", work([], "a", 1, gate))
    wait_for(lambda: scheduler.running == 1)
    second, third = (scheduler.submit("ask", session, work([], session)) for session in "bc")
    assert second.latest == Progress("queue", 0.0, "waiting: 1 ahead", 1)
    assert third.latest == Progress("queue", 0.0, "waiting: 2 ahead", 2)
    second.cancel()
    assert third.latest.queue_position == 1
    gate.set()
    assert third.result(SECONDS) == "c"


def test_cancel_frees_the_device(make):
    outcomes = []
    scheduler = make(on_end=lambda *ended: outcomes.append(ended[:2]))
    running = scheduler.submit("sweep", "a", until_stopped)
    wait_for(lambda: scheduler.running == 1)
    running.cancel()
    assert scheduler.submit("ask", "b", work([], "next")).result(SECONDS) == "next"
    with pytest.raises(Cancelled):
        running.result()
    wait_for(lambda: len(outcomes) == 2)
    assert outcomes[0] == ("sweep", "cancelled")


def test_a_job_cancelled_while_it_waits_is_never_begun(make):
    scheduler, log, gate = make(), [], threading.Event()
    first = scheduler.submit("ask", "a", work(log, "first", 1, gate))
    wait_for(lambda: scheduler.running == 1)
    scheduler.submit("ask", "b", work(log, "never")).cancel()
    assert scheduler.queued == 0
    gate.set()
    first.result(SECONDS)
    assert log == ["first"]


def test_stops_a_job_at_its_time_limit(make):
    with pytest.raises(WorkerError, match=r"stopped after 0\.1 seconds"):
        make(job_seconds=0.1).submit("sweep", "a", until_stopped).result(SECONDS)


def test_a_job_that_does_not_notice_its_time_limit_makes_the_worker_stuck(make, monkeypatch):
    monkeypatch.setattr("uhrbat.serving.server.scheduler.STUCK_SECONDS", 0.2)
    scheduler, gate = make(job_seconds=0.1), threading.Event()
    scheduler.submit("ask", "a", work([], "deaf", 1, gate))
    wait_for(lambda: scheduler.running == 1)
    assert not scheduler.stuck
    wait_for(lambda: scheduler.stuck)
    gate.set()
    wait_for(lambda: not scheduler.stuck)


def test_waiting_does_not_count_as_time_on_the_device(make):
    scheduler, gate = make(job_seconds=0.5), threading.Event()
    scheduler.submit("ask", "a", work([], "a", 1, gate))
    job = scheduler.submit("ask", "b", work([], "b"))
    threading.Timer(0.7, gate.set).start()
    assert job.result(5) == "b"


def test_a_full_queue_is_busy(make):
    scheduler = make(queue_jobs=2, session_jobs=2)
    running = scheduler.submit("ask", "a", until_stopped)
    wait_for(lambda: scheduler.running == 1)
    waiting = [scheduler.submit("ask", session, until_stopped) for session in "bc"]
    refused = scheduler.submit("ask", "d", until_stopped)
    with pytest.raises(BusyError, match="busy, with 2 questions waiting"):
        refused.result(0)
    for job in [running, *waiting]:
        job.cancel()


def test_one_session_cannot_fill_the_queue(make):
    scheduler = make(session_jobs=2)
    jobs = [scheduler.submit("ask", "a", until_stopped)]
    wait_for(lambda: scheduler.running == 1)
    jobs += [scheduler.submit("ask", "a", until_stopped) for _ in range(2)]
    with pytest.raises(BusyError, match="your own questions"):
        scheduler.submit("ask", "a", until_stopped).result(0)
    for job in jobs:
        job.cancel()


def test_whatever_a_job_raises_the_next_one_runs(make):
    def broken(job, deadline):
        raise KeyError("oh")
        yield

    scheduler = make()
    with pytest.raises(KeyError):
        scheduler.submit("ask", "a", broken).result(SECONDS)
    assert scheduler.submit("ask", "a", work([], "fine")).result(SECONDS) == "fine"


def test_errors_by_meaning_pass_through(make):
    def wrong(job, deadline):
        raise InputError("no such budget")
        yield

    with pytest.raises(InputError, match="no such budget"):
        make().submit("ask", "a", wrong).result(SECONDS)


def test_closing_ends_every_job(make):
    scheduler = make()
    jobs = [scheduler.submit("ask", session, until_stopped) for session in "ab"]
    scheduler.close()
    for job in jobs:
        with pytest.raises(Cancelled):
            job.result(1)
    with pytest.raises(BusyError):
        scheduler.submit("ask", "a", until_stopped).result(0)


def test_several_lanes_work_at_once(make):
    scheduler = make(lanes=2)
    barrier = threading.Barrier(2)

    def meet(job, deadline):
        barrier.wait(SECONDS)
        return "met"
        yield

    assert [job.result(SECONDS) for job in [scheduler.submit("ask", s, meet) for s in "ab"]] == ["met", "met"]


def test_work_ahead_of_time_goes_after_every_sessions_questions(make):
    scheduler, log, gate = make(), [], threading.Event()
    first = scheduler.submit("ask", "hold", work(log, "hold", 1, gate))
    wait_for(lambda: scheduler.running == 1)
    early = scheduler.submit("encode", "a", work(log, "encode"), ahead_of_time=True)
    asks = [scheduler.submit("ask", session, work(log, session, 2)) for session in "ab"]
    assert early.latest == Progress("queue", 0.0, "waiting: 3 ahead", 3)
    gate.set()
    for job in [first, early, *asks]:
        job.result(SECONDS)
    assert log == ["hold", "a", "b", "a", "b", "encode"]


def test_work_ahead_of_time_is_cancelled_while_it_waits(make):
    scheduler, log, gate = make(), [], threading.Event()
    first = scheduler.submit("ask", "a", work(log, "a", 1, gate))
    wait_for(lambda: scheduler.running == 1)
    scheduler.submit("encode", "b", work(log, "encode"), ahead_of_time=True).cancel()
    assert scheduler.queued == 0
    gate.set()
    first.result(SECONDS)
    assert log == ["a"]
