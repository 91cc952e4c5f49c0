"""From an image and a question to an answer: encode, score, partition, rank, select, answer.

Each stage depends on as little as it can (house plan, "a budget is a prefix"): an encoded scene serves every
question, a view serves every budget, only an answer needs the language model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from uhrbat import imagery
from uhrbat.checkpoints import hub, loading
from uhrbat.errors import InputError
from uhrbat.geometry import Pyramid, Scale, split_budget
from uhrbat.imagery.provenance import is_generated
from uhrbat.network.device import TileBatches, choose_device
from uhrbat.network.model import UHRBATModel
from uhrbat.network.text import TextCodec, clean_question
from uhrbat.progress import Flag, Progress, Reporter
from uhrbat.question import Answer as Answer
from uhrbat.question import Budget, View
from uhrbat.selection import importance, sam
from uhrbat.selection.ranking import rank_tokens
from uhrbat.selection.regions import BACKGROUND, partition
from uhrbat.selection.released import unseeded_kmeans
from uhrbat.settings import SETTINGS_CHOICES as SETTINGS_CHOICES
from uhrbat.settings import Settings, default_settings

PHOTOGRAPH_CAVEAT = (
    "nano was trained on generated scenes only; this image is not one of them, so take its answer as a demonstration."
)
VIEWS_A_SCENE = 8
OVERVIEW = 1024


class UHRBAT:
    """A loaded model. `UHRBAT.from_pretrained("nano").encode("harbour.tif").ask("...").select(3000).answer()`"""

    def __init__(self, name: str, model: UHRBATModel, codec: TextCodec, settings: Settings | None = None) -> None:
        self.name, self.model, self.codec = name, model, codec
        self.settings = settings or default_settings(model)
        self.sam = hub.SAM
        """The SAM, a folder or a Hub id, that `segmenter` is loaded from when regions "sam" are first asked for."""
        self.segmenter: sam.Segmenter | None = None
        self.tile_batches = TileBatches(model.device.type)

    @classmethod
    def from_pretrained(
        cls,
        name: str = "nano",
        device: str = "auto",
        dtype: torch.dtype | None = None,
        *,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
        **options,
    ) -> UHRBAT:
        """Load "nano", a checkpoint folder, or a Hub id such as `RL-MIND/UHR-BAT`.

        device: "auto" takes cuda, then mps, then cpu; dtype: bfloat16 on cuda, else float32. options: device_map,
        bits, similarity, ignore_unexpected (`loading.load`). CheckpointError.
        """
        where = torch.device(choose_device(device))
        kind = dtype or (torch.bfloat16 if where.type == "cuda" else torch.float32)
        report = Reporter(progress, cancel)
        loaded = loading.load(
            name, where, kind, progress=lambda share, message: report("load", share, message), **options
        )
        report.close()
        codec = TextCodec(loaded.tokenizer, loaded.model.config.point_bins, loaded.text_tokenizer)
        return cls(name, loaded.model, codec)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write the model to a folder that `from_pretrained` reads; dtype: its own by default."""
        codec = self.codec
        loading.save(self.model, codec.tokenizer, Path(folder), dtype or self.dtype, codec.text_tokenizer)

    def push_to_hub(self, repository: str, private: bool = True, token: str | None = None) -> str:
        """Upload the model with a card to the Hub as owner/name. Returns its address."""
        loaded = loading.Loaded(self.model, self.codec.tokenizer, self.codec.text_tokenizer)
        return loading.push(loaded, repository, self.dtype, private, token)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def scales(self) -> tuple[int, ...]:
        """Sizes of the scales, ascending."""
        return self.model.config.scales

    @property
    def parameters(self) -> int:
        """Number of the model's parameters."""
        return sum(value.numel() for value in self.model.parameters())

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one image token takes in the language model's cache of keys and values."""
        config = self.model.language.config
        width = config.hidden_size // config.num_attention_heads * config.num_key_value_heads
        return 2 * config.num_hidden_layers * width * self.dtype.itemsize

    @property
    def knows_photographs(self) -> bool:
        """False for nano, which has seen generated scenes only."""
        return not self.model.config.extra.get("generated_scenes_only", False)

    def encode(
        self,
        path: str | Path,
        *,
        info: imagery.ImageInfo | None = None,
        progress: Progress | bool | None = True,
        cancel: Flag | None = None,
        bands: tuple[int, ...] | None = None,
    ) -> EncodedScene:
        """Read an image and encode every tile of every scale: the heavy call, once an image.

        progress: True shows a bar, a callable gets (stage, fraction 0..1, message). ImageError, Cancelled.
        """
        report = Reporter(progress, cancel)
        report("read", 0.0)
        info = info or imagery.open_image(path, bands=bands)
        stop = cancel.is_set if cancel is not None else None
        canvas = imagery.read_canvas(path, info, lambda share: report("read", share), stop)
        return self._encode(canvas, is_generated(path, canvas), report)

    def encode_canvas(
        self,
        canvas: imagery.Canvas,
        *,
        generated: bool = False,
        keep_features: bool = False,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
    ) -> EncodedScene:
        """As `encode`, for an image in memory (`imagery.canvas_of`); `generated` says it is one of nano's scenes.

        keep_features: the scene keeps the vision tower's features (training).
        """
        return self._encode(canvas, generated, Reporter(progress, cancel), keep_features)

    @torch.inference_mode()
    def _encode(
        self, canvas: imagery.Canvas, generated: bool, report: Reporter, keep_features: bool = False
    ) -> EncodedScene:
        pyramid = Pyramid(*canvas.full_size, self.scales)
        tiles, config, batches = sum(scale.tiles**2 for scale in pyramid.scales), self.model.config, self.tile_batches
        embeddings, visual, excluded, done = {}, {}, {}, 0
        overview = None
        kept: dict[int, Tensor] = {}
        for scale, (_, picture) in zip(pyramid.scales, imagery.scale_images(canvas, self.scales)):
            parts, seen, whole = [], [], []
            for indices in batches.of(scale.tiles**2):
                report("encode", done / tiles, f"{done} of {tiles} tiles{batches.note}")
                pixels = imagery.tiles(picture, config.image_mean, config.image_std, indices)
                features = batches.run(self._features, torch.as_tensor(pixels))
                parts.append(self.model.project(features).flatten(0, 1))
                if self.model.similarity is not None:
                    seen.append(self.model.similarity_vectors(features).flatten(0, 1))
                if keep_features:
                    whole.append(features.flatten(0, 1))
                done += len(indices)
            if overview is None or len(overview) < OVERVIEW:
                overview = picture
            embeddings[scale.size] = torch.cat(parts)
            if seen:
                visual[scale.size] = torch.cat(seen)
            if keep_features:
                kept[scale.size] = torch.cat(whole)
            empty = ~imagery.valid_tokens(canvas, scale)
            if self.model.profile.released:
                empty &= ~pyramid.padding(scale)
            excluded[scale.size] = torch.as_tensor(empty, device=self.device)
        report("encode", 1.0, f"{done} of {tiles} tiles{batches.note}")
        return EncodedScene(
            self, canvas.info, pyramid, embeddings, visual, excluded, overview, generated, report.close(), kept
        )

    def _features(self, pixels: Tensor) -> Tensor:
        return self.model.features(pixels.to(self.device, self.dtype))

    def split_budget(self, budget: Budget) -> dict[int, int]:
        """A total budget, or one number a scale -> {size: budget}. InputError when out of range."""
        scales = [Scale(size) for size in self.scales]
        if not isinstance(budget, (tuple, list)):
            return dict(zip(self.scales, split_budget(budget, scales)))
        if len(budget) != len(scales) or any(type(k) is not int or k < 0 for k in budget) or not sum(budget):
            raise InputError(f"budgets a scale are {list(budget)}; give {len(scales)} whole numbers from 0")
        for scale, count in zip(scales, budget):
            if count > scale.tokens:
                raise InputError(f"the budget of scale {scale.size} is {count:,}; it has {scale.tokens:,} tokens")
        return dict(zip(self.scales, budget))

    @torch.inference_mode()
    def question_vector(self, question: str) -> Tensor:
        """The question's unit vector float[p] from the text tower. InputError where the model has none."""
        tower = self.model.similarity
        if tower is None:
            raise InputError(f"model '{self.name}' has no text tower: choose the importance 'attention'")
        ids = torch.tensor([self.codec.similarity_ids(question, tower.max_text_tokens)], device=self.device)
        return tower.text_vectors(ids, torch.ones_like(ids))[0]


@dataclass
class EncodedScene:
    """An image as tokens: embeddings and similarity vectors of every scale, tile-major. Serves every question.

    embeddings: {size: float[N, hidden]} without residuals; visual: {size: float[N, p]}; excluded: {size: bool[N]}
    tokens of padding or nodata, never evidence; padding is, where the model was trained with it (Profile.released).
    overview: uint8[side, side, 3], the scene square at the coarsest scale that shows enough for SAM.
    features: {size: float[N, width]} of the vision tower, where they were asked for.
    """

    model: UHRBAT
    info: imagery.ImageInfo | None
    pyramid: Pyramid
    embeddings: dict[int, Tensor]
    visual: dict[int, Tensor]
    excluded: dict[int, Tensor]
    overview: np.ndarray
    made_by_generator: bool
    seconds: dict[str, float]
    features: dict[int, Tensor] = field(default_factory=dict)
    _views: OrderedDict[tuple[str, Settings], View] = field(default_factory=OrderedDict)
    _regions: OrderedDict[tuple, dict[int, Tensor]] = field(default_factory=OrderedDict)
    _masks: np.ndarray | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def caveat(self) -> str | None:
        return None if self.made_by_generator or self.model.knows_photographs else PHOTOGRAPH_CAVEAT

    @property
    def nbytes(self) -> int:
        """Bytes of tensors held for this scene, views included."""
        held = [*self.embeddings.values(), *self.visual.values(), *self.excluded.values()]
        for regions in self._regions.values():
            held += regions.values()
        masks = 0 if self._masks is None else self._masks.nbytes
        total = sum(value.numel() * value.element_size() for value in held) + self.overview.nbytes + masks
        return total + sum(view.nbytes for view in list(self._views.values()))

    @property
    def device(self) -> torch.device:
        return next(iter(self.embeddings.values())).device

    def to(self, device: str | torch.device) -> EncodedScene:
        """Move everything held for this scene, in place; a question moves it back to the model's device itself."""
        with self._lock:
            for held in (self.embeddings, self.visual, self.excluded, *self._regions.values()):
                held.update({size: values.to(device) for size, values in held.items()})
            for view in self._views.values():
                view.to(device)
        return self

    def coarse(self, size: int) -> Tensor:
        """Embeddings of one scale as the attention pass sees them, residual included."""
        return self.with_residual(size, self.model.model.profile.attention_residual)

    def with_residual(self, size: int, times: int) -> Tensor:
        """Embeddings float[N, hidden] of one scale with its residual added so many times."""
        residual = self.model.model.residual(size)
        values = self.embeddings[size]
        return values if residual is None or not times else values + times * residual.to(values.dtype)

    @torch.inference_mode()
    def ask(
        self,
        question: str,
        settings: Settings | None = None,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
        lines: bool = False,
    ) -> View:
        """Score, partition and rank all tokens for a question. InputError for an empty or unreadable question.

        lines: keep the question's line breaks (benchmarks).
        """
        question = clean_question(question, lines)
        settings = settings or self.model.settings
        key = (question, settings)
        if self.device != self.model.device:
            self.to(self.model.device)
        with self._lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        report = Reporter(progress, cancel)
        report("score", 0.0)
        scores = self.score(question, settings)
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
        view = View(self, question, settings, scores, regions, rankings, report.close())
        with self._lock:
            self._views[key] = view
            while len(self._views) > VIEWS_A_SCENE:
                self._views.popitem(last=False)
        return view

    @torch.inference_mode()
    def score(self, question: str, settings: Settings) -> dict[int, Tensor]:
        """The importance {size: float32[N]} of every token for a clean question."""
        engine, method = self.model, settings.importance
        sizes = self.pyramid.sizes
        if method in ("similarity", "fused"):
            similar = importance.similarity(engine.model, self.visual, engine.question_vector(question))
        if method in ("attention", "fused"):
            coarse = self.coarse(engine.model.config.attention_scale)
            prompt = engine.codec.prompt(question, settings.release)
            attended = importance.attention(engine.model, coarse, prompt, sizes)
        if method == "similarity":
            return similar
        return attended if method == "attention" else importance.fused(similar, attended)

    @torch.inference_mode()
    def partition(self, settings: Settings, report: Reporter | None = None) -> dict[int, Tensor]:
        """The regions {size: int64[N]}, made once for every question."""
        report = report or Reporter(None, None)
        key = (settings.regions, settings.seed, settings.clusters, settings.iterations, settings.release)
        if key not in self._regions:
            out = {}
            profile = self.model.model.profile
            for index, scale in enumerate(self.pyramid.scales):
                report("partition", index / len(self.pyramid.scales))
                chosen = settings.regions_of(scale, self.pyramid.sizes, profile.coordinates)
                if settings.regions == "sam":
                    out[scale.size] = partition(None, scale, chosen, self.masks(report))
                    continue
                tokens = self.with_residual(scale.size, profile.region_residual)
                unseeded = settings.release and settings.regions == "kmeans"
                out[scale.size] = (unseeded_kmeans if unseeded else partition)(tokens, scale, chosen)
            self._regions[key] = {size: regions.to(self.device) for size, regions in out.items()}
            while len(self._regions) > VIEWS_A_SCENE:
                self._regions.popitem(last=False)
        return self._regions[key]

    def masks(self, report: Callable[[str, float], None] | None = None) -> np.ndarray:
        """int32[s, s] label map of the scene square for regions "sam", by the model's segmenter once an image."""
        if self._masks is None:
            engine = self.model
            engine.segmenter = engine.segmenter or sam.Segmenter.from_pretrained(engine.sam, engine.device)
            tell = (lambda share: report("partition", share)) if report else None
            self._masks = engine.segmenter.label_map(self.overview, tell)
        return self._masks

    def use_masks(self, masks: np.ndarray) -> None:
        """Partition "sam" by these masks from now on (`regions.masks_to_regions`) instead of the segmenter's."""
        with self._lock:
            self._masks = masks
            for held in (self._views, self._regions):
                held.clear()
