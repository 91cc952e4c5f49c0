"""An uploaded image is encoded before anything is asked of it."""

from app import examples
from tests.support.fake_worker import FakeWorker
from tests.support.handlers import event, last

BUDGET = {"total": 3000, "per_scale": None}
METHOD = ("nano", "default", "default", "default", 0)


def actions(worker):
    return [action for action, _ in worker.requests]


def test_an_upload_is_encoded_ahead_and_the_page_shows_it(cards, worker, wide_photo, request_of):
    list(cards.image.upload(str(wide_photo), request_of()))
    updates = list(cards.image.encode("nano", request_of()))
    assert actions(worker) == ["encode"]
    assert last(updates, cards.question.ask)["state"] == "ready"
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    assert actions(worker) == ["encode", "ask"]


def test_an_example_is_not_encoded_before_it_is_asked_about(cards, worker, request_of):
    list(cards.image.pick(event(name=examples.load()[2].name), request_of()))
    assert list(cards.image.encode("nano", request_of())) == []
    assert actions(worker) == []


def test_another_image_stops_the_encoding(cards, explorer, wide_photo, request_of):
    worker = explorer._worker = FakeWorker(step_seconds=0.05, steps=100)
    list(cards.image.upload(str(wide_photo), request_of()))
    encoding = cards.image.encode("nano", request_of())
    assert next(encoding)[cards.question.ask]["state"] == "ahead"
    list(cards.image.pick(event(name=examples.load()[2].name), request_of()))
    assert list(encoding) == []
    assert explorer.sessions.of("page").encoding is None
    assert actions(worker) == ["encode"]
