import pytest
import torch
from PIL import Image

from tests.support.tiny import engine, network
from uhrbat.cli import main
from uhrbat.engine import UHRBAT
from uhrbat.evaluation import encoded, findings
from uhrbat.evaluation.loss import pairs
from uhrbat.evaluation.loss import run as loss
from uhrbat.imagery import canvas_of, scale_images
from uhrbat.imagery.provenance import save_world
from uhrbat.settings import Settings
from uhrbat.worlds import EVALUATION_SEEDS, files, generate, matches

pytestmark = pytest.mark.slow

SEED = EVALUATION_SEEDS.start


def small(seed, without=()):
    return generate(seed, size=504, without=without)


@pytest.fixture(autouse=True)
def small_scenes(monkeypatch):
    for module in (encoded, pairs):
        monkeypatch.setattr(module, "generate", small)


@pytest.fixture(autouse=True)
def plain_ranking(monkeypatch):
    """A model whose widest budget of 2,880 tokens preserves all of them."""
    model = UHRBAT("tiny", network(), engine().codec, Settings(regions="none"))
    monkeypatch.setattr(UHRBAT, "from_pretrained", lambda *_, **__: model)


def run(out, *more):
    given = ["--out", str(out), "--scenes", "2", "--budgets", "40,900", "--wide", "2880", "--json", *more]
    assert main(["evaluate", "loss", *given]) == 0
    return findings.read_loss(out / ("loss_attention.json" if "attention" in more else "loss.json"))


def answers_of_a_model_that_sees_what_is_preserved(scene_of):
    """Right where all of the evidence is preserved, by the truth of the scene that was asked about; else "lost"."""

    def answer(cuts):
        reply = []
        for cut in cuts:
            scene, found, left = scene_of(cut.question)
            boxes = [found.objects[index].box for index in scene.evidence if index not in left]
            kept = all(
                any(
                    (part.kind[cut.question.image.square.tokens_in_box(size, box)] == 1).any()
                    for size, part in cut.selections.items()
                )
                for box in boxes
            )
            reply.append((scene.answer if not left else pairs._truth_without(found, scene)) if kept else "lost")
        return reply

    return answer


@pytest.fixture
def seeing(monkeypatch):
    """A model whose only failing is what its selection dropped."""
    asked, worlds = {}, {}
    original, original_cases = loss._answered, loss.cases

    def cases(world, *rest):
        found = original_cases(world, *rest)
        worlds.update({id(case): world for group in found.values() for case in group})
        return found

    def answered(scene_tokens, cases, truths, *rest):
        for case, truth in zip(cases, truths):
            left = () if truth == case.question.answer else (case.left_out,)
            asked[id(scene_tokens), case.question.text] = case.question, worlds[id(case)], left
        return original(scene_tokens, cases, truths, *rest)

    monkeypatch.setattr(loss, "cases", cases)
    monkeypatch.setattr(loss, "_answered", answered)
    answer = answers_of_a_model_that_sees_what_is_preserved(lambda view: asked[id(view.image), view.text])
    monkeypatch.setattr(loss, "answer_many", answer)


def test_only_changed_tiles_are_encoded_and_the_result_is_the_same(monkeypatch):
    encoder = encoded.WorldEncoder(engine())
    scene, tokens = encoder.scene(SEED)
    gone = small(SEED, without=(1,))
    whole = encoder.features(gone.image)
    before = dict(scale_images(canvas_of(scene.image), tokens.square.sizes))
    passed = []
    original = type(engine().network).features
    monkeypatch.setattr(
        type(engine().network), "features", lambda self, pixels: passed.append(len(pixels)) or original(self, pixels)
    )
    quick = encoder.features_after(tokens, before, gone.image)
    assert 0 < sum(passed) < 20
    for size, values in whole.items():
        assert torch.equal(values, quick[size])
        assert not torch.equal(values, tokens.features[size])


def test_the_truth_without_an_object_is_that_of_the_scene_without_it():
    known = 0
    for seed in range(SEED, SEED + 6):
        scene = small(seed)
        for index, decided in pairs.cases(scene, seed, 3).items():
            gone = small(seed, without=(index,))
            for case in decided:
                assert index in case.question.evidence
                smallest = min(scene.objects[one].size for one in case.question.evidence)
                assert scene.objects[index].size == smallest
                if case.truth_without is None:
                    continue
                known += 1
                left = len(matches(gone, case.question.targets[0]))
                answer = ("no" if not left else "yes") if case.question.type == "presence" else pairs.NUMBERS[left]
                assert case.truth_without.endswith(answer) and case.truth_without != case.question.answer
    assert known > 5


def test_losses_are_counted_explained_and_proved(tmp_path, seeing):
    found = run(tmp_path)
    assert found.measured.scenes == 2 and found.pairs >= 2
    counts = {(row.budget, row.side): row for row in found.counts}
    assert counts[40, "with"].losses > 0
    for row in found.counts:
        assert row.cases == row.both_right + row.losses + row.gains + row.both_wrong
        assert row.low <= row.value <= row.high
    whole = [miss for miss in found.misses if miss.budget == 40 and not miss.without]
    assert len(whole) == counts[40, "with"].losses == sum(c.losses for c in found.causes if c.budget == 40)
    for miss in found.misses:
        assert miss.answer == "lost" and miss.wide_answer == miss.truth
        assert miss.cause != findings.MODEL_ITSELF
        assert miss.proved and miss.forced_answer == miss.truth
        assert miss.box in miss.boxes and miss.object_size > 0
    report = (tmp_path / "loss.md").read_text()
    assert "right again with the evidence forced in" in report and whole[0].question in report
    assert len((tmp_path / "loss.csv").read_text().splitlines()) == len(found.misses) + 1
    for miss, fate in shown_by_the_page(found.misses, tmp_path):
        assert (fate.cause, fate.verdict) == (miss.cause, miss.verdict)


def shown_by_the_page(misses, folder):
    """Every miss with what the page says of its box: the scene is read from a file, as when its card is opened."""
    pictures = {}
    for miss in misses:
        key = files.WorldKey(miss.seed, tuple(miss.without))
        if key not in pictures:
            path = folder / f"{key.name}.png"
            save_world(Image.fromarray(small(key.seed, key.without).image), path)
            pictures[key] = UHRBAT.from_pretrained().encode(path)
        yield miss, pictures[key].ask(miss.question).fate(miss.box, miss.budget)


def test_a_loss_with_its_evidence_preserved_is_the_model_s_own(tmp_path, seeing, monkeypatch):
    seen = loss.answer_many

    def forgetful(cuts):
        wide = [sum(cut.budgets.values()) == 2880 for cut in cuts]
        return [text if at_wide else "wrong" for text, at_wide in zip(seen(cuts), wide)]

    monkeypatch.setattr(loss, "answer_many", forgetful)
    found = run(tmp_path)
    own = [miss for miss in found.misses if miss.cause == findings.MODEL_ITSELF]
    assert own and not any(miss.proved for miss in found.misses)
    assert all("reserved" in miss.verdict for miss in own if miss.boxes)


def test_parts_join_and_finished_scenes_are_not_measured_again(tmp_path, seeing, monkeypatch):
    whole = run(tmp_path / "whole")
    for part in ("1/2", "2/2"):
        run(tmp_path / "parts", "--part", part)
    monkeypatch.setattr(loss, "measure", lambda *_: pytest.fail("a finished scene was measured again"))
    assert run(tmp_path / "parts") == whole


def test_with_another_importance_the_compressed_answers_are_scored_by_it_and_the_widest_by_default(
    tmp_path, monkeypatch
):
    scored = []
    original = loss.answer_many

    def seen(cuts):
        scored.extend((cut.question.settings.importance, sum(cut.budgets.values())) for cut in cuts)
        return original(cuts)

    monkeypatch.setattr(loss, "answer_many", seen)
    found = run(tmp_path, "--importance", "attention")
    assert found.measured.settings["importance"] == "attention"
    assert {importance for importance, budget in scored if budget == found.wide} == {engine().settings.importance}
    assert {importance for importance, budget in scored if budget != found.wide} == {"attention"}
    assert not (tmp_path / "loss.json").exists()
