"""nano's tokenizer: byte-level BPE learnt from generated questions, so that any text can be written."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from uhrbat.network.text import SYSTEM
from uhrbat.training.nano.config import POINT_BINS
from uhrbat.training.nano.virtual import virtual_world
from uhrbat.worlds import LAND_COVERS, questions

VOCABULARY = 768


def build_tokenizer(texts: Iterable[str], point_bins: int) -> PreTrainedTokenizerFast:
    """Train on `texts`; chat markers and location tokens <x0>.. <y0>.. are special tokens after them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    lines = sorted(set(texts)) + [f"system\n{SYSTEM}", "\nuser\n", "\nassistant\n"] * 4
    tokenizer.train_from_iterator(lines, trainer)
    places = [f"<{axis}{i}>" for axis in "yx" for i in range(point_bins)]
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>", *places])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", model_max_length=16384
    )


def corpus(worlds: int = 400) -> list[str]:
    """Questions and answers of worlds drawn at random, as the tokenizer's training text."""
    rng = np.random.default_rng(0)
    out = list(LAND_COVERS)
    for seed in range(worlds):
        for question in questions(virtual_world(rng, seed), seed, 30):
            out += [question.text, question.answer]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    build_tokenizer(corpus(), POINT_BINS).save_pretrained(args.folder)


if __name__ == "__main__":
    main()
