"""The processes that decode: their limits, and one sentence for whatever ends one."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import pyvips

from tests.support import hostile
from tests.support.made_images import picture
from tests.support.running import until
from uhrbat import imagery
from uhrbat.errors import Cancelled, ImageError
from uhrbat.imagery import apart, children


@pytest.fixture(scope="module", autouse=True)
def none_left():
    yield
    apart.stop()


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A picture that takes some seconds."""
    path = tmp_path_factory.mktemp("slow") / "slow.tif"
    image = pyvips.Image.new_from_array(picture(500, 500)).replicate(10, 8)
    (image.cast("ushort") * 13).tiffsave(str(path))
    return path


def running() -> list[int]:
    return [child.process.pid for child in children._all]


@pytest.mark.parametrize("ending", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_decoder_that_ends_costs_one_file(slow, made, ending):
    def strike(share):
        os.kill(apart_child(), ending)

    words = "more memory" if ending == signal.SIGKILL else "its decoder ended"
    with pytest.raises(ImageError, match=words) as caught:
        apart.read_canvas(slow, imagery.open_image(slow), strike)
    assert str(caught.value).startswith("'slow.tif'") and str(caught.value).endswith(".")
    assert apart.read_canvas(made["rgb.png"].path).image.size == (203, 149)


def apart_child() -> int:
    """The child that works now."""
    busy = [child for child in children._all if child not in children._idle]
    return busy[0].process.pid


def test_a_hanging_decoder_is_cancelled_within_a_second(slow, tmp_path):
    struck: list[float] = []

    def strike(share):
        if not struck:
            os.kill(apart_child(), signal.SIGSTOP)
            struck.append(time.monotonic())

    out = tmp_path / "viewer.tif"
    with pytest.raises(Cancelled):
        apart.write_pyramid(slow, out, None, strike, lambda: bool(struck) and time.monotonic() > struck[0] + 0.5)
    assert time.monotonic() - struck[0] < 2.5  # half a second of it was waited for on purpose
    assert os.listdir(tmp_path) == []


def test_processor_time_is_limited(slow, monkeypatch):
    monkeypatch.setattr(apart, "_seconds", lambda info: 0.1)
    with pytest.raises(ImageError, match="takes too long"):
        apart.read_canvas(slow, imagery.open_image(slow))


def test_time_by_the_clock_is_limited(slow, monkeypatch):
    monkeypatch.setattr(children, "_CLOCK", 0.01)
    with pytest.raises(ImageError, match="takes too long"):
        apart.read_canvas(slow, imagery.open_image(slow), lambda share: os.kill(apart_child(), signal.SIGSTOP))


@pytest.mark.slow
def test_memory_is_limited(slow, made, monkeypatch):
    monkeypatch.setattr(children, "ADDRESS_SPACE", 420 * 2**20)
    apart.stop()
    with pytest.raises(ImageError, match="memory|decoder ended"):
        apart.read_canvas(slow, imagery.open_image(slow))
    monkeypatch.undo()
    assert apart.read_canvas(made["rgb.png"].path).image.size == (203, 149)


def test_at_most_two_files_are_decoded_at_once(made):
    most, lock, now = [0], threading.Lock(), [0]
    real = children.Child.ask

    def counted(self, *args):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            return real(self, *args)
        finally:
            with lock:
                now[0] -= 1

    names = ["rgb.jpg", "tiled.tif", "deep.jp2", "nan.tif", "rgba.png", "palette.tif"]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(6) as pool:
        patch.setattr(children.Child, "ask", counted)
        read = list(pool.map(lambda name: np.asarray(apart.read_canvas(made[name].path).image), names * 2))
    assert most[0] <= 2 and len(running()) <= 2
    assert all(np.array_equal(a, b) for a, b in zip(read[:6], read[6:], strict=True))


def test_waiting_for_a_place_can_be_cancelled(made):
    for _ in range(children.AT_ONCE):
        children._places.acquire()
    try:
        began = time.monotonic()
        with pytest.raises(Cancelled):
            apart.open_image(made["rgb.jpg"].path, cancel=lambda: time.monotonic() > began + 0.2)
    finally:
        for _ in range(children.AT_ONCE):
            children._places.release()


ORPHAN = """
import sys
from uhrbat.imagery import children
child = children.Child()
print(child.process.pid, child.folder, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("piped", [False, True])
def test_children_end_with_a_parent_that_is_killed(piped):
    command = [sys.executable, "-c", ORPHAN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        pid, folder = parent.stdout.readline().split()
        if piped:  # somebody else holds the pipe too, so that it does not end with the parent
            held = os.open(f"/proc/{parent.pid}/fd/{_pipe_to(parent.pid, int(pid))}", os.O_WRONLY)
        parent.kill()
    until(lambda: hostile.gone(int(pid)) or _is_zombie(int(pid)))
    until(lambda: not Path(folder).exists())
    if piped:
        os.close(held)


def _pipe_to(parent: int, child: int) -> str:
    """The parent's descriptor of the pipe that the child reads."""
    pipe = os.readlink(f"/proc/{child}/fd/0")
    return next(fd for fd in os.listdir(f"/proc/{parent}/fd") if os.readlink(f"/proc/{parent}/fd/{fd}") == pipe)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_nothing_is_left_when_children_end(made):
    apart.read_canvas(made["rgb.jpg"].path)
    folders, pids = [Path(child.folder) for child in children._all], running()
    assert folders and all(folder.is_dir() for folder in folders)
    apart.stop()
    assert not any(folder.exists() for folder in folders)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
