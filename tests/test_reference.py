"""The released checkpoint's way from image to answer, against outputs of its own code (shared golden outputs)."""

import json
import shutil
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.support.golden import SHARED
from uhrbat.checkpoints.layouts import published_name
from uhrbat.engine import UHRBAT
from uhrbat.imagery import canvas_of
from uhrbat.network.text import clean_question
from uhrbat.selection import importance
from uhrbat.settings import Settings

GOLDEN = SHARED / "data" / "golden"
SCALES = (336, 672, 1008)
RUNS = [("e2e_kmeans", "km_default"), ("e2e_kmeans", "km_residual_on"), ("e2e_sam", "sam_mask")]

pytestmark = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"no golden outputs at {GOLDEN} (set UHRBAT_SHARED to their folder)"
)


@cache
def tensors(name):
    return load_file(GOLDEN / f"{name}.safetensors")


@cache
def told(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def engine():
    return UHRBAT.from_pretrained(str(GOLDEN / "model/ckpt"), device="cpu")


@pytest.fixture(scope="module")
def engine_with_residuals(tmp_path_factory):
    """The same checkpoint with the flag that its training scripts set."""
    folder = tmp_path_factory.mktemp("flag") / "ckpt"
    shutil.copytree(GOLDEN / "model/ckpt", folder, copy_function=shutil.copyfile)
    (folder.parent / "tiny_clip").symlink_to(GOLDEN / "model/tiny_clip")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"enable_scale_pos_residual": True}))
    return UHRBAT.from_pretrained(str(folder), device="cpu")


@pytest.fixture(scope="module")
def canvas():
    return canvas_of(Image.open(GOLDEN / "e2e/img_333x900.png"))


@pytest.fixture(scope="module")
def scene(engine, canvas):
    return engine.encode_canvas(canvas)


def largest(ours, theirs):
    return (ours.double() - theirs.double()).abs().max().item()


def test_every_stored_weight_is_loaded(engine):
    stored = tensors("model/weights_fp32")
    ours = {published_name(name): value for name, value in engine.network.state_dict().items()}
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


def test_released_settings_are_the_default(engine, engine_with_residuals):
    assert engine.scales == SCALES
    assert engine.network.profile.name == "reference-no-residual"
    assert engine_with_residuals.network.profile.name == "reference"
    assert engine.settings == Settings(importance="attention", order="mean")


@pytest.mark.parametrize("size", SCALES)
def test_embeddings(scene, size):
    theirs = tensors("attention/attention")[f"embeds_noresidual/img_333x900.{size}"].flatten(0, 1)
    assert largest(scene.embeddings[size], theirs) < 1e-5


@pytest.mark.parametrize("size", SCALES)
def test_residuals_are_squeezed_into_every_tile(engine, size):
    ours = engine.network.residual(size).detach().unflatten(0, (-1, 576))
    assert largest(ours, tensors("attention/attention")[f"residual_resized.{size}"].expand_as(ours)) < 1e-6


@pytest.mark.parametrize("case", ["a_base672", "c_base336", "e_right_padding_masked"])
def test_attention_importance(engine, scene, case, monkeypatch):
    entry = next(entry for entry in told("attention/attention")["cases"] if entry["name"] == case)
    prompt = engine.codec.prompt("What is in the red region?")
    ids = [*prompt.before, -200, *prompt.after]
    assert ids == [id_ for id_, seen in zip(entry["input_ids"], entry["attention_mask"], strict=True) if seen]
    base = entry["base_size"] or 672
    monkeypatch.setattr(engine.network.config, "attention_scale", base)
    scores = importance.attention(engine.network, scene.coarse(base), prompt, SCALES)
    for size in SCALES:
        assert largest(scores[size], tensors("attention/attention")[f"{case}/attn.{size}"].flatten()) < 1e-6


@pytest.mark.parametrize("index", range(4))
def test_prompts(engine, index):
    """Where theirs keep the blank line or the gap that a removed <image> leaves, ours do not."""
    variant = told("e2e/e2e_kmeans")["prompt_variants"][index]
    prompt = engine.codec.prompt(clean_question(variant["question"]))
    text = variant["prompt"].replace("\n\nleading", "\nleading").replace("before  tail", "before tail")
    parts = [engine.codec.tokenizer.decode(ids) for ids in (prompt.before, prompt.after)]
    assert "<image>".join(parts) == text
    if text == variant["prompt"]:
        assert [*prompt.before, -200, *prompt.after] == variant["ids"]


def golden_run(file, name):
    """A whole run of the released code: what was asked of it, and its tensors by name."""
    run = next(run for run in told(f"e2e/{file}")["runs"] if run["name"] == name)
    return run, {key.split("/")[1]: value for key, value in tensors(f"e2e/{file}").items() if key.startswith(name)}


def asked_again(scene, run):
    """The view and the selection of a golden run's question and budgets, on our side."""
    budgets = tuple(map(int, run["topk"].split(",")))
    settings = Settings(importance="attention", order="mean", clusters=budgets, release=True)
    if run["mask"]:
        scene.use_masks(np.load(GOLDEN / "e2e/mask_333x900.npz")["label"])
        settings = Settings(importance="attention", order="mean", regions="sam", release=True)
    torch.manual_seed(run["seed_before_generate"])
    view = scene.ask(run["question"], settings)
    return view, view.select(budgets)


@pytest.mark.parametrize(("file", "name"), RUNS)
def test_whole_runs(engine, engine_with_residuals, canvas, file, name):
    run, theirs = golden_run(file, name)
    model = engine_with_residuals if run["enable_scale_pos_residual"] else engine
    view, selected = asked_again(model.encode_canvas(canvas), run)

    for size in SCALES:
        assert largest(view.importance[size], theirs[f"attn.{size}"].flatten()) < 1e-6
        if f"labels.{size}" in theirs:
            assert torch.equal(view.regions[size], theirs[f"labels.{size}"].long())
        emitted = next(part for part in run["selected_indices"][0] if part["scale"] == size)["tokens"]
        assert [group.tolist() for group in selected.selections[size].groups] == [t["pos"] for t in emitted]

    prompt = model.codec.prompt(run["question"], release=True)
    assert [*prompt.before, -200, *prompt.after] == run["input_ids_passed_to_generate"]
    before, after = torch.tensor(prompt.before), torch.tensor(prompt.after)
    image = selected.image_tokens()
    assert largest(image, theirs["selected_embeddings"]) < 1e-5
    embed = model.network.language.model.embed_tokens
    assert largest(torch.cat([embed(before), image, embed(after)]), theirs["inputs_embeds"]) < 1e-5

    logits = []
    hook = model.network.language.lm_head.register_forward_hook(lambda *args: logits.append(args[2][0].clone()))
    ids, _ = model.network.generate(before, image, after, model.codec.stop, 8, not_first=model.codec.end)
    hook.remove()
    assert ids == run["generated_ids"]
    theirs["step_logits"][0, model.codec.end] = logits[0][model.codec.end]  # -inf there: it may not come first
    assert largest(torch.stack(logits[:8]), theirs["step_logits"]) < 1e-4
    assert selected.answer(max_new_tokens=8) == run["infer_result"]["answer"].strip()


def test_without_the_named_setting_chat_markers_stay_and_two_runs_are_equal(engine, scene):
    prompt, released = (engine.codec.prompt("Where?", release) for release in (False, True))
    marker = engine.codec.tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert marker in prompt.after and marker not in released.after
    settings = Settings(importance="attention", order="mean", clusters=20)
    first = scene.ask("Where?", settings).regions
    scene._regions.clear()
    scene._views.clear()
    again = scene.ask("Where?", settings).regions
    assert all(torch.equal(first[size], again[size]) for size in SCALES)


def test_padding_takes_part_as_in_training(engine, scene):
    assert scene.square.padding(672).any()
    assert not scene.excluded[672].any()
