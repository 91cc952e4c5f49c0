"""Where the work is done: a device with its models and the scenes that they have encoded."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from uhrbat.serving.job import Token
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import Request
from uhrbat.serving.server.actions import STEPS
from uhrbat.serving.server.cache import ImageCache
from uhrbat.serving.server.models import Models
from uhrbat.serving.server.work import Emit, Work


class Bench:
    """A device with its models and its cache of encoded scenes."""

    def __init__(
        self,
        models: Models,
        limits: Limits,
        stage: Callable[[str, float], None] = lambda stage, seconds: None,
        lookup: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.models, self.limits, self.stage = models, limits, stage
        self._lookup = lookup
        self._caches: dict[str, ImageCache] = {}

    def cache(self, device: str) -> ImageCache:
        """The cache of scenes made on a device."""
        limits = self.limits
        return self._caches.setdefault(device, ImageCache(limits.device_bytes, limits.host_bytes, device, self._lookup))

    def bytes(self, place: str) -> int:
        """Bytes of encoded scenes on the "device" or the "host"."""
        return sum(cache.bytes(place) for cache in list(self._caches.values()))

    def run(self, action: str, request: Request, path: Path, emit: Emit, token: Token) -> Generator[None, None, Any]:
        """The steps of an action on the image file at `path`; returns its result."""
        return (yield from STEPS[action](Work(self, request, path, emit, token)))

    def forget(self) -> None:
        """Drop all encoded scenes, and give the memory back."""
        for cache in self._caches.values():
            cache.drop()
        gc.collect()
        if any(device.startswith("cuda") for device in self._caches):
            import torch

            torch.cuda.empty_cache()
