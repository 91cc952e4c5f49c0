"""What a share link asks for, as far as it can be used: links are typed, cut and bent on their way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from uhrbat.budget import Budget, read_budget, read_looks, total_of
from uhrbat.errors import InputError
from uhrbat.imagery import Rendering

from .texts import whole

MOST_TOKENS = 10**9
"""More than any model has; numbers much larger cannot be sent to a browser."""


@dataclass(frozen=True)
class Link:
    """A link's parts; None, or empty, where it says nothing of one or nothing that can be used."""

    example: str = ""
    question: str | None = None
    budget: Budget | None = None
    looks: int = 0
    method: dict[str, Any] | None = None
    """Names of choices and what was chosen; the method card looks at each."""
    picture: Rendering | None = None
    """How the picture is shown."""


def read_link(text: object) -> Link:
    """The link in JSON as `assets/viewer/address.js` writes it."""
    try:
        asked = json.loads(text) if isinstance(text, str) and text else {}
    except (ValueError, RecursionError):
        return Link()
    if not isinstance(asked, dict):
        return Link()
    example, question, method = asked.get("example"), asked.get("question"), asked.get("method")
    return Link(
        example=example if isinstance(example, str) else "",
        question=whole(question) if isinstance(question, str) else None,
        budget=_budget(asked.get("budget")),
        looks=_looks(asked.get("looks")),
        method=method if isinstance(method, dict) else None,
        picture=_picture(asked.get("picture")),
    )


def sendable(budget: object) -> Budget:
    """A budget that may be shown; InputError for any other. Whether it fits the model is said when it is asked at."""
    budget = read_budget(budget)
    if total_of(budget) > MOST_TOKENS:
        raise InputError(f"a budget of more than {MOST_TOKENS:,} tokens is not usable: give fewer")
    return budget


def panel_value(budget: Budget, looks: int | None = None) -> dict[str, Any]:
    """A budget as the budget panel is sent it; looks: None where they stay as they are."""
    shown = {"total": total_of(budget), "per_scale": list(budget) if isinstance(budget, tuple) else None}
    return shown if looks is None else {**shown, "looks": looks}


def _picture(value: object) -> Rendering | None:
    try:
        return Rendering.from_dict(value) if value else None
    except InputError:
        return None


def _looks(value: object) -> int:
    try:
        return read_looks(value or 0)
    except InputError:
        return 0


def _budget(value: object) -> Budget | None:
    if not isinstance(value, dict):
        return None
    try:
        return sendable(value.get("per_scale") or value.get("total"))
    except InputError:
        return None
