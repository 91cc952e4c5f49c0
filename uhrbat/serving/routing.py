"""Which of several workers a request about an image goes to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Set


class Routes:
    """Images go to the worker that holds them, new ones to the worker with the fewest.

    Workers report what they hold some tenths of a second late. What was sent to them meanwhile counts, too: otherwise
    several new images would all go to the worker that had the fewest before.
    """

    def __init__(self, remembered: int) -> None:
        """remembered: how many images, the last ones sent, it is known of where they went."""
        self._remembered = remembered
        # Not cachetools.LRUCache: that counts a look at all of its items as a use of each.
        self._sent: OrderedDict[str, str] = OrderedDict()

    def workers(self, image: str, held: Mapping[str, Set[str]]) -> list[str]:
        """The workers to ask about an image, any of them; held: the images by each worker that is there."""
        holders = [worker for worker, images in held.items() if image in images]
        if holders:
            return holders
        if self._sent.get(image) not in held:
            counts = {worker: set(images) for worker, images in held.items()}
            for other, worker in self._sent.items():
                if worker in counts:
                    counts[worker].add(other)
            self._sent[image] = min(counts, key=lambda worker: len(counts[worker]))
        self._sent.move_to_end(image)
        while len(self._sent) > self._remembered:
            self._sent.popitem(last=False)
        return [self._sent[image]]
