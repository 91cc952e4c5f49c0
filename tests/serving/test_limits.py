import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from uhrbat.choices import REGIONS, SETTINGS
from uhrbat.errors import InputError
from uhrbat.serving.limits import Limits
from uhrbat.serving.server.models import Offer

ROWS = re.findall(r"^ *(\| .* \|)$", Limits.__doc__, re.MULTILINE)


def test_every_limit_is_set_by_its_variable():
    for field in dataclasses.fields(Limits):
        value = type(field.default)("7")
        assert getattr(Limits.from_environment({f"UHRBAT_{field.name.upper()}": "7"}), field.name) == value


def test_the_table_of_limits_is_complete_and_true():
    told = {}
    for row in ROWS[2:]:
        name, default, _ = (cell.strip() for cell in row.strip("|").split("|"))
        number, _, unit = default.partition(" ")
        told[name] = "" if default == "(temporary)" else float(number.replace(",", "")) * (2**30 if unit else 1)
    assert told == {field.name: field.default for field in dataclasses.fields(Limits)}


def test_the_documentation_shows_every_limit():
    text = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()
    assert [row for row in ROWS if row not in text] == []


@pytest.mark.parametrize("value", ["many", "0", "-3"])
def test_a_limit_that_is_no_positive_number_is_refused(value):
    with pytest.raises(InputError, match="give a number"):
        Limits.from_environment({"UHRBAT_QUEUE_JOBS": value})


def test_the_store_is_for_this_user_alone(tmp_path):
    folder = Limits(store_folder=str(tmp_path / "store")).folder()
    assert folder.stat().st_mode & 0o077 == 0


def test_models_are_offered_by_name():
    offer = Offer.from_environment(
        {"UHRBAT_MODELS": "nano, big=/models/big", "UHRBAT_DEVICE": "cpu", "UHRBAT_SAM": "/sam"}
    )
    assert offer == Offer({"nano": "nano", "big": "/models/big"}, "cpu", "/sam")
    assert Offer.from_environment({}) == Offer()


def test_telling_what_is_offered_imports_no_transformers():
    # A second thread that imports transformers while the first model's does finds it empty, and that model fails.
    code = "import sys; from uhrbat.serving.server.models import *; Models(Offer()).infos(); print('transformers' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert told.stdout.strip() == "False"


def test_the_partitions_that_are_told_are_the_engine_s():
    assert SETTINGS["regions"] == REGIONS
