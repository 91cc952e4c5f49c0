import weakref

import pytest

from uhrbat.serving.server.cache import ImageCache


class Image:
    def __init__(self, nbytes):
        self.nbytes, self.device = nbytes, "cuda"

    def to(self, device):
        self.device = device


@pytest.mark.slow
def test_never_holds_more_bytes_than_allowed_but_always_the_newest():
    cache = ImageCache(0, 100)
    for name in range(10):
        cache.put(name, Image(40))
        assert cache.bytes("host") <= 100
    assert len(cache) == 2
    cache.put("large", Image(500))
    assert len(cache) == 1
    assert cache.get("large")


def test_the_least_recently_used_goes_first():
    cache = ImageCache(0, 100)
    cache.put("a", Image(40))
    cache.put("b", Image(40))
    cache.get("a")
    cache.put("c", Image(40))
    assert cache.get("b") is None
    assert cache.get("a")


def test_the_memory_of_a_dropped_image_is_free_at_once():
    cache, image = ImageCache(0, 100), Image(60)
    image.questions = [image]
    gone = weakref.ref(image)
    cache.put("a", image)
    del image
    cache.put("b", Image(60))
    assert gone() is None


def test_an_image_that_has_grown_is_weighed_again():
    cache, grown = ImageCache(0, 100), Image(40)
    cache.put("a", Image(40))
    cache.put("b", grown)
    grown.nbytes = 80
    cache.measure("b")
    assert cache.bytes("host") == 80
    assert cache.get("a") is None


def test_images_leave_the_device_for_the_host_and_come_back():
    cache = ImageCache(100, 100, device="cuda")
    first, second, third = Image(60), Image(60), Image(60)
    cache.put("first", first)
    cache.put("second", second)
    assert (first.device, second.device) == ("cpu", "cuda")
    assert (cache.bytes("device"), cache.bytes("host")) == (60, 60)
    assert cache.get("first").device == "cuda"
    assert second.device == "cpu"
    cache.put("third", third)
    assert cache.get("second") is None
    assert first.device == "cpu"


@pytest.mark.slow
def test_neither_device_nor_host_ever_holds_more_than_allowed_but_the_newest():
    cache = ImageCache(100, 150, device="cuda")
    for name in range(20):
        cache.put(name, Image(30 + name))
        assert cache.bytes("device") <= 100
        assert cache.bytes("host") <= 150
        cache.get(max(0, name - 3))
        assert cache.bytes("device") <= 100
        assert cache.bytes("host") <= 150


def test_counts_hits_and_misses_and_drops_on_request():
    outcomes = []
    cache = ImageCache(0, 100, on_lookup=outcomes.append)
    cache.get("a")
    cache.put("a", Image(1))
    cache.get("a")
    cache.drop()
    assert (outcomes, len(cache), cache.bytes("host")) == (["miss", "hit"], 0, 0)
