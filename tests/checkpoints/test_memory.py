"""A model that does not fit into memory is refused before its weights are read."""

import types

import pytest
import torch

from tests.support import layouts
from uhrbat.checkpoints import memory
from uhrbat.checkpoints.loading import load
from uhrbat.checkpoints.memory import check_room, free_bytes
from uhrbat.errors import CheckpointError

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 8 GB without containers; returns a function that puts it into one."""
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: types.SimpleNamespace(available=8 * 10**9))
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)

    def contain(limit, used, files):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {files}\n")

    return contain


def test_what_does_not_fit_is_refused_in_a_sentence_that_says_what_would(machine):
    check_room("a/b", 2 * 10**9, CPU, torch.float32)
    with pytest.raises(CheckpointError) as caught:
        check_room("a/b", 3 * 10**9, CPU, torch.float32)
    assert str(caught.value) == (
        "model 'a/b' takes 12.0 GB in float32 and 8.0 GB are free on cpu: load it in bfloat16 or choose a smaller one"
    )
    check_room("a/b", 3 * 10**9, CPU, torch.bfloat16)
    check_room("a/b", 15 * 10**9, CPU, torch.float32, bits=4)
    with pytest.raises(CheckpointError, match=r"17.0 GB in 8 bits .*: choose a smaller one"):
        check_room("a/b", 17 * 10**9, CPU, torch.float32, bits=8)


def test_a_container_limits_what_is_free_and_its_file_cache_counts_as_free(machine):
    machine(limit=6 * 10**9, used=5 * 10**9, files=2 * 10**9)
    assert free_bytes(CPU) == 3 * 10**9
    machine(limit="max", used=5 * 10**9, files=0)
    assert free_bytes(CPU) == 8 * 10**9
    machine(limit=10**9, used=2 * 10**9, files=0)
    assert free_bytes(CPU) == 0


def test_a_gpu_says_what_it_has_free_and_others_are_tried(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5, 10))
    assert free_bytes(torch.device("cuda:1")) == 5
    assert free_bytes(torch.device("meta")) is None


def test_our_own_layouts_are_asked_before_they_are_read(machine, tmp_path):
    layouts.write_released(tmp_path / "ckpt")
    machine(limit=10**5, used=0, files=0)
    with pytest.raises(CheckpointError, match=r"takes 0.0 GB in float32 and 0.0 GB are free on cpu"):
        load(str(tmp_path / "ckpt"), CPU, torch.float32)
