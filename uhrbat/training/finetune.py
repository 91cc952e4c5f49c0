"""Supervised fine-tuning on conversations about images: residuals, projector, token MLP and language model.

    python -m uhrbat train --data ft.json --images images --model RL-MIND/UHR-BAT --out runs/ft
    accelerate launch -m uhrbat train ...        # a batch shared out over the GPUs, by accelerate's own configuration

Each process holds the whole model: a language model too large for one GPU's training is trained with --lora. The vision
tower stays as it is. Started again with the same --out it goes on from its last checkpoint as if it had
never stopped: which sample, which budget and which order are functions of the seed and the step alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import shutil
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from .. import checkpoints, imagery
from ..engine import UHRBAT
from ..errors import InputError
from ..evaluation.records import open_image_file
from ..pyramid import RELEASED_BUDGETS, Scale, split_budget
from .conversations import Conversation, read_conversations
from .sample import Picture, Sampler

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
KEPT_STATES = 2
PICTURES = 2
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    steps of `batch` conversations each, over all processes. lr: of the language model or its adapters; lr_modules:
    of residuals, projector and token MLP. warmup: share of the steps; then cosine to zero. clip: largest gradient
    norm. budgets: tokens a scale; None takes the released 80, 320, 600, 2000 or, with other scales, a fortieth.
    random_budgets: (low, high) totals between which each sample draws one, evenly in the logarithm, instead. lora:
    rank of the adapters, 0 trains the whole language model. recompute: save memory by computing the language model's
    activations twice.
    """

    steps: int = 1000
    batch: int = 8
    lr: float = 1e-5
    lr_modules: float = 1e-5
    weight_decay: float = 0.0
    warmup: float = 0.03
    clip: float = 1.0
    budgets: tuple[int, ...] | None = None
    random_budgets: tuple[int, int] | None = None
    lora: int = 0
    seed: int = 0
    save_every: int = 200
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a whole number from 1")
        if self.lora < 0 or min(self.lr, self.lr_modules, self.clip) <= 0:
            raise InputError("learning rates and clip must be above 0, lora at least 0")


def budget_of(settings: TrainSettings, scales: tuple[int, ...], drawn: np.random.Generator) -> tuple[int, ...]:
    """Tokens a scale for one sample."""
    if settings.random_budgets is not None:
        low, high = settings.random_budgets
        return split_budget(round(math.exp(drawn.uniform(math.log(low), math.log(high)))), scales)
    if settings.budgets is not None:
        return settings.budgets
    return tuple(RELEASED_BUDGETS.get(size, max(1, Scale(size).tokens // 40)) for size in scales)


def sample_number(settings: TrainSettings, count: int, step: int, place: int) -> int:
    """Which conversation is the `place`-th of a step: epochs without repetition, each in its own order."""
    epoch, within = divmod(step * settings.batch + place, count)
    return int(np.random.default_rng((settings.seed, epoch)).permutation(count)[within])


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Factor of the learning rates at a step: linear warm-up, then half a cosine to zero."""
    warm = max(1, round(settings.warmup * settings.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, settings.steps - warm)))


def add_adapters(language: nn.Module, rank: int) -> None:
    """Freeze a language model and give its layers trainable low-rank adapters (LoRA, Hu et al. 2021; needs peft)."""
    try:
        import peft
    except ImportError as error:
        raise InputError("--lora needs peft: pip install peft") from error
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=list(LORA_TARGETS))
    language.requires_grad_(False)
    peft.inject_adapter_in_model(config, language)


def merge_adapters(language: nn.Module) -> None:
    """Add the adapters to the weights they adapt, and take them away."""
    from peft.tuners.lora import LoraLayer

    for module in list(language.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LoraLayer):
                child.merge()
                setattr(module, name, child.get_base_layer())


class Trainer:
    """One training run in a folder: log.jsonl, state-*/ to go on from, and model/ at the end."""

    def __init__(self, engine: UHRBAT, data: list[Conversation], out: Path, settings: TrainSettings) -> None:
        try:
            import accelerate
        except ImportError as error:
            raise InputError("training needs accelerate: pip install accelerate") from error
        self.engine, self.data, self.out, self.settings = engine, data, out, settings
        self.accelerator = accelerate.Accelerator()
        kind = self.accelerator.distributed_type.value
        if kind in ("FSDP", "DEEPSPEED"):
            raise InputError(f"training shares out batches, not weights: launch it without {kind}, with --lora if need be")
        if settings.batch % self.accelerator.num_processes:
            count = self.accelerator.num_processes
            raise InputError(f"a batch of {settings.batch} cannot be shared by {count} processes")
        engine.split_budget(budget_of(settings, engine.scales, np.random.default_rng(0)))
        torch.manual_seed(settings.seed)
        self.sampler = Sampler(engine, engine.settings)
        if settings.lora:
            add_adapters(engine.model.language, settings.lora)
        if settings.recompute:
            engine.model.language.gradient_checkpointing_enable({"use_reentrant": False})
        engine.model.train()
        optimizer = torch.optim.AdamW(self._groups(), betas=(0.9, 0.999), weight_decay=settings.weight_decay)
        self.module, self.optimizer = self.accelerator.prepare(self.sampler, optimizer)
        self.pictures: OrderedDict[Any, Picture] = OrderedDict()
        self.step = 0

    def _groups(self) -> list[dict]:
        language, modules = [], []
        for name, value in self.engine.model.named_parameters():
            if value.requires_grad:
                (language if name.startswith("language.") else modules).append(value)
        groups = [{"params": language, "lr": self.settings.lr}, {"params": modules, "lr": self.settings.lr_modules}]
        return [group for group in groups if group["params"]]

    def run(self, progress: bool = True) -> Path:
        """Train to the last step and write the model. Returns its folder."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._same_run()
        self._resume()
        main = self.accelerator.is_main_process
        bar = tqdm(total=self.settings.steps, initial=self.step, desc="train", disable=not (progress and main))
        while self.step < self.settings.steps:
            began = time.perf_counter()
            loss, tokens = self._one_step()
            self.step += 1
            if main:
                told = {"step": self.step, "loss": loss, "tokens": tokens, "seconds": time.perf_counter() - began}
                with (self.out / "log.jsonl").open("a") as file:
                    file.write(json.dumps(told) + "\n")
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}")
            if self.step % self.settings.save_every == 0 or self.step == self.settings.steps:
                self._save_state()
        bar.close()
        return self._save_model()

    def _one_step(self) -> tuple[float, int]:
        accelerator, settings = self.accelerator, self.settings
        factor = learning_rate(settings, self.step)
        rates = (settings.lr, settings.lr_modules)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate * factor
        mine = range(accelerator.process_index, settings.batch, accelerator.num_processes)
        total, tokens = torch.zeros((), device=accelerator.device), 0
        for count, place in enumerate(mine, 1):
            conversation = self.data[sample_number(settings, len(self.data), self.step, place)]
            drawn = np.random.default_rng((settings.seed, self.step, place))
            budget = budget_of(settings, self.engine.scales, drawn)
            with accelerator.autocast():
                picture = self._picture(conversation)
                selections = self.sampler.select(picture, conversation.turns[0][0], budget)
            tokens += sum(map(len, selections.values()))
            if count < len(mine):
                with accelerator.no_sync(self.module):
                    total += self._backward(picture, selections, conversation, len(mine))
            else:
                total += self._backward(picture, selections, conversation, len(mine))
        trained = [value for group in self.optimizer.param_groups for value in group["params"]]
        accelerator.clip_grad_norm_(trained, settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(accelerator.reduce(total, "mean")), tokens

    def _backward(self, picture: Picture, selections: dict, conversation: Conversation, parts: int) -> Tensor:
        loss = self.module(picture, selections, conversation.turns) / parts
        self.accelerator.backward(loss)
        return loss.detach()

    def _picture(self, conversation: Conversation) -> Picture:
        key = conversation.image
        if key not in self.pictures:
            while len(self.pictures) >= PICTURES:
                self.pictures.popitem(last=False)
            with open_image_file(key) as path:
                self.pictures[key] = self.sampler.picture(imagery.read_canvas(path))
        self.pictures.move_to_end(key)
        return self.pictures[key]

    def _same_run(self) -> None:
        told = json.loads(json.dumps(asdict(self.settings) | {"model": self.engine.name, "samples": len(self.data)}))
        path = self.out / "train.json"
        if path.exists() and json.loads(path.read_text()) != told:
            raise InputError(f"'{self.out}' holds a run with other settings, model or data: choose another folder")
        if self.accelerator.is_main_process:
            path.write_text(json.dumps(told, indent=1))

    def _states(self) -> list[Path]:
        return sorted(path for path in self.out.glob("state-*") if (path / "step.json").is_file())

    def _resume(self) -> None:
        states = self._states()
        if not states:
            return
        self.accelerator.load_state(str(states[-1]))
        self.step = json.loads((states[-1] / "step.json").read_text())["step"]
        logger.info("going on from step %d", self.step)

    def _save_state(self) -> None:
        folder = self.out / f"state-{self.step:07}"
        self.accelerator.save_state(str(folder))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            # Written last: a state that was cut off has none and is not gone on from.
            (folder / "step.json").write_text(json.dumps({"step": self.step}))
            for old in self._states()[:-KEPT_STATES]:
                shutil.rmtree(old)
        self.accelerator.wait_for_everyone()

    def _save_model(self) -> Path:
        folder = self.out / "model"
        network = self.engine.model
        if self.settings.lora:
            merge_adapters(network.language)
        network.eval()
        if self.accelerator.is_main_process:
            codec = self.engine.codec
            checkpoints.save(network, codec.tokenizer, folder, self.engine.dtype, codec.text_tokenizer)
        self.accelerator.wait_for_everyone()
        return folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `train`."""
    defaults = TrainSettings()
    parser.add_argument("--data", type=Path, required=True, help="conversations: .json, .jsonl or .parquet")
    parser.add_argument("--images", type=Path, default=Path("."), help="folder that the data's image names start from")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; go on from what it holds")
    parser.add_argument("--model", default="nano", help="nano, a checkpoint folder or a Hub id")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="of the weights; default: as the model is run")
    parser.add_argument("--budgets", type=_numbers, help="tokens a scale, such as 80,320,600,2000 (the default)")
    parser.add_argument("--random-budgets", type=_numbers, help="LOW,HIGH: draw each sample's total between them")
    parser.add_argument("--recompute", action="store_true", help="less memory, a third more time")
    for name, kind, told in (
        ("steps", int, "optimiser steps"),
        ("batch", int, "conversations a step, over all processes"),
        ("lr", float, "learning rate of the language model"),
        ("lr-modules", float, "learning rate of residuals, projector and token MLP"),
        ("weight-decay", float, ""),
        ("warmup", float, "share of the steps"),
        ("clip", float, "largest gradient norm"),
        ("lora", int, "rank of adapters; 0 trains the whole language model"),
        ("seed", int, ""),
        ("save-every", int, "steps between checkpoints"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=getattr(defaults, name.replace("-", "_")), help=told)


def run(args: argparse.Namespace) -> int:
    """Run `train`; prints the folder of the trained model."""
    names = TrainSettings.__dataclass_fields__
    settings = TrainSettings(**{name: getattr(args, name) for name in names})
    if settings.random_budgets is not None and not 1 <= settings.random_budgets[0] <= settings.random_budgets[-1]:
        raise InputError("--random-budgets takes two numbers, the lower first")
    data = read_conversations(args.data, args.images)
    dtype = getattr(torch, args.dtype) if args.dtype else None
    engine = UHRBAT.from_pretrained(args.model, args.device, dtype)
    trainer = Trainer(engine, data, args.out, settings)
    folder = trainer.run()
    if trainer.accelerator.is_main_process:
        print(folder)
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of whole numbers like 80,320,600,2000") from None
