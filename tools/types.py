"""Types: mypy, with a list of modules that are not clean yet, in pyproject.toml, that only gets shorter.

python -m tools.types            exit code 1 where a module not on the list has errors, or one on it has none
python -m tools.types --list     write the list from the modules that have errors now
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PROJECT = ROOT / "pyproject.toml"
_LIST = re.compile(r"(\[\[tool\.mypy\.overrides\]\]\n# Not clean yet.*?\nmodule = \[\n).*?(\n\]\n)", re.DOTALL)


def listed() -> set[str]:
    """The modules that may have errors."""
    overrides = tomllib.loads(_PROJECT.read_text())["tool"]["mypy"]["overrides"]
    return {module for override in overrides if override.get("ignore_errors") for module in override["module"]}


def errors() -> dict[str, list[str]]:
    """What mypy finds in each module, the list left aside."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(_LIST.sub(r"\1\2", _PROJECT.read_text()))
        config.flush()
        command = [sys.executable, "-m", "mypy", "--config-file", config.name, "--cache-dir", ".mypy_cache/types"]
        done = subprocess.run([*command, "--no-error-summary"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    found = defaultdict(list)
    for line in done.stdout.splitlines():
        found[_module(line.partition(":")[0])].append(line)
    return found


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def main() -> int:
    """Check the list, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="write the list from what is found now")
    write = parser.parse_args().list
    found, allowed = errors(), listed()
    if write:
        lines = ",\n".join(f'    "{module}"' for module in sorted(found)) + ","
        _PROJECT.write_text(_LIST.sub(lambda match: match[1] + lines + match[2], _PROJECT.read_text()))
        print(f"{len(found)} modules are not clean")
        return 0
    wrong = {module: lines for module, lines in found.items() if module not in allowed}
    for line in (line for lines in wrong.values() for line in lines):
        print(line)
    clean = sorted(allowed - found.keys())
    if clean:
        print(f"clean now: take out of the list in pyproject.toml (python -m tools.types --list): {', '.join(clean)}")
    print(f"mypy: {len(found)} modules with errors, {len(wrong)} of them not on the list")
    return int(bool(wrong or clean))


if __name__ == "__main__":
    raise SystemExit(main())
