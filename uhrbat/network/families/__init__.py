"""Families of vision-language models that are used as they are, over transformers' own code: what differs between them.

`FAMILIES` lists the adapters; docs/families.md says how to add one.
"""

from __future__ import annotations

from uhrbat.network.families.family import Family
from uhrbat.network.families.gemma import Gemma3
from uhrbat.network.families.idefics import Idefics3
from uhrbat.network.families.internvl import InternVL
from uhrbat.network.families.llava import Llava
from uhrbat.network.families.onevision import LlavaOnevision
from uhrbat.network.families.qwen import Qwen2VL, Qwen3VL

FAMILIES: tuple[Family, ...] = (Qwen2VL(), Qwen3VL(), InternVL(), Idefics3(), Gemma3(), Llava(), LlavaOnevision())


def family_of(model_type: str | None) -> Family | None:
    """The family of a config.json's `model_type`; None where it is of none."""
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def known_types() -> tuple[str, ...]:
    """Every `model_type` that belongs to a family."""
    return tuple(kind for family in FAMILIES for kind in family.model_types)
