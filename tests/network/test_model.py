import pytest
import torch

from tests.support.tiny import BINS, network, tokenizer
from uhrbat.geometry import Scale
from uhrbat.network.config import Profile
from uhrbat.network.decoder import Decoder, DecoderInput, Prefilled, prefill
from uhrbat.network.pointing import Pointing, most_likely
from uhrbat.network.text import Prompt, TextCodec

BEFORE, AFTER = torch.tensor([3, 4, 5]), torch.tensor([9, 8, 7, 6])
PROMPT = Prompt(BEFORE.tolist(), AFTER.tolist())


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def image():
    return torch.randn(50, 32, generator=torch.Generator().manual_seed(1))


def read(model, image, similarity=None) -> Prefilled:
    return prefill(model, [DecoderInput(PROMPT, image, similarity)])


@torch.no_grad()
def test_self_attention_equals_a_masked_pass(model, image):
    hidden = read(model, image).output
    embed = model.language.model.embed_tokens
    p, n, t = len(BEFORE), len(image), len(AFTER)
    total = p + n + t
    mask = torch.ones(total, total, dtype=torch.bool).tril()
    mask[p : p + n] = torch.eye(total, dtype=torch.bool)[p : p + n]
    positions = torch.tensor([*range(p), *[p] * n, *range(p + 1, p + 1 + t)])[None]
    whole = model.language.model(
        inputs_embeds=torch.cat([embed(BEFORE), image, embed(AFTER)])[None],
        position_ids=positions,
        attention_mask={"full_attention": mask[None, None]},
    ).last_hidden_state
    torch.testing.assert_close(hidden, whole[:, -t:], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_order_of_image_tokens_does_not_matter_in_self_attention(model, image):
    hidden = read(model, image).output
    turned = read(model, image.flip(0)).output
    torch.testing.assert_close(hidden, turned, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_causal_attention_equals_transformers_own_generation(image):
    model = network("causal")
    (decoded,) = Decoder(model, stop=(), max_new_tokens=6).decode([DecoderInput(PROMPT, image)])
    embed = model.language.model.embed_tokens
    embeds = torch.cat([embed(BEFORE), image, embed(AFTER)])[None]
    theirs = model.language.generate(
        inputs_embeds=embeds, max_new_tokens=6, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    assert decoded.ids == theirs[0].tolist() and decoded.truncated


@torch.no_grad()
def test_last_attention_equals_the_attention_of_an_eager_pass(image):
    model = network("causal")
    found = read(model, image)
    ours = model.last_attention(found.last_input[0, -1], int(found.position) - 1, found.cache.layers[-1].keys[0])
    model.language.set_attn_implementation("eager")
    embed = model.language.model.embed_tokens
    embeds = torch.cat([embed(BEFORE), image, embed(AFTER)])[None]
    eager = model.language.model(inputs_embeds=embeds, output_attentions=True).attentions[-1]
    torch.testing.assert_close(ours, eager[0, :, -1].mean(0), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_prior_draws_attention_to_what_is_similar(image):
    model = network()
    plain = read(model, image).output
    similarity = torch.zeros(len(image))
    torch.testing.assert_close(read(model, image, similarity).output, plain, rtol=1e-4, atol=1e-5)
    similarity[7], model.prior[:] = 3.0, 30.0
    drawn, alone = read(model, image, similarity).output, read(model, image[7:8], similarity[7:8]).output
    torch.testing.assert_close(drawn, alone, rtol=1e-4, atol=1e-5)


def test_listed_points_hide_what_lies_within_reach_and_are_not_repeated():
    codec = TextCodec(tokenizer(), BINS)
    places = torch.tensor([[0.06, 0.94], [0.3, 0.94], [torch.inf, torch.inf]])
    pointing = Pointing(codec, places, 0.2)
    ids = codec.answer_ids("red", [(0.05, 0.95), (0.5, 0.5), (0.15, 0.95)])
    assert pointing.near(ids[:1]) is None and pointing.near(ids[:2]).tolist() == [True, False, False]
    assert Pointing(codec, places, 0.0).near(ids) is None
    assert pointing.repeated(ids[:4]) == [] and pointing.repeated(ids[:5]) == []
    assert pointing.repeated(ids[:6]) == list(codec.y_ids[6:8])


def test_a_square_residual_differs_between_tiles_and_a_tile_residual_does_not(model):
    scale = Scale(1344)
    scene = model.residual(1344).reshape(scale.tiles**2, 576, -1)
    assert not torch.allclose(scene[0], scene[1])
    kept, model.profile = model.profile, Profile("r", "tile", 1, 2, "tile")
    tile = model.residual(1344).reshape(scale.tiles**2, 576, -1)
    model.profile = kept
    torch.testing.assert_close(tile[0], tile[-1])


def test_a_square_residual_follows_the_grid(model):
    scale = Scale(672)
    laid = model.residual(672)
    table = model.residuals["672"].detach()
    side = int(table.shape[1] ** 0.5)
    corner = table.reshape(side, side, -1)[0, 0]
    torch.testing.assert_close(laid[scale.index(0, 0)].detach(), corner)
    torch.testing.assert_close(laid[scale.index(47, 47)].detach(), table.reshape(side, side, -1)[-1, -1])


def test_ids_that_belong_together_win_together():
    logits = torch.tensor([[2.0, 1.9, 1.8, 2.5], [0.0, 0.1, 0.0, 2.5]])
    assert most_likely(logits).tolist() == [3, 3]
    assert most_likely(logits, (0, 1, 2)).tolist() == [0, 3]
