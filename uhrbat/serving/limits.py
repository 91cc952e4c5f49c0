"""What a worker and the page before it take on: every limit in one place, set by environment variables."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from uhrbat.errors import InputError

if TYPE_CHECKING:
    from uhrbat import imagery

GB = 2**30
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Limits of worker and page. Set one by UHRBAT_ and its name in capitals: UHRBAT_JOB_SECONDS=60.

    | limit | default | meaning |
    | --- | --- | --- |
    | upload_bytes | 2 GiB | size of one image file, for page and worker |
    | upload_seconds | 900 | how long one upload to the worker may take |
    | pixels | 2,000,000,000 | pixels of one image, checked in its header before any is decoded |
    | store_bytes | 20 GiB | images that the worker stores; the longest unused go first |
    | store_hours | 24 | a stored image not used for so long is deleted |
    | store_folder | (temporary) | where images are stored; by default a private folder in the temporary one |
    | tiles_bytes | 20 GiB | the page's viewer tiles of uploads; the longest unused go first |
    | tiles_hours | 2 | viewer tiles of an upload not looked at for so long are deleted |
    | question_chars | 2,000 | length of a question |
    | boxes | 64 | boxes in one request |
    | budgets | 64 | budgets in one sweep |
    | methods | 16 | methods in one comparison |
    | answer_tokens | 64 | length of an answer |
    | sessions | 256 | sessions with work waiting |
    | queue_jobs | 64 | jobs waiting, all sessions together; more are answered "busy" |
    | session_jobs | 8 | jobs waiting, one session |
    | job_seconds | 600 | time that one job may use the device; its waits do not count |
    | host_bytes | 4 GiB | encoded images (features, regions, importances) in main memory |
    | device_bytes | 8 GiB | encoded images on a GPU; the longest unused move to main memory |
    """

    upload_bytes: int = 2 * GB
    upload_seconds: float = 900
    pixels: int = 2_000_000_000
    store_bytes: int = 20 * GB
    store_hours: float = 24
    store_folder: str = ""
    tiles_bytes: int = 20 * GB
    tiles_hours: float = 2
    question_chars: int = 2000
    boxes: int = 64
    budgets: int = 64
    methods: int = 16
    answer_tokens: int = 64
    sessions: int = 256
    queue_jobs: int = 64
    session_jobs: int = 8
    job_seconds: float = 600
    host_bytes: int = 4 * GB
    device_bytes: int = 8 * GB

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "store_folder" and not value > 0:
                raise InputError(f"the limit {field.name} is {value}; give a number above 0")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Limits:
        """The defaults, overridden by UHRBAT_<FIELD>; InputError for a value that is not a number."""
        return from_environment(cls, "UHRBAT_", environment)

    def images(self) -> imagery.Limits:
        """What image files are held against when they are opened."""
        from uhrbat import imagery

        return imagery.Limits(max_pixels=self.pixels, max_bytes=self.upload_bytes)

    def folder(self) -> Path:
        """The folder for stored images, made if it is missing, for this user alone."""
        if self.store_folder:
            folder = Path(self.store_folder)
        else:
            folder = Path(tempfile.gettempdir()) / f"uhrbat-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            raise InputError(f"the folder {folder} belongs to another user; set UHRBAT_STORE_FOLDER")
        return folder


def from_environment(cls: type[T], prefix: str, environment: Mapping[str, str] | None = None) -> T:
    """A dataclass with its defaults overridden by the variables <prefix><FIELD>; InputError for no number."""
    environment = os.environ if environment is None else environment
    given = {}
    for field in fields(cls):
        name = f"{prefix}{field.name.upper()}"
        if name in environment:
            try:
                given[field.name] = type(field.default)(environment[name])
            except ValueError:
                raise InputError(f"{name} is '{environment[name]}'; give a number") from None
    return cls(**given)
