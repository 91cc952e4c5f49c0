"""What is measured on real pictures: that it counts what it says it counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.made_pictures import write
from tests.support.tiny import engine
from uhrbat.budget import split_budget
from uhrbat.cli import main
from uhrbat.data.compositions import Composer, Composition
from uhrbat.data.real import Picture
from uhrbat.engine import UHRBAT
from uhrbat.evaluation import real
from uhrbat.evaluation.findings import Beach, RealFigures, RealFile, read_real
from uhrbat.evaluation.real import (
    as_text,
    beach_records,
    evidence_record,
    precision_record,
    preserved,
    summarise,
    touching,
)
from uhrbat.geometry import Scale
from uhrbat.imagery import canvas_of
from uhrbat.selection.evidence import evidence_preserved
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
    row = evidence_record(encoded, composition, attention=True)
    assert len(row["sizes"]) == len(row["preserved"]) == len(row["attention"]) == 2
    for kept, attended, chance in zip(row["preserved"], row["attention"], row["random"]):
        assert sorted(kept) == kept and sorted(attended) == attended and sorted(chance) == chance
        assert all(0 <= value <= 1 for value in chance)


def test_attention_is_measured_only_where_wanted_and_by_its_own_importance(encoded, composition):
    assert "attention" not in evidence_record(encoded, composition)
    kept = preserved(encoded, "How many cars are there?", composition.boxes, attention=True)
    own, attended = (
        encoded.ask("How many cars are there?", replace(engine().settings, importance=importance)).rankings
        for importance in (engine().settings.importance, "attention")
    )
    table = np.array([split_budget(budget, encoded.square.scales) for budget in real.BUDGETS])
    assert not torch.equal(own[672].order, attended[672].order)
    for name, rankings in (("preserved", own), ("attention", attended)):
        assert np.array_equal(kept[name], evidence_preserved(encoded.square, composition.boxes, rankings, table))


def records() -> list[dict]:
    scales = {"2688": [0.9, 0.1], "4032": [0.7, 0.1]}
    rows = {
        "sizes": [6.0, 20.0],
        "preserved": [[False, False, True], [True, True, True]],
        "random": [[0.0, 0.2, 0.4]] * 2,
        "attention": [[False, False, False], [False, True, True]],
    }
    answers = [("zero", "no", 0), ("one", "no", 1), ("four", "yes", 2), ("three", "yes", 2)]
    return [
        {"measure": "precision", "kind": "car", "index": 0, "scales": scales},
        {"measure": "precision", "kind": "ship", "index": 0, "scales": {"2688": [0.5, 0.3], "4032": [0.5, 0.1]}},
        {"measure": "evidence", "kind": "car", "index": 0, **rows},
        {"measure": "evidence", "kind": "ship", "index": 0, **{way: rows[way] for way in list(rows)[:3]}},
        {"measure": "evidence", "kind": real.WORLDS, "index": 7, **rows},
        *(
            {"measure": "accuracy", "kind": "car", "index": n, "objects": objects, "count": count, "presence": presence}
            for n, (count, presence, objects) in enumerate(answers)
        ),
        {"measure": "whole", "kind": "ship", "index": "a.jpg", "objects": 2, "count": "two", "presence": "yes"},
        {"measure": "whole", "kind": "ship", "index": "b.jpg", "objects": 0, "count": "one", "presence": "no"},
        {"measure": "beach", "kind": "car", "index": "DJI_0035 turned", "picture": "DJI_0035", "change": "turned",
         "given": "four"},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def found() -> RealFigures:
    return summarise(engine(), "ab", 12, records())


def test_the_report_says_of_what_it_is(found):
    assert (found.model, found.parameters, found.fingerprint) == (engine().name, engine().parameters, "ab")
    assert (found.pictures, found.compositions, found.worlds) == (12, 8, 1)


def test_precision_is_by_kind_and_scale_and_of_all_kinds(found):
    values = {(p.kind, p.scale): (p.value, p.chance, p.compositions) for p in found.precision}
    assert values["car", 2688] == (0.9, 0.1, 1) and values["car", 4032] == (0.7, 0.1, 1)
    assert values["all kinds", 2688] == (0.7, 0.2, 2)


def test_evidence_is_by_size_and_budget_beside_random_and_attention(found):
    cars = {(e.size, e.budget): e for e in found.evidence if e.kind == "car"}
    assert [cars["<= 8", budget].value for budget in real.BUDGETS] == [0.0, 0.0, 1.0]
    assert [cars["all", budget].attention for budget in real.BUDGETS] == [0.0, 0.5, 0.5]
    assert cars["all", 3000].random == 0.4 and cars["all", 3000].objects == 2
    assert "> 32" not in {size for size, _ in cars}


def test_attention_of_some_compositions_alone_is_not_reported(found):
    assert {e.attention for e in found.evidence if e.kind in ("ship", "all kinds")} == {None}


def test_generated_worlds_count_among_no_kind_of_object(found):
    counts = {e.kind: e.objects for e in found.evidence if e.size == "all"}
    assert counts == {"car": 2, "ship": 2, "all kinds": 4, "generated worlds": 2}


def test_presence_is_balanced_and_counts_are_exact_or_within_one(found):
    values = {a.asked: a.value for a in found.accuracy if a.kind == "car"}
    assert values["presence"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)
    assert values["count"] == 0.5 and values["count within one"] == 0.75


def test_whole_pictures_count_among_no_kind_of_object(found):
    values = {a.asked: (a.value, a.questions) for a in found.accuracy if a.kind == "whole pictures"}
    assert values == {"presence": (1.0, 2), "count": (0.5, 2), "count within one": (1.0, 2)}
    assert not [a for a in found.accuracy if a.kind == "ship"]


def test_whole_pictures_are_balanced_between_with_and_without():
    def made(name: str, cars: int | None, unsure: int = 0) -> Picture:
        box = (0.0, 0.0, 5.0, 5.0)
        boxes = {} if cars is None else {"car": [box] * cars}
        return Picture(
            Path(name), boxes, {"car": [box] * unsure} if unsure else {}, scene="forest" if cars == 0 else None
        )

    pictures = [
        made("two", 2),
        made("many", 9),
        made("unsure", 1, 1),
        made("unknown", None),
        made("a", 0),
        made("b", 0),
    ]
    chosen = real.whole_pictures(pictures, "car")
    assert [count for _, count in chosen] == [2, 0] and chosen[0][0].path.name == "two"


def test_a_beach_photograph_may_have_two_right_answers(found):
    assert found.beach == [Beach("DJI_0035", "turned", ["three", "four"], "four")]


def test_the_report_as_text_has_a_line_a_figure(found):
    points = len(found.precision) + len(found.evidence) + len(found.accuracy) + len(found.beach)
    assert len(as_text(found).splitlines()) == points + 3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(real, "SIDES", (4032,))
    monkeypatch.setattr(UHRBAT, "from_pretrained", lambda *_, **__: engine())
    return write(tmp_path / "real")


def evaluate(folder, out, *more):
    given = ["--data", str(folder), "--kinds", "car", "--precision", "0", "--accuracy", "0", "--evidence", "1"]
    return main(["evaluate", "real", *given, "--out", str(out), *more])


def test_the_command_writes_a_report_and_goes_on_from_what_is_finished(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out" / "real.json"
    assert evaluate(folder, out) == 0
    first = read_real(out)
    assert first.before is None and first.now.compositions == 1 and first.now.evidence[0].attention is None
    monkeypatch.setattr(real, "evidence_record", None)
    monkeypatch.setattr(Composer, "compose", None)
    assert evaluate(folder, out, "--before", str(out)) == 0
    assert read_real(out) == RealFile(first.now, first.now)
    assert evaluate(folder, out, "--attention") == 2
    assert "another model or of other settings" in capsys.readouterr().err


def test_a_report_of_another_layout_is_refused_before_anything_is_measured(folder, tmp_path, capsys):
    (tmp_path / "old.json").write_text("{}")
    assert evaluate(folder, tmp_path / "real.json", "--before", str(tmp_path / "old.json")) == 2
    assert "old.json is not a RealFile" in capsys.readouterr().err and not (tmp_path / "real.records").exists()


def test_beach_photographs_are_asked_about_as_they_are_and_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(real, "BEACH", {"DJI_0018": (0,)})
    monkeypatch.setattr(real, "BUDGET", 40)
    Image.fromarray(np.full((60, 90, 3), 120, np.uint8)).save(tmp_path / "DJI_0018.JPG")
    rows = list(beach_records(engine(), tmp_path, {"DJI_0018 mirrored", "DJI_0018 darker by a third"}))
    assert [row["change"] for row in rows] == ["as it is", "turned"]


def test_generated_worlds_are_measured_by_question(monkeypatch):
    monkeypatch.setattr(real, "generate", lambda seed: generate(seed, 504))
    row = real.world_record(engine(), 1_000_000, attention=True)
    assert len(row["sizes"]) == len(row["preserved"]) == len(row["random"]) == len(row["attention"]) > 3
    assert all(len(kept) == len(real.BUDGETS) and size > 0 for kept, size in zip(row["preserved"], row["sizes"]))
