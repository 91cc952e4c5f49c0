import pytest
import torch

from tests.support.tiny import engine, network
from uhrbat.geometry import Scale
from uhrbat.selection import importance


def test_raster_and_tile_major_are_inverse():
    scale = Scale(1344)
    values = torch.arange(scale.tokens)
    assert torch.equal(importance.tile_major(importance.raster(values, scale), scale), values)
    assert importance.raster(values, scale)[0, 24] == 576


def test_similarity_is_a_probability_that_grows_with_the_cosine():
    model = network()
    text = torch.nn.functional.normalize(torch.randn(12), dim=0)
    visual = torch.stack([text, -text, torch.zeros(12)])
    logits = importance.similarity_logits(model, visual, text[None])[:, 0]
    scores = importance.similarity({672: logits}, 0.0)[672]
    assert scores[0] > scores[2] > scores[1]
    assert (scores > 0).all() and (scores < 1).all()


def test_probabilities_below_the_floor_are_equal():
    logits = {672: torch.tensor([2.0, -1.0, -3.0])}
    plain = importance.similarity(logits, 0.0)[672]
    floored = importance.similarity(logits, 0.4)[672]
    assert floored[0] == plain[0]
    assert floored[1:].tolist() == pytest.approx([0.4] * 2)


def test_attention_is_a_share_of_one_softmax():
    model = engine()
    coarse = torch.randn(2304, 32)
    scores = importance.attention(model.network, coarse, model.codec.prompt("Is there a ship?"), (672, 1344))
    assert (scores[672] >= 0).all()
    assert 0 < scores[672].sum() < 1
    assert scores[1344].shape == (9216,)


def test_fused_keeps_the_order_of_similarity_where_attention_is_flat():
    similar = {672: torch.tensor([0.1, 0.9, 0.5])}
    out = importance.fused(similar, {672: torch.ones(3)})[672]
    assert out.argsort().tolist() == [0, 2, 1]


SCALES = (Scale(672), Scale(1344))


def weights(coarse: float, fine: float, left_out: bool = False) -> tuple[int, ...]:
    """The shares where one token of each scale has this importance, and the finer scale's is perhaps excluded."""
    values = {scale.size: torch.full((scale.tokens,), 0.01) for scale in SCALES}
    excluded = {scale.size: torch.zeros(scale.tokens, dtype=torch.bool) for scale in SCALES}
    values[672][7], values[1344][9], excluded[1344][9] = coarse, fine, left_out
    return importance.scale_weights(values, excluded, SCALES)


def test_what_stands_out_at_every_scale_leaves_the_paper_s_proportion():
    assert weights(0.8, 0.8) == (80_000, 320_000)


def test_what_is_visible_at_the_finer_scale_alone_draws_the_budget_there():
    assert weights(0.4, 0.8) == (40_000, 320_000)
    assert weights(0.01, 0.8) == (4_000, 320_000)


def test_what_never_enters_draws_no_budget():
    assert weights(0.8, 0.9, left_out=True) == (80_000, 16_000)


def test_a_question_that_concerns_nothing_is_shared_as_in_the_paper():
    values = {scale.size: torch.zeros(scale.tokens) for scale in SCALES}
    nothing = {scale.size: torch.ones(scale.tokens, dtype=torch.bool) for scale in SCALES}
    assert importance.scale_weights(values, nothing, SCALES) == (80, 320)
