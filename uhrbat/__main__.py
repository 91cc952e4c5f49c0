"""`python -m uhrbat`: the command line (`uhrbat.cli`)."""

import sys

from uhrbat.cli import main

if __name__ == "__main__":
    sys.exit(main())
