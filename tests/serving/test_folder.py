import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from uhrbat.errors import WorkerError
from uhrbat.serving.folder import place
from uhrbat.serving.server.storage import Store

NAME = "1" * 64


@pytest.fixture
def source(tmp_path) -> Path:
    """Somebody's file, a year old."""
    path = tmp_path / "harbour.png"
    path.write_bytes(b"x" * 400)
    year_ago = time.time() - 365 * 86400
    os.utime(path, (year_ago, year_ago))
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def files(folder) -> set[str]:
    """Names in a folder."""
    return {path.name for path in folder.iterdir()}


def test_one_copy_serves_both(folder, source):
    for _ in range(2):
        place(folder, NAME, source)
        assert (folder / NAME).stat().st_ino == source.stat().st_ino
        assert files(folder) == {NAME, f"{NAME}.used"}


def test_a_symbolic_link_is_followed(folder, source, tmp_path):
    link = tmp_path / "link.png"
    link.symlink_to(source)
    place(folder, NAME, link)
    assert (folder / NAME).stat().st_ino == source.stat().st_ino


def test_where_links_are_not_possible_the_file_is_copied(folder, source, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    place(folder, NAME, source)
    assert (folder / NAME).read_bytes() == source.read_bytes()
    assert (folder / NAME).stat().st_ino != source.stat().st_ino


def test_a_file_that_cannot_be_read_leaves_nothing_but_a_mark(folder, tmp_path):
    with pytest.raises(WorkerError, match="cannot store the image"):
        place(folder, NAME, tmp_path / "missing.png")
    assert files(folder) == {f"{NAME}.used"}


@pytest.fixture
def read_only(folder, source, monkeypatch):
    """A store's folder with one image, on a disk that has become read-only."""
    place(folder, NAME, source)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for owner, name in ((Path, "touch"), (Path, "unlink"), (Path, "replace"), (os, "link"), (shutil, "copyfile")):
        monkeypatch.setattr(owner, name, refuse)
    return folder


def test_a_read_only_store_says_what_to_do(read_only, source):
    with pytest.raises(WorkerError, match="cannot be written to.*UHRBAT_STORE_FOLDER"):
        place(read_only, "2" * 64, source)


def test_what_is_in_a_read_only_store_can_be_asked_about(read_only):
    os.utime(read_only / f"{NAME}.used", (0, 0))  # it has expired, and cannot be deleted
    store = Store(read_only, quota_bytes=10, file_bytes=600, hours=0.01)
    with store.hold(NAME) as path:
        assert path is not None and path.stat().st_size == 400


def test_an_old_file_just_placed_is_in_use_and_keeps_its_own_time(folder, source):
    before = source.stat().st_mtime
    place(folder, NAME, source)
    store = Store(folder, quota_bytes=1000, file_bytes=600, hours=1)
    assert store.path(NAME)
    assert source.stat().st_mtime == before


def test_the_store_deletes_its_link_and_not_the_file(folder, source):
    place(folder, NAME, source)
    long_ago = time.time() - 7200
    os.utime(folder / f"{NAME}.used", (long_ago, long_ago))
    Store(folder, quota_bytes=1000, file_bytes=600, hours=1)
    assert files(folder) == set()
    assert source.is_file()
