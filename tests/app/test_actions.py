import json
import time
from dataclasses import replace

import gradio as gr
import pytest

from app import examples
from app.actions import Actions
from app.explorer import SWEEP, budget_of, check_budget
from tests.support.fake_worker import FakeWorker
from tests.support.handlers import event, last
from uhrbat.errors import InputError, WorkerError

METHOD = ("nano", "default", "default", "default", 0)
BUDGET = {"total": 3000, "per_scale": None}


@pytest.fixture
def do(explorer, parts):
    return Actions(explorer, parts)


@pytest.fixture
def opened(do, parts, request_of):
    """A page on the third example."""
    example = examples.load()[2]
    list(do.pick(event(name=example.name), request_of()))
    return example


def test_the_page_opens_on_the_first_example(do, parts, request_of):
    updates = list(do.start("", request_of()))
    first = examples.load()[0]
    assert last(updates, parts.viewer)["image"]["example"] == first.name
    assert last(updates, parts.question) == first.questions[0].text
    assert [item["name"] for item in last(updates, parts.gallery)["examples"]][0] == first.name


def test_the_page_opens_on_what_its_link_says(do, parts, request_of):
    wanted = examples.load()[4].name
    link = f'{{"example": "{wanted}", "question": "Why?", "budget": {{"per_scale": [1, 2, 3, 4]}}}}'
    updates = list(do.start(link, request_of()))
    assert last(updates, parts.viewer)["image"]["example"] == wanted
    assert last(updates, parts.question) == "Why?"
    budget = last(updates, parts.budget)
    assert (budget["total"], budget["per_scale"]) == (10, [1, 2, 3, 4])


def test_the_partitions_are_those_that_the_worker_can_make(do, parts, request_of):
    assert last(list(do.start("", request_of())), parts.regions)["choices"] == [
        "default",
        "kmeans",
        "grid",
        "sam",
        "none",
    ]


def test_a_link_chooses_the_method_and_an_example_its_own(do, parts, request_of, monkeypatch):
    example = replace(examples.load()[4], method={"importance": "attention"})
    monkeypatch.setattr(examples, "find", lambda name: example)

    def opened_with(link):
        updates = list(do.start(json.dumps({"example": example.name} | link), request_of()))
        regions = last(updates, parts.regions).get("value", "default")
        return [last(updates, parts.importance), regions, last(updates, parts.order), last(updates, parts.seed)]

    assert opened_with({}) == ["attention", "default", "default", 0]
    assert opened_with({"method": {"regions": "sam", "order": "mean", "seed": "7"}}) == ["default", "sam", "mean", 7]
    assert opened_with({"method": {"importance": "none", "seed": "x"}}) == ["default", "default", "default", 0]


def test_what_a_token_costs_is_told_before_the_first_answer_and_for_the_chosen_model(do, parts, request_of):
    cost = last(list(do.start("", request_of())), parts.budget)["cost"]
    assert cost["bytes_per_token"] == 6144 and cost["tokens_per_second"] == 9000
    assert do.price("another", BUDGET) == {**BUDGET, "cost": cost | dict.fromkeys(cost) | {"model": "another"}}


def test_asking_shows_maps_answer_and_run(do, parts, opened, request_of):
    known = opened.questions[0]
    updates = list(do.ask(known.text, BUDGET, *METHOD, request_of()))
    answer, viewer = last(updates, parts.answer), last(updates, parts.viewer)
    assert answer["text"] == "five" and answer["budgets"] == [80, 320, 600, 2000] and answer["tokens"] == 3000
    assert answer["correct"] is False and answer["caveat"] is None
    assert [scale["size"] for scale in viewer["maps"]["scales"]] == [672, 1344, 2688, 4032]
    assert last(updates, parts.run)["seconds"]["encode"] == 4.2
    fractions = [update[parts.ask]["fraction"] for update in updates if parts.ask in update][:-1]
    assert fractions == sorted(fractions) and fractions[-1] > 0.9
    assert last(updates, parts.ask)["state"] == "idle"


def test_a_photograph_gets_the_caveat(do, parts, wide_photo, request_of):
    shown = list(do.upload(str(wide_photo), request_of()))
    assert last(shown, parts.viewer)["image"]["example"] is None
    updates = list(do.ask("How many ships?", BUDGET, *METHOD, request_of()))
    assert "generated scenes only" in last(updates, parts.answer)["caveat"]
    assert last(updates, parts.answer)["correct"] is None


@pytest.mark.parametrize(
    "question, budget, message",
    [("  ", BUDGET, "empty"), ("Why?", {"total": 0}, "0 tokens"), ("Why?", {"total": 131_329}, "131,329"),
     ("Why?", {"per_scale": [2305, 0, 0, 0]}, "2,305"), ("Why?", {"per_scale": [0, 0, 0, 0]}, "not all 0"),
     ("Why?", None, "no budget")],
)  # fmt: skip
def test_wrong_input_is_said_in_one_sentence(do, parts, opened, request_of, question, budget, message):
    updates = []
    with pytest.raises(gr.Error, match=message):
        for update in do.ask(question, budget, *METHOD, request_of()):
            updates.append(update)
    assert last(updates, parts.ask)["state"] == "failed"


def test_asking_needs_an_image(do, request_of):
    with pytest.raises(gr.Error, match="choose an example"):
        list(do.ask("Why?", BUDGET, *METHOD, request_of("another page")))


def test_a_wrong_file_leaves_the_page_usable(do, parts, opened, tmp_path, request_of):
    path = tmp_path / "wrong.jpg"
    path.write_text("no image")
    with pytest.raises(gr.Error, match="wrong.jpg"):
        list(do.upload(str(path), request_of()))
    updates = list(do.ask("How many?", BUDGET, *METHOD, request_of()))
    assert last(updates, parts.answer)["text"] == "five"


def test_leaving_stops_the_job(explorer, parts, request_of):
    worker = explorer._worker = FakeWorker(step_seconds=0.05, steps=100)
    do = Actions(explorer, parts)
    list(do.pick(event(name=examples.load()[2].name), request_of()))
    asking = do.ask("How many?", BUDGET, *METHOD, request_of())
    for _ in range(3):
        next(asking)
    asking.close()
    deadline = time.monotonic() + 60
    while not worker.cancelled and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.cancelled == 1


def test_a_late_answer_is_not_shown_on_another_image(do, parts, opened, request_of):
    asking = do.ask("How many?", BUDGET, *METHOD, request_of())
    next(asking)
    list(do.pick(event(name=examples.load()[3].name), request_of()))
    assert not any(parts.answer in update for update in asking)


def test_the_object_and_its_counterfactuals(do, parts, opened, request_of):
    list(do.ask("How many?", BUDGET, *METHOD, request_of()))
    box = list(opened.objects[0].box)
    told = last(list(do.inspect(BUDGET, event(box=box), request_of())), parts.object)
    assert told["box"] == box and len(told["rows"]) == 4 and told["steps"][0]["total"] == 1
    row = told["rows"][0]
    cells = (row["rows"][1] - row["rows"][0] + 1) * (row["cols"][1] - row["cols"][0] + 1)
    assert cells == row["tokens"]
    assert last(list(do.force(BUDGET, event(box=box), request_of())), parts.object)["forced"]["text"] == "five"
    both = last(list(do.without(BUDGET, event(box=box), request_of())), parts.object)
    assert both["without"]["text"] == "none" and both["forced"]["text"] == "five"


def test_a_box_outside_the_image_is_told_in_its_tab(do, parts, opened, request_of):
    list(do.ask("How many?", BUDGET, *METHOD, request_of()))
    told = last(list(do.inspect(BUDGET, event(box=[9000, 0, 9010, 10]), request_of())), parts.object)
    assert "outside the image" in told["error"]


def test_a_sweep_comes_point_by_point(do, parts, opened, request_of):
    list(do.ask(opened.questions[0].text, BUDGET, *METHOD, request_of()))
    values = [update[parts.sweep] for update in do.sweep(request_of()) if parts.sweep in update]
    assert [len(value["points"]) for value in values[:3]] == [0, 1, 2]
    assert len(values[-1]["points"]) == len(SWEEP) and not values[-1]["running"]
    assert {point["answer"] for point in values[-1]["points"]} == {"four", "five"}


def test_comparing_needs_a_question_and_shows_every_method(do, parts, opened, explorer, request_of):
    with pytest.raises(gr.Error, match="Ask a question first"):
        list(do.compare(BUDGET, request_of()))
    list(do.ask("How many?", BUDGET, *METHOD, request_of()))
    shown = last(list(do.compare(BUDGET, request_of())), parts.compare)
    assert [method["name"] for method in shown["methods"]][0] == "uhrbat" and len(shown["methods"]) == 5
    fates = shown["methods"][1]["fates"]["672"].split("/")
    assert explorer.runs.get(fates[1]).kinds[fates[3]][672].size == 2304


def test_a_worker_that_died_is_told_and_the_next_question_works(do, parts, opened, worker, request_of, monkeypatch):
    def died(self, *_):
        raise WorkerError("The model worker stopped; ask again.")

    with monkeypatch.context() as broken:
        broken.setattr(FakeWorker, "_ask", died)
        with pytest.raises(gr.Error, match="ask again"):
            list(do.ask("How many?", BUDGET, *METHOD, request_of()))
    assert last(list(do.ask("How many?", BUDGET, *METHOD, request_of())), parts.answer)["text"] == "five"


def test_a_closed_page_is_forgotten(do, explorer, opened, request_of):
    do.closed(request_of())
    assert explorer.sessions.of("page").picture is None


def test_budgets_of_the_panel():
    assert budget_of({"total": 64, "per_scale": None}) == 64
    assert budget_of({"total": 10, "per_scale": [1, 2, 3, 4]}) == (1, 2, 3, 4)
    with pytest.raises(InputError):
        check_budget((1, 2))


def test_chosen_bands_are_shown_and_asked_of(do, parts, worker, six_bands, request_of):
    shown = last(list(do.upload(str(six_bands), request_of())), parts.viewer)["image"]
    assert len(shown["bands"]["names"]) == 6 and shown["bands"]["shown"] == [1, 2, 3]
    assert shown["place"] == {"crs": "EPSG:32633", "transform": [0.5, 0, 500_000, 0, -0.5, 5_000_000]}
    updates = list(do.bands(event(bands=[6, 5, 4]), request_of()))
    again = last(updates, parts.viewer)["image"]
    assert again["bands"]["shown"] == [6, 5, 4] and again["title"] == shown["title"] and again["id"] != shown["id"]
    list(do.ask("How many?", BUDGET, *METHOD, request_of()))
    assert worker.requests[-1][1].settings.bands == (6, 5, 4)
    list(do.answer_again(BUDGET, request_of()))
    assert worker.requests[-1][1].settings.bands == (6, 5, 4)
    with pytest.raises(gr.Error, match="bands 1 to 6"):
        list(do.bands(event(bands=[0, 1, 2]), request_of()))


def test_few_bands_leave_no_choice(do, parts, wide_photo, request_of):
    shown = last(list(do.upload(str(wide_photo), request_of())), parts.viewer)["image"]
    assert shown["bands"] is None and shown["place"] is None
