"""The selection goldens of the released code, read for the tests of `ranking` and `regions`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SHARED = Path(os.environ.get("UHRBAT_SHARED") or Path(__file__).resolve().parents[2] / "shared")


@dataclass(frozen=True)
class Case:
    """One stored case: its JSON entry and its tensors, by name without the case."""

    entry: dict
    tensors: dict

    def __str__(self):
        return self.entry["name"]

    @property
    def scales(self):
        """(size, budget) of each scale that was processed, in order."""
        pairs = zip(self.entry["target_sizes"], self.entry["topk"], strict=True)
        return [(size, budget) for size, budget in pairs if f"attn.{size}" in self.tensors]

    def emitted(self, size):
        """What the released code emitted for a scale, as dicts with pos, score and perhaps aggregated."""
        for part in self.entry["selected_indices"][0]:
            if part["scale"] == size:
                return part["tokens"]
        return []

    def embeddings(self, size):
        """float[N, d]: the tokens from which the scale's selection was made, residual added."""
        embeddings = self.tensors[f"embeds.{size}"]
        if f"residual.{size}" in self.tensors:
            embeddings = embeddings + self.tensors[f"residual.{size}"].to(embeddings.dtype)
        return embeddings.flatten(0, 1)


def cases(name):
    """pytest parameters, one a case of `select_kmeans` or `select_sam`; a skipped one where absent."""
    folder = SHARED / "data" / "golden" / name
    if not folder.is_dir():
        reason = f"no golden outputs at {folder} (set UHRBAT_SHARED)"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    tensors = load_file(folder / f"{name}.safetensors")
    entries = json.loads((folder / f"{name}.json").read_text())["cases"]
    return [
        pytest.param(
            Case(
                entry,
                {k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith(entry["name"] + "/")},
            ),
            id=entry["name"],
        )
        for entry in entries
    ]


def through_mlp(case, tokens):
    """The token MLP of a case (Linear, exact GELU, Linear), or nothing where it has none."""
    if "mlp.0.weight" not in case.tensors:
        return tokens
    linear, t = torch.nn.functional.linear, case.tensors
    return linear(
        torch.nn.functional.gelu(linear(tokens, t["mlp.0.weight"], t["mlp.0.bias"])),
        t["mlp.2.weight"],
        t["mlp.2.bias"],
    )
