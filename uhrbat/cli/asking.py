"""A question asked of an image, as `ask` and `inspect` both need it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from uhrbat.budget import Budget
from uhrbat.cli import options

if TYPE_CHECKING:
    from uhrbat.question import Question

arguments = options.together(
    click.argument("image"),
    click.argument("question"),
    options.budget,
    options.looks,
    options.model,
    options.device,
    options.importance,
    options.regions,
    options.order,
    options.split,
    options.seed,
    options.bands,
    options.as_json,
)


def ask(
    image: str,
    question: str,
    budget: Budget,
    box: tuple[float, float, float, float] | None = None,
    *,
    model: str,
    device: str,
    bands: tuple[int, ...] | None,
    looks: int = 0,
    progress: bool,
    **method: Any,
) -> Question:
    """The question, ready for any budget. What is wrong with the input is found before the image is encoded."""
    from uhrbat.engine import UHRBAT
    from uhrbat.imagery import open_image
    from uhrbat.network.text import clean_question
    from uhrbat.settings import Settings

    info = open_image(image, bands=bands)
    text = clean_question(question)
    engine = UHRBAT.from_pretrained(model, device)
    settings = Settings(**(asdict(engine.settings) | options.given(**method)))
    if not looks:
        engine.budgets(budget)
    if box:
        engine.network.config.square(info.width, info.height).check_box(box)
    encoded = engine.encode(image, info=info, progress=progress)
    return encoded.ask(text, settings, progress=progress, looks=looks)
