"""Finished worlds in a folder, a JSON line each: a run that was cut off goes on, and several share the work."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from uhrbat.errors import InputError


@dataclass
class Kept:
    """The records of a run, a JSON line a scene in `folder`/`name`-<part>.jsonl; other parts' files are read, too.

    fingerprint: of the model and of all that the results depend on. InputError where the folder holds results of
    another.
    """

    folder: Path
    name: str
    fingerprint: str
    part: str = "1of1"

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / f"{self.name}-{self.part}.jsonl"
        if self.file.exists() and not (text := self.file.read_text()).endswith("\n"):
            self.file.write_text(text[: text.rfind("\n") + 1])

    def records(self) -> list[dict]:
        """Every record kept so far, in the order of the files' names; a last line that was cut off is left out."""
        found = []
        for path in sorted(self.folder.glob(f"{self.name}-*.jsonl")):
            text = path.read_text()
            for line in text[: text.rfind("\n") + 1].splitlines():
                record = json.loads(line)
                if record["fingerprint"] != self.fingerprint:
                    raise InputError(
                        f"{path} holds results of another model or of other settings: choose another --out, "
                        "or remove the file"
                    )
                found.append(record)
        return found

    def worlds(self, wanted: Collection[int]) -> list[dict]:
        """The record of each wanted seed, ascending; of a world that two processes measured, the last."""
        by_seed = {record["seed"]: record for record in self.records()}
        return [by_seed[seed] for seed in sorted(by_seed) if seed in wanted]

    def add(self, record: dict) -> None:
        """Keep a record, for good once this returns."""
        with self.file.open("a") as file:
            file.write(json.dumps({"fingerprint": self.fingerprint} | record) + "\n")


def part_of(text: str) -> tuple[int, int]:
    """ "i/n" -> (i, n), the i-th of n parts from 1; InputError for anything else."""
    try:
        index, count = map(int, text.split("/"))
    except ValueError:
        index = count = 0
    if not 1 <= index <= count:
        raise InputError(f"--part is '{text}'; give i/n, such as 1/2 and 2/2 for two processes")
    return index, count
