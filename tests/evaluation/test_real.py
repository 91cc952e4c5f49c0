"""What is measured on real pictures: that it counts what it says it counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.support.made_pictures import write
from tests.support.tiny import engine
from uhrbat.data.compositions import Composer, Composition
from uhrbat.data.real import held_back, read_pictures
from uhrbat.evaluation import real
from uhrbat.evaluation.real import evidence_record, precision_record, report, table, touching
from uhrbat.geometry import Scale
from uhrbat.imagery import canvas_of
from uhrbat.worlds import generate


@pytest.fixture(scope="module")
def composition() -> Composition:
    boxes = ((28.0, 28.0, 56.0, 42.0), (300.0, 300.0, 310.0, 310.0))
    return Composition(np.full((672, 672, 3), 90, np.uint8), ("car",), boxes, ("car", "car"))


@pytest.fixture(scope="module")
def encoded(composition):
    return engine().encode_canvas(canvas_of(composition.image))


def test_tokens_that_touch_an_object(encoded, composition):
    touched = touching(encoded, composition.boxes, 672)
    scale = Scale(672)
    places = {tuple(map(int, scale.rowcol(index))) for index in np.flatnonzero(touched)}
    assert places == {(2, 2), (2, 3), (21, 21), (21, 22), (22, 21), (22, 22)}


def test_precision_of_a_perfect_and_of_a_blind_importance(encoded, composition, monkeypatch):
    monkeypatch.setattr(real, "FINE", (672,))
    monkeypatch.setattr(real, "BEST", 6)
    touched = torch.from_numpy(touching(encoded, composition.boxes, 672)).float()
    assert precision_record(encoded, composition, {672: touched})["672"][0] == 1.0
    assert precision_record(encoded, composition, {672: 1 - touched})["672"][0] == 0.0


def test_evidence_grows_with_the_budget(encoded, composition):
    row = evidence_record(encoded, composition)
    assert len(row["sizes"]) == len(row["preserved"]) == 2
    for kept, chance in zip(row["preserved"], row["random"]):
        assert sorted(kept) == kept and sorted(chance) == chance
        assert all(0 <= value <= 1 for value in chance)


def records() -> list[dict]:
    scales = {"2688": [0.9, 0.1], "4032": [0.7, 0.1]}
    rows = {
        "sizes": [6.0, 20.0],
        "preserved": [[False, False, True], [True, True, True]],
        "random": [[0.0, 0.2, 0.4]] * 2,
    }
    return [
        {"measure": "precision", "kind": "car", "index": 0, "scales": scales},
        {"measure": "evidence", "kind": "car", "index": 0, **rows},
    ]


def test_the_report_groups_by_size_and_budget():
    reply = report(records())
    assert [p["value"] for p in reply["precision"]] == [0.9, 0.7]
    small = {e["budget"]: e["value"] for e in reply["evidence"] if e["size"] == "<= 8"}
    assert small == {256: 0.0, 1024: 0.0, 3000: 1.0}
    assert {e["objects"] for e in reply["evidence"] if e["size"] == "all"} == {2}
    assert "car" in table(reply)


def test_finished_compositions_are_kept(tmp_path, monkeypatch):
    pictures = held_back(read_pictures(write(tmp_path / "real")))
    keep = tmp_path / "records.jsonl"
    monkeypatch.setattr(real, "FINE", (672,))
    counts = {"precision": 0, "evidence": 1}
    monkeypatch.setattr(real, "SIDES", (4032,))
    first = real.measure(engine(), Composer(pictures), ("car",), counts, keep)
    assert len(keep.read_text().splitlines()) == 1 and json.loads(keep.read_text())["kind"] == "car"
    monkeypatch.setattr(real, "evidence_record", None)
    assert real.measure(engine(), Composer(pictures), ("car",), counts, keep) == first


def test_generated_worlds_are_measured_by_question(monkeypatch):
    monkeypatch.setattr(real, "generate", lambda seed: generate(seed, 504))
    row = real.world_record(engine(), 1_000_000)
    assert len(row["sizes"]) == len(row["preserved"]) == len(row["random"]) > 3
    assert all(len(kept) == len(real.BUDGETS) and size > 0 for kept, size in zip(row["preserved"], row["sizes"]))
