import pytest

from tests.support.handlers import event, failed, last

METHOD = ("nano", "default", "default", "default", 0)
BUDGET = {"total": 3000, "per_scale": None}


@pytest.fixture
def asked(cards, request_of):
    list(cards.image.pick(event(name="airfield"), request_of()))
    list(cards.question.asked("How many cars?", BUDGET, *METHOD, request_of()))


def test_regions_are_forced_in_and_taken_out_together(asked, cards, explorer, worker, request_of):
    force, without = [[10, 10, 60, 60], [100, 10, 160, 60]], [[300, 300, 400, 400]]
    updates = list(cards.hand.answer(BUDGET, event(force=force, without=without), request_of()))
    value = last(updates, cards.hand.panel)
    assert value["maps"] == explorer.sessions.of("page").run.id
    assert value["text"] and (value["force"], value["without"]) == (2, 1)
    _, request = worker.requests[-1]
    assert request.force == tuple(map(tuple, force)) and request.without == tuple(map(tuple, without))


def test_the_added_tokens_alone_are_sent(asked, cards, explorer, worker, request_of):
    force = [[10, 10, 60, 60], [40, 40, 90, 90]]
    updates = list(
        cards.hand.answer(BUDGET, event(force=force, without=[[300, 300, 400, 400]], only=True), request_of())
    )
    value, run = last(updates, cards.hand.panel), explorer.sessions.of("page").run
    _, request = worker.requests[-1]
    touched = [
        {*run.square.tokens_in_box(s.size, a), *run.square.tokens_in_box(s.size, b)}
        for s in run.scales
        for a, b in [force]
    ]
    assert request.budget == tuple(map(len, touched)) and request.force == tuple(map(tuple, force))
    assert request.without == () and value["only"] is True


@pytest.mark.parametrize(
    ("chosen", "message"),
    [({}, "No tokens are chosen"), ({"without": [[1, 1, 9, 9]], "only": True}, "No tokens are added"),
     ({"force": 5, "only": True}, "No tokens are added"), ({"force": 5}, "boxes"), ({"force": [[1, 2]]}, "box"),
     ({"without": [["a"] * 4]}, "box"), ({"force": [[1, 1, 9, 9]] * 65}, "64 boxes")],
)  # fmt: skip
def test_what_is_no_region_is_a_sentence(asked, cards, request_of, chosen, message):
    assert message in failed(list(cards.hand.answer(BUDGET, event(**chosen), request_of())), cards)


def test_a_question_comes_first(cards, request_of):
    updates = list(cards.hand.answer(BUDGET, event(force=[[1, 1, 9, 9]]), request_of("fresh")))
    assert "Ask a question first" in failed(updates, cards)
