"""The command line: `uhrbat ask | inspect | world | evaluate | train | serve | explore`.

A command's module is imported when it is called, and what it needs (torch, the page) when it runs. Wrong usage or bad
input ends with exit code 2 and one line on standard error; work that was stopped, with 130.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import click

import uhrbat
from uhrbat.cli.group import Commands
from uhrbat.errors import Cancelled, UHRBATError

root = Commands(
    "uhrbat",
    {name: f"uhrbat.cli.{name}" for name in ("ask", "inspect", "world", "evaluate", "train", "serve", "explore")},
    help="Budget-aware token compression for ultra-high-resolution images, inspected.",
)
click.version_option(uhrbat.__version__, prog_name="uhrbat")(root)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        return root.main(arguments, prog_name="uhrbat", standalone_mode=False) or 0
    except (Cancelled, KeyboardInterrupt, click.Abort):
        return 130
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "uhrbat"
        message = f"{error.format_message()} (see {path} --help)"
    except click.ClickException as error:
        message = error.format_message()
    except UHRBATError as error:
        message = str(error)
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
