"""`uhrbat evaluate real`: what a model finds in real pictures that nano was never trained on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from uhrbat.cli import options
from uhrbat.errors import InputError


@click.command("real")
@options.model
@click.option("--data", type=options.PATH, required=True, help="the folder of real pictures: boxes.json, scenes, ..")
@click.option("--boxes", type=options.PATH, help="folder of more boxes; by default our own")
@click.option("--kinds", help="kinds of objects, separated by commas; by default all that have boxes")
@click.option("--precision", type=options.FROM_ZERO, default=4, show_default=True, help="crowded compositions a kind")
@click.option("--evidence", type=options.FROM_ZERO, default=10, show_default=True, help="compositions of few objects")
@click.option("--accuracy", type=options.FROM_ZERO, default=14, show_default=True, help="compositions asked about")
@click.option("--worlds", type=options.FROM_ZERO, default=0, show_default=True, help="generated worlds beside them")
@click.option("--attention", is_flag=True, help="evidence also by attention importance, beside the model's own")
@click.option("--before", type=options.PATH, help="the report of another model, to stand beside this one")
@click.option("--out", type=options.PATH, default=Path("runs/real.json"), show_default=True, help="the report")
@click.option("--threads", type=options.POSITIVE, help="processor threads")
@options.as_json
def command(
    model: str,
    data: Path,
    boxes: Path | None,
    kinds: str | None,
    precision: int,
    evidence: int,
    accuracy: int,
    worlds: int,
    attention: bool,
    before: Path | None,
    out: Path,
    threads: int | None,
    as_json: bool,
) -> None:
    """Precision, evidence preserved and answers on real pictures held back from training, by kind and size.

    A run that was cut off goes on from its finished compositions beside --out, in a folder of the same name.
    """
    import torch

    from uhrbat.data.real import OWN_BOXES
    from uhrbat.engine import UHRBAT
    from uhrbat.evaluation import findings, real

    if not (data / "boxes.json").is_file():
        raise InputError(f"'{data}' holds no boxes.json: give the folder of real pictures")
    if threads:
        torch.set_num_threads(threads)
    chosen = tuple(kind.strip() for kind in kinds.split(",")) if kinds else real.KINDS
    unknown = [kind for kind in chosen if kind not in real.KINDS]
    if unknown:
        raise InputError(f"--kinds '{unknown[0]}' is not known: choose among {', '.join(real.KINDS)}")
    compared = findings.read_real(before).now if before else None
    counts = {"precision": precision, "evidence": evidence, "accuracy": accuracy}
    wanted = real.Wanted(chosen, counts, worlds, attention)
    engine = UHRBAT.from_pretrained(model)
    found = real.run(engine, data, boxes or OWN_BOXES, out.with_suffix(".records"), wanted)
    findings.write(out, findings.RealFile(found, compared))
    print(json.dumps(asdict(findings.RealFile(found, compared))) if as_json else real.as_text(found))
