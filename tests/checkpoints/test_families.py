"""What a folder of a family lacks is said in a sentence."""

import json
import shutil

import pytest
import torch
from transformers import AutoConfig

from tests.support import families
from uhrbat.checkpoints import families as loading_families
from uhrbat.checkpoints import memory
from uhrbat.checkpoints.loading import load
from uhrbat.engine import UHRBAT
from uhrbat.errors import CheckpointError
from uhrbat.network.families.llava import Llava

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
    with pytest.raises(CheckpointError, match="4 and 8 bits are not offered for Qwen2.5-VL"):
        load(str(whole), CPU, FLOAT, bits=4)
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


def test_another_dtype_and_a_device_map(whole):
    network = load(str(whole), CPU, torch.bfloat16, device_map={"": "cpu"}).network
    assert network.dtype == torch.bfloat16 and network.device == CPU
