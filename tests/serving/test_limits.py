import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.limits import PageLimits
from uhrbat.errors import InputError
from uhrbat.serving.lent import LentSeconds
from uhrbat.serving.limits import Limits
from uhrbat.serving.server.models import Offer

ROOT = Path(__file__).resolve().parents[2]


def rows(limits) -> list[str]:
    """The table in a class's docstring."""
    return re.findall(r"^ *(\| .* \|)$", limits.__doc__, re.MULTILINE)


@pytest.mark.parametrize("limits", [Limits, PageLimits, LentSeconds])
def test_every_limit_is_set_by_its_variable(limits, monkeypatch):
    for name, field in limits.model_fields.items():
        monkeypatch.setenv(f"UHRBAT_{name.upper()}", "7")
        assert getattr(limits(), name) == type(field.default)("7")


@pytest.mark.parametrize("limits", [Limits, PageLimits, LentSeconds])
def test_times_may_be_parts_of_an_hour_or_a_second(limits, monkeypatch):
    for name in limits.model_fields:
        if name.endswith(("_hours", "_seconds")):
            monkeypatch.setenv(f"UHRBAT_{name.upper()}", "0.01")
            assert getattr(limits(), name) == 0.01


@pytest.mark.parametrize("limits", [Limits, PageLimits, LentSeconds])
def test_the_table_of_limits_is_complete_and_true(limits):
    table = {}
    for row in rows(limits)[2:]:
        name, default, _ = (cell.strip() for cell in row.strip("|").split("|"))
        number, _, unit = default.partition(" ")
        table[name] = (
            "" if default in ("(temporary)", "(none)") else float(number.replace(",", "")) * (2**30 if unit else 1)
        )
    assert table == {name: field.default for name, field in limits.model_fields.items()}


@pytest.mark.parametrize("limits", [Limits, PageLimits, LentSeconds])
def test_the_documentation_shows_every_limit(limits):
    texts = "\n".join(path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")))
    assert [row for row in rows(limits) if row not in texts] == []


@pytest.mark.parametrize("value", ["many", "0", "-3"])
def test_a_limit_that_is_no_positive_number_is_refused(value, monkeypatch):
    monkeypatch.setenv("UHRBAT_QUEUE_JOBS", value)
    with pytest.raises(InputError, match=f"UHRBAT_QUEUE_JOBS is '{value}'; give a number above 0"):
        Limits()


def test_the_store_is_for_this_user_alone(tmp_path):
    folder = Limits(store_folder=str(tmp_path / "store")).folder()
    assert folder.stat().st_mode & 0o077 == 0


def test_models_are_offered_by_name():
    offer = Offer.from_environment(
        {"UHRBAT_MODELS": "nano, big=/models/big", "UHRBAT_DEVICE": "cpu", "UHRBAT_SAM": "/sam"}
    )
    assert offer == Offer({"nano": "nano", "big": "/models/big"}, "cpu", "/sam")
    assert Offer.from_environment({}) == Offer()


def test_listing_what_is_offered_imports_no_transformers():
    # A second thread that imports transformers while the first model's does finds it empty, and that model fails.
    code = (
        "import sys; from uhrbat.serving.server.models import *; Models(Offer()).infos(); "
        "print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "False"
