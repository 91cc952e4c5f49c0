"""The compressors of the frontier: UHR-BAT with each importance, partition and order, and its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch

import numpy as np
import torch

from uhrbat.budget import order_of_shares
from uhrbat.choices import IMPORTANCES
from uhrbat.encoded import EncodedImage
from uhrbat.errors import InputError
from uhrbat.evaluation.findings import Method
from uhrbat.geometry import Scale
from uhrbat.question import Question, SelectedTokens
from uhrbat.results import Box
from uhrbat.selection.baselines import BASELINES, BaselineRanking, rank_baseline
from uhrbat.selection.evidence import evidence_preserved
from uhrbat.selection.importance import fused
from uhrbat.selection.ranking import rank_tokens
from uhrbat.settings import Settings

_BASELINE_IMPORTANCES = {"global_topk": IMPORTANCES, "coarse_to_fine": ("attention", "similarity")}
REGIONS_TITLES = {"kmeans": "k-means", "grid": "grid", "none": "no regions"}


def methods(default: Settings) -> list[Method]:
    """Every compressor; `default`: the settings that are marked as the default.

    Without regions each token is one of its own, so that their order does not matter. Coarse to fine reads `attention`,
    as LRS-VQA's pruning does; beside it, it is given `similarity`.
    """
    found = []
    for importance in IMPORTANCES:
        for regions, orders in (("kmeans", ("mean", "max")), ("grid", ("mean", "max")), ("none", ("max",))):
            for order in orders:
                short = regions == "none"
                chosen = (default.importance, default.regions) == (importance, regions)
                found.append(
                    Method(
                        id=f"{importance}-{regions}" + ("" if short else f"-{order}"),
                        title=f"UHR-BAT, {importance}, {REGIONS_TITLES[regions]}" + ("" if short else f", {order}"),
                        description="Preserve and merge, a budget for every scale.",
                        family="uhrbat",
                        importance=importance,
                        regions=regions,
                        order=None if short else order,
                        default=chosen and (short or order == default.order),
                    )
                )
    for name, baseline in BASELINES.items():
        for scored_by in _BASELINE_IMPORTANCES.get(name, (None,)):
            found.append(
                Method(
                    id=name + (f"-{scored_by}" if scored_by else ""),
                    title=baseline.title + (f", {scored_by}" if scored_by else ""),
                    description=baseline.description,
                    family="baseline",
                    importance=scored_by,
                    regions=None,
                    order=None,
                    default=False,
                )
            )
    return found


def chosen_methods(known: list[Method], patterns: str | None, option: str = "--methods") -> list[Method]:
    """The methods whose ids match one of the patterns, separated by commas ("similarity-*,default"); all for None.

    InputError for a pattern that matches none.
    """
    if patterns is None:
        return list(known)
    kept = []
    for pattern in (part.strip() for part in patterns.split(",")):
        fits = [method for method in known if fnmatch(method.id, pattern) or (pattern == "default" and method.default)]
        if not fits:
            ids = ", ".join(method.id for method in known)
            raise InputError(f"{option} '{pattern}' matches no method: use default, or of {ids}")
        kept += [method for method in fits if method not in kept]
    return [method for method in known if method in kept]


class Asked:
    """A question asked of a scene by any method; what methods share is computed once."""

    def __init__(self, scene: EncodedImage, question: str, settings: Settings) -> None:
        self.scene, self.question, self.settings = scene, question, settings
        self._importance: dict[str, dict] = {}

    def importance(self, name: str) -> dict[int, torch.Tensor]:
        """{size: float32[N]}."""
        if name not in self._importance:
            if name == "fused":
                values = fused(self.importance("similarity"), self.importance("attention"))
            else:
                values = self.scene.score(self.question, replace(self.settings, importance=name))
            self._importance[name] = values
        return self._importance[name]

    def rank(self, method: Method) -> Question | BaselineRanking:
        """What a method makes of the question, for every budget."""
        if method.family == "baseline":
            name = method.id.partition("-")[0]
            values = self.importance(method.importance) if method.importance else _no_importance(self.scene)
            return rank_baseline(name, values, self.scene.square.scales, self.settings.seed, self.scene.excluded)
        if method.importance is None or method.regions is None:
            raise InputError(f"method {method.id} has no importance or no regions")
        settings = replace(
            self.settings, importance=method.importance, regions=method.regions, order=method.order or "max"
        )
        values, regions = self.importance(method.importance), self.scene.partition(settings)
        rankings = {
            size: rank_tokens(importance, regions[size], settings.order, excluded=self.scene.excluded[size])
            for size, importance in values.items()
        }
        return Question(self.scene, self.question, settings, values, regions, rankings, {})

    def select(self, ranked: Question | BaselineRanking, budget: int) -> SelectedTokens:
        """The tokens handed over at a total budget."""
        if isinstance(ranked, Question):
            return ranked.select(budget)
        selections = ranked.select(budget)
        view = Question(self.scene, self.question, self.settings, {}, {}, ranked.rankings, {})
        return SelectedTokens(view, selections, {size: part.budget for size, part in selections.items()})


def preserved(
    scene: EncodedImage, boxes: Sequence[Box], ranked: Question | BaselineRanking, budgets: list[int]
) -> np.ndarray:
    """bool[budgets]: whether every box has a preserved token at some scale."""
    sizes = scene.square.sizes
    if isinstance(ranked, Question):
        shares = order_of_shares(scene.square.scales, ranked.weights)
        table = np.array([np.bincount(shares[:budget], minlength=len(sizes)) for budget in budgets])
    else:
        table = np.array([[split[size] for size in sizes] for split in map(ranked.split, budgets)])
    return np.all(evidence_preserved(scene.square, boxes, ranked.rankings, table), axis=-1)


def _no_importance(scene: EncodedImage) -> dict[int, torch.Tensor]:
    return {size: torch.zeros(Scale(size).tokens, device=scene.device) for size in scene.square.sizes}
