"""Encoded scenes kept for the next question, the least recently used first out, bounded in bytes."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class ImageCache:
    """An LRU of encoded scenes, with all that hangs on them: features, regions, importances, rankings.

    device_bytes: what may lie on a GPU; the longest unused scenes move to the host, and come back when they
    are asked for. host_bytes: what may lie in main memory; the longest unused are forgotten. The scene in use
    always stays. device: where scenes are made; "cpu" means that there is only the host. counted: told "hit"
    or "miss".
    """

    def __init__(
        self,
        device_bytes: int,
        host_bytes: int,
        device: str = "cpu",
        counted: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.limits = {"device": device_bytes, "host": host_bytes}
        self.device = device
        self._counted = counted
        self._lock = threading.RLock()
        self._scenes: OrderedDict[Hashable, Any] = OrderedDict()
        self._places: dict[Hashable, str] = {}
        self._sizes: dict[Hashable, int] = {}

    @property
    def _home(self) -> str:
        return "host" if self.device == "cpu" else "device"

    def get(self, key: Hashable) -> Any | None:
        """The scene, moved to the device if it had to leave it; None if it is not here."""
        with self._lock:
            scene = self._scenes.get(key)
            self._counted("miss" if scene is None else "hit")
            if scene is None:
                return None
            self._scenes.move_to_end(key)
            if self._places[key] != self._home:
                scene.to(self.device)
                self._places[key] = self._home
                self._shrink()
            return scene

    def put(self, key: Hashable, scene: Any) -> None:
        """Keep a scene that lies on the device."""
        with self._lock:
            self._scenes[key] = scene
            self._scenes.move_to_end(key)
            self._places[key] = self._home
            self._sizes[key] = scene.nbytes
            self._shrink()

    def measure(self, key: Hashable) -> None:
        """Weigh a scene again: it has grown by what was asked of it."""
        with self._lock:
            if key in self._scenes:
                self._sizes[key] = self._scenes[key].nbytes
                self._shrink()

    def bytes(self, place: str) -> int:
        """What lies at a place: "device" or "host"."""
        with self._lock:
            return sum(self._sizes[key] for key, where in self._places.items() if where == place)

    def __len__(self) -> int:
        return len(self._scenes)

    def drop(self) -> None:
        """Forget all scenes."""
        with self._lock:
            for key in list(self._scenes):
                self._forget(key)

    def _shrink(self) -> None:
        newest, before = next(reversed(self._scenes), None), len(self._scenes)
        for place in ("device", "host"):
            for key in list(self._scenes):
                if self.bytes(place) <= self.limits[place]:
                    break
                if key == newest or self._places[key] != place:
                    continue
                if place == "device":
                    self._scenes[key].to("cpu")
                    self._places[key] = "host"
                else:
                    self._forget(key)
        if len(self._scenes) < before:
            gc.collect()  # a scene and its views hold one another: they are too few for the collector to come by itself

    def _forget(self, key: Hashable) -> None:
        del self._scenes[key], self._places[key], self._sizes[key]
