"""Writes tests/golden, the part of the released code's outputs that lies in the repository, from the whole of them:

    python -m tools.golden_subset [--whole ../shared/data/golden]

What is left out is large or checked by what stays: most scale residuals (two of 32 channels are kept), most embeddings
(one of `EVERY`), some selection cases and one whole run. Of the preprocessed pictures only the pixels are kept that a
tile's corner depends on, and one whole tile; the rest is black.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.support.golden import HERE, WHOLE

EVERY = 36
CHANNELS = 2
KMEANS = (
    "basic",
    "k1",
    "mlp",
    "empty_clusters_duplicates",
    "budget_zero_first_scale",
    "constant_attention_exact",
    "bf16",
)
SAM = ("basic", "all_background", "negative_labels_dropped", "no_mask_topk", "budget_zero_first", "bf16")
RUN_FIELDS = (
    "name", "seed_before_generate", "topk", "question", "enable_scale_pos_residual", "mask", "generated_ids",
    "input_ids_passed_to_generate", "selected_indices", "infer_result",
)  # fmt: skip
WHOLE_TILE = ("img_512x512", 1008, 0)


def starts(tensors: dict, *names: str) -> dict:
    return {key: value for key, value in tensors.items() if key.startswith(names)}


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


def model(whole: Path, out: Path) -> None:
    shutil.copytree(
        whole / "model/ckpt", out / "model/ckpt", ignore=shutil.ignore_patterns("model*"), copy_function=shutil.copyfile
    )
    (out / "model/tiny_clip").mkdir(parents=True)
    shutil.copyfile(whole / "model/tiny_clip/config.json", out / "model/tiny_clip/config.json")
    weights: dict[str, torch.Tensor] = {}
    for path in sorted((whole / "model/ckpt").glob("*.safetensors")):
        weights |= load_file(path)
    residuals = {
        name: weights.pop(name)[..., :CHANNELS].contiguous() for name in list(starts(weights, "model.scale_pos"))
    }
    for name, value in starts(weights, "model.vision_tower.").items():
        weights[name] = value.half()  # the released loader had made them so
        assert torch.equal(weights[name].float(), value)
    save_file(weights, out / "model/ckpt/model.safetensors", metadata={"format": "pt"})
    save_file(residuals, out / "model/residual_channels.safetensors")


def preprocess(whole: Path, out: Path) -> None:
    described = json.loads((whole / "preprocess/preprocess.json").read_text())
    stored = np.load(whole / "preprocess/preprocess.npz")
    write_json(out / "preprocess/preprocess.json", described)
    kept: dict[str, np.ndarray] = {}
    masks: dict[str, np.ndarray] = {}
    for case in sorted(key.removesuffix(".coords") for key in stored.files if key.endswith(".coords")):
        name, size = case.split(".")
        width, height = described["images"][name]["size_wh"]
        mask = masks.setdefault(name, np.zeros((height, width), bool))
        step = max(width, height) / int(size)
        left, top = (max(width, height) - width) / 2, (max(width, height) - height) / 2
        whole_tiles = [WHOLE_TILE[2]] if (name, int(size)) == WHOLE_TILE[:2] else []
        for tile in range(len(stored[f"{case}.coords"])):
            row, col = divmod(tile, int(len(stored[f"{case}.coords"]) ** 0.5))
            side, margin = (336 if tile in whole_tiles else 8) * step, 3 * max(1, step) + 2
            y, x = 336 * row * step - top, 336 * col * step - left
            ys, xs = ([max(0, int(at - margin)), max(0, int(at + side + margin))] for at in (y, x))
            mask[ys[0] : ys[1], xs[0] : xs[1]] = True
        kept |= {f"{case}.{part}": stored[f"{case}.{part}"] for part in ("coords", "corner8")}
        kept[f"{case}.whole"] = np.array(whole_tiles, np.int64)
        kept |= {f"{case}.{part}": stored[f"{case}.{part}"][whole_tiles] for part in ("pooled24", "mean", "std")}
    for name, mask in masks.items():
        pixels = np.array(Image.open(whole / f"preprocess/{name}.png"))
        pixels[~mask] = 0
        Image.fromarray(pixels).save(out / f"preprocess/{name}.png", optimize=True)
    np.savez_compressed(out / "preprocess/preprocess.npz", allow_pickle=False, **kept)


def attention(whole: Path, out: Path) -> None:
    tensors = load_file(whole / "attention/attention.safetensors")
    described = json.loads((whole / "attention/attention.json").read_text())
    names = ("a_base672",)
    fields = ("name", "base_size", "input_ids", "attention_mask")
    cases = [{f: case[f] for f in fields} for case in described["cases"] if case["name"] in names]
    write_json(
        out / "attention/attention.json",
        {"versions": described["versions"], "every": EVERY, "channels": CHANNELS, "cases": cases},
    )
    kept = {key: value for key, value in starts(tensors, *names).items() if "/attn." in key}
    for key, value in starts(tensors, "embeds_noresidual").items():
        kept[key] = value.flatten(0, 1)[::EVERY].contiguous()
    for key, value in starts(tensors, "residual_resized").items():
        kept[key] = value if key.endswith(".672") else value[:, :CHANNELS].contiguous()
    save_file(kept, out / "attention/attention.safetensors")


def selections(whole: Path, out: Path) -> None:
    for kind, names in (("select_kmeans", KMEANS), ("select_sam", SAM)):
        described = json.loads((whole / kind / f"{kind}.json").read_text())
        described["cases"] = [case for case in described["cases"] if case["name"] in names]
        assert len(described["cases"]) == len(names)
        write_json(out / kind / f"{kind}.json", described)
        tensors = load_file(whole / kind / f"{kind}.safetensors")
        save_file(starts(tensors, *(f"{name}/" for name in names)), out / kind / f"{kind}.safetensors")


def runs(whole: Path, out: Path) -> None:
    parts = {
        "km_default": ("attn.", "labels.", "inputs_", "selected_", "step_"),
        "sam_mask": ("inputs_", "selected_", "step_"),
    }
    for kind, name in (("e2e_kmeans", "km_default"), ("e2e_sam", "sam_mask")):
        described = json.loads((whole / f"e2e/{kind}.json").read_text())
        run = next(run for run in described["runs"] if run["name"] == name)
        run = {field: run[field] for field in RUN_FIELDS}
        run["infer_result"] = {"answer": run["infer_result"]["answer"]}
        kept = {"versions": described["versions"], "runs": [run]}
        tensors = load_file(whole / f"e2e/{kind}.safetensors")
        chosen = starts(tensors, *(f"{name}/{part}" for part in parts[name]))
        chosen = {key: value.to(torch.int16) if "labels" in key else value for key, value in chosen.items()}
        if kind == "e2e_kmeans":
            kept |= {"prompt_variants": described["prompt_variants"], "train_forward": described["train_forward"][:1]}
            chosen |= starts(tensors, "train_forward.residual_False")
        write_json(out / f"e2e/{kind}.json", kept)
        save_file(chosen, out / f"e2e/{kind}.safetensors")
    Image.open(whole / "e2e/img_333x900.png").save(out / "e2e/img_333x900.webp", lossless=True, quality=100, method=6)
    shutil.copyfile(whole / "e2e/mask_333x900.npz", out / "e2e/mask_333x900.npz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--whole", type=Path, default=WHOLE, help="the folder of all golden outputs")
    options = parser.parse_args()
    for part in ("model", "preprocess", "attention", "select_kmeans", "select_sam", "e2e"):
        shutil.rmtree(HERE / part, ignore_errors=True)
        (HERE / part).mkdir(parents=True)
    for write in (model, preprocess, attention, selections, runs):
        write(options.whole, HERE)
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB in {HERE}")


if __name__ == "__main__":
    main()
