import pytest

from uhrbat.errors import InputError
from uhrbat.evaluation.findings import Measured, write
from uhrbat.evaluation.looks import findings

MEASURED = Measured("nano", 7, "ab", {"order": "max"}, "evaluation", 2_000_000, 3, 60)


def test_files_come_back_as_they_were_written(tmp_path):
    point = findings.LooksPoint("64", "paper", 3000, "evidence", "size: 6-8", 0.5, 0.4, 0.6, 60)
    frontier = findings.LooksFile(MEASURED, 16384, ["64"], [point], {"a look": 0.1})
    loss = findings.LooksLossFile(
        MEASURED, 16384, ["64"], [3000], [findings.LooksLoss("64", 3000, 60, 40, 50, 12)],
        [findings.LooksCause("64", 3000, "not looked at", 12)],
    )  # fmt: skip
    write(tmp_path / "looks.json", frontier)
    write(tmp_path / "looks_loss.json", loss)
    assert findings.read_looks(tmp_path / "looks.json") == frontier
    assert findings.read_looks_loss(tmp_path / "looks_loss.json") == loss
    with pytest.raises(InputError, match=r"looks.json is not a LooksLossFile .*run evaluate again"):
        findings.read_looks_loss(tmp_path / "looks.json")
