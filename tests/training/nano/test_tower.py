"""What a step of the tower's training computes, and that a run goes on where it stopped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.tiny import BINS, config, tokenizer
from uhrbat.checkpoints import loading
from uhrbat.data.kinds import INDEX, TOWER_KINDS
from uhrbat.data.real import training
from uhrbat.errors import InputError
from uhrbat.network.text import TextCodec
from uhrbat.training.finetune.state import load_state
from uhrbat.training.nano import tower
from uhrbat.training.nano.pastes import Paster
from uhrbat.training.nano.phrases import ANY, Phrases, PhraseSampler
from uhrbat.training.nano.tower import (
    Batch,
    Matcher,
    Plan,
    Sources,
    bag_loss,
    batch_of,
    matching_loss,
    parameter_groups,
    rate_share,
)
from uhrbat.training.nano.windows import Bag, RealWindows, blank_labels
from uhrbat.training.nano.worlds import WorldWindows

CAR = INDEX["car"]


def matcher() -> Matcher:
    torch.manual_seed(0)
    return Matcher(config().text, 12)


def batch(state: torch.Tensor, bags=()) -> Batch:
    count = state.shape[0]
    zero = torch.zeros(count, 576, dtype=torch.long)
    return Batch(torch.zeros(count, 3, 336, 336), state, zero + 6, zero.bool(), zero - 1, [tuple(bags)] * count)


def phrases(*targets) -> Phrases:
    empty = torch.zeros(len(targets), 1, dtype=torch.long)
    return Phrases(empty, empty, [list(named) for named in targets])


def test_windows_become_a_batch():
    state, color, center, land = blank_labels()
    made = batch_of([tower.Window(np.full((336, 336, 3), 127, np.uint8), state, color, center, land)])
    assert made.pixels.shape == (1, 3, 336, 336) and made.pixels.abs().max() < 1e-6
    assert made.state.shape == (1, len(TOWER_KINDS), 576)


def test_only_what_is_known_is_taught():
    state = torch.full((1, len(TOWER_KINDS), 576), -1, dtype=torch.int8)
    logits = torch.randn(1, 576, 1, requires_grad=True)
    assert matching_loss(logits, batch(state), phrases([(CAR, ANY)])) == 0
    state[0, CAR, 3] = 0
    matching_loss(logits, batch(state), phrases([(CAR, ANY)])).backward()
    assert torch.nonzero(logits.grad[0, :, 0]).flatten().tolist() == [3]


def test_right_logits_cost_less_than_wrong_ones():
    state = torch.zeros(1, len(TOWER_KINDS), 576, dtype=torch.int8)
    state[0, CAR, :20] = 1
    right = torch.full((1, 576, 1), -5.0)
    right[0, :20] = 5
    reply = batch(state), phrases([(CAR, ANY)])
    assert matching_loss(right, *reply) < 0.01 < matching_loss(-right, *reply)


def test_a_bag_pulls_its_best_tokens_up():
    bag = Bag(CAR, slice(0, 4), slice(0, 5), 0.1)
    state = torch.full((1, len(TOWER_KINDS), 576), -1, dtype=torch.int8)
    logits = torch.zeros(1, 576, 1)
    logits[0, 24 + 2] = 1.0
    logits[0, 300] = 2.0
    logits.requires_grad_()
    bag_loss(logits, batch(state, [bag]), phrases([(CAR, ANY)])).backward()
    pulled = torch.nonzero(logits.grad[0, :, 0]).flatten().tolist()
    assert 26 in pulled and 300 not in pulled and len(pulled) == 2


def test_the_rate_rises_stays_and_falls():
    shares = [rate_share(step, 1000) for step in range(1000)]
    assert shares[0] < 0.01 and shares[200] == shares[600] == 1 and shares[-1] < 0.05


def test_a_convolution_s_rate_follows_its_size():
    model = matcher()
    with torch.no_grad():
        model.vision.blocks[3].project.weight.mul_(10)
    rates = {
        id(value): group["full"] for group in parameter_groups(model, 1e-3, 1e-3, 1e-4) for value in group["params"]
    }
    assert len(rates) == len(list(model.parameters()))
    weight = model.vision.blocks[3].project.weight
    assert rates[id(weight)] == pytest.approx(1e-3 * float(weight.detach().square().mean().sqrt()))
    assert rates[id(model.similarity.logit_scale)] == 1e-4


@pytest.fixture
def run(pictures, pool, tmp_path):
    """Train some steps into a folder; returns the folder and the model."""

    def steps(count: int):
        model = matcher()
        optimizer = torch.optim.AdamW(parameter_groups(model, 1e-3, 1e-3, 1e-4))
        step = load_state(tmp_path, model, optimizer)
        rng = np.random.default_rng((0, step))
        real = RealWindows(training(pictures), rng)
        worlds = WorldWindows(pool, rng)
        paster = Paster(training(pictures), rng, real.cache)
        sampler = PhraseSampler(TextCodec(tokenizer(), BINS), 40, rng, worlds.worlds.values())
        tower.train(model, optimizer, Sources(worlds, real, paster, sampler), step, Plan(tmp_path, count, 1, 1))
        return tmp_path, model

    return steps


def test_a_run_is_resumed_and_averaged(run):
    folder, model = run(2)
    before = load_file(folder / "average.safetensors")
    assert set(before) == set(model.state_dict())
    _, model = run(3)
    after = load_file(folder / "model.safetensors")
    torch.testing.assert_close(after["vision.join.weight"], model.vision.join.weight.detach())
    assert not torch.equal(
        before["vision.join.weight"], load_file(folder / "average.safetensors")["vision.join.weight"]
    )


def test_mistakes_are_places_in_worlds(pool):
    model, worlds = matcher(), WorldWindows(pool, np.random.default_rng(0))
    with torch.no_grad():
        model.similarity.logit_bias.fill_(4.0)
    sampler = PhraseSampler(TextCodec(tokenizer(), BINS), 40, np.random.default_rng(0), worlds.worlds.values())
    found = tower.mistakes(model, worlds, sampler.draw(2, 1), 4)
    assert len(found) == 12
    assert all(seed == 7 and 0 <= row < size // 14 for seed, size, row, _ in found)


def test_training_goes_on_from_a_towers_weights(tmp_path):
    first = tower.begin(None, loading.NANO)
    with torch.no_grad():
        next(first.vision.parameters()).add_(0.5)
    kept = {n: v.half().contiguous() for n, v in first.state_dict().items() if not n.startswith("heads.")}
    save_file(kept, tmp_path / "tower.safetensors")
    again = tower.begin(None, loading.NANO, tmp_path / "tower.safetensors")
    assert all(torch.allclose(again.state_dict()[name], value.float()) for name, value in kept.items())
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no tower of this layout"):
        tower.begin(None, loading.NANO, tmp_path / "other.safetensors")
