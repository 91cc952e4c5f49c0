"""An uploaded image is encoded before anything is asked of it."""

import json
import threading
import time

import gradio as gr

from app import examples, export
from app.limits import PageLimits
from tests.support.fake_worker import FakeWorker
from tests.support.handlers import event, failed, last
from tests.support.web import page, serving
from uhrbat.imagery import apart

QUIET = "has not taken the image yet"
BUDGET = {"total": 3000, "per_scale": None}
METHOD = ("nano", "default", "default", "default", 0)


def actions(worker):
    return [action for action, _ in worker.requests]


def test_an_upload_is_encoded_ahead_and_the_page_shows_it(cards, worker, wide_photo, request_of):
    list(cards.image.upload([str(wide_photo)], request_of()))
    updates = list(cards.image.encode("nano", request_of()))
    assert actions(worker) == ["encode"]
    assert last(updates, cards.question.ask)["state"] == "ready"
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    assert actions(worker) == ["encode", "ask"]


def test_an_example_is_not_encoded_before_it_is_asked_about(cards, worker, request_of):
    list(cards.image.pick(event(name=examples.load()[2].name), request_of()))
    assert list(cards.image.encode("nano", request_of())) == [{cards.question.ask: gr.skip()}]
    assert actions(worker) == []


def test_what_is_said_of_a_file_that_fails_is_not_wiped_away(cards, worker, wide_photo, tmp_path, request_of):
    list(cards.image.upload([str(wide_photo)], request_of()))
    list(cards.image.encode("nano", request_of()))
    bad = tmp_path / "bad.jpg"
    bad.write_text("I am no image")
    updates = list(cards.image.upload([str(bad)], request_of()))
    assert "bad.jpg" in last(updates, cards.question.ask)["text"]
    assert list(cards.image.encode("nano", request_of())) == [{cards.question.ask: gr.skip()}]
    assert actions(worker) == ["encode"]


def test_an_image_opened_by_its_address_is_the_visitors_own(cards, explorer, wide_photo, request_of):
    start = list(cards.image.start("", request_of()))
    assert last(start, cards.image.address) == {"allowed": False}
    wanted = event(address="http://127.0.0.1:9/wide.jpg")
    assert "UHRBAT_ADDRESSES" in failed(cards.image.open_address(wanted, request_of()), cards)
    with serving({"/wide.jpg": page(wide_photo.read_bytes())}) as (port, _):
        explorer.shelf.limits = PageLimits(addresses=f"127.0.0.1:{port}")
        assert last(list(cards.image.start("", request_of())), cards.image.address) == {"allowed": True}
        address = f"http://127.0.0.1:{port}/wide.jpg"
        updates = list(cards.image.open_address(event(address=address), request_of()))
    shown = last(updates, cards.viewer.panel)["image"]
    assert (shown["title"], shown["address"], shown["example"]) == ("wide.jpg", address, None)
    assert last(updates, cards.method.importance) == "default"
    assert any(update.get(cards.question.ask, {}).get("text") == "fetching the image" for update in updates)
    again = last(list(cards.image.choose(event(rendering={"gamma": 2}), request_of())), cards.viewer.panel)["image"]
    assert again["address"] == address
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    assert json.loads(export.run_json(explorer.sessions.of("page").run))["image"]["address"] == address


def test_another_image_stops_the_encoding(cards, explorer, wide_photo, request_of):
    worker = explorer._worker = FakeWorker(step_seconds=0.05, steps=100)
    list(cards.image.upload([str(wide_photo)], request_of()))
    encoding = cards.image.encode("nano", request_of())
    assert next(encoding) == {cards.question.ask: gr.skip()}
    assert next(encoding)[cards.question.ask]["state"] == "ahead"
    list(cards.image.pick(event(name=examples.load()[2].name), request_of()))
    assert list(encoding) == []
    assert explorer.sessions.of("page").encoding is None
    assert actions(worker) == ["encode"]


def test_opening_a_page_does_not_wait_for_a_worker_that_hangs(cards, explorer, request_of):
    answering = threading.Event()

    class Hanging(FakeWorker):
        def store(self, path, image=None):
            answering.wait(60)
            return super().store(path, image)

    explorer._worker = Hanging()
    began = time.monotonic()
    updates = list(cards.image.start("", request_of()))
    assert time.monotonic() - began < 30 and not answering.is_set()
    answering.set()
    assert last(updates, cards.viewer.panel)["image"]["example"] == examples.load()[0].name


def test_work_on_the_image_is_not_taken_for_a_worker_that_hangs(cards, wide_photo, request_of, monkeypatch):
    opened = apart.open_image

    def slowly(*given, **named):
        time.sleep(0.8)
        return opened(*given, **named)

    monkeypatch.setattr("app.cards.image.QUIET_SECONDS", 0.3)
    monkeypatch.setattr(apart, "open_image", slowly)
    updates = list(cards.image.upload([str(wide_photo)], request_of()))
    assert not any(QUIET in update.get(cards.question.ask, {}).get("text", "") for update in updates)
