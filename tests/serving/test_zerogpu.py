"""The way of ZeroGPU with a made-up `spaces`, or none; a real ZeroGPU Space is not tested here."""

import pickle
import sys
import time
from types import SimpleNamespace

import gradio as gr
import pytest

from tests.support import fake_engine
from tests.support.results import same, without_costs
from uhrbat.errors import Cancelled, InputError, WorkerError
from uhrbat.geometry import Square
from uhrbat.results import SweepPoint
from uhrbat.serving import zerogpu
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.lent import LentSeconds
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import (
    AnswerRequest,
    AskRequest,
    CompareRequest,
    EncodeRequest,
    InspectRequest,
    SweepRequest,
    query,
)
from uhrbat.serving.server.models import Offer
from uhrbat.serving.server.service import Service

TIMEOUT = 120


def slow_to_load(*arguments):
    """A model that is not loaded yet when the first question comes."""
    time.sleep(0.2)
    return fake_engine.load(*arguments)


@pytest.fixture
def lent(tmp_path):
    limits = Limits(store_folder=str(tmp_path / "lent"))
    service = Service(limits, Offer(), slow_to_load, lanes=zerogpu.LANES, run=zerogpu.run_with_gpu)
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
    news = list(zerogpu.with_gpu(asked, path, 60, 30))
    assert news[-1][0] == "result"
    assert same(pickle.loads(pickle.dumps(news[-1][1])), news[-1][1])


IMAGE = "1" * 64
SCALES = (672, 1344, 2688, 4032)


def test_the_seconds_follow_the_task():
    asked, figures = query(IMAGE, "how many?"), LentSeconds()

    def seconds(request, side=4000, scales=SCALES):
        return figures.of(request, Square(side, side, scales))

    encode, inspect = EncodeRequest(image=IMAGE), InspectRequest(query=asked, box=(0, 0, 9, 9), budget=300)
    assert seconds(encode) == 10 + 1.6 + 12.6 + 0.8  # start, 16 megapixels read, 25.3 encoded, rounded up
    assert seconds(inspect) == 30
    assert seconds(AskRequest(query=asked, budget=3000)) == seconds(inspect) + 5 + 3
    assert seconds(AskRequest(query=asked)) == seconds(inspect)
    assert seconds(encode, side=20_000) >= seconds(encode) + 38
    assert seconds(encode, scales=SCALES[:1]) < seconds(encode) - 12
    compared = CompareRequest(query=asked, budget=1000, methods=("uhrbat", "downsampling"))
    assert seconds(compared) == seconds(SweepRequest(query=asked, budgets=(1500, 500)))
    assert seconds(SweepRequest(query=asked, budgets=(16_000,) * 60)) == figures.gpu_most_seconds


def test_looks_take_their_seconds():
    """At least those of encoding their tiles, which the limit would otherwise cut short."""
    figures, wide = LentSeconds(gpu_encode_seconds=10, gpu_most_seconds=10**6), Square(20_000, 12_000)

    def seconds(looks=0, request=AskRequest, square=wide, **more):
        asked = request(query=query(IMAGE, "how many?", {"looks": looks}), budget=300, **more)
        return figures.of(asked, square)

    tile, passes = 10 * 0.336**2, 2 * 0.1 * 240  # ten seconds a megapixel; the file is read twice more
    assert seconds(64) - seconds() == pytest.approx(64 * tile + passes, abs=1)
    assert seconds(64) == seconds(64, CompareRequest, methods=("uhrbat",))
    assert seconds(10**6) == seconds(10**5)  # no more than the image has
    assert seconds(64, square=Square(4000, 4000)) == seconds(
        square=Square(4000, 4000)
    )  # nothing beyond the finest scale
    box = (0, 0, 600, 300)  # on four tiles of the finest native scale
    looked = seconds(0, AnswerRequest, look=(box, box))
    assert looked - seconds(0, AnswerRequest) == pytest.approx(4 * tile + passes, abs=1)
    encode = EncodeRequest(image=IMAGE, settings={"looks": 64})
    assert figures.of(encode, wide) == figures.of(EncodeRequest(image=IMAGE), wide)  # it looks at nothing yet


class Quota(gr.Error):
    """As `spaces` raises it: a class of its own, with HTML."""


@pytest.fixture
def spaces(monkeypatch):
    """A made-up `spaces`: notes the seconds asked for, and lends no more than is left."""
    made = SimpleNamespace(asked=[], left=10**6)

    def lend(duration):
        def decorate(function):
            def lent(*arguments):
                made.asked.append(duration(*arguments))
                if made.asked[-1] > made.left:
                    raise Quota(
                        f"You have exceeded your GPU quota ({made.asked[-1]}s requested vs. {made.left}s left). "
                        '<a href="https://huggingface.co/join">Create a free account</a> to get more &amp; better.',
                        title="ZeroGPU quota exceeded",
                    )
                return function(*arguments)

            return lent

        return decorate

    made.GPU = lend
    monkeypatch.setitem(sys.modules, "spaces", made)
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    monkeypatch.setattr(zerogpu, "with_gpu", zerogpu.gpu(zerogpu.with_gpu))
    return made


def test_what_is_asked_of_spaces_is_what_the_task_needs(spaces, lent, picture):
    image = lent.store(picture)
    lent.encode(image).result(TIMEOUT)
    lent.ask(query(image, "how many?"), budget=300).result(TIMEOUT)
    encode, ask = spaces.asked
    assert encode == LentSeconds().of(EncodeRequest(image=image), Square(72, 48, fake_engine.SIZES)) < 15
    assert encode < ask < 25


def test_the_quota_message_is_shown_as_it_is(spaces, lent, picture):
    image, spaces.left = lent.store(picture), 3
    with pytest.raises(WorkerError) as raised:
        lent.encode(image).result(TIMEOUT)
    assert str(raised.value) == (
        f"You have exceeded your GPU quota ({spaces.asked[0]}s requested vs. 3s left). "
        "Create a free account (https://huggingface.co/join) to get more & better."
    )
