"""From a name to a model: nano (shipped), a folder, or a Hub id; and back to a folder.

Tensor names are those of the released checkpoint (method.md, "State-dict names"), so that one reader serves all.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from .errors import CheckpointError
from .model import ModelConfig, UHRBATModel

ASSETS = Path(__file__).resolve().parents[1] / "assets"
NANO = ASSETS / "nano"
MODEL_TYPE = "uhrbat"
PREFIXES = {
    "language.model.": "model.",
    "language.lm_head.": "lm_head.",
    "vision.": "model.vision_tower.vision_tower.vision_model.",
    "projector.": "model.mm_projector.",
    "token_mlp.": "model.multiscale_token_mlp.",
    "residuals.": "model.scale_pos_residuals.",
    "similarity.": "similarity.",
}
logger = logging.getLogger(__name__)


def published_name(name: str) -> str:
    """Our module's parameter name -> the name in a checkpoint file."""
    for ours, theirs in PREFIXES.items():
        if name.startswith(ours):
            return theirs + name[len(ours) :]
    raise KeyError(name)


def load(name: str, device: torch.device, dtype: torch.dtype) -> tuple[UHRBATModel, PreTrainedTokenizerBase]:
    """Load "nano" or a checkpoint folder. CheckpointError says what is missing and what to do."""
    folder = NANO if name == "nano" else Path(name)
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise CheckpointError(f"no model '{name}': expected 'nano' or a folder that holds config.json")
    try:
        fields = json.loads(config_file.read_text())
    except ValueError as error:
        raise CheckpointError(f"{config_file.name} of model '{name}' is not JSON: {error}") from error
    if fields.pop("model_type", None) != MODEL_TYPE:
        raise CheckpointError(f"model '{name}' is of another architecture than {MODEL_TYPE}")
    model = UHRBATModel(ModelConfig(**fields))
    tensors = read_tensors(folder / "model.safetensors")
    expected = {published_name(key): key for key in model.state_dict()}
    missing, unexpected = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or unexpected:
        raise CheckpointError(f"model '{name}' does not fit: missing {missing[:5]}, unexpected {unexpected[:5]}")
    try:
        model.load_state_dict({expected[key]: value for key, value in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"model '{name}' has tensors of other shapes: {error}") from error
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return model.to(device=device, dtype=dtype).eval(), tokenizer


def read_tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path.name} is missing in {path.parent.name}")
    try:
        return load_file(path)
    except Exception as error:
        raise CheckpointError(f"{path.name} cannot be read as safetensors ({error}); fetch it again") from error


def save(model: UHRBATModel, tokenizer: PreTrainedTokenizerBase, folder: Path, dtype: torch.dtype) -> None:
    """Write config.json, model.safetensors (in `dtype`) and the tokenizer to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {published_name(key): value.to(dtype).contiguous() for key, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": MODEL_TYPE} | model.config.to_dict(), indent=1))
    tokenizer.save_pretrained(folder)
