import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tests.support.tiny import BINS, config, tokenizer
from uhrbat.geometry import SCALES, Scale
from uhrbat.network.decoder import DecoderInput, prefill
from uhrbat.network.model import Network
from uhrbat.network.pointing import Pointing
from uhrbat.network.text import TextCodec
from uhrbat.selection.importance import LEAST_LOGIT, limited, similarity_logits
from uhrbat.training.nano import bank_samples, decoder
from uhrbat.training.nano.bank import BankWorld, oriented
from uhrbat.worlds import COLORS, KINDS, LAND_COVERS, WorldQuestion

OBJECTS = [("ship", "red"), ("ship", "blue"), ("car", "white"), ("island", None), ("storage tank", "green")]


@pytest.fixture(autouse=True)
def points_that_do_not_slip(monkeypatch):
    monkeypatch.setattr(decoder, "SLIP", 0.0)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A bank of one world whose five objects have two tokens each, among 400 of background."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("bank")
    records = [
        {
            "kind": KINDS.index(k),
            "color": COLORS.index(c) if c else len(COLORS),
            "box": [700 * i + 90, 600, 700 * i + 120, 630],
        }
        for i, (k, c) in enumerate(OBJECTS)
    ]
    owner = np.concatenate([np.repeat(np.arange(5), 2), np.full(400, -1)]).astype(np.int32)
    count = len(owner)
    arrays = {
        "features": rng.normal(size=(count, 24)).astype(np.float16),
        "visual": rng.normal(size=(count, 12)).astype(np.float16),
        "scale": rng.integers(0, 4, count).astype(np.uint8),
        "xy": rng.random((count, 2)).astype(np.float32),
        "owner": owner,
        "center": np.arange(count) % 2 == 0,
        "region_features": rng.normal(size=(60, 3, 24)).astype(np.float16),
        "region_xy": rng.random((60, 3, 2)).astype(np.float32),
        "region_scale": rng.integers(0, 4, 60).astype(np.uint8),
        "region_land": np.repeat([0, 2], [40, 20]).astype(np.uint8),
    }
    save_file(arrays, folder / "7.safetensors")
    (folder / "7.json").write_text(json.dumps({"objects": records, "land_cover": "water"}))
    return folder


def four_scales():
    torch.manual_seed(0)
    model = Network(config(scales=SCALES)).eval()
    torch.nn.init.normal_(model.prior)
    return model


@pytest.fixture
def model():
    return four_scales()


def drawer(bank, model):
    return bank_samples.SampleDrawer(bank, model, TextCodec(tokenizer(), BINS), np.random.default_rng(3))


def table(draw):
    return decoder.Neighbours(draw.codec, len(tokenizer()))


def test_a_place_counts_a_little_as_its_neighbours_and_a_word_only_as_itself():
    codec = TextCodec(tokenizer(), BINS)
    found = decoder.Neighbours(codec, len(tokenizer()))
    assert found.ids[codec.x_ids[3]].tolist() == codec.x_ids[1:6]
    assert found.ids[codec.y_ids[0]].tolist() == [codec.y_ids[0]] * 3 + codec.y_ids[1:3]
    word = codec.plain_ids("yes")[0]
    assert found.ids[word, 2] == word and found.weights[word].tolist() == [0, 0, 1, 0, 0]
    torch.testing.assert_close(found.weights.sum(1), torch.ones(len(tokenizer())))


def test_a_sample_holds_the_centres_of_its_objects_and_their_questions(bank, model):
    sample = drawer(bank, model).draw(60, 6)
    assert sample.world.objects
    assert sample.questions
    assert set(sample.owner.tolist()) == {-1, *range(len(sample.world.objects))}


def test_a_world_is_drawn_with_any_of_its_covers_as_the_largest(bank, model):
    draw = drawer(bank, model)
    seen = set()
    for _ in range(30):
        sample = draw.draw(60, 4)
        covers = np.zeros(len(LAND_COVERS))
        rows = draw.order[0].region_features.tolist()
        for region in sample.merged.tolist():
            covers[draw.order[0].region_land[rows.index(region)]] += 1
        seen.add(sample.world.land_cover)
        if len(sample.merged) >= 20:
            assert LAND_COVERS[int(covers.argmax())] == sample.world.land_cover
    assert seen == {LAND_COVERS[0], LAND_COVERS[2]}


def test_where_the_listing_may_end_the_next_place_and_the_answer_weigh_alike(bank, model):
    draw = drawer(bank, model)
    sample = next(s for s in (draw.draw(60, 12) for _ in range(50)) if any(len(q.evidence) > 1 for q in s.questions))
    batch = bank_samples.collate([sample], draw.codec)
    labels, weights = batch.labels[0], batch.weight[0]
    for id_, weight in zip(labels[labels >= 0].tolist(), weights[labels >= 0].tolist()):
        assert weight == (bank_samples.PLACE if id_ in draw.codec.x_ids else bank_samples.DECISION)


def test_a_blind_sample_teaches_what_follows_from_places_but_no_place(bank, model):
    draw = drawer(bank, model)
    sample = draw.blind(6)
    batch = bank_samples.collate([draw.draw(40, 2), sample], draw.codec)
    assert sample.questions and not batch.real[1].any()
    learnt = set(batch.labels[1][batch.labels[1] >= 0].tolist())
    assert learnt and not learnt & {*draw.codec.x_ids, *draw.codec.y_ids}
    assert not [row for row in batch.asked + batch.pointing if row[0] == 1]


def test_the_questions_of_one_pass_do_not_see_one_another(bank, model):
    draw = drawer(bank, model)
    sample = draw.draw(60, 4)
    before = draw.codec.prompt("x").before
    together, _, _ = decoder.losses(model, bank_samples.collate([sample], draw.codec), before, table(draw))
    parts, weights = [], []
    for question, reply in zip(sample.questions, sample.similarity):
        one = replace(sample, questions=[question], similarity=reply[None])
        batch = bank_samples.collate([one], draw.codec)
        parts.append(decoder.losses(model, batch, before, table(draw))[0])
        weights.append(batch.weight[batch.labels >= 0].sum())
    weights = torch.stack(weights)
    torch.testing.assert_close(together, (torch.stack(parts) * weights).sum() / weights.sum(), rtol=1e-4, atol=1e-5)


def test_padding_does_not_change_a_sample(bank, model):
    draw = drawer(bank, model)
    small, large = draw.draw(30, 2), draw.draw(90, 5)
    before = draw.codec.prompt("x").before
    both = bank_samples.collate([small, large], draw.codec)
    alone = bank_samples.collate([small], draw.codec)
    assert both.real.shape[1] > alone.real.shape[1]
    both.labels[1] = -100
    both.asked = [row for row in both.asked if row[0] == 0]
    both.pointing = [row for row in both.pointing if row[0] == 0]
    one = decoder.losses(model, both, before, table(draw))
    two = decoder.losses(model, alone, before, table(draw))
    torch.testing.assert_close(one[0], two[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one[1], two[1], rtol=1e-4, atol=1e-5)


def test_residuals_sampled_in_training_are_those_of_inference(model):
    for level, size in enumerate(SCALES):
        scale = Scale(size)
        xy = torch.tensor(scale.centers)[None]
        sampled = decoder.residuals_at(model, torch.full(xy.shape[:2], level), xy)
        torch.testing.assert_close(sampled[0], model.residual(size), rtol=1e-4, atol=1e-5)


def test_reading_order_is_by_row_and_relative_questions_keep_theirs(bank, model):
    world = drawer(bank, model).draw(60, 4).world
    codec = TextCodec(tokenizer(), BINS)
    indices = tuple(range(len(world.objects)))
    listed = bank_samples.reading_order(world, WorldQuestion("count", "?", "two", (), indices, ()), codec)
    places = [bank_samples.center(world, index) for index in listed]
    bins = [(codec.bin(y), codec.bin(x)) for x, y in places]
    assert bins == sorted(bins)
    disorder = np.zeros(len(indices))
    disorder[listed[0]] = BINS
    moved = bank_samples.reading_order(world, WorldQuestion("count", "?", "two", (), indices, ()), codec, disorder)
    assert moved == [*listed[1:], listed[0]]
    pair = (indices[-1], indices[0])
    reply = bank_samples.reading_order(world, WorldQuestion("relative position", "?", "left", (), pair, ()), codec)
    assert reply == list(pair)


def test_the_eight_orientations_are_distinct_and_stay_in_the_square():
    xy = np.array([[0.1, 0.3]])
    seen = {tuple(oriented(xy, way)[0].round(6)) for way in range(8)}
    assert len(seen) == 8
    assert all(0 <= value <= 1 for place in seen for value in place)


def test_bank_worlds_round_trip(bank):
    world = BankWorld.load(bank / "7.safetensors")
    assert [(item.kind, item.color) for item in world.objects] == OBJECTS
    assert world.features.dtype == np.float16


def test_training_lowers_the_loss(bank):
    model = four_scales()
    draw = drawer(bank, model)
    before = draw.codec.prompt("x").before
    batch = bank_samples.collate([draw.draw(40, 4)], draw.codec)
    optimizer = torch.optim.AdamW([p for n, p in model.named_parameters() if n.startswith(decoder.TRAINED)], lr=3e-3)
    first = None
    for _ in range(25):
        answer, pulled, _ = decoder.losses(model, batch, before, table(draw))
        first = first or (float(answer.detach()), float(pulled.detach()))
        optimizer.zero_grad()
        (answer + pulled).backward()
        optimizer.step()
    assert float(answer.detach()) < first[0] / 2
    assert float(pulled.detach()) < first[1]


def test_the_token_mlp_starts_as_nearly_the_identity():
    layers = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.GELU(), torch.nn.Linear(16, 16))
    values = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        decoder.start_token_mlp(layers)
        off = layers(values) - values
    assert float(off.pow(2).mean().sqrt()) < 0.2


def test_a_coarse_sample_holds_the_coarsest_scale_and_teaches_attention_alone(bank, model):
    sample = drawer(bank, model).draw(60, 4, coarse=True)
    assert len(sample.level) and not sample.level.any() and not len(sample.merged)
    batch = bank_samples.collate([sample], TextCodec(tokenizer(), BINS))
    assert (batch.labels == -100).all() and not batch.pointing
    assert len(batch.asked) == 4


def test_attention_is_told_how_much_each_token_looks_like_what_its_question_names(bank, model):
    draw = drawer(bank, model)
    sample, coarse = draw.draw(60, 3), draw.draw(60, 3, coarse=True)
    batch = bank_samples.collate([sample, coarse], draw.codec)
    visual = torch.from_numpy(draw.order[0].visual.astype(np.float32))
    for index, question in enumerate(sample.questions):
        vector = torch.from_numpy(draw.question_vectors([question.text]))
        expected = limited(similarity_logits(model, visual, vector))[:, 0]
        for token, features in enumerate(sample.features):
            place = int(np.flatnonzero((draw.order[0].features == features).all(1))[0])
            torch.testing.assert_close(batch.similarity[0, index, token], expected[place])
    tokens = len(batch.features[0])
    assert (batch.similarity[0, :, tokens:] == LEAST_LOGIT).all() and not batch.similarity[1].any()


def test_training_and_answering_attend_alike(bank, model):
    draw = drawer(bank, model)
    model.config.inhibition = 0.0
    sample = draw.draw(60, 1)
    batch = bank_samples.collate([sample], draw.codec)
    prompt = draw.codec.prompt(sample.questions[0].text)
    before, after = prompt.before, prompt.after
    ids = batch.ids[0].tolist()
    assert ids[: len(after)] == after
    with torch.no_grad():
        image = model.token_mlp(decoder.image_embeddings(model, batch))[0]
        hidden = prefill(model, [DecoderInput(prompt, image, batch.similarity[0, 0])]).output
        likely = model.language.lm_head(hidden[:, -1]).log_softmax(-1)[0]
        batch.labels[0, : len(after) - 1] = batch.labels[0, len(after) :] = -100
        loss = decoder.losses(model, batch, before, table(draw))[0]
    label = batch.labels[0, len(after) - 1]
    found = table(draw)
    torch.testing.assert_close(loss, -(likely[found.ids[label]] * found.weights[label]).sum(), rtol=1e-4, atol=1e-5)


def test_training_hides_what_answering_hides(bank, model):
    codec = TextCodec(tokenizer(), BINS)
    sample = drawer(bank, model).draw(60, 4)
    batch = bank_samples.collate([sample], codec)
    hidden = decoder.near_listed(batch, 0.2)[0]
    places = torch.full((hidden.shape[1], 2), torch.inf)
    places[: batch.xy.shape[1]] = batch.xy[0]
    near = Pointing(codec, places, 0.2).near
    for block in range(4):
        rows = torch.nonzero(batch.block[0] == block).flatten()
        for length, row in enumerate(rows, 1):
            near_points = near(batch.ids[0, rows[:length]].tolist())
            whole = [tokens for _, at, _, tokens in batch.listed if at in rows[:length]]
            expected = torch.zeros_like(hidden[row]) if near_points is None else near_points
            expected[np.concatenate([np.zeros(0, np.int64), *whole])] = True
            assert torch.equal(hidden[row], expected)
