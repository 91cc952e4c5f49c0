"""What the command line loads: nothing heavy before a command runs."""

import json
import subprocess
import sys

import pytest

_LOADED = "import json, sys; {}; print(json.dumps(sorted(sys.modules)))"
_HEAVY = {"torch", "gradio", "transformers", "matplotlib", "peft", "accelerate", "uhrbat.training", "uhrbat.serving"}


def loaded(code):
    done = subprocess.run([sys.executable, "-c", _LOADED.format(code)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_library_loads_nothing_heavy():
    assert not loaded("import uhrbat") & _HEAVY


@pytest.mark.parametrize("arguments", [["--version"], ["ask", "--help"], ["inspect", "--help"], ["explore", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    modules = loaded(f"from uhrbat.cli import main; assert main({arguments}) == 0")
    assert not modules & _HEAVY
    others = {name for name in modules if name.startswith("uhrbat.cli.") and name.split(".")[2] == "evaluate"}
    assert not others


@pytest.mark.parametrize("name", ["worlds", "scenes", "frontier", "loss", "benchmark"])
def test_the_help_of_evaluations_needs_no_model(name):
    modules = loaded(f"from uhrbat.cli import main; assert main(['evaluate', '{name}', '--help']) == 0")
    assert not modules & _HEAVY
