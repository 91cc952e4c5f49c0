"""Image files kept by a worker, addressed by the SHA-256 of their bytes, within a quota and for a while."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uhrbat.errors import ImageError, InputError
from uhrbat.serving.folder import ARRIVING, USED, delete, disk, mark_used, place

LEFT_SECONDS = 900
"""An arriving file not written to for so long was left behind by a process that died."""
NAME = re.compile(r"[0-9a-f]{64}")


class Incoming:
    """A file on its way in: written under a name of its own, kept if its bytes are what was announced."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name, self.size = store, name, 0
        self._digest = hashlib.sha256()
        self._path = store.folder / f"{ARRIVING}{uuid.uuid4().hex}"
        with disk():
            self._file = open(self._path, "xb")  # noqa: SIM115 (closed by keep or drop)

    def write(self, chunk: bytes) -> None:
        """More of the file's bytes; ImageError if that is more than one file may have."""
        self.size += len(chunk)
        if self.size > self.store.file_bytes:
            raise ImageError(f"the file has more than {self.store.file_bytes // 2**20:,} MiB, the most accepted here")
        self._digest.update(chunk)
        with disk():
            self._file.write(chunk)

    def keep(self) -> Path:
        """The whole file has come; InputError if its bytes are not those announced."""
        with disk():
            self._file.close()
        if self._digest.hexdigest() != self.name:
            self.drop()
            raise InputError("the file was damaged on its way: send it again")
        path = self.store.folder / self.name
        with disk():
            mark_used(self.store.folder, self.name)
            self._path.replace(path)
        self.store.tidy(keep=self.name)
        return path

    def drop(self) -> None:
        """The file is not wanted."""
        with suppress(OSError):  # a full disk refuses the rest that closing writes
            self._file.close()
        self._path.unlink(missing_ok=True)


class Store:
    """Files in one folder, named by the SHA-256 of their bytes. Safe for several threads and processes.

    quota_bytes: all files together; the longest unused are deleted first. file_bytes: one file. hours: a file
    not used for so long is deleted. Files in use are never deleted.
    """

    def __init__(self, folder: Path, quota_bytes: int, file_bytes: int, hours: float) -> None:
        self.folder, self.quota_bytes, self.hours = Path(folder), quota_bytes, hours
        self.file_bytes = min(file_bytes, quota_bytes)
        self._lock = threading.Lock()
        self._in_use: Counter[str] = Counter()
        self.tidy()

    def path(self, name: str) -> Path | None:
        """The file of that name, if it is here; asking counts as a use."""
        if not NAME.fullmatch(name):
            return None
        path = self.folder / name
        if not path.is_file():
            return None
        with suppress(OSError):  # a full disk: it is only counted as unused
            mark_used(self.folder, name)
        return path

    @contextmanager
    def hold(self, name: str) -> Iterator[Path | None]:
        """The file of that name, not deleted while the block runs; None if it is not here."""
        with self._lock:
            self._in_use[name] += 1
        try:
            yield self.path(name)
        finally:
            with self._lock:
                self._in_use[name] -= 1
                if not self._in_use[name]:
                    del self._in_use[name]

    def add(self, path: str | Path, name: str) -> None:
        """Put a file of this machine in under the SHA-256 of its bytes, unless it is here. ImageError if too large."""
        if self.path(name) is None:
            size = Path(path).stat().st_size
            if size > self.file_bytes:
                raise ImageError(f"the file has more than {self.file_bytes // 2**20:,} MiB, the most accepted here")
            place(self.folder, name, path)
            self.tidy(keep=name)

    def incoming(self, name: str) -> Incoming:
        """A file of that name to be written."""
        return Incoming(self, name)

    def receive(self, name: str, chunks: Iterable[bytes]) -> Path:
        """Write a file that comes in chunks; see `Incoming` for what it may raise."""
        incoming = self.incoming(name)
        try:
            for chunk in chunks:
                incoming.write(chunk)
            return incoming.keep()
        except BaseException:
            incoming.drop()
            raise

    def remove(self, name: str) -> None:
        """Delete the file of that name, if it is here."""
        if NAME.fullmatch(name):
            delete(self.folder / name)

    def used_bytes(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size, _ in self._files())

    def tidy(self, keep: str = "") -> None:
        """Delete what has expired and, from the longest unused on, what is over the quota."""
        oldest = time.time() - self.hours * 3600
        with self._lock:
            files = sorted(self._files())
            total = sum(size for _, size, _ in files)
            for used, size, path in files:
                arriving = not NAME.fullmatch(path.name)
                left = arriving and used < time.time() - LEFT_SECONDS
                if path.name == keep or self._in_use.get(path.name) or (arriving and not left):
                    continue
                if left or used < oldest or total > self.quota_bytes:
                    delete(path)
                    total -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """(last use, bytes, path) of every file; of marks only those without their file."""
        found = []
        for path in self.folder.iterdir():
            with suppress(OSError):
                mark = path.with_name(path.name + USED)
                if path.suffix == USED and path.with_suffix("").exists():
                    continue
                used = (mark if mark.exists() else path).stat().st_mtime
                found.append((used, path.stat().st_size, path))
        return found
