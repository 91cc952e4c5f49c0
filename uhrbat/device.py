"""The device that a model runs on: which one, and how many tiles at once."""

from __future__ import annotations

import os

import torch

from .errors import InputError

TILE_BATCH = {"cpu": 8, "mps": 8, "cuda": 64}


def choose_device(name: str) -> str:
    """ "auto" -> "cuda", "mps" or "cpu"; InputError for a device that is not there."""
    if name in ("auto", "cuda") and torch.cuda.is_available():
        # accelerate launch and torchrun number the processes of one machine: a GPU each.
        return f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"
    if name == "auto":
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind = name.split(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        raise InputError(f"device '{name}' is not available here; choose auto or cpu")
    return name
