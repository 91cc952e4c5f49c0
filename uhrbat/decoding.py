"""Greedy decoding for many prompts at once, over image tokens whose keys and values are computed only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from .model import UHRBATModel, inhibited, likeliest
from .text import TextCodec

KeysValues = list[tuple[Tensor, Tensor]]
Listed = Callable[[list[int]], Tensor | None]


def listed(codec: TextCodec, places: Tensor, reach: float) -> Listed | None:
    """Tells of ids which image tokens bool[n] lie within reach of the points that the ids list, None where there is no
    point; itself None for a model without inhibition (reach 0).

    places: float[n, 2], where each image token lies, x and y in 0..1 of the scene's square; infinite for regions.
    """

    def near(ids: list[int]) -> Tensor | None:
        points = [point for _, point in codec.points(ids)]
        if not points:
            return None
        apart = (places[:, None] - torch.tensor(points, device=places.device)).abs().amax(-1)
        return (apart < reach).any(1)

    return near if reach else None


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
    model: UHRBATModel,
    before: Sequence[int],
    images: list[KeysValues],
    afters: list[list[int]],
    stop: Sequence[int],
    max_new_tokens: int = 64,
    alike: Sequence[int] = (),
    listed: Sequence[Listed | None] = (),
) -> list[list[int]]:
    """Greedy answers of several prompts over their own image tokens ("self" image attention only).

    images: per prompt, `UHRBATModel.image_cache` of its tokens; afters: token ids behind the image; listed: per prompt,
    or nothing. The result equals prompt-by-prompt `UHRBATModel.generate`. Returns new ids without the stop id.
    """
    device, count = model.device, len(afters)
    heads = len(images[0])
    cache = growing_cache(heads)
    start = torch.tensor([list(before)] * count, device=device)
    embed = model.language.model.embed_tokens
    model._run(embed(start), torch.arange(len(before), device=device)[None], cache)
    sizes = [pairs[0][0].shape[2] for pairs in images]
    most = max(sizes)
    for layer in range(heads):
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
    _, hidden = model._run(embed(ids), position, cache, mask)
    seen = torch.cat([seen, real], 1)
    position = position[:, -1:]
    answers: list[list[int]] = [[] for _ in range(count)]
    open_ = set(range(count))
    near = torch.zeros(count, most, dtype=torch.bool, device=device)
    attention_heads = model.language.config.num_attention_heads
    for _ in range(max_new_tokens + 1):
        best = likeliest(model.language.lm_head(hidden[:, -1]).float(), alike)
        for index, id_ in enumerate(best.tolist()):
            if index in open_ and (id_ in stop or len(answers[index]) == max_new_tokens):
                open_.discard(index)
            elif index in open_:
                answers[index].append(id_)
        if not open_:
            break
        position = position + 1
        seen = torch.cat([seen, seen.new_ones(count, 1)], 1)
        for index in open_ if listed else ():
            hidden_now = listed[index](answers[index]) if listed[index] else None
            if hidden_now is not None:
                near[index, : sizes[index]] = hidden_now
        mask = inhibited(seen, near, len(before), attention_heads) if listed else seen[:, None, None]
        _, hidden = model._run(embed(best[:, None]), position, cache, mask)
    return answers
