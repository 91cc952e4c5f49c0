import subprocess
import sys

import pytest

from uhrbat.serving.server import heap

GROWN = """
import psutil
from uhrbat.serving.server import heap
heap.limit_arenas()
pieces = [bytearray(100_000) for _ in range(2_000)]
last = bytearray(100_000)  # at the end of the heap, so that nothing below it is given back by itself
del pieces
before = psutil.Process().memory_info().rss
heap.give_back()
print(before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(heap._glibc() is None, reason="no glibc")
def test_what_was_freed_goes_back_to_the_system():
    said = subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True).stdout
    assert int(said) > 150e6


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    heap.limit_arenas()
    heap.give_back()
