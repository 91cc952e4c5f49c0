"""Private temporary folders of a page process: deleted when it ends, and by a later one where it was killed."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

_NAME = re.compile(r"uhrbat-[a-z]+-(\d+)-\w+")
LEFT_SECONDS = 3600
"""A folder of a process that is gone, not changed for so long, was left behind; a younger one may be another
container's."""


def private_folder(kind: str) -> Path:
    """A new folder that only this user can read, deleted at exit. kind: a word of lower-case letters."""
    folder = Path(tempfile.mkdtemp(prefix=f"uhrbat-{kind}-{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def sweep() -> None:
    """Delete the folders that killed processes left behind."""
    for folder in Path(tempfile.gettempdir()).glob("uhrbat-*"):
        name = _NAME.fullmatch(folder.name)
        try:
            old = time.time() - folder.stat().st_mtime > LEFT_SECONDS
        except OSError:
            continue
        if name and old and not _alive(int(name[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
