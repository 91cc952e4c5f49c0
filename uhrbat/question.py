"""A question asked of an encoded image, and what the language model is given and answers at a budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from uhrbat.budget import Budget, Weights, budgets_of
from uhrbat.network.decoder import Decoded, DecoderInput
from uhrbat.network.extent import Extents
from uhrbat.network.model import KeysValues
from uhrbat.network.pointing import Pointing
from uhrbat.progress import Flag, Progress, Reporter
from uhrbat.renamed import renamed
from uhrbat.results import Answer, Attention, Box, LedgerRow, Reading
from uhrbat.selection import baselines, evidence
from uhrbat.selection.importance import LEAST_LOGIT, limited
from uhrbat.selection.ranking import Ranking, Selection
from uhrbat.settings import Settings

ROUNDING = 1e-3
"""In tokens: a place on the edge of two, as centres are given in single precision, belongs to the second."""

if TYPE_CHECKING:
    from uhrbat.encoded import EncodedImage


@dataclass(repr=False)
class Question:
    """A question asked of an encoded image: importance, regions and ranking of every token; every budget is a prefix.

    importance: {size: float32[N]}; regions: {size: int64[N]}; rankings: {size: Ranking}; weights: in what proportion a
    total budget is shared over the scales, None for the paper's.
    """

    image: EncodedImage
    text: str
    settings: Settings
    importance: dict[int, Tensor]
    regions: dict[int, Tensor]
    rankings: dict[int, Ranking]
    seconds: dict[str, float]
    weights: Weights | None = None

    scene = renamed("scene", "image")
    question = renamed("question", "text")

    @cached_property
    def reading(self) -> Reading | None:
        """What it was read as; None for a model that takes any question."""
        return self.image.engine.read(self.text)

    @property
    def asked(self) -> str:
        """The words that are scored and answered: those it was read as."""
        return self.image.engine.asked(self.text)

    @property
    def scored_scales(self) -> tuple[int, ...]:
        """Scales on which importance was computed; on the others it is interpolated."""
        if self.settings.importance == "attention":
            return (self.image.engine.network.config.attention_scale,)
        return self.image.square.sizes

    def to(self, device: str | torch.device) -> None:
        """Move importance, regions and rankings, in place."""
        for held in (self.importance, self.regions):
            held.update({size: values.to(device) for size, values in held.items()})
        self.rankings.update({size: ranking.to(device) for size, ranking in self.rankings.items()})

    @cached_property
    def nbytes(self) -> int:
        """Bytes at most, beside regions and similarity logits, which questions share.

        A token's importance takes 4 bytes; its rank, place, group and group's size 8 each; two flags 1 each.
        """
        count = sum(values.numel() for values in self.importance.values())
        return count * 38

    def budgets(self, budget: Budget) -> dict[int, int]:
        """A total budget, or one number a scale -> {size: budget}. InputError when out of range."""
        return budgets_of(budget, self.image.square.scales, self.weights)

    @property
    def looks(self) -> int:
        """Tiles of the native scales that were looked at."""
        return sum(len(tiles) for _, tiles in self.image.square.looks)

    def looking_at(
        self, boxes: Iterable[Box], progress: Progress | bool | None = None, cancel: Flag | None = None
    ) -> Question:
        """The same question with a look, too, at every tile of the finest native scale that a box, in image pixels,
        touches: what if it had been looked there (a counterfactual)."""
        square = self.image.square
        tiles = {size: set(looked) for size, looked in square.looks}
        for box in boxes:
            for size in square.native_sizes[-1:]:
                tiles.setdefault(size, set()).update(square.tiles_in_box(size, box).tolist())
        plain = self.image.plain or self.image
        return plain.ask(self.text, self.settings, progress, cancel, looks=tiles) if tiles else self

    def select(self, budget: Budget, force: Iterable[Box] = (), without: Iterable[Box] = ()) -> SelectedTokens:
        """Cut the ranking at a budget. `force` and `without` are boxes in image pixels whose tokens are put first,
        or taken out (the counterfactuals)."""
        budgets = self.budgets(budget)
        selections = {}
        for size, ranking in self.rankings.items():
            for box in without:
                ranking = ranking.without(self.image.square.tokens_in_box(size, box))
            for box in force:
                ranking = ranking.with_tokens(self.image.square.tokens_in_box(size, box))
            selections[size] = ranking.select(budgets[size])
        return SelectedTokens(self, selections, budgets)

    def baseline(self, name: str, budget: Budget, seed: int = 0) -> SelectedTokens:
        """What another compressor (of `selection.baselines`) hands to the model at the same total budget."""
        budgets = self.budgets(budget)
        whole = [scale for scale in self.image.square.scales if scale.looked is None]
        selections = baselines.select_baseline(
            name, self.importance, whole, sum(budgets.values()), seed, self.image.excluded
        )
        return SelectedTokens(self, selections, budgets)

    def __repr__(self) -> str:
        return f"Question({self.text!r}, {self.settings.importance}, {self.settings.regions}, {self.settings.order})"

    def fate(self, box: Box, budget: Budget) -> evidence.Fate:
        """What became of the tokens of a box (x0, y0, x1, y1 in image pixels) at a budget, and why."""
        return evidence.fate(
            self.image.square,
            box,
            self.importance,
            self.rankings,
            self.budgets(budget),
            self.scored_scales,
            self.weights,
        )


@dataclass(repr=False)
class SelectedTokens:
    """The tokens of all scales that the language model is given, in the order emitted."""

    question: Question
    selections: dict[int, Selection]
    budgets: dict[int, int]

    view = renamed("view", "question")

    @property
    def tokens(self) -> int:
        return sum(len(selection) for selection in self.selections.values())

    @property
    def ledger(self) -> dict[int, LedgerRow]:
        """{size: where the scale's tokens went}"""
        padding = self.question.image.square.padding
        return {
            size: selection.ledger(size, torch.from_numpy(padding(size))) for size, selection in self.selections.items()
        }

    @torch.inference_mode()
    def image_tokens(self) -> Tensor:
        """float[tokens, hidden]: pooled embeddings with residuals, scales ascending, through the token MLP."""
        image = self.question.image
        network = image.engine.network
        times = network.profile.selection_residual
        parts = [
            selection.pool(image.with_residual(size, times)) for size, selection in sorted(self.selections.items())
        ]
        if network.in_raster:
            parts = [part[order.to(part.device)] for part, order in zip(parts, self._raster_orders())]
        return network.token_mlp(torch.cat(parts))

    def mean_places(self) -> list[Tensor]:
        """float32[n, 2] of each scale, ascending: centre (x, y) in 0..1 of the square.

        That of a region is the mean of its tokens'.
        """
        scales = {scale.size: scale for scale in self.question.image.square.scales}
        return [part.pool(torch.tensor(scales[size].centers)) for size, part in sorted(self.selections.items())]

    def _raster_orders(self) -> list[Tensor]:
        """Of each scale's tokens the order by row, then column."""
        orders = []
        for places, (size, _) in zip(self.mean_places(), sorted(self.selections.items())):
            grid = self.question.image.engine.network.config.scale(size).grid
            row, col = (places[:, axis].double() * grid + ROUNDING for axis in (1, 0))
            orders.append(torch.argsort(row.floor() * grid + col, stable=True))
        return orders

    def raster_places(self) -> Tensor:
        """int64[2, tokens]: row and column of each token as given, in tokens of the finest scale."""
        finest = self.question.image.square.scales[-1].grid
        parts = [places[order] for places, order in zip(self.mean_places(), self._raster_orders())]
        return (torch.cat(parts).flip(1).T.double() * finest + ROUNDING).long()

    def image_places(self) -> Tensor:
        """float32[tokens, 2]: centre (x, y) of each image token in 0..1 of the square; infinite for regions."""
        parts = []
        scales = {scale.size: scale for scale in self.question.image.square.scales}
        for size, selection in sorted(self.selections.items()):
            alone = selection.alone.cpu()
            places = torch.tensor(scales[size].centers)[alone]
            places[alone < 0] = torch.inf
            parts.append(places)
        return torch.cat(parts)

    def similarity_logits(self) -> Tensor | None:
        """float32[tokens], limited, the lowest for averages; None for a model without a `NetworkConfig.prior`."""
        image = self.question.image
        if image.engine.network.prior is None:
            return None
        logits = image.similarity_logits(self.question.asked)
        parts = []
        for size, selection in sorted(self.selections.items()):
            alone = selection.alone
            parts.append(limited(logits[size][alone.clamp(min=0)]).masked_fill(alone < 0, LEAST_LOGIT))
        return torch.cat(parts)

    def pointing(self) -> Pointing | None:
        """How the model lists places of these tokens; None for a model that does not."""
        engine = self.question.image.engine
        if not engine.codec.point_bins:
            return None
        scales = {scale.size: scale for scale in self.question.image.square.scales}
        places, logits = self.image_places(), self.similarity_logits()
        extents = None
        if logits is not None:
            finest = self.question.image.square.scales[-1].grid
            sides = [torch.full((len(part),), 1 / scales[size].grid) for size, part in sorted(self.selections.items())]
            extents = Extents(places, torch.cat(sides), logits, finest)
        return Pointing(engine.codec, places.to(engine.device), engine.network.config.inhibition, extents)

    def decoder_input(self, image: Tensor | KeysValues | None = None) -> DecoderInput:
        """What the decoder is given; image: the tokens' keys and values, in place of `image_tokens`."""
        engine = self.question.image.engine
        prompt = engine.codec.prompt(self.question.asked, self.question.settings.release)
        image = self.image_tokens() if image is None else image
        places = self.raster_places() if engine.network.has_places else None
        side = self.question.image.square.scales[-1].grid
        return DecoderInput(prompt, image, self.similarity_logits(), self.pointing(), places, side)

    @torch.inference_mode()
    def answer(
        self,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
        max_new_tokens: int = 64,
    ) -> Answer:
        """Ask the language model, greedily. Cancelled if `cancel` is set meanwhile."""
        return self._answered(progress, cancel, max_new_tokens)[0]

    @torch.inference_mode()
    def answer_and_attention(
        self,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
        max_new_tokens: int = 64,
    ) -> tuple[Answer, Attention]:
        """As `answer`, and what each word of it looked at while it was generated."""
        answer, decoded = self._answered(progress, cancel, max_new_tokens, look=True)
        words = self.question.image.engine.codec.words(decoded.ids)
        looked = decoded.looked if decoded.looked is not None else torch.zeros(0, self.tokens)
        by_word = torch.stack([looked[ids].mean(0) for _, ids in words]) if words else looked[:0]
        parts = list(torch.split(by_word, [len(part) for _, part in sorted(self.selections.items())], dim=1))
        if self.question.image.engine.network.in_raster:
            orders = self._raster_orders()
            parts = [part[:, order.argsort()] for part, order in zip(parts, orders)]
        weights = {size: part.numpy() for size, part in zip(sorted(self.selections), parts)}
        return answer, Attention(tuple(word for word, _ in words), weights)

    def _answered(
        self, progress: Progress | bool | None, cancel: Flag | None, max_new_tokens: int, look: bool = False
    ) -> tuple[Answer, Decoded]:
        image = self.question.image
        engine = image.engine
        report = Reporter(progress, cancel)
        report("prefill", 0.0)

        def on_token(count: int) -> None:
            report("decode", count / max_new_tokens)

        decoder = engine.decoder(max_new_tokens)
        inputs = [self.decoder_input()]
        (decoded,) = decoder.decode(inputs, on_token, lambda share: report("prefill", share), look)
        reading = self.question.reading
        text, points = engine.said(decoded.ids, self.question.text)
        side, (left, top) = image.square.side, image.square.offset
        answer = Answer(
            text=text,
            points=tuple((x * side - left, y * side - top) for x, y in points),
            tokens=self.tokens,
            seconds=report.close(),
            truncated=decoded.truncated,
            caveat=image.caveat,
            reading=reading,
            measured=engine.measured(reading, image.generated) if reading else None,
        )
        return answer, decoded

    def __repr__(self) -> str:
        shares = ", ".join(f"{size}: {len(part):,}" for size, part in sorted(self.selections.items()))
        return f"SelectedTokens({self.tokens:,} of {self.question.image.square.all_image_tokens:,} tokens; {shares})"
