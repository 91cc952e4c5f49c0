"""The prefill table works at a tiny shape; its figures are not looked at."""

import json

import pytest

from tools import prefill

TINY = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 99,
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    shape = prefill.SHAPES["2b"]
    text = shape["text_config"] | TINY
    text["rope_parameters"] = text["rope_parameters"] | {"mrope_section": [1, 1, 2]}
    vision = shape["vision_config"] | {"hidden_size": 16, "out_hidden_size": 32}
    monkeypatch.setitem(prefill.SHAPES, "2b", shape | {"text_config": text, "vision_config": vision})


def test_each_budget_is_measured_once(tiny, tmp_path, capsys, monkeypatch):
    out = tmp_path / "found" / "prefill.json"
    assert prefill.main(["--tokens", "8,40", "--out", str(out)]) == 0
    first = json.loads(out.read_text())
    assert [row["tokens"] for row in first["rows"]] == [8, 40]
    assert all(row["seconds"] > 0 and row["peak_gb"] > 0 for row in first["rows"])
    assert "| 40 | " in capsys.readouterr().out
    asked = []
    monkeypatch.setattr(prefill, "measured", lambda network, tokens, rounds: asked.append(tokens) or first["rows"][0])
    assert prefill.main(["--tokens", "8,40,all", "--out", str(out)]) == 0
    assert asked == [27360]
    assert prefill.main(["--tokens", "8", "--layers", "1", "--out", str(out)]) == 2
    assert "give another --out" in capsys.readouterr().err


@pytest.mark.parametrize(("shape", "billions"), [("2b", 1.72), ("7b", 7.6)])
def test_the_shapes_are_of_the_released_language_models(shape, billions, monkeypatch):
    asked = []

    def note(name, numbers, *more):
        asked.append(numbers)
        raise prefill.InputError("enough")

    monkeypatch.setattr(prefill, "check_room", note)
    with pytest.raises(prefill.InputError):
        prefill.made(shape, None, prefill.torch.device("cpu"), prefill.torch.bfloat16)
    assert asked[0] / 1e9 == pytest.approx(billions, rel=0.02)
