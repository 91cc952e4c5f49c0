import dataclasses
import re

import pytest

from uhrbat.errors import InputError
from uhrbat.serving.limits import Limits
from uhrbat.serving.models import Offer


def test_every_limit_is_set_by_its_variable_and_documented():
    for field in dataclasses.fields(Limits):
        value = type(field.default)("7")
        assert getattr(Limits.from_environment({f"UHRBAT_{field.name.upper()}": "7"}), field.name) == value
        assert re.search(rf"^    \| {field.name} +\|", Limits.__doc__, re.MULTILINE)


@pytest.mark.parametrize("value", ["many", "0", "-3"])
def test_a_limit_that_is_no_positive_number_is_refused(value):
    with pytest.raises(InputError, match="give a number"):
        Limits.from_environment({"UHRBAT_QUEUE_JOBS": value})


def test_the_store_is_for_this_user_alone(tmp_path):
    folder = Limits(store_folder=str(tmp_path / "store")).folder()
    assert folder.stat().st_mode & 0o077 == 0


def test_models_are_offered_by_name():
    offer = Offer.from_environment({"UHRBAT_MODELS": "nano, big=/models/big", "UHRBAT_DEVICE": "cpu"})
    assert offer == Offer({"nano": "nano", "big": "/models/big"}, "cpu")
    assert Offer.from_environment({}) == Offer()
