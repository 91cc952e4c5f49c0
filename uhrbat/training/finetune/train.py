"""Supervised fine-tuning on conversations about images: residuals, projector, token MLP and language model.

    python -m uhrbat train --data ft.json --images images --model RL-MIND/UHR-BAT --out runs/ft
    accelerate launch -m uhrbat train ...        # a batch shared out over the GPUs, by accelerate's own configuration
    accelerate launch --config_file uhrbat/training/finetune/fsdp.yaml -m uhrbat train ...    # the weights, too
    ACCELERATE_USE_CPU=1 torchrun --standalone --nproc-per-node 2 -m uhrbat train ...    # on CPUs

The vision tower stays as it is. Started again with the same --out it goes on from its last checkpoint as if it had
never stopped: which sample, which budget and which order are functions of the seed and the step alone.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from uhrbat.budget import RELEASED_BUDGETS, split_budget
from uhrbat.checkpoints import loading
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError
from uhrbat.geometry import Scale
from uhrbat.network.families.network import FamilyNetwork
from uhrbat.training.finetune.conversations import Conversation
from uhrbat.training.finetune.sample import Sampler
from uhrbat.training.finetune.settings import TrainSettings

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
KEPT_STATES = 2
logger = logging.getLogger(__name__)


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
        if isinstance(engine.network, FamilyNetwork):
            raise InputError(f"model '{engine.name}' is used as it is: fine-tune one of UHR-BAT's own layouts")
        self.engine, self.data, self.out, self.settings = engine, data, out, settings
        self.dtype = engine.dtype  # of what is saved: with bf16 mixed precision, FSDP trains copies in float32
        self.accelerator = accelerate.Accelerator()
        self.sharded = self._check_sharding()
        if settings.batch % self.accelerator.num_processes:
            count = self.accelerator.num_processes
            raise InputError(f"a batch of {settings.batch} cannot be shared by {count} processes")
        engine.budgets(budget_of(settings, engine.scales, np.random.default_rng(0)))
        torch.manual_seed(settings.seed)
        self.sampler = Sampler(engine, engine.settings)
        if settings.lora:
            add_adapters(engine.network.language, settings.lora)
        if settings.recompute:
            engine.network.language.gradient_checkpointing_enable({"use_reentrant": False})
        engine.network.train()
        optimizer = torch.optim.AdamW(self._groups(), betas=(0.9, 0.999), weight_decay=settings.weight_decay)
        self.module, self.optimizer = self.accelerator.prepare(self.sampler, optimizer)
        if self.sharded:
            self._gather_once()
        self.step = 0

    def _check_sharding(self) -> bool:
        """Whether accelerate shares out the weights; InputError if in a way that does not work here."""
        kind = self.accelerator.distributed_type.value
        if kind == "DEEPSPEED":
            raise InputError(
                "training does not run under DeepSpeed: use accelerate with uhrbat/training/finetune/fsdp.yaml"
            )
        if kind != "FSDP":
            return False
        plugin = self.accelerator.state.fsdp_plugin
        if plugin.fsdp_version != 2:
            raise InputError(
                "training needs FSDP's version 2: set fsdp_version: 2, as uhrbat/training/finetune/fsdp.yaml does"
            )
        if self.settings.lora:
            raise InputError("--lora does not run under FSDP, nor needs it: launch without FSDP")
        # Each process has read the checkpoint. The frozen towers stay whole in each, as they run by themselves.
        plugin.cpu_ram_efficient_loading = False
        model = self.engine.network
        plugin.ignored_modules = [tower for tower in (model.vision, model.similarity) if tower is not None]
        if model.config.image_attention == "self":
            plugin.auto_wrap_policy = None  # its image tokens pass parts of layers, which are whole only as one unit
        return True

    def _gather_once(self) -> None:
        """Make FSDP's buffers outside of inference mode, in which selection would make them unfit for training."""
        from torch.distributed.fsdp import FSDPModule

        last = self.engine.network.language.model.layers[-1]
        if isinstance(last, FSDPModule):
            last.set_reshard_after_forward(False)  # importance takes its attention apart after its forward pass
        for part in self.module.modules():
            if isinstance(part, FSDPModule):
                part.unshard()
                part.reshard()

    def _groups(self) -> list[dict]:
        language: list[nn.Parameter] = []
        modules: list[nn.Parameter] = []
        for name, value in self.engine.network.named_parameters():
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
            facts = self._one_step()
            self.step += 1
            if main:
                facts = {"step": self.step} | facts | {"seconds": time.perf_counter() - began}
                with (self.out / "log.jsonl").open("a") as file:
                    file.write(json.dumps(facts) + "\n")
            bar.update()
            bar.set_postfix(loss=f"{facts['loss']:.3f}")
            if self.step % self.settings.save_every == 0 or self.step == self.settings.steps:
                self._save_state()
        bar.close()
        return self._save_model()

    def _one_step(self) -> dict[str, float]:
        """One optimiser step. Returns loss (mean), tokens (selected, summed) and gradient (norm before clipping)."""
        accelerator, settings = self.accelerator, self.settings
        factor = learning_rate(settings, self.step)
        rates = (settings.lr, settings.lr_modules)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate * factor
        mine = range(accelerator.process_index, settings.batch, accelerator.num_processes)
        facts = torch.zeros(2, device=accelerator.device)
        for count, place in enumerate(mine, 1):
            conversation = self.data[sample_number(settings, len(self.data), self.step, place)]
            drawn = np.random.default_rng((settings.seed, self.step, place))
            budget = budget_of(settings, self.engine.scales, drawn)
            # Shared-out weights have shared-out gradients too: to add them up unshared would take a whole copy each.
            together = self.sharded or count == len(mine)
            with nullcontext() if together else accelerator.no_sync(self.module):
                loss, used = self.module(conversation, budget)
                accelerator.backward(loss / len(mine))
            facts += torch.tensor([loss.item(), used], device=facts.device)
        trained = [value for group in self.optimizer.param_groups for value in group["params"]]
        gradient = accelerator.clip_grad_norm_(trained, settings.clip)
        if self.sharded:
            gradient = gradient.full_tensor()
        self.optimizer.step()
        self.optimizer.zero_grad()
        loss, tokens = accelerator.reduce(facts).tolist()
        return {"loss": loss / settings.batch, "tokens": round(tokens), "gradient": gradient.item()}

    def _same_run(self) -> None:
        facts = asdict(self.settings) | {"model": self.engine.name, "samples": len(self.data)}
        if self.sharded:
            facts["sharded"] = True  # its states are of another form
        facts = json.loads(json.dumps(facts))
        path = self.out / "train.json"
        if path.exists() and json.loads(path.read_text()) != facts:
            raise InputError(f"'{self.out}' holds a run with other settings, model or data: choose another folder")
        self.accelerator.wait_for_everyone()  # none may read what the first is writing
        if self.accelerator.is_main_process:
            path.write_text(json.dumps(facts, indent=1))

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
        network = self.engine.network
        if self.settings.lora:
            merge_adapters(network.language)
        network.eval()
        tensors = self.accelerator.get_state_dict(self.module)
        if self.accelerator.is_main_process:
            codec = self.engine.codec
            # Cloned where it is a view of more than itself: gathered shares are padded, which safetensors refuses.
            tensors = {
                name.removeprefix("network."): value.clone()
                if value.untyped_storage().nbytes() > value.nbytes
                else value
                for name, value in tensors.items()
            }
            loading.save(network, codec.tokenizer, folder, self.dtype, codec.text_tokenizer, tensors)
        self.accelerator.wait_for_everyone()
        return folder
