import json

import pytest

from tests.support.tiny import engine
from uhrbat.cli import main
from uhrbat.engine import UHRBAT
from uhrbat.evaluation import encoded
from uhrbat.evaluation import worlds as scenes
from uhrbat.worlds import EVALUATION_SEEDS, TRAIN_SEEDS, generate

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small_scenes(monkeypatch):
    monkeypatch.setattr(encoded, "generate", lambda seed, without=(): generate(seed, size=504, without=without))


@pytest.fixture(scope="module")
def first():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoded, "generate", lambda seed, without=(): generate(seed, size=504, without=without))
        return scenes.run_scenes(engine(), 1, [64, 256], per_scene=6, progress=False)


def test_the_report_has_accuracy_and_baselines_by_budget_and_type(first):
    assert set(first["accuracy"]) == {"64", "256"}
    assert first["questions"] == 6 and first["scenes"] == 1
    assert 0 < first["majority"]["all"] <= 1
    assert set(first["no_image"]) == {*first["by_type"]["64"], "all"}
    assert "question type" in scenes.table(first)


def test_the_same_run_gives_the_same_report(first):
    again = scenes.run_scenes(engine(), 1, [256, 64], per_scene=6, progress=False)
    del again["seconds"], (kept := dict(first))["seconds"]
    assert again == kept


def test_answers_at_a_budget_equal_those_of_the_engine():
    scene, tokens = encoded.WorldEncoder(engine()).scene(EVALUATION_SEEDS.start)
    asked = scenes.questions(scene, 1, 3)
    outcomes = scenes.answer_scene(tokens, scene, asked, [100, 300], engine().settings)
    for question in asked:
        for budget in (100, 300):
            reply = next(
                o for o in outcomes if o.budget == budget and o.truth == question.answer and o.type == question.type
            )
            assert reply.answer == str(tokens.ask(question.text).select(budget).answer())


def test_a_run_that_was_cut_off_goes_on(tmp_path, monkeypatch):
    kept = tmp_path / "kept.jsonl"
    scenes.run_scenes(engine(), 1, [64], per_scene=3, keep=kept, progress=False)
    made = []
    monkeypatch.setattr(encoded, "generate", lambda seed, **_: made.append(seed) or generate(seed, size=504))
    report = scenes.run_scenes(engine(), 2, [64], per_scene=3, keep=kept, progress=False)
    assert made == [EVALUATION_SEEDS.start + 1]
    assert report["scenes"] == 2 and len(kept.read_text().splitlines()) == 2


def test_evaluation_seeds_are_never_training_seeds():
    assert EVALUATION_SEEDS.start >= TRAIN_SEEDS.stop


def test_a_right_answer_scores_and_a_wrong_one_does_not():
    right = scenes.Outcome(1, "color", 64, "red", "Red", True, 5.0)
    wrong = scenes.Outcome(1, "color", 64, "red", "blue", True, 5.0)
    report = scenes.summarise([right, wrong], [right, wrong], [64])
    assert report["accuracy"]["64"] == 0.5
    assert report["evidence_preserved"]["64"]["5-8"] == 1.0


@pytest.mark.parametrize("name", ["worlds", "scenes"])
@pytest.mark.parametrize("given", [["--budgets", "few"], ["--scenes", "0"], ["--skip", "-1"]])
def test_bad_numbers_are_refused(name, given, capsys):
    assert main(["evaluate", name, *given]) == 2
    assert given[0] in capsys.readouterr().err


def test_the_command_line_reports(monkeypatch, capsys):
    monkeypatch.setattr(UHRBAT, "from_pretrained", lambda *_, **__: engine())
    assert main(["evaluate", "scenes", "--scenes", "1", "--questions", "2", "--budgets", "64,256", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["scenes"] == 1 and set(report["accuracy"]) == {"64", "256"}
