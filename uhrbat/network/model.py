"""The network of UHR-BAT: vision tower, projector, scale residuals, token MLP and language model.

One class serves the released 7B checkpoint and nano; what differs between them is configuration
(`NetworkConfig`), never code. The layout follows the data: pixels, features, embeddings, image tokens,
language model. Nothing here selects tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from uhrbat.errors import InputError
from uhrbat.network.config import PROFILES, NetworkConfig
from uhrbat.network.familiarity import Familiarity
from uhrbat.network.towers import DenseSimilarity, build_tower, patch_features, value_features

KeysValues = list[tuple[Tensor, Tensor]]
"""A key and a value a layer of the language model, float[batch, heads, n, head width] each."""


class Network(nn.Module):
    """The whole network. See the module's first line for the way of the data.

    in_raster: whether a scale's tokens are given to the language model in the order of their rows, as pretrained models
    expect them, rather than in the ranking's. has_places: whether an image token's position is its place in the square.
    sees_itself: whether image tokens attend to each other both ways.
    """

    in_raster = False
    has_places = False
    sees_itself = False

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.profile = PROFILES[config.profile]
        self.vision = build_tower(config.tower, config.vision, config.tile, config.patch)
        width = self.vision.config.hidden_size
        self.language = Qwen2ForCausalLM(Qwen2Config(**config.language))
        hidden = self.language.config.hidden_size
        self.projector = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.token_mlp: nn.Module = nn.Identity()
        if config.token_mlp:
            self.token_mlp = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.residuals = nn.ParameterDict()
        for size in config.residual_sizes or ():
            side = min(size // config.patch, config.residual_base)
            self.residuals[str(size)] = nn.Parameter(torch.randn(1, side * side, hidden) / math.sqrt(hidden))
        self.prior = nn.Parameter(torch.zeros(self.language.config.num_attention_heads)) if config.prior else None
        self.similarity = (
            DenseSimilarity(config.text, width, config.projection_dim, config.contrast, config.similarity_hidden)
            if config.text is not None
            else None
        )

        self.familiarity = Familiarity(width, config.familiarity) if config.familiarity else None

    @property
    def device(self) -> torch.device:
        return self.language.device

    @property
    def dtype(self) -> torch.dtype:
        return self.language.dtype

    @property
    def text_config(self) -> Any:
        """transformers' configuration of the language model."""
        return self.language.config

    # pixels -> features -> embeddings

    def features(self, pixels: Tensor, positions: Tensor | None = None) -> Tensor:
        """Normalised tiles float[n, 3, tile, tile] -> patch features float[n, tile_grid², vision width].

        The hidden state `select_layer`, class token dropped (released: the one before the last layer).
        `positions` int[n, 1 + patches] picks position embeddings for windows smaller than a tile (training).
        """
        return patch_features(self.vision, pixels, self.config.select_layer, positions)

    def similarity_vectors(self, features: Tensor) -> Tensor:
        """Features float[..., width] -> unit vectors float[..., projection_dim] to compare with text."""
        dense = value_features if self.config.dense == "value" else _output
        return self.dense_similarity().visual_vectors(dense(self.vision, features))

    def dense_similarity(self) -> DenseSimilarity:
        """The text tower and its projections. ValueError for a model without them."""
        if self.similarity is None:
            raise ValueError("this model has no text tower for similarity importance")
        return self.similarity

    def project(self, features: Tensor) -> Tensor:
        """Features float[..., width] -> embeddings float[..., hidden] in the language model's space."""
        return self.projector(features.to(next(self.projector.parameters()).dtype))

    def residual(self, size: int, rows: Tensor | None = None) -> Tensor | None:
        """The scale's positions float[N, hidden], tile-major, as the profile lays them; None without a map.

        rows: int64[n], only these tokens' -> float[n, hidden].
        """
        if str(size) not in self.residuals:
            return None
        scale = self.config.scale(size)
        table = self.residuals[str(size)]
        side = math.isqrt(table.shape[1])
        grid = table.reshape(side, side, -1).permute(2, 0, 1)[None]
        if self.profile.residual == "tile":
            tile = F.interpolate(grid, size=(scale.tile_grid, scale.tile_grid), mode="bilinear", align_corners=False)
            tile = tile[0].flatten(1).T
            return tile.repeat(scale.tiles**2, 1) if rows is None else tile[rows % scale.tile_grid**2]
        stretched = F.interpolate(grid, size=(scale.grid, scale.grid), mode="bilinear", align_corners=False)
        place = torch.tensor(scale.inverse, device=table.device)
        return stretched[0].flatten(1).T[place if rows is None else place[rows]]

    # image tokens -> language model

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Text token ids -> embeddings float[T, hidden]."""
        return self.language.model.embed_tokens(torch.tensor(ids, dtype=torch.int64, device=self.device))

    def run(
        self, embeds: Tensor, positions: Tensor, cache: DynamicCache, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings float[B, T, hidden] through the language model's layers, after what the cache holds.

        positions: int64[B or 1, T]. mask: over all keys, bool or added to the scores, [B, heads or 1, T, keys]; None
        is causal. Returns the last layer's input and the output after the final norm, float[B, T, hidden] each; the
        cache then holds these too.
        """
        out = self.language.model(
            inputs_embeds=embeds,
            position_ids=positions,
            past_key_values=cache,
            attention_mask=None if mask is None else {"full_attention": mask},
            use_cache=True,
            output_hidden_states=True,
        )
        return out.hidden_states[-2], out.last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Outputs after the final norm float[..., hidden] -> logits float[..., vocabulary]."""
        return self.language.lm_head(hidden)

    def prior_bias(self, similarity: Tensor | None) -> Tensor | None:
        """Similarity logits float[..., n] -> what is added to the attention's scores, float[..., heads, n].

        None for a model without a prior, or without logits.
        """
        if self.prior is None or similarity is None:
            return None
        return self.prior[:, None] * similarity[..., None, :].to(self.dtype)

    def check_length(self, tokens: int) -> None:
        """InputError where the language model reads fewer tokens than these at once."""
        most = self.text_config.max_position_embeddings
        if tokens > most:
            raise InputError(
                f"the prompt has {tokens:,} tokens, most of them the image's; this language model reads at most "
                f"{most:,}: choose a smaller budget"
            )

    def image_cache(
        self, image: Tensor, position: int, progress: Callable[[float], None] | None = None, chunk: int = 2048
    ) -> KeysValues:
        """Keys and values of image tokens that attend to themselves alone, all at one position.

        image float[..., n, hidden] -> per layer (key, value), each float[batch, heads, n, head width].
        With only itself to attend to, a token's attention output is its own value.
        """
        flat = image.reshape(-1, image.shape[-1])
        batch = 1 if image.ndim == 2 else image.shape[0]
        parts = []
        for start in range(0, max(1, len(flat)), chunk):
            if progress:
                progress(start / max(1, len(flat)))
            parts.append(self._image_chunk(flat[start : start + chunk], position))
        out = []
        for layer in zip(*parts):
            pair = []
            for which in (0, 1):
                rows = torch.cat([part[which] for part in layer])
                pair.append(rows.reshape(batch, image.shape[-2], *rows.shape[1:]).transpose(1, 2))
            out.append((pair[0], pair[1]))
        return out

    def _image_chunk(self, hidden: Tensor, position: int) -> KeysValues:
        model = self.language.model
        where = torch.full((1, 1), position, device=hidden.device)
        cos, sin = model.rotary_emb(hidden, where)
        out = []
        for index, layer in enumerate(model.layers):
            attention = layer.self_attn
            normed = layer.input_layernorm(hidden)
            shape = (len(hidden), self.language.config.num_key_value_heads, attention.head_dim)
            key = attention.k_proj(normed).view(shape)
            value = attention.v_proj(normed).view(shape)
            rotated, _ = apply_rotary_pos_emb(key[None], key[None], cos, sin)
            out.append((rotated[0], value))
            if index + 1 < len(model.layers):
                own = value.repeat_interleave(attention.num_key_value_groups, dim=1).flatten(1)
                hidden = hidden + attention.o_proj(own)
                hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return out

    def last_attention(self, last_input: Tensor, position: int, keys: Tensor, added: Tensor | None = None) -> Tensor:
        """Softmax attention of one text row over all keys in the last layer, mean over heads (docs/method.md, 3).

        last_input: float[hidden], that row's input of the last layer; keys: float[kv heads, n, head width] of the same
        layer, as cached. added: float[heads or 1, n], what is added to the scores. Returns float32[n], scores in
        float32; rows after `position` must be cut off.
        """
        layer = self.language.model.layers[-1]
        attention = layer.self_attn
        query = attention.q_proj(layer.input_layernorm(last_input[None, None].to(keys.device)))
        query = query.view(1, 1, -1, attention.head_dim).transpose(1, 2)
        where = torch.tensor([[position]], device=query.device)
        cos, sin = self.language.model.rotary_emb(query, where)
        query, _ = apply_rotary_pos_emb(query, query, cos, sin)
        keys = keys.repeat_interleave(attention.num_key_value_groups, dim=0)
        scores = (query[0].float() @ keys.transpose(1, 2).float()) * attention.scaling
        if added is not None:
            scores = scores + added[:, None].float()
        return scores.softmax(-1)[:, 0].mean(0)


def _output(tower: nn.Module, features: Tensor) -> Tensor:
    return tower.get_submodule("post_layernorm")(features)
