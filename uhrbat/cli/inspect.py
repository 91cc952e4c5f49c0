"""`uhrbat inspect`: what became of a box's tokens."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from uhrbat.budget import Budget
from uhrbat.cli import asking


@click.command("inspect")
@asking.arguments
@click.option("--box", type=float, nargs=4, required=True, metavar="X0 Y0 X1 Y1", help="box in image pixels")
def command(
    image: str, question: str, budget: Budget, box: tuple[float, float, float, float], as_json: bool, **how: Any
) -> None:
    """What became of the tokens of a box, and why."""
    asked = asking.ask(image, question, budget, box, progress=not as_json, **how)
    fate = asked.fate(box, budget)
    if as_json:
        print(json.dumps(asdict(fate), indent=1, default=float))
        return
    print(fate.verdict)
    for row in fate.rows:
        print("  " + "  ".join(f"{name} {value}" for name, value in asdict(row).items()))
