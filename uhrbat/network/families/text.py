"""Prompts and answers of a family's model: its own chat template, the question's text inert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from uhrbat.errors import CheckpointError
from uhrbat.network.families.network import FamilyNetwork
from uhrbat.network.text import Prompt, TextCodec


class FamilyText(TextCodec):
    """As `TextCodec`, for a model that is asked in its own words and does not point."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        network: FamilyNetwork,
        text_tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> None:
        """tokenizer: with the chat template; text_tokenizer: the twin's, where there is one."""
        self.tokenizer, self.text_tokenizer = tokenizer, text_tokenizer
        padded = network.similarity is not None and network.similarity.siglip
        self.padding = text_tokenizer.pad_token_id if text_tokenizer is not None and padded else None
        self.point_bins, self.point_starts, self._axis = 0, (), {}
        self.family = network.family
        self.image_id: int = network.model.config.image_token_id
        ends: Any = network.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self.stop = tuple(sorted({id_ for id_ in (*ends, tokenizer.eos_token_id) if id_ is not None}))
        self.end = tokenizer.eos_token_id
        added = {str(token) for token in tokenizer.added_tokens_decoder.values()}
        self._markers = sorted((word for word in added if len(word) > 1 and word.strip()), key=len, reverse=True)

    def inert(self, text: str) -> str:
        """A text in which every marker of the model's is broken by a space, so that it is read as plain characters."""
        for marker in self._markers:
            text = text.replace(marker, f"{marker[0]} {marker[1:]}")
        return text

    def prompt(self, question: str, release: bool = False) -> Prompt:
        """The chat template with one image and the question; `release` changes nothing here."""
        content = [{"type": "image"}, {"type": "text", "text": self.inert(question)}]
        turns: Any = [{"role": "user", "content": content}]  # transformers types contents as text alone
        written = str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        image = str(self.tokenizer.convert_ids_to_tokens(self.image_id))
        placeholder, (before, after) = self.family.placeholder or image, self.family.around
        written = written.replace(placeholder, f"{before}{image}{after}", 1)
        starts = bool(self.tokenizer.bos_token) and written.startswith(str(self.tokenizer.bos_token))
        ids: list[int] = self.tokenizer(written, add_special_tokens=not starts)["input_ids"]
        if self.image_id not in ids:
            raise CheckpointError(
                f"the chat template of this {self.family.name} model has no place for an image: "
                "fetch chat_template.json or chat_template.jinja too"
            )
        place = ids.index(self.image_id)
        return Prompt(ids[:place], ids[place + 1 :])

    def similarity_ids(self, question: str, limit: int) -> list[int]:
        """As `TextCodec.similarity_ids`; a SigLIP was trained on texts that are filled up to its limit."""
        ids = super().similarity_ids(question, limit)
        return ids + [self.padding] * (limit - len(ids)) if self.padding is not None else ids

    def conversation(self, turns: Sequence[tuple[str, str]]) -> tuple[Prompt, list[bool]]:
        raise ValueError(f"a model of the family {self.family.name} cannot be fine-tuned here")

    def parse(self, ids: list[int], question: str = "") -> tuple[str, list[tuple[float, float]]]:
        """Generated ids -> (the whole answer, no points)."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip(), []
