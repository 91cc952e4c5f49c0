"""What cannot be started is one line on standard error and exit code 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.start import address
from uhrbat.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken():
    """A port of this machine on which something listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.slow
def test_a_port_in_use_is_one_line(taken):
    environment = os.environ | {"PORT": str(taken), "GRADIO_SERVER_NAME": "127.0.0.1"}
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert line == f"app.py: port {taken} of 127.0.0.1 is in use: choose another by PORT"


@pytest.mark.parametrize(
    ("environment", "problem"),
    [({"PORT": "x"}, "PORT is 'x'"), ({"PORT": "70000"}, "PORT is '70000'"), ({"GRADIO_SERVER_PORT": "-1"}, "'-1'"),
     ({"GRADIO_SERVER_NAME": "192.0.2.1", "PORT": "7999"}, "cannot be served at 192.0.2.1")],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_said(environment, problem):
    with pytest.raises(InputError, match=problem):
        address(None, None, environment)


def test_the_address_is_what_was_given_else_what_the_environment_says(taken):
    environment = {"PORT": "0", "GRADIO_SERVER_PORT": str(taken), "GRADIO_SERVER_NAME": "localhost"}
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    assert address("127.0.0.1", free, environment) == ("127.0.0.1", free)
    assert address(None, None, {"PORT": str(free), "GRADIO_SERVER_PORT": str(taken)}) == ("127.0.0.1", free)
    assert address(None, free, environment) == ("localhost", free)
