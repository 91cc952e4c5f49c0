"""Results to bytes and back: plain values as a line of JSON, arrays as safetensors after it. Never pickle."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import TypeAdapter
from safetensors.numpy import load, save

from uhrbat.errors import BusyError, Cancelled, CheckpointError, ImageError, InputError, UHRBATError, WorkerError
from uhrbat.results import PARTIALS, RESULTS, Progress
from uhrbat.serving.protocol import Failure, Line

T = TypeVar("T")
ARRAY = "$array"
"""The key under which a plain value names an array."""


class UnknownImage(ImageError):
    """The worker does not hold the image that a request names."""


KINDS: dict[str, type[UHRBATError]] = {
    "unknown-image": UnknownImage,
    "image": ImageError,
    "input": InputError,
    "checkpoint": CheckpointError,
    "busy": BusyError,
    "cancelled": Cancelled,
    "worker": WorkerError,
}
"""What each error is called on the wire."""
_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    cls: TypeAdapter(cls) for cls in (Progress, *RESULTS.values(), *PARTIALS.values())
}


def to_line(kind: Literal["progress", "partial", "result"], value: object) -> bytes:
    """A frozen dataclass as one line of a stream, followed by its arrays' bytes if it has any."""
    arrays: dict[str, np.ndarray] = {}
    plain = _plain(value, "", arrays)
    blob = save(arrays) if arrays else b""
    return Line(type=kind, value=plain, bytes=len(blob)).model_dump_json().encode() + b"\n" + blob


def failure_line(error: UHRBATError) -> bytes:
    """An error as one line of a stream."""
    return Line(type="error", value=failure(error).model_dump()).model_dump_json().encode() + b"\n"


def from_line(line: Line, blob: bytes, cls: type[T]) -> T:
    """What `to_line` was given; WorkerError if the line does not fit."""
    arrays = load(blob) if blob else {}
    try:
        return _ADAPTERS[cls].validate_python(_filled(line.value, arrays))
    except (ValueError, KeyError):
        raise WorkerError("the worker's reply does not fit this version: update client and worker alike") from None


def failure(error: Exception) -> Failure:
    """An error's kind and message."""
    kind = next((kind for kind, cls in KINDS.items() if isinstance(error, cls)), "worker")
    return Failure(kind=kind, message=str(error))


def error_of(failure: Failure) -> UHRBATError:
    """The error that a worker reports."""
    return KINDS.get(failure.kind, WorkerError)(failure.message)


def read_line(raw: bytes) -> Line:
    """One line of a stream; WorkerError if it is not one."""
    try:
        return Line.model_validate(json.loads(raw))
    except ValueError:
        raise WorkerError("the worker's reply cannot be read: is it a UHR-BAT worker of this version?") from None


class Lines:
    """Cuts a stream, in whatever pieces it comes, into lines and the arrays' bytes that follow them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._line: Line | None = None

    def feed(self, piece: bytes) -> list[tuple[Line, bytes]]:
        """All lines that are complete once `piece` has come."""
        self._buffer += piece
        complete: list[tuple[Line, bytes]] = []
        while True:
            if self._line is None:
                end = self._buffer.find(b"\n")
                if end < 0:
                    return complete
                self._line = read_line(bytes(self._buffer[:end]))
                del self._buffer[: end + 1]
            if len(self._buffer) < self._line.bytes:
                return complete
            complete.append((self._line, bytes(self._buffer[: self._line.bytes])))
            del self._buffer[: self._line.bytes]
            self._line = None


def _plain(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays[name] = np.ascontiguousarray(value)
        return {ARRAY: name}
    if dataclasses.is_dataclass(value):
        items = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, dict):
        items = {str(key): item for key, item in value.items()}
    elif isinstance(value, (tuple, list)):
        return [_plain(item, f"{name}.{index}", arrays) for index, item in enumerate(value)]
    else:
        return value
    return {key: _plain(item, f"{name}.{key}" if name else key, arrays) for key, item in items.items()}


def _filled(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {ARRAY}:
            return arrays[value[ARRAY]]
        return {key: _filled(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, arrays) for item in value]
    return value
