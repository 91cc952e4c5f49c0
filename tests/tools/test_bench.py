"""The benchmarks work at a small size; their figures are not looked at."""

import json

import pytest
import torch

from tests.support import tiny
from tools import bench


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The tiny model in nano's place, and a folder that holds it."""
    folder = tmp_path / "model"
    tiny.engine().save_pretrained(folder)
    monkeypatch.setattr(bench.UHRBAT, "from_pretrained", lambda name, **given: tiny.engine())
    return folder


def run(tmp_path, *arguments):
    found = tmp_path / "found.json"
    threads = torch.get_num_threads()
    try:
        assert bench.main([*map(str, arguments), "--rounds", "1", "--size", "672", "--json", str(found)]) == 0
    finally:
        torch.set_num_threads(threads)
    return json.loads(found.read_text())


@pytest.mark.slow
def test_every_part_times_both_sides(small, tmp_path):
    found = run(tmp_path, *bench.PARTS, "--scales", "672", "--dims", "8", "--side", "700")
    assert {row["part"] for row in found["rows"]} == set(bench.PARTS)
    for row in found["rows"]:
        assert row["ratio"] == pytest.approx(row["ours"]["wall"] / row["theirs"]["wall"]) and row["ratio"] > 0
    assert found["machine"]["processor"] and found["machine"]["threads"] == 1 and found["options"]["side"] == 700


def test_a_model_is_compared_with_another_folder(small, tmp_path):
    (row,) = run(tmp_path, "encode", "--against", small)["rows"]
    assert row["beside"] == str(small) and row["theirs"]["wall"] > 0


def test_a_model_is_compared_with_a_revision(monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr(bench.UHRBAT, "from_pretrained", lambda name, **given: loaded.append(name) or tiny.engine())
    run(tmp_path, "encode", "--against", "HEAD")
    assert loaded[0] == "nano" and loaded[1].endswith("uhrbat/nano")
    with pytest.raises(SystemExit, match="neither a folder nor a revision"):
        run(tmp_path, "encode", "--against", "no-such-revision")


def test_an_encoding_counts_its_attention():
    work = bench.operations(tiny.engine(), bench.world(672))
    vision, tokens = tiny.network().vision.config, 24 * 24 + 1
    tiles = sum((size // 336) ** 2 for size in tiny.engine().scales)
    assert work > tiles * 2 * 2 * tokens * tokens * vision.hidden_size


def test_wrong_parts_are_refused(capsys):
    for wrong in (["decode"], ["selection", "--against", "HEAD"]):
        with pytest.raises(SystemExit):
            bench.main(wrong)
    assert "no such part: decode" in capsys.readouterr().err
