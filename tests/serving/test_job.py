import gc
import threading
import weakref

import pytest

from uhrbat.errors import Cancelled, WorkerError
from uhrbat.results import Progress
from uhrbat.serving.job import Job


def test_repeats_the_last_progress_at_least_four_times_a_second():
    job = Job()
    job.emit(Progress("encode", 0.5))
    threading.Timer(1.5, job.finish, ("done",)).start()
    events = list(job)
    assert len(events) >= 4
    assert set(events) == {Progress("encode", 0.5)}
    assert job.result() == "done"


def test_leaving_the_loop_cancels_the_job():
    job, stopped = Job(), threading.Event()
    job.on_cancel(stopped.set)
    for _ in job:
        break
    assert stopped.is_set()
    with pytest.raises(Cancelled):
        job.result()


def test_a_closed_generator_around_a_job_cancels_it():
    job, stopped = Job(), threading.Event()
    job.on_cancel(stopped.set)

    def page():
        yield from job

    events = page()
    next(events)
    events.close()
    assert stopped.is_set()


def test_reading_to_the_end_cancels_nothing():
    job, stopped = Job(), threading.Event()
    job.on_cancel(stopped.set)
    job.finish(1)
    assert list(job) == []
    assert not stopped.is_set()


def test_cancelling_before_the_work_is_known_still_stops_it():
    job, stopped = Job(), threading.Event()
    job.cancel()
    job.on_cancel(stopped.set)
    assert stopped.is_set()


def test_progress_not_yet_taken_gives_way_to_the_next():
    job = Job()
    for step in range(1000):
        job.emit(Progress("encode", step / 1000))
    assert job.take() == Progress("encode", 0.999)
    assert job.take() is None


def test_only_the_first_end_counts():
    job = Job()
    assert job.fail(WorkerError("first"))
    assert not job.finish(1)
    with pytest.raises(WorkerError, match="first"):
        job.result()


def test_waiting_for_a_result_ends_at_the_timeout():
    with pytest.raises(TimeoutError):
        Job().result(timeout=0.01)


def test_the_result_of_a_job_nobody_holds_is_freed_at_once():
    result = type("Maps", (), {})()
    gone = weakref.ref(result)
    job = Job()
    job.on_cancel(lambda: None)
    job.finish(result)
    assert job.result(0) is result
    gc.disable()  # not only when garbage is next looked for: results are megabytes
    try:
        del result, job
        assert gone() is None
    finally:
        gc.enable()
