"""An image as tokens: what every question about it is asked of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch
from cachetools import LRUCache
from torch import Tensor

from uhrbat import imagery, looks
from uhrbat.budget import read_looks
from uhrbat.errors import InputError
from uhrbat.geometry import Scale, Square
from uhrbat.looks import Looks
from uhrbat.network.text import clean_question
from uhrbat.progress import Flag, Progress, Reporter
from uhrbat.question import Question
from uhrbat.renamed import renamed
from uhrbat.selection import importance, sam
from uhrbat.selection.ranking import rank_tokens
from uhrbat.selection.regions import BACKGROUND, partition, partition_tiles, region_settings
from uhrbat.selection.released import unseeded_kmeans
from uhrbat.settings import Settings

if TYPE_CHECKING:
    from uhrbat.engine import UHRBAT

NEVER_SEEN = (
    "The model has never seen this kind of picture: it was trained on daylight pictures from satellites, aircraft and "
    "drones, and on generated worlds. Take its answer as a demonstration."
)
GENERATED_ONLY = (
    "{model} was trained on generated worlds only, and this image is none: take its answer as a demonstration."
)
QUESTIONS_AN_IMAGE = 8
"""Questions, and partitions, that an image remembers."""
LOOKED_IMAGES = 2
"""Sets of looks that an image remembers."""


@dataclass(repr=False)
class EncodedImage:
    """An image as tokens: embeddings and similarity vectors of every scale, tile-major. Serves every question.

    embeddings: {size: float[N, hidden]} without residuals; visual: {size: float[N, p]}; excluded: {size: bool[N]}
    tokens of padding or nodata, never evidence; padding is, where the model was trained with it (Profile.released).
    overview: uint8[side, side, 3], the square at the coarsest scale that shows enough for SAM.
    features: {size: float[N, width]} of the vision tower, where they were asked for. summary: what familiarity is
    measured by (`uhrbat.network.familiarity`), float[n, 2 width]; None for a model that does not.

    reader: how its file is read for its native scales, as it was for the whole ones.

    plain: where tiles of native scales were looked at (`uhrbat.looks`), the same image without them; None otherwise.
    looked: the images with looks that were made of this one, by `Square.looks`; tiles: the tiles encoded for them.
    """

    engine: UHRBAT
    info: imagery.ImageInfo | None
    square: Square
    embeddings: dict[int, Tensor]
    visual: dict[int, Tensor]
    excluded: dict[int, Tensor]
    overview: np.ndarray
    generated: bool
    seconds: dict[str, float]
    features: dict[int, Tensor] = field(default_factory=dict)
    summary: Tensor | None = None
    reader: imagery.Reader = imagery.HERE
    plain: EncodedImage | None = None
    looked: LRUCache[tuple, EncodedImage] = field(default_factory=lambda: LRUCache(LOOKED_IMAGES))
    tiles: LRUCache[tuple[int, int], tuple] = field(default_factory=lambda: LRUCache(looks.MOST_TILES))
    _saliency: np.ndarray | None = None
    _questions: LRUCache[tuple[str, Settings], Question] = field(default_factory=lambda: LRUCache(QUESTIONS_AN_IMAGE))
    _regions: LRUCache[tuple, dict[int, Tensor]] = field(default_factory=lambda: LRUCache(QUESTIONS_AN_IMAGE))
    _logits: LRUCache[str, dict[int, Tensor]] = field(default_factory=lambda: LRUCache(QUESTIONS_AN_IMAGE))
    _masks: np.ndarray | None = None
    lock: Lock = field(default_factory=Lock)
    """Held by who reads or changes what is remembered."""

    model = renamed("model", "engine")
    pyramid = renamed("pyramid", "square")

    @property
    def caveat(self) -> str | None:
        """Why no answer about this image is to be trusted; None where that is not known beforehand."""
        engine = self.engine
        if self.generated:
            return None
        if engine.generated_only:
            return GENERATED_ONLY
        known = engine.network.familiarity
        if known is None or self.summary is None or known.seen(self.summary.to(known.mean.device)):
            return None
        return NEVER_SEEN

    @property
    def nbytes(self) -> int:
        """Bytes of tensors held for this image, questions included."""
        held = [*self.embeddings.values(), *self.visual.values(), *self.excluded.values()]
        for by_scale in (*list(self._regions.values()), *list(self._logits.values())):
            held += by_scale.values()
        masks = 0 if self._masks is None else self._masks.nbytes
        held += [values for tile in list(self.tiles.values()) for values in tile if values is not None]
        looked = list(self.looked.values())
        for image in looked:
            own = dict(image.square.looks)
            by_size = (
                image.embeddings,
                image.visual,
                image.excluded,
                *image._regions.values(),
                *image._logits.values(),
            )
            held += [values[size] for values in by_size for size in own if size in values]
        cells = 0 if self._saliency is None else self._saliency.nbytes
        total = sum(value.numel() * value.element_size() for value in held) + self.overview.nbytes + masks + cells
        return total + sum(asked.nbytes for image in (self, *looked) for asked in list(image._questions.values()))

    @property
    def device(self) -> torch.device:
        return next(iter(self.embeddings.values())).device

    def to(self, device: str | torch.device) -> EncodedImage:
        """Move everything held for this image, in place; a question moves it back to the model's device itself.

        Images with looks are dropped: what was encoded for them moves, and makes them again.
        """
        with self.lock:
            self.looked.clear()
            for place, tile in list(self.tiles.items()):
                self.tiles[place] = tuple(None if values is None else values.to(device) for values in tile)
            for held in (self.embeddings, self.visual, self.excluded, *self._regions.values(), *self._logits.values()):
                held.update({size: values.to(device) for size, values in held.items()})
            for asked in self._questions.values():
                asked.to(device)
        return self

    def coarse(self, size: int) -> Tensor:
        """Embeddings of one scale as the attention pass sees them, residual included."""
        return self.with_residual(size, self.engine.network.profile.attention_residual)

    def with_residual(self, size: int, times: int) -> Tensor:
        """Embeddings float[N, hidden] of one scale with its residual added so many times."""
        network, values = self.engine.network, self.embeddings[size]
        scale = self.scale(size)
        if scale.looked is None:
            residual = network.residual(size)
        else:
            residual = network.residual(self.whole_sizes[-1], self._parents(scale))
        return values if residual is None or not times else values + times * residual.to(values.dtype)

    @torch.inference_mode()
    def ask(
        self,
        question: str,
        settings: Settings | None = None,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
        lines: bool = False,
        looks: Looks = 0,
    ) -> Question:
        """Score, partition and rank all tokens for a question. InputError for an empty or unreadable question.

        lines: keep the question's line breaks (benchmarks). looks: how many tiles of the native scales to look at,
        chosen by what stands out and by the question (`uhrbat.looks.plan`), or which: {size: tiles}. Where the image is
        no larger than the finest scale there are none. ImageError where its file cannot be read any more.
        """
        text = clean_question(question, lines)
        settings = settings or self.engine.settings
        key = (text, settings)
        if self.device != self.engine.device:
            self.to(self.engine.device)
        if looks:
            image = self._looking(looks, text, settings, Reporter(progress, cancel))
            if image is not self:
                return image.ask(text, settings, progress, cancel, lines)
        with self.lock:
            if key in self._questions:
                return self._questions[key]
        report = Reporter(progress, cancel)
        report("score", 0.0)
        scores = self.score(text, settings)
        regions = self.partition(settings, report)
        report("rank", 0.0)
        rankings = {}
        for size, values in scores.items():
            excluded = self.excluded[size]
            rankings[size] = rank_tokens(
                values,
                regions[size],
                settings.order,
                background=BACKGROUND if settings.regions == "sam" else None,
                excluded=excluded if bool(excluded.any()) else None,
            )
        report("rank", 1.0)
        weights = None
        if settings.split == "question":
            weights = importance.scale_weights(scores, self.excluded, self.square.scales)
        asked = Question(self, text, settings, scores, regions, rankings, report.close(), weights)
        with self.lock:
            self._questions[key] = asked
        return asked

    @torch.inference_mode()
    def score(self, question: str, settings: Settings) -> dict[int, Tensor]:
        """The importance {size: float32[N]} of every token for a clean question, as the model reads it."""
        engine, method = self.engine, settings.importance
        question = engine.asked(question)
        sizes = self.whole_sizes
        if method in ("similarity", "fused"):
            similar = importance.similarity(self.similarity_logits(question), engine.network.config.similarity_floor)
        if method in ("attention", "fused"):
            coarse = self.coarse(engine.network.config.attention_scale)
            prompt = engine.codec.prompt(question, settings.release)
            attended = importance.attention(engine.network, coarse, prompt, sizes)
            for size in self.square.sizes[len(sizes) :]:
                parents = self._parents(self.scale(size))
                attended[size] = attended[sizes[-1]][parents.to(attended[sizes[-1]].device)]
        if method == "similarity":
            return similar
        return attended if method == "attention" else importance.fused(similar, attended)

    @torch.inference_mode()
    def similarity_logits(self, question: str) -> dict[int, Tensor]:
        """{size: float32[N]}, computed once for a clean question (`importance.similarity_logits`).

        InputError where the model has no text tower.
        """
        with self.lock:
            known = self._logits.get(question)
        if known is None:
            text = self.engine.question_vector(question)[None]
            network = self.engine.network
            known = dict(self.plain.similarity_logits(question)) if self.plain else {}
            visual = {size: vectors for size, vectors in self.visual.items() if size not in known}
            known |= {size: importance.similarity_logits(network, v, text)[:, 0] for size, v in visual.items()}
            with self.lock:
                self._logits[question] = known
        return known

    @torch.inference_mode()
    def partition(self, settings: Settings, report: Reporter | None = None) -> dict[int, Tensor]:
        """The regions {size: int64[N]}, made once for every question."""
        report = report or Reporter(None, None)
        key = (settings.regions, settings.seed, settings.clusters, settings.iterations, settings.release)
        if key not in self._regions:
            out = dict(self.plain.partition(settings, report)) if self.plain else {}
            profile = self.engine.network.profile
            for index, scale in enumerate(self.square.scales):
                report("partition", index / len(self.square.scales))
                if scale.size in out:
                    continue
                if scale.looked is not None:
                    masks = self.masks(report) if settings.regions == "sam" else None
                    tokens = self.with_residual(scale.size, profile.region_residual)
                    out[scale.size] = partition_tiles(tokens, scale, settings, profile.coordinates, masks)
                    continue
                chosen = region_settings(settings, scale, self.square.sizes, profile.coordinates)
                if settings.regions == "sam":
                    out[scale.size] = partition(None, scale, chosen, self.masks(report))
                    continue
                tokens = self.with_residual(scale.size, profile.region_residual)
                unseeded = settings.release and settings.regions == "kmeans"
                out[scale.size] = (unseeded_kmeans if unseeded else partition)(tokens, scale, chosen)
            self._regions[key] = {size: regions.to(self.device) for size, regions in out.items()}
        return self._regions[key]

    @property
    def whole_sizes(self) -> tuple[int, ...]:
        """Sizes of the scales that are encoded whole, ascending."""
        return self.square.sizes[: len(self.square.sizes) - len(self.square.looks)]

    def scale(self, size: int) -> Scale:
        """The scale of this size."""
        return self.square.scales[self.square.sizes.index(size)]

    def saliency(self, report: Reporter | None = None) -> np.ndarray:
        """What stands out in the file's own pixels (`imagery.saliency`), found once an image.

        InputError for an image that was not read from a file.
        """
        if self._saliency is None:
            if self.info is None:
                raise InputError("only an image that was read from a file can be looked at beyond its finest scale")
            report = report or Reporter(None, None)
            stop = report.cancel.is_set if report.cancel is not None else None
            self._saliency = self.reader.saliency(self.info, lambda share: report("survey", share), stop)
        return self._saliency

    def look(self, tiles: Mapping[int, Iterable[int]], progress: Progress | bool | None = None) -> EncodedImage:
        """This image with the tokens of these tiles {size: row-major indices} of its native scales, and no others."""
        return looks.look(self.plain or self, tiles, Reporter(progress, None))

    def with_looks(
        self,
        square: Square,
        embeddings: dict[int, Tensor],
        visual: dict[int, Tensor],
        excluded: dict[int, Tensor],
        seconds: dict[str, float],
    ) -> EncodedImage:
        """This image with the tokens of a square that looks at native scales, too."""
        return EncodedImage(
            self.engine,
            self.info,
            square,
            embeddings,
            visual,
            excluded,
            self.overview,
            self.generated,
            seconds,
            summary=self.summary,
            reader=self.reader,
            plain=self,
            _masks=self._masks,
        )

    def _looking(self, wanted: Looks, text: str, settings: Settings, report: Reporter) -> EncodedImage:
        """The image with so many looks, or with these."""
        plain = self.plain or self
        if isinstance(wanted, Mapping):
            return looks.look(plain, wanted, report)
        count = read_looks(wanted)
        if not plain.square.native_sizes:
            return plain
        cells = plain.saliency(report)
        finest = plain.score(text, settings)[plain.square.sizes[-1]]
        tiles: dict[int, list[int]] = {}
        for size, tile in looks.plan(plain.square, cells, finest)[:count]:
            tiles.setdefault(size, []).append(tile)
        return looks.look(plain, tiles, report)

    def _parents(self, scale: Scale) -> Tensor:
        """int64[N]: the finest whole scale's token in which each token of a native scale lies."""
        finest = self.scale(self.whole_sizes[-1])
        row, column = (axis * finest.grid // scale.grid for axis in scale.rowcol(np.arange(scale.tokens)))
        return torch.as_tensor(finest.index(row, column), device=self.engine.device)

    def masks(self, report: Callable[[str, float], None] | None = None) -> np.ndarray:
        """int32[s, s] label map of the square for regions "sam", by the model's segmenter once an image."""
        if self._masks is None:
            engine = self.engine
            engine.segmenter = engine.segmenter or sam.Segmenter.from_pretrained(engine.sam, engine.device)
            on_share = (lambda share: report("partition", share)) if report else None
            self._masks = engine.segmenter.label_map(self.overview, on_share)
        return self._masks

    def use_masks(self, masks: np.ndarray) -> None:
        """Partition "sam" by these masks from now on (`regions.masks_to_regions`) instead of the segmenter's."""
        with self.lock:
            self._masks = masks
            for held in (self._questions, self._regions):
                held.clear()

    def __repr__(self) -> str:
        return (
            f"EncodedImage({self.square.width:,} x {self.square.height:,} px, {self.square.all_image_tokens:,} tokens, "
            f"scales {', '.join(map(str, self.square.sizes))})"
        )
