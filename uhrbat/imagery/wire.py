"""An ImageInfo and the limits as JSON, between a process and the child that decodes for it."""

import base64
from dataclasses import fields
from pathlib import Path
from typing import Any

from uhrbat.imagery.info import ImageInfo, Limits
from uhrbat.imagery.rendering import Rendering


def info_to_dict(info: ImageInfo) -> dict[str, Any]:
    """What JSON can carry of an info, all of it."""
    values = {field.name: getattr(info, field.name) for field in fields(info)}
    values["path"] = str(info.path)
    values["mask"] = str(info.mask) if info.mask else None
    values["icc"] = base64.b64encode(info.icc).decode() if info.icc else None
    values["rendering"] = info.rendering.as_dict()
    return values


def info_from_dict(values: dict[str, Any]) -> ImageInfo:
    """The info that `info_to_dict` took apart."""
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    given["points"] = tuple(tuple(point) for point in given["points"])
    given["page_sizes"] = tuple(tuple(size) for size in given["page_sizes"])
    given["path"] = Path(given["path"])
    given["mask"] = Path(given["mask"]) if given["mask"] else None
    given["icc"] = base64.b64decode(given["icc"]) if given["icc"] else None
    given["rendering"] = Rendering.from_dict(given["rendering"])
    return ImageInfo(**given)


def limits_to_dict(limits: Limits) -> dict[str, Any]:
    """The limits by their names."""
    return {field.name: getattr(limits, field.name) for field in fields(limits)}
