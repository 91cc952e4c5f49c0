"""The folder of stored images, which a worker and its client on the same machine share."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uhrbat.errors import WorkerError

CHUNK = 2**20
ARRIVING = "incoming-"
USED = ".used"
"""Beside each file stands an empty one of this ending, whose time is that of the file's last use: the file itself may
be a hard link to somebody's own, which is not to be touched."""


def place(folder: Path, name: str, path: str | Path) -> None:
    """Put a file into a store's folder under its name, whole or not at all: by hard link, by copy where that is not
    possible. WorkerError if neither is. The name is not checked against the bytes."""
    arriving = folder / f"{ARRIVING}{uuid.uuid4().hex}"
    try:
        with disk():
            mark_used(folder, name)
            mark_used(folder, arriving.name)
            try:
                os.link(Path(path).resolve(), arriving)
            except OSError:  # another file system, one without links, or a file of somebody else's
                shutil.copyfile(path, arriving)
            arriving.replace(folder / name)
    finally:
        delete(arriving)  # what failed, or a second link to the very same file


def mark_used(folder: Path, name: str) -> None:
    """Note that a file of a store is used now."""
    (folder / f"{name}{USED}").touch()


def delete(path: Path) -> None:
    """Delete a file of a store, if it is there and can be, and its mark."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.with_name(path.name + USED).unlink(missing_ok=True)


@contextmanager
def disk() -> Iterator[None]:
    """What the disk refuses, as a WorkerError that says so."""
    try:
        yield
    except OSError as error:
        raise WorkerError(f"the model worker cannot store the image, {_problem(error)}") from error


def _problem(error: OSError) -> str:
    """What the disk refused, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "its disk is full: free some space there"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "its folder cannot be written to: choose another by UHRBAT_STORE_FOLDER"
    return f"{error.strerror or type(error).__name__}: look at its folder, UHRBAT_STORE_FOLDER"
