"""A trained tower in nano: a checkpoint that loads like any other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from uhrbat.checkpoints import loading
from uhrbat.engine import UHRBAT
from uhrbat.imagery import canvas_of
from uhrbat.network.model import Network
from uhrbat.training.nano.assemble import paired_features, with_tower
from uhrbat.training.nano.config import nano_config
from uhrbat.training.nano.pretrain import network_from, opened
from uhrbat.training.nano.tower import Matcher


@pytest.fixture(scope="module")
def nano():
    return loading.load("nano", torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def assembled(nano):
    torch.manual_seed(0)
    config = nano.network.config
    tower = Matcher(config.text, config.projection_dim).state_dict()
    ids = config.language["pad_token_id"], config.language["eos_token_id"]
    return with_tower(nano.network, config.language["vocab_size"], *ids, tower), tower


def test_towers_are_new_and_the_language_model_is_kept(nano, assembled):
    model, tower = assembled
    torch.testing.assert_close(model.vision.join.weight.data, tower["vision.join.weight"])
    old = nano.network.state_dict()
    assert all(
        torch.equal(value, old[name]) for name, value in model.state_dict().items() if name.startswith("language.")
    )


def test_the_same_tokens_are_paired(nano, assembled, pool):
    before, after = paired_features(nano.network, assembled[0], pool, 2)
    assert before.shape == after.shape and before.shape[1] == 192 and len(before) >= 80


def test_it_is_saved_loaded_and_asked(nano, assembled, tmp_path):
    loading.save(assembled[0], nano.tokenizer, tmp_path, torch.float16)
    engine = UHRBAT.from_pretrained(str(tmp_path))
    assert engine.network.config.tower == "efficientnet"
    picture = np.random.default_rng(0).integers(0, 256, (120, 100, 3), np.uint8)
    engine.network.config.scales = (672,)
    question = engine.encode_canvas(canvas_of(picture)).ask("How many cars are there?")
    assert question.importance[672].shape == (2304,)
    assert str(question.select(80).answer())


def test_training_goes_on_with_the_tower_that_the_weights_are_of(nano, assembled, tmp_path):
    config = nano.network.config
    ids = config.language["vocab_size"], config.language["pad_token_id"], config.language["eos_token_id"]
    save_file(
        {f"model.{name}": value for name, value in assembled[0].state_dict().items()}, tmp_path / "run.safetensors"
    )
    found, codec = opened(tmp_path / "run.safetensors", loading.NANO)
    before = Network(nano_config(*ids)).state_dict()
    save_file({f"model.{name}": value for name, value in before.items()}, tmp_path / "before.safetensors")
    assert found.config.tower == "efficientnet" and not found.training
    assert codec.end == nano.codec.end and found.config.language["eos_token_id"] == codec.end
    assert network_from(tmp_path / "before.safetensors", *ids).config.tower == "clip"
    torch.testing.assert_close(found.vision.join.weight, assembled[0].vision.join.weight)
