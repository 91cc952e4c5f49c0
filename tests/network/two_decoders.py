"""The two decoders of before, word for word but for renamed methods: what the one decoder is compared with."""

# ruff: noqa: ANN001
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache

from uhrbat.network.attention import biased, inhibited
from uhrbat.network.decoder import KeysValues, growing_cache
from uhrbat.network.model import Network


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
            self.run(embed(before[None]), torch.arange(len(before), device=before.device)[None], cache)
        keys_values = self.image_cache(image, len(before), progress)
        for index, (key, value) in enumerate(keys_values):
            cache.update(key, value, index)
        start = len(before) + 1
        text = embed(after[None])
    else:
        text = torch.cat([embed(before), image, embed(after)])[None]
        start = 0
        pass
    positions = torch.arange(start, start + text.shape[1], device=text.device)[None]
    bias, mask = self.prior_bias(likeness), None
    if bias is not None:
        own = torch.ones(1, text.shape[1], text.shape[1], dtype=torch.bool, device=text.device).tril()
        seen = F.pad(own, (cache.get_seq_length(), 0), value=True)[:, None].expand(-1, len(bias), -1, -1)
        mask = biased(seen, bias[None, :, None], len(before))
    last_input, output = self.run(text, positions, cache, mask)
    if progress:
        progress(1.0)
    rows = len(after)
    return (last_input[:, -rows:], output[:, -rows:]), cache, start + text.shape[1]


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
    pointing: object | None = None,
) -> tuple[list[int], bool]:
    """Greedy decoding. Returns (new ids without the stop id, whether the limit cut the answer).

    `ends(ids)` may end the answer after any id, which then stays in it; the id `not_first` cannot begin it.
    `pointing`: of a model that points before it answers. A point beside one already listed is not listed again:
    what else may come there is decided anew without its rows.
    `on_token(count)` is called after the prompt (count 0) and after each new id; it may raise to cancel, and so
    may `on_prefill(share)`, called with 0..1 while the prompt is read.
    """
    likeness = pointing and pointing.likeness
    (_, hidden), cache, position = prefill(self, before, image, after, on_prefill, likeness)
    bias = self.prior_bias(likeness)
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
        mask = _seen(self, cache.get_seq_length() + 1, unseen, near, bias, len(before))
        _, hidden = self.run(embeds, torch.tensor([[position]], device=self.device), cache, mask)
        position += 1
        logits = None


def _seen(self, keys: int, unseen: list[int], near: Tensor | None, bias: Tensor | None, start: int) -> Tensor | None:
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


@torch.inference_mode()
def generate_many(
    model: Network,
    before: Sequence[int],
    images: list[KeysValues],
    afters: list[list[int]],
    stop: Sequence[int],
    max_new_tokens: int = 64,
    pointings: Sequence = (),
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
    model.run(embed(start), torch.arange(len(before), device=device)[None], cache)
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
    _, hidden = model.run(embed(ids), position, cache, mask)
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
        _, hidden = model.run(embed(best[:, None]), position, cache, mask)
    return answers


def _biases(model: Network, pointings: Sequence, sizes: list[int]) -> Tensor | None:
    """float[prompts, heads, 1, most] of `Network.bias`, zeros behind each; None without a prior."""
    rows = [model.prior_bias(pointing.likeness) for pointing in pointings]
    if not rows or rows[0] is None:
        return None
    return torch.stack([F.pad(row, (0, max(sizes) - size)) for row, size in zip(rows, sizes)])[:, :, None]
