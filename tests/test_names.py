import warnings

import pytest

import uhrbat


@pytest.mark.parametrize("name", uhrbat.__all__)
def test_public_names_are_there_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert getattr(uhrbat, name)


@pytest.mark.parametrize(
    ("old", "new"), [("EncodedScene", "EncodedImage"), ("View", "Question"), ("SceneSelection", "SelectedTokens")]
)
def test_names_of_version_0_1_still_work_and_warn(old, new):
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(uhrbat, old) is getattr(uhrbat, new)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Scene'"):
        _ = uhrbat.Scene
