"""From prompts to answers: one greedy decoder for one prompt or many, and the prefill that it shares with scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from uhrbat.network.attention import biased, inhibited
from uhrbat.network.model import KeysValues, Network
from uhrbat.network.pointing import Pointing, most_likely
from uhrbat.network.text import Prompt


@dataclass(frozen=True)
class DecoderInput:
    """One prompt and the image tokens that it is about.

    image: float[n, hidden], already through the token MLP where it applies; for image attention "self" also their
    `Network.image_cache` at the position after `prompt.before`, which several prompts may share.
    similarity: float[n], similarity logits of the image tokens, for a model with a prior (`NetworkConfig.prior`);
    without them the prior adds nothing. pointing: of a model that points before it answers. places: int64[2, n], row
    and column of each image token in tokens of the finest scale, and `side` of them a side of the square, of a model
    whose image tokens have places (`Network.has_places`).
    """

    prompt: Prompt
    image: Tensor | KeysValues
    similarity: Tensor | None = None
    pointing: Pointing | None = None
    places: Tensor | None = None
    side: int = 0

    @property
    def image_tokens(self) -> int:
        """n, the number of image tokens."""
        return len(self.image) if isinstance(self.image, Tensor) else self.image[0][0].shape[2]


@dataclass
class Prefilled:
    """Prompts that were read, one a row, texts padded on the left.

    last_input, output: float[rows, T, hidden], the last layer's input and the output after the final norm of the
    texts after the image, T being the longest of them. position: int64[rows, 1] of the next token, or int64[3, rows, 1]
    where image tokens have places. seen:
    bool[rows, keys], which keys of the cache a row sees. image_start: the key of each row's first image token.
    bias: float[rows, heads, 1, keys] of the prior, or None.
    """

    last_input: Tensor
    output: Tensor
    cache: DynamicCache
    position: Tensor
    seen: Tensor
    image_start: list[int]
    bias: Tensor | None

    @property
    def last_keys(self) -> Tensor:
        """float[rows, kv heads, keys, head width] of the last layer."""
        layer: Any = self.cache.layers[-1]  # transformers types it as any kind of layer
        return layer.keys


@dataclass(frozen=True)
class Decoded:
    """A generated answer: its ids without the stop id, and whether the limit of new tokens cut it.

    looked: float32[ids, image tokens], how much of its last-layer attention the row that chose each id gave to each
    image token, mean over heads; None where that was not asked for.
    """

    ids: list[int]
    truncated: bool
    looked: Tensor | None = None


class GrowingLayer(DynamicLayer):
    """A cache layer with spare room, so that a new token does not copy all earlier ones. For inference only."""

    room = 96

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.used = 0
            self.buffers: tuple[Tensor, Tensor] | None = None
        count = self.used + key_states.shape[-2]
        if self.buffers is None or count > self.buffers[0].shape[-2]:
            shape = (*key_states.shape[:-2], count + self.room, key_states.shape[-1])
            grown = (key_states.new_empty(shape), value_states.new_empty(shape))
            for buffer, old in zip(grown, self.buffers or ()):
                buffer[..., : self.used, :] = old[..., : self.used, :]
            self.buffers = grown
        for buffer, states in zip(self.buffers, (key_states, value_states)):
            buffer[..., self.used : count, :] = states
        self.used = count
        self.keys, self.values = (buffer[..., :count, :] for buffer in self.buffers)
        return self.keys, self.values


def growing_cache(layers: int) -> DynamicCache:
    """An empty cache of so many `GrowingLayer`."""
    cache = DynamicCache()
    cache.layers = [GrowingLayer() for _ in range(layers)]
    return cache


def prefill(
    network: Network,
    inputs: Sequence[DecoderInput],
    cache: DynamicCache | None = None,
    progress: Callable[[float], None] | None = None,
) -> Prefilled:
    """Read one or more prompts. Differentiable with the default cache.

    For image attention "self" all share the text before the image. cache: an empty one to fill. progress: called with
    0..1 between parts of an image; it may raise to cancel. InputError where a prompt is longer than the model reads.
    """
    cache = DynamicCache() if cache is None else cache
    device, count = network.device, len(inputs)
    alone = network.config.image_attention == "self"
    if alone:
        before = len(inputs[0].prompt.before)
        past_seen = _cache_images(network, inputs, cache, progress)
        texts = [network.embed(one.prompt.after) for one in inputs]
    else:
        past_seen = torch.ones(count, 0, dtype=torch.bool, device=device)
        texts = [_embedded(network, one) for one in inputs]
    past, lengths = past_seen.shape[1], [len(text) for text in texts]
    longest = max(lengths)
    if not alone:
        network.check_length(longest)
    text = torch.stack([F.pad(text, (0, 0, longest - len(text), 0)) for text in texts])
    real = torch.arange(longest, device=device) >= longest - torch.tensor(lengths, device=device)[:, None]
    position = (before + 1 if alone else 0) + (real.cumsum(1) - 1).clamp(min=0)
    starts = [before if alone else longest - n + len(one.prompt.before) for n, one in zip(lengths, inputs)]
    if network.has_places:
        position = _placed(position, inputs, starts)
    bias = _prior_bias(network, inputs, starts, past + longest)
    mask = None
    if count > 1 or bias is not None or network.sees_itself:
        triangle = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
        # A row of padding sees itself, so that its softmax is defined.
        own = (triangle & real[:, None]) | torch.eye(longest, dtype=torch.bool, device=device)
        if network.sees_itself:
            for row, one, start in zip(own, inputs, starts):
                row[start : start + one.image_tokens, start : start + one.image_tokens] = True
        mask = torch.cat([past_seen[:, None].expand(-1, longest, -1), own], -1)[:, None]
        if bias is not None:
            mask = biased(mask.expand(-1, bias.shape[1], -1, -1), bias, 0)
    last_input, output = network.run(text, position, cache, mask)
    if progress:
        progress(1.0)
    after = max(len(one.prompt.after) for one in inputs)
    seen = torch.cat([past_seen, real], 1)
    return Prefilled(last_input[:, -after:], output[:, -after:], cache, position[..., -1:] + 1, seen, starts, bias)


def _placed(position: Tensor, inputs: Sequence[DecoderInput], starts: Sequence[int]) -> Tensor:
    """Positions int64[rows, T] by turn -> int64[3, rows, T]: time, row and column (M-RoPE, Wang et al. 2024, Qwen2-VL).

    An image's tokens share one time and are at their places; the text after it goes on beyond its side.
    """
    position = position[None].repeat(3, 1, 1)
    for row, (one, start) in enumerate(zip(inputs, starts)):
        if one.places is None:
            raise ValueError("this model's image tokens have places: give them")
        end = start + one.image_tokens
        first = len(one.prompt.before)
        position[:, row, start:end] = first
        position[1:, row, start:end] += one.places.to(position.device)
        position[:, row, end:] += one.side - one.image_tokens
    return position


def _embedded(network: Network, one: DecoderInput) -> Tensor:
    """float[T, hidden]: a whole prompt with its image tokens in place."""
    if not isinstance(one.image, Tensor):
        raise ValueError("keys and values of image tokens serve only image attention 'self'")
    image = one.image.to(network.dtype)
    return torch.cat([network.embed(one.prompt.before), image, network.embed(one.prompt.after)])


def _cache_images(
    network: Network,
    inputs: Sequence[DecoderInput],
    cache: DynamicCache,
    progress: Callable[[float], None] | None,
) -> Tensor:
    """Fill the cache with the text before the images, then each row's image tokens, padded on the right.

    Returns which of these keys each row sees, bool[rows, keys].
    """
    before, count = inputs[0].prompt.before, len(inputs)
    if any(one.prompt.before != before for one in inputs):
        raise ValueError("prompts that are decoded together must share the text before the image")
    if before:
        where = torch.arange(len(before), device=network.device)[None]
        network.run(network.embed(before).expand(count, -1, -1), where, cache)
    images = [
        network.image_cache(one.image.to(network.dtype), len(before), progress)
        if isinstance(one.image, Tensor)
        else one.image
        for one in inputs
    ]
    sizes = [pairs[0][0].shape[2] for pairs in images]
    longest = max(sizes)
    for layer, pairs in enumerate(zip(*images)):
        keys, values = (
            torch.cat([F.pad(part, (0, 0, 0, longest - part.shape[2])) for part in parts]) for parts in zip(*pairs)
        )
        cache.update(keys, values, layer)
    key = torch.arange(len(before) + longest, device=network.device)
    return key < len(before) + torch.tensor(sizes, device=network.device)[:, None]


def _prior_bias(network: Network, inputs: Sequence[DecoderInput], starts: list[int], keys: int) -> Tensor | None:
    """float[rows, heads, 1, keys]: `Network.prior_bias` at each row's image tokens, 0 elsewhere; None without any."""
    rows = [network.prior_bias(one.similarity) for one in inputs]
    known = next((row for row in rows if row is not None), None)
    if known is None:
        return None
    bias = known.new_zeros(len(rows), len(known), 1, keys)
    for out, row, start in zip(bias, rows, starts):
        if row is not None:
            out[:, 0, start : start + row.shape[-1]] = row
    return bias


@dataclass
class _Row:
    """The state of one answer. decision: the logits from which the last point's first id was chosen."""

    pointing: Pointing | None
    ids: list[int] = field(default_factory=list)
    decision: Tensor | None = None
    open: bool = True
    truncated: bool = False
    retracted: bool = False
    """Whether the last id but the new one was just taken back: its key is hidden, its position free again."""

    @property
    def point_starts(self) -> tuple[int, ...]:
        return self.pointing.codec.point_starts if self.pointing else ()


class Decoder:
    """Greedy decoding with one network and one set of stop rules, for one prompt or many at once.

    stop: ids that end an answer and are not part of it; max_new_tokens: its longest length; ends(ids): may end it
    after any id, which then stays; not_first: an id that cannot begin it.

    A model that points (`DecoderInput.pointing`) does not list a point beside one already listed: its ids are taken
    back, and what else may stand there is decided again without the rows beside it. It lists `MOST_PLACES` at most.
    """

    def __init__(
        self,
        network: Network,
        stop: Sequence[int],
        max_new_tokens: int = 64,
        ends: Callable[[list[int]], bool] | None = None,
        not_first: int | None = None,
    ) -> None:
        self.network, self.stop, self.max_new_tokens = network, frozenset(stop), max_new_tokens
        self.ends, self.not_first = ends, not_first

    @torch.inference_mode()
    def decode(
        self,
        inputs: Sequence[DecoderInput],
        on_token: Callable[[int], None] | None = None,
        on_prefill: Callable[[float], None] | None = None,
        look: bool = False,
    ) -> list[Decoded]:
        """The answers to one or more prompts; each is what it would be alone.

        look: of a single prompt, also note what each id looked at (`Decoded.looked`).

        on_token(length of the longest answer) is called after the prefill (0) and after each step that lengthens an
        answer; on_prefill(0..1) while the prompts are read. Both may raise to cancel.
        """
        if not inputs:
            return []
        layers = self.network.text_config.num_hidden_layers
        state = prefill(self.network, inputs, growing_cache(layers), on_prefill)
        rows = [_Row(one.pointing) for one in inputs]
        near = torch.zeros_like(state.seen)
        hidden, last_input = state.output, state.last_input
        added = None if state.bias is None else state.bias[0, :, 0]
        looked: list[Tensor] = []
        if look and len(inputs) > 1:
            raise ValueError("what ids looked at is noted of one prompt alone")
        if on_token:
            on_token(0)
        while True:
            logits = self.network.logits(hidden[:, -1]).float()
            before = max(len(row.ids) for row in rows)
            weights = self._looked(state, last_input, added, inputs[0].image_tokens) if look else None
            for index, row in enumerate(rows):
                if row.open:
                    self._extend(row, logits[index : index + 1])
                    self._hide(row, index, state, near)
            if weights is not None:
                looked = looked[: len(rows[0].ids)]  # an id that was taken back gave its place to another
                looked += [weights] if len(looked) < len(rows[0].ids) else []
            longest = max(len(row.ids) for row in rows)
            if on_token and (longest > before or any(row.open for row in rows)):
                on_token(longest)
            if not any(row.open for row in rows):
                seen = torch.stack(looked) if looked else None
                return [Decoded(row.ids, row.truncated, seen) for row in rows]
            last_input, hidden, added = self._step([row.ids[-1] if row.open else 0 for row in rows], state, near)

    def _extend(self, row: _Row, logits: Tensor) -> None:
        """Add the next id to a row, or close it. logits: float[1, vocabulary]."""
        row.retracted = False
        best = self._choose(row, logits)
        if best is None:
            return
        repeated = row.pointing.repeated([*row.ids, best]) if row.pointing else []
        if repeated and row.decision is not None:
            row.ids.pop()
            row.retracted = True
            row.decision[:, repeated] = -torch.inf
            best = self._choose(row, row.decision)
            if best is None:
                return
        elif best in row.point_starts:
            row.decision = logits.clone()
        row.ids.append(best)
        if self.ends is not None and self.ends(row.ids):
            row.open = False

    def _choose(self, row: _Row, logits: Tensor) -> int | None:
        """The likeliest next id; None, and the row closed, where it stops there or is as long as it may be."""
        if not row.ids and self.not_first is not None:
            logits[:, self.not_first] = -torch.inf
        if row.pointing:
            row.pointing.allow(row.ids, logits)
        best = int(most_likely(logits, row.point_starts))
        if best not in self.stop and len(row.ids) < self.max_new_tokens:
            return best
        row.open, row.truncated = False, best not in self.stop
        return None

    def _hide(self, row: _Row, index: int, state: Prefilled, near: Tensor) -> None:
        """Hide what was taken back, and mark the image tokens near the points that the row lists by now."""
        if row.retracted:
            state.seen[index, -1] = False
            state.position[index] -= 1
        close = row.pointing.near(row.ids) if row.pointing and row.open else None
        if close is not None:
            start = state.image_start[index]
            near[index, start : start + len(close)] = close

    def _looked(self, state: Prefilled, last_input: Tensor, added: Tensor | None, tokens: int) -> Tensor:
        """float32[image tokens]: the last-layer attention of the row that chooses the next id of a single prompt."""
        position, keys = int(state.position.flatten()[0]) - 1, state.last_keys[0]
        given = () if added is None else (added,)
        weights = self.network.last_attention(last_input[0, -1], position, keys, *given)
        return weights[state.image_start[0] :][:tokens].cpu()

    def _step(self, ids: list[int], state: Prefilled, near: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Run one new id a row.

        Returns its input of the last layer and its final hidden states, float[rows, 1, hidden], and what was added to
        the attention's scores of the first row, float[heads or 1, keys], or None.
        """
        network = self.network
        state.seen = F.pad(state.seen, (0, 1), value=True)
        mask = None
        if len(ids) > 1 or state.bias is not None or bool(near.any()) or not bool(state.seen.all()):
            heads = network.text_config.num_attention_heads
            mask = inhibited(state.seen[:, None], near[:, None], 0, heads)
            mask = mask if state.bias is None else biased(mask, state.bias, 0)
        last_input, hidden = network.run(network.embed(ids)[:, None], state.position, state.cache, mask)
        state.position = state.position + 1
        return last_input, hidden, None if mask is None else _added(mask[0, :, 0])


def _added(mask: Tensor) -> Tensor:
    """A mask bool[...], or what is added already, as what is added to the attention's scores."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -torch.inf)
