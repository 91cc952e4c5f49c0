"""A checkpoint of a known family (`uhrbat.network.families`) becomes a network, over transformers' own model."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    CLIPModel,
    PreTrainedTokenizerBase,
    SiglipModel,
)

from uhrbat.checkpoints import hub
from uhrbat.checkpoints.layouts import Progress
from uhrbat.checkpoints.memory import check_room
from uhrbat.checkpoints.quantise import check, quantisation
from uhrbat.checkpoints.weights import TensorFiles
from uhrbat.errors import CheckpointError, out_of_memory
from uhrbat.network.families import Family
from uhrbat.network.families.network import FamilyNetwork
from uhrbat.network.families.twin import Twin

PROCESSORS = ("processor_config.json", "preprocessor_config.json")
TEMPLATE = "chat_template.json"


def load_family(
    family: Family,
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    device_map: str | dict[str, str | int] | None = None,
    bits: int | None = None,
) -> FamilyNetwork:
    """The network in a folder of a family. device_map: transformers' own; bits: 4 or 8 of the language model's layers.

    CheckpointError, in a sentence.
    """
    if bits:
        check(bits)
    if (bits or device_map) and find_spec("accelerate") is None:
        raise CheckpointError("a device_map, and 4 and 8 bits, need accelerate: pip install accelerate")
    mean, std = _normalisation(folder)
    numbers = TensorFiles(folder).numbers
    if device_map is None:
        check_room(folder.name, numbers, device, dtype, bits)
    try:
        quantised: dict[str, Any] = {}
        if bits:
            quantised["quantization_config"] = quantisation(AutoConfig.from_pretrained(folder), bits, dtype)
            device_map = device_map or {"": str(device)}
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, device_map=device_map, use_safetensors=True, **quantised
        )
        network = FamilyNetwork(family, model, mean, std)
        return (network if device_map else network.to(device)).eval()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise CheckpointError(
                f"memory did not suffice for '{folder.name}' ({numbers / 1e9:.1f} billion numbers): "
                "choose a smaller model, or spread it over several devices (device_map)"
            ) from error
        raise CheckpointError(
            f"'{folder.name}' is a {family.name} model that cannot be read ({_first_line(error)}): "
            "fetch the folder again"
        ) from error


def add_template(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Give a tokenizer the processor's chat template, where a file beside it holds one.

    CheckpointError where it has none either way.
    """
    path = folder / TEMPLATE
    if path.is_file():
        tokenizer.chat_template = json.loads(path.read_text())["chat_template"]
    if not tokenizer.chat_template:
        raise CheckpointError(
            f"'{folder.name}' has no chat template, so nobody knows how it is asked: choose the model tuned to answer "
            "questions (Instruct)"
        )


def twin_folder(network: FamilyNetwork, similarity: bool | str | None, progress: Progress | None) -> Path | None:
    """The folder of the text tower to load beside a network: of the name given, or the family's own.

    similarity: as `loading.load` takes it. CheckpointError where one is wanted and there is none.
    """
    if similarity is False:
        return None
    name = similarity if isinstance(similarity, str) else network.family.twin(network.model.config)
    if name is None:
        if similarity:
            raise CheckpointError(
                f"the vision tower of this {network.family.name} model has no text tower: "
                "choose the importance 'attention'"
            )
        return None
    if Path(name).is_dir():
        return Path(name)
    try:
        return hub.fetch(name, progress, local=not similarity)
    except CheckpointError:
        if similarity:
            raise
        return None


def add_twin(network: FamilyNetwork, folder: Path, contrast: int) -> None:
    """Give a network the text tower in a folder, a CLIP or SigLIP, to be compared with so many contrast texts.

    CheckpointError where its vision tower is another.
    """
    try:
        model = AutoModel.from_pretrained(folder, dtype=network.dtype)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"the text tower in '{folder.name}' cannot be read ({_first_line(error)}): fetch it again"
        ) from error
    if not isinstance(model, CLIPModel | SiglipModel):
        raise CheckpointError(f"'{folder.name}' ({model.config.model_type}) has no text tower: choose a CLIP or SigLIP")
    twin, tower = Twin(model, contrast), network.family.tower(network.model)
    if tower is None or tower.config.hidden_size != twin.width or len(tower.encoder.layers) < twin.depth:
        raise CheckpointError(
            f"'{folder.name}' is not the text tower of this {network.family.name} model's vision tower: leave it out"
        )
    network.similarity = twin.to(network.device).eval()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _normalisation(folder: Path) -> tuple[list[float], list[float]]:
    """Mean and standard deviation a channel that the model's processor subtracts and divides by."""
    for name in PROCESSORS:
        path = folder / name
        if path.is_file():
            said = json.loads(path.read_text())
            said = said.get("image_processor", said)
            if "image_mean" in said and "image_std" in said:
                return said["image_mean"], said["image_std"]
    raise CheckpointError(
        f"'{folder.name}' has no image processor ({' or '.join(PROCESSORS)} with image_mean and image_std): "
        "fetch it too"
    )
