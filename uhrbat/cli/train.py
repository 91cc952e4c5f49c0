"""`uhrbat train`: fine-tuning on conversations about images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from uhrbat.budget import Budget
from uhrbat.cli import options
from uhrbat.errors import InputError
from uhrbat.training.finetune.settings import TrainSettings

_DEFAULT = TrainSettings()
_NUMBERS = (
    ("steps", int, "optimiser steps"),
    ("batch", int, "conversations a step, over all processes"),
    ("lr", float, "learning rate of the language model"),
    ("lr-modules", float, "learning rate of residuals, projector and token MLP"),
    ("weight-decay", float, "of the optimiser"),
    ("warmup", float, "share of the steps"),
    ("clip", float, "largest gradient norm"),
    ("lora", int, "rank of adapters; 0 trains the whole language model"),
    ("seed", int, "of the order, the budgets and the adapters"),
    ("save-every", int, "steps between checkpoints"),
)


@click.command("train")
@click.option("--data", type=options.PATH, required=True, help="conversations: .json, .jsonl or .parquet")
@options.images
@click.option("--out", type=options.PATH, required=True, help="folder of the run; go on from what it holds")
@options.model
@options.device
@options.dtype
@click.option("--budgets", type=options.BUDGET, help="tokens a scale; default: 80,320,600,2000, or a fortieth of each")
@click.option("--random-budgets", type=options.BUDGETS, help="LOW,HIGH: draw each sample's total between them")
@click.option("--recompute", is_flag=True, help="less memory, a third more time")
@options.together(
    *(
        click.option(
            f"--{name}", type=kind, default=getattr(_DEFAULT, name.replace("-", "_")), show_default=True, help=text
        )
        for name, kind, text in _NUMBERS
    )
)
def command(
    data: Path,
    images: Path,
    out: Path,
    model: str,
    device: str,
    dtype: str | None,
    budgets: Budget | None,
    random_budgets: tuple[int, ...] | None,
    **numbers: Any,
) -> None:
    """Fine-tune a model on conversations about images.

    Prints the trained model's folder. Started again with the same --out it goes on from its last checkpoint.
    `accelerate launch -m uhrbat train ...` shares a batch out over several GPUs (docs: Training).
    """
    if random_budgets and (len(random_budgets) != 2 or random_budgets[0] > random_budgets[1]):
        raise InputError("--random-budgets takes two numbers, the lower first")
    a_scale = (budgets,) if isinstance(budgets, int) else budgets
    settings = TrainSettings(budgets=a_scale, random_budgets=random_budgets, **numbers)  # type: ignore[arg-type]

    import torch

    from uhrbat.engine import UHRBAT
    from uhrbat.training.finetune.conversations import read_conversations
    from uhrbat.training.finetune.train import Trainer

    conversations = read_conversations(data, images)
    engine = UHRBAT.from_pretrained(model, device, getattr(torch, dtype) if dtype else None)
    trainer = Trainer(engine, conversations, out, settings)
    folder = trainer.run()
    if trainer.accelerator.is_main_process:
        print(folder)
