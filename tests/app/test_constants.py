import json
import re
from pathlib import Path

from app import theme
from app.constants import ID, STAGES, constants, head
from app.progress import _SHARES
from app.routes import SCRIPTS
from uhrbat.geometry import SCALES, Scale


def test_the_head_holds_the_constants_as_json_and_the_fates_colours_for_the_style_sheets():
    written = head()
    content = re.search(rf'<script type="application/json" id="{ID}">(.*)</script>', written)[1]
    assert json.loads(content) == constants() and "<" not in content
    assert f"--uhr-preserved: {theme.PRESERVED}" in written and f"--uhr-merged: {theme.MERGED}" in written


def test_the_scripts_tests_read_the_same():
    copy = json.loads((Path(SCRIPTS) / "tests" / "constants.json").read_text())
    assert copy == constants(), "python -m app.constants > assets/viewer/tests/constants.json"


def test_the_geometry_is_that_of_the_library():
    model = constants()["model"]
    assert model["scales"] == list(SCALES)
    for size in SCALES:
        assert size // model["tile"] * model["grid"] == Scale(size).grid


def test_every_stage_has_words():
    assert set(_SHARES) <= set(STAGES)
