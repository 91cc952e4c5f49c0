"""Whether an answer is the right one: the only place that decides it. Torch-free.

LRS-VQA's published rule, by words and their synonyms, is its benchmark's own (`evaluation.benchmarks.scoring`).
"""

from __future__ import annotations


def same_answer(given: str, true: str) -> bool:
    """Whether two answers are equal but for case, spaces and punctuation at either end."""
    return plain_answer(given) == plain_answer(true)


def plain_answer(text: str) -> str:
    """An answer as it is compared: case folded, spaces single, punctuation at either end removed."""
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'")
