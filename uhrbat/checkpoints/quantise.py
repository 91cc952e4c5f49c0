"""The language model in 8 or 4 bits through bitsandbytes, an extra that is imported only here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig, PretrainedConfig

from uhrbat.errors import CheckpointError


def prepare(layers: nn.Module, bits: int, dtype: torch.dtype) -> Callable[[nn.Module, str, Tensor, torch.device], bool]:
    """Replace the linear maps of meta-device layers by quantised ones; returns what lays their weights in.

    8 bits: LLM.int8 (Dettmers et al. 2022); 4 bits: NormalFloat4 (QLoRA, 2023). Norms, embeddings and the vision tower
    keep `dtype`. CheckpointError where bitsandbytes is not installed or bits is neither.
    """
    check(bits)
    import bitsandbytes

    new = bitsandbytes.nn
    made = new.Linear4bit if bits == 4 else new.Linear8bitLt
    options = {"compute_dtype": dtype, "quant_type": "nf4"} if bits == 4 else {"has_fp16_weights": False}
    for module in list(layers.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                with torch.device("meta"):
                    linear = made(child.in_features, child.out_features, child.bias is not None, **options)
                setattr(module, name, linear)

    def lay(module: nn.Module, leaf: str, value: Tensor, device: torch.device) -> bool:
        if leaf != "weight" or not isinstance(module, made):
            return False
        if bits == 4:
            weight = new.Params4bit(value, requires_grad=False, quant_type="nf4", module=module)
        else:
            weight = new.Int8Params(value, requires_grad=False, has_fp16_weights=False)
        module.weight = weight.to(device)
        return True

    return lay


def check(bits: int) -> None:
    """CheckpointError where bitsandbytes is not installed, or bits is neither 4 nor 8."""
    if bits not in (4, 8):
        raise CheckpointError(f"a model can be loaded in 4 or 8 bits, not in {bits}")
    try:
        import bitsandbytes  # noqa: F401 (whether it can be)
    except ImportError as error:
        raise CheckpointError("4 and 8 bits need bitsandbytes: pip install bitsandbytes") from error


def quantisation(config: PretrainedConfig, bits: int, dtype: torch.dtype) -> BitsAndBytesConfig:
    """As `prepare`, for a model that transformers itself loads: how it quantises the language model's layers alone."""
    whole = kept_whole(config)
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=whole)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, llm_int8_skip_modules=whole
    )


def kept_whole(config: PretrainedConfig) -> list[str]:
    """Names of the linear maps of a vision-language model outside the layers of its language model."""
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config)
    inside = {id(module) for module in model.get_decoder().layers.modules()}
    return [name for name, module in model.named_modules() if type(module) is nn.Linear and id(module) not in inside]


def is_quantised(network: nn.Module) -> bool:
    """Whether a network holds quantised linear maps."""
    return any(type(module).__module__.startswith("bitsandbytes") for module in network.modules())
