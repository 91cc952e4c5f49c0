import gzip
import json
import signal
import subprocess

import pytest

from app import findings
from app.explorer import Explorer
from app.state.pictures import Picture
from tests.support import made_up_findings
from tests.support.handlers import event, last
from uhrbat.errors import ImageError, InputError
from uhrbat.imagery import read_canvas
from uhrbat.imagery.provenance import is_generated
from uhrbat.worlds import files, generate
from uhrbat.worlds.files import WorldKey

SEED = made_up_findings.SEED


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Made-up findings whose misses lie in one real scene."""
    folder = tmp_path_factory.mktemp("findings")
    made_up_findings.write(folder, generate(SEED, 504).objects[0].box)
    return folder


@pytest.fixture
def explorer(worker, tmp_path, folder):
    made = Explorer(lambda: worker, tmp_path / "tiles", found=folder)
    yield made
    made.close()


def page(found):
    return json.loads(gzip.decompress(found.page))


def test_without_files_the_page_names_the_commands_that_write_them(tmp_path):
    reply = page(findings.load(tmp_path))
    assert reply["missing"] == list(findings.COMMANDS.values()) and not reply["frontier"] and not reply["problems"]
    assert reply["real"] is reply["looks"] is reply["looks_loss"] is None


def test_the_page_is_told_every_number(folder):
    reply = page(findings.load(folder))
    curve = reply["frontier"]["points"]["accuracy"]["type: count"]["similarity-kmeans"]
    assert [point[0] for point in curve] == made_up_findings.BUDGETS and curve[0][4] == 900
    assert reply["missing"] == [] and [len(loss["misses"]) for loss in reply["losses"]] == [30, 30]
    assert {miss["scene"] for miss in reply["losses"][0]["misses"]} == {f"world-{SEED}", f"world-{SEED}-1"}
    assert [loss["misses"][0]["method"]["importance"] for loss in reply["losses"]] == ["similarity", "attention"]
    real = findings.load(folder).real
    assert len(reply["real"]["now"]["evidence"]) == len(real.now.evidence) == 144
    assert reply["real"]["before"]["precision"][0]["value"] == real.before.precision[0].value
    assert [row["lost"] for row in reply["looks_loss"]["losses"]] == [50, 40, 30]
    assert reply["looks"]["looks"] == list(made_up_findings.LOOKS) and len(reply["looks"]["points"]) == 4 * 8 * 4


def test_a_file_of_another_layout_is_told_and_the_other_is_shown(tmp_path):
    made_up_findings.write(tmp_path)
    (tmp_path / "loss.json").write_text("{}")
    reply = page(findings.load(tmp_path))
    assert "loss.json" in reply["problems"][0] and reply["frontier"] and reply["missing"] == [findings.COMMANDS["loss"]]


def test_findings_are_read_anew_when_they_have_changed(tmp_path):
    assert findings.load(tmp_path).loss is None
    made_up_findings.write(tmp_path)
    assert findings.load(tmp_path).loss is not None


@pytest.mark.parametrize(
    "name", ["airfield", "scene", "scene-", "scene-x", "scene-1-", "scene-1/2", "scene-" + "9" * 12]
)
def test_other_names_are_no_scenes(name):
    assert WorldKey.parse(name) is None


@pytest.mark.parametrize("key", [WorldKey(2_000_001), WorldKey(2_000_001, (4, 7))])
def test_a_scene_is_found_by_its_name(key):
    assert WorldKey.parse(key.name) == key


@pytest.mark.slow
def test_a_miss_opens_as_a_generated_scene_with_its_truth_and_is_let_go(explorer):
    found = explorer.findings()
    *progress, picture = findings.open_scene(explorer.shelf, WorldKey(SEED, (1,)), found)
    assert progress == sorted(progress) and len(set(progress)) > 3
    assert is_generated(picture.path, read_canvas(picture.path))
    whole = generate(SEED)
    assert [item.box for item in picture.example.objects] == [o.box for i, o in enumerate(whole.objects) if i != 1]
    assert picture.example.question(found.misses_of(WorldKey(SEED, (1,)))[0].question).answer == "two"
    assert list(findings.open_scene(explorer.shelf, WorldKey(SEED, (1,)), found)) == [picture]
    explorer.shelf.limits = explorer.shelf.limits.model_copy(update={"tiles_bytes": 1})
    explorer.shelf.expire()
    assert list(explorer.shelf.folder.iterdir()) == []


def test_only_scenes_of_misses_are_made(explorer):
    with pytest.raises(InputError, match="no miss in world-5"):
        list(findings.open_scene(explorer.shelf, WorldKey(5), explorer.findings()))


@pytest.mark.slow
def test_a_scene_that_cannot_be_made_is_told_and_leaves_nothing(explorer):
    with pytest.raises(ImageError, match="without"):
        files.make(WorldKey(SEED, (999,)), explorer.shelf.folder, lambda share: None, lambda: False)
    assert list(explorer.shelf.folder.iterdir()) == []


def test_leaving_stops_the_child(explorer, monkeypatch):
    children, start = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: children.append(start(*a, **k)) or children[-1])
    opening = findings.open_scene(explorer.shelf, WorldKey(SEED), explorer.findings())
    assert not isinstance(next(opening), Picture)
    while not children:
        next(opening)
    opening.close()
    assert children[0].wait(60) == -signal.SIGKILL


@pytest.mark.slow
def test_a_miss_chosen_on_the_page_shows_scene_question_and_budget(explorer, cards, request_of):
    miss = explorer.findings().loss.misses[0]
    method = {"importance": "attention", "regions": "kmeans", "order": "max"}
    reply = event(scene=f"world-{SEED}", question=miss.question, budget=miss.budget, method=method)
    updates = list(cards.findings.open(reply, request_of()))
    assert last(updates, cards.viewer.panel)["image"]["example"] == f"world-{SEED}"
    assert last(updates, cards.question.text) == miss.question and last(updates, cards.budget.panel)["total"] == 256
    assert last(updates, cards.method.importance) == "attention"
    link = json.dumps({"example": f"scene-{SEED}", "question": miss.question, "budget": {"total": 99}})
    assert (
        last(list(cards.image.start(link, request_of("another"))), cards.viewer.panel)["image"]["example"]
        == f"world-{SEED}"
    )
