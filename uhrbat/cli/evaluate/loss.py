"""`uhrbat evaluate loss`: what compression loses, and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from uhrbat.cli import options
from uhrbat.cli.evaluate import generated


@click.command("loss")
@generated.shared_out(100)
@generated.looks("0,64,256")
@click.option("--budgets", type=options.BUDGETS, default="256,1024,3000", show_default=True, help="compressed: tokens")
@click.option("--wide", type=options.POSITIVE, default=16000, show_default=True, help="tokens of the widest budget")
@options.importance
@click.option(
    "--pairs", type=options.POSITIVE, default=2, show_default=True, help="objects left out of each world, at most"
)
def command(
    model: str,
    count: int,
    skip: int,
    part: str,
    development: bool,
    out: Path,
    cache: Path | None,
    dtype: str | None,
    threads: int | None,
    as_json: bool,
    budgets: tuple[int, ...],
    wide: int,
    importance: str | None,
    pairs: int,
    side: int | None,
    looks: str,
) -> None:
    """What is right on all tokens and wrong on the compressed ones, and why.

    --importance is of the compressed answers; by default the model's own. With --side: what is wrong with so many looks
    at the own pixels of large worlds and right where it is looked at the evidence.
    """
    from uhrbat.evaluation.loss.run import run_loss
    from uhrbat.evaluation.seeds import Seeds

    if side:
        from uhrbat.evaluation.looks.loss import run_loss as run_looks
        from uhrbat.evaluation.looks.worlds import read_list

        engine = generated.load(model, threads, "cpu", dtype or "float32")
        large = Seeds(count, skip, part, development)
        looked = run_looks(engine, large, side, read_list(looks), budgets, out, cache, progress=not as_json)
        print(json.dumps(asdict(looked)) if as_json else (out / "looks_loss.md").read_text())
        return
    seeds = Seeds(count, skip, part, development)
    engine = generated.load(model, threads, "cpu", dtype or "float32")
    found, report = run_loss(engine, seeds, budgets, wide, pairs, out, importance, cache, progress=not as_json)
    print(json.dumps(asdict(found)) if as_json else report.read_text())
