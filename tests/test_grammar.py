"""Which questions nano understands, in which words, and why it refuses others."""

import json
from pathlib import Path

import numpy as np
import pytest

from uhrbat import grammar
from uhrbat.training.nano.virtual import virtual_world
from uhrbat.worlds import KINDS, plain_questions, questions

FOLDER = Path(__file__).parent / "questions"
IN_SCOPE = json.loads((FOLDER / "in_scope.json").read_text())
OUT_OF_SCOPE = json.loads((FOLDER / "out_of_scope.json").read_text())


def right(asked: dict) -> bool:
    """Whether a question was read as what its writer meant."""
    found = grammar.read(asked["text"])
    return (
        found.understood
        and found.type == asked["type"]
        and list(found.kinds) == asked["kinds"]
        and found.color == asked.get("color")
        and len(found.options) == len(asked.get("options") or ())
    )


def test_questions_in_anybodys_words_are_read_right():
    wrong = [asked["text"] for asked in IN_SCOPE if not right(asked)]
    assert len(IN_SCOPE) == 500 and len(wrong) <= 0.05 * len(IN_SCOPE), wrong


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("How many individual cars can be distinguished?", "How many cars are there?"),
        ("How many planes are on the ground?", "How many airplanes are there?"),
        ("Hw many ships are there?", "How many ships are there?"),
        ("Point to the plane.", "Where is the airplane?"),
        ("Describe the position of the island.", "Where is the island?"),
    ],
)
def test_plain_words_change_nothing(text, read):
    assert grammar.read(text).text == read


def test_what_nano_cannot_answer_is_refused_with_a_reason():
    taken = [asked["text"] for asked in OUT_OF_SCOPE if grammar.read(asked["text"]).understood]
    assert len(OUT_OF_SCOPE) == 500 and len(taken) <= 0.05 * len(OUT_OF_SCOPE), taken
    assert all(grammar.read(asked["text"]).why for asked in OUT_OF_SCOPE if asked["text"] not in taken)


@pytest.mark.parametrize("seed", range(12))
def test_every_question_of_a_world_is_read_as_itself(seed):
    world = virtual_world(np.random.default_rng(seed), seed)
    for asked in questions(world, seed, 20) + plain_questions(world, KINDS[:4], seed, 8):
        found = grammar.read(asked.text)
        assert found.understood, (asked.text, found.why)
        assert found.type == asked.type and list(found.kinds) == [kind for kind, _ in asked.targets]
        assert grammar.read(found.text).text == found.text
        assert found.written(asked.answer) == asked.answer


@pytest.mark.parametrize(
    "text",
    [
        "How many ships? A. one B. two",
        "How many ships? A) one B) two",
        "How many ships? (A) one (B) two",
        "How many ships? a: one b: two",
        "How many ships?\nA. 1\nB. 2\nAnswer with the letter.",
        "How many ships? Choose one: [a] one [b] two",
        "How many ships?\n1\n2",
        "How many ships? Options: 1, 2",
    ],
)
def test_options_in_any_form(text):
    found = grammar.read(text)
    assert found.text == "How many ships are there? Choose one: (A) one (B) two"
    assert list(found.options) == ["(A) one", "(B) two"]


def test_an_answer_is_given_in_the_words_of_the_question():
    assert grammar.read("How many ships? A. 1 B. 2").written("(B) two") == "(B) 2"
    assert grammar.read("How many ships?").written("two") == "two"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("How many parked cars are there?", "does not know the word 'parked'"),
        ("Where is the largest ship?", "cannot take 'largest' into account"),
        ("How many cars are there in the top left?", "one part of the image alone ('top left')"),
        ("How many cars and ships are there?", "several things at once"),
        ("Is the tank to the left of the court?", "in which direction"),
        ("Are the tennis courts in use?", "in use"),
        ("What is it?", "names nothing that nano knows"),
        ("Wie viele Schiffe gibt es?", "does not know the word 'wie'"),
        ("", "there is no question in it"),
        ("x" * 5000, "does not know the word 'xxxx"),
    ],
)
def test_the_reason_names_what_was_not_understood(text, why):
    assert why in (grammar.read(text).why or "")


def test_what_can_be_asked_names_every_kind():
    said = grammar.what_can_be_asked()
    assert all(kind in said for kind in KINDS)
