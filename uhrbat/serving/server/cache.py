"""Encoded images kept for the next question, the least recently used first out, bounded in bytes."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uhrbat.encoded import EncodedImage


class ImageCache:
    """An LRU of encoded images, with all that hangs on them: features, regions, importances, rankings.

    device_bytes: what may lie on a GPU; the longest unused images move to the host, and come back when they
    are asked for. host_bytes: what may lie in main memory; the longest unused are dropped. The image in use
    always stays. device: where images are encoded; "cpu" means that there is only the host. on_lookup: called with
    "hit" or "miss".

    Not cachetools' LRUCache: entries here grow, move between two places, and the newest stays whatever its size.
    """

    def __init__(
        self,
        device_bytes: int,
        host_bytes: int,
        device: str = "cpu",
        on_lookup: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.limits = {"device": device_bytes, "host": host_bytes}
        self.device = device
        self._on_lookup = on_lookup
        self._lock = threading.RLock()
        self._images: OrderedDict[Hashable, EncodedImage] = OrderedDict()
        self._places: dict[Hashable, str] = {}
        self._sizes: dict[Hashable, int] = {}

    @property
    def _home(self) -> str:
        return "host" if self.device == "cpu" else "device"

    def get(self, key: Hashable, again: bool = False) -> EncodedImage | None:
        """The image, moved to the device if it had to leave it; None if it is not here.

        again: looked for before, so not counted.
        """
        with self._lock:
            image = self._images.get(key)
            if not again:
                self._on_lookup("miss" if image is None else "hit")
            if image is None:
                return None
            self._images.move_to_end(key)
            if self._places[key] != self._home:
                image.to(self.device)
                self._places[key] = self._home
                self._shrink()
            return image

    def put(self, key: Hashable, image: EncodedImage) -> None:
        """Keep an image that lies on the device."""
        with self._lock:
            self._images[key] = image
            self._images.move_to_end(key)
            self._places[key] = self._home
            self._sizes[key] = image.nbytes
            self._shrink()

    def measure(self, key: Hashable) -> None:
        """Weigh an image again: it has grown by what was asked of it."""
        with self._lock:
            if key in self._images:
                self._sizes[key] = self._images[key].nbytes
                self._shrink()

    def bytes(self, place: str) -> int:
        """What lies at a place: "device" or "host"."""
        with self._lock:
            return sum(self._sizes[key] for key, where in self._places.items() if where == place)

    def __len__(self) -> int:
        return len(self._images)

    def drop(self) -> None:
        """Drop all images."""
        with self._lock:
            for key in list(self._images):
                self._drop(key)

    def _shrink(self) -> None:
        newest, before = next(reversed(self._images), None), len(self._images)
        for place in ("device", "host"):
            for key in list(self._images):
                if self.bytes(place) <= self.limits[place]:
                    break
                if key == newest or self._places[key] != place:
                    continue
                if place == "device":
                    self._images[key].to("cpu")
                    self._places[key] = "host"
                else:
                    self._drop(key)
        if len(self._images) < before:
            # An image and its questions hold one another: they are too few for the collector to come by itself.
            gc.collect()

    def _drop(self, key: Hashable) -> None:
        del self._images[key], self._places[key], self._sizes[key]
