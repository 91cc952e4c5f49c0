"""The six actions around the engine, each as steps: they yield where another session may have its turn."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from uhrbat import results
from uhrbat.errors import InputError
from uhrbat.results import DROPPED, MERGED, PRESERVED
from uhrbat.serving.server.work import Work

Steps = Generator[None, None, Any]
OURS = "uhrbat"
"""How a comparison names the method itself, among the baselines."""


def encode(work: Work) -> Steps:
    """-> EncodeResult"""
    scene = yield from work.scene()
    tokens = {scale.size: scale.tokens for scale in scene.pyramid.scales}
    return results.EncodeResult(work.request.image, tokens, scene.caveat, work.account())


def ask(work: Work) -> Steps:
    """-> AskResult"""
    view = yield from work.view()
    budget, answer, ledger, budgets = work.request.budget, None, (), None
    scales = tuple(_scale_map(view, size) for size in view.rankings)
    if budget is not None:
        selection = view.select(budget)
        budgets, ledger = tuple(selection.budgets.values()), _ledger(selection)
        answer = _answer(work, selection)
    return results.AskResult(
        image=work.request.image,
        question=view.question,
        scales=scales,
        budgets=budgets,
        ledger=ledger,
        answer=answer,
        caveat=view.scene.caveat,
        run=work.account(),
    )


def answer(work: Work) -> Steps:
    """-> AnswerResult"""
    view = yield from work.view()
    request = work.request
    selection = view.select(request.budget, force=request.force, without=request.without)
    said = _answer(work, selection)
    return results.AnswerResult(
        question=view.question,
        budgets=tuple(selection.budgets.values()),
        answer=said,
        ledger=_ledger(selection),
        kinds=_kinds(selection),
        caveat=view.scene.caveat,
        run=work.account(),
    )


def sweep(work: Work) -> Steps:
    """-> SweepResult; emits each SweepPoint"""
    view = yield from work.view()
    budgets, truth = work.request.budgets, work.request.truth
    for budget in budgets:
        view.budgets(budget)
    points = []
    for index, budget in enumerate(budgets):
        work.part(index, len(budgets), f"budget {index + 1} of {len(budgets)}")
        selection = view.select(budget)
        said = _answer(work, selection)
        point = results.SweepPoint(
            budgets=tuple(selection.budgets.values()),
            answer=said,
            correct=None if truth is None else same_answer(said.text, truth),
            evidence=_evidence(view.scene.pyramid, _kinds(selection), work.request.boxes),
        )
        points.append(point)
        work.emit(point)
        yield
    return results.SweepResult(view.question, tuple(points), view.scene.caveat, work.account())


def compare(work: Work) -> Steps:
    """-> CompareResult; emits each MethodResult. No methods named means all."""
    from uhrbat.selection.baselines import BASELINES

    view = yield from work.view()
    request, known = work.request, (OURS, *BASELINES)
    methods = request.methods or known
    for method in methods:
        if method not in known:
            raise InputError(f"method '{method}' is not known; choose among {', '.join(known)}")
    budgets = tuple(view.budgets(request.budget).values())
    compared = []
    for index, method in enumerate(methods):
        work.part(index, len(methods), method)
        began = time.perf_counter()
        seed = request.settings.seed
        selection = view.select(budgets) if method == OURS else view.baseline(method, budgets, seed=seed)
        said = _answer(work, selection)
        kinds = _kinds(selection)
        compared.append(
            results.MethodResult(
                method=method,
                answer=said,
                seconds=time.perf_counter() - began,
                evidence=_evidence(view.scene.pyramid, kinds, request.boxes),
                kinds=kinds,
            )
        )
        work.emit(compared[-1])
        yield
    return results.CompareResult(view.question, budgets, tuple(compared), view.scene.caveat, work.account())


def inspect(work: Work) -> Steps:
    """-> InspectResult"""
    view = yield from work.view()
    budgets = tuple(view.budgets(work.request.budget).values())
    fate = view.fate(work.request.box, work.request.budget)
    return results.InspectResult(
        question=view.question,
        box=work.request.box,
        budgets=budgets,
        rows=tuple(_like(results.FateRow, row) for row in fate.rows),
        verdict=fate.verdict,
        cause=fate.cause,
        smallest_budget=fate.smallest_budget,
        steps=tuple(_like(results.VerdictStep, step) for step in fate.steps),
        caveat=view.scene.caveat,
        run=work.account(),
    )


STEPS = {
    "encode": encode,
    "ask": ask,
    "answer": answer,
    "sweep": sweep,
    "compare": compare,
    "inspect": inspect,
}


def same_answer(said: str, truth: str) -> bool:
    """Whether two answers are the same but for case, spaces and closing punctuation."""
    return _plain(said) == _plain(truth)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'")


def _answer(work: Work, selection: Any) -> results.Answer:
    said = selection.answer(progress=work.progress, cancel=work.token, max_new_tokens=work.bench.limits.answer_tokens)
    work.took(said.seconds)
    if "prefill" in said.seconds:
        work.bench.models.prefilled(work.request.settings.model, said.tokens, said.seconds["prefill"])
    points = tuple((float(x), float(y)) for x, y in said.points)
    return results.Answer(str(said), points, int(said.tokens), dict(said.seconds), bool(said.truncated))


def _scale_map(view: Any, size: int) -> results.ScaleMap:
    ranking = view.rankings[size]
    return results.ScaleMap(
        size=size,
        importance=_array(view.importance[size], np.float16),
        rank=_array(ranking.rank, np.int32),
        merged=_array(ranking.averaged, np.bool_),
        region=_array(view.regions[size], np.int32),
        members=_array(ranking.group_size, np.int32),
        scored=size in view.scored_scales,
    )


def _ledger(selection: Any) -> tuple[results.LedgerRow, ...]:
    return tuple(
        results.LedgerRow(
            size=size,
            tokens=row.tokens,
            budget=row.budget,
            used=row.used,
            preserved=row.preserved,
            merged=row.merged_tokens,
            dropped=row.dropped,
            regions=row.regions,
        )
        for size, row in selection.ledger.items()
    )


def _kinds(selection: Any) -> dict[int, np.ndarray]:
    return {size: _array(part.kind, np.uint8) for size, part in selection.selections.items()}


def _evidence(pyramid: Any, kinds: dict[int, np.ndarray], boxes: Iterable[results.Box]) -> tuple[results.Kept, ...]:
    """What became of the boxes' tokens, scale by scale and all together; nothing where there are no boxes."""
    boxes = tuple(boxes)
    if not boxes:
        return ()
    rows = []
    for size, kind in kinds.items():
        tokens = np.unique(np.concatenate([pyramid.tokens_in_box(size, box) for box in boxes]))
        counts = np.bincount(kind[tokens], minlength=3)
        rows.append((size, len(tokens), counts[PRESERVED], counts[MERGED], counts[DROPPED]))
    rows.append((0, *np.sum([row[1:] for row in rows], axis=0)))
    return tuple(results.Kept(*(int(number) for number in row)) for row in rows)


def _array(tensor: Any, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy().astype(dtype))


def _like(cls: type, other: Any) -> Any:
    """A dataclass made of another's fields of the same names."""
    return cls(**{name: getattr(other, name) for name in cls.__dataclass_fields__})
