import subprocess
import sys

import pytest

from uhrbat.serving.server import heap
from uhrbat.serving.server.context import ActionContext

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
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: pytest.fail("no library is opened"))
    heap.limit_arenas()
    heap.give_back()


def test_memory_goes_back_between_the_stages_that_need_much(monkeypatch):
    given = []
    monkeypatch.setattr(heap, "give_back", lambda: given.append(context.done_now.copy()))
    context = ActionContext(None, None, None, lambda event: None, None)
    for stage in ("read", "read", "encode", "encode", "score"):
        context.progress(stage, 0.5)
    assert given == [{"read"}, {"read", "encode"}]
