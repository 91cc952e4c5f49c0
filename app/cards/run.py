"""The run card: how the shown answer came about, enough to repeat it."""

from __future__ import annotations

from uhrbat.results import AnswerResult, AskResult

from ..panel import Panel
from ..state.runs import KeptRun
from .card import Card, Json


class RunCard(Card):
    """Settings, seconds, memory, downloads."""

    def build(self) -> None:
        """Make the components."""
        self.panel = Panel("run", elem_id="run")


def run_value(run: KeptRun, result: AskResult | AnswerResult) -> Json:
    """How the shown answer came about."""
    how = result.run
    facts: Json = {
        "model": how.model,
        "device": f"{how.device}, {how.dtype}",
        "importance": how.importance,
        "regions": how.regions,
        "order": how.order,
        "seed": how.seed,
    }
    looked = {scale.size: len(scale.looked) for scale in run.scales if scale.looked is not None}
    if looked:
        facts["looks"] = ", ".join(f"{count:,} at {size}" for size, count in looked.items())
    names = {"host": "worker memory", "device": "memory, device"}
    facts |= {names.get(name, f"memory, {name}"): value for name, value in how.memory.items()}
    seconds = dict(how.seconds)
    if result.answer:
        seconds |= result.answer.seconds
    return {
        "id": run.id,
        "seconds": seconds,
        "reused": list(how.reused),
        "facts": facts,
        "sizes": [scale.size for scale in run.asked.scales],
    }
