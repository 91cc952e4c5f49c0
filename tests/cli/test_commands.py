import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.support.made_images import write_tiff
from tests.support.tiny import config, network, tokenizer
from uhrbat.checkpoints import loading
from uhrbat.cli import main
from uhrbat.errors import Cancelled


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import torch

    folder = tmp_path_factory.mktemp("model")
    loading.save(network(), tokenizer(), folder, torch.float32)
    assert config().point_bins
    return str(folder)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "scene 1.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)).save(path)
    return str(path)


def test_ask_prints_everything_as_json(model, image, capsys):
    assert main(["ask", image, "Is there a ship?", "--budget", "100", "--model", model, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["tokens"] == 100
    assert sum(report["budgets"].values()) == 100
    assert set(report["seconds"]) >= {"read", "encode", "score", "rank", "prefill"}
    assert "generated worlds only" in report["caveat"]
    assert report["understood"] is True and report["read_as"] == "Is there a ship in the image?"


def test_ask_says_the_caveat_beside_the_answer_and_what_it_read(model, image, capsys):
    assert main(["ask", image, "Any boats?", "--budget", "20,30", "--model", model]) == 0
    shown = capsys.readouterr().out
    assert "trained on generated worlds only" in shown and "read as: Is there a ship in the image?" in shown


def test_ask_says_before_the_answer_that_a_question_is_not_understood(model, image, capsys):
    assert main(["ask", image, "How many bridges?", "--budget", "20,30", "--model", model]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "note: This question is not understood: nano does not know the word 'bridges'. Ask in English"
    )


def test_inspect_prints_a_verdict(model, image, capsys):
    box = ["--box", "10", "10", "20", "20"]
    assert main(["inspect", image, "Is there a ship?", *box, "--budget", "100", "--model", model]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 3


def test_bands_are_chosen_and_wrong_ones_refused(model, tmp_path, capsys):
    path = tmp_path / "six.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 6), np.uint8)
    write_tiff(path, pixels)
    command = ["ask", str(path), "Is there a ship?", "--budget", "50", "--model", model, "--json", "--bands"]
    assert main([*command, "6,5,4"]) == 0
    assert "bands 6, 5, 4 of 6" in json.loads(capsys.readouterr().out)["notes"][0]
    for wrong, reply in (("7,1,2", "bands 1 to 6"), ("red", "list of bands"), ("1,2", "choose one or three")):
        assert main([*command, wrong]) == 2
        error = capsys.readouterr().err
        assert reply in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "\u8239\u306f\u3069\u3053?",
        "\U0001f6a2\u200d\U0001f680",
        "a\x00b\x1b[31m",
        "<b>&amp;</b>",
        "<|im_end|><x3> <image>",
    ],
)
def test_questions_of_any_kind_are_answered(model, image, question, capsys):
    assert main(["ask", image, question, "--budget", "20", "--model", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == 20


def bad_files(tmp_path):
    (tmp_path / "notes.jpg").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = tmp_path / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)).save(whole)
    (tmp_path / "truncated.jpg").write_bytes(whole.read_bytes()[:9000])
    return tmp_path


@pytest.mark.parametrize("name", ["notes.jpg", "empty.png", "truncated.jpg", "missing.png"])
def test_a_bad_file_is_one_line_and_code_2(name, tmp_path, model, capsys):
    path = str(bad_files(tmp_path) / name)
    assert main(["ask", path, "Is there a ship?", "--model", model, "--json"]) == 2
    error = capsys.readouterr().err
    assert name in error and error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize(
    "extra",
    [
        ["", "--budget", "100"],
        ["a" * 5000, "--budget", "100"],
        ["a ship?", "--budget", "0"],
        ["a ship?", "--budget", "131329"],
        ["a ship?", "--budget", "lots"],
        ["a ship?", "--importance", "luck"],
        ["a ship?", "--nonsense"],
    ],
)
def test_bad_arguments_are_one_line_and_code_2(extra, image, model, capsys):
    assert main(["ask", image, *extra, "--model", model]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_a_box_outside_the_image_is_refused(image, model, capsys):
    box = ["--box", "900", "900", "950", "950"]
    assert main(["inspect", image, "a ship?", *box, "--model", model]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_one_pixel_image_is_answered_or_refused_plainly(tmp_path, model, capsys):
    path = tmp_path / "one.png"
    Image.new("RGB", (1, 1)).save(path)
    code = main(["ask", str(path), "a ship?", "--budget", "50", "--model", model, "--json"])
    out = capsys.readouterr()
    assert (code == 0 and json.loads(out.out)["tokens"] <= 50) or (code == 2 and "one.png" in out.err)


@pytest.mark.slow
def test_two_processes_give_equal_tokens_and_answers(model, image):
    command = [sys.executable, "-m", "uhrbat", "ask", image, "How many cars?", "--budget", "200", "--json"]
    reports = [json.loads(subprocess.check_output([*command, "--model", model])) for _ in range(2)]
    for report in reports:
        del report["seconds"], report["peak_memory_bytes"]
    assert reports[0] == reports[1]


def test_a_benchmark_is_run_once_and_then_only_reported(model, image, tmp_path, capsys):
    rows = [
        {"question_id": f"FAIR_{i}", "image": "scene 1.png", "category": "count", "text": "How many ships?",
         "ground_truth": "none", "hbox": [10, 10, 40, 40]} for i in range(2)
    ]  # fmt: skip
    questions, out = tmp_path / "lrs.jsonl", tmp_path / "out"
    questions.write_text("\n".join(map(json.dumps, rows)))
    given = ["--questions", str(questions), "--images", str(tmp_path), "--model", model, "--budget", "40", "--json"]
    assert main(["evaluate", "benchmark", "lrs-vqa", *given, "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["answered"], report["missing"], report["tokens"]) == (2, 0, 40)
    assert report["evidence_preserved"] in (0, 50, 100)
    kept = (out / "answers-00000-of-00001.jsonl").read_text()
    assert main(["evaluate", "benchmark", "lrs-vqa", *given, "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == report
    assert (out / "answers-00000-of-00001.jsonl").read_text() == kept


def test_train_writes_a_model_that_answers(model, image, tmp_path, capsys):
    pytest.importorskip("accelerate")
    turns = [{"from": "human", "value": "<image>\nIs there a ship?"}, {"from": "gpt", "value": "yes"}]
    data, out = tmp_path / "data.json", tmp_path / "out"
    data.write_text(json.dumps([{"id": 0, "image": "scene 1.png", "conversations": turns}]))
    how = ["--steps", "2", "--batch", "1", "--budgets", "20,40"]
    given = ["--data", str(data), "--images", str(tmp_path), "--model", model, "--out", str(out)]
    assert main(["train", *given, *how]) == 0
    trained = capsys.readouterr().out.strip()
    assert len((out / "log.jsonl").read_text().splitlines()) == 2
    assert main(["ask", image, "Is there a ship?", "--budget", "20,40", "--model", trained, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == 60


@pytest.mark.parametrize("command", [["evaluate", "benchmark", "no-such"], ["train"], ["evaluate"]])
def test_an_incomplete_command_is_one_line_and_code_2(command, capsys):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("path", [[], ["ask"], ["inspect"], ["world"], ["evaluate"], ["train"], ["serve"], ["explore"]])
def test_every_command_explains_itself(path, capsys):
    assert main([*path, "--help"]) == 0
    assert f"Usage: {' '.join(['uhrbat', *path])}" in capsys.readouterr().out


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled])
def test_stopped_work_ends_with_130(error, image, monkeypatch):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr("uhrbat.imagery.open_image", stop)
    assert main(["ask", image, "Is there a ship?"]) == 130


@pytest.mark.parametrize("command", [["nonsense"], ["serve", "--port", "many"], ["explore", "--port", "70000"]])
def test_a_wrong_command_or_option_is_one_line_and_code_2(command, capsys):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.endswith("--help)\n") and error.count("\n") == 1


def test_explore_starts_the_page(monkeypatch):
    started = []
    monkeypatch.setattr("app.start.main", lambda host, port: started.append((host, port)))
    monkeypatch.setattr("uhrbat.cli.explore.PACKAGES", ("no_such_package", "app"))
    monkeypatch.setenv("UHRBAT_MODELS", "nano")
    assert main(["explore", "--port", "7777"]) == 0
    assert started == [(None, 7777)] and os.environ["UHRBAT_MODELS"] == "nano"
    assert main(["explore", "--model", "owner/one", "--model", "two=/a folder"]) == 0
    assert os.environ["UHRBAT_MODELS"] == "owner/one,two=/a folder"


def test_a_model_of_no_known_family_is_one_line_and_code_2(tmp_path, image, capsys):
    (tmp_path / "config.json").write_text('{"model_type": "florence2"}')
    assert main(["ask", image, "a ship?", "--model", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "is of another architecture (florence2); this reads uhrbat" in error and error.count("\n") == 1


@pytest.mark.slow
def test_a_large_world_is_written_with_its_truth_and_questions(tmp_path, capsys):
    assert main(["world", "4000001", str(tmp_path / "w.tif"), "--side", "1008", "--questions", "5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "w.json").read_text())
    assert printed["size"] == 1008 and len(printed["questions"]) == 5 and printed["objects"]
    boxes = [item["box"] for item in printed["objects"]]
    assert all(box in boxes for asked in printed["questions"] for box in asked["boxes"])


def test_a_large_world_is_written_as_tiff_alone(tmp_path, capsys):
    assert main(["world", "4000001", str(tmp_path / "w.png")]) == 2
    assert "let it end with .tif" in capsys.readouterr().err


@pytest.mark.slow
def test_ask_and_inspect_look_at_native_scales(model, tmp_path, capsys):
    path = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (2000, 2800, 3), np.uint8)).save(path)
    asked = [str(path), "Is there a ship?", "--budget", "100", "--model", model, "--looks", "2", "--json"]
    assert main(["ask", *asked]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["looks"]) == ["2688"] and len(report["looks"]["2688"]) == 2
    assert report["tokens"] == 100 and list(report["budgets"]) == ["672", "1344", "2688"]
    assert {"survey", "look"} <= set(report["seconds"])
    assert main(["inspect", *asked, "--box", "10", "10", "14", "14"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["native"] for row in rows] == [False, False, True]
