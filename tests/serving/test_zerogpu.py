"""The way of ZeroGPU with the decorator that does nothing; a real ZeroGPU Space is not tested here."""

import pickle
import time

import pytest

from tests.support import fake_engine
from tests.support.results import same, without_costs
from uhrbat.errors import Cancelled, InputError, WorkerError
from uhrbat.results import SweepPoint
from uhrbat.serving import zerogpu
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import AskRequest, query
from uhrbat.serving.server.models import Offer
from uhrbat.serving.server.service import Service

TIMEOUT = 120


@pytest.fixture
def lent(tmp_path):
    limits = Limits(store_folder=str(tmp_path / "lent"))
    service = Service(limits, Offer(), fake_engine.load, lanes=zerogpu.LANES, run=zerogpu.run_with_gpu)
    with InProcessWorker(service) as worker:
        yield worker


def test_the_environment_says_where_it_is():
    assert zerogpu.is_here({"SPACES_ZERO_GPU": "true"})
    assert not zerogpu.is_here({})


def test_answers_as_a_plain_worker_does(lent, local, picture):
    image = local.store(picture)
    lent.store(picture)
    for ask in (
        lambda worker: worker.ask(query(image, "how many?"), budget=300),
        lambda worker: worker.inspect(query(image, "how many?"), box=(1, 2, 3, 4), budget=300),
    ):
        assert same(*(without_costs(ask(worker).result(TIMEOUT)) for worker in (lent, local)))


def test_streams_cancels_and_reports_errors(lent, picture):
    image = lent.store(picture)
    events = list(lent.sweep(query(image, "how many?"), budgets=(10, 20)))
    assert sum(isinstance(event, SweepPoint) for event in events) == 2
    job = lent.ask(query(image, "slow ask"))
    for event in job:
        if event.stage == "score":
            break
    with pytest.raises(Cancelled):
        job.result()
    until = time.monotonic() + TIMEOUT
    while lent.health().running:
        assert time.monotonic() < until
        time.sleep(0.02)
    with pytest.raises(InputError, match="not offered"):
        lent.ask(query(image, "how many?", {"model": "other"})).result(TIMEOUT)
    with pytest.raises(WorkerError, match="out of memory"):
        lent.ask(query(image, "oom")).result(TIMEOUT)


def test_what_goes_to_and_from_the_gpus_process_can_travel(lent, picture):
    image = lent.store(picture)
    lent.encode(image).result(TIMEOUT)
    asked = AskRequest(query=query(image, "how many?"), budget=300)
    assert pickle.loads(pickle.dumps(asked)) == asked
    path = str(lent.service.store.path(image))
    news = list(zerogpu.with_gpu(asked, path, 60))
    assert news[-1][0] == "result"
    assert same(pickle.loads(pickle.dumps(news[-1][1])), news[-1][1])
