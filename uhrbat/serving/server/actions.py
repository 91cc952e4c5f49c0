"""The six actions around the engine, each as steps: they yield where another session may have its turn."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np

from uhrbat import results
from uhrbat.answers import same_answer
from uhrbat.choices import DROPPED, MERGED, OURS, PRESERVED
from uhrbat.errors import InputError
from uhrbat.serving.server.work import Work

Steps = Generator[None, None, Any]


def encode(work: Work) -> Steps:
    """-> EncodeResult"""
    image = yield from work.encoded()
    tokens = {scale.size: scale.tokens for scale in image.square.scales}
    return results.EncodeResult(work.request.image, tokens, image.caveat, work.account())


def ask(work: Work) -> Steps:
    """-> AskResult"""
    question = yield from work.question()
    budget, answer, ledger, budgets = work.request.budget, None, (), None
    scales = tuple(_scale_map(question, size) for size in question.rankings)
    if budget is not None:
        selection = question.select(budget)
        budgets, ledger = tuple(selection.budgets.values()), tuple(selection.ledger.values())
        answer = _answer(work, selection)
    return results.AskResult(
        image=work.request.image,
        question=question.text,
        scales=scales,
        budgets=budgets,
        ledger=ledger,
        answer=answer,
        caveat=question.image.caveat,
        run=work.account(),
    )


def answer(work: Work) -> Steps:
    """-> AnswerResult"""
    question = yield from work.question()
    request = work.request
    selection = question.select(request.budget, force=request.force, without=request.without)
    said = _answer(work, selection)
    return results.AnswerResult(
        question=question.text,
        budgets=tuple(selection.budgets.values()),
        answer=said,
        ledger=tuple(selection.ledger.values()),
        caveat=question.image.caveat,
        run=work.account(),
    )


def sweep(work: Work) -> Steps:
    """-> SweepResult; emits each SweepPoint"""
    question = yield from work.question()
    budgets, truth = work.request.budgets, work.request.truth
    for budget in budgets:
        question.budgets(budget)
    points = []
    for index, budget in enumerate(budgets):
        work.part(index, len(budgets), f"budget {index + 1} of {len(budgets)}")
        selection = question.select(budget)
        said = _answer(work, selection)
        point = results.SweepPoint(
            budgets=tuple(selection.budgets.values()),
            answer=said,
            correct=None if truth is None else same_answer(said.text, truth),
            evidence=_evidence(question.image.square, _kinds(selection), work.request.boxes),
        )
        points.append(point)
        work.emit(point)
        yield
    return results.SweepResult(question.text, tuple(points), question.image.caveat, work.account())


def compare(work: Work) -> Steps:
    """-> CompareResult; emits each MethodResult. No methods named means all."""
    from uhrbat.selection.baselines import BASELINES

    question = yield from work.question()
    request, known = work.request, (OURS, *BASELINES)
    methods = request.methods or known
    for method in methods:
        if method not in known:
            raise InputError(f"method '{method}' is not known; choose among {', '.join(known)}")
    budgets = tuple(question.budgets(request.budget).values())
    compared = []
    for index, method in enumerate(methods):
        work.part(index, len(methods), method)
        began = time.perf_counter()
        seed = request.settings.seed
        selection = question.select(budgets) if method == OURS else question.baseline(method, budgets, seed=seed)
        said = _answer(work, selection)
        kinds = _kinds(selection)
        compared.append(
            results.MethodResult(
                method=method,
                answer=said,
                seconds=time.perf_counter() - began,
                evidence=_evidence(question.image.square, kinds, request.boxes),
                kinds=kinds,
            )
        )
        work.emit(compared[-1])
        yield
    return results.CompareResult(question.text, budgets, tuple(compared), question.image.caveat, work.account())


def inspect(work: Work) -> Steps:
    """-> InspectResult"""
    question = yield from work.question()
    budgets = tuple(question.budgets(work.request.budget).values())
    fate = question.fate(work.request.box, work.request.budget)
    return results.InspectResult(
        question=question.text,
        box=work.request.box,
        budgets=budgets,
        fate=fate,
        caveat=question.image.caveat,
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


def _answer(work: Work, selection: Any) -> results.Answer:
    said = selection.answer(progress=work.progress, cancel=work.token, max_new_tokens=work.bench.limits.answer_tokens)
    work.took(said.seconds)
    if "prefill" in said.seconds:
        work.bench.models.prefilled(work.request.settings.model, said.tokens, said.seconds["prefill"])
    return said


def _scale_map(question: Any, size: int) -> results.ScaleMap:
    ranking = question.rankings[size]
    return results.ScaleMap(
        size=size,
        importance=_array(question.importance[size], np.float16),
        rank=_array(ranking.rank, np.int32),
        merged=_array(ranking.averaged, np.bool_),
        region=_array(question.regions[size], np.int32),
        members=_array(ranking.group_size, np.int32),
        scored=size in question.scored_scales,
    )


def _kinds(selection: Any) -> dict[int, np.ndarray]:
    return {size: _array(part.kind, np.uint8) for size, part in selection.selections.items()}


def _evidence(square: Any, kinds: dict[int, np.ndarray], boxes: Iterable[results.Box]) -> tuple[results.Kept, ...]:
    """What became of the boxes' tokens, scale by scale and all together; nothing where there are no boxes."""
    boxes = tuple(boxes)
    if not boxes:
        return ()
    rows = []
    for size, kind in kinds.items():
        tokens = np.unique(np.concatenate([square.tokens_in_box(size, box) for box in boxes]))
        counts = np.bincount(kind[tokens], minlength=3)
        rows.append((size, len(tokens), counts[PRESERVED], counts[MERGED], counts[DROPPED]))
    rows.append((0, *np.sum([row[1:] for row in rows], axis=0)))
    return tuple(results.Kept(*(int(number) for number in row)) for row in rows)


def _array(tensor: Any, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy().astype(dtype))
