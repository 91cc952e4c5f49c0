"""`uhrbat world`: a large generated picture with everything that is true of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from uhrbat.cli import options


@click.command("world")
@click.argument("seed", type=options.FROM_ZERO)
@click.argument("out", type=options.PATH)
@click.option("--side", type=options.POSITIVE, default=16384, show_default=True, help="of the picture, in pixels")
@click.option("--questions", type=options.FROM_ZERO, default=20, show_default=True, help="how many are asked of it")
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="of the JPEG inside")
@options.as_json
def command(seed: int, out: Path, side: int, questions: int, quality: int, as_json: bool) -> None:
    """Write a large generated world as a tiled BigTIFF, strip by strip.

    Its objects have 6 to 30 pixels, whatever its side. Beside OUT a JSON file of the same name says which objects stand
    where, and holds questions with their answers and evidence.
    """
    from uhrbat.worlds.large import write_world

    if out.suffix.lower() not in (".tif", ".tiff"):
        raise click.BadParameter(f"{out.name} is no name of a TIFF: let it end with .tif", param_hint="OUT")
    world = write_world(seed, side, out, quality=quality, progress=not as_json)
    item = described(world, out, questions)
    out.with_suffix(".json").write_text(json.dumps(item))
    print(json.dumps(item) if as_json else f"{out}: {side:,} x {side:,} px, {len(world.objects)} objects")


def described(world: Any, file: Path, questions: int) -> dict[str, Any]:
    """What is true of a written world, and questions about it, as JSON."""
    from uhrbat.worlds import questions as ask
    from uhrbat.worlds.files import world_item

    asked = [
        {
            "type": item.type,
            "text": item.text,
            "answer": item.answer,
            "boxes": [list(map(int, box)) for box in world.boxes(item)],
        }
        for item in ask(world, seed=0, n=questions)
    ]
    return {"file": file.name, **world_item(world), "questions": asked}
