"""`uhrbat evaluate frontier`: accuracy and evidence preserved against the budget."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from uhrbat.cli import options
from uhrbat.cli.evaluate import generated

ANSWERED = (
    "default,attention-kmeans-mean,fused-kmeans-max,similarity-grid-max,similarity-none,downsampling,dense_tiling,"
    "everything_that_fits,random_tokens,global_topk-similarity,coarse_to_fine-attention"
)


@click.command("frontier")
@generated.shared_out(300)
@generated.questions(20)
@generated.looks("0,64,256,all")
@click.option(
    "--budgets",
    type=options.BUDGETS,
    default="64,128,256,512,1024,2048,3000,8000,16000",
    show_default=True,
    help="total tokens at which evidence is looked for",
)
@click.option("--methods", help="only these, separated by commas; * stands for anything: similarity-*,default")
@click.option(
    "--answer-budgets",
    type=options.BUDGETS,
    default="64,256,1024,3000",
    show_default=True,
    help="total tokens at which questions are answered",
)
@click.option("--answer-methods", default=ANSWERED, help="the methods whose answers are scored, or none")
@click.option(
    "--wide",
    type=options.FROM_ZERO,
    default=16000,
    show_default=True,
    help="the default method answers at this budget, too; 0: not",
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
    questions: int,
    budgets: tuple[int, ...],
    methods: str | None,
    answer_budgets: tuple[int, ...],
    answer_methods: str,
    wide: int,
    side: int | None,
    looks: str,
) -> None:
    """Accuracy and evidence preserved against the budget, for UHR-BAT and for its baselines.

    With --side: for the default method, on large worlds, with each number of looks at their own pixels.
    """
    if side:
        from uhrbat.evaluation.looks.frontier import Wanted as LooksWanted
        from uhrbat.evaluation.looks.frontier import run_frontier as run_looks
        from uhrbat.evaluation.looks.worlds import read_list
        from uhrbat.evaluation.seeds import Seeds

        large = LooksWanted(side, read_list(looks), budgets, answer_budgets, questions)
        engine = generated.load(model, threads, "cpu", dtype or "float32")
        looked = run_looks(engine, Seeds(count, skip, part, development), large, out, cache, progress=not as_json)
        print(json.dumps(asdict(looked)) if as_json else (out / "looks.md").read_text())
        return
    from uhrbat.evaluation.frontier.run import Wanted, run_frontier
    from uhrbat.evaluation.seeds import Seeds

    seeds = Seeds(count, skip, part, development)
    wanted = Wanted(methods, budgets, answer_methods, answer_budgets, wide, questions)
    engine = generated.load(model, threads, "cpu", dtype or "float32")
    found = run_frontier(engine, seeds, wanted, out, cache, progress=not as_json)
    print(json.dumps(asdict(found)) if as_json else (out / "frontier.md").read_text())
