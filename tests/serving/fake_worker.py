"""A worker process around the fake engine: `python -m tests.serving.fake_worker --child`."""

import sys

from tests.serving.fake_engine import load
from uhrbat.serving.__main__ import main

if __name__ == "__main__":
    sys.exit(main(load=load))
