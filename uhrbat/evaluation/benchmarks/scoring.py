"""Scoring of answers: option letters, and words that match exactly or as WordNet synonyms."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

LETTERS = "ABCDEFGH"
_PREFIX = re.compile(
    r"^\W*(?:the\s+)?(?:best|correct)?\s*(?:answer|option|choice)s?(?:\(s\))?\s*(?:is|are|:)+\s*", re.I
)
SYNONYM = 0.8


def option_letters(answer: str, options: tuple[str, ...] = ()) -> str:
    """The option letters an answer names, sorted, each once; "" where it names none.

    Letters in brackets count first, then capital letters that stand alone ("B", "B.", "A C"); an answer that is nothing
    but letters ("ac") or that repeats an option's text counts as that option.
    """
    text = _PREFIX.sub("", answer.strip())
    found = re.findall(rf"\(([{LETTERS}])\)", text, re.I) or re.findall(rf"\b([{LETTERS}])\b", text)
    if not found and re.fullmatch(rf"[{LETTERS}\s,;]+", text, re.I):
        found = re.findall(rf"[{LETTERS}]", text, re.I)
    if not found:
        bare = [_bare(option) for option in options]
        found = [LETTERS[i] for i, option in enumerate(bare) if option and option == _bare(text)]
    return "".join(sorted({letter.upper() for letter in found}))


def _bare(option: str) -> str:
    """An option's text without its letter, in lower case."""
    return re.sub(rf"^\s*\(?[{LETTERS}][).:]\s*", "", option).strip().strip(".").lower()


def choice_is_right(answer: str, truth: str, options: tuple[str, ...] = ()) -> bool:
    """Whether an answer names exactly the true letters; of one true letter, whether it is the first it names."""
    wanted = option_letters(truth)
    named = option_letters(answer, options)
    if len(wanted) == 1 and len(named) > 1:
        first = re.search(rf"\(([{LETTERS}])\)|\b([{LETTERS}])\b", _PREFIX.sub("", answer.strip()))
        named = next(filter(None, first.groups())) if first else named
    return bool(wanted) and named == wanted


def word_is_right(answer: str, truth: str) -> bool:
    """LRS-VQA's rule: equal without case, or WordNet synonyms (path similarity above 0.8) where nltk has WordNet."""
    answer, truth = answer.strip().lower(), truth.strip().lower()
    return answer == truth or _synonyms(answer, truth)


@cache
def wordnet() -> Any | None:
    """nltk's WordNet, or None where nltk or its data is missing: then only exact matches count."""
    try:
        from nltk.corpus import wordnet as corpus

        corpus.synsets("ship")
    except (ImportError, LookupError):
        return None
    return corpus


@cache
def _synonyms(one: str, two: str) -> bool:
    corpus = wordnet()
    if corpus is None:
        return False
    meanings = corpus.synsets(two)
    return any((a.path_similarity(b) or 0) > SYNONYM for a in corpus.synsets(one) for b in meanings)
