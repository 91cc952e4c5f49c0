"""The one decoder against the two of before."""

from types import SimpleNamespace

import pytest
import torch

from tests.network.two_decoders import generate, generate_many
from tests.support.layouts import released_network
from tests.support.tiny import BINS, network, tokenizer
from uhrbat.network.decoder import Decoder, DecoderInput
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


def as_before(one: DecoderInput):
    """What the two decoders were given of a prompt's pointing."""
    if one.pointing is None:
        return None
    codec = one.pointing.codec
    return SimpleNamespace(
        codec=codec,
        alike=codec.point_starts,
        near=one.pointing.near,
        repeated=one.pointing.repeated,
        likeness=one.similarity,
    )


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


def alone(model, one: DecoderInput, **how):
    before, after = torch.tensor(one.prompt.before), torch.tensor(one.prompt.after)
    return generate(model, before, one.image, after, pointing=as_before(one), **how)


def pointing_network(seed: int):
    model = network(seed=seed)
    model.language.lm_head.weight.data[model.config.language["vocab_size"] - 2 * BINS :] *= 3  # it says many places
    return model


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [1, 5, 24])
@pytest.mark.parametrize(
    ("kind", "reach", "prior"),
    [(None, 0.0, False), (Pointing, 0.2, True), (Pointing, 0.2, False), (Scripted, 0.2, True), (Scripted, 0.0, True)],
)
def test_self_attention_decodes_as_before(kind, reach, prior, most, seed):
    model = pointing_network(seed)
    several = inputs(kind, reach, prior, seed)
    stop = (2, 7)
    before = [alone(model, one, stop=stop, max_new_tokens=most) for one in several]
    decoder = Decoder(model, stop, most)
    now = [decoder.decode([one])[0] for one in several]
    assert [(one.ids, one.truncated) for one in now] == before
    for count in (2, 5):
        assert decoder.decode(several[:count]) == now[:count]
    caches = [model.image_cache(one.image, len(BEFORE)) for one in several]
    pointings = [as_before(one) for one in several] if kind else ()
    many = generate_many(model, BEFORE, caches, AFTERS, stop, most, pointings)
    assert many == [one.ids for one in now]
    shared = [DecoderInput(one.prompt, kv, one.similarity, one.pointing) for one, kv in zip(several, caches)]
    assert decoder.decode(shared) == now


@torch.no_grad()
@pytest.mark.parametrize("make", [lambda: network("causal"), released_network])
@pytest.mark.parametrize("most", [1, 12])
def test_causal_attention_decodes_as_before(make, most):
    model, several = make(), inputs(None, 0.0, False, 3)
    first = alone(model, several[0], stop=(), max_new_tokens=1)[0][0]
    rules = [{}, {"not_first": first}, {"ends": lambda ids: len(ids) == 3}]
    for how in rules:
        before = [alone(model, one, stop=(2,), max_new_tokens=most, **how) for one in several]
        decoder = Decoder(model, (2,), most, **how)
        now = [decoder.decode([one])[0] for one in several]
        assert [(one.ids, one.truncated) for one in now] == before
        assert decoder.decode(several) == now


@torch.no_grad()
def test_callbacks_are_called_as_before():
    model, (one, *_) = network(), inputs(Scripted, 0.2, True, 0)
    calls: list[list] = [[], []]
    alone(model, one, stop=(), max_new_tokens=9, on_token=calls[0].append, on_prefill=calls[0].append)
    Decoder(model, (), 9).decode([one], calls[1].append, calls[1].append)
    assert calls[0] == calls[1] and len(calls[0]) > 9


def test_prompts_decoded_together_share_the_text_before_the_image():
    one, other = inputs(None, 0.0, False, 0)[:2]
    other = DecoderInput(Prompt([3], other.prompt.after), other.image)
    with pytest.raises(ValueError, match="share the text"):
        Decoder(network(), ()).decode([one, other])
    assert Decoder(network(), ()).decode([]) == []
