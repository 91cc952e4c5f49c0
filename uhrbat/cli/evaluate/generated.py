"""What the evaluations on generated worlds share: their options, and the model that they load."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from uhrbat.cli import options

if TYPE_CHECKING:
    from uhrbat.engine import UHRBAT

DEVELOPMENT = click.option("--development", is_flag=True, help="the development seeds, for choices")
SKIP = click.option("--skip", type=options.FROM_ZERO, default=0, help="skip this many seeds")
CACHE = click.option(
    "--cache", type=options.PATH, help="keep encoded worlds in this folder, 100 MB each, and read them"
)
THREADS = click.option("--threads", type=options.POSITIVE, help="CPU threads of this process")


def count(default: int) -> Callable[[options.Command], options.Command]:
    """How many worlds."""
    return click.option("--scenes", "count", type=options.POSITIVE, default=default, show_default=True, help="worlds")


def questions(default: int) -> Callable[[options.Command], options.Command]:
    """How many questions of each."""
    return click.option(
        "--questions", type=options.POSITIVE, default=default, show_default=True, help="questions of each world"
    )


def shared_out(worlds: int) -> Callable[[options.Command], options.Command]:
    """The options of an evaluation whose finished worlds several processes add to a folder."""
    return options.together(
        options.model,
        count(worlds),
        SKIP,
        click.option("--part", default="1/1", help="i/n: every n-th world, for n processes that share the work"),
        DEVELOPMENT,
        click.option("--out", type=options.PATH, required=True, help="folder of the finished worlds and the report"),
        CACHE,
        options.dtype,
        THREADS,
        options.as_json,
    )


def looks(default: str) -> Callable[[options.Command], options.Command]:
    """How large the worlds are, and how many looks are taken at them."""
    return options.together(
        click.option(
            "--side", type=options.POSITIVE, help="worlds of this side, larger than the finest scale, with looks"
        ),
        click.option(
            "--looks", "looks", default=default, show_default=True, help='with --side: numbers of looks, and "all"'
        ),
    )


def load(model: str, threads: int | None, device: str = "auto", dtype: str | None = None) -> UHRBAT:
    """The model, run on so many threads."""
    import torch

    from uhrbat.engine import UHRBAT

    if threads:
        torch.set_num_threads(threads)
    return UHRBAT.from_pretrained(model, device, getattr(torch, dtype) if dtype else None)
