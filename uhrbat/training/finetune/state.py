"""Training state on disk, as safetensors: model, optimizer moments, step."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn


def save_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write model.safetensors and optimizer.safetensors, each replaced whole."""
    moments = {
        f"{index}.{name}": value.contiguous()
        for index, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }
    files = {
        "model.safetensors": {name: value.contiguous() for name, value in model.state_dict().items()},
        "optimizer.safetensors": moments,
    }
    for name, tensors in files.items():
        temporary = folder / f"{name}.part"
        save_file(tensors, temporary, metadata={"step": str(step)})
        os.replace(temporary, folder / name)


def load_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Read what `save_state` wrote, if anything; returns the step reached."""
    path = folder / "optimizer.safetensors"
    if not path.exists():
        return 0
    model.load_state_dict(load_file(folder / "model.safetensors"))
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_file(path).items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
    with safe_open(path, "pt") as file:
        return int(file.metadata()["step"])
