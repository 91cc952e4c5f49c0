"""A pretrained vision-language model of a family, behind the interface of `Network`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache

from uhrbat.network.config import PROFILES, NetworkConfig
from uhrbat.network.families.family import Family
from uhrbat.network.families.twin import Twin, Watched
from uhrbat.network.model import Network


class FamilyNetwork(Network):
    """transformers' own model with what engine and decoder need of a `Network`.

    It has none of the parts that UHR-BAT trains: no scale residuals, no token MLP and no prior; its text tower may be
    the twin of its vision tower. A row of image tokens is an embedding and, side by side with it, the family's extras;
    so an average averages them too.
    """

    in_raster = True

    def __init__(self, family: Family, model: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        """model: of `AutoModelForImageTextToText`; mean, std: of its image processor."""
        nn.Module.__init__(self)  # Network's own would build the parts of UHR-BAT
        self.family, self.model = family, model
        self.has_places, self.sees_itself = family.has_places, family.sees_itself
        tile, tile_grid = family.geometry(model.config)
        scales = family.scales(model.config)
        self.config = NetworkConfig(
            vision={"image_size": tile, "patch_size": tile // tile_grid},
            language={},
            scales=scales,
            profile="training-free",
            token_mlp=False,
            residual_sizes=(),
            attention_scale=scales[0],
            image_mean=tuple(mean),
            image_std=tuple(std),
        )
        self.profile = PROFILES[self.config.profile]
        self.token_mlp = nn.Identity()
        self.residuals = nn.ParameterDict()
        self.prior = self.familiarity = None
        self.similarity: Twin | None = None
        self.width = self.text_config.hidden_size

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def text_config(self) -> Any:
        return self.model.config.get_text_config()

    @property
    def text(self) -> Any:
        """The language model without its head."""
        return self.model.get_decoder()

    def features(self, pixels: Tensor, positions: Tensor | None = None) -> Tensor:
        """Normalised tiles float[n, 3, tile, tile] -> image tokens float[n, tile_grid², hidden x (1 + extras)].

        With a twin what it compares with texts stands beside them, float[n, tile_grid², ... + vision width].
        """
        if positions is not None:
            raise ValueError("position embeddings can be chosen for UHR-BAT's own towers only")
        if self.similarity is None:
            return self.family.tokens(self.model, pixels)
        with Watched(self.family.tower(self.model), self.similarity.depth) as seen:
            tokens = self.family.tokens(self.model, pixels)
        return torch.cat([tokens, seen[0][:, -tokens.shape[1] :]], -1)  # a class token stands first

    def project(self, features: Tensor) -> Tensor:
        """Features are embeddings already: transformers' model projects them itself."""
        return features[..., : self.embedding]

    def similarity_vectors(self, features: Tensor) -> Tensor:
        return self.dense_similarity().visual_vectors(features[..., self.embedding :])

    @property
    def embedding(self) -> int:
        """Numbers of an image token, extras included."""
        return self.width * (1 + self.family.extras(self.model.config))

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Text token ids -> float[T, hidden x (1 + extras)], the extras zero; an image token's is the family's mark."""
        where = torch.tensor(ids, dtype=torch.int64, device=self.device)
        embeds = self.model.get_input_embeddings()(where)
        mark = self.family.mark(self.model)
        if mark is not None:
            embeds[where == self.model.config.image_token_id] = mark.to(embeds)
        return F.pad(embeds, (0, self.embedding - self.width))

    def run(
        self, embeds: Tensor, positions: Tensor, cache: DynamicCache, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As `Network.run`; positions may be int64[3, B, T]: time, row and column."""
        own, *extras = embeds.split(self.width, -1)
        caught: list[Tensor] = []

        def catch(_: nn.Module, args: tuple, kwargs: dict) -> None:
            caught.append(args[0] if args else kwargs["hidden_states"])

        hook = self.text.layers[-1].register_forward_pre_hook(catch, with_kwargs=True)
        try:
            out = self.text(
                inputs_embeds=own,
                position_ids=positions,
                past_key_values=cache,
                attention_mask=self._masks(mask),
                use_cache=True,
                **(self.family.with_extras(extras) if extras else {}),
            )
        finally:
            hook.remove()
        return caught[0], out.last_hidden_state

    def _masks(self, mask: Tensor | None) -> Any:
        """What layers see, bool[B, 1, T, keys], as the language model takes it.

        It is given by kind of layer where some see a window. Without a mask transformers makes its own.
        """
        window = getattr(self.text_config, "sliding_window", None)
        if mask is None or not window:
            return mask if mask is None else self._added(mask)
        queries, keys = mask.shape[-2:]
        windowed = mask & torch.ones_like(mask[:1, :1]).triu(keys - queries + 1 - window)
        if "sliding_attention" not in (getattr(self.text_config, "layer_types", None) or ()):
            return self._added(windowed)
        return {"full_attention": self._added(mask), "sliding_attention": self._added(windowed)}

    def _added(self, mask: Tensor) -> Tensor:
        """A mask as the implementation of attention takes it: eager attention adds it to the scores."""
        return self._scores(mask) if self.text_config._attn_implementation == "eager" else mask

    def _scores(self, mask: Tensor) -> Tensor:
        """bool -> 0 where seen, the lowest number where not."""
        lowest = torch.finfo(self.dtype).min
        return torch.zeros_like(mask, dtype=self.dtype).masked_fill(~mask, lowest)

    def logits(self, hidden: Tensor) -> Tensor:
        return self.model.get_output_embeddings()(hidden)

    def last_attention(self, last_input: Tensor, position: int, keys: Tensor, added: Tensor | None = None) -> Tensor:
        """As `Network.last_attention`: the last layer's attention run once more for that row, eagerly."""
        layer = self.text.layers[-1]
        attention = copy.copy(layer.self_attn)
        attention.__dict__.pop("forward", None)  # accelerate's is bound to the layer's own, on several devices
        attention.config = copy.copy(attention.config)
        attention.config._attn_implementation = "eager"
        hidden = layer.input_layernorm(last_input[None, None].to(keys.device))
        where = torch.full((3, 1, 1) if self.has_places else (1, 1), position, device=hidden.device)
        seen = self._masks(torch.ones(1, 1, 1, keys.shape[1], dtype=torch.bool, device=hidden.device))
        if isinstance(seen, dict):
            seen = seen[self.text_config.layer_types[-1]]
        scores = self._scores(seen) if seen.dtype == torch.bool else seen
        _, weights = attention(
            hidden_states=hidden,
            position_embeddings=self.family.rotation(self.text, hidden, where),
            attention_mask=scores if added is None else scores + added[None, :, None].to(scores.dtype),
            past_key_values=_Held(keys[None]),
        )
        return weights[0, :, 0].float().mean(0)


class _Held:
    """A cache that holds what it is asked to add: the row's own key is in it already. Values are not looked at."""

    def __init__(self, keys: Tensor) -> None:
        self.keys = keys

    def update(self, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
        return self.keys, self.keys
