"""A worker process around the fake engine: `python -m tests.support.fake_child --child`."""

import sys

from tests.support.fake_engine import load
from uhrbat.serving.__main__ import main

if __name__ == "__main__":
    sys.exit(main(load=load))
