import pytest

from tests.support import made_up_findings
from uhrbat.errors import InputError
from uhrbat.evaluation import findings

MEASURED = findings.Measured("nano", 7, "ab", {"order": "max"}, "evaluation", 2_000_000, 3, 60)
MISS = findings.Miss(
    2_000_001, [4], "Is there a red ship?", "presence", 256, [1.0, 2.0, 6.0, 8.0], [[1.0, 2.0, 6.0, 8.0]], "red ship",
    6.0, "yes", "yes", "no", "cut by the budget", "Cut by the budget.", "yes", True,
)  # fmt: skip


def test_files_come_back_as_they_were_written(tmp_path):
    frontier = findings.FrontierFile(
        MEASURED, [64], [64], [findings.Method("random", "Random", "Drawn.", "baseline", None, None, None, False)],
        [findings.Point("random", 64, "evidence", "all", 0.5, 0.4, 0.6, 60, 3)], [],
        [findings.Agreement(64, 16000, 1.0, 1.0, 1.0, 60)], [], {"all": 0.2}, {"all": 0.3},
    )  # fmt: skip
    loss = findings.LossFile(MEASURED, 5, 16000, [256], [], [], [MISS])
    findings.write(tmp_path / "frontier.json", frontier)
    findings.write(tmp_path / "loss.json", loss)
    assert findings.read_frontier(tmp_path / "frontier.json") == frontier
    assert findings.read_loss(tmp_path / "loss.json") == loss
    for real in (made_up_findings.real(), made_up_findings.real(before=False)):
        findings.write(tmp_path / "real.json", real)
        assert findings.read_real(tmp_path / "real.json") == real


@pytest.mark.parametrize("text", ["", "{}", '{"measured": 3}', "[]"])
def test_other_files_are_refused_in_one_sentence(tmp_path, text):
    path = tmp_path / "loss.json"
    path.write_text(text)
    with pytest.raises(InputError, match="run evaluate again"):
        findings.read_loss(path)
