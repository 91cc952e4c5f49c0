"""The EfficientNet tower: shapes, folding, dtypes, and its place in a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from uhrbat.network import efficientnet
from uhrbat.network.efficientnet import Convolution, EfficientNetConfig, EfficientNetTower, folded
from uhrbat.network.towers import build_tower, patch_features

SMALL = {"hidden_size": 24, "detail": 8, "mixers": 1}
WEIGHTS = os.environ.get("UHRBAT_EFFICIENTNET")
"""The published weights (.pth), where somebody has fetched them."""


def tower() -> EfficientNetTower:
    torch.manual_seed(0)
    return EfficientNetTower(EfficientNetConfig(**SMALL)).eval()


def published(made: EfficientNetTower) -> dict[str, torch.Tensor]:
    """Random weights under the published names, with batch norms."""
    torch.manual_seed(1)
    names = {
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }
    out = {}
    for key, value in made.state_dict().items():
        if not key.startswith(("stem.", "blocks.")) or not key.endswith("weight"):
            continue
        if key == "stem.weight":
            convolution, norm = "_conv_stem", "_bn0"
        else:
            _, index, part, _ = key.split(".")
            convolution, norm = (f"_blocks.{index}.{name}" for name in names[part])
        out[f"{convolution}.weight"] = torch.randn_like(value)
        for name in ("weight", "bias", "running_mean", "running_var"):
            out[f"{norm}.{name}"] = torch.rand(len(value)) + 0.5
    return out


def test_a_tile_becomes_a_vector_a_token():
    with torch.inference_mode():
        features = tower().features(torch.randn(2, 3, 336, 336))
    assert features.shape == (2, 576, 24)
    assert features.dtype == torch.float32
    assert features.isfinite().all()


def test_it_is_built_by_name_and_called_like_any_tower():
    made = build_tower("efficientnet", dict(SMALL))
    with torch.inference_mode():
        assert patch_features(made, torch.zeros(1, 3, 336, 336), -1).shape == (1, 576, 24)
    assert made.config.num_hidden_layers == 12


def test_tiles_of_another_size_are_refused():
    with pytest.raises(ValueError, match="tiles need 336"):
        build_tower("efficientnet", SMALL | {"image_size": 224})


def test_a_token_is_told_by_its_own_pixels(monkeypatch):
    monkeypatch.setattr(efficientnet, "fast_bfloat16", lambda: False)
    made, pixels = tower(), torch.zeros(1, 3, 336, 336)
    changed = pixels.clone()
    changed[..., 14 * 5 : 14 * 6, 14 * 7 : 14 * 8] = 2.0
    with torch.inference_mode():
        apart = (made.features(changed) - made.features(pixels))[0].abs().sum(-1)
    assert int(apart.argmax()) == 5 * 24 + 7


def test_bfloat16_is_near_float32(monkeypatch):
    made, pixels = tower(), torch.randn(1, 3, 336, 336)
    with torch.inference_mode():
        monkeypatch.setattr(efficientnet, "fast_bfloat16", lambda: False)
        exact = made.features(pixels)
        monkeypatch.setattr(efficientnet, "fast_bfloat16", lambda: True)
        half = made.features(pixels)
    assert F.cosine_similarity(exact, half, dim=-1).min() > 0.99


def test_folding_is_the_convolution_and_its_batch_norm():
    made = tower()
    reply = published(made)
    made.load_state_dict(folded(reply), strict=False)
    convolution = nn.Conv2d(3, 32, 3, 2, bias=False)
    convolution.weight.data = reply["_conv_stem.weight"]
    norm = nn.BatchNorm2d(32, eps=1e-3).eval()
    norm.load_state_dict(
        {n: reply[f"_bn0.{n}"] for n in ("weight", "bias", "running_mean", "running_var")}, strict=False
    )
    pixels = torch.randn(1, 3, 32, 32)
    wanted = norm(convolution(F.pad(pixels, (0, 1, 0, 1))))
    torch.testing.assert_close(made.stem(pixels), wanted, rtol=1e-4, atol=1e-4)


def test_folding_gives_every_weight_of_the_backbone():
    made = tower()
    wanted = {name for name in made.state_dict() if name.startswith(("stem.", "blocks."))}
    assert set(folded(published(made))) == wanted


def test_gradients_reach_every_weight():
    made = tower().train()
    made.post_layernorm(made.features(torch.randn(1, 3, 336, 336))).square().sum().backward()
    missing = [name for name, value in made.named_parameters() if value.grad is None]
    assert not missing


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_an_odd_side_is_padded_like_an_even_one(kernel, stride):
    made = Convolution(4, 4, kernel, stride, groups=4)
    for side in (21, 24):
        assert made(torch.zeros(1, 4, side, side)).shape[-1] == -(-side // stride)


@pytest.mark.skipif(not WEIGHTS, reason="UHRBAT_EFFICIENTNET does not name the published weights")
def test_the_published_weights_fit():
    reply = torch.load(Path(WEIGHTS), map_location="cpu", weights_only=True)
    missing, unexpected = EfficientNetTower(EfficientNetConfig()).load_state_dict(folded(reply), strict=False)
    assert not unexpected
    assert all(name.startswith(("detail.", "join.", "mixers.", "post_layernorm.")) for name in missing)
