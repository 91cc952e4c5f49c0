"""Whether a model's weights fit into memory, asked before any are read.

On a CPU the kernel ends a process that takes too much.
"""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

from uhrbat.errors import CheckpointError

CONTAINER = Path("/sys/fs/cgroup")


def check_room(name: str, numbers: int, device: torch.device, dtype: torch.dtype, bits: int | None = None) -> None:
    """CheckpointError where so many numbers of a model do not fit into what is free on a device."""
    needed = numbers * (bits / 8 if bits else dtype.itemsize)
    free = free_bytes(device)
    if free is None or needed <= free:
        return
    as_what = f"{bits} bits" if bits else str(dtype).removeprefix("torch.")
    smaller = "choose a smaller one" if bits or dtype.itemsize < 4 else "load it in bfloat16 or choose a smaller one"
    raise CheckpointError(
        f"model '{name}' takes {needed / 1e9:.1f} GB in {as_what} and {free / 1e9:.1f} GB are free on {device}: "
        f"{smaller}"
    )


def free_bytes(device: torch.device) -> int | None:
    """Bytes that a device has free, a CPU's container included; None where nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    free = psutil.virtual_memory().available
    try:
        limit = int((CONTAINER / "memory.max").read_text())
        used = int((CONTAINER / "memory.current").read_text())
        statistics = dict(line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
        used -= int(statistics["inactive_file"])  # given up where memory is needed
    except (OSError, ValueError, KeyError):  # no container, or one without a limit
        return free
    return max(0, min(free, limit - used))
