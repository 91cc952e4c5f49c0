"""Tensors on disk: finding, checking and reading them, and laying them into a network that holds none yet."""

from __future__ import annotations

import json
import logging
import math
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from uhrbat.errors import CheckpointError

SAFE, TORCH = "model.safetensors", "pytorch_model.bin"
_LISTED = 12
logger = logging.getLogger(__name__)

Rename = Callable[[str], str | None]
Place = Callable[[str], torch.device]


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies, and its shape."""

    path: Path
    shape: tuple[int, ...]


class TensorFiles:
    """The tensors of a folder, in one file or several, safetensors or (read with weights_only) pytorch_model.bin.

    CheckpointError where there are none, a shard is missing, or a file is truncated or of another format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pickled: dict[Path, dict[str, Tensor]] = {}
        self.entries: dict[str, Entry] = {}
        for path in _files(folder):
            for name, shape in self._shapes(path):
                self.entries[name] = Entry(path, shape)

    @property
    def numbers(self) -> int:
        """How many numbers all tensors hold together."""
        return sum(math.prod(entry.shape) for entry in self.entries.values())

    def read(self, names: set[str]) -> Iterator[tuple[str, Tensor]]:
        """The named tensors on the CPU, file by file."""
        for path in dict.fromkeys(entry.path for entry in self.entries.values()):
            wanted = [name for name in names if self.entries[name].path == path]
            if path in self._pickled:
                yield from ((name, self._pickled[path][name]) for name in wanted)
            elif wanted:
                with safe_open(path, framework="pt") as file:
                    yield from ((name, file.get_tensor(name)) for name in wanted)

    def _shapes(self, path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, framework="pt") as file:
                    yield from [(name, tuple(file.get_slice(name).get_shape())) for name in file.keys()]  # noqa: SIM118 (not a dictionary)
            else:
                self._pickled[path] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
                yield from [(name, tuple(value.shape)) for name, value in self._pickled[path].items()]
        except (SafetensorError, OSError, RuntimeError, pickle.UnpicklingError, EOFError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(
                f"{path.name} in {path.parent.name} cannot be read ({reason}): "
                "it is truncated or damaged, fetch it again"
            ) from error


def _files(folder: Path) -> list[Path]:
    for name in (SAFE, TORCH):
        index = folder / f"{name}.index.json"
        if index.is_file():
            try:
                shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
            except (ValueError, KeyError, AttributeError) as error:
                raise CheckpointError(f"{index.name} in {folder.name} is no list of shards: fetch it again") from error
            missing = [shard for shard in shards if not (folder / shard).is_file()]
            if missing:
                raise CheckpointError(
                    f"{len(missing)} of {len(shards)} shards are missing in {folder.name}: {_listed(missing)}; "
                    "fetch them"
                )
            return [folder / shard for shard in shards]
        if (folder / name).is_file():
            return [folder / name]
    raise CheckpointError(f"no weights in {folder.name}: expected {SAFE}, its shards with an index, or {TORCH}")


@dataclass(frozen=True)
class Source:
    """Tensor files and what their names are called in the network.

    rename: a file's tensor name -> the network's, None for one that is known and not needed; KeyError where unknown.
    """

    files: TensorFiles
    rename: Rename


def fill(
    network: nn.Module,
    sources: list[Source],
    optional: Callable[[str], bool],
    place: Place,
    dtype: torch.dtype,
    tell: Callable[[str], str] = str,
    ignore_unexpected: bool = False,
    progress: Callable[[float], None] | None = None,
    lay: Callable[[nn.Module, str, Tensor, torch.device], bool] | None = None,
) -> None:
    """Lay the sources' tensors into a network made on the meta device, one by one, each where `place` says.

    The first source that has a tensor gives it. `optional` says which of the network's names may be missing; they stay
    on the meta device. `tell` names a missing one as files do; `lay` may take a tensor over (quantisation).
    CheckpointError lists everything that is missing, unexpected or of another shape, before anything is read.
    """
    expected = network.state_dict(keep_vars=True)
    plan: list[tuple[Source, dict[str, str]]] = []
    taken: set[str] = set()
    unexpected, wrong = [], []
    for source in sources:
        chosen = {}
        for theirs, entry in source.files.entries.items():
            try:
                ours = source.rename(theirs)
            except KeyError:
                unexpected.append(theirs)
                continue
            if ours is None or ours in taken:
                continue
            if ours not in expected:
                unexpected.append(theirs)
                continue
            taken.add(ours)
            chosen[theirs] = ours
            shape = tuple(expected[ours].shape)
            if entry.shape != shape:
                wrong.append(f"{theirs} is {list(entry.shape)}, expected {list(shape)}")
        plan.append((source, chosen))
    missing = [tell(name) for name in expected if name not in taken and not optional(name)]
    _complain(missing, [] if ignore_unexpected else unexpected, wrong)
    if unexpected:
        logger.warning("tensors that nothing needs are left out: %s", _listed(unexpected))
    done = 0
    for source, chosen in plan:
        for theirs, value in source.files.read(set(chosen)):
            ours = chosen[theirs]
            module, leaf = _owner(network, ours)
            device = place(ours)
            if lay is None or not lay(module, leaf, value.to(dtype), device):
                _set(module, leaf, value.to(device=device, dtype=dtype if value.is_floating_point() else value.dtype))
            done += 1
            if progress:
                progress(done / len(taken))


def materialise(network: nn.Module, place: Place, dtype: torch.dtype) -> None:
    """Give what is still on the meta device after `fill` real storage: computed buffers, and zeros elsewhere.

    Rotary frequencies stay float32 whatever the dtype, as transformers keeps them.
    """
    for name, module in network.named_modules():
        if isinstance(module, Qwen2RotaryEmbedding):
            made = Qwen2RotaryEmbedding(module.config).to(place(name))
            for leaf, buffer in made.named_buffers(recurse=False):
                _set(module, leaf, buffer)
    for name, value in [*network.named_buffers(), *network.named_parameters()]:
        if not value.is_meta:
            continue
        module, leaf = _owner(network, name)
        if leaf == "position_ids":
            _set(module, leaf, torch.arange(value.shape[-1], device=place(name)).expand(value.shape))
        else:
            kind = dtype if value.is_floating_point() else value.dtype
            _set(module, leaf, torch.zeros(value.shape, dtype=kind, device=place(name)))


def _owner(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, leaf = name.rpartition(".")
    return network.get_submodule(path), leaf


def _set(module: nn.Module, leaf: str, value: Tensor) -> None:
    if leaf in module._parameters:
        module._parameters[leaf] = nn.Parameter(value, requires_grad=value.is_floating_point())
    else:
        module._buffers[leaf] = value


def _complain(missing: list[str], unexpected: list[str], wrong: list[str]) -> None:
    facts = []
    if missing:
        facts.append(f"{len(missing)} tensors are missing: {_listed(missing)}")
    if wrong:
        facts.append(f"{len(wrong)} have another shape: {_listed(wrong)}")
    if unexpected:
        facts.append(f"{len(unexpected)} are unexpected: {_listed(unexpected)}")
    if facts:
        raise CheckpointError(
            "the weights do not fit the model; "
            + "; ".join(facts)
            + ". Fetch the checkpoint again or choose another"
            + (", or pass ignore_unexpected=True" if unexpected and not missing and not wrong else "")
        )


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
