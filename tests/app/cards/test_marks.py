from pathlib import Path

import pytest

from app import examples
from app.cards import marks
from app.cards.marks import correct, points
from app.examples import Example, KnownObject, KnownQuestion
from tests.support.handlers import event

CELL = 15.0

KNOWN = KnownQuestion("Where is the ship?", "absolute position", "top left", (0,))
SCENE = Example(
    "scene", "Scene", "", Path("scene.jpg"), "0", 3000,
    (KnownObject("ship", "red", (100, 100, 110, 108)), KnownObject("car", None, (600, 600, 604, 604))), (KNOWN,),
)  # fmt: skip


def statuses(*pointed):
    return [mark["status"] for mark in points(pointed, SCENE, KNOWN, CELL)]


def test_a_point_within_one_cell_finds_its_object():
    assert statuses((105, 104)) == ["found"]
    assert statuses((124, 104)) == ["found"]  # 14 px beside a box
    assert statuses((126, 104)) == ["imagined", "missed"]


def test_the_tolerance_is_one_cell_of_the_model(cards, explorer, request_of, monkeypatch):
    seen = []
    monkeypatch.setattr(marks, "points", lambda pointed, example, known, cell: seen.append(cell) or [])
    list(cards.image.pick(event(name=examples.load()[2].name), request_of()))
    list(cards.question.asked("How many?", {"total": 3000}, "nano", *["default"] * 3, 0, request_of()))
    info = explorer.sessions.of("page").picture.info
    assert seen == [max(info.width, info.height) / 64]


def test_an_object_is_found_once():
    assert statuses((105, 104), (106, 105)) == ["found", "imagined"]


def test_nothing_pointed_at_is_missed():
    (mark,) = points((), SCENE, KNOWN, CELL)
    assert mark["status"] == "missed" and mark["label"] == "missed: red ship" and mark["box"] == [100, 100, 110, 108]


def test_without_truth_points_are_only_shown():
    assert [mark["status"] for mark in points(((1, 2),), None, None, CELL)] == ["pointed"]


@pytest.mark.parametrize(("said", "right"), [("top left", True), ("Top  left.", True), ("left", False), ("", False)])
def test_correct_by_words(said, right):
    assert correct(said, KNOWN) is right
    assert correct(said, None) is None
