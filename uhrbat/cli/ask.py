"""`uhrbat ask`: an answer within a budget."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from uhrbat.budget import Budget
from uhrbat.cli import asking
from uhrbat.grammar import refusal


@click.command("ask")
@asking.arguments
def command(image: str, question: str, budget: Budget, as_json: bool, **how: Any) -> None:
    """Answer a question about an image within a token budget."""
    asked = asking.ask(image, question, budget, progress=not as_json, **how)
    selection = asked.select(budget)
    answer = selection.answer(progress=not as_json)
    square = asked.image.square
    seconds = asked.image.seconds | asked.seconds | answer.seconds
    seconds = {name: round(value, 3) for name, value in seconds.items()}
    if as_json:
        report = {
            "answer": str(answer),
            "understood": answer.understood,
            "read_as": answer.reading.text if answer.reading and answer.understood else None,
            "why": answer.reading.why if answer.reading else None,
            "measured": answer.measured,
            "caveat": answer.caveat,
            "points": [[round(x, 1), round(y, 1)] for x, y in answer.points],
            "tokens": answer.tokens,
            "of": square.all_image_tokens,
            "looks": {size: list(tiles) for size, tiles in square.looks},
            "budgets": selection.budgets,
            "ledger": {size: asdict(ledger) for size, ledger in selection.ledger.items()},
            "settings": asdict(asked.settings),
            "notes": list(asked.image.info.notes if asked.image.info else ()),
            "seconds": seconds,
            "peak_memory_bytes": _peak_memory(),
        }
        print(json.dumps(report, indent=1))
        return
    if answer.reading and not answer.understood:
        print(f"note: {refusal(answer.reading)}")
    elif answer.reading and answer.reading.reworded:
        print(f"read as: {answer.reading.text}")
    print(answer)
    for note in (answer.caveat, answer.measured):
        if note:
            print(f"note: {note}")
    looked = f"; {asked.looks:,} looks" if asked.looks else ""
    print(f"{answer.tokens:,} of {square.all_image_tokens:,} tokens{looked}; seconds: {seconds}")


def _peak_memory() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
