import threading

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.tiny import config, engine, network
from uhrbat.engine import UHRBAT
from uhrbat.errors import Cancelled, ImageError, InputError
from uhrbat.imagery import canvas_of
from uhrbat.network.config import PROFILES, NetworkConfig
from uhrbat.network.decoder import Decoded, Decoder
from uhrbat.network.device import TileBatches, choose_device
from uhrbat.network.model import Network
from uhrbat.selection.baselines import BASELINES
from uhrbat.settings import Settings

QUESTION = "How many ships are there?"


@pytest.fixture(scope="module")
def encoded():
    pixels = np.random.default_rng(0).integers(0, 255, (700, 1000, 3), np.uint8)
    return engine().encode_canvas(canvas_of(pixels))


def test_every_token_of_every_scale_is_encoded(encoded):
    assert {size: len(values) for size, values in encoded.embeddings.items()} == {672: 2304, 1344: 9216}


def test_what_each_word_looked_at_is_said_by_scale_and_rank(encoded):
    selected = encoded.ask(QUESTION).select(200)
    answer, attention = selected.answer_and_attention(max_new_tokens=12)
    assert answer == selected.answer(max_new_tokens=12)
    assert {size: part.shape for size, part in attention.weights.items()} == {
        size: (len(attention.words), len(part)) for size, part in selected.selections.items()
    }
    given = sum(part.sum(1) for part in attention.weights.values())
    assert (given > 0).all() and (given <= 1 + 1e-5).all()
    assert answer.text.split()[-1:] == [word for word in attention.words if not word.startswith("place")][-1:]


def test_a_budget_of_as_many_tokens_as_a_box_touches_sends_these_alone(encoded):
    box = (300, 300, 420, 380)
    inside = {
        scale.size: set(encoded.square.tokens_in_box(scale.size, box).tolist()) for scale in encoded.square.scales
    }
    selected = encoded.ask(QUESTION).select(tuple(map(len, inside.values())), force=[box])
    assert {size: set(part.tokens.tolist()) for size, part in selected.selections.items()} == inside
    assert all(part.preserved == len(part) for part in selected.selections.values())


def test_padding_is_never_ranked(encoded):
    question = encoded.ask(QUESTION)
    for size, ranking in question.rankings.items():
        padding = torch.as_tensor(encoded.square.padding(size))
        assert padding.any()
        assert (ranking.rank[padding] == ranking.never).all()
        assert not (ranking.rank[~padding] == ranking.never).any()


@pytest.fixture(scope="module")
def half_file(tmp_path_factory):
    """A PNG, transparent but for its left half and one pixel."""
    pixels = np.random.default_rng(0).integers(0, 255, (700, 1000, 4), np.uint8)
    pixels[..., 3] = 0
    pixels[:, :500, 3] = pixels[350, 900, 3] = 255
    path = tmp_path_factory.mktemp("half") / "half.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def half(half_file):
    return engine().encode(half_file, progress=None)


def test_where_padding_takes_part_pixels_without_data_still_do_not(half, half_file):
    network_as_released = network()
    network_as_released.profile = PROFILES["reference"]
    released = UHRBAT("released", network_as_released, engine().codec).encode(half_file, progress=None)
    for size, excluded in released.excluded.items():
        padding = torch.as_tensor(half.square.padding(size))
        assert padding.any() and torch.equal(excluded, half.excluded[size] & ~padding) and excluded.any()


@pytest.mark.parametrize("importance", ["similarity", "attention"])
@pytest.mark.parametrize("name", ["uhrbat", *BASELINES])
def test_pixels_without_data_are_never_evidence(half, importance, name):
    question = half.ask(QUESTION, Settings(importance=importance))
    selection = question.select(2000) if name == "uhrbat" else question.baseline(name, 2000)
    assert selection.tokens > 500
    for size, part in selection.selections.items():
        inside = question.image.square.tokens_in_box(size, (0, 0, 500, 700))
        seen = np.zeros(len(part.kind), bool)
        seen[inside] = seen[question.image.square.token_at(size, 900.5, 350.5)] = True
        empty = torch.as_tensor(~seen)
        assert not part.kind[empty].any()
        assert (question.rankings[size].rank[empty] == question.rankings[size].never).all()
    assert question.fate((600, 100, 700, 200), 2000).smallest_budget is None


@pytest.mark.parametrize("importance", ["similarity", "attention", "fused"])
def test_each_importance_scores_every_token(encoded, importance):
    question = encoded.ask(QUESTION, Settings(importance=importance))
    for size, values in question.importance.items():
        assert values.shape == (encoded.embeddings[size].shape[0],)
        assert torch.isfinite(values).all() and values.std() > 0


def test_attention_is_computed_on_one_scale_and_enlarged(encoded):
    question = encoded.ask(QUESTION, Settings(importance="attention"))
    assert question.scored_scales == (672,)
    assert encoded.ask(QUESTION).scored_scales == (672, 1344)
    assert question.importance[1344].max() <= question.importance[672].max() + 1e-7


def test_the_same_question_again_costs_nothing_and_is_the_same_view(encoded):
    assert encoded.ask(QUESTION) is encoded.ask(f"  {QUESTION}\n")


def test_regions_do_not_depend_on_the_question(encoded):
    one, two = encoded.ask(QUESTION), encoded.ask("Is there a car?")
    assert all(torch.equal(one.regions[size], two.regions[size]) for size in one.regions)


def test_a_budget_is_a_prefix_of_a_larger_one(encoded):
    question = encoded.ask(QUESTION)
    small, large = question.select(40), question.select(400)
    for size, selection in small.selections.items():
        longer = large.selections[size].groups
        assert all(torch.equal(a, b) for a, b in zip(selection.groups, longer))


def test_a_budget_that_follows_the_question_is_a_prefix_too_and_changes_nothing_else(encoded):
    by_paper, by_question = encoded.ask(QUESTION), encoded.ask(QUESTION, Settings(split="question"))
    assert by_paper.weights is None and by_question.weights
    assert all(torch.equal(by_paper.rankings[size].rank, by_question.rankings[size].rank) for size in (672, 1344))
    smaller, larger = by_question.budgets(300), by_question.budgets(900)
    assert sum(smaller.values()) == 300 and all(smaller[size] <= larger[size] for size in smaller)
    box = (500, 300, 520, 320)
    total = by_question.fate(box, 1).smallest_budget
    assert total and by_question.fate(box, total).cause == "preserved" != by_question.fate(box, total - 1).cause
    assert encoded.ask(QUESTION, Settings(split="paper")) is by_paper


def test_an_answer_prints_as_its_text_and_carries_tokens_and_seconds(encoded):
    answer = encoded.ask(QUESTION).select(100).answer(max_new_tokens=5)
    assert str(answer) == answer.text and repr(answer) == repr(answer.text)
    assert answer.tokens == 100
    assert set(answer.seconds) >= {"prefill", "decode"}
    assert "generated worlds only" in answer.caveat


def test_the_same_question_gives_the_same_answer(encoded):
    pixels = np.random.default_rng(0).integers(0, 255, (700, 1000, 3), np.uint8)
    again = engine().encode_canvas(canvas_of(pixels)).ask(QUESTION)
    question = encoded.ask(QUESTION)
    for size in question.rankings:
        assert torch.equal(question.rankings[size].rank, again.rankings[size].rank)
    assert question.select(64).answer(max_new_tokens=8) == again.select(64).answer(max_new_tokens=8)


def test_points_are_in_image_pixels(encoded, monkeypatch):
    codec = engine().codec
    assert encoded.square.offset == (0, 150)
    ids = [codec.y_ids[4], codec.x_ids[4], *codec.plain_ids("yes"), codec.end]
    monkeypatch.setattr(Decoder, "decode", lambda *args: [Decoded(ids[:-1], False)])
    answer = encoded.ask(QUESTION).select(10).answer()
    assert answer.text == "yes"
    assert answer.points == ((562.5, 412.5),)


def test_tokens_of_a_box_can_be_forced_in_and_taken_out(encoded):
    question = encoded.ask(QUESTION)
    box = (500, 350, 520, 370)
    inside = torch.as_tensor(encoded.square.tokens_in_box(1344, box))
    assert (question.select(64, force=[box]).selections[1344].kind[inside] == 1).all()
    without = question.select(sum(len(v) for v in encoded.embeddings.values()), without=[box])
    assert (without.selections[1344].kind[inside] == 0).all()


@pytest.mark.parametrize("budget", [0, -5, 11521, 3.5, "many", True, (10,), (1, -1), (0, 0), (3000, 1)])
def test_an_impossible_budget_is_refused(encoded, budget):
    with pytest.raises(InputError):
        encoded.ask(QUESTION).select(budget)


@pytest.mark.parametrize(
    "field", [{"importance": "luck"}, {"regions": "x"}, {"order": "min"}, {"split": "x"}, {"seed": -1}]
)
def test_an_unknown_setting_is_refused(field):
    with pytest.raises(InputError):
        Settings(**field)


def test_an_empty_question_is_refused(encoded):
    with pytest.raises(InputError, match="empty"):
        encoded.ask("  ")


def test_a_file_that_is_no_image_is_refused(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not an image")
    with pytest.raises(ImageError, match="notes.png"):
        engine().encode(path, progress=None)


def test_encoding_can_be_cancelled(tmp_path):
    cancel = threading.Event()
    seen = []

    def progress(stage, fraction, message=""):
        seen.append(stage)
        if stage == "encode":
            cancel.set()

    with pytest.raises(Cancelled):
        engine().encode_canvas(canvas_of(np.zeros((64, 64, 3), np.uint8)), progress=progress, cancel=cancel)
    assert seen.count("encode") == 1


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("simulated"), RuntimeError("can't allocate memory"), MemoryError()]
)
def test_tile_batches_halve_when_memory_runs_out_and_progress_says_so(encoded, monkeypatch, error):
    model, sizes, said = engine(), [], []
    original = model.network.features

    def features(pixels, positions=None):
        sizes.append(len(pixels))
        if len(pixels) > 2:
            raise error
        return original(pixels, positions)

    monkeypatch.setattr(model.network, "features", features)
    monkeypatch.setattr(model, "tile_batches", TileBatches("cpu"))
    pixels = np.random.default_rng(0).integers(0, 255, (700, 1000, 3), np.uint8)
    again = model.encode_canvas(canvas_of(pixels), progress=lambda stage, fraction, message: said.append(message))
    torch.testing.assert_close(again.embeddings[1344], encoded.embeddings[1344], rtol=1e-4, atol=1e-5)
    assert sizes == [4, 2, 2] + 8 * [2]
    assert said[-1] == "20 of 20 tiles; memory is short: 2 at once, not 8"


def test_a_single_tile_that_does_not_fit_and_other_errors_end_the_encoding(monkeypatch):
    for error in (torch.OutOfMemoryError("simulated"), RuntimeError("shapes differ")):
        model = engine()
        monkeypatch.setattr(model.network, "features", lambda *_, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(type(error), match=str(error)):
            model.encode_canvas(canvas_of(np.zeros((64, 64, 3), np.uint8)))


def test_what_a_scene_holds_is_bounded_however_many_seeds_are_tried(encoded):
    for seed in range(9):
        encoded.ask(QUESTION, Settings(seed=seed))
    held = encoded.nbytes
    for seed in range(9, 15):
        encoded.ask(QUESTION, Settings(seed=seed))
    assert encoded.nbytes == held


def test_reading_many_tokens_can_be_cancelled_in_between(encoded):
    cancel, seen = threading.Event(), []

    def progress(stage, fraction, message):
        seen.append((stage, fraction > 0))
        if fraction:
            cancel.set()

    with pytest.raises(Cancelled):
        encoded.ask(QUESTION).select(7000).answer(progress=progress, cancel=cancel)
    assert seen[-1] == ("prefill", True) and seen.count(seen[-1]) == 1


def test_a_scene_moves_between_devices_and_still_answers(encoded):
    before = encoded.ask(QUESTION).select(50).answer(max_new_tokens=3)
    encoded.to("cpu")
    assert encoded.ask(QUESTION).select(50).answer(max_new_tokens=3) == before
    assert encoded.nbytes > 0


def test_a_missing_device_is_refused():
    with pytest.raises(InputError, match="not available"):
        choose_device("cuda:7" if not torch.cuda.is_available() else "xpu")


def test_reading_a_file_can_be_cancelled(tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (3000, 3000)).save(path)
    cancel = threading.Event()

    def progress(stage, fraction, message=""):
        if stage == "read":
            cancel.set()

    with pytest.raises(Cancelled):
        engine().encode(path, progress=progress, cancel=cancel)


def test_a_model_of_another_tile_and_patch_sees_its_own_grid():
    fields = config().to_dict()
    fields["vision"] |= {"image_size": 64, "patch_size": 16}
    torch.manual_seed(0)
    other = Network(NetworkConfig(**fields | {"scales": (64, 128), "residual_sizes": (64, 128), "attention_scale": 64}))
    model = UHRBAT("other", other.eval(), engine().codec)
    assert (model.tile, model.tile_grid) == (64, 4)
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    encoded = model.encode_canvas(canvas_of(pixels))
    assert {size: len(values) for size, values in encoded.embeddings.items()} == {64: 16, 128: 64}
    for importance in ("similarity", "attention", "fused"):
        question = encoded.ask(QUESTION, Settings(importance=importance))
        assert question.select(30).answer(max_new_tokens=4).tokens <= 30
    assert question.fate((10, 10, 40, 40), 20).rows[0].tokens > 0
