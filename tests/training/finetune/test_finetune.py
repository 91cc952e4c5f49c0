import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.golden import each
from uhrbat.budget import split_budget
from uhrbat.checkpoints.loading import load
from uhrbat.cli import main
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError
from uhrbat.imagery import canvas_of
from uhrbat.settings import Settings
from uhrbat.training.finetune.conversations import read_conversations
from uhrbat.training.finetune.sample import Sampler

pytest.importorskip("accelerate")
from tests.support.finetuning import nano, released, settings
from uhrbat.training.finetune import sample
from uhrbat.training.finetune.train import Trainer, TrainSettings, budget_of, learning_rate, sample_number

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def every_picture_is_kept(monkeypatch):
    monkeypatch.setattr(sample, "PICTURES", 3)


def trained(engine, data, out, stop=None, **how):
    """Train in `out`; with `stop` the process is interrupted when it begins that step."""
    trainer = Trainer(engine, read_conversations(data, data.parent), out, settings(**how))
    step = trainer._one_step

    def interrupted():
        if trainer.step == stop:
            raise KeyboardInterrupt
        return step()

    trainer._one_step = interrupted
    if stop is None:
        trainer.run(progress=False)
        return
    with pytest.raises(KeyboardInterrupt):
        trainer.run(progress=False)


def losses(out):
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("engine", [released, nano], ids=["released", "nano"])
def test_the_loss_falls_and_the_vision_tower_stays(engine, data, tmp_path):
    model = engine()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    trained(model, data, tmp_path / "out", steps=10, lr=2e-2, lr_modules=2e-2)
    reply = losses(tmp_path / "out")
    assert sum(reply[-3:]) < 0.7 * sum(reply[:3])
    after = model.network.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert not any(name.startswith(("vision.", "similarity.")) for name in changed)
    for part in ("residuals.", "projector.", "token_mlp.", "language."):
        assert any(name.startswith(part) for name in changed), part


def test_a_run_that_was_stopped_goes_on_exactly(data, tmp_path):
    whole = released()
    trained(whole, data, tmp_path / "whole", save_every=3, random_budgets=(16, 64))
    trained(released(), data, tmp_path / "out", stop=5, save_every=3, random_budgets=(16, 64))
    again = released(seed=5)
    trained(again, data, tmp_path / "out", save_every=3, random_budgets=(16, 64))
    reply = losses(tmp_path / "out")  # the two steps after the last checkpoint were made again
    assert reply[:3] + reply[5:] == losses(tmp_path / "whole") and reply[3:5] == reply[5:7]
    one, two = whole.network.state_dict(), again.network.state_dict()
    trained_names = [name for name in one if not name.startswith("vision.")]
    assert all(torch.equal(one[name], two[name]) for name in trained_names)
    assert sorted(path.name for path in (tmp_path / "out").glob("state-*")) == ["state-0000006", "state-0000008"]


def test_the_trained_model_loads(data, tmp_path):
    engine = released()
    trained(engine, data, tmp_path / "out", steps=2)
    loaded = load(str(tmp_path / "out/model"), CPU, torch.float32).network
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in engine.network.state_dict().items())


def test_adapters_train_alone_and_are_merged_in_the_end(data, tmp_path):
    pytest.importorskip("peft")
    engine = released()
    start = {name: value.clone() for name, value in engine.network.state_dict().items()}
    trainer = Trainer(engine, read_conversations(data, data.parent), tmp_path / "out", settings(lora=4, steps=4))
    trained_names = {name for name, value in engine.network.language.named_parameters() if value.requires_grad}
    assert trained_names and all("lora" in name for name in trained_names)
    trainer.run(progress=False)
    end = engine.network.state_dict()
    assert end.keys() == start.keys()
    assert not torch.equal(end["language.model.layers.0.self_attn.q_proj.weight"],
                           start["language.model.layers.0.self_attn.q_proj.weight"])  # fmt: skip
    assert torch.equal(end["language.model.embed_tokens.weight"], start["language.model.embed_tokens.weight"])


def test_selection_does_not_change_when_the_answers_do(data, tmp_path):
    """The released training lets the answer score the tokens (released-code.md, section 5); this must not."""

    def selected(changed, out):
        engine = released()
        engine.network.language.lm_head.weight.data *= 1 + changed  # whatever was said, not only how it is tokenised
        conversations = read_conversations(data, data.parent)
        if changed:
            other = [tuple((question, "none of it, 12 at most") for question, _ in c.turns) for c in conversations]
            conversations = [replace(c, turns=turns) for c, turns in zip(conversations, other, strict=True)]
        trainer = Trainer(engine, conversations, out, settings(steps=1, batch=3))
        inner, seen = trainer.sampler.select, []
        trainer.sampler.select = lambda *given: seen.append(inner(*given)) or seen[-1]
        trainer.run(progress=False)
        return seen

    one, two = selected(0, tmp_path / "one"), selected(1, tmp_path / "two")
    assert losses(tmp_path / "one") != losses(tmp_path / "two") and len(one) == len(two) == 3
    for size in (336, 672):
        assert all(torch.equal(a[size].ranking.rank, b[size].ranking.rank) for a, b in zip(one, two, strict=True))


def test_image_tokens_are_those_of_inference():
    for engine in (released(), nano()):
        pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
        sampler = Sampler(engine, engine.settings)
        picture = sampler.picture(canvas_of(pixels))
        view = engine.encode_canvas(canvas_of(pixels)).ask("What is it?")
        selection = view.select((30, 40))
        ours = sampler.image_tokens(picture, sampler.select(picture, "What is it?", (30, 40)))
        torch.testing.assert_close(ours, selection.image_tokens(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("golden", "index"), each("trained"))
def test_loss_and_gradients_of_the_released_training(golden, index, tmp_path):
    """With its leak put back (the answer in the scored prompt), the release's own loss and gradients come out."""
    reply = golden.described("e2e/e2e_kmeans")["train_forward"][index]
    stored = golden.tensors("e2e/e2e_kmeans")
    engine = UHRBAT.from_pretrained(str(golden.checkpoint(tmp_path)), device="cpu")
    if reply["enable_scale_pos_residual"]:
        from uhrbat.network.config import PROFILES

        engine.network.profile = PROFILES["reference"]
    turns = [("What is in the red region?", "a red ship")]
    prompt, learnt = engine.codec.conversation(turns)
    assert [*prompt.before, -200, *prompt.after] == reply["input_ids"]
    assert [id_ for id_, yes in zip(prompt.after, learnt, strict=True) if yes] == [i for i in reply["labels"] if i >= 0]
    sampler = Sampler(engine, Settings(importance="attention", order="mean", clusters=(10, 40, 60), release=True))
    picture = sampler.picture(golden.canvas())
    engine.codec.prompt = lambda question, release: prompt
    torch.manual_seed(reply["seed"])
    selections = sampler.select(picture, turns[0][0], (10, 40, 60))
    del engine.codec.prompt
    logits = []
    engine.network.language.lm_head.register_forward_hook(lambda *args: logits.append(args[2]))
    loss = sampler.loss(picture, selections, turns)
    assert loss.item() == pytest.approx(reply["loss"], abs=2e-5)
    theirs = stored[f"train_forward.residual_{reply['enable_scale_pos_residual']}/logits_last16"]
    torch.testing.assert_close(logits[0], theirs[-12:-1], rtol=1e-3, atol=1e-4)
    loss.backward()
    from uhrbat.checkpoints.layouts import published_name

    for name, value in engine.network.named_parameters():
        norm = reply["grad_l2_norms"].get(published_name(name))
        if norm is not None:
            assert value.grad is not None and value.grad.norm().item() == pytest.approx(norm, rel=1e-3), name
        else:
            assert value.grad is None, name


def test_every_epoch_takes_each_sample_once_in_its_own_order():
    chosen = settings(batch=5, seed=3)
    drawn = [sample_number(chosen, 10, step, place) for step in range(4) for place in range(5)]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10)) and drawn[:10] != drawn[10:]


def test_budgets_are_the_released_ones_given_or_drawn():
    rng = np.random.default_rng(0)
    assert budget_of(TrainSettings(), (672, 1344, 2688, 4032), rng) == (80, 320, 600, 2000)
    assert budget_of(settings(), (336, 672), rng) == (10, 20)
    totals = [sum(budget_of(settings(random_budgets=(16, 64)), (336, 672), rng)) for _ in range(50)]
    assert min(totals) < 24 and max(totals) > 48 and min(totals) >= 16 and max(totals) <= 64
    assert budget_of(settings(random_budgets=(30, 30)), (336, 672), rng) == split_budget(30, (336, 672))


def test_the_learning_rate_warms_up_and_falls_to_zero():
    chosen = settings(steps=100, warmup=0.1)
    rates = [learning_rate(chosen, step) for step in range(101)]
    assert rates[0] == 0.1 and rates[9] == 1.0 and rates[100] == pytest.approx(0) and max(rates) == 1.0


def test_conversations_in_their_layouts(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").touch()
    records = [
        {"image": ["images/a.png"], "conversations": [{"from": "system", "value": "s"},
         {"from": "human", "value": "<image>\nOne?\nTwo?"}, {"from": "gpt", "value": " yes "}]},
        {"image_paths": '["images/a.png"]', "question": "Where?", "answer": "here", "prompt": None},
        {"file_name": "a.png", "prompt": "Which?", "question": "?", "answer": "it", "id": "x"},
    ]  # fmt: skip
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, records)))
    one, two, three = read_conversations(tmp_path / "c.jsonl", tmp_path / "images")
    assert one.turns == (("One?\nTwo?", "yes"),) and one.image == tmp_path / "images/a.png" and one.id == "0"
    assert two.turns == (("Where?", "here"),) and two.image == one.image
    assert three.turns == (("Which?", "it"),) and three.id == "x"


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ({"conversations": []}, "0 images"), ({"image": ["a", "b"]}, "2 images"),
        ({"image": "a", "conversations": [{"from": "human", "value": "x"}]}, "do not alternate"),
        (
            {"image": "a", "conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "x"}]},
            "empty",
        ),
        ({"image": "a"}, "question"),
    ],
)  # fmt: skip
def test_records_that_are_no_conversation(tmp_path, record, word):
    (tmp_path / "c.json").write_text(json.dumps([record]))
    with pytest.raises(InputError, match=f"record 0 of 'c.json' is no conversation.*{word}"):
        read_conversations(tmp_path / "c.json", tmp_path)


def test_the_command_line_trains(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(UHRBAT, "from_pretrained", lambda *_, **__: released())
    given = ["train", "--data", str(data), "--images", str(data.parent), "--out", str(tmp_path / "out"), "--batch", "1"]
    assert main([*given, "--steps", "1", "--budgets", "5,6"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out/model")
    for more, message in (
        (["--steps", "2", "--budgets", "5,6"], "holds a run with other settings"),
        (["--steps", "0"], "steps is 0"),
        (["--random-budgets", "9,3"], "lower first"),
        (["--random-budgets", "9"], "two numbers"),
    ):
        assert main([*given, *more]) == 2
        assert message in capsys.readouterr().err
