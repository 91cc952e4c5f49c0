"""`uhrbat evaluate benchmark`: a public benchmark, from its own files."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from uhrbat.budget import Budget
from uhrbat.cli import options
from uhrbat.evaluation.benchmarks.readers import BENCHMARKS, read_items

logger = logging.getLogger(__name__)


@click.command("benchmark")
@click.argument("name", type=click.Choice(sorted(BENCHMARKS)))
@click.option(
    "--questions", type=options.PATH, required=True, help=".json, .jsonl, .parquet, or a folder of parquet files"
)
@options.images
@click.option("--out", type=options.PATH, required=True, help="folder for answers and report; go on from what it holds")
@options.model
@options.device
@click.option("--bits", type=click.Choice(["4", "8"]), help="quantise the language model")
@click.option("--budget", type=options.BUDGET, help="a total, or one number a scale; default: the paper's")
@options.importance
@options.regions
@options.order
@options.split
@click.option("--clusters", type=options.POSITIVE, help="of k-means as the released code does it (600 in its commands)")
@click.option("--iterations", type=options.POSITIVE, help="of that k-means (100 in its commands)")
@click.option("--release", is_flag=True, default=None, help="infer exactly as the released code does")
@click.option("--limit", type=options.POSITIVE, help="only this many questions")
@options.as_json
def command(
    name: str,
    questions: Path,
    images: Path,
    out: Path,
    model: str,
    device: str,
    bits: str | None,
    budget: Budget | None,
    limit: int | None,
    as_json: bool,
    **method: Any,
) -> None:
    """A public benchmark, from its own files; docs/cli.md says which names it takes.

    A run that was cut off goes on where it stopped; started again when all is answered, it only reports.
    """
    items = read_items(BENCHMARKS[name], questions, images)[:limit]

    from uhrbat.engine import UHRBAT
    from uhrbat.evaluation.benchmarks.run import run_benchmark, shares, table
    from uhrbat.settings import Settings

    rank, world = shares()
    engine = UHRBAT.from_pretrained(model, device, **options.given(bits=bits and int(bits)))
    settings = Settings(**(asdict(engine.settings) | options.given(**method)))
    report = run_benchmark(name, engine, items, out, budget, settings, progress=not as_json)
    if rank == 0:
        print(json.dumps(report, indent=1) if as_json else table(report))
        if world > 1 and report["missing"]:
            logger.warning("other processes are still at work: the last one writes all to %s", out / "report.json")
