"""Requests that no page sends: each ends as the page's own do, or as one sentence, and never breaks the stream."""

import json

import gradio as gr
import orjson
import pytest

from app import examples
from app.findings import Findings
from tests.support.handlers import event, failed, last

WRONG = (None, True, 5, -1, 10**30, 12.5, float("nan"), float("inf"), "x", "x" * 9000, "half \ud83d", "", [], [1], {},
         {"a": 1}, [[0, 0, 5, 5]], {"total": 10**30}, {"per_scale": [10**30] * 4}, {"total": None})  # fmt: skip
BUDGET = {"total": 3000, "per_scale": None}
METHOD = ("nano", "default", "default", "default", 0)


def end_of(updates):
    """What an event sent; None where it ended with a sentence. All of it must be JSON as Gradio writes it."""
    sent = []
    for update in updates:
        orjson.dumps(list(update.values()), option=orjson.OPT_SERIALIZE_NUMPY)
        sent.append(update)
    for value in (value for update in sent for value in update.values()):
        if isinstance(value, dict) and value.get("state") == "failed":
            assert 10 < len(value["text"]) < 400 and "\n" not in value["text"]
            return None
    return sent


LINKS = [
    *("{", "[]", "null", "5", '"x"', "[" * 9000, '{"a":' * 9000, "\x00", '{"budget": ' + "9" * 5000 + "}", "\ud83d"),
    *(json.dumps({key: value}) for key in ("example", "question", "budget", "method", "picture") for value in WRONG),
    *(json.dumps({"budget": {"per_scale": value}}) for value in WRONG),
    *(json.dumps({"method": {key: value}}) for key in ("importance", "regions", "order", "seed") for value in WRONG),
]


def test_the_page_opens_whatever_its_link_says(cards, request_of):
    for link in LINKS:
        sent = end_of(cards.image.start(link, request_of()))
        assert sent, link[:80]
        assert last(sent, cards.viewer.panel)["image"]["example"] == examples.load()[0].name, link[:80]
        assert last(sent, cards.budget.panel)["total"] > 0, link[:80]
        assert last(sent, cards.method.model)["value"] == "nano"


@pytest.fixture
def asked(cards, request_of):
    """A page on an example of which a question has been asked."""
    list(cards.image.pick(event(name=examples.load()[2].name), request_of()))
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))


def handlers(cards, request):
    """Everything an event of the page may be given by hand: a name for it, and what is done with a value."""
    yield "data", lambda value: cards.image.pick(gr.EventData(None, value), request)
    yield "name", lambda value: cards.image.pick(event(name=value), request)
    yield "picture", lambda value: cards.image.choose(event(rendering=value), request)
    yield "no picture", lambda value: cards.image.choose(event(other=value), request)
    for name in ("bands", "limits", "gamma", "nodata", "page", "transparency"):
        yield f"picture {name}", lambda value, of=name: cards.image.choose(event(rendering={of: value}), request)
    yield "address", lambda value: cards.image.open_address(event(address=value), request)
    yield "no address", lambda value: cards.image.open_address(event(other=value), request)
    yield "model to encode for", lambda value: cards.image.encode(value, request)
    for name in ("scene", "question", "budget", "method"):
        miss = {"scene": "world-7", "question": "Why?", "budget": 64, "method": {}}
        yield (
            f"miss {name}",
            lambda value, with_=name, of=miss: cards.findings.open(event(**(of | {with_: value})), request),
        )
        yield (
            f"no {name}",
            lambda value, without=name, of=miss: cards.findings.open(
                event(**{key: of[key] for key in of if key != without}), request
            ),
        )
    yield "box", lambda value: cards.object.inspect(BUDGET, event(box=value), request)
    yield "no box", lambda value: cards.object.inspect(BUDGET, event(other=value), request)
    yield "forced box", lambda value: cards.object.force(BUDGET, event(box=value), request)
    yield "box left out", lambda value: cards.object.without(BUDGET, event(box=value), request)
    yield "budget of a box", lambda value: cards.object.inspect(value, event(box=[0, 0, 9, 9]), request)
    yield "budget of an answer", lambda value: cards.answer.again(value, request)
    yield "budget of compressors", lambda value: cards.compare.compare(value, request)
    yield "budget of a question", lambda value: cards.question.asked("Why?", value, *METHOD, request)
    yield "question", lambda value: cards.question.asked(value, BUDGET, *METHOD, request)
    for index, name in enumerate(("model", "importance", "regions", "order", "seed")):
        yield (
            name,
            lambda value, at=index: cards.question.asked(
                "Why?", BUDGET, *METHOD[:at], value, *METHOD[at + 1 :], request
            ),
        )
    yield "model", lambda value: [{"price": cards.budget.price(value, BUDGET)}]
    yield "budget to price", lambda value: [{"price": cards.budget.price("nano", value)}]


@pytest.mark.slow
def test_no_event_breaks(cards, explorer, asked, request_of, monkeypatch):
    found = Findings()
    monkeypatch.setattr(explorer, "findings", lambda: found)
    for name, handle in handlers(cards, request_of()):
        for value in WRONG:
            try:
                assert end_of(handle(value)) != [], "nothing was sent, so that Gradio clears the outputs"
            except AssertionError as broken:
                raise AssertionError(f"{name}: {value!r:.80}") from broken
            except Exception as unhandled:
                raise AssertionError(f"{name}: {value!r:.80} ended as {unhandled!r:.200}") from unhandled


@pytest.mark.parametrize("box", [[0.1, 0.1, 0.5, 0.5], [100, 700, 300, 900]])
def test_boxes_in_fractions_or_per_mille_are_recognised(explorer, cards, asked, wide_photo, box, request_of):
    list(cards.image.upload([str(wide_photo)], request_of()))  # 900 x 500
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    reply = last(list(cards.object.inspect(BUDGET, event(box=box), request_of())), cards.object.panel)
    assert "boxes are x0, y0, x1, y1 in pixels" in reply["error"]
    assert "boxes are x0, y0, x1, y1 in pixels" in failed(
        cards.object.force(BUDGET, event(box=box), request_of()), cards
    )
