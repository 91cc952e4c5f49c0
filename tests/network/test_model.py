import pytest
import torch

from tests.support.tiny import BINS, network, tokenizer
from uhrbat.geometry import Scale
from uhrbat.network.config import Profile
from uhrbat.network.decoder import Pointing, generate_many
from uhrbat.network.model import likeliest
from uhrbat.network.text import TextCodec

BEFORE, AFTER = torch.tensor([3, 4, 5]), torch.tensor([9, 8, 7, 6])


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def image():
    return torch.randn(50, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_self_attention_equals_a_masked_pass(model, image):
    (_, hidden), _, _ = model.prefill(BEFORE, image, AFTER)
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
    (_, hidden), _, _ = model.prefill(BEFORE, image, AFTER)
    (_, turned), _, _ = model.prefill(BEFORE, image.flip(0), AFTER)
    torch.testing.assert_close(hidden, turned, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_causal_attention_equals_transformers_own_generation(image):
    model = network("causal")
    ids, _ = model.generate(BEFORE, image, AFTER, stop=(), max_new_tokens=6)
    embed = model.language.model.embed_tokens
    embeds = torch.cat([embed(BEFORE), image, embed(AFTER)])[None]
    theirs = model.language.generate(
        inputs_embeds=embeds, max_new_tokens=6, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    assert ids == theirs[0].tolist()


@torch.no_grad()
def test_last_attention_equals_the_attention_of_an_eager_pass(image):
    model = network("causal")
    (last_input, _), cache, position = model.prefill(BEFORE, image, AFTER)
    ours = model.last_attention(last_input[0, -1], position - 1, cache.layers[-1].keys[0])
    model.language.set_attn_implementation("eager")
    embed = model.language.model.embed_tokens
    embeds = torch.cat([embed(BEFORE), image, embed(AFTER)])[None]
    eager = model.language.model(inputs_embeds=embeds, output_attentions=True).attentions[-1]
    torch.testing.assert_close(ours, eager[0, :, -1].mean(0), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_many_prompts_at_once_answer_as_one_by_one(model, image):
    afters = [[9, 8, 7, 6], [5, 6], [1, 2, 3, 4, 5, 6, 7]]
    images = [image, image[:20], image[10:]]
    alone = [
        model.generate(BEFORE, i, torch.tensor(a), stop=(2,), max_new_tokens=12)[0] for i, a in zip(images, afters)
    ]
    caches = [model.image_cache(i, len(BEFORE)) for i in images]
    assert generate_many(model, BEFORE.tolist(), caches, afters, stop=(2,), max_new_tokens=12) == alone


class Scripted(Pointing):
    """Hides more with every id, and calls whatever follows a row, but early, a repetition."""

    def near(self, ids):
        return torch.arange(len(self.places)) < 5 * len(ids) if self.reach else None

    def repeated(self, ids):
        return [ids[-2]] if len(ids) > 3 and ids[-2] in self.alike else []


@torch.no_grad()
@pytest.mark.parametrize("reach", [0.2, 0.0])
def test_many_that_point_answer_as_one_by_one(image, reach):
    model, codec = network(), TextCodec(tokenizer(), BINS)
    model.language.lm_head.weight[list(codec.alike)] *= 3  # it says many rows
    afters = [[9, 8, 7, 6], [5, 6]]
    likeness = torch.randn(len(image))
    pointings = [Scripted(codec, torch.zeros(n, 2), reach, likeness[:n]) for n in (len(image), 20)]
    alone = [
        model.generate(BEFORE, i, torch.tensor(a), stop=(), max_new_tokens=12, pointing=p)[0]
        for i, a, p in zip((image, image[:20]), afters, pointings)
    ]
    plain = model.generate(BEFORE, image, torch.tensor(afters[0]), stop=(), max_new_tokens=12)[0]
    caches = [model.image_cache(i, len(BEFORE)) for i in (image, image[:20])]
    many = generate_many(model, BEFORE.tolist(), caches, afters, stop=(), max_new_tokens=12, pointings=pointings)
    assert many == alone and alone[0] != plain
    assert sum(plain[i] in codec.alike for i in range(12)) > 3


@torch.no_grad()
def test_a_prior_draws_attention_to_what_is_alike(image):
    model = network()
    (_, plain), _, _ = model.prefill(BEFORE, image, AFTER)
    likeness = torch.zeros(len(image))
    (_, none), _, _ = model.prefill(BEFORE, image, AFTER, likeness=likeness)
    torch.testing.assert_close(none, plain, rtol=1e-4, atol=1e-5)
    likeness[7], model.prior[:] = 3.0, 30.0
    (_, drawn), _, _ = model.prefill(BEFORE, image, AFTER, likeness=likeness)
    (_, alone), _, _ = model.prefill(BEFORE, image[7:8], AFTER, likeness=likeness[7:8])
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


def test_a_scene_residual_differs_between_tiles_and_a_tile_residual_does_not(model):
    scale = Scale(1344)
    scene = model.residual(1344).reshape(scale.tiles**2, 576, -1)
    assert not torch.allclose(scene[0], scene[1])
    kept, model.profile = model.profile, Profile("r", "tile", 1, 2, "tile")
    tile = model.residual(1344).reshape(scale.tiles**2, 576, -1)
    model.profile = kept
    torch.testing.assert_close(tile[0], tile[-1])


def test_a_scene_residual_follows_the_grid(model):
    scale = Scale(672)
    laid = model.residual(672)
    table = model.residuals["672"].detach()
    side = int(table.shape[1] ** 0.5)
    corner = table.reshape(side, side, -1)[0, 0]
    torch.testing.assert_close(laid[scale.index(0, 0)].detach(), corner)
    torch.testing.assert_close(laid[scale.index(47, 47)].detach(), table.reshape(side, side, -1)[-1, -1])


def test_ids_that_are_alike_win_together():
    logits = torch.tensor([[2.0, 1.9, 1.8, 2.5], [0.0, 0.1, 0.0, 2.5]])
    assert likeliest(logits).tolist() == [3, 3]
    assert likeliest(logits, (0, 1, 2)).tolist() == [0, 3]
