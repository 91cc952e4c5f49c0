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


@pytest.mark.parametrize(
    ("chosen", "message"),
    [({}, "No tokens are chosen"), ({"force": 5}, "boxes"), ({"force": [[1, 2]]}, "box"),
     ({"without": [["a"] * 4]}, "box"), ({"force": [[1, 1, 9, 9]] * 65}, "64 boxes")],
)  # fmt: skip
def test_what_is_no_region_is_a_sentence(asked, cards, request_of, chosen, message):
    assert message in failed(list(cards.hand.answer(BUDGET, event(**chosen), request_of())), cards)


def test_a_question_comes_first(cards, request_of):
    updates = list(cards.hand.answer(BUDGET, event(force=[[1, 1, 9, 9]]), request_of("fresh")))
    assert "Ask a question first" in failed(updates, cards)
