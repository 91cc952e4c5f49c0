"""Training by several processes: with the weights shared out (FSDP) and without, started as the README says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.support import tiny
from tests.support.layouts import released_network
from uhrbat.__main__ import main
from uhrbat.checkpoints import loading
from uhrbat.errors import InputError
from uhrbat.network.model import Network
from uhrbat.training.finetune.conversations import read_conversations

pytest.importorskip("accelerate")
from tests.support.finetuning import released, settings
from uhrbat.training.finetune import train
from uhrbat.training.finetune.train import Trainer

FSDP_CONFIG = Path(train.__file__).with_name("fsdp.yaml")

pytestmark = pytest.mark.slow

HOW = ["--batch", "4", "--save-every", "2", "--random-budgets", "16,64", "--lr", "3e-3", "--lr-modules", "3e-3"]
SECONDS = 600


def tied():
    """nano's layout, whose image tokens pass parts of layers, with the embeddings tied to the output."""
    config = tiny.config()
    config.language["tie_word_embeddings"] = True
    torch.manual_seed(0)
    return Network(config)


def start(command, **environment):
    """Run a launcher; one that takes too long is ended, and ends its processes, which are in sessions of their own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    with subprocess.Popen(
        [sys.executable, *map(str, command)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    ) as process:  # fmt: skip
        try:
            reply, _ = process.communicate(timeout=SECONDS)
        except BaseException:
            process.terminate()
            raise
    assert process.returncode == 0, reply[-6000:]


def arguments(model, data, out, *more):
    given = ["--model", model, "--data", data, "--images", data.parent, "--out", out, "--device", "cpu"]
    return [str(value) for value in (*given, *HOW, *more)]


def log(out, *names):
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [[line[name] for name in names] for line in lines]


def weights(folder):
    return loading.load(str(folder), torch.device("cpu"), torch.float32).network.state_dict()


def assert_same_training(one, two):
    """Two runs agree in loss, tokens, gradient and, as far as Adam's division by small numbers lets them, weights."""
    for a, b in zip(log(one, "loss", "tokens", "gradient"), log(two, "loss", "tokens", "gradient"), strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    one, two = weights(one / "model"), weights(two / "model")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-2, atol=3e-4, msg=name)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, network in (("released", released_network()), ("tied", tied())):
        loading.save(network, tiny.tokenizer(), folder / name, torch.float32)
    return folder


def test_two_processes_share_out_the_weights_and_train_as_one_does(models, data, tmp_path):
    other = data.with_name("other.json")
    records = json.loads(data.read_text())
    for record in records:
        record["conversations"][1]["value"] = "none of it, 12 at most"
    other.write_text(json.dumps(records))
    whole, again, answers, half = (tmp_path / name for name in ("whole", "again", "answers", "half"))
    steps = ["--steps", "4"]
    runs = [
        (arguments(models / "released", data, whole, *steps), "no", None),
        (arguments(models / "released", data, again, *steps), "no", 3),
        (arguments(models / "released", data, again, *steps), "no", None),
        (arguments(models / "released", other, answers, "--steps", "1"), "no", None),
        (arguments(models / "released", data, half, *steps, "--dtype", "bfloat16", "--recompute"), "bf16", None),
        (arguments(models / "tied", data, tmp_path / "tied", *steps), "no", None),
    ]
    (tmp_path / "runs.json").write_text(
        json.dumps([dict(zip(("arguments", "mixed", "stop"), run, strict=True)) for run in runs])
    )
    launch = ["-m", "accelerate.commands.launch", "--config_file", FSDP_CONFIG, "--main_process_port", "0"]
    start([*launch, "-m", "tests.support.train_on_cpus", tmp_path / "runs.json"], ACCELERATE_TORCH_DEVICE="cpu")

    for name in ("released", "tied"):
        alone = tmp_path / f"{name}-alone"
        assert main(["train", *arguments(models / name, data, alone, *steps)]) == 0
        assert_same_training(alone, whole if name == "released" else tmp_path / "tied")
    moved, begun, ended = weights(whole / "model"), weights(models / "released"), weights(again / "model")
    assert not torch.equal(moved["language.model.layers.1.mlp.up_proj.weight"],
                           begun["language.model.layers.1.mlp.up_proj.weight"])  # fmt: skip
    reply = log(whole, "loss", "gradient")
    assert (
        log(again, "loss", "gradient") == reply[:3] + reply[2:]
    )  # its third step was made again from the second's state
    assert all(torch.equal(moved[name], ended[name]) for name in moved)

    first = log(answers, "loss")[0]
    assert first != pytest.approx(reply[0][:1], rel=1e-3)
    for process in (0, 1):
        of_whole, of_other = (
            [line for line in (out / f"selected-{process}.jsonl").read_text().splitlines() if line.startswith("[0,")]
            for out in (whole, answers)
        )
        assert of_whole == of_other and len(of_whole) == 2

    loss = log(half, "loss")
    assert loss[0] == pytest.approx(reply[0][:1], rel=0.01) and loss[-1] < loss[0]
    assert loading.load(str(half / "model"), torch.device("cpu"), torch.bfloat16).network.dtype is torch.bfloat16


def test_two_processes_share_out_the_batch_by_the_command_of_the_readme(models, data, tmp_path):
    """`ACCELERATE_USE_CPU=1 torchrun --standalone --nproc-per-node 2 -m uhrbat train`.

    torchrun is torch.distributed.run.
    """
    alone, two = tmp_path / "alone", tmp_path / "two"
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "uhrbat", "train"]
    start([*launch, *arguments(models / "released", data, two, "--steps", "2")], ACCELERATE_USE_CPU="1")
    assert main(["train", *arguments(models / "released", data, alone, "--steps", "2")]) == 0
    assert_same_training(alone, two)
    assert (two / "state-0000002/random_states_1.pkl").is_file()  # the second process was there


@pytest.mark.parametrize(
    ("kind", "version", "lora", "word"),
    [("DEEPSPEED", 0, 0, "DeepSpeed.*fsdp.yaml"), ("FSDP", 1, 0, "fsdp_version: 2"), ("FSDP", 2, 4, "without FSDP")],
)
def test_what_cannot_share_out_the_weights_is_refused(kind, version, lora, word, data, tmp_path, monkeypatch):
    state = SimpleNamespace(fsdp_plugin=SimpleNamespace(fsdp_version=version))
    found = SimpleNamespace(distributed_type=SimpleNamespace(value=kind), state=state, num_processes=1)
    monkeypatch.setattr("accelerate.Accelerator", lambda: found)
    with pytest.raises(InputError, match=word):
        Trainer(released(), read_conversations(data, data.parent), tmp_path / "out", settings(lora=lora))
