"""A question asked of a scene, and what the language model is given and says of it at a budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from uhrbat.geometry import Scale
from uhrbat.network.decoder import Pointing
from uhrbat.progress import Flag, Progress, Reporter
from uhrbat.selection import baselines, evidence
from uhrbat.selection.importance import LIKENESS, likeness
from uhrbat.selection.ranking import Ranking, Selection
from uhrbat.settings import Settings

if TYPE_CHECKING:
    from uhrbat.engine import EncodedScene

Budget = int | tuple[int, ...]
Box = tuple[float, float, float, float]


class Answer(str):
    """The model's answer, a string that also carries how it came about.

    points: (x, y) in image pixels that the model listed as evidence before it answered; tokens: image tokens that
    it was given; seconds by stage; truncated: the answer reached its length limit; caveat: why not to trust it.
    """

    points: tuple[tuple[float, float], ...]
    tokens: int
    seconds: dict[str, float]
    truncated: bool
    caveat: str | None


@dataclass
class View:
    """A question asked of a scene: importance, regions and ranking of every token; every budget is a prefix.

    importance: {size: float32[N]}; regions: {size: int64[N]}; rankings: {size: Ranking}.
    """

    scene: EncodedScene
    question: str
    settings: Settings
    importance: dict[int, Tensor]
    regions: dict[int, Tensor]
    rankings: dict[int, Ranking]
    seconds: dict[str, float]

    @property
    def scored_scales(self) -> tuple[int, ...]:
        """Scales on which importance was computed; on the others it is interpolated."""
        if self.settings.importance == "attention":
            return (self.scene.model.model.config.attention_scale,)
        return self.scene.pyramid.sizes

    def to(self, device: str | torch.device) -> None:
        """Move importance, regions and rankings, in place; likeness is computed anew where it is asked for."""
        for held in (self.importance, self.regions, self.rankings):
            held.update({size: values.to(device) for size, values in held.items()})
        self.__dict__.pop("likeness", None)

    @cached_property
    def nbytes(self) -> int:
        """At most, beside the regions, which views share: a token's importance and likeness take 4 bytes each, its rank,
        place, group and group's size 8 each, two flags 1 each."""
        count = sum(values.numel() for values in self.importance.values())
        return count * 42

    @cached_property
    @torch.inference_mode()
    def likeness(self) -> dict[int, Tensor] | None:
        """{size: float32[N]} for a model with a prior, whatever the importance is; else None."""
        engine = self.scene.model
        if engine.model.prior is None:
            return None
        text = engine.question_vector(self.question)[None]
        return {size: likeness(engine.model, vectors, text)[:, 0] for size, vectors in self.scene.visual.items()}

    def budgets(self, budget: Budget) -> dict[int, int]:
        """A total budget, or one number a scale -> {size: budget}. InputError when out of range."""
        return self.scene.model.split_budget(budget)

    def select(self, budget: Budget, force: Iterable[Box] = (), without: Iterable[Box] = ()) -> SceneSelection:
        """Cut the ranking at a budget. `force` and `without` are boxes in image pixels whose tokens are put first,
        or taken out (the counterfactuals)."""
        budgets = self.budgets(budget)
        selections = {}
        for size, ranking in self.rankings.items():
            for box in without:
                ranking = ranking.without(self.scene.pyramid.tokens_in_box(size, box))
            for box in force:
                ranking = ranking.with_tokens(self.scene.pyramid.tokens_in_box(size, box))
            selections[size] = ranking.select(budgets[size])
        return SceneSelection(self, selections, budgets)

    def baseline(self, name: str, budget: Budget, seed: int = 0) -> SceneSelection:
        """What another compressor hands to the model at the same total budget (uhrbat.selection.baselines.BASELINES)."""
        budgets = self.budgets(budget)
        selections = baselines.select_baseline(
            name, self.importance, self.scene.pyramid.scales, sum(budgets.values()), seed, self.scene.excluded
        )
        return SceneSelection(self, selections, budgets)

    def fate(self, box: Box, budget: Budget) -> evidence.Fate:
        """What became of the tokens of a box (x0, y0, x1, y1 in image pixels) at a budget, and why."""
        return evidence.fate(
            self.scene.pyramid, box, self.importance, self.rankings, self.budgets(budget), self.scored_scales
        )


@dataclass
class SceneSelection:
    """The tokens of all scales that the language model is given, in the order emitted."""

    view: View
    selections: dict[int, Selection]
    budgets: dict[int, int]

    @property
    def tokens(self) -> int:
        return sum(len(selection) for selection in self.selections.values())

    @property
    def ledger(self) -> dict:
        return {size: selection.ledger() for size, selection in self.selections.items()}

    @torch.inference_mode()
    def image_tokens(self) -> Tensor:
        """float[tokens, hidden]: pooled embeddings with residuals, scales ascending, through the token MLP."""
        scene = self.view.scene
        network = scene.model.model
        times = network.profile.selection_residual
        parts = [
            selection.pool(scene.with_residual(size, times)) for size, selection in sorted(self.selections.items())
        ]
        return network.token_mlp(torch.cat(parts))

    def image_places(self) -> Tensor:
        """float32[tokens, 2]: centre (x, y) of each image token in 0..1 of the scene's square; infinite for regions."""
        parts = []
        for size, selection in sorted(self.selections.items()):
            alone = selection.alone.cpu()
            places = torch.tensor(Scale(size).centers)[alone]
            places[alone < 0] = torch.inf
            parts.append(places)
        return torch.cat(parts)

    def likeness(self) -> Tensor | None:
        """float32[tokens] of each image token, lowest for regions; None for a model without a prior."""
        if self.view.likeness is None:
            return None
        parts = []
        for size, selection in sorted(self.selections.items()):
            alone = selection.alone
            parts.append(self.view.likeness[size][alone.clamp(min=0)].masked_fill(alone < 0, -LIKENESS))
        return torch.cat(parts)

    def pointing(self) -> Pointing | None:
        """How the model lists places of these tokens; None for a model that does not."""
        model = self.view.scene.model
        if not model.codec.point_bins:
            return None
        reach, likeness = model.model.config.inhibition, self.likeness()
        return Pointing(model.codec, self.image_places().to(model.device), reach, likeness)

    @torch.inference_mode()
    def answer(
        self,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
        max_new_tokens: int = 64,
    ) -> Answer:
        """Ask the language model, greedily. Cancelled if `cancel` is set meanwhile."""
        scene = self.view.scene
        engine = scene.model
        report = Reporter(progress, cancel)
        report("prefill", 0.0)
        prompt = engine.codec.prompt(self.view.question, self.view.settings.release)

        def on_token(count: int) -> None:
            report("decode", count / max_new_tokens)

        device = engine.device
        ids, truncated = engine.model.generate(
            torch.tensor(prompt.before, device=device),
            self.image_tokens(),
            torch.tensor(prompt.after, device=device),
            engine.codec.stop,
            max_new_tokens,
            on_token,
            *((engine.codec.ends, engine.codec.end) if engine.model.profile.released else ()),
            pointing=self.pointing(),
            on_prefill=lambda share: report("prefill", share),
        )
        text, points = engine.codec.parse(ids, self.view.question)
        answer = Answer(text)
        side, (left, top) = scene.pyramid.side, scene.pyramid.offset
        answer.points = tuple((x * side - left, y * side - top) for x, y in points)
        answer.tokens = self.tokens
        answer.seconds = report.close()
        answer.truncated = truncated
        answer.caveat = scene.caveat
        return answer
