"""The evaluations with looks, on one small world by a tiny model whose finest scale is 1,344 px."""

import pytest
import torch

from tests.support.tiny import config, network, tokenizer
from uhrbat.checkpoints import loading
from uhrbat.cli import main
from uhrbat.errors import InputError
from uhrbat.evaluation.looks import findings, frontier, loss, worlds
from uhrbat.evaluation.looks.worlds import read_list
from uhrbat.worlds import EVALUATION_SEEDS, questions

pytestmark = pytest.mark.slow
SIDE = 2016


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    loading.save(network(), tokenizer(), path, torch.float32)
    assert config().scales[-1] == 1344
    return str(path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where the world is kept, so that it is written once."""
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(autouse=True)
def quick_answers(monkeypatch):
    """What a model without training says takes long and means nothing: answers depend on the looks alone. Few questions
    are asked, too."""
    monkeypatch.setattr(worlds, "questions", lambda world, seed, count: questions(world, seed, min(count, 5)))
    for module in (frontier, loss):
        monkeypatch.setattr(module, "answer_many", lambda cuts: [f"{cut.question.looks}" for cut in cuts])


def run(folder, out, cache, what, *more, code=0):
    given = ["--model", folder, "--out", str(out), "--scenes", "1", "--cache", str(cache), "--json"]
    assert main(["evaluate", what, *given, "--side", str(SIDE), *more]) == code


def test_a_world_is_measured_once_with_each_number_of_looks(folder, cache, tmp_path):
    more = ["--looks", "0,3,all", "--questions", "4", "--budgets", "64,3000", "--answer-budgets", "300"]
    run(folder, tmp_path, cache, "frontier", *more)
    found = findings.read_looks(tmp_path / "looks.json")
    assert (found.side, found.looks, found.measured.questions) == (SIDE, ["0", "3", "all"], 4)
    everything = {(p.looks, p.split, p.budget, p.measure) for p in found.points if p.group == "all"}
    splits = ("paper", "question")
    wanted = {(n, s, b, "evidence") for n in found.looks for s in splits for b in (64, 3000)}
    assert everything == wanted | {(n, s, 300, "accuracy") for n in found.looks for s in splits}
    by_budget = {
        (p.looks, p.split, p.budget): p.value for p in found.points if (p.measure, p.group) == ("evidence", "all")
    }
    assert all(by_budget[looks, split, 64] <= by_budget[looks, split, 3000] for looks, split, _ in by_budget)
    assert found.seconds["a look"] > 0
    assert "| all | question |" in (tmp_path / "looks.md").read_text()
    assert [path.name for path in cache.iterdir()] == [f"world-{EVALUATION_SEEDS[0]}-{SIDE}.tif"]
    before = (tmp_path / "looks-1of1.jsonl").read_text()
    run(folder, tmp_path, cache, "frontier", *more)
    assert (tmp_path / "looks-1of1.jsonl").read_text() == before
    run(folder, tmp_path, cache, "frontier", *more[:-1], "400", code=2)


def test_losses_are_explained_and_proved_by_looking(folder, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(loss, "same_answer", lambda answer, truth: answer != "0" and answer != "2")
    run(folder, tmp_path, cache, "loss", "--looks", "0,2", "--budgets", "64,300")
    found = findings.read_looks_loss(tmp_path / "looks_loss.json")
    assert [(row.looks, row.budget) for row in found.losses] == [("0", 64), ("0", 300), ("2", 64), ("2", 300)]
    for row in found.losses:
        causes = [cause.losses for cause in found.causes if (cause.looks, cause.budget) == (row.looks, row.budget)]
        assert row.right == 0 and row.lost == sum(causes) == row.there > 0
    assert "right where it is looked at the evidence" in (tmp_path / "looks_loss.md").read_text()


def test_looks_are_named_by_numbers_or_all():
    assert read_list("0, 64,256,all,64") == ("0", "64", "256", "all")
    for wrong in ("", "many", "-1", "1.5"):
        with pytest.raises(InputError, match="whole number from 0"):
            read_list(wrong)


def test_a_world_without_native_scales_is_refused(folder, cache, tmp_path):
    run(folder, tmp_path, cache, "frontier", "--side", "1344", code=2)
