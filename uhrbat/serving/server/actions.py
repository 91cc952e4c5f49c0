"""The six actions around the engine, each as steps: they yield where another session may have its turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uhrbat import results
from uhrbat.answers import same_answer
from uhrbat.choices import METHODS, OURS, PADDING
from uhrbat.errors import InputError
from uhrbat.serving.protocol import (
    AnswerRequest,
    AnyRequest,
    AskRequest,
    CompareRequest,
    EncodeRequest,
    InspectRequest,
    SweepRequest,
)
from uhrbat.serving.server.context import ActionContext, Emit, ModelHost, Steps
from uhrbat.serving.server.deadline import Deadline

if TYPE_CHECKING:
    from torch import Tensor

    from uhrbat.question import Question, SelectedTokens

RunAction = Callable[[ModelHost, AnyRequest, Path, Emit, Deadline], Steps]
"""Does an action on the image file at a path; its steps return the result."""


def run_action(host: ModelHost, request: AnyRequest, path: Path, emit: Emit, deadline: Deadline) -> Steps:
    """The steps of an action, done here."""
    return _ACTIONS[request.action](ActionContext(host, request, path, emit, deadline))


def encode(context: ActionContext[EncodeRequest]) -> Steps:
    """-> EncodeResult"""
    image = yield from context.encoded()
    tokens = {scale.size: image.square.image_tokens(scale) for scale in image.square.scales}
    return results.EncodeResult(context.request.image, tokens, image.caveat, context.run())


def ask(context: ActionContext[AskRequest]) -> Steps:
    """-> AskResult"""
    question = yield from context.question()
    budget = context.request.budget
    selection = None if budget is None else question.select(budget)
    return results.AskResult(
        image=context.request.image,
        question=question.text,
        scales=tuple(_scale_map(question, size) for size in question.rankings),
        budgets=tuple(selection.budgets.values()) if selection else None,
        ledger=tuple(selection.ledger.values()) if selection else (),
        answer=context.answer(selection) if selection else None,
        caveat=question.image.caveat,
        run=context.run(),
    )


def answer(context: ActionContext[AnswerRequest]) -> Steps:
    """-> AnswerResult"""
    request = context.request
    question = yield from context.question(request.look)
    selection = question.select(request.budget, force=request.force, without=request.without)
    given, attention = (
        context.answer_and_attention(selection) if request.attention else (context.answer(selection), None)
    )
    return results.AnswerResult(
        question=question.text,
        budgets=tuple(selection.budgets.values()),
        answer=given,
        attention=attention,
        ledger=tuple(selection.ledger.values()),
        caveat=question.image.caveat,
        run=context.run(),
    )


def sweep(context: ActionContext[SweepRequest]) -> Steps:
    """-> SweepResult; emits each SweepPoint"""
    question = yield from context.question()
    budgets, truth = context.request.budgets, context.request.truth
    for budget in budgets:
        question.budgets(budget)
    points = []
    for index, budget in enumerate(budgets):
        context.part(index, len(budgets), f"budget {index + 1} of {len(budgets)}")
        selection = question.select(budget)
        given = context.answer(selection)
        evidence, preserved = _evidence(selection, _fates(selection), context.request.boxes)
        point = results.SweepPoint(
            budgets=tuple(selection.budgets.values()),
            answer=given,
            correct=None if truth is None else same_answer(given.text, truth),
            evidence=evidence,
            evidence_preserved=preserved,
        )
        points.append(point)
        context.emit(point)
        yield
    return results.SweepResult(question.text, tuple(points), question.image.caveat, context.run())


def compare(context: ActionContext[CompareRequest]) -> Steps:
    """-> CompareResult; emits each MethodResult. No methods named means all."""
    request = context.request
    methods = request.methods or tuple(METHODS)
    for method in methods:
        if method not in METHODS:
            raise InputError(f"method '{method}' is not known; choose among {', '.join(METHODS)}")
    question = yield from context.question()
    budgets = tuple(question.budgets(request.budget).values())
    compared = []
    for index, method in enumerate(methods):
        context.part(index, len(methods), method)
        began = time.perf_counter()
        seed = request.settings.seed
        selection = question.select(budgets) if method == OURS else question.baseline(method, budgets, seed=seed)
        given = context.answer(selection)
        fates = _fates(selection)
        evidence, preserved = _evidence(selection, fates, request.boxes)
        result = results.MethodResult(
            method=method,
            answer=given,
            seconds=time.perf_counter() - began,
            evidence=evidence,
            evidence_preserved=preserved,
            kinds=fates,
        )
        compared.append(result)
        context.emit(result)
        yield
    return results.CompareResult(question.text, budgets, tuple(compared), question.image.caveat, context.run())


def inspect(context: ActionContext[InspectRequest]) -> Steps:
    """-> InspectResult"""
    question = yield from context.question()
    request = context.request
    return results.InspectResult(
        question=question.text,
        box=request.box,
        budgets=tuple(question.budgets(request.budget).values()),
        fate=question.fate(request.box, request.budget),
        caveat=question.image.caveat,
        run=context.run(),
    )


_ACTIONS: dict[str, Callable[[ActionContext[Any]], Steps]] = {
    "encode": encode,
    "ask": ask,
    "answer": answer,
    "sweep": sweep,
    "compare": compare,
    "inspect": inspect,
}


def _scale_map(question: Question, size: int) -> results.ScaleMap:
    ranking = question.rankings[size]
    return results.ScaleMap(
        size=size,
        importance=_array(question.importance[size], np.float16),
        rank=_array(ranking.rank, np.int32),
        merged=_array(ranking.averaged, np.bool_),
        region=_array(question.regions[size], np.int32),
        members=_array(ranking.group_size, np.int32),
        padding=question.image.square.padding(size),
        scored=size in question.scored_scales,
        looked=dict(question.image.square.looks).get(size),
    )


def _fates(selection: SelectedTokens) -> dict[int, np.ndarray]:
    """{size: uint8[N]}: each token's fate."""
    padding = selection.question.image.square.padding
    return {
        size: np.where(padding(size), PADDING, _array(part.kind, np.uint8)).astype(np.uint8)
        for size, part in selection.selections.items()
    }


def _evidence(
    selection: SelectedTokens, fates: dict[int, np.ndarray], boxes: Iterable[results.Box]
) -> tuple[tuple[results.Kept, ...], float | None]:
    from uhrbat.selection.evidence import kept_evidence

    return kept_evidence(selection.question.image.square, fates, boxes)


def _array(tensor: Tensor, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy().astype(dtype))
