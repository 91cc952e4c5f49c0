"""The device that a model runs on: which one, and how many tiles at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from uhrbat.errors import InputError, out_of_memory

TILE_BATCH = {"cpu": 8, "mps": 8, "cuda": 64}
logger = logging.getLogger(__name__)


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


class TileBatches:
    """How many tiles a device encodes at once: fewer, from then on, once memory did not suffice."""

    def __init__(self, kind: str) -> None:
        """kind: "cpu", "mps" or "cuda"."""
        self.usual = self.at_once = TILE_BATCH[kind]

    def of(self, tiles: int) -> Iterator[range]:
        """The indices 0..tiles-1 in batches."""
        start = 0
        while start < tiles:
            indices = range(start, min(start + self.at_once, tiles))
            yield indices
            start = indices.stop

    def run(self, encode: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        """What `encode` makes of a batch [n, ...]; in halves where memory does not suffice, and raised for one tile."""
        parts, start = [], 0
        while start < len(pixels):
            part = pixels[start : start + self.at_once]
            try:
                parts.append(encode(part))
                start += len(part)
                continue
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error) or len(part) == 1:
                    raise
            # Outside the except block, where the error no longer holds on to what did not fit.
            self.at_once = len(part) // 2
            logger.warning("out of memory with %d tiles at once; going on with %d", len(part), self.at_once)
            torch.cuda.empty_cache()
        return torch.cat(parts)

    @property
    def note(self) -> str:
        """What progress says where batches had to be made smaller."""
        if self.at_once == self.usual:
            return ""
        return f"; memory is short: {self.at_once} at once, not {self.usual}"
