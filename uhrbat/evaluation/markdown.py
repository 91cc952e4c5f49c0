"""Markdown tables and percentages for the reports."""

from __future__ import annotations

from typing import Any


def table(head: list, rows: list[list]) -> list[str]:
    """The lines of a table, and an empty one behind it."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(str, row)) + " |" for row in lines] + [""]


def percent(value: float) -> str:
    """A share in %, without the sign: 0.956 -> "95.6"."""
    return f"{100 * value:.1f}"


def interval(found: Any) -> str:
    """A share with its interval, "95.6 (94.0-97.1)"; "-" for None. found: anything with value, low and high."""
    return f"{percent(found.value)} ({percent(found.low)}-{percent(found.high)})" if found else "-"
