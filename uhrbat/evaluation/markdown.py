"""Markdown tables and percentages for the reports."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any


def table(head: list, rows: list[list]) -> list[str]:
    """The lines of a table, and an empty one behind it."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(str, row)) + " |" for row in lines] + [""]


def percent(value: float) -> str:
    """A share in %, without the sign, halves rounded up as the page does: 0.956 -> "95.6", 0.9525 -> "95.3"."""
    return str(Decimal(100 * value).quantize(Decimal("0.1"), ROUND_HALF_UP))


def in_points(difference: float) -> str:
    """A difference of two shares in points, with its sign: 0.009 -> "+0.9"."""
    return f"{'-' if difference < 0 else '+'}{percent(abs(difference))}"


def interval(found: Any) -> str:
    """A share with its interval, "95.6 (94.0-97.1)"; "-" for None. found: anything with value, low and high."""
    return f"{percent(found.value)} ({percent(found.low)}-{percent(found.high)})" if found else "-"
