"""The pages of results: what they say of files with made-up figures."""

from pathlib import Path

import pytest

from tests.support import made_up_findings
from tools import make_results
from tools.make_results import real_page, short_real
from uhrbat.evaluation import findings
from uhrbat.evaluation.markdown import percent

ROOT = Path(__file__).resolve().parents[2]
FOUND = made_up_findings.real()


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the tables under a heading, heads and rules left out."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = section.splitlines()
    rules = {place for place, line in enumerate(lines) if line.startswith("| ---")}
    rows = [line for place, line in enumerate(lines) if line.startswith("|") and not {place, place + 1} & rules]
    return [row.strip("| ").split(" | ") for row in rows]


def test_the_page_about_real_pictures_holds_every_kind_beside_chance_and_the_model_before():
    rows = table_rows(real_page(FOUND), "The 100 best tokens")
    assert [row[0] for row in rows][:3] == ["cars", "buildings", "airplanes"] and len(rows) == 7
    now, before = (figures.precision[0] for figures in (FOUND.now, FOUND.before))
    assert rows[0][1:4] == [make_results.interval(now), percent(before.value), percent(now.chance)]


def test_evidence_is_beside_attention_and_random_at_each_budget():
    rows = table_rows(real_page(FOUND), "Evidence preserved")
    assert len(rows) == 3 * 8 * 2 + 6 * 3
    point = next(p for p in FOUND.now.evidence if (p.kind, p.size, p.budget) == ("car", "<= 8", 256))
    earlier = next(p for p in FOUND.before.evidence if (p.kind, p.size, p.budget) == ("car", "<= 8", 256))
    shares = [percent(value) for value in (earlier.value, point.attention, point.random)]
    assert rows[0] == ["cars", "up to 8 px", "40", make_results.interval(point), *shares]


def test_right_answers_about_the_beach_are_bold():
    rows = table_rows(real_page(FOUND), "The beach photographs")
    assert rows == [["DJI_0018", "zero", *["four"] * 4], ["DJI_0035", "three or four", *["**four**"] * 4]]


def test_without_a_model_before_there_is_no_column_of_it():
    text = real_page(made_up_findings.real(before=False))
    assert "before" not in text.lower() and len(table_rows(text, "Answers")[0]) == 5
    assert len(table_rows(real_page(FOUND), "Answers")[0]) == 8


def test_the_command_is_the_one_that_was_run():
    text = real_page(FOUND)
    assert "--precision 4 --evidence 10 --accuracy 14 --worlds 4" in text
    assert "--attention --before runs/before.json" in text


def test_the_short_table_has_a_column_a_kind():
    lines = short_real(FOUND, "real.md")
    assert lines[2].split(" | ")[1:3] == ["cars", "buildings"] and "generated worlds" not in lines[2]
    point = next(p for p in FOUND.now.evidence if (p.kind, p.size, p.budget) == ("car", "9-60", 3000))
    assert f"| preserved at 3,000 (at random) | {percent(point.value)} ({percent(point.random)}) |" in lines[6]
    assert short_real(None, "real.md") == []


@pytest.mark.parametrize("measured", [True, False])
def test_tables_stand_in_readme_and_model_card_once_real_pictures_were_measured(tmp_path, measured):
    read = [make_results.FINDINGS / f"{name}.json" for name in ("frontier", "loss", "loss_attention")]
    for path in (*read, make_results.RESULTS / "measurements.json", make_results.README, make_results.MODEL_CARD):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).symlink_to(ROOT / path)
    if measured:
        findings.write(tmp_path / make_results.FINDINGS / "real.json", FOUND)
    made = make_results.files(tmp_path)
    for path in (make_results.README, make_results.MODEL_CARD):
        assert ("| 100 best tokens that touch one" in made[path]) == measured
        assert ("<!-- results: real -->\n<!-- end -->" in made[path]) != measured
    assert ("Not measured yet." in made[make_results.RESULTS / "real.md"]) != measured
