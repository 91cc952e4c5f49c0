"""The network of UHR-BAT: vision tower, projector, scale residuals, token MLP and language model.

One class serves the released 7B checkpoint, nano and LLaVA-OneVision; what differs between them is configuration
(`NetworkConfig`), never code. The layout follows the data: pixels, features, embeddings, image tokens,
language model. Nothing here selects tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from uhrbat.errors import InputError
from uhrbat.geometry import TILE_GRID, Scale
from uhrbat.network.attention import biased, inhibited
from uhrbat.network.config import PROFILES, NetworkConfig
from uhrbat.network.towers import DenseSimilarity, build_tower, patch_features, value_features

if TYPE_CHECKING:
    from uhrbat.network.decoder import Pointing


class Network(nn.Module):
    """The whole network. See the module's first line for the way of the data."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.profile = PROFILES[config.profile]
        self.vision = build_tower(config.tower, config.vision)
        width = self.vision.config.hidden_size
        self.language = Qwen2ForCausalLM(Qwen2Config(**config.language))
        hidden = self.language.config.hidden_size
        self.projector = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.token_mlp = nn.Identity()
        if config.token_mlp:
            self.token_mlp = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.residuals = nn.ParameterDict()
        for size in config.residual_sizes:
            side = min(size // 14, config.residual_base)
            self.residuals[str(size)] = nn.Parameter(torch.randn(1, side * side, hidden) / math.sqrt(hidden))
        self.prior = nn.Parameter(torch.zeros(self.language.config.num_attention_heads)) if config.prior else None
        self.similarity = (
            DenseSimilarity(config.text, width, config.projection_dim, config.contrast)
            if config.text is not None
            else None
        )

    @property
    def device(self) -> torch.device:
        return self.language.device

    @property
    def dtype(self) -> torch.dtype:
        return self.language.dtype

    # pixels -> features -> embeddings

    def features(self, pixels: Tensor, positions: Tensor | None = None) -> Tensor:
        """Normalised tiles float[n, 3, 336, 336] -> patch features float[n, 576, vision width].

        The hidden state `select_layer`, class token dropped (released: the one before the last layer).
        `positions` int[n, 1 + patches] picks position embeddings for windows smaller than a tile (training).
        """
        return patch_features(self.vision, pixels, self.config.select_layer, positions)

    def similarity_vectors(self, features: Tensor) -> Tensor:
        """Features float[..., width] -> unit vectors float[..., projection_dim] to compare with text."""
        if self.similarity is None:
            raise ValueError("this model has no text tower for similarity importance")
        dense = value_features if self.config.dense == "value" else _output
        return F.normalize(self.similarity.visual_projection(dense(self.vision, features)), dim=-1)

    def project(self, features: Tensor) -> Tensor:
        """Features float[..., width] -> embeddings float[..., hidden] in the language model's space."""
        return self.projector(features.to(self.projector[0].weight.dtype))

    def residual(self, size: int, rows: Tensor | None = None) -> Tensor | None:
        """The scale's positions float[N, hidden], tile-major, as the profile lays them; None without a map.

        rows: int64[n], only these tokens' -> float[n, hidden].
        """
        if str(size) not in self.residuals:
            return None
        scale = Scale(size)
        table = self.residuals[str(size)]
        side = math.isqrt(table.shape[1])
        grid = table.reshape(side, side, -1).permute(2, 0, 1)[None]
        if self.profile.residual == "tile":
            tile = F.interpolate(grid, size=(TILE_GRID, TILE_GRID), mode="bilinear", align_corners=False)
            tile = tile[0].flatten(1).T
            return tile.repeat(scale.tiles**2, 1) if rows is None else tile[rows % TILE_GRID**2]
        laid = F.interpolate(grid, size=(scale.grid, scale.grid), mode="bilinear", align_corners=False)
        place = torch.tensor(scale.inverse, device=table.device)
        return laid[0].flatten(1).T[place if rows is None else place[rows]]

    # image tokens -> language model

    def prefill(
        self,
        before: Tensor,
        image: Tensor,
        after: Tensor,
        progress: Callable[[float], None] | None = None,
        likeness: Tensor | None = None,
    ) -> tuple[Tensor, DynamicCache, int]:
        """Run the prompt. Returns (last layers' hidden states of the text after the image, cache, next position).

        before, after: token ids int[P], int[T] around the image; image: float[n, hidden], already through the
        token MLP where it applies. Hidden states: (input of the last layer, output after the final norm),
        each float[1, T, hidden]. progress: called with 0..1 between parts of the image; it may raise to cancel.
        likeness: float[n] of the image tokens, for a model with a prior; without it, none is alike.
        """
        embed = self.language.model.embed_tokens
        image = image.to(self.dtype)
        cache = DynamicCache(config=self.language.config)
        if self.config.image_attention == "self":
            if len(before):
                self._run(embed(before[None]), torch.arange(len(before), device=before.device)[None], cache)
            keys_values = self.image_cache(image, len(before), progress)
            for index, (key, value) in enumerate(keys_values):
                cache.update(key, value, index)
            start = len(before) + 1
            text = embed(after[None])
        else:
            text = torch.cat([embed(before), image, embed(after)])[None]
            start = 0
            self._check_length(text.shape[1])
        positions = torch.arange(start, start + text.shape[1], device=text.device)[None]
        bias, mask = self.bias(likeness), None
        if bias is not None:
            own = torch.ones(1, text.shape[1], text.shape[1], dtype=torch.bool, device=text.device).tril()
            seen = F.pad(own, (cache.get_seq_length(), 0), value=True)[:, None].expand(-1, len(bias), -1, -1)
            mask = biased(seen, bias[None, :, None], len(before))
        last_input, output = self._run(text, positions, cache, mask)
        if progress:
            progress(1.0)
        rows = len(after)
        return (last_input[:, -rows:], output[:, -rows:]), cache, start + text.shape[1]

    def bias(self, likeness: Tensor | None) -> Tensor | None:
        """float[..., n] likeness -> float[..., heads, n], what is added to the attention's scores; None without a prior."""
        if self.prior is None or likeness is None:
            return None
        return self.prior[:, None] * likeness[..., None, :].to(self.dtype)

    def _check_length(self, tokens: int) -> None:
        most = self.language.config.max_position_embeddings
        if tokens > most:
            raise InputError(
                f"the prompt has {tokens:,} tokens, most of them the image's; this language model reads at most "
                f"{most:,}: choose a smaller budget"
            )

    def image_cache(
        self, image: Tensor, position: int, progress: Callable[[float], None] | None = None, chunk: int = 2048
    ) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of image tokens that attend to themselves alone, all at one position.

        image float[..., n, hidden] -> per layer (key, value), each float[batch, heads, n, head width].
        With only itself to attend to, a token's attention output is its own value.
        """
        flat = image.reshape(-1, image.shape[-1])
        batch = 1 if image.ndim == 2 else image.shape[0]
        parts = []
        for start in range(0, len(flat), chunk):
            if progress:
                progress(start / len(flat))
            parts.append(self._image_chunk(flat[start : start + chunk], position))
        out = []
        for layer in zip(*parts):
            pair = []
            for which in (0, 1):
                rows = torch.cat([part[which] for part in layer])
                pair.append(rows.reshape(batch, -1, *rows.shape[1:]).transpose(1, 2))
            out.append((pair[0], pair[1]))
        return out

    def _image_chunk(self, hidden: Tensor, position: int) -> list[tuple[Tensor, Tensor]]:
        model = self.language.model
        where = torch.full((1, 1), position, device=hidden.device)
        cos, sin = model.rotary_emb(hidden, where)
        out = []
        for index, layer in enumerate(model.layers):
            attention = layer.self_attn
            normed = layer.input_layernorm(hidden)
            shape = (len(hidden), -1, attention.head_dim)
            key = attention.k_proj(normed).view(shape)
            value = attention.v_proj(normed).view(shape)
            rotated, _ = apply_rotary_pos_emb(key[None], key[None], cos, sin)
            out.append((rotated[0], value))
            if index + 1 < len(model.layers):
                own = value.repeat_interleave(attention.num_key_value_groups, dim=1).flatten(1)
                hidden = hidden + attention.o_proj(own)
                hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return out

    def _run(
        self, embeds: Tensor, positions: Tensor, cache: DynamicCache, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        out = self.language.model(
            inputs_embeds=embeds,
            position_ids=positions,
            past_key_values=cache,
            attention_mask=None if mask is None else {"full_attention": mask},
            use_cache=True,
            output_hidden_states=True,
        )
        return out.hidden_states[-2], out.last_hidden_state

    def last_attention(self, last_input: Tensor, position: int, keys: Tensor) -> Tensor:
        """Softmax attention of one text row over all keys in the last layer, mean over heads (docs/method.md, 3).

        last_input: float[hidden], that row's input of the last layer; keys: float[kv heads, n, head width] of
        the same layer, as cached. Returns float32[n], scores in float32; rows after `position` must be cut off.
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
        return scores.softmax(-1)[:, 0].mean(0)

    @torch.no_grad()
    def generate(
        self,
        before: Tensor,
        image: Tensor,
        after: Tensor,
        stop: Sequence[int],
        max_new_tokens: int,
        on_token: Callable[[int], None] | None = None,
        ends: Callable[[list[int]], bool] | None = None,
        not_first: int | None = None,
        on_prefill: Callable[[float], None] | None = None,
        pointing: Pointing | None = None,
    ) -> tuple[list[int], bool]:
        """Greedy decoding. Returns (new ids without the stop id, whether the limit cut the answer).

        `ends(ids)` may end the answer after any id, which then stays in it; the id `not_first` cannot begin it.
        `pointing`: of a model that points before it answers. A point beside one already listed is not listed again:
        what else may come there is decided anew without its rows.
        `on_token(count)` is called after the prompt (count 0) and after each new id; it may raise to cancel, and so
        may `on_prefill(share)`, called with 0..1 while the prompt is read.
        """
        likeness = pointing and pointing.likeness
        (_, hidden), cache, position = self.prefill(before, image, after, on_prefill, likeness)
        bias = self.bias(likeness)
        ids: list[int] = []
        alike = pointing.alike if pointing else ()
        unseen: list[int] = []
        if on_token:
            on_token(0)
        logits = decision = None
        while True:
            if logits is None:
                logits = self.language.lm_head(hidden[:, -1]).float()
            if not ids and not_first is not None:
                logits[:, not_first] = -torch.inf
            best = int(likeliest(logits, alike))
            if best in stop:
                return ids, False
            if len(ids) >= max_new_tokens:
                return ids, True
            ids.append(best)
            rows = pointing.repeated(ids) if pointing else []
            if rows:
                del ids[-2:]
                unseen.append(cache.get_seq_length() - 1)
                position -= 1
                decision[:, rows] = -torch.inf
                logits = decision
                continue
            if best in alike:
                decision = logits
            if on_token:
                on_token(len(ids))
            if ends is not None and ends(ids):
                return ids, False
            embeds = self.language.model.embed_tokens(torch.tensor([[best]], device=self.device))
            near = pointing and pointing.near(ids)
            mask = self._seen(cache.get_seq_length() + 1, unseen, near, bias, len(before))
            _, hidden = self._run(embeds, torch.tensor([[position]], device=self.device), cache, mask)
            position += 1
            logits = None

    def _seen(
        self, keys: int, unseen: list[int], near: Tensor | None, bias: Tensor | None, start: int
    ) -> Tensor | None:
        """Mask of the next token's keys; None where it sees all of them alike."""
        if near is None and bias is None and not unseen:
            return None
        seen = torch.ones(1, 1, keys, dtype=torch.bool, device=self.device)
        seen[..., unseen] = False
        near = seen.new_zeros(0) if near is None else near
        mask = inhibited(seen, near[None, None], start, self.language.config.num_attention_heads)
        return mask if bias is None else biased(mask, bias[None, :, None], start)


def likeliest(logits: Tensor, alike: Sequence[int] = ()) -> Tensor:
    """Greedy choice int64[n] of logits float[n, vocabulary]; the ids in `alike` win together or not at all.

    A place is as likely as all places are, since each shares its likelihood with its neighbours (TextCodec.alike): by
    itself none might ever outweigh the one id that ends the listing.
    """
    if not len(alike):
        return logits.argmax(-1)
    together = torch.tensor(alike, device=logits.device)
    others = logits.index_fill(-1, together, -torch.inf)
    wins = logits[:, together].logsumexp(-1) > others.amax(-1)
    return torch.where(wins, together[logits[:, together].argmax(-1)], others.argmax(-1))


def _output(tower: nn.Module, features: Tensor) -> Tensor:
    return tower.post_layernorm(features)
