import io
import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app import arrays, examples, export, figures, overlays
from app.explorer import SWEEP, budget_of, swept
from app.shares import geometry
from tests.support.fake_worker import FakeWorker
from tests.support.handlers import event, failed, last
from tests.support.made_images import write_tiff
from uhrbat.errors import InputError, WorkerError
from uhrbat.geometry import SCALES, Scale
from uhrbat.imagery import Rendering

METHOD = ("nano", "default", "default", "default", 0)
BUDGET = {"total": 3000, "per_scale": None}


@pytest.fixture
def opened(cards, request_of):
    """A page on the third example."""
    example = examples.load()[2]
    list(cards.image.pick(event(name=example.name), request_of()))
    return example


def test_the_page_opens_on_the_first_example(cards, request_of):
    updates = list(cards.image.start("", request_of()))
    first = examples.load()[0]
    assert last(updates, cards.viewer.panel)["image"]["example"] == first.name
    assert last(updates, cards.question.text) == first.questions[0].text
    assert next(item["name"] for item in last(updates, cards.image.gallery)["examples"]) == first.name


def test_the_page_opens_on_what_its_link_says(cards, request_of):
    wanted = examples.load()[4].name
    link = f'{{"example": "{wanted}", "question": "Why?", "budget": {{"per_scale": [1, 2, 3, 4]}}, "looks": 9}}'
    updates = list(cards.image.start(link, request_of()))
    assert last(updates, cards.viewer.panel)["image"]["example"] == wanted
    assert last(updates, cards.question.text) == "Why?"
    budget = last(updates, cards.budget.panel)
    assert (budget["total"], budget["per_scale"], budget["looks"]) == (10, [1, 2, 3, 4], 9)
    for wrong in (-1, "9", 1.5, 10**9, [9], True):
        updates = cards.image.start(json.dumps({"example": wanted, "looks": wrong}), request_of())
        assert not last(list(updates), cards.budget.panel).get("looks")


def test_the_partitions_are_those_that_the_worker_can_make(cards, request_of):
    assert last(list(cards.image.start("", request_of())), cards.method.regions)["choices"] == [
        "default",
        "kmeans",
        "grid",
        "sam",
        "none",
    ]


def test_a_link_chooses_the_method_and_an_example_its_own(cards, request_of, monkeypatch):
    example = replace(examples.load()[4], method={"importance": "attention"})
    monkeypatch.setattr(examples, "find", lambda name: example)

    def opened_with(link):
        updates = list(cards.image.start(json.dumps({"example": example.name} | link), request_of()))
        regions = last(updates, cards.method.regions).get("value", "default")
        return [
            last(updates, cards.method.importance),
            regions,
            last(updates, cards.method.order),
            last(updates, cards.method.seed),
        ]

    assert opened_with({}) == ["attention", "default", "default", 0]
    assert opened_with({"method": {"regions": "sam", "order": "mean", "seed": "7"}}) == ["default", "sam", "mean", 7]
    assert opened_with({"method": {"importance": "none", "seed": "x"}}) == ["default", "default", "default", 0]


def test_what_a_token_costs_is_told_before_the_first_answer_and_for_the_chosen_model(cards, request_of):
    cost = last(list(cards.image.start("", request_of())), cards.budget.panel)["cost"]
    assert cost["bytes_per_token"] == 6144 and cost["tokens_per_second"] == 9000
    assert cards.budget.price("nano", BUDGET)["model"] == geometry([Scale(size) for size in SCALES])
    assert cards.budget.price("another", BUDGET) == {
        **BUDGET,
        "cost": cost | dict.fromkeys(cost) | {"model": "another", "overhead_seconds": 0.0},
    }


def test_asking_shows_maps_answer_and_run(cards, opened, request_of):
    known = opened.questions[0]
    updates = list(cards.question.asked(known.text, BUDGET, *METHOD, request_of()))
    answer, viewer = last(updates, cards.answer.panel), last(updates, cards.viewer.panel)
    assert answer["text"] == "five" and answer["budgets"] == [80, 320, 600, 2000] and answer["tokens"] == 3000
    assert answer["correct"] is False and answer["caveat"] is None
    assert [scale["size"] for scale in viewer["maps"]["scales"]] == [672, 1344, 2688, 4032]
    evidence = {opened.objects[index].box for index in known.evidence}
    missed = [point for point in viewer["points"] if point["status"] == "missed"]
    assert evidence and {tuple(point["box"]) for point in missed} == evidence  # the fake worker points elsewhere
    assert last(updates, cards.run.panel)["seconds"]["encode"] == 4.2
    fractions = [update[cards.question.ask]["fraction"] for update in updates if cards.question.ask in update][:-1]
    assert fractions == sorted(fractions) and fractions[-1] > 0.9
    assert last(updates, cards.question.ask)["state"] == "idle"


def test_what_each_word_looked_at_is_computed_for_who_asks_and_gone_with_the_answer(cards, opened, worker, request_of):
    updates = list(cards.question.asked(opened.questions[0].text, BUDGET, *METHOD, request_of()))
    assert last(updates, cards.answer.panel)["words"] is None and not any(r.attention for _, r in answers(worker))
    shown = last(list(cards.answer.words(request_of())), cards.answer.panel)
    run = cards.answer.session(request_of()).run
    assert shown["text"] == "five" and shown["words"]["words"] == ["place 1", "five"]
    assert shown["words"]["ranks"] == [80, 320, 600, 2000] and shown["words"]["maps"] == run.id
    assert answers(worker)[-1][1].attention and answers(worker)[-1][1].budget == (80, 320, 600, 2000)
    again = last(list(cards.answer.again(BUDGET, request_of())), cards.answer.panel)
    assert again["words"] is None and run.attention is None


def answers(worker):
    """The requests for an answer alone."""
    return [(action, request) for action, request in worker.requests if action == "answer"]


def test_an_upload_is_scored_by_the_models_own_method_whatever_the_example_before_it_was(
    cards, opened, wide_photo, request_of
):
    updates = list(cards.image.upload([str(wide_photo)], request_of()))
    chosen = [last(updates, part) for part in (cards.method.importance, cards.method.regions, cards.method.order)]
    assert chosen == ["default", "default", "default"]


def test_a_photograph_gets_the_caveat(cards, wide_photo, request_of):
    shown = list(cards.image.upload([str(wide_photo)], request_of()))
    assert last(shown, cards.viewer.panel)["image"]["example"] is None
    updates = list(cards.question.asked("How many ships?", BUDGET, *METHOD, request_of()))
    assert "generated scenes only" in last(updates, cards.answer.panel)["caveat"]
    assert last(updates, cards.answer.panel)["correct"] is None


def test_the_page_says_how_a_question_was_read_and_that_it_was_not_understood(cards, opened, request_of):
    def answer(question: str) -> dict:
        return last(list(cards.question.asked(question, BUDGET, *METHOD, request_of())), cards.answer.panel)

    reworded = answer("Any boats about?")
    assert reworded["understood"] and reworded["read_as"] == "Is there a ship in the image?"
    refused = answer("How many bridges are there?")
    assert not refused["understood"] and refused["read_as"] is None
    assert "does not know the word 'bridges'" in refused["not_understood"] and "ships" in refused["not_understood"]


@pytest.mark.parametrize(
    ("question", "budget", "message"),
    [("  ", BUDGET, "empty"), ("Why?", {"total": 0}, "0 tokens"), ("Why?", {"total": 131_329}, "131,329"),
     ("Why?", {"per_scale": [2305, 0, 0, 0]}, "2,305"), ("Why?", {"per_scale": [0, 0, 0, 0]}, "0 tokens"),
     ("Why?", None, "no budget")],
)  # fmt: skip
def test_wrong_input_is_said_in_one_sentence(cards, opened, request_of, question, budget, message):
    assert message in failed(cards.question.asked(question, budget, *METHOD, request_of()), cards)


def test_an_upload_comes_without_the_example_s_method_and_questions(cards, wide_photo, request_of):
    """All at once: a question may follow as soon as the image is shown, so nothing is changed under it afterwards."""
    list(cards.image.pick(event(name="suburb"), request_of()))
    updates = list(cards.image.upload([str(wide_photo)], request_of()))
    arrived = next(update for update in updates if cards.viewer.panel in update)
    assert arrived is updates[-1] and arrived[cards.method.importance] == "default"
    shown = arrived[cards.viewer.panel]["image"]
    assert shown["suggestions"] and not shown["questions"]


def test_asking_needs_an_image(cards, request_of):
    assert "choose an example" in failed(
        cards.question.asked("Why?", BUDGET, *METHOD, request_of("another page")), cards
    )


def test_a_wrong_file_leaves_the_page_usable(cards, opened, tmp_path, request_of):
    path = tmp_path / "wrong.jpg"
    path.write_text("no image")
    assert "wrong.jpg" in failed(cards.image.upload([str(path)], request_of()), cards)
    updates = list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    assert last(updates, cards.answer.panel)["text"] == "five"


def test_leaving_stops_the_job(explorer, cards, request_of):
    worker = explorer._worker = FakeWorker(step_seconds=0.05, steps=100)
    list(cards.image.pick(event(name=examples.load()[2].name), request_of()))
    asking = cards.question.asked("How many?", BUDGET, *METHOD, request_of())
    for _ in range(3):
        next(asking)
    asking.close()
    deadline = time.monotonic() + 60
    while not worker.cancelled and time.monotonic() < deadline:
        time.sleep(0.01)
    assert worker.cancelled == 1


def test_an_image_does_not_expire_while_it_is_asked_about(explorer, cards, wide_photo, request_of):
    list(cards.image.upload([str(wide_photo)], request_of()))
    explorer._worker.step_seconds = 0.02
    picture = explorer.sessions.of("page").picture
    asking = cards.question.asked("How many?", BUDGET, *METHOD, request_of())
    next(asking)
    picture.used = -1e9  # as after hours of work
    next(asking)
    explorer.shelf.expire()
    assert not picture.released and cards.answer.panel in list(asking)[-1]


def test_a_late_answer_is_not_shown_on_another_image(cards, opened, request_of):
    asking = cards.question.asked("How many?", BUDGET, *METHOD, request_of())
    next(asking)
    list(cards.image.pick(event(name=examples.load()[3].name), request_of()))
    assert not any(cards.answer.panel in update for update in asking)


def test_the_object_and_its_counterfactuals(cards, opened, request_of):
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    box = list(opened.objects[0].box)
    reply = last(list(cards.object.inspect(BUDGET, event(box=box), request_of())), cards.object.panel)
    assert reply["box"] == box and len(reply["rows"]) == 4 and reply["steps"][0]["total"] == 1
    row = reply["rows"][0]
    cells = (row["rows"][1] - row["rows"][0] + 1) * (row["cols"][1] - row["cols"][0] + 1)
    assert cells == row["tokens"]
    assert (
        last(list(cards.object.force(BUDGET, event(box=box), request_of())), cards.object.panel)["forced"]["text"]
        == "five"
    )
    both = last(list(cards.object.without(BUDGET | {"total": 64}, event(box=box), request_of())), cards.object.panel)
    assert both["without"]["text"] == "none" and both["forced"]["text"] == "five"
    assert [sum(both[which]["budgets"]) for which in ("forced", "without")] == [3000, 64]  # each says its own


def test_what_was_looked_at_and_what_was_not(cards, explorer, worker, request_of, tmp_path):
    """One picture beyond the finest scale, with one native scale: asked, drawn, inspected, and looked at once more."""
    path = tmp_path / "long.png"
    Image.new("RGB", (6000, 60), (90, 110, 70)).save(path)
    list(cards.image.upload([str(path)], request_of()))
    assert cards.budget.price("nano", {"total": 9, "looks": 4})["cost"]["most_looks"] == 512
    updates = list(cards.question.asked("How many?", BUDGET | {"looks": 9}, *METHOD, request_of()))
    viewer, how = last(updates, cards.viewer.panel), last(updates, cards.run.panel)
    assert worker.requests[-1][1].settings.looks == 9 and how["facts"]["looks"] == "9 at 5712"
    assert last(updates, cards.answer.panel)["looks"] == 9
    (entry,) = last(updates, cards.history.panel)["entries"]
    assert entry["looks"] == 9
    assert json.loads(export.run_json(explorer.sessions.of("page").run))["settings"]["looks"] == 9
    assert viewer["model"]["looked"] == {"5712": list(range(9))}
    assert viewer["maps"]["scales"][-1]["looked"] == list(range(9)) and viewer["maps"]["scales"][0]["looked"] is None
    run = explorer.sessions.of("page").run
    ranks = np.asarray(Image.open(io.BytesIO(overlays.rank_png(run.scale(5712), run.geometry(5712)))))
    assert ranks.shape == (408, 408, 3) and (ranks[24:] == ranks[-1, -1]).all() and ranks[0, 1, 2] == 2
    with np.load(io.BytesIO(arrays.npz(run))) as found:
        assert found["looked_5712"].sum() == 9 * 576 and np.isnan(found["importance_5712"]).sum() == 408**2 - 9 * 576
    assert figures.figure(run, figures.Wanted.of(run, {"scale": "5712", "panels": "fate"}), "svg")
    box = [3000, 20, 3010, 30]
    shown = last(list(cards.object.inspect(BUDGET, event(box=box), request_of())), cards.object.panel)
    assert [row["looked"] for row in shown["rows"]] == [True] * 4 + [False] and shown["looked"] is None
    there = last(list(cards.object.look(BUDGET, event(box=box), request_of())), cards.object.panel)
    assert there["looked"]["text"] == "six" and worker.requests[-1][1].look == (tuple(box),)
    for wrong in (-1, "many", 2.5):
        updates = list(cards.question.asked("How many?", BUDGET | {"looks": wrong}, *METHOD, request_of()))
        assert "whole number from 0" in last(updates, cards.question.ask)["text"]


def test_a_box_outside_the_image_is_told_in_its_tab(cards, opened, request_of):
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    reply = last(list(cards.object.inspect(BUDGET, event(box=[9000, 0, 9010, 10]), request_of())), cards.object.panel)
    assert "outside the image" in reply["error"]


def test_a_sweep_comes_point_by_point(cards, opened, request_of):
    list(cards.question.asked(opened.questions[0].text, BUDGET, *METHOD, request_of()))
    values = [
        update[cards.budgets.panel] for update in cards.budgets.sweep(request_of()) if cards.budgets.panel in update
    ]
    assert [len(value["points"]) for value in values[:3]] == [0, 1, 2]
    assert len(values[-1]["points"]) == len(SWEEP) and not values[-1]["running"]
    assert {point["answer"] for point in values[-1]["points"]} == {"four", "five"}


def test_a_sweep_stops_at_all_tokens_of_a_model():
    smolvlm = [Scale(size, 512, 8) for size in (512, 1536, 2560, 4096)]
    assert swept([Scale(size) for size in SCALES]) == SWEEP
    assert swept(smolvlm) == (*SWEEP[:8], 6336)


def test_a_small_box_says_whether_a_few_pixels_change_its_verdict(cards, opened, worker, request_of, monkeypatch):
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    inspect = FakeWorker._inspect

    def by_size(self, request, job, stop):
        found = inspect(self, request, job, stop)
        x0, _, x1, _ = request.box
        return replace(found, fate=replace(found.fate, smallest_budget=900 if x1 - x0 > 12 else 1000))

    monkeypatch.setattr(FakeWorker, "_inspect", by_size)
    shown = last(list(cards.object.inspect(BUDGET, event(box=[100, 100, 110, 108]), request_of())), cards.object.panel)
    assert shown["smallest_budget"] == 1000
    assert next((other["by"], other["smallest_budget"]) for other in shown["nearby"]) == (3, 900)
    large = last(list(cards.object.inspect(BUDGET, event(box=[100, 100, 400, 408]), request_of())), cards.object.panel)
    assert large["nearby"] == []


def test_comparing_needs_a_question_and_shows_every_method(cards, opened, explorer, request_of):
    assert "Ask a question first" in failed(cards.compare.compare(BUDGET, request_of()), cards)
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    shown = last(list(cards.compare.compare(BUDGET, request_of())), cards.compare.panel)
    assert next(method["name"] for method in shown["methods"]) == "uhrbat" and len(shown["methods"]) == 5
    fates = shown["methods"][1]["fates"]["672"].split("/")
    assert explorer.runs.get(fates[1]).kinds[fates[3]][672].size == 2304


def test_a_worker_that_died_is_told_and_the_next_question_works(cards, opened, worker, request_of, monkeypatch):
    def died(self, *_):
        raise WorkerError("The model worker stopped; ask again.")

    with monkeypatch.context() as broken:
        broken.setattr(FakeWorker, "_ask", died)
        assert "ask again" in failed(cards.question.asked("How many?", BUDGET, *METHOD, request_of()), cards)
    assert (
        last(list(cards.question.asked("How many?", BUDGET, *METHOD, request_of())), cards.answer.panel)["text"]
        == "five"
    )


def test_a_closed_page_is_forgotten(cards, explorer, opened, request_of):
    cards.closed(request_of())
    assert explorer.sessions.of("page").picture is None


def test_budgets_of_the_panel():
    assert budget_of({"total": 64, "per_scale": None}) == 64
    assert budget_of({"total": 10, "per_scale": [1, 2, 3, 4]}) == (1, 2, 3, 4)
    for wrong in (None, {}, {"total": None}, {"total": 12.5}, {"total": 0}, {"per_scale": [1, "2"]}, {"total": True}):
        with pytest.raises(InputError):
            budget_of(wrong)


def test_a_budget_must_fit_the_models_scales(cards, opened, request_of):
    wrong = {"total": None, "per_scale": [1, 2]}
    assert "give 4 whole numbers" in failed(cards.question.asked("How many?", wrong, *METHOD, request_of()), cards)


def test_a_chosen_picture_is_shown_and_asked_of(cards, explorer, worker, six_bands, request_of):
    shown = last(list(cards.image.upload([str(six_bands)], request_of())), cards.viewer.panel)["image"]
    assert len(shown["picture"]["names"]) == 6 and shown["picture"]["shown"] == [1, 2, 3]
    place = shown["place"]
    assert (place["crs"], place["transform"]) == ("EPSG:32633", [0.5, 0, 500_000, 0, -0.5, 5_000_000])
    chosen = {"bands": [6, 5, 4], "limits": [10, 9000], "gamma": 1.5, "nodata": 0}
    updates = list(cards.image.choose(event(rendering=chosen), request_of()))
    again = last(updates, cards.viewer.panel)["image"]
    assert again["picture"]["shown"] == [6, 5, 4] and again["title"] == shown["title"] and again["id"] != shown["id"]
    asked_for = Rendering((6, 5, 4), (10, 9000), 1.5, 0)
    assert Rendering.from_dict(again["picture"]["chosen"]) == asked_for
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    assert worker.requests[-1][1].settings.picture == asked_for
    list(cards.answer.again(BUDGET, request_of()))
    assert worker.requests[-1][1].settings.picture == asked_for
    record = json.loads(export.run_json(explorer.sessions.of("page").run))
    assert record["settings"]["picture"] == chosen
    assert record["image"]["shown"] == {**chosen, "names": ["band 6", "band 5", "band 4"], "page": 1,
                                        "transparency": "nodata"}  # fmt: skip
    back = last(list(cards.image.choose(event(rendering={}), request_of())), cards.viewer.panel)["image"]
    assert back["picture"] == {**shown["picture"], "histogram": back["picture"]["histogram"]}
    for wrong in ({"bands": [0, 1, 2]}, {"bands": "red"}, {"page": 9}, {"limits": [2, 1]}, {"colour": 1}, None, [1]):
        said = failed(cards.image.choose(event(rendering=wrong), request_of()), cards)
        assert re.search("bands|page|limits|picture", said)


def test_an_example_shown_in_another_way_is_its_own_picture_and_comes_back(cards, explorer, worker, request_of):
    example = examples.load()[2]
    plain = last(list(cards.image.pick(event(name=example.name), request_of())), cards.viewer.panel)["image"]
    assert plain["picture"]["summary"] == "Shown as it is"
    bright = last(list(cards.image.choose(event(rendering={"gamma": 2}), request_of())), cards.viewer.panel)["image"]
    assert (bright["example"], bright["picture"]["gamma"]) == (example.name, 2) and bright["id"] != plain["id"]
    assert bright["questions"] == plain["questions"]
    pictures = [explorer.shelf.get(image["id"]) for image in (bright, plain)]
    assert [picture.stays for picture in pictures] == [False, True] and pictures[0].tiles != pictures[1].tiles
    again = last(list(cards.image.choose(event(rendering={}), request_of())), cards.viewer.panel)["image"]
    assert again["id"] == plain["id"]
    link = json.dumps({"example": example.name, "picture": {"gamma": 2}})
    linked = last(list(cards.image.start(link, request_of())), cards.viewer.panel)["image"]
    assert linked["picture"]["chosen"] == {"gamma": 2.0}


def test_files_given_together_belong_together(cards, explorer, worker, wide_photo, request_of, tmp_path):
    (tmp_path / "wide.jgw").write_text("0.5\n0\n0\n-0.5\n500000.25\n4999999.75\n")
    (tmp_path / "other.tfw").write_text("1\n0\n0\n-1\n0\n0\n")
    mask = write_tiff(tmp_path / "wide.jpg.msk", np.full((500, 900), 255, np.uint8))
    given = [str(examples.load()[0].path), *map(str, sorted(tmp_path.iterdir())), str(wide_photo)]
    shown = last(list(cards.image.upload(given, request_of())), cards.viewer.panel)["image"]
    assert shown["place"]["crs"] == "CRS missing" and shown["metres_per_pixel"] is None
    notes = " | ".join([*shown["notes"], *shown["picture"]["notes"]])
    for words in ("placed by 'wide.jgw'", "masked by 'wide.jpg.msk'", "'other.tfw' belongs", "one picture at a time"):
        assert words in notes
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    settings = worker.requests[-1][1].settings
    assert worker.files[settings.mask].read_bytes() == mask.read_bytes()
    list(cards.image.choose(event(rendering={"transparency": "none"}), request_of()))
    list(cards.question.asked("How many?", BUDGET, *METHOD, request_of()))
    assert worker.requests[-1][1].settings.mask is None
    said = failed(cards.image.upload([str(tmp_path / "other.tfw")], request_of()), cards)
    assert said.startswith("'other.tfw' belongs to a picture") and "upload it together with the picture" in said
