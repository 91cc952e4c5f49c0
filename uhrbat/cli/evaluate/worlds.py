"""`uhrbat evaluate worlds`: accuracy on held-out generated worlds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from uhrbat.cli import options
from uhrbat.cli.evaluate import generated


@click.command("worlds")
@options.model
@generated.count(200)
@generated.questions(20)
@click.option("--budgets", type=options.BUDGETS, default="256,1024,3000,8000", show_default=True, help="total tokens")
@options.importance
@options.regions
@options.order
@options.split
@generated.DEVELOPMENT
@generated.SKIP
@click.option("--resume", type=options.PATH, help="keep finished worlds in this file and go on from it")
@generated.CACHE
@generated.THREADS
@options.as_json
def command(
    model: str,
    count: int,
    questions: int,
    budgets: tuple[int, ...],
    development: bool,
    skip: int,
    resume: Path | None,
    cache: Path | None,
    threads: int | None,
    as_json: bool,
    **method: str | None,
) -> None:
    """Accuracy on held-out generated worlds, by question type and budget.

    With --resume, a run that was cut off goes on where it stopped.
    """
    from uhrbat.evaluation.seeds import Seeds
    from uhrbat.evaluation.worlds import run_scenes, table

    first = Seeds(count, skip, development=development).wanted.start
    engine = generated.load(model, threads)
    settings = replace(engine.settings, **options.given(**method))
    report = run_scenes(engine, count, list(budgets), questions, settings, first, resume, not as_json, cache)
    print(json.dumps(report, indent=1) if as_json else table(report))
