"""Prompts decoded together, one by one, and by the rules that end an answer."""

from dataclasses import replace

import pytest
import torch

from tests.support.layouts import released_network
from tests.support.tiny import BINS, network, tokenizer
from uhrbat.network.decoder import Decoder, DecoderInput, prefill
from uhrbat.network.pointing import Pointing
from uhrbat.network.text import Prompt, TextCodec

BEFORE = [3, 4, 5]
AFTERS = [[9, 8, 7, 6], [5, 6], [1, 2, 3, 4, 5, 6, 7], [11], [30, 12, 9]]
SIZES = [50, 20, 40, 0, 3]


def tokens(seed: int = 1) -> torch.Tensor:
    return torch.randn(50, 32, generator=torch.Generator().manual_seed(seed))


class Scripted(Pointing):
    """Hides more with every id, and calls whatever follows a row, but early, a repetition."""

    def near(self, ids):
        return torch.arange(len(self.places)) < 5 * len(ids) if self.reach else None

    def repeated(self, ids):
        return [ids[-2]] if len(ids) > 3 and ids[-2] in self.codec.point_starts else []


def inputs(kind: type[Pointing] | None, reach: float, prior: bool, seed: int) -> list[DecoderInput]:
    codec = TextCodec(tokenizer(), BINS)
    image, generator = tokens(seed), torch.Generator().manual_seed(seed)
    places = torch.rand(50, 2, generator=generator)
    similarity = torch.randn(50, generator=generator)
    return [
        DecoderInput(
            Prompt(BEFORE, after),
            image[:size],
            similarity[:size] if prior else None,
            kind(codec, places[:size], reach) if kind else None,
        )
        for after, size in zip(AFTERS, SIZES)
    ]


def pointing_network(seed: int):
    model = network(seed=seed)
    model.language.lm_head.weight.data[list(TextCodec(tokenizer(), BINS).point_starts)] *= 3  # it says many places
    return model


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("kind", "reach", "prior"),
    [(None, 0.0, False), (Pointing, 0.2, True), (Pointing, 0.2, False), (Scripted, 0.2, True), (Scripted, 0.0, True)],
)
@torch.no_grad()
def test_prompts_answer_together_as_one_by_one(kind, reach, prior, seed):
    model = pointing_network(seed)
    several = inputs(kind, reach, prior, seed)
    for most in (1, 24):
        decoder = Decoder(model, (2, 7), most)
        alone = [decoder.decode([one])[0] for one in several]
        assert decoder.decode(several) == alone
        assert all(len(one.ids) <= most and not {2, 7} & set(one.ids) for one in alone)
        assert all(one.truncated == (len(one.ids) == most) for one in alone if one.truncated)
    caches = [model.image_cache(one.image, len(BEFORE)) for one in several]
    shared = [DecoderInput(one.prompt, kv, one.similarity, one.pointing) for one, kv in zip(several, caches)]
    assert decoder.decode(shared) == alone


@pytest.mark.parametrize("attention", ["self", "causal"])
@torch.no_grad()
def test_what_an_id_looked_at_is_what_one_reading_of_all_before_it_gives(attention):
    model = network(attention, seed=1)
    one = inputs(None, 0.0, attention == "self", 1)[0]
    decoded = Decoder(model, (2, 7), 6).decode([one], look=True)[0]
    assert decoded.looked.shape == (len(decoded.ids), one.image_tokens) and len(decoded.ids) > 2
    assert Decoder(model, (2, 7), 6).decode([one])[0].ids == decoded.ids
    for count, looked in enumerate(decoded.looked):
        given = replace(one, prompt=Prompt(BEFORE, [*one.prompt.after, *decoded.ids[:count]]))
        read = prefill(model, [given])
        bias = None if read.bias is None else read.bias[0, :, 0]
        position = int(read.position.flatten()[0]) - 1
        weights = model.last_attention(read.last_input[0, -1], position, read.last_keys[0], bias)
        start = read.image_start[0]
        assert torch.allclose(looked, weights[start : start + one.image_tokens], atol=1e-5)


@torch.no_grad()
def test_an_id_that_was_taken_back_gives_its_place_to_another():
    one = inputs(Scripted, 0.2, True, 0)[0]
    decoded = Decoder(pointing_network(0), (2, 7), 24).decode([one], look=True)[0]
    assert len(decoded.looked) == len(decoded.ids) > 3
    assert bool((decoded.looked.sum(1) <= 1 + 1e-5).all()) and bool((decoded.looked >= 0).all())


def test_what_ids_looked_at_is_noted_of_one_prompt_alone():
    with pytest.raises(ValueError, match="one prompt"):
        Decoder(network(), (2,), 4).decode(inputs(None, 0.0, False, 0)[:2], look=True)


@torch.no_grad()
def test_pointing_changes_the_answer():
    model, codec = pointing_network(0), TextCodec(tokenizer(), BINS)
    decoder = Decoder(model, (), 12)
    (plain,) = decoder.decode(inputs(None, 0.0, False, 0)[:1])
    (pointed,) = decoder.decode(inputs(Scripted, 0.2, True, 0)[:1])
    assert pointed != plain
    assert sum(id_ in codec.point_starts for id_ in plain.ids) > 3


@pytest.mark.parametrize("make", [lambda: network("causal"), released_network])
@torch.no_grad()
def test_prompts_of_causal_attention_too_and_its_rules(make):
    model, several = make(), inputs(None, 0.0, False, 3)
    plain = Decoder(model, (), 6)
    answers = [plain.decode([one])[0] for one in several]
    assert plain.decode(several) == answers and all(one.truncated and len(one.ids) == 6 for one in answers)
    ids = answers[0].ids
    (ended,) = Decoder(model, (), 6, ends=lambda found: len(found) == 3).decode(several[:1])
    assert (ended.ids, ended.truncated) == (ids[:3], False)
    (stopped,) = Decoder(model, ids[:1], 6).decode(several[:1])
    assert (stopped.ids, stopped.truncated) == ([], False)
    (other,) = Decoder(model, (), 6, not_first=ids[0]).decode(several[:1])
    assert other.ids[0] != ids[0]


def test_callbacks_count_the_prefill_and_every_new_id():
    model, (one, *_) = network(), inputs(None, 0.0, False, 0)
    read, counts = [], []
    Decoder(model, (), 4).decode([one], counts.append, read.append)
    assert read == [0.0, 1.0]
    assert counts == [0, 1, 2, 3, 4]


def test_prompts_decoded_together_share_the_text_before_the_image():
    one, other = inputs(None, 0.0, False, 0)[:2]
    other = DecoderInput(Prompt([3], other.prompt.after), other.image)
    with pytest.raises(ValueError, match="share the text"):
        Decoder(network(), ()).decode([one, other])
    assert Decoder(network(), ()).decode([]) == []
