"""Attributes of version 0.1 under their old names, for one version more."""

from __future__ import annotations

import warnings
from typing import Any


def renamed(old: str, new: str) -> property:
    """A property that reads attribute `new` and warns that `old` is its name no more."""

    def read(self: object) -> Any:
        warnings.warn(f"{type(self).__name__}.{old} is now .{new}", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(read, doc=f"Deprecated: {new}.")
