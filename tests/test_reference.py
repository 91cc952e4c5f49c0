"""The released checkpoint's way from image to answer, against outputs of its own code."""

from functools import cache

import pytest
import torch
from safetensors.torch import load_file

from tests.support.golden import FOLDERS, SCALES, each, largest, marks
from uhrbat.checkpoints.layouts import published_name
from uhrbat.engine import UHRBAT
from uhrbat.network.decoder import Decoder, DecoderInput
from uhrbat.network.text import clean_question
from uhrbat.selection import importance
from uhrbat.settings import Settings

pytestmark = pytest.mark.golden


@pytest.fixture(scope="session")
def engine_of(tmp_path_factory):
    """The engine of golden outputs, with the flag that the training scripts set or without."""

    @cache
    def load(golden, residuals=False):
        folder = golden.checkpoint(tmp_path_factory.mktemp("released"), residuals)
        return UHRBAT.from_pretrained(str(folder), device="cpu")

    return load


@pytest.fixture(scope="session")
def encoded_of(engine_of):
    """Their picture, encoded."""
    return cache(lambda golden: engine_of(golden).encode_canvas(golden.canvas()))


@pytest.fixture(
    params=[pytest.param(golden, id=str(golden), marks=marks(golden)) for golden in FOLDERS], scope="module"
)
def golden(request):
    return request.param


@pytest.fixture
def engine(golden, engine_of):
    return engine_of(golden)


@pytest.fixture
def encoded(golden, encoded_of):
    return encoded_of(golden)


def test_every_stored_weight_is_loaded(golden, engine, tmp_path):
    stored = {}
    for path in golden.checkpoint(tmp_path).glob("*.safetensors"):
        stored |= load_file(path)
    ours = {published_name(name): value for name, value in engine.network.state_dict().items()}
    stored = {name if name in ours else f"model.{name}": value for name, value in stored.items()}
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name].float()) for name in stored)


def test_released_settings_are_the_default(golden, engine, engine_of):
    assert engine.scales == SCALES
    assert engine.network.profile.name == "reference-no-residual"
    assert engine_of(golden, residuals=True).network.profile.name == "reference"
    assert engine.settings == Settings(importance="attention", order="mean")


@pytest.mark.parametrize("size", SCALES)
def test_embeddings(golden, encoded, size):
    theirs = golden.tensors("attention/attention")[f"embeds_noresidual/img_333x900.{size}"].reshape(-1, 32)
    every = golden.described("attention/attention").get("every", 1)
    assert largest(encoded.embeddings[size][::every], theirs) < 1e-5


@pytest.mark.parametrize("size", SCALES)
def test_residuals_are_squeezed_into_every_tile(golden, engine, size):
    ours = engine.network.residual(size).detach().unflatten(0, (-1, 576))
    theirs = golden.tensors("attention/attention")[f"residual_resized.{size}"]
    ours = ours[..., : theirs.shape[-1]]
    assert largest(ours, theirs.expand_as(ours)) < 1e-6


@pytest.mark.parametrize(("golden", "case"), each("attention_cases"))
def test_attention_importance(golden, engine_of, encoded_of, case, monkeypatch):
    engine, encoded = engine_of(golden), encoded_of(golden)
    entry = next(entry for entry in golden.described("attention/attention")["cases"] if entry["name"] == case)
    prompt = engine.codec.prompt("What is in the red region?")
    ids = [*prompt.before, -200, *prompt.after]
    assert ids == [id_ for id_, seen in zip(entry["input_ids"], entry["attention_mask"], strict=True) if seen]
    base = entry["base_size"] or 672
    monkeypatch.setattr(engine.network.config, "attention_scale", base)
    scores = importance.attention(engine.network, encoded.coarse(base), prompt, SCALES)
    for size in SCALES:
        assert largest(scores[size], golden.tensors("attention/attention")[f"{case}/attn.{size}"].flatten()) < 1e-6


@pytest.mark.parametrize("index", range(4))
def test_prompts(golden, engine, index):
    """Where theirs keep the blank line or the gap that a removed <image> leaves, ours do not."""
    variant = golden.described("e2e/e2e_kmeans")["prompt_variants"][index]
    prompt = engine.codec.prompt(clean_question(variant["question"]))
    text = variant["prompt"].replace("\n\nleading", "\nleading").replace("before  tail", "before tail")
    parts = [engine.codec.tokenizer.decode(ids) for ids in (prompt.before, prompt.after)]
    assert "<image>".join(parts) == text
    if text == variant["prompt"]:
        assert [*prompt.before, -200, *prompt.after] == variant["ids"]


@pytest.mark.parametrize(("golden", "file", "name"), each("runs"))
def test_whole_runs(golden, engine_of, file, name):
    run, theirs = golden.run(file, name)
    model = engine_of(golden, residuals=run["enable_scale_pos_residual"])
    question, selected = golden.asked_again(model.encode_canvas(golden.canvas()), run)

    for size in SCALES:
        if f"attn.{size}" in theirs:
            assert largest(question.importance[size], theirs[f"attn.{size}"].flatten()) < 1e-6
        if f"labels.{size}" in theirs:
            assert torch.equal(question.regions[size], theirs[f"labels.{size}"].long())
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
    decoder = Decoder(model.network, model.codec.stop, 8, not_first=model.codec.end)
    (decoded,) = decoder.decode([DecoderInput(prompt, image)])
    hook.remove()
    assert decoded.ids == run["generated_ids"]
    expected = theirs["step_logits"].clone()
    expected[0, model.codec.end] = logits[0][model.codec.end]  # -inf there: it may not come first
    assert largest(torch.stack(logits[:8]), expected) < 1e-4
    assert selected.answer(max_new_tokens=8).text == run["infer_result"]["answer"].strip()


def test_without_the_named_setting_chat_markers_stay_and_two_runs_are_equal(engine, encoded):
    prompt, released = (engine.codec.prompt("Where?", release) for release in (False, True))
    marker = engine.codec.tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert marker in prompt.after and marker not in released.after
    settings = Settings(importance="attention", order="mean", clusters=20)
    first = encoded.ask("Where?", settings).regions
    encoded._regions.clear()
    encoded._questions.clear()
    again = encoded.ask("Where?", settings).regions
    assert all(torch.equal(first[size], again[size]) for size in SCALES)


def test_padding_takes_part_as_in_training(engine, encoded):
    assert encoded.square.padding(672).any()
    assert not encoded.excluded[672].any()
