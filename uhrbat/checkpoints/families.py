"""A checkpoint of a known family (`uhrbat.network.families`) becomes a network, over transformers' own model."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerBase

from uhrbat.errors import CheckpointError
from uhrbat.network.families import Family
from uhrbat.network.families.network import FamilyNetwork

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
    """The network in a folder of a family. device_map: transformers' own. CheckpointError, in a sentence."""
    if bits:
        raise CheckpointError(f"4 and 8 bits are not offered for {family.name} models: load '{folder.name}' without")
    mean, std = _normalisation(folder)
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, device_map=device_map, use_safetensors=True
        )
        network = FamilyNetwork(family, model, mean, std)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"'{folder.name}' is a {family.name} model that cannot be read ({reason}): fetch the folder again"
        ) from error
    return (network if device_map else network.to(device)).eval()


def add_template(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Give a tokenizer the processor's chat template, where a file beside it holds that. CheckpointError without any."""
    path = folder / TEMPLATE
    if path.is_file():
        tokenizer.chat_template = json.loads(path.read_text())["chat_template"]
    if not tokenizer.chat_template:
        raise CheckpointError(
            f"'{folder.name}' has no chat template, so nobody knows how it is asked: choose the model tuned to answer "
            "questions (Instruct)"
        )


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
        f"'{folder.name}' has no image processor ({' or '.join(PROCESSORS)} with image_mean and image_std): fetch it too"
    )
