import numpy as np
import pytest
import torch

from tests.support.tiny import config, engine, network, tokenizer
from uhrbat.checkpoints import loading
from uhrbat.cli import main
from uhrbat.errors import InputError
from uhrbat.evaluation import answers, encoded, findings
from uhrbat.evaluation.frontier import methods
from uhrbat.evaluation.frontier import run as frontier
from uhrbat.evaluation.shares import groups_of, share
from uhrbat.worlds import DEVELOPMENT_SEEDS, EVALUATION_SEEDS, WorldQuestion, generate, questions

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small_scenes(monkeypatch):
    monkeypatch.setattr(encoded, "generate", lambda seed, without=(): generate(seed, size=504, without=without))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    loading.save(network(), tokenizer(), path, torch.float32)
    assert config().point_bins
    return str(path)


def run(folder, out, *more, code=0):
    given = ["--model", folder, "--out", str(out), "--scenes", "2", "--questions", "3", "--budgets", "64,300"]
    given += ["--answer-budgets", "64,300", "--wide", "600", "--json", *more]
    assert main(["evaluate", "frontier", *given]) == code
    return findings.read_frontier(out / "frontier.json")


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoded, "generate", lambda seed, without=(): generate(seed, size=504, without=without))
        return out, run(folder, out)


def test_every_method_is_told_of_at_every_budget(whole):
    out, found = whole
    known = methods.methods(engine().settings)
    assert {method.id for method in found.methods} == {method.id for method in known}
    reply = {(p.method, p.budget) for p in found.points if p.measure == "evidence" and p.group == "all"}
    assert reply == {(method.id, budget) for method in known for budget in (64, 300)}
    assert sum(method.default for method in found.methods) == 1
    assert found.measured.scenes == 2 and found.measured.questions == 6
    for point in found.points:
        assert 0 <= point.low <= point.value <= point.high <= 1
    assert {row.budget for row in found.agreement} == {64, 300} and found.agreement[0].wide == 600
    assert {row.group for row in found.attention_recall} >= {"all"}
    assert found.majority.keys() == found.no_image.keys()
    assert (out / "frontier.png").stat().st_size > 10_000
    assert len((out / "frontier.csv").read_text().splitlines()) == len(found.points) + 1
    report = (out / "frontier.md").read_text()
    for word in ("majority answer", "Evidence preserved by object size", "Global top-k, similarity", "CPU seconds"):
        assert word in report


def test_parts_and_later_methods_join_to_the_same_result(whole, folder, tmp_path, monkeypatch):
    for part in ("1/2", "2/2"):
        run(folder, tmp_path, "--part", part, "--methods", "similarity-*,downsampling")
    found = run(folder, tmp_path)
    assert found == whole[1]
    monkeypatch.setattr(frontier, "measure", lambda *_: pytest.fail("a finished scene was measured again"))
    assert run(folder, tmp_path) == found


def test_a_cut_off_line_is_measured_again(folder, tmp_path):
    found = run(folder, tmp_path, "--methods", "default")
    file = tmp_path / "scenes-1of1.jsonl"
    file.write_text(file.read_text()[:-40])
    assert run(folder, tmp_path, "--methods", "default") == found


def test_results_of_another_model_are_refused(folder, tmp_path, capsys):
    run(folder, tmp_path, "--methods", "default", "--answer-methods", "none")
    run(folder, tmp_path, "--methods", "default", "--dtype", "bfloat16", code=2)
    assert "choose another --out" in capsys.readouterr().err


def test_kept_scenes_give_the_same_results_and_are_not_encoded_again(folder, tmp_path, monkeypatch):
    options = ("--cache", str(tmp_path / "cache"), "--methods", "default,attention-kmeans-mean,coarse_to_fine-*")
    first = run(folder, tmp_path / "a", *options)
    monkeypatch.setattr(encoded.WorldEncoder, "features", lambda *_: pytest.fail("a kept scene was encoded again"))
    assert run(folder, tmp_path / "b", *options) == first
    monkeypatch.undo()


def test_evidence_and_answers_equal_the_engine_s(folder):
    encoder = encoded.WorldEncoder(engine())
    seed = EVALUATION_SEEDS.start
    scene, tokens = encoder.scene(seed)
    settings = engine().settings
    known = methods.chosen_methods(
        methods.methods(settings), "default,attention-grid-mean,fused-none,global_topk-*,coarse_to_fine-*,downsampling"
    )
    plan = frontier.Plan(tuple(known), (64, 300), tuple(known), (300,), None, 3)
    record = frontier.measure(encoder, seed, plan, settings)
    for number, question in enumerate(questions(scene, seed, 3)):
        asked = methods.Asked(tokens, question.text, settings)
        for method in known:
            if method.family == "uhrbat":
                chosen = {"importance": method.importance, "regions": method.regions, "order": method.order or "max"}
                view = tokens.ask(question.text, frontier.Settings(**chosen))
                selection = view.select(300)
                if boxes := scene.boxes(question):
                    kept = all(view.fate(box, 300).cause == "preserved" for box in boxes)
                    assert record["evidence"][method.id]["300"][number] == str(int(kept))
            else:
                view = tokens.ask(question.text, frontier.Settings(importance=method.importance or "similarity"))
                selection = view.baseline(method.id.partition("-")[0], 300)
                ours = asked.select(asked.rank(method), 300)
                assert all(
                    torch.equal(ours.selections[size].kind, kept.kind) for size, kept in selection.selections.items()
                )
            assert record["answers"][method.id]["300"][number] == str(selection.answer())


def test_equal_image_tokens_pass_the_model_once(monkeypatch):
    _, tokens = encoded.WorldEncoder(engine()).scene(EVALUATION_SEEDS.start)
    view = tokens.ask("Is there a ship?")
    cuts = [view.select(50), view.select(120), view.select(120)]
    passed = []
    original = type(engine().network).image_cache
    monkeypatch.setattr(
        type(engine().network),
        "image_cache",
        lambda self, image, position: passed.append(len(image)) or original(self, image, position),
    )
    reply = answers.answer_many(cuts)
    assert sum(passed) < 200
    monkeypatch.undo()
    assert reply == [str(cut.answer()) for cut in cuts]


def test_many_long_prompts_are_decoded_in_parts(monkeypatch):
    _, tokens = encoded.WorldEncoder(engine()).scene(EVALUATION_SEEDS.start)
    cuts = [tokens.ask(text).select(budget) for text in ("Is there a car?", "Where is it?") for budget in (300, 40)]
    reply = answers.answer_many(cuts)
    monkeypatch.setattr(answers, "DECODED_TOKENS", 100)
    monkeypatch.setattr(answers, "HELD_TOKENS", 400)
    assert answers.answer_many(cuts) == reply


def test_recall_says_what_chance_would_find():
    encoder = encoded.WorldEncoder(engine())
    scene, tokens = encoder.scene(DEVELOPMENT_SEEDS.start)
    asked = [WorldQuestion("presence", "Is there a ship?", "yes", (), (0,), ())]
    queries = [methods.Asked(tokens, asked[0].text, engine().settings)]
    ((size, hit, chance),) = frontier._recall(tokens, scene, asked, queries)
    assert size == round(scene.objects[0].size, 2) and hit in (0, 1)
    touched = len(tokens.square.tokens_in_box(672, scene.objects[0].box))
    rng = np.random.default_rng(0)
    drawn = [(rng.permutation(2304)[:80] < touched).any() for _ in range(4000)]
    assert abs(chance - np.mean(drawn)) < 0.03


def test_intervals_come_from_scenes_not_from_questions():
    values = [1.0] * 50 + [0.0] * 50
    one = share(values, [0] * 50 + [1] * 50)
    many = share(values, list(range(100)))
    assert one.value == many.value == 0.5 and one.scenes == 2
    assert (one.low, one.high) == (0.0, 1.0) and 0.35 < many.low < 0.45
    assert share([], []) is None


def test_questions_count_in_the_groups_of_their_smallest_object():
    assert groups_of("color", 4.0) == ["all", "type: color", "size: <= 4", "size: <= 8"]
    assert groups_of("color", 8.5) == ["all", "type: color", "size: 9-16"]
    assert groups_of("land cover", 0.0) == ["all", "type: land cover"]


def test_methods_are_chosen_by_pattern():
    known = methods.methods(engine().settings)
    assert [m.id for m in methods.chosen_methods(known, "default,downsampling")] == [
        "similarity-kmeans-max",
        "downsampling",
    ]
    assert len(methods.chosen_methods(known, "fused-*")) == 5
    with pytest.raises(InputError, match="--methods 'magic'"):
        methods.chosen_methods(known, "magic")


def test_what_was_measured_of_a_model_is_no_part_of_the_fingerprint(monkeypatch):
    model = engine()
    before = encoded.configuration(model)
    monkeypatch.setattr(model.network.config, "extra", {"measured": {"real": {"car": "so many"}}})
    assert encoded.configuration(model) == before


@pytest.mark.parametrize(
    "given", [["--budgets", "few"], ["--scenes", "0"], ["--answer-budgets", "0"], ["--part", "2/1"]]
)
def test_bad_numbers_are_refused_before_the_model_is_read(given, tmp_path, capsys):
    assert main(["evaluate", "frontier", "--out", str(tmp_path), "--model", "nowhere", *given]) == 2
    assert given[0] in capsys.readouterr().err
