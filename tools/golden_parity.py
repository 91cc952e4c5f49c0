"""The largest difference from the released code's outputs, per case and quantity, as a table.

    python -m tools.golden_parity [FOLDER]

FOLDER: tests/golden, or ../shared/data/golden, which is the default where it is. Order is counted: emitted positions
that are not where the released code has them. The same cases are tests in test_reference.py, test_ranking.py,
test_regions.py and imagery/test_preprocess.py.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from tests.support.golden import FOLDERS, SCALES, Golden, largest
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.imagery import Canvas, read_canvas, scale_image, tiles
from uhrbat.network.config import PROFILES, Profile
from uhrbat.network.decoder import Decoder, DecoderInput
from uhrbat.selection import importance
from uhrbat.selection.regions import kmeans


def row(case: str, quantity: str, difference: float) -> None:
    print(f"| {case} | {quantity} | {difference:.2g} |", flush=True)


def other_places(ours: list, theirs: list) -> int:
    """How many emitted tokens are not the released code's at that place."""
    return abs(len(ours) - len(theirs)) + sum(a != b for a, b in zip(ours, theirs))


def preprocess(golden: Golden) -> None:
    folder = golden.folder / "preprocess"
    processor = json.loads((folder / "preprocess.json").read_text())["processor"]
    stored = np.load(folder / "preprocess.npz")
    for image, size in golden.preprocessed:
        key = f"{image}.{size}"
        count = len(stored[f"{key}.coords"])
        square = scale_image(read_canvas(folder / f"{image}.png"), size)
        batch = tiles(square, processor["image_mean"], processor["image_std"], range(count))
        row(f"preprocess {key}", "corner pixels", np.abs(batch[:, :, :8, :8] - stored[f"{key}.corner8"]).max())
        whole = batch[stored[f"{key}.whole"] if f"{key}.whole" in stored.files else range(count)]
        if len(whole):
            row(f"preprocess {key}", "tile means", np.abs(whole.mean(axis=(2, 3)) - stored[f"{key}.mean"]).max())


def attention(golden: Golden, engine: UHRBAT, scene: EncodedImage) -> None:
    stored, described = golden.tensors("attention/attention"), golden.described("attention/attention")
    for size in SCALES:
        theirs = stored[f"embeds_noresidual/img_333x900.{size}"].reshape(-1, 32)
        ours = scene.embeddings[size][:: described.get("every", 1)]
        row(f"img_333x900 scale {size}", "embeddings", largest(ours, theirs))
    prompt = engine.codec.prompt("What is in the red region?")
    for case in described["cases"]:
        name, base = case["name"], case["base_size"] or 672
        engine.network.config.attention_scale = base
        scores = importance.attention(engine.network, scene.coarse(base), prompt, SCALES)
        differences = [largest(scores[size], stored[f"{name}/attn.{size}"].flatten()) for size in SCALES]
        row(f"attention {name}", "importance", max(differences))
    engine.network.config.attention_scale = 672


def selections(golden: Golden) -> None:
    for kind in ("select_kmeans", "select_sam"):
        for case in golden.cases(kind):
            pooled, places, labels = [], 0, 0
            for size, budget in case.scales:
                if f"init_idx.{size}" in case.tensors:
                    run, init = case.entry["kmeans"][str(size)], case.tensors[f"init_idx.{size}"]
                    ours = kmeans(case.tensors[f"features.{size}"], run["num_clusters"], run["iters"], init=init)
                    labels += int((ours != case.tensors[f"labels.{size}"]).sum())
                if budget:
                    selection = case.ranking(size).select(budget)
                    theirs = [token["pos"] for token in case.emitted(size)]
                    places += other_places([group.tolist() for group in selection.groups], theirs)
                    pooled.append(selection.pool(case.embeddings(size)))
            if kind == "select_kmeans":
                row(f"{kind} {case}", "cluster labels", labels)
            row(f"{kind} {case}", "positions and order", places)
            selected = case.through_mlp(torch.cat(pooled))
            row(f"{kind} {case}", "selected embeddings", largest(selected, case.tensors["selected"]))


@torch.inference_mode()
def whole_run(
    golden: Golden, engine: UHRBAT, canvas: Canvas, file: str, name: str, profiles: dict[bool, Profile]
) -> None:
    run, theirs = golden.run(file, name)
    engine.network.profile = profiles[run["enable_scale_pos_residual"]]
    view, selected = golden.asked_again(engine.encode_canvas(canvas), run)
    known = [size for size in SCALES if f"attn.{size}" in theirs]
    if known:
        scores = [largest(view.importance[size], theirs[f"attn.{size}"].flatten()) for size in known]
        row(f"e2e {name}", "importance", max(scores))
    places = 0
    for part in run["selected_indices"][0]:
        ours = [group.tolist() for group in selected.selections[part["scale"]].groups]
        places += other_places(ours, [token["pos"] for token in part["tokens"]])
    row(f"e2e {name}", "positions and order", places)
    prompt = engine.codec.prompt(run["question"], release=True)
    before, after, image = torch.tensor(prompt.before), torch.tensor(prompt.after), selected.image_tokens()
    embed = engine.network.language.model.embed_tokens
    inputs = torch.cat([embed(before), image, embed(after)])
    row(f"e2e {name}", "language model inputs", largest(inputs, theirs["inputs_embeds"]))
    decoder = Decoder(engine.network, engine.codec.stop, 8, not_first=engine.codec.end)
    (decoded,) = decoder.decode([DecoderInput(prompt, image)])
    row(f"e2e {name}", "greedy ids", other_places(decoded.ids, run["generated_ids"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDERS[-1].folder, help="of golden outputs")
    golden = Golden(parser.parse_args().folder.resolve())
    print("| case | quantity | largest difference |\n| --- | --- | --- |")
    preprocess(golden)
    selections(golden)
    with tempfile.TemporaryDirectory() as folder:
        engine = UHRBAT.from_pretrained(str(golden.checkpoint(Path(folder))), device="cpu")
    canvas = golden.canvas()
    attention(golden, engine, engine.encode_canvas(canvas))
    profiles = {False: engine.network.profile, True: PROFILES["reference"]}
    for file, name in golden.runs:
        whole_run(golden, engine, canvas, file, name, profiles)


if __name__ == "__main__":
    main()
