"""Outputs of the released code on tiny random weights, and how this project is asked for the same.

A part lies in the repository (tests/golden); where ../shared is beside the checkout, or UHRBAT_SHARED names it, the
tests take the rest of the cases from there as well.
"""

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.support.shared import ROOT, SHARED
from uhrbat.imagery import Canvas, canvas_of
from uhrbat.selection.ranking import rank_tokens
from uhrbat.settings import Settings

HERE = ROOT / "tests" / "golden"
WHOLE = SHARED / "data" / "golden"
SCALES = (336, 672, 1008)


@dataclass(frozen=True)
class Case:
    """One stored selection: its JSON entry and its tensors, by name without the case."""

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

    def ranking(self, size):
        """Our ranking of the case's tokens at a scale."""
        importance = self.tensors[f"attn.{size}"].flatten()
        if f"labels.{size}" in self.tensors:
            return rank_tokens(importance, self.tensors[f"labels.{size}"])
        masks = self.tensors.get(f"mask.{size}", torch.zeros(importance.numel(), dtype=torch.int64))
        return rank_tokens(importance, masks.flatten(), background=0)

    def through_mlp(self, tokens):
        """The token MLP of the case (Linear, exact GELU, Linear), or nothing where it has none."""
        if "mlp.0.weight" not in self.tensors:
            return tokens
        linear, t = torch.nn.functional.linear, self.tensors
        hidden = torch.nn.functional.gelu(linear(tokens, t["mlp.0.weight"], t["mlp.0.bias"]))
        return linear(hidden, t["mlp.2.weight"], t["mlp.2.bias"])


class Golden:
    """A folder of golden outputs: the one in the repository, or the whole."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._read: dict = {}

    def __str__(self):
        return "subset" if self.folder == HERE else "whole"

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of a file, named without its suffix."""
        if ("tensors", name) not in self._read:
            self._read["tensors", name] = load_file(self.folder / f"{name}.safetensors")
        return self._read["tensors", name]

    def described(self, name: str) -> dict:
        """The JSON file of that name."""
        if ("json", name) not in self._read:
            self._read["json", name] = json.loads((self.folder / f"{name}.json").read_text())
        return self._read["json", name]

    def cases(self, kind: str) -> list[Case]:
        """The cases of `select_kmeans` or `select_sam`."""
        stored, entries = self.tensors(f"{kind}/{kind}"), self.described(f"{kind}/{kind}")["cases"]
        return [
            Case(entry, {k.split("/", 1)[1]: v for k, v in stored.items() if k.startswith(entry["name"] + "/")})
            for entry in entries
        ]

    @cached_property
    def preprocessed(self) -> list[tuple[str, int]]:
        """(image, scale) of each picture cut into tiles."""
        keys = [key for key in np.load(self.folder / "preprocess/preprocess.npz").files if key.endswith(".coords")]
        return [(name, int(size)) for name, size, _ in (key.split(".") for key in keys)]

    @cached_property
    def runs(self) -> list[tuple[str, str]]:
        """(file, name) of each whole run."""
        known = [("e2e_kmeans", "km_default"), ("e2e_kmeans", "km_residual_on"), ("e2e_sam", "sam_mask")]
        return [run for run in known if any(r["name"] == run[1] for r in self.described(f"e2e/{run[0]}")["runs"])]

    @cached_property
    def trained(self) -> list[int]:
        """Indices of the training steps."""
        return list(range(len(self.described("e2e/e2e_kmeans")["train_forward"])))

    @cached_property
    def attention_cases(self) -> list[str]:
        return [case["name"] for case in self.described("attention/attention")["cases"]]

    def canvas(self) -> Canvas:
        """The picture of the whole runs."""
        return canvas_of(Image.open(next((self.folder / "e2e").glob("img_333x900.*"))))

    def checkpoint(self, folder: Path, residuals: bool = False) -> Path:
        """Copy the released checkpoint into a folder; `residuals`: with the flag that its training scripts set.

        Of the scale residuals the repository has the first channels. The others are zero, or, at 672 pixels, where the
        attention pass adds them, of values that are squeezed into what the released code has after squeezing."""
        shutil.copytree(self.folder / "model/ckpt", folder / "ckpt", copy_function=shutil.copyfile)
        shutil.copytree(self.folder / "model/tiny_clip", folder / "tiny_clip", copy_function=shutil.copyfile)
        config = json.loads((folder / "ckpt/config.json").read_text())
        (folder / "ckpt/config.json").write_text(json.dumps(config | {"enable_scale_pos_residual": residuals}))
        some = self.folder / "model/residual_channels.safetensors"
        if some.is_file():
            weights = load_file(folder / "ckpt/model.safetensors")
            for name, value in load_file(some).items():
                missing = config["hidden_size"] - value.shape[-1]
                weights[name] = torch.nn.functional.pad(value, (0, missing))
            squeezed = self.tensors("attention/attention")["residual_resized.672"].reshape(24, 1, 24, 1, -1)
            laid = squeezed.expand(24, 2, 24, 2, -1).reshape(1, 48 * 48, -1)  # the mean of four equals is each of them
            channels = value.shape[-1]
            weights["model.scale_pos_residuals.672"][..., channels:] = laid[..., channels:]
            save_file(weights, folder / "ckpt/model.safetensors", metadata={"format": "pt"})
        return folder / "ckpt"

    def run(self, file: str, name: str) -> tuple[dict, dict[str, torch.Tensor]]:
        """A whole run of the released code: what was asked of it, and its tensors by name."""
        run = next(run for run in self.described(f"e2e/{file}")["runs"] if run["name"] == name)
        stored = self.tensors(f"e2e/{file}")
        return run, {key.split("/")[1]: value for key, value in stored.items() if key.startswith(f"{name}/")}

    def asked_again(self, scene, run: dict):
        """The view and the selection of a run's question and budgets, on our side."""
        budgets = tuple(map(int, run["topk"].split(",")))
        settings = Settings(importance="attention", order="mean", clusters=budgets, release=True)
        if run["mask"]:
            scene.use_masks(np.load(self.folder / "e2e/mask_333x900.npz")["label"])
            settings = Settings(importance="attention", order="mean", regions="sam", release=True)
        torch.manual_seed(run["seed_before_generate"])
        view = scene.ask(run["question"], settings)
        return view, view.select(budgets)


SUBSET = Golden(HERE)
FOLDERS = [SUBSET, *([Golden(WHOLE)] if WHOLE.is_dir() else [])]
"""What there is, the repository's part first."""


def cases(kind: str):
    """pytest parameters, one for each case of `select_kmeans` or `select_sam`, from wherever there are any."""
    found = {str(case): case for golden in reversed(FOLDERS) for case in golden.cases(kind)}
    return [pytest.param(case, id=name, marks=pytest.mark.golden) for name, case in found.items()]


def marks(golden: Golden) -> list:
    """The whole takes longer than the repository's part, which says nearly as much."""
    return [pytest.mark.golden, *([] if golden is SUBSET else [pytest.mark.slow])]


def each(name: str):
    """pytest parameters (golden, *values) of each value of an attribute of Golden, from wherever there are any."""
    found = []
    for golden in FOLDERS:
        for value in getattr(golden, name):
            values = value if isinstance(value, tuple) else (value,)
            label = "-".join(map(str, (golden, *values)))
            found.append(pytest.param(golden, *values, id=label, marks=marks(golden)))
    return found


def largest(ours, theirs) -> float:
    """The largest absolute difference."""
    return (ours.double() - theirs.double()).abs().max().item()
