"""The requirements files, made from the lists in pyproject.toml.

python -m tools.requirements            write them
python -m tools.requirements --check    exit code 1 if one of them differs
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_HEAD = "# Made by python -m tools.requirements from pyproject.toml"


def files() -> dict[str, str]:
    """{name: text} of every requirements file. Extras include the plain dependencies, or the extra that they name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {"requirements.txt": _lines(project["dependencies"])}
    for extra, listed in project["optional-dependencies"].items():
        own = f"{project['name']}["
        included = [f"-{line.removeprefix(own).removesuffix(']')}" for line in listed if line.startswith(own)]
        includes = [f"-r requirements{name}.txt" for name in included or [""]]
        found[f"requirements-{extra}.txt"] = _lines(includes + [line for line in listed if not line.startswith(own)])
    return found


def _lines(lines: list[str]) -> str:
    return "\n".join([_HEAD, *lines, ""])


def main() -> int:
    """Write the files, or say which differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file differs")
    check = parser.parse_args().check
    stale = [(ROOT / name, text) for name, text in files().items() if _text(ROOT / name) != text]
    for path, text in stale:
        print(f"{path.name} differs from pyproject.toml" if check else f"wrote {path.name}")
        if not check:
            path.write_text(text)
    return int(check and bool(stale))


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


if __name__ == "__main__":
    raise SystemExit(main())
