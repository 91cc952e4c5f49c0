"""From an image and a question to an answer: encode, score, partition, rank, select, answer.

Each stage depends on as little as it can (house plan, "a budget is a prefix"): an encoded image serves every
question, a question serves every budget, only an answer needs the language model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uhrbat import grammar, imagery
from uhrbat.budget import Budget, budgets_of
from uhrbat.checkpoints import hub, loading
from uhrbat.encoded import EncodedImage
from uhrbat.errors import InputError
from uhrbat.geometry import Scale
from uhrbat.imagery.provenance import is_generated
from uhrbat.network import familiarity
from uhrbat.network.decoder import Decoder
from uhrbat.network.device import TileBatches, choose_device
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.progress import Flag, Progress, Reporter
from uhrbat.renamed import renamed
from uhrbat.results import Reading
from uhrbat.selection import sam
from uhrbat.settings import Settings

OVERVIEW = 1024
SUMMED_UP = 2
"""Of how many scales, the coarsest, the tiles say how familiar a picture is."""


class UHRBAT:
    """A loaded model. `UHRBAT.from_pretrained("nano").encode("harbour.tif").ask("...").select(3000).answer()`"""

    def __init__(self, name: str, network: Network, codec: TextCodec, settings: Settings | None = None) -> None:
        self.name, self.network, self.codec = name, network, codec
        self.settings = settings or default_settings(network)
        self.sam = hub.SAM
        """The SAM, a folder or a Hub id, that `segmenter` is loaded from when regions "sam" are first asked for."""
        self.segmenter: sam.Segmenter | None = None
        self.tile_batches = TileBatches(network.device.type)

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
        return cls(name, loaded.network, loaded.codec)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write the model to a folder that `from_pretrained` reads; dtype: its own by default."""
        codec = self.codec
        loading.save(self.network, codec.tokenizer, Path(folder), dtype or self.dtype, codec.text_tokenizer)

    def push_to_hub(self, repository: str, private: bool = True, token: str | None = None) -> str:
        """Upload the model with a card to the Hub as owner/name. Returns its address."""
        loaded = loading.Loaded(self.network, self.codec.tokenizer, self.codec.text_tokenizer)
        return loading.push(loaded, repository, self.dtype, private, token)

    model = renamed("model", "network")
    split_budget = renamed("split_budget", "budgets")

    @property
    def device(self) -> torch.device:
        return self.network.device

    @property
    def dtype(self) -> torch.dtype:
        return self.network.dtype

    @property
    def scales(self) -> tuple[int, ...]:
        """Sizes of the scales, ascending."""
        return self.network.config.scales

    @property
    def tile(self) -> int:
        """Side in pixels of the window that the vision tower takes at once."""
        return self.network.config.tile

    @property
    def tile_grid(self) -> int:
        """Tokens a side of a tile."""
        return self.network.config.tile_grid

    @property
    def least_side(self) -> int:
        """Side in image pixels of the square that a smaller image lies in (`Square.least`)."""
        return self.network.config.least_side

    @property
    def point_bins(self) -> int:
        """Places a side of the square that the model can point to; 0 if it does not point."""
        return self.network.config.point_bins

    @property
    def parameters(self) -> int:
        """Number of the model's parameters."""
        return sum(value.numel() for value in self.network.parameters())

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one image token takes in the language model's cache of keys and values."""
        config = self.network.text_config
        heads = config.num_key_value_heads or config.num_attention_heads
        head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        width = head_width * heads
        return 2 * config.num_hidden_layers * width * self.dtype.itemsize

    @property
    def generated_only(self) -> bool:
        """Whether the model has seen generated worlds only, as the first nano."""
        return bool(self.network.config.extra.get("generated_scenes_only", False))

    def measured(self, reading: Reading, generated: bool) -> str | None:
        """How much was found of what a question asks for where it was measured, a sentence; None: it was not.

        The sentences stand in the checkpoint's configuration, by type of question or else by kind of object
        (`uhrbat.training.nano.measured`).
        """
        figures = self.network.config.extra.get("measured", {}).get("generated" if generated else "real", {})
        names = [reading.type, *reading.kinds] if reading.understood else []
        return next((figures[name] for name in names if name in figures), None)

    def read(self, question: str) -> Reading | None:
        """What a question is read as; None for a model that takes any question."""
        return grammar.read(question) if self.network.config.grammar else None

    def asked(self, question: str) -> str:
        """The words that are scored and answered: those that a question is read as."""
        reading = self.read(question)
        return reading.text if reading else question

    def said(self, ids: list[int], question: str) -> tuple[str, list[tuple[float, float]]]:
        """Generated ids -> (the answer to a question in the asker's own words, points in 0..1 of the square)."""
        reading = self.read(question)
        text, points = self.codec.parse(ids, reading.text if reading else question)
        return reading.written(text) if reading else text, points

    def encode(
        self,
        path: str | Path,
        *,
        info: imagery.ImageInfo | None = None,
        progress: Progress | bool | None = True,
        cancel: Flag | None = None,
        bands: tuple[int, ...] | None = None,
        reader: imagery.Reader = imagery.HERE,
    ) -> EncodedImage:
        """Read an image and encode every tile of every scale: the heavy call, once an image.

        progress: True shows a bar, a callable gets (stage, fraction 0..1, message). reader: how the pixels are decoded,
        by default in this process; `imagery.apart.READER` does it in one of its own, as is right for the files of
        strangers. ImageError, Cancelled.
        """
        report = Reporter(progress, cancel)
        report("read", 0.0)
        info = info or imagery.open_image(path, bands=bands)
        stop = cancel.is_set if cancel is not None else None
        canvas = reader.canvas(path, info, lambda share: report("read", share), stop)
        return self._encode(canvas, is_generated(path, canvas), report, reader=reader)

    def encode_canvas(
        self,
        canvas: imagery.Canvas,
        *,
        generated: bool = False,
        keep_features: bool = False,
        progress: Progress | bool | None = None,
        cancel: Flag | None = None,
    ) -> EncodedImage:
        """As `encode`, for an image in memory (`imagery.canvas_of`); `generated` says it is one of nano's worlds.

        keep_features: the image keeps the vision tower's features (training).
        """
        return self._encode(canvas, generated, Reporter(progress, cancel), keep_features)

    @torch.inference_mode()
    def _encode(
        self,
        canvas: imagery.Canvas,
        generated: bool,
        report: Reporter,
        keep_features: bool = False,
        reader: imagery.Reader = imagery.HERE,
    ) -> EncodedImage:
        square = self.network.config.square(*canvas.full_size)
        config, batches = self.network.config, self.tile_batches
        valid = {
            scale.size: torch.as_tensor(imagery.valid_tokens(canvas, scale, square.least), device=self.device)
            for scale in square.scales
        }
        shown = {scale.size: self._shown(scale, valid[scale.size]) for scale in square.scales}
        tiles, done = sum(map(len, shown.values())), 0
        embeddings, visual, excluded = {}, {}, {}
        overview = np.zeros((0, 0, 3), np.uint8)
        kept: dict[int, Tensor] = {}
        summaries: list[Tensor] = []
        filled = square.side == max(square.width, square.height)
        for scale, (_, picture) in zip(square.scales, imagery.scale_images(canvas, self.scales, square.least)):
            parts, seen, whole = [], [], []
            coarse = self.network.familiarity is not None and filled and scale.size in self.scales[:SUMMED_UP]
            for places in batches.of(len(shown[scale.size])):
                report("encode", done / tiles, f"{done} of {tiles} tiles{batches.note}")
                indices = shown[scale.size][list(places)]
                pixels = imagery.tiles(picture, config.image_mean, config.image_std, indices, config.tile)
                features = batches.run(self.features, torch.as_tensor(pixels))
                parts.append(self.network.project(features))
                if self.network.similarity is not None:
                    seen.append(self.network.similarity_vectors(features))
                if coarse:
                    of_tiles = valid[scale.size].view(scale.tiles**2, -1)[torch.from_numpy(indices)]
                    summaries.append(self._summary(features, pixels, of_tiles))
                if keep_features:
                    whole.append(features)
                done += len(indices)
            if len(overview) < OVERVIEW:
                overview = picture
            embeddings[scale.size] = _of_all_tiles(parts, shown[scale.size], scale)
            if seen:
                visual[scale.size] = _of_all_tiles(seen, shown[scale.size], scale)
            if keep_features:
                kept[scale.size] = _of_all_tiles(whole, shown[scale.size], scale)
            entering = valid[scale.size]
            if self.network.profile.released:
                entering = entering | torch.as_tensor(square.padding(scale), device=self.device)
            excluded[scale.size] = ~entering
        if self.network.familiarity is not None and not filled:
            summaries.append(self.summary(canvas))
        report("encode", 1.0, f"{done} of {tiles} tiles{batches.note}")
        return EncodedImage(
            self,
            canvas.info,
            square,
            embeddings,
            visual,
            excluded,
            overview,
            generated,
            report.close(),
            kept,
            summary=torch.cat(summaries) if summaries else None,
            reader=reader,
            _saliency=canvas.saliency,
        )

    @torch.inference_mode()
    def summary(self, canvas: imagery.Canvas) -> Tensor:
        """What familiarity with a picture is measured by, float[n, 2 width + 1] of its coarsest scales' tiles
        (`uhrbat.network.familiarity`), a small picture enlarged until it fills them."""
        config = self.network.config
        out = []
        sizes = self.scales[:SUMMED_UP]
        for scale, (_, picture) in zip(map(config.scale, sizes), imagery.scale_images(canvas, sizes)):
            valid = torch.as_tensor(imagery.valid_tokens(canvas, scale)).view(scale.tiles**2, -1)
            for indices in self.tile_batches.of(scale.tiles**2):
                pixels = imagery.tiles(picture, config.image_mean, config.image_std, indices, config.tile)
                features = self.features(torch.as_tensor(pixels))
                out.append(self._summary(features, pixels, valid[list(indices)]))
        return torch.cat(out)

    def _shown(self, scale: Scale, valid: Tensor) -> np.ndarray:
        """int64[n]: the tiles of a scale that are encoded: those that show the picture, and all where the padding's
        tokens have a say, in the released procedure and in the attention over the coarsest scale. valid: bool[N]."""
        if self.network.profile.released or scale.size == self.network.config.attention_scale:
            return np.arange(scale.tiles**2)
        return np.flatnonzero(valid.view(scale.tiles**2, -1).any(1).cpu().numpy())

    def _summary(self, features: Tensor, pixels: np.ndarray, valid: Tensor) -> Tensor:
        config = self.network.config
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (config.image_mean, config.image_std))
        light = F.avg_pool2d((torch.as_tensor(pixels) * std + mean).mean(1, keepdim=True), config.patch).flatten(1)
        tower = self.network.vision.get_submodule("post_layernorm")
        return familiarity.summary(tower(features), light.to(valid.device), valid)

    def features(self, pixels: Tensor) -> Tensor:
        """The vision tower's features of normalised tiles float[n, 3, tile, tile]."""
        return self.network.features(pixels.to(self.device, self.dtype))

    def budgets(self, budget: Budget) -> dict[int, int]:
        """A total budget, or one number a scale -> {size: budget}. InputError when out of range."""
        return budgets_of(budget, [self.network.config.scale(size) for size in self.scales])

    def decoder(self, max_new_tokens: int = 64) -> Decoder:
        """The decoder with this model's stop rules; one trained with the released code ends an answer as that does."""
        ends, not_first = (self.codec.ends, self.codec.end) if self.network.profile.released else (None, None)
        return Decoder(self.network, self.codec.stop, max_new_tokens, ends, not_first)

    @torch.inference_mode()
    def question_vector(self, question: str) -> Tensor:
        """The question's unit vector float[p] from the text tower. InputError where the model has none."""
        tower = self.network.similarity
        if tower is None:
            raise InputError(f"model '{self.name}' has no text tower: choose the importance 'attention'")
        ids = torch.tensor([self.codec.similarity_ids(question, tower.max_text_tokens)], device=self.device)
        return tower.text_vectors(ids, torch.ones_like(ids))[0]


def default_settings(network: Network) -> Settings:
    """What a model is used with unless something else is chosen.

    One trained with the released code: attention importance, regions by their mean. One without a text tower that was
    trained with it: attention importance, whatever text tower happens to be beside it. Else the defaults of Settings.
    """
    if network.profile.released:
        return Settings(importance="attention", order="mean")
    own = network.similarity is not None and network.profile.name != "training-free"
    return Settings() if own else Settings(importance="attention")


def _of_all_tiles(parts: list[Tensor], shown: np.ndarray, scale: Scale) -> Tensor:
    """Values float[n, t, width] of some tiles, in parts -> float[N, width] of all tokens, zero where there are none."""
    found = torch.cat(parts)
    if len(found) == scale.tiles**2:
        return found.flatten(0, 1)
    out = found.new_zeros(scale.tiles**2, *found.shape[1:])
    out[torch.from_numpy(shown)] = found
    return out.flatten(0, 1)
