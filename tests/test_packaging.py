import re
import tomllib
from pathlib import Path

import uhrbat
from tests.support.shared import ROOT
from tools import requirements, wheel_smoke

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_requirements_files_are_made_from_the_project():
    for name, text in requirements.files().items():
        assert (ROOT / name).read_text() == text, "python -m tools.requirements"


def test_the_version_is_written_once():
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "uhrbat.__version__"}
    assert f"version: {uhrbat.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {uhrbat.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_lock_file_has_public_addresses_only():
    addresses = set(re.findall(r'"(?:https?|file|git)[^"]*?://[^/"]*', (ROOT / "uv.lock").read_text()))
    assert addresses == {'"https://pypi.org', '"https://files.pythonhosted.org'}


def test_the_lock_file_is_of_these_dependencies():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    (own,) = [package for package in lock["package"] if package["name"] == "uhrbat"]
    locked = {
        entry["name"] + entry.get("specifier", "")
        for entry in own["metadata"]["requires-dist"]
        if "extra" not in entry.get("marker", "")
    }
    names = {
        re.split(r"[<>=]", line)[0].lower() + line[len(re.split(r"[<>=]", line)[0]) :]
        for line in PROJECT["project"]["dependencies"]
    }
    assert locked == names, "uv lock"


def test_what_the_wheel_must_hold_is_in_the_repository():
    for name in wheel_smoke.HOLDS:
        top, _, rest = name.partition("/")
        place = Path(rest if rest.startswith("assets/") else f"app/{rest}") if top == "uhrbat_explorer" else Path(name)
        assert (ROOT / place).is_file(), name
