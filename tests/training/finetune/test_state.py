import torch
from torch import nn

from uhrbat.training.finetune.state import load_state, save_state


def make():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
    return model, torch.optim.AdamW(model.parameters(), lr=1e-2)


def train(model, optimizer, steps, first=0):
    for step in range(first, first + steps):
        inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()


def test_resumed_training_is_the_same_as_unbroken(tmp_path):
    model, optimizer = make()
    train(model, optimizer, 6)
    whole = [value.clone() for value in model.parameters()]
    model, optimizer = make()
    train(model, optimizer, 3)
    save_state(tmp_path, model, optimizer, 3)
    model, optimizer = make()
    step = load_state(tmp_path, model, optimizer)
    assert step == 3
    train(model, optimizer, 3, step)
    assert all(torch.equal(a, b) for a, b in zip(whole, model.parameters()))


def test_nothing_saved_means_step_zero(tmp_path):
    model, optimizer = make()
    assert load_state(tmp_path, model, optimizer) == 0
