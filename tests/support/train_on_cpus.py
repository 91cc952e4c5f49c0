"""`uhrbat train` as a worker of `accelerate launch`, with CPUs taken for the accelerators that FSDP wants.

accelerate switches FSDP on for accelerators alone. All else here is what a run on GPUs has: the launcher, the
configuration file and FSDP itself, with gloo for NCCL. Takes a JSON file of runs, made one after another in these
processes: {"arguments": of `uhrbat train`, "mixed": accelerate's precision, "stop": the step that interrupts it}.
"""

import json
import os
import sys
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, DistributedType, PartialState
from torch.distributed.tensor import DTensor

from uhrbat.__main__ import main
from uhrbat.training.finetune import train as finetune


class Checked(finetune.Trainer):
    """A trainer that fails unless FSDP shares out its weights, and writes down what each question selects."""

    stop: int | None = None

    def __init__(self, *given):
        super().__init__(*given)
        assert self.accelerator.distributed_type is DistributedType.FSDP
        assert self.accelerator.num_processes == 2 and self.accelerator.device.type == "cpu"
        trained = {name: value for name, value in self.engine.network.named_parameters() if value.requires_grad}
        assert trained and all(isinstance(value, DTensor) for value in trained.values())
        language = [value for name, value in trained.items() if name.startswith("language.")]
        mine, whole = (sum(map(torch.numel, values)) for values in ([v.to_local() for v in language], language))
        assert 0.45 < mine / whole < 0.55  # an odd row is one process's
        self.select, self.sampler.select = self.sampler.select, self._select

    def _select(self, *given):
        selections = self.select(*given)
        reply = [self.step, *(selections[size].ranking.rank.tolist() for size in sorted(selections))]
        with (self.out / f"selected-{self.accelerator.process_index}.jsonl").open("a") as file:
            file.write(json.dumps(reply) + "\n")
        return selections

    def _one_step(self):
        if self.step == self.stop:
            raise KeyboardInterrupt
        return super()._one_step()


if __name__ == "__main__":
    PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)
    finetune.Trainer = Checked
    for run in json.loads(Path(sys.argv[1]).read_text()):
        os.environ["ACCELERATE_MIXED_PRECISION"] = run["mixed"]
        Checked.stop = run["stop"]
        assert main(["train", *run["arguments"]]) == (0 if run["stop"] is None else 130)
        AcceleratorState._reset_state(reset_partial_state=True)
