"""What a folder of a family lacks is said in a sentence."""

import shutil

import pytest
import torch

from tests.support import families
from uhrbat.checkpoints.loading import load
from uhrbat.engine import UHRBAT
from uhrbat.errors import CheckpointError

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
        ("model.safetensors", "'qwen' is a Qwen2.5-VL model that cannot be read"),
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


def test_what_is_not_offered_is_refused(whole, tmp_path):
    with pytest.raises(CheckpointError, match="4 and 8 bits are not offered for Qwen2.5-VL"):
        load(str(whole), CPU, FLOAT, bits=4)
    with pytest.raises(CheckpointError, match="save it by its own save_pretrained"):
        UHRBAT.from_pretrained(str(whole), device="cpu").save_pretrained(tmp_path)


def test_another_dtype_and_a_device_map(whole):
    network = load(str(whole), CPU, torch.bfloat16, device_map={"": "cpu"}).network
    assert network.dtype == torch.bfloat16 and network.device == CPU
