"""Answers to very many selections at once; each image token passes the language model once, however many share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from uhrbat.engine import UHRBAT
from uhrbat.network.decoder import DecoderInput
from uhrbat.network.pointing import Pointing
from uhrbat.question import SelectedTokens

# Image tokens whose keys and values are held at once, and those of the prompts that are decoded at once.
HELD_TOKENS = 320_000
DECODED_TOKENS = 64_000
PROMPTS = 40


@torch.inference_mode()
def answer_many(selections: Sequence[SelectedTokens]) -> list[str]:
    """The answer to each selection, as `SelectedTokens.answer` gives it, for models of image attention "self".

    All are of one model.
    """
    return [text for part in _parts(selections) for text in _answer_part(part)]


@torch.inference_mode()
def blind_answers(model: UHRBAT, asked: Sequence[str]) -> list[str]:
    """Answers of the language model to questions without any image token."""
    config = model.network.language.config
    width = config.hidden_size // config.num_attention_heads
    empty = torch.zeros(
        1, config.num_key_value_heads or config.num_attention_heads, 0, width, device=model.device, dtype=model.dtype
    )
    image = [(empty, empty)] * config.num_hidden_layers
    pointing = Pointing(model.codec, torch.zeros(0, 2, device=model.device), model.network.config.inhibition)
    inputs = [DecoderInput(model.codec.prompt(model.asked(text)), image, pointing=pointing) for text in asked]
    return _decode(model, asked, inputs)


def _parts(selections: Sequence[SelectedTokens]) -> Iterator[list[SelectedTokens]]:
    part: list[SelectedTokens] = []
    held = 0
    for selection in selections:
        if part and held + selection.tokens > HELD_TOKENS:
            yield part
            part, held = [], 0
        part.append(selection)
        held += selection.tokens
    if part:
        yield part


def _answer_part(selections: list[SelectedTokens]) -> list[str]:
    model = selections[0].question.image.engine
    start = len(model.codec.prompt(selections[0].question.asked).before)
    tokens = [selection.image_tokens() for selection in selections]
    kept, rows = _different(torch.cat(tokens))
    pairs = model.network.image_cache(kept, start)
    rows = rows.split([len(part) for part in tokens])
    answers = [""] * len(selections)
    order = sorted(range(len(selections)), key=lambda index: len(rows[index]))
    for part in _batches(order, [len(part) for part in rows]):
        inputs = [
            selections[i].decoder_input([(key[:, :, rows[i]], value[:, :, rows[i]]) for key, value in pairs])
            for i in part
        ]
        for index, text in zip(part, _decode(model, [selections[i].question.text for i in part], inputs)):
            answers[index] = text
    return answers


def _batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    """Neighbours of `order`, ascending in length, as many as may be decoded at once."""
    while order:
        count = 1
        while count < min(PROMPTS, len(order)) and lengths[order[count]] * (count + 1) <= DECODED_TOKENS:
            count += 1
        yield order[:count]
        order = order[count:]


def _different(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The different rows of float[n, d], and where among them each row is, int64[n].

    Rows are distinguished by a 64-bit sum of their bits under fixed odd factors.
    """
    bits = tokens.view(torch.int16 if tokens.element_size() == 2 else torch.int32).long()
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (bits.shape[1],), generator=generator).to(bits.device) * 2 + 1
    _, place = (bits * factors).sum(-1).unique(return_inverse=True)
    count = int(place.max()) + 1
    first = torch.full((count,), len(tokens), device=tokens.device)
    first.scatter_reduce_(0, place, torch.arange(len(tokens), device=tokens.device), "amin")
    return tokens[first], place


def _decode(model: UHRBAT, asked: Sequence[str], inputs: Sequence[DecoderInput]) -> list[str]:
    decoded = model.decoder().decode(inputs)
    return [model.said(one.ids, text)[0] for one, text in zip(decoded, asked)]
