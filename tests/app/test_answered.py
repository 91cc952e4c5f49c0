"""Examples that open answered: the files, when they count, and the page without a worker."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import gradio as gr
import numpy as np
import pytest

from app import answered, examples
from app.explorer import Explorer
from tests.support.fake_worker import FakeWorker
from tests.support.handlers import event, last
from tests.support.results import same
from uhrbat.errors import WorkerError
from uhrbat.serving.protocol import query

EXAMPLE = examples.load()[0]


@cache
def said(way):
    """What a fake worker says of the example's first question in a way."""
    worker = FakeWorker(step_seconds=0)
    image = worker.store(EXAMPLE.path)
    asked_as = query(image, EXAMPLE.questions[0].text, answered.WAYS[way])
    asked = worker.ask(asked_as, EXAMPLE.budget).result(300)
    swept = worker.sweep(asked_as, answered.SWEEP[:1], EXAMPLE.questions[0].answer).result(300)
    return asked, swept, worker.models()[0]


def make(folder, texts):
    """The example's answers in a folder, by way, with these texts."""
    for way, text in texts.items():
        asked, swept, model = said(way)
        asked = replace(asked, answer=replace(asked.answer, text=text))
        made = answered.Answered(EXAMPLE.questions[0].text, asked, swept, model, answered.weights())
        made.write(answered.file_of(EXAMPLE, way, folder))
    return made


@pytest.fixture
def lesson(tmp_path):
    """The first example, lost as released and right in ours."""
    make(tmp_path, {"released": "no such thing", "ours": EXAMPLE.questions[0].answer})
    return tmp_path


def test_what_is_written_is_read(tmp_path):
    made = make(tmp_path, {"ours": "five"})
    found = answered.read(answered.file_of(EXAMPLE, "ours", tmp_path))
    assert same(found.asked, made.asked) and same(found.swept, made.swept)
    assert found.asked.scales[3].rank.dtype == np.int32 and found.model == made.model


def test_it_counts_for_its_own_weights_picture_and_question_only(lesson, monkeypatch):
    assert answered.find(EXAMPLE, "ours", lesson) and not answered.find(examples.load()[1], "ours", lesson)
    for name, value in (("sha256", "0" * 64), ("questions", EXAMPLE.questions[1:])):
        other = replace(EXAMPLE, **{name: value})
        assert answered.find(other, "ours", lesson) is None
    monkeypatch.setattr(answered, "weights", lambda: "newer weights")
    assert answered.find(EXAMPLE, "ours", lesson) is None


@pytest.mark.slow
def test_a_loss_that_ours_keeps_is_what_an_example_opens_on(lesson, tmp_path):
    assert answered.opening_way(EXAMPLE, lesson) == "released"
    right = EXAMPLE.questions[0].answer
    for texts in ({"released": right, "ours": right}, {"released": "no", "ours": "no"}):
        make(tmp_path / "other", texts)
        assert answered.opening_way(EXAMPLE, tmp_path / "other") == "ours"
    assert answered.opening_way(EXAMPLE, tmp_path / "nothing") == "ours"


def gone():
    raise WorkerError("the worker is not there")


def test_the_page_opens_answered_without_a_worker(cards, lesson, tiles, request_of, monkeypatch):
    monkeypatch.setattr(answered, "file_of", lambda example, way, _folder: lesson / f"{example.name}-{way}.xz")
    monkeypatch.setattr(cards, "explorer", Explorer(gone, tiles))
    updates = list(cards.image.start("", request_of()))
    answer = last(updates, cards.answer.panel)
    assert answer["text"] == "no such thing" and answer["correct"] is False
    assert answer["method"]["importance"] == "attention"
    assert last(updates, cards.method.importance) == "attention"
    assert len(last(updates, cards.viewer.panel)["maps"]["scales"]) == 4
    assert len(last(updates, cards.budgets.panel)["points"]) == 1

    # The other button: at once, and without a worker too.
    updates = list(cards.scoring.choose(EXAMPLE.questions[0].text, event(way="ours"), request_of()))
    assert last(updates, cards.answer.panel)["correct"] is True
    assert last(updates, cards.method.importance) == "default"
    cards.explorer.close()


def test_a_way_that_is_not_answered_is_asked(cards, tiles, request_of, monkeypatch):
    monkeypatch.setattr(answered, "find", lambda *_: None)
    list(cards.image.pick(event(name=EXAMPLE.name), request_of()))
    updates = list(cards.scoring.choose("How many?", event(way="released"), request_of()))
    assert last(updates, cards.method.order) == "mean" and last(updates, cards.scoring.panel)["ask"]
    unknown = list(cards.scoring.choose("How many?", event(way="?"), request_of()))
    assert unknown == [{cards.scoring.panel: gr.skip()}]


def test_a_link_to_an_answered_question_opens_answered(lesson):
    first = EXAMPLE.questions[0].text
    ways = {
        "released": (first, {"importance": "attention", "regions": "kmeans", "order": "mean", "seed": None}),
        "ours": (first, {"importance": None, "regions": "default"}),
        None: (first, {"importance": "fused"}),
    }
    for way, (question, method) in ways.items():
        assert answered.way_of(EXAMPLE, question, method, lesson) == way
    assert answered.way_of(EXAMPLE, "Why?", {}, lesson) is None
    assert answered.way_of(EXAMPLE, None, None, lesson) == "released"


def flips(points):
    """How often the answer turns right or wrong from one budget to the next."""
    right = [point.correct for point in points]
    return sum(a != b for a, b in pairwise(right))


def test_at_least_three_examples_change_their_answer_on_the_slider():
    """By measurement, with the weights that they were answered with: right at some budgets and wrong at others."""
    files = [(example.name, answered.file_of(example, way)) for example in examples.load() for way in answered.WAYS]
    swept = [(name, answered.read(path).swept.points) for name, path in files if path.is_file()]
    assert len({name for name, points in swept if flips(points)}) >= 3
