"""The C library's heap of a long-lived process: memory that was freed goes back to the system.

Reading and encoding a large image frees gigabytes in pieces; glibc keeps them, in an arena a thread, and the process
looks twice as large as what it holds. On other C libraries nothing is done.
"""

from __future__ import annotations

import ctypes
import sys

ARENAS = 2
"""Arenas of the heap that all threads share; by default glibc makes eight for each processor."""
_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def limit_arenas() -> None:
    """From now on threads share `ARENAS` arenas; for the start of a process, before there are many threads."""
    library = _glibc()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return what is free in the heap to the system: some milliseconds."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
