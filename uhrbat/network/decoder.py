"""Greedy decoding for many prompts at once, over image tokens whose keys and values are computed only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from uhrbat.network.attention import biased, inhibited
from uhrbat.network.model import Network, likeliest
from uhrbat.network.text import TextCodec

KeysValues = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Pointing:
    """How a model that points before it answers lists places (nano): what it sees of the image, and what it may say next.

    places: float[n, 2], where each image token lies, x and y in 0..1 of the scene's square, infinite for regions; reach:
    `NetworkConfig.inhibition`; likeness: float[n], how much each image token looks like what the question names
    (`view.likeness`), for a model with a prior.
    """

    codec: TextCodec
    places: Tensor
    reach: float
    likeness: Tensor | None = None

    @property
    def alike(self) -> tuple[int, ...]:
        """The ids that begin a point, which are weighed together (`likeliest`)."""
        return self.codec.alike

    def near(self, ids: list[int]) -> Tensor | None:
        """bool[n]: the image tokens within reach of the points that ids list; None where there is none."""
        points = [point for _, point in self.codec.points(ids)]
        if not points or not self.reach:
            return None
        apart = (self.places[:, None] - torch.tensor(points, device=self.places.device)).abs().amax(-1)
        return (apart < self.reach).any(1)

    def repeated(self, ids: list[int]) -> list[int]:
        """Where ids end in a point beside one that they list before: the ids of its row and the rows beside it."""
        *earlier, (index, (x, y)) = self.codec.points(ids) or [(-1, (0.0, 0.0))]
        beside = 1.5 / max(1, self.codec.point_bins)
        if index != len(ids) - 1 or not any(abs(x - a) < beside and abs(y - b) < beside for _, (a, b) in earlier):
            return []
        row = self.codec.bin(y)
        return list(self.codec.y_ids[max(0, row - 1) : row + 2])


class GrowingLayer(DynamicLayer):
    """A cache layer with room to grow, so that a new token does not copy all earlier ones. For inference only."""

    room = 96

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.used = 0
            self.buffers: tuple[Tensor, Tensor] | None = None
        count = self.used + key_states.shape[-2]
        if self.buffers is None or count > self.buffers[0].shape[-2]:
            shape = (*key_states.shape[:-2], count + self.room, key_states.shape[-1])
            grown = (key_states.new_empty(shape), value_states.new_empty(shape))
            if self.used:
                grown[0][..., : self.used, :] = self.keys
                grown[1][..., : self.used, :] = self.values
            self.buffers = grown
        for buffer, states in zip(self.buffers, (key_states, value_states)):
            buffer[..., self.used : count, :] = states
        self.used = count
        self.keys, self.values = (buffer[..., :count, :] for buffer in self.buffers)
        return self.keys, self.values


def growing_cache(layers: int) -> DynamicCache:
    cache = DynamicCache()
    cache.layers = [GrowingLayer() for _ in range(layers)]
    return cache


@torch.inference_mode()
def generate_many(
    model: Network,
    before: Sequence[int],
    images: list[KeysValues],
    afters: list[list[int]],
    stop: Sequence[int],
    max_new_tokens: int = 64,
    pointings: Sequence[Pointing] = (),
) -> list[list[int]]:
    """Greedy answers of several prompts over their own image tokens ("self" image attention only).

    images: per prompt, `Network.image_cache` of its tokens; afters: token ids behind the image; pointings: per prompt,
    or none. The result equals prompt-by-prompt `Network.generate`. Returns new ids without the stop id.
    """
    device, count = model.device, len(afters)
    layers, heads = len(images[0]), model.language.config.num_attention_heads
    cache = growing_cache(layers)
    start = torch.tensor([list(before)] * count, device=device)
    embed = model.language.model.embed_tokens
    model._run(embed(start), torch.arange(len(before), device=device)[None], cache)
    sizes = [pairs[0][0].shape[2] for pairs in images]
    most = max(sizes)
    for layer in range(layers):
        pair = []
        for which in (0, 1):
            one = images[0][layer][which]
            stacked = one.new_zeros(count, one.shape[1], most, one.shape[3])
            for index, pairs in enumerate(images):
                stacked[index, :, : sizes[index]] = pairs[layer][which][0]
            pair.append(stacked)
        cache.update(pair[0], pair[1], layer)
    past = len(before) + most
    seen = torch.ones(count, past, dtype=torch.bool, device=device)
    for index, size in enumerate(sizes):
        seen[index, len(before) + size :] = False
    longest = max(map(len, afters))
    ids = torch.zeros(count, longest, dtype=torch.long, device=device)
    real = torch.zeros(count, longest, dtype=torch.bool, device=device)
    for index, after in enumerate(afters):
        ids[index, longest - len(after) :] = torch.tensor(after, device=device)
        real[index, longest - len(after) :] = True
    position = len(before) + 1 + (real.cumsum(1) - 1).clamp(min=0)
    triangle = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
    own = (triangle[None] & real[:, None, :]) | torch.eye(longest, dtype=torch.bool, device=device)
    mask = torch.cat([seen[:, None].expand(-1, longest, -1), own], -1)[:, None]
    bias = _biases(model, pointings, sizes)
    if bias is not None:
        mask = biased(mask.expand(-1, heads, -1, -1), bias, len(before))
    _, hidden = model._run(embed(ids), position, cache, mask)
    seen = torch.cat([seen, real], 1)
    position = position[:, -1:]
    answers: list[list[int]] = [[] for _ in range(count)]
    open_ = set(range(count))
    near = torch.zeros(count, most, dtype=torch.bool, device=device)
    decisions: dict[int, Tensor] = {}
    while True:
        logits = model.language.lm_head(hidden[:, -1]).float()
        best = likeliest(logits, pointings[0].alike if pointings else ())
        for index in sorted(open_):
            answer, id_ = answers[index], int(best[index])
            ends = id_ in stop or len(answer) == max_new_tokens
            rows = pointings[index].repeated([*answer, id_]) if pointings and not ends else []
            if rows:
                answer.pop()
                seen[index, -1] = False
                position[index] -= 1
                decisions[index][:, rows] = -torch.inf
                best[index] = id_ = int(likeliest(decisions[index], pointings[index].alike))
                ends = id_ in stop
            elif pointings and id_ in pointings[index].alike:
                decisions[index] = logits[index : index + 1].clone()
            if ends:
                open_.discard(index)
                continue
            answer.append(id_)
            hide = pointings[index].near(answer) if pointings else None
            if hide is not None:
                near[index, : sizes[index]] = hide
        if not open_:
            break
        position = position + 1
        seen = torch.cat([seen, seen.new_ones(count, 1)], 1)
        mask = inhibited(seen[:, None], near[:, None], len(before), heads)
        mask = mask if bias is None else biased(mask, bias, len(before))
        _, hidden = model._run(embed(best[:, None]), position, cache, mask)
    return answers


def _biases(model: Network, pointings: Sequence[Pointing], sizes: list[int]) -> Tensor | None:
    """float[prompts, heads, 1, most] of `Network.bias`, zeros behind each; None without a prior."""
    rows = [model.bias(pointing.likeness) for pointing in pointings]
    if not rows or rows[0] is None:
        return None
    return torch.stack([F.pad(row, (0, max(sizes) - size)) for row, size in zip(rows, sizes)])[:, :, None]
