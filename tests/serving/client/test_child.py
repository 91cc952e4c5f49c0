"""The worker as a child process, around the fake engine: its answers, and what dies."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.support import fake_engine
from tests.support.made_images import write_tiff
from tests.support.results import same, without_costs
from tests.support.running import FAKE_CHILD
from uhrbat.errors import Cancelled, ImageError, InputError, WorkerError
from uhrbat.results import Progress, SweepPoint
from uhrbat.serving.client.child import DIED, Supervisor
from uhrbat.serving.client.http import HttpWorker, Remote
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import Health, query
from uhrbat.serving.server.models import Offer
from uhrbat.serving.server.service import Service

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT = 120


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    folder = tmp_path_factory.mktemp("child")
    before = os.environ.get("UHRBAT_STORE_FOLDER")
    os.environ["UHRBAT_STORE_FOLDER"] = str(folder)
    try:
        with HttpWorker(Supervisor(FAKE_CHILD)) as worker:
            worker.folder = folder
            yield worker
    finally:
        os.environ.pop("UHRBAT_STORE_FOLDER")
        if before is not None:
            os.environ["UHRBAT_STORE_FOLDER"] = before


@pytest.fixture
def image(child, picture):
    return child.store(picture)


def at_stage(job, stage):
    """Read the job's events up to a stage, without leaving the loop."""
    events = iter(job)
    for event in events:
        if isinstance(event, Progress) and event.stage == stage:
            return events
    raise AssertionError(f"never at {stage}")


def test_answers_as_a_worker_in_this_process_does(child, image, picture, tmp_path):
    questions = (
        lambda worker: worker.encode(image),
        lambda worker: worker.ask(query(image, "how many?", {"seed": 5}), budget=700),
        lambda worker: worker.answer(query(image, "how many?"), budget=(100, 300), without=((1, 2, 3, 4),)),
        lambda worker: worker.sweep(query(image, "how many?"), budgets=(10, 100), truth="7", boxes=((1, 2, 3, 4),)),
        lambda worker: worker.inspect(query(image, "how many?"), box=(1, 2, 3, 4), budget=100),
    )
    service = Service(Limits(store_folder=str(tmp_path)), Offer(), fake_engine.load)
    with InProcessWorker(service) as local:
        local.store(picture)
        for ask in questions:
            far, near = ask(child).result(TIMEOUT), ask(local).result(TIMEOUT)
            assert same(without_costs(far), without_costs(near))


def test_streams_partial_results_and_heartbeats(child, image):
    began = time.monotonic()
    events = list(child.sweep(query(image, "slow answer"), budgets=(10,)))
    seconds = time.monotonic() - began
    assert sum(isinstance(event, SweepPoint) for event in events) == 1
    assert len(events) >= seconds  # four a second where the machine is idle


def test_errors_arrive_with_their_meaning(child, image):
    with pytest.raises(InputError, match="not offered here"):
        child.ask(query(image, "how many?", {"model": "other"})).result(TIMEOUT)
    with pytest.raises(WorkerError, match="out of memory"):
        child.ask(query(image, "oom")).result(TIMEOUT)
    with pytest.raises(WorkerError, match="the model worker failed") as raised:
        child.ask(query(image, "crash")).result(TIMEOUT)
    assert "secret" not in str(raised.value)


def test_cancel_frees_the_device_before_the_work_is_done(child, image):
    job = child.ask(query(image, "slow ask 1"))
    events = at_stage(job, "score")
    began = time.monotonic()
    events.close()
    with pytest.raises(Cancelled):
        job.result()
    while child.health().running:
        assert time.monotonic() - began < fake_engine.SLOW_SECONDS
    assert child.ask(query(image, "how many?")).result(TIMEOUT)


def test_another_sessions_question_does_not_wait_for_a_sweep(child, image):
    sweep = child.sweep(query(image, "how many?"), budgets=tuple(range(10, 70)), session="a")
    events = at_stage(sweep, "decode")
    child.ask(query(image, "which?"), session="b", budget=9).result(TIMEOUT)
    assert not sweep.done
    events.close()


def test_sends_an_image_again_that_the_worker_has_lost(child, image):
    for file in child.folder.iterdir():
        file.unlink()
    assert child.ask(query(image, "how many?")).result(TIMEOUT)
    for file in child.folder.iterdir():
        file.unlink()
    assert child.encode(image).result(TIMEOUT)
    with pytest.raises(ImageError, match="no longer stored"):
        child.encode("0" * 64).result(TIMEOUT)


def test_a_mask_goes_with_its_image_and_is_sent_again_too(child, image, tmp_path):
    mask = child.store(write_tiff(tmp_path / "harbour.png.msk", np.full((48, 72), 255, np.uint8)))
    assert child.encode(image, {"mask": mask}).result(TIMEOUT).run.reused == ()
    for file in child.folder.iterdir():
        file.unlink()
    asked = child.ask(query(image, "how many?", {"mask": mask}), budget=9).result(TIMEOUT)
    assert asked.run.reused[:1] == ("encode",)


def test_a_worker_on_this_machine_gets_the_very_file_and_its_known_hash(child, tmp_path, monkeypatch):
    path = tmp_path / "fresh.png"
    Image.effect_noise((60, 40), 50).save(path)
    known = hashlib.sha256(path.read_bytes()).hexdigest()

    def never(*_):
        raise AssertionError("hashed again")

    monkeypatch.setattr("uhrbat.serving.client.http.sha256_file", never)
    assert child.store(path, known) == known
    assert (child.folder / known).stat().st_ino == path.stat().st_ino
    assert child.encode(known).result(TIMEOUT).image == known
    (child.folder / known).unlink()
    assert child.ask(query(known, "how many?")).result(TIMEOUT)
    assert (child.folder / known).stat().st_ino == path.stat().st_ino


def test_too_large_a_file_is_refused_before_it_is_sent(child, tmp_path, monkeypatch):
    child.health()
    monkeypatch.setattr(child, "_upload_bytes", 10)
    large = tmp_path / "large.png"
    large.write_bytes(b"x" * 100)
    with pytest.raises(ImageError, match=r"large\.png has"):
        child.store(large)


def test_only_the_supervisor_can_use_its_worker(child, image):
    url, _ = child.endpoint.address()
    with HttpWorker(Remote(url, "guess")) as stranger, pytest.raises(WorkerError, match="wants its secret"):
        stranger.ask(query(image, "how many?")).result(TIMEOUT)


@pytest.mark.parametrize("stage", ["encode", "score", "decode"])
def test_a_killed_worker_fails_the_job_and_the_next_one_is_answered(child, picture, tmp_path, stage):
    path = tmp_path / "slow.png"
    Image.effect_noise((77, 40), 60).save(path)
    slow = child.store(path if stage == "encode" else picture)
    question = {"encode": "how many?", "score": "slow ask 2", "decode": "slow answer 2"}[stage]
    job = child.ask(query(slow, question), budget=100)
    events = at_stage(job, stage)
    killed = time.monotonic()
    os.kill(child.endpoint.pid, signal.SIGKILL)
    list(events)
    with pytest.raises(WorkerError) as raised:
        job.result(TIMEOUT)
    assert str(raised.value) == DIED
    assert time.monotonic() - killed < 30
    assert child.ask(query(child.store(picture), "how many?"), budget=100).result(TIMEOUT).answer


def test_a_worker_that_ends_itself_is_started_again_unasked(child, image):
    starts = child.endpoint.starts
    with pytest.raises(WorkerError, match="is restarting"):
        child.ask(query(image, "exit")).result(TIMEOUT)
    until = time.monotonic() + TIMEOUT
    while child.endpoint.starts == starts:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert child.health().status in ("starting", "ready")


def test_a_stuck_worker_is_replaced(tmp_path, monkeypatch, picture):
    monkeypatch.setenv("UHRBAT_STORE_FOLDER", str(tmp_path))
    monkeypatch.setattr("uhrbat.serving.client.child.WATCH_SECONDS", 0.2)
    with HttpWorker(Supervisor(FAKE_CHILD)) as worker:
        image = worker.store(picture)
        monkeypatch.setattr(worker.endpoint, "_health", lambda: Health(status="stuck"))
        with pytest.raises(WorkerError, match="is restarting"):
            worker.ask(query(image, "slow ask")).result(TIMEOUT)
        monkeypatch.undo()
        assert worker.ask(query(image, "how many?")).result(TIMEOUT)


def test_many_jobs_at_once_all_end(child, image):
    jobs = [child.ask(query(image, f"number {n}?"), budget=100, session=str(n)) for n in range(20)]
    assert len({job.result(TIMEOUT).question for job in jobs}) == 20


def test_a_request_that_notices_late_is_informed_of_the_worker_that_died(child, image):
    url, _ = child.endpoint.address()
    os.kill(child.endpoint.pid, signal.SIGKILL)
    until = time.monotonic() + TIMEOUT
    while child.endpoint.address()[0] == url:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert str(child.endpoint.gone(url, OSError())) == DIED


def test_closing_stops_the_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("UHRBAT_STORE_FOLDER", str(tmp_path))
    worker = HttpWorker(Supervisor(FAKE_CHILD))
    worker.health()
    process = psutil.Process(worker.endpoint.pid)
    worker.close()
    assert not process.is_running()
    with pytest.raises(WorkerError, match="being stopped"):
        worker.health()


@pytest.mark.parametrize("first", ["the explorer", "its worker"])
def test_a_question_under_way_when_the_explorer_is_stopped_is_said_to_be_stopped(tmp_path, monkeypatch, picture, first):
    monkeypatch.setenv("UHRBAT_STORE_FOLDER", str(tmp_path))
    worker = HttpWorker(Supervisor(FAKE_CHILD))
    job = worker.ask(query(worker.store(picture), "slow ask"), budget=100)
    events = at_stage(job, "score")
    if first == "its worker":  # as where a service manager signals all processes at once
        os.kill(worker.endpoint.pid, signal.SIGTERM)
    worker.close()
    list(events)
    with pytest.raises(WorkerError, match="being stopped"):
        job.result(TIMEOUT)


def test_an_interrupt_at_the_terminal_reaches_the_explorer_alone(child):
    assert child.health() and os.getsid(child.endpoint.pid) != os.getsid(0)


def test_a_worker_that_cannot_start_is_reported():
    worker = HttpWorker(Supervisor([sys.executable, "-c", "raise SystemExit(3)"]))
    with pytest.raises(WorkerError, match=r"does not start \(exit code 3\)"):
        worker.health()


def test_a_worker_elsewhere_that_is_not_there_is_reported():
    with (
        HttpWorker(Remote("http://127.0.0.1:9")) as worker,
        pytest.raises(WorkerError, match="cannot be reached"),
    ):
        worker.health()
    with pytest.raises(InputError, match="is no address"):
        Remote("worker.example")


PARENT = """
import sys, threading, time
from tests.support.running import FAKE_CHILD
from uhrbat.serving.client.http import HttpWorker
from uhrbat.serving.client.child import Supervisor
worker = HttpWorker(Supervisor(FAKE_CHILD))
worker.health()
print(worker.endpoint.pid, flush=True)
time.sleep(60)
"""


def test_no_orphan_is_left_when_the_page_is_killed(tmp_path):
    environment = os.environ | {"UHRBAT_STORE_FOLDER": str(tmp_path), "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment)
    try:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        worker.wait(timeout=30)
    finally:
        parent.kill()


def test_a_worker_for_others_wants_a_secret():
    environment = {key: value for key, value in os.environ.items() if key != "UHRBAT_WORKER_TOKEN"}
    command = [sys.executable, "-m", "tests.support.fake_child", "--host", "0.0.0.0", "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300, check=False)
    assert ended.returncode == 2
    assert "UHRBAT_WORKER_TOKEN" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_worker_with_a_secret_serves_others(tmp_path, picture):
    environment = os.environ | {"UHRBAT_WORKER_TOKEN": "t", "UHRBAT_STORE_FOLDER": str(tmp_path)}
    command = [sys.executable, "-m", "tests.support.fake_child", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT)
    try:
        port = json.loads(process.stdout.readline())["port"]
        with HttpWorker(Remote(f"http://127.0.0.1:{port}/", "t")) as worker:
            image = worker.store(picture)
            assert (tmp_path / image).stat().st_ino != picture.stat().st_ino
            assert worker.ask(query(image, "how many?")).result(TIMEOUT)
            threading.Timer(0.3, process.kill).start()
            with pytest.raises(WorkerError, match="stopped answering|cannot be reached"):
                worker.ask(query(worker.store(picture), "slow ask")).result(TIMEOUT)
    finally:
        process.kill()
        process.wait()
