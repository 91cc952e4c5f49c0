import errno
import hashlib
import os
import time
from unittest.mock import Mock

import pytest

from uhrbat.errors import ImageError, InputError, WorkerError
from uhrbat.serving.server.storage import Store


def put(store, content: bytes, age: float = 0) -> str:
    name = hashlib.sha256(content).hexdigest()
    store.receive(name, [content])
    if age:
        os.utime(store.folder / f"{name}.used", (time.time() - age, time.time() - age))
    return name


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, quota_bytes=1000, file_bytes=600, hours=1)


def test_keeps_a_file_under_its_hash(store, tmp_path):
    source = tmp_path / "elsewhere.bin"
    source.write_bytes(b"x" * 10)
    name = hashlib.sha256(b"x" * 10).hexdigest()
    for _ in range(2):
        store.add(source, name)
    assert store.path(name).read_bytes() == b"x" * 10


def test_the_longest_unused_go_when_the_quota_is_full(store):
    old, used, new = put(store, b"a" * 400, 30), put(store, b"b" * 400, 60), None
    store.path(used)
    new = put(store, b"c" * 400)
    assert store.path(old) is None
    assert store.path(used)
    assert store.path(new)
    assert store.used_bytes() <= 1000


def test_a_file_in_use_is_not_deleted(store):
    held = put(store, b"a" * 400, 60)
    with store.hold(held) as path:
        put(store, b"b" * 400)
        put(store, b"c" * 400)
        assert path.is_file()


def test_what_a_killed_process_left_behind_goes_before_files_expire(store):
    incoming = store.incoming("1" * 64)
    store.tidy()
    assert incoming._path.is_file()
    os.utime(incoming._path, (time.time() - 1000, time.time() - 1000))
    store.tidy()
    assert not incoming._path.is_file()


def test_files_expire(store):
    name = put(store, b"a", 2 * 3600)
    store.tidy()
    assert store.path(name) is None


def test_damaged_bytes_are_refused_and_leave_nothing(store):
    with pytest.raises(InputError, match="damaged"):
        store.receive("0" * 64, [b"other"])
    assert list(store.folder.iterdir()) == []


def test_too_large_a_file_is_refused_and_leaves_nothing(store):
    with pytest.raises(ImageError, match="the most accepted"):
        put(store, b"a" * 601)
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63, "/" * 64])
def test_nothing_but_a_hash_names_a_file(store, name):
    assert store.path(name) is None
    store.remove(name)


def test_an_upload_under_way_counts_but_stays(store):
    incoming = store.incoming("1" * 64)
    incoming.write(b"x" * 500)
    incoming._file.flush()
    first, second = put(store, b"a" * 300, 9), put(store, b"b" * 300)
    assert store.path(first) is None
    assert store.path(second)
    assert incoming._path.is_file()
    incoming.drop()


@pytest.mark.parametrize("step", ["write", "close"])
def test_a_full_disk_is_said_and_leaves_nothing(store, step):
    incoming = store.incoming("1" * 64)
    real = incoming._file
    full = OSError(errno.ENOSPC, "No space left on device")
    incoming._file = Mock(**{f"{step}.side_effect": full})
    with pytest.raises(WorkerError, match="its disk is full"):
        incoming.write(b"x")
        incoming.keep()
    incoming.drop()
    real.close()
    assert list(store.folder.iterdir()) == []
