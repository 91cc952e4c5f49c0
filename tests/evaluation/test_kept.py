import pytest

from uhrbat.errors import InputError
from uhrbat.evaluation.kept import Kept, part_of


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "a/b"])
def test_bad_parts_are_refused(text):
    with pytest.raises(InputError, match="--part"):
        part_of(text)


def test_a_torn_record_of_another_process_is_left_out(tmp_path):
    kept = Kept(tmp_path, "scenes", "ab")
    kept.add({"seed": 1})
    (tmp_path / "scenes-2of2.jsonl").write_text('{"fingerprint": "ab", "seed": 2}\n{"finger')
    assert [record["seed"] for record in kept.records()] == [1, 2]


def test_a_world_that_two_processes_measured_counts_once(tmp_path):
    kept = Kept(tmp_path, "loss", "ab", "1of2")
    for seed, value in ((3, 0), (1, 0), (7, 0), (3, 1)):
        kept.add({"seed": seed, "value": value})
    assert [(record["seed"], record["value"]) for record in kept.worlds(range(5))] == [(1, 0), (3, 1)]
