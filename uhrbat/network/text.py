"""Prompt and answer text: chat template, inert user text, location tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from uhrbat.choices import MAX_QUESTION
from uhrbat.errors import InputError

SYSTEM = "You are a helpful assistant."
BEFORE = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n"
AFTER = "\n{question}<|im_end|>\n<|im_start|>assistant\n"
STOP_WORDS = ("<|im_end|>", "<|im_start|>", "###")
_CHOICE = re.compile(r"\([A-Z]\) ")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


def clean_question(question: str, lines: bool = False) -> str:
    """The question as one stripped line, control characters removed; InputError if none is left or it is long.

    With `lines` its lines stay as they are, as a benchmark's prompt needs, and it may be four times as long.
    """
    if not isinstance(question, str):
        raise InputError(f"the question must be text, not {type(question).__name__}")
    text = _UNSEEN.sub(" ", question).encode("utf-8", "ignore").decode("utf-8").replace("<image>", " ")
    text = text.strip() if lines else " ".join(text.split())
    most = MAX_QUESTION * 4 if lines else MAX_QUESTION
    if not text:
        raise InputError("the question is empty: type what you want to know about the image")
    if len(text) > most:
        raise InputError(f"the question has {len(text):,} characters; at most {most:,} are read: shorten it")
    return text


def choices(question: str) -> dict[str, str]:
    """What a question lets choose from: {"blue": "(B) blue"} for "... (A) red (B) blue"; words in lower case."""
    parts = _CHOICE.split(question)
    letters = _CHOICE.findall(question)
    return {words.strip().lower(): f"{letter}{words.strip()}" for letter, words in zip(letters, parts[1:])}


@dataclass(frozen=True)
class Prompt:
    """Token ids before and after the place of the image."""

    before: list[int]
    after: list[int]


def without_markers(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids with every added token (chat markers among them) replaced by the end-of-sequence token."""
    return [tokenizer.eos_token_id if id_ >= tokenizer.vocab_size else id_ for id_ in ids]


class TextCodec:
    """Turns questions into token ids and token ids into answers, for one tokenizer."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        point_bins: int = 0,
        text_tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> None:
        """text_tokenizer: the text tower's, where it has its own (CLIP)."""
        self.tokenizer, self.text_tokenizer = tokenizer, text_tokenizer
        self.point_bins = point_bins
        vocabulary = tokenizer.get_vocab()
        self.x_ids = [vocabulary[f"<x{i}>"] for i in range(point_bins)]
        self.y_ids = [vocabulary[f"<y{i}>"] for i in range(point_bins)]
        self.point_starts = tuple(self.y_ids)
        """The ids that begin a point; they are weighed together (`pointing.most_likely`)."""
        self._axis = {id_: ("x", i) for i, id_ in enumerate(self.x_ids)}
        self._axis |= {id_: ("y", i) for i, id_ in enumerate(self.y_ids)}
        names = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
        self.stop = tuple(vocabulary[name] for name in names if name in vocabulary)
        self.end = vocabulary["<|im_end|>"]

    def plain_ids(self, text: str) -> list[int]:
        """Ids of text in which special tokens typed by a user are ordinary characters."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def _template_ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def prompt(self, question: str, release: bool = False) -> Prompt:
        """ChatML prompt of the released template, the question's text inert; `release` as in `Settings`."""
        head, tail = AFTER.split("{question}")
        before = self._template_ids(BEFORE)
        after = self._template_ids(head) + self.plain_ids(question) + self._template_ids(tail)
        if release:
            before, after = (without_markers(ids, self.tokenizer) for ids in (before, after))
        return Prompt(before, after)

    def conversation(self, turns: Sequence[tuple[str, str]]) -> tuple[Prompt, list[bool]]:
        """A whole conversation, (question, answer) after (question, answer), and which ids after the image are learnt.

        Learnt are each answer and the end marker and line break after it, as in the released training.
        """
        ids, learnt = self._template_ids("\n"), [False]
        for index, (question, answer) in enumerate(turns):
            start = "<|im_start|>user\n" if index else ""
            asked = self._template_ids(start) if start else []
            asked += self.plain_ids(question) + self._template_ids("<|im_end|>\n<|im_start|>assistant\n")
            answered = self.plain_ids(answer) + self._template_ids("<|im_end|>\n")
            ids += asked + answered
            learnt += [False] * len(asked) + [True] * len(answered)
        return Prompt(self._template_ids(BEFORE), ids), learnt

    def ends(self, ids: list[int]) -> bool:
        """Whether an answer's ids end in a text at which the released code stops."""
        tail = self.tokenizer.decode(ids[-6:])
        return any(word in tail for word in STOP_WORDS)

    def similarity_ids(self, question: str, limit: int) -> list[int]:
        """Ids for the text tower: the plain question, cut to `limit` tokens, ended by the end token."""
        if self.text_tokenizer is not None:
            return self.text_tokenizer(question, truncation=True, max_length=limit, split_special_tokens=True)[
                "input_ids"
            ]
        return [*self.plain_ids(question)[: limit - 1], self.end]

    def answer_ids(self, answer: str, points: list[tuple[float, float]]) -> list[int]:
        """Training target: location tokens of points (x, y in 0..1 of the square), then the answer.

        Of a choice such as "(B) blue" the bare words: `parse` finds the letter in the question.
        """
        ids: list[int] = []
        for x, y in points:
            ids += [self.y_ids[self.bin(y)], self.x_ids[self.bin(x)]]
        choice = _CHOICE.match(answer)
        said = answer[choice.end() :] if choice else answer
        return ids + self.plain_ids(said) + [self.end]

    def bin(self, value: float) -> int:
        return min(self.point_bins - 1, max(0, int(value * self.point_bins)))

    def points(self, ids: Sequence[int]) -> list[tuple[int, tuple[float, float]]]:
        """Every point that ids list, as (index of its last id, (x, y) in 0..1 of the square, bin centres)."""
        found, row = [], None
        for index, id_ in enumerate(ids):
            axis, value = self._axis.get(id_, (None, 0))
            if axis == "x" and row is not None:
                found.append((index, ((value + 0.5) / self.point_bins, (row + 0.5) / self.point_bins)))
            if axis:
                row = value if axis == "y" else None
        return found

    def words(self, ids: Sequence[int]) -> list[tuple[str, list[int]]]:
        """The words and places that ids say, in order, each with the indices of its ids.

        E.g. ("place 1", [0, 1]), ("top", [2]).
        """
        found: list[tuple[str, list[int]]] = []
        places, said = 0, ""
        for index, id_ in enumerate(ids):
            axis, _ = self._axis.get(id_, (None, 0))
            if axis == "y":
                places += 1
                found.append((f"place {places}", [index]))
                continue
            if axis and found:
                found[-1][1].append(index)
                continue
            rest = [one for one in ids[: index + 1] if one not in self._axis]
            whole = str(self.tokenizer.decode(rest, skip_special_tokens=True))
            piece, begins = whole.removeprefix(said), not said.strip()
            said = whole
            if piece.strip() and (begins or piece[0].isspace()):
                found.append((piece.strip(), [index]))
            elif found and not begins:
                found[-1] = (found[-1][0] + piece.rstrip(), [*found[-1][1], index])
        return found

    def parse(self, ids: list[int], question: str = "") -> tuple[str, list[tuple[float, float]]]:
        """Generated ids -> (answer text, points as x, y in 0..1 of the square, bin centres).

        The answer is the first line. Of a model that points it is the words (`answer_ids`): where they are those of
        one of the question's choices, "(B) blue", the answer is that choice.
        """
        points = [point for _, point in self.points(ids)]
        rest = [id_ for id_ in ids if id_ not in self._axis]
        text = str(self.tokenizer.decode(rest, skip_special_tokens=True))
        if not self.point_bins:
            text = text.split("###")[0]
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        answer = lines[0] if lines else ""
        if self.point_bins:
            answer = choices(question).get(answer.lower(), answer)
        return answer, points
