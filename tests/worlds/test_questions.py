import math
import re
from collections import Counter

import numpy as np
import pytest

from uhrbat.worlds import COLORS, KINDS, LAND_COVERS, QUESTION_TYPES, World, WorldObject, questions
from uhrbat.worlds.questions import DIRECTIONS, NUMBERS, PLACES, direction_of, place_of


@pytest.fixture(scope="module")
def asked(worlds):
    """(world, question) pairs of many drafts of questions on a few worlds."""
    return [(world, question) for world in worlds for seed in range(4) for question in questions(world, seed)]


def _bare(question) -> str:
    """The answer without the letter of its choice."""
    return re.sub(r"^\([A-D]\) ", "", question.answer)


def _found(world, target):
    kind, color = target
    return [item for item in world.objects if item.kind == kind and color in (None, item.color)]


def _only(world, target):
    found = _found(world, target)
    assert len(found) == 1, target
    return found[0]


def test_the_same_seed_asks_the_same_and_another_does_not(sparse_worlds):
    world = sparse_worlds[0]
    assert questions(world, 5) == questions(world, 5)
    assert questions(world, 5) != questions(world, 6)


@pytest.mark.parametrize("n", [1, 6, 20, 30])
def test_as_many_as_asked_for_and_no_duplicates(sparse_worlds, n):
    for world in sparse_worlds:
        drafts = questions(world, 0, n)
        assert len(drafts) == n
        assert len({question.text for question in drafts}) == n


def test_presence_is_true(asked):
    for world, question in asked:
        if question.type == "presence":
            assert _bare(question) == ("yes" if _found(world, question.targets[0]) else "no")


def test_color_is_that_of_the_only_one(asked):
    for world, question in asked:
        if question.type == "color":
            assert _bare(question) == _only(world, question.targets[0]).color


def test_count_is_exact(asked):
    for world, question in asked:
        if question.type == "count":
            assert _bare(question) == NUMBERS[len(_found(world, question.targets[0]))]


def test_absolute_position_is_clear(asked):
    rows, columns = ("top", "", "bottom"), ("left", "", "right")
    for world, question in asked:
        if question.type == "absolute position":
            x, y = (value / world.size for value in _only(world, question.targets[0]).center)
            assert all(abs(value - line) >= 0.04 for value in (x, y) for line in (1 / 3, 2 / 3))
            words = f"{rows[int(y * 3)]} {columns[int(x * 3)]}".strip() or "center"
            assert _bare(question) == words


def test_relative_position_is_clear(asked):
    for world, question in asked:
        if question.type == "relative position":
            subject, reference = (_only(world, target).center for target in question.targets)
            dx, dy = subject[0] - reference[0], subject[1] - reference[1]
            assert math.hypot(dx, dy) >= 0.06 * world.size
            angle = math.degrees(math.atan2(-dy, dx)) % 360
            names = (
                "right",
                "above right",
                "above",
                "above left",
                "left",
                "below left",
                "below",
                "below right",
            )
            assert _bare(question) == names[int((angle + 22.5) // 45) % 8]
            assert 7 <= (angle + 22.5) % 45 <= 38


def test_land_cover_is_the_main_one(asked):
    for world, question in asked:
        if question.type == "land cover":
            assert _bare(question) == world.land_cover
            assert question.targets == question.evidence == ()


def test_evidence_is_what_the_targets_name(asked):
    for world, question in asked:
        named = [item for target in question.targets for item in _found(world, target)]
        assert [world.objects[index] for index in question.evidence] == named
        assert world.boxes(question) == tuple(item.box for item in named)


def test_texts_name_their_targets_and_not_the_answer(asked):
    for _, question in asked:
        for kind, color in question.targets:
            assert (f"{color} {kind}" if color else kind) in question.text
        if question.type == "color":
            stem = question.text.split(" Choose")[0]
            assert not any(color in stem.split() for color in COLORS)


def test_choices_hold_the_answer_once(asked):
    for _, question in asked:
        if not question.choices:
            assert "Choose" not in question.text
            continue
        assert question.choices.count(question.answer) == 1
        assert len(question.choices) == (2 if question.type == "presence" else 4)
        assert len({choice[4:] for choice in question.choices}) == len(question.choices)
        assert question.text.endswith(f"Choose one: {' '.join(question.choices)}")
        assert [choice[:3] for choice in question.choices] == ["(A)", "(B)", "(C)", "(D)"][: len(question.choices)]


def test_answers_are_words_of_their_type(asked):
    words = {
        "presence": ("yes", "no"),
        "color": COLORS,
        "count": NUMBERS,
        "absolute position": PLACES,
        "relative position": DIRECTIONS,
        "land cover": LAND_COVERS,
    }
    for _, question in asked:
        assert _bare(question) in words[question.type]
        assert all(kind in KINDS for kind, _ in question.targets)


def test_types_and_answers_are_balanced(asked):
    total = len(asked)
    types = Counter(question.type for _, question in asked)
    assert set(types) == set(QUESTION_TYPES)
    shares = {
        "presence": 0.2,
        "color": 0.13,
        "count": 0.2,
        "absolute position": 0.13,
        "relative position": 0.18,
    }
    for name, share in shares.items():
        assert abs(types[name] / total - share) < 0.1, name
    presence = [_bare(question) for _, question in asked if question.type == "presence"]
    assert 0.35 < presence.count("yes") / len(presence) < 0.65
    assert 0.17 < sum(bool(question.choices) for _, question in asked) / total < 0.4
    counts = Counter(_bare(question) for _, question in asked if question.type == "count")
    assert len(counts) >= 5
    assert max(counts.values()) < 0.45 * counts.total()
    assert any("colour" in question.text for _, question in asked)
    assert any("color " in question.text for _, question in asked)


def _world(*objects: WorldObject) -> World:
    image = np.zeros((1000, 1000, 3), np.uint8)
    return World(image, objects, "forest", np.full((288, 288), 2, np.uint8), 0, 1000)


def _item(kind, color, x, y) -> WorldObject:
    return WorldObject(kind, color, (x - 5, y - 5, x + 5, y + 5), 1000)


def test_an_empty_world_is_asked_only_what_it_can_answer():
    types = {question.type for question in questions(_world(), 0)}
    assert types <= {"presence", "count", "land cover"}
    assert all(_bare(question) in ("no", "zero", "forest") for question in questions(_world(), 0))


def test_twins_are_never_told_apart():
    world = _world(_item("car", "red", 100, 100), _item("car", "red", 900, 500), _item("island", None, 500, 900))
    for seed in range(20):
        for question in questions(world, seed):
            if question.type in ("color", "absolute position", "relative position"):
                assert all(target[0] != "car" for target in question.targets)


def test_objects_on_a_dividing_line_have_no_place():
    assert place_of((333, 100), 1000) is None
    assert place_of((100, 700), 1000) is None
    assert place_of((100, 100), 1000) == "top left"
    assert place_of((500, 500), 1000) == "center"


@pytest.mark.parametrize(
    ("subject", "direction"),
    [
        ((900, 500), "right"),
        ((500, 100), "above"),
        ((500, 900), "below"),
        ((100, 100), "above left"),
        ((900, 900), "below right"),
        ((520, 520), None),
        ((884, 659), None),
    ],
)
def test_directions_are_seen_from_the_reference(subject, direction):
    assert direction_of(subject, (500, 500), 1000) == direction
