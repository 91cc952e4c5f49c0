"""Which generated worlds an evaluation takes, and which of them this process does."""

from __future__ import annotations

from dataclasses import dataclass

from uhrbat.errors import InputError
from uhrbat.evaluation.kept import part_of
from uhrbat.worlds import DEVELOPMENT_SEEDS, EVALUATION_SEEDS


@dataclass(frozen=True)
class Seeds:
    """`count` seeds after the first `skip`, of the evaluation's or the development's worlds.

    part: "i/n", every n-th of them from the i-th on, for n processes that share the work.
    """

    count: int
    skip: int = 0
    part: str = "1/1"
    development: bool = False

    def __post_init__(self) -> None:
        if self.count < 1 or self.skip < 0:
            raise InputError(f"{self.count} worlds after {self.skip}: give whole numbers, from 1 and from 0")
        part_of(self.part)

    @property
    def kind(self) -> str:
        """The set's name, as reports say it."""
        return "development" if self.development else "evaluation"

    @property
    def wanted(self) -> range:
        """All seeds, whoever does them."""
        seeds = DEVELOPMENT_SEEDS if self.development else EVALUATION_SEEDS
        return seeds[self.skip : self.skip + self.count]

    @property
    def mine(self) -> range:
        """The seeds of this process's part."""
        index, count = part_of(self.part)
        return self.wanted[index - 1 :: count]

    @property
    def part_name(self) -> str:
        """The part as file names have it."""
        return self.part.replace("/", "of")
