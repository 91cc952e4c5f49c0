"""The options that several commands share, and the types that read them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from uhrbat.budget import read_budget, read_budgets
from uhrbat.choices import DEFAULT_BUDGET, DEFAULT_MODEL, IMPORTANCES, ORDERS, REGIONS, SPLITS
from uhrbat.errors import InputError

Command = Callable[..., Any]
PATH = click.Path(path_type=Path)
POSITIVE = click.IntRange(min=1)
FROM_ZERO = click.IntRange(min=0)


class Text(click.ParamType):
    """A value that one of our own readers makes of text; where it refuses, the message names the option."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name, self.read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.read(value) if isinstance(value, str) else value
        except InputError as error:
            self.fail(str(error), param, ctx)


def read_bands(text: str) -> tuple[int, ...]:
    """(4, 3, 2) from "4,3,2"; InputError for anything else. Whether an image has them, `imagery` says."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= 6 for part in parts):
        raise InputError(f"'{text[:80]}' is no list of bands like 4,3,2")
    return tuple(map(int, parts))


BUDGET = Text("budget", read_budget)
BUDGETS = Text("budgets", read_budgets)

model = click.option("--model", default=DEFAULT_MODEL, show_default=True, help="nano, a checkpoint folder or a Hub id")
models = click.option(
    "--model",
    "models",
    multiple=True,
    help="offered on the page; may be given several times, the first is loaded at once",
)
device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps")
dtype = click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), help="of the weights")
budget = click.option(
    "--budget",
    type=BUDGET,
    default=DEFAULT_BUDGET,
    show_default=True,
    help="total tokens, or one number a scale: 80,320,600,2000",
)
importance = click.option("--importance", type=click.Choice(IMPORTANCES), help="how much the question needs a token")
regions = click.option("--regions", type=click.Choice(REGIONS), help="partition inside which tokens are merged")
order = click.option("--order", type=click.Choice(ORDERS), help="of regions, by their importance")
split = click.option(
    "--split", type=click.Choice(SPLITS), help="of a total budget over the scales: as in the paper, or by question"
)
looks = click.option(
    "--looks",
    type=FROM_ZERO,
    default=0,
    show_default=True,
    help="tiles of the native scales to look at",
)
seed = click.option("--seed", type=FROM_ZERO, help="of the k-means' initial centres")
bands = click.option(
    "--bands", type=Text("bands", read_bands), help="shown as red, green and blue, e.g. 4,3,2; or one, in grey"
)
images = click.option("--images", type=PATH, default=Path(), help="folder that the file's image names start from")
as_json = click.option("--json", "as_json", is_flag=True, help="print everything as JSON, and no progress bar")


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one, in the order in which the help lists them."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def offer(models: tuple[str, ...]) -> None:
    """Have the worker that is started next offer these models; none: what the environment says (UHRBAT_MODELS)."""
    if models:
        os.environ["UHRBAT_MODELS"] = ",".join(models)


def given(**values: Any) -> dict[str, Any]:
    """The values that were given: those that are not None."""
    return {name: value for name, value in values.items() if value is not None}
