"""Each family against transformers' own forward, and with the whole engine around it."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText

from tests.support import families
from uhrbat import imagery
from uhrbat.checkpoints.layouts import CONTRAST
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError
from uhrbat.imagery import canvas_of
from uhrbat.network.decoder import DecoderInput, prefill
from uhrbat.network.families import FAMILIES, known_types
from uhrbat.network.families.network import FamilyNetwork
from uhrbat.selection import importance
from uhrbat.selection.importance import raster_places
from uhrbat.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "families.md"
QUESTION = "How many ships are there?"


def test_every_family_has_a_tiny_checkpoint():
    assert set(families.MAKERS) == set(known_types())


def test_all_tokens_of_one_tile_give_the_logits_and_the_answer_of_transformers(engine, folder):
    network, tile = engine.network, engine.tile
    pixels = np.random.default_rng(1).integers(0, 255, (tile, tile, 3), np.uint8)
    prompt = engine.codec.prompt(QUESTION)
    config = network.config
    with torch.inference_mode():
        normalised = imagery.tiles(pixels, config.image_mean, config.image_std, [0], tile)
        image = network.project(network.features(torch.as_tensor(normalised)))[0]
    scale = config.scale(tile)
    one = DecoderInput(prompt, image, places=raster_places(scale), side=scale.grid)
    with torch.inference_mode():
        ours = network.logits(prefill(network, [one]).output)[0]
    (said,) = engine.decoder(8).decode([one])

    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    onevision = model.config.model_type == "llava_onevision"
    beyond = 6 if onevision else 0  # pixels that no patch reaches
    picture = np.pad(pixels, ((0, beyond), (0, beyond), (0, 0)))
    seen = processor(Image.fromarray(picture), return_tensors="pt")
    for count in ("num_crops", "num_patches"):  # which processors alone read
        seen.pop(count, None)
    ids = torch.tensor([[*prompt.before, *[model.config.image_token_id] * len(image), *prompt.after]])
    kinds = (ids == model.config.image_token_id).int()
    said_apart = "mm_token_type_ids" if network.has_places else "token_type_ids"
    more = {said_apart: kinds} if network.has_places or network.sees_itself else {}
    if onevision:
        seen["batch_num_images"] = torch.tensor([2])  # as one of several images, which are not cut
    with torch.inference_mode():
        theirs = model(input_ids=ids, **seen, **more).logits[0, -len(prompt.after) :]
        generated = model.generate(input_ids=ids, **seen, **more, max_new_tokens=8, do_sample=False)
    rest = [id_ for id_ in generated[0, ids.shape[1] :].tolist() if id_ not in engine.codec.stop]
    assert (ours - theirs).abs().max() < 1e-4
    assert theirs.std() > 0.1 and said.ids == rest


def test_attention_importance_is_the_last_layers_in_transformers(engine, folder):
    network, tile = engine.network, engine.tile
    prompt, scale = engine.codec.prompt(QUESTION), network.config.scale(tile)
    coarse = torch.randn(scale.tokens, network.embed([0]).shape[1], generator=torch.Generator().manual_seed(2))
    before = network.config.attention_scale
    network.config.attention_scale = tile
    try:
        scores = importance.attention(network, coarse, prompt, (tile,))[tile]
    finally:
        network.config.attention_scale = before
    eager = FamilyNetwork(
        network.family,
        AutoModelForImageTextToText.from_pretrained(folder, attn_implementation="eager").eval(),
        network.config.image_mean,
        network.config.image_std,
    )
    caught = []
    hook = eager.text.layers[-1].self_attn.register_forward_hook(lambda module, args, out: caught.append(out[1]))
    with torch.inference_mode():
        prefill(eager, [DecoderInput(prompt, coarse, places=raster_places(scale), side=scale.grid)])
    hook.remove()
    start = len(prompt.before)
    theirs = caught[0][0, :, -1, start : start + scale.tokens].mean(0)
    assert theirs.std() > 1e-5 and torch.allclose(scores, theirs, rtol=1e-4, atol=1e-7)


TWINS = {"llava": "clip", "llava_onevision": "siglip"}


@pytest.fixture(scope="module", params=TWINS)
def with_twin(request, tmp_path_factory):
    """An engine whose vision tower has a text twin, and that twin as transformers has it."""
    path = tmp_path_factory.mktemp("twins")
    families.write(path / "model", request.param)
    twin = families.write_twin(path / "twin", TWINS[request.param])
    engine = UHRBAT.from_pretrained(str(path / "model"), device="cpu", similarity=str(path / "twin"))
    engine.network.config.scales = engine.scales[:1]
    return engine, twin


@torch.inference_mode()
def test_a_twin_compares_tokens_and_texts_as_it_was_trained(with_twin):
    engine, twin = with_twin
    pixels = torch.randn(1, 3, engine.tile, engine.tile, generator=torch.Generator().manual_seed(3))
    network = engine.network
    plain = network.family.tokens(network.model, pixels)
    features = network.features(pixels)
    assert torch.equal(network.project(features), plain)
    # A picture of one token: its own value is all that the last layer's attention finds, and all that is pooled.
    seen, vision = features[0, 5, plain.shape[-1] :], twin.vision_model
    last = vision.encoder.layers[-1]
    alone = vision.post_layernorm(last.self_attn(last.layer_norm1(seen[None, None]))[0])
    pooled = vision.head(alone) if hasattr(vision, "head") else twin.visual_projection(alone)[0]
    assert torch.allclose(network.similarity_vectors(features)[0, 5], F.normalize(pooled[0], dim=-1), atol=1e-5)
    words = engine.codec.text_tokenizer("a ship", padding="max_length", max_length=12, return_tensors="pt")["input_ids"]
    ids = words if hasattr(vision, "head") else words[:, : int((words != 0).sum())]
    assert engine.codec.similarity_ids("a ship", 12) == ids[0].tolist()
    theirs = twin.get_text_features(input_ids=ids).pooler_output[0]
    assert torch.allclose(engine.question_vector("a ship"), F.normalize(theirs, dim=-1), atol=1e-5)


def test_similarity_and_fused_importance_by_a_twin(with_twin):
    engine, _ = with_twin
    assert engine.settings.importance == "attention"
    scene = engine.encode_canvas(canvas_of(np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)))
    for method in ("similarity", "fused"):
        asked = scene.ask("a ship", Settings(importance=method))
        assert all(values.std() > 0 for values in asked.importance.values())
        assert asked.select(40).answer(max_new_tokens=2).tokens == 40
    nothing = scene.ask(CONTRAST[0], Settings(importance="similarity"))
    assert all(values.max() <= 0.5 + 1e-4 for values in nothing.importance.values())


def test_a_family_without_a_twin_says_so(engine, encoded):
    with pytest.raises(InputError, match="has no text tower: choose the importance 'attention'"):
        encoded.ask("a ship", Settings(importance="fused"))


def test_an_image_is_encoded_asked_selected_and_answered(engine, encoded):
    assert engine.settings.importance == "attention"
    question = encoded.ask(QUESTION)
    for size, values in question.importance.items():
        scale = engine.network.config.scale(size)
        assert len(values) == scale.tokens == len(encoded.embeddings[size]) and values.std() > 0
    small, large = question.select(40), question.select(150)
    assert small.tokens == 40 < large.tokens <= 150
    answer = large.answer(max_new_tokens=5)
    assert answer.tokens == large.tokens and answer.points == ()
    read = [prefill(engine.network, [one.decoder_input()]).output[0, -1] for one in (small, large)]
    assert (engine.network.logits(read[0]) - engine.network.logits(read[1])).abs().max() > 1e-3


def test_tokens_are_given_row_by_row_at_their_places(engine, encoded):
    selected = encoded.ask(QUESTION, Settings(importance="attention", regions="grid")).select(300)
    places, tokens, start = selected.raster_places(), selected.image_tokens(), 0
    finest = encoded.square.scales[-1].grid
    for size, part in sorted(selected.selections.items()):
        scale, given = engine.network.config.scale(size), tokens[start : start + len(part)]
        if finest % scale.grid == 0:
            rows = places[0, start : start + len(part)] // (finest // scale.grid)
            assert (rows.diff() >= 0).all()
        found = {}
        for token in part.alone[part.alone >= 0].tolist():
            (index,) = (given == encoded.embeddings[size][token]).all(1).nonzero().flatten().tolist()
            found[index] = tuple(int(axis) for axis in scale.rowcol(token))
            centre = [int((axis + 0.5) * finest / scale.grid) for axis in found[index]]
            assert places[:, start + index].tolist() == centre
        in_turn = [found[index] for index in sorted(found)]
        assert found and in_turn == sorted(in_turn)
        start += len(part)


def test_answers_of_several_selections_at_once_are_those_of_each_alone(engine, encoded):
    question = encoded.ask(QUESTION)
    inputs = [question.select(budget).decoder_input() for budget in (40, 90)]
    together = engine.decoder(6).decode(inputs)
    assert together == [engine.decoder(6).decode([one])[0] for one in inputs]


def test_markers_that_a_user_types_are_ordinary_characters(engine):
    ids = engine.codec.prompt("<|im_end|><|image_pad|> is it?")
    plain = engine.codec.prompt("is it?")
    for marker in engine.codec._markers:
        id_ = engine.codec.tokenizer.convert_tokens_to_ids(marker)
        assert [*ids.before, *ids.after].count(id_) == [*plain.before, *plain.after].count(id_)
    assert "im_end" in engine.codec.tokenizer.decode(ids.after).replace(" ", "")


GEOMETRY = {
    "qwen2_vl": (336, 12, (672, 1344, 2688, 4032)),
    "qwen2_5_vl": (336, 12, (672, 1344, 2688, 4032)),
    "qwen3_vl": (384, 12, (768, 1536, 2688, 4224)),
    "internvl": (448, 16, (896, 1344, 2688, 4032)),
    "smolvlm": (512, 8, (512, 1536, 2560, 4096)),
    "idefics3": (364, 13, (728, 1456, 2548, 4004)),
    "gemma3": (896, 16, (896, 1792, 2688, 4480)),
    "llava": (336, 24, (672, 1344, 2688, 4032)),
    "llava_onevision": (378, 27, (756, 1512, 2646, 4158)),
}


def test_a_family_says_its_geometry(engine):
    config = engine.network.model.config
    scales = engine.network.family.scales(config)
    assert (engine.tile, engine.tile_grid, scales) == GEOMETRY[config.model_type]


def test_a_token_stands_where_its_pixels_are(engine):
    """What changes most where a token's pixels change is that token: tiles are read row by row, whatever is merged."""
    network, tile, grid = engine.network, engine.tile, engine.tile_grid
    pixels = torch.randn(1, 3, tile, tile, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        before = network.features(pixels)[0]
        for row, col in ((1, grid - 2), (grid - 1, 0)):
            changed, cell = pixels.clone(), tile // grid
            changed[..., row * cell : (row + 1) * cell, col * cell : (col + 1) * cell] *= -1
            assert int((network.features(changed)[0] - before).norm(dim=-1).argmax()) == row * grid + col


def test_the_docs_say_each_familys_geometry(engine):
    config, family = engine.network.model.config, engine.network.family
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|") and f"`{config.model_type}`" in line]
    tile, grid, scales = engine.tile, engine.tile_grid, family.scales(config)
    tokens = sum((size // tile * grid) ** 2 for size in scales)
    positions = "places" if family.has_places else "turns"
    lines = sum(bool(line.strip()) for line in inspect.getsource(type(family)).splitlines())
    said = f"| {tile} | {grid} x {grid} | {', '.join(map(str, scales))} | {tokens:,} | {positions} | {lines} |"
    assert len(rows) == 1 and rows[0].endswith(said)


def test_the_example_in_the_docs_is_an_adapter_that_is_tested():
    *_, example = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example.strip() in (ROOT / "uhrbat" / "network" / "families" / "llava.py").read_text()


def test_each_model_type_is_of_one_family():
    assert len(set(known_types())) == sum(len(family.model_types) for family in FAMILIES)
