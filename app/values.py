"""What the panels are sent, made from a worker's results: plain dicts that JSON can hold."""

from typing import Any

import numpy as np

from uhrbat.choices import METHODS, PRESERVED
from uhrbat.geometry import Square
from uhrbat.results import Answer, AnswerResult, AskResult, InspectResult, LedgerRow, MethodResult, Run, SweepPoint
from uhrbat.serving.protocol import ModelInfo

COMPARED = ("uhrbat", "downsampling", "dense_tiling", "global_topk", "random_tokens")
"""The token compressors that the Compare tab shows."""
METHOD_CHOICES = ("importance", "regions", "order", "seed")
"""What a share link tells of the method, where it was chosen."""


def answer_value(
    run: KeptRun,
    answer: Answer,
    budgets: tuple[int, ...],
    ledger: tuple[LedgerRow, ...],
    how: Run,
    seconds: float,
    caveat: str | None,
    model: ModelInfo | None,
) -> dict[str, Any]:
    """An answer as the page shows it; `seconds` from the click to the answer."""
    return {
        "text": answer.text,
        "question": run.question,
        "budgets": list(budgets),
        "tokens": answer.tokens,
        "truncated": answer.truncated,
        "seconds": seconds,
        "decode_seconds": answer.seconds.get("decode", 0.0),
        "model": how.model,
        "method": {name: run.settings[name] for name in METHOD_CHOICES if run.settings.get(name)},
        "caveat": caveat,
        "correct": marks.correct(answer.text, run.known),
        "ledger": [vars(row) for row in ledger],
        "cost": cost_value(how.model, model, how.device, answer),
    }


def cost_value(
    name: str, model: ModelInfo | None, device: str | None = None, answer: Answer | None = None
) -> dict[str, Any]:
    """What a token costs with a model: as the worker last measured, else as this answer shows."""
    prefill = answer.seconds.get("prefill") if answer else None
    speed = answer.tokens / prefill if prefill and answer.tokens >= 64 else None
    return {
        "model": name,
        "device": {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}.get((device or "").split(":")[0], device),
        "tokens_per_second": (model.prefill_tokens_per_second if model else None) or speed,
        "bytes_per_token": model.bytes_per_token if model else None,
    }


def run_value(run: KeptRun, asked: AskResult | AnswerResult) -> dict[str, Any]:
    """The Run tab: how the shown answer came about."""
    how = asked.run
    facts: dict[str, Any] = {
        "model": how.model,
        "device": f"{how.device}, {how.dtype}",
        "importance": how.importance,
        "regions": how.regions,
        "order": how.order,
        "seed": how.seed,
    }
    names = {"host": "memory, worker", "device": "memory, device"}
    facts |= {names.get(name, f"memory, {name}"): value for name, value in how.memory.items()}
    seconds = dict(how.seconds)
    if asked.answer:
        seconds |= asked.answer.seconds
    return {
        "id": run.id,
        "seconds": seconds,
        "reused": list(how.reused),
        "facts": facts,
        "sizes": [scale.size for scale in run.asked.scales],
    }


def object_value(run: KeptRun, inspected: InspectResult) -> dict[str, Any]:
    """The Object tab: what became of a box's tokens, and the verdict at every total budget."""
    square = Square(run.picture.info.width, run.picture.info.height)
    touched = rectangles(square, inspected.box)
    return {
        "box": [int(value) for value in inspected.box],
        "maps": run.id,
        "budgets": list(inspected.budgets),
        "rows": [
            {**vars(row), "pixels": list(row.pixels), **cells, "scale_tokens": (row.size // 14) ** 2}
            for row, cells in zip(inspected.fate.rows, touched, strict=True)
        ],
        "verdict": inspected.fate.verdict,
        "cause": inspected.fate.cause,
        "smallest_budget": inspected.fate.smallest_budget,
        "steps": [vars(step) for step in inspected.fate.steps],
        "forced": run.counterfactuals.get("forced"),
        "without": run.counterfactuals.get("without"),
    }


def counterfactual_value(result: AnswerResult, seconds: float) -> dict[str, Any]:
    """An answer with a box's tokens forced in or taken out."""
    return {"text": result.answer.text, "tokens": result.answer.tokens, "seconds": seconds}


def sweep_value(run: KeptRun, points: list[SweepPoint], wanted: list[int], under_way: bool) -> dict[str, Any]:
    """The Budgets tab: one point a budget."""
    shown = [
        {
            "budgets": list(point.budgets),
            "answer": point.answer.text,
            "correct": point.correct,
            "tokens": point.answer.tokens,
            "seconds": sum(point.answer.seconds.values()),
            "evidence": evidence_kept(
                run,
                {scale.size: scale.kind(k) for scale, k in zip(run.asked.scales, point.budgets, strict=True)},
            ),
        }
        for point in points
    ]
    return {"question": run.question, "wanted": wanted, "running": under_way, "points": shown}


def compare_value(
    run: KeptRun, budgets: tuple[int, ...], methods: list[tuple[str, MethodResult]], under_way: bool
) -> dict[str, Any]:
    """The Compare tab: one card a compressor; each comes with the key of its kept fates."""
    cards = []
    for key, result in methods:
        label, explanation = METHODS.get(result.method, (result.method, ""))
        cards.append(
            {
                "name": result.method,
                "label": label,
                "explanation": explanation,
                "answer": result.answer.text,
                "correct": marks.correct(result.answer.text, run.known),
                "tokens": result.answer.tokens,
                "seconds": result.seconds,
                "evidence": evidence_kept(run, result.kinds),
                "fates": {str(size): f"run/{run.id}/kinds/{key}/{size}.png" for size in sorted(result.kinds)},
            }
        )
    return {
        "question": run.question,
        "budgets": list(budgets),
        "running": under_way,
        "thumbnail": f"thumbnail/{run.picture.id}.jpg",
        "methods": cards,
    }


def evidence_kept(run: KeptRun, kinds: dict[int, np.ndarray]) -> float | None:
    """Share of the evidence objects with a preserved token at some scale; None where no evidence is known."""
    if not run.evidence:
        return None
    square = Square(run.picture.info.width, run.picture.info.height)
    kept = [
        any((fates[square.tokens_in_box(size, box)] == PRESERVED).any() for size, fates in kinds.items())
        for box in run.evidence
    ]
    return sum(kept) / len(kept)
