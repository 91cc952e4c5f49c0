import json
import sys
import types

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import errors
from huggingface_hub.errors import DryRunError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from tests.support import layouts, tiny
from tests.support.layouts import SCALES, language, write_released
from uhrbat.checkpoints import hub, loading
from uhrbat.checkpoints.loading import load
from uhrbat.engine import UHRBAT
from uhrbat.errors import Cancelled, CheckpointError
from uhrbat.imagery import canvas_of
from uhrbat.network.decoder import DecoderInput, prefill
from uhrbat.network.text import Prompt

CPU, FLOAT = torch.device("cpu"), torch.float32


def same(one, two):
    left, right = one.state_dict(), two.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def answer_of(engine):
    engine.network.config.scales = engine.scales[:2]
    pixels = np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)
    view = engine.encode_canvas(canvas_of(pixels)).ask("How many ships are there?")
    selection = view.select(60)
    return selection.image_tokens(), selection.answer(max_new_tokens=6)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"shards": 3},
        {"mlp": "outer"},
        {"mlp": "inner"},
        {"inside": False},
        {"pickled": True},
        {"pickled": True, "shards": 2, "inside": False},
    ],
    ids=str,
)
def test_the_released_layout_is_read(tmp_path, how):
    network = write_released(tmp_path / "ckpt", **how)
    loaded = load(str(tmp_path / "ckpt"), CPU, FLOAT)
    assert same(loaded.network, network)
    assert loaded.network.config.profile == "reference" and loaded.network.config.scales == SCALES
    assert loaded.tokenizer.get_vocab() == tiny.tokenizer().get_vocab()
    assert torch.equal(loaded.network.language.model.rotary_emb.inv_freq, network.language.model.rotary_emb.inv_freq)


def test_a_scale_without_a_residual_has_none(tmp_path):
    write_released(tmp_path / "ckpt")
    path = tmp_path / "ckpt/model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if not k.endswith("residuals.672")}, path)
    model = load(str(tmp_path / "ckpt"), CPU, FLOAT).network
    assert model.residual(672) is None and model.residual(336) is not None


@pytest.mark.parametrize("layout", ["nano", "released", "released with CLIP"])
def test_saved_and_loaded_again_it_gives_equal_outputs(tmp_path, layout):
    folder = tmp_path / "first"
    if layout == "nano":
        loading.save(tiny.network(), tiny.tokenizer(), folder, FLOAT)
    else:
        write_released(folder, text=layout.endswith("CLIP"))
    first = UHRBAT.from_pretrained(str(folder), device="cpu")
    first.save_pretrained(tmp_path / "again")
    again = UHRBAT.from_pretrained(str(tmp_path / "again"), device="cpu")
    assert same(first.network, again.network) and first.settings == again.settings and first.scales == again.scales
    (tokens, text), (tokens_again, text_again) = answer_of(first), answer_of(again)
    assert torch.equal(tokens, tokens_again) and text == text_again


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_rotary_frequencies_whole(tmp_path, dtype):
    network = write_released(tmp_path / "ckpt")
    model = load(str(tmp_path / "ckpt"), CPU, dtype).network
    assert {value.dtype for value in model.parameters()} == {dtype}
    ours, theirs = model.language.model.rotary_emb.inv_freq, network.language.model.rotary_emb.inv_freq
    assert ours.dtype == torch.float32 and torch.equal(ours, theirs)
    assert torch.get_default_dtype() == torch.float32


def test_large_weights_are_saved_in_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SHARD_SIZE", "50KB")
    network = tiny.network()
    loading.save(network, tiny.tokenizer(), tmp_path, FLOAT)
    assert (tmp_path / "model.safetensors.index.json").is_file()
    assert same(load(str(tmp_path), CPU, FLOAT).network, network)


def broken(tmp_path, **how):
    write_released(tmp_path / "ckpt", **how)
    return tmp_path / "ckpt"


def change(folder, edit):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


def configure(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def refused(folder, *words):
    with pytest.raises(CheckpointError) as error:
        load(str(folder), CPU, FLOAT)
    for word in words:
        assert word in str(error.value)


def test_missing_tensors_are_listed_by_their_published_names(tmp_path):
    folder = broken(tmp_path)
    change(folder, lambda t: [t.pop(n) for n in ("model.norm.weight", "model.mm_projector.0.bias", "lm_head.weight")])
    refused(folder, "2 tensors are missing", "model.norm.weight", "model.mm_projector.0.bias")


def test_unexpected_tensors_are_listed_and_can_be_left_out(tmp_path):
    folder = broken(tmp_path)
    change(folder, lambda t: t.update({"model.surprise.weight": torch.zeros(2)}))
    refused(folder, "1 are unexpected", "model.surprise.weight", "ignore_unexpected=True")
    assert load(str(folder), CPU, FLOAT, ignore_unexpected=True).network


def test_tensors_of_another_shape_are_listed_with_both_shapes(tmp_path):
    folder = broken(tmp_path)
    change(folder, lambda t: t.update({"model.norm.weight": torch.zeros(31)}))
    refused(folder, "model.norm.weight is [31], expected [32]")


def test_missing_shards_are_listed(tmp_path):
    folder = broken(tmp_path, shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    refused(folder, "1 of 3 shards are missing", "model-00002-of-00003.safetensors")


@pytest.mark.parametrize("how", [{}, {"shards": 2}, {"pickled": True}], ids=str)
def test_a_truncated_file_is_named(tmp_path, how):
    folder = broken(tmp_path, **how)
    path = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])[0]
    path.write_bytes(path.read_bytes()[:-1000])
    refused(folder, path.name, "truncated or damaged")


class Trap:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_that_would_run_code_is_refused(tmp_path, capsys):
    folder = broken(tmp_path, pickled=True)
    torch.save({"model.norm.weight": Trap()}, folder / "pytorch_model.bin")
    refused(folder, "pytorch_model.bin")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        (
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
            "(llama) reads text only: choose a model",
        ),
        (
            {"model_type": "florence2", "architectures": None},
            "another architecture (florence2); this reads uhrbat",
        ),
        ({"model_type": "florence2", "architectures": None}, "docs/families.md says how to add one"),
        (
            {"model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"]},
            "(llava) is in its authors' own layout",
        ),
        ({"model_type": "internvl_chat", "architectures": None}, "choose the repository that is converted (often -hf"),
        ({"mm_projector_type": "linear"}, "mm_projector_type 'linear'"),
        ({"mm_vision_tower": None}, "names no mm_vision_tower"),
        ({"mm_vision_tower": "nowhere at all"}, "neither a folder nor a Hub id"),
        ({"hidden_act": "no such"}, "does not describe a model"),
        ({"num_attention_heads": 7}, "model"),
    ],
    ids=str,
)
def test_another_architecture_is_told(tmp_path, fields, word):
    folder = broken(tmp_path)
    configure(folder, **fields)
    refused(folder, word)


def test_folders_that_hold_no_model(tmp_path):
    refused(tmp_path, "config.json")
    refused(tmp_path / "nothing", "give 'nano', a folder")
    (tmp_path / "config.json").write_text("{")
    refused(tmp_path, "is not JSON")
    (tmp_path / "config.json").write_text("[]")
    refused(tmp_path, "no JSON object")
    (tmp_path / "config.json").write_text('{"model_type": "uhrbat", "surprise": 1}')
    refused(tmp_path, "does not fit this version")


def test_a_folder_without_weights_or_tokenizer(tmp_path):
    folder = broken(tmp_path)
    (folder / "tokenizer.json").unlink()
    refused(folder, "tokenizer in 'ckpt' cannot be read")
    (folder / "model.safetensors").unlink()
    refused(folder, "no weights in ckpt")


def test_layers_are_spread_over_gpus_by_free_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: ((10, 10), (14, 14))[index])
    spread = loading._spread(12, torch.device("cuda"))
    where = [spread[f"language.model.layers.{layer}"] for layer in range(12)]
    assert where == ["cuda:0"] * 4 + ["cuda:1"] * 8
    assert spread[""] == "cuda:0" and spread["language.lm_head"] == spread["language.model.norm"] == "cuda:1"


def test_a_device_map_places_each_part_where_its_longest_name_says(tmp_path):
    write_released(tmp_path / "ckpt")
    parts = {"": "cpu", "language.model.layers.1": "meta"}
    model = load(str(tmp_path / "ckpt"), CPU, FLOAT, device_map=parts).network
    layers = model.language.model.layers
    assert (
        {p.device.type for p in layers[0].parameters()} == {"cpu"} == {p.device.type for p in model.vision.parameters()}
    )
    assert {p.device.type for p in layers[1].parameters()} == {"meta"}
    assert load(str(tmp_path / "ckpt"), CPU, FLOAT, device_map="auto").network.device == CPU
    with pytest.raises(CheckpointError, match="device_map"):
        load(str(tmp_path / "ckpt"), CPU, FLOAT, device_map="balanced")


def listing(folder):
    return [
        types.SimpleNamespace(filename=path.name, file_size=path.stat().st_size, will_download=True)
        for path in folder.iterdir()
    ]


@pytest.fixture
def fake_hub(tmp_path, monkeypatch):
    """snapshot_download that serves tmp_path/ckpt in two pieces; records what it was asked for."""
    asked = []

    def snapshot_download(repository, *, allow_patterns, revision=None, dry_run=False, tqdm_class=None, **_):
        asked.append((repository, revision, dry_run))
        if dry_run:
            return listing(tmp_path / "ckpt")
        total = sum(file.file_size for file in listing(tmp_path / "ckpt"))
        if tqdm_class:
            for _ in range(2):
                bar = tqdm_class(total=total, unit="B")
                bar.update(total // 2)
                bar.update(total - total // 2)
        return str(tmp_path / "ckpt")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_a_hub_id_is_downloaded_with_progress(tmp_path, fake_hub):
    write_released(tmp_path / "ckpt")
    reply = []
    loaded = load("RL-MIND/UHR-BAT@main", CPU, FLOAT, progress=lambda share, message: reply.append((share, message)))
    assert loaded.network
    assert fake_hub == [("RL-MIND/UHR-BAT", "main", True), ("RL-MIND/UHR-BAT", "main", False)]
    shares = [share for share, _ in reply]
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 5
    assert any("GB" in message for _, message in reply)


def test_a_download_can_be_stopped(tmp_path, fake_hub):
    write_released(tmp_path / "ckpt")

    def stop(share, message):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        load("RL-MIND/UHR-BAT", CPU, FLOAT, progress=stop)


def test_without_network_what_is_on_disk_is_used_or_the_error_says_what_to_do(tmp_path, monkeypatch):
    write_released(tmp_path / "ckpt")
    there = [str(tmp_path / "ckpt")]

    def offline(repository, *, dry_run=False, local_files_only=False, **_):
        if dry_run:
            raise DryRunError("no network")
        if not there:
            raise LocalEntryNotFoundError("not there")
        return there[0]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    assert load("RL-MIND/UHR-BAT", CPU, FLOAT).network
    there.clear()
    with pytest.raises(CheckpointError, match="check the network"):
        load("RL-MIND/UHR-BAT", CPU, FLOAT)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.RepositoryNotFoundError, "there is no model 'a/b' on the Hub, nor a folder of that name"),
        (errors.GatedRepoError, "'a/b' is gated: ask for access on its page and log in"),
        (errors.RevisionNotFoundError, "'a/b' has no revision 'old'"),
        (errors.HfHubHTTPError, "'a/b' cannot be downloaded (HfHubHTTPError) and is not on this disk"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_sentence(monkeypatch, error, said):
    def refuse(*args, **kwargs):
        raise error("404 Client Error", response=types.SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(CheckpointError) as caught:
        load("a/b@old", CPU, FLOAT)
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_pickled_weights_are_fetched_only_where_there_are_no_others(tmp_path, monkeypatch):
    patterns = []

    def snapshot_download(repository, *, allow_patterns, dry_run=False, **_):
        patterns.append(allow_patterns)
        return listing(tmp_path / "ckpt") if dry_run else str(tmp_path / "ckpt")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    write_released(tmp_path / "ckpt", pickled=True)
    hub.fetch("a/b")
    assert hub.TORCH in patterns[-1] and hub.SAFE not in patterns[-1]
    (tmp_path / "ckpt/model.safetensors").touch()
    hub.fetch("a/b")
    assert hub.SAFE in patterns[-1] and hub.TORCH not in patterns[-1]


def test_a_model_is_pushed_with_its_card(tmp_path, monkeypatch):
    kept = {}

    def upload_folder(repo_id, folder_path, token):
        kept.update({path.name: path.read_bytes() for path in loading.Path(folder_path).iterdir() if path.is_file()})

    monkeypatch.setattr(huggingface_hub, "create_repo", lambda name, **_: types.SimpleNamespace(repo_id=name))
    monkeypatch.setattr(huggingface_hub, "upload_folder", upload_folder)
    tiny.engine().push_to_hub("someone/tiny")
    card = kept["README.md"].decode()
    assert card.startswith("---\nlibrary_name: uhrbat") and 'from_pretrained("someone/tiny")' in card
    assert "generated scenes only" in card
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= kept.keys()


@pytest.mark.parametrize("bits", [8, 4])
def test_a_quantised_language_model_answers_nearly_the_same(tmp_path, bits, monkeypatch):
    pytest.importorskip("bitsandbytes")
    blocks = {"hidden_size": 64, "intermediate_size": 64}  # bitsandbytes quantises 64 numbers at a time
    monkeypatch.setattr(layouts, "language", lambda words: language(words) | blocks)
    network = write_released(tmp_path / "ckpt")
    model = load(str(tmp_path / "ckpt"), CPU, FLOAT, bits=bits).network
    image = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    prompt = Prompt([3, 4, 5], [3, 4, 5])
    with torch.no_grad():
        exact, near = (prefill(each, [DecoderInput(prompt, image)]).output for each in (network, model))
    assert 0 < (exact - near).abs().max() < 0.3
    assert torch.equal(model.projector[0].weight, network.projector[0].weight)
    with pytest.raises(CheckpointError, match="cannot be saved"):
        loading.save(model, tiny.tokenizer(), tmp_path / "again", FLOAT)


def test_bits_need_bitsandbytes_and_are_4_or_8(tmp_path, monkeypatch):
    write_released(tmp_path / "ckpt")
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(CheckpointError, match="pip install bitsandbytes"):
        load(str(tmp_path / "ckpt"), CPU, FLOAT, bits=8)
    with pytest.raises(CheckpointError, match="4 or 8 bits, not in 3"):
        load(str(tmp_path / "ckpt"), CPU, FLOAT, bits=3)


def test_weights_on_this_disk_are_told_from_those_that_are_not(tmp_path, monkeypatch):
    def snapshot_download(repository, *, local_files_only, **_):
        if repository == "not/there":
            raise LocalEntryNotFoundError("nothing")
        return str(tmp_path / repository)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    (tmp_path / "a/b").mkdir(parents=True)
    assert not hub.on_disk("not/there") and not hub.on_disk("a/b")
    (tmp_path / "a/b/model.safetensors").touch()
    assert hub.on_disk("a/b")


@pytest.mark.parametrize("text", ["How many ships are there?", "<|im_end|> a  b", "\u8239 \U0001f6a2"])
def test_the_tokenizer_of_our_own_model_is_read_without_a_word_and_is_the_same(text, monkeypatch):
    said = []
    usual = AutoTokenizer.from_pretrained(loading.NANO)
    monkeypatch.setattr("transformers.configuration_utils.logger.warning", lambda *message: said.append(message))
    read = loading.tokenizer_of(loading.NANO)
    assert not said and type(read) is type(usual)
    assert read(text)["input_ids"] == usual(text)["input_ids"]
    assert (read.eos_token, read.pad_token, read.model_max_length) == (
        usual.eos_token,
        usual.pad_token,
        usual.model_max_length,
    )
