"""What a folder of a family lacks is said in a sentence."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from tests.support import families
from uhrbat.checkpoints import families as loading_families
from uhrbat.checkpoints import memory
from uhrbat.checkpoints.loading import load
from uhrbat.checkpoints.quantise import is_quantised, kept_whole
from uhrbat.engine import UHRBAT
from uhrbat.errors import CheckpointError
from uhrbat.imagery import canvas_of
from uhrbat.network.decoder import DecoderInput, prefill
from uhrbat.network.families.llava import Llava
from uhrbat.selection.importance import raster_places

CPU, FLOAT = torch.device("cpu"), torch.float32


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "qwen"
    families.write(folder, "qwen2_5_vl")
    return folder


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("preprocessor_config.json", "'qwen' has no image processor"),
        ("chat_template.jinja", "'qwen' has no chat template"),
        ("model.safetensors", "no weights in qwen"),
        ("tokenizer.json", "the tokenizer in 'qwen' cannot be read"),
    ],
)
def test_a_file_that_is_missing_is_said_in_one_sentence(whole, tmp_path, file, said):
    folder = shutil.copytree(whole, tmp_path / "qwen")
    (folder / file).unlink()
    with pytest.raises(CheckpointError) as caught:
        load(str(folder), CPU, FLOAT)
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_a_template_of_the_processor_serves(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "qwen")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.json").write_text('{"chat_template": "{{ messages[0].content[1].text }}<|image_pad|>!"}')
    prompt = load(str(folder), CPU, FLOAT).codec.prompt("ship")
    assert template and len(prompt.before) and len(prompt.after) == 1


def test_a_template_without_an_image_is_refused(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "qwen")
    (folder / "chat_template.json").write_text('{"chat_template": "{{ messages[0].content[1].text }}"}')
    with pytest.raises(CheckpointError, match="has no place for an image"):
        load(str(folder), CPU, FLOAT).codec.prompt("ship")


def test_weights_that_are_of_another_model_are_said_in_a_sentence(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "qwen")
    fields = json.loads((folder / "config.json").read_text())
    fields["text_config"]["hidden_size"] = 48
    (folder / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match="'qwen' is a Qwen2.5-VL model that cannot be read"):
        load(str(folder), CPU, FLOAT)


def test_a_model_that_is_too_large_is_refused_before_it_is_read(whole, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10**5)
    with pytest.raises(CheckpointError, match=r"model 'qwen' takes .* free on cpu: load it in bfloat16"):
        load(str(whole), CPU, FLOAT)


def test_memory_that_does_not_suffice_while_loading_is_said(whole, monkeypatch):
    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(loading_families.AutoModelForImageTextToText, "from_pretrained", fail)
    with pytest.raises(CheckpointError, match=r"memory did not suffice for 'qwen' \(0.0 billion numbers\): choose"):
        load(str(whole), CPU, FLOAT)


def test_another_vision_tower_is_refused():
    config = AutoConfig.for_model("llava", vision_config={"model_type": "pixtral"})
    with pytest.raises(CheckpointError, match="vision tower pixtral is not read"):
        Llava().geometry(config)


def test_what_is_not_offered_is_refused(whole, tmp_path):
    with pytest.raises(CheckpointError, match="save it by its own save_pretrained"):
        UHRBAT.from_pretrained(str(whole), device="cpu").save_pretrained(tmp_path)


def test_a_text_tower_that_is_not_this_models_is_refused_where_it_is_asked_for(whole, tmp_path, caplog):
    with pytest.raises(CheckpointError, match="model has no text tower: choose the importance 'attention'"):
        load(str(whole), CPU, FLOAT, similarity=True)
    families.write(tmp_path / "llava", "llava")
    families.write_twin(tmp_path / "clip", "clip")
    with pytest.raises(CheckpointError, match="'qwen' .*has no text tower: choose a CLIP or SigLIP"):
        load(str(tmp_path / "llava"), CPU, FLOAT, similarity=str(whole))
    with pytest.raises(CheckpointError, match="'clip' is not the text tower of this Qwen2.5-VL model's vision tower"):
        load(str(whole), CPU, FLOAT, similarity=str(tmp_path / "clip"))


def test_a_text_tower_is_found_on_this_disk_and_left_out_where_it_cannot_be_read(tmp_path, monkeypatch, caplog):
    families.write(tmp_path / "llava", "llava")
    families.write_twin(tmp_path / "clip", "clip")
    monkeypatch.setattr(Llava, "twin", lambda *_: str(tmp_path / "clip"))
    assert load(str(tmp_path / "llava"), CPU, FLOAT).network.similarity is not None
    assert load(str(tmp_path / "llava"), CPU, FLOAT, similarity=False).network.similarity is None
    (tmp_path / "clip" / "tokenizer.json").unlink()
    assert load(str(tmp_path / "llava"), CPU, FLOAT).network.similarity is None
    assert "without similarity: the tokenizer in 'clip' cannot be read" in caplog.text


def test_bits_without_bitsandbytes_are_refused_in_one_sentence(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(CheckpointError, match=r"^4 and 8 bits need bitsandbytes: pip install bitsandbytes$"):
        load(str(whole), CPU, FLOAT, bits=4)
    with pytest.raises(CheckpointError, match="can be loaded in 4 or 8 bits, not in 3"):
        load(str(whole), CPU, FLOAT, bits=3)


@pytest.mark.parametrize("kind", families.MAKERS)
def test_bits_are_of_the_language_models_layers_alone(kind):
    config = families.config(kind)
    whole = set(kept_whole(config))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    linear = {name for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    quantised = linear - whole
    assert whole < linear and len(quantised) == 7 * config.get_text_config().num_hidden_layers
    assert all(re.search(r"(language_model|text_model)\.layers\.\d+\.(self_attn|mlp)\.", name) for name in quantised)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_model_answers_nearly_as_the_whole_one(tmp_path, bits):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    whole_blocks = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}  # of 64 numbers each
    families.write(tmp_path, "llava", text=whole_blocks)
    sharp, rough = (load(str(tmp_path), CPU, torch.bfloat16, **how) for how in ({}, {"bits": bits}))
    assert is_quantised(rough.network) and not is_quantised(sharp.network)
    logits = []
    for loaded in (sharp, rough):
        network = loaded.network
        pixels = torch.randn(1, 3, 336, 336, generator=torch.Generator().manual_seed(0), dtype=FLOAT)
        with torch.inference_mode():
            image = network.features(pixels.bfloat16())[0]
            scale = network.config.scale(336)
            one = DecoderInput(loaded.codec.prompt("ship?"), image, places=raster_places(scale), side=scale.grid)
            read = prefill(network, [one])
            logits.append(network.logits(read.output)[0, -1].float())
            seen = network.last_attention(read.last_input[0, -1], int(read.position.max()) - 1, read.last_keys[0])
            assert abs(float(seen.sum()) - 1) < 1e-2
    assert torch.corrcoef(torch.stack(logits))[0, 1] > 0.9


def test_another_dtype_and_a_device_map(whole):
    network = load(str(whole), CPU, torch.bfloat16, device_map={"": "cpu"}).network
    assert network.dtype == torch.bfloat16 and network.device == CPU


def test_a_model_that_is_spread_over_devices_reads_as_one_that_is_not(whole):
    """Accelerate's hooks, as several devices have them."""
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")
    engine = UHRBAT.from_pretrained(str(whole), device="cpu")
    engine.network.config.scales = engine.scales[:1]
    picture = canvas_of(np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8))

    def asked() -> tuple:
        question = engine.encode_canvas(picture).ask("ship?")
        return question.importance[672], question.select(60).answer(max_new_tokens=3).text

    alone = asked()
    parts = {"model.visual": "cpu", "model.language_model": "cpu", "lm_head": "cpu"}
    accelerate.dispatch_model(engine.network.model, parts, main_device="cpu", force_hooks=True)
    spread = asked()
    assert torch.equal(alone[0], spread[0]) and alone[1] == spread[1]
