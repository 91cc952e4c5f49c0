"""What a worker takes on: every limit in one place, set by environment variables."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from uhrbat.choices import MAX_QUESTION
from uhrbat.errors import InputError

if TYPE_CHECKING:
    from uhrbat import imagery

GB = 2**30


class FromEnvironment(BaseSettings):
    """Base of what is set by environment variables, UHRBAT_ and the field's name in capitals.

    A value that does not fit raises InputError.
    """

    model_config = SettingsConfigDict(env_prefix="UHRBAT_", frozen=True, extra="forbid")

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise InputError(self._problem(error)) from None

    @classmethod
    def _problem(cls, error: ValidationError) -> str:
        problem = error.errors(include_url=False)[0]
        if problem["type"] == "value_error":
            return str(problem["ctx"]["error"])
        name = f"{cls.model_config['env_prefix']}{problem['loc'][0]}".upper()
        wanted = "give a number above 0" if problem["type"] != "extra_forbidden" else "there is no such limit"
        return f"{name} is {problem['input']!r}; {wanted}"


class ImageLimits(FromEnvironment):
    """What an image file is held against, by page and worker alike."""

    upload_bytes: PositiveInt = 2 * GB
    pixels: PositiveInt = 2_000_000_000

    def images(self) -> imagery.Limits:
        """As `imagery.open_image` takes them."""
        from uhrbat import imagery

        return imagery.Limits(max_pixels=self.pixels, max_bytes=self.upload_bytes)


class Limits(ImageLimits):
    """Limits of a worker. Set one by UHRBAT_ and its name in capitals: UHRBAT_JOB_SECONDS=60.

    | limit | default | meaning |
    | --- | --- | --- |
    | upload_bytes | 2 GiB | size of one image file, for page and worker |
    | pixels | 2,000,000,000 | pixels of one image, checked in its header before any is decoded |
    | upload_seconds | 900 | how long one upload to the worker may take |
    | store_bytes | 20 GiB | images that the worker stores; the longest unused go first |
    | store_hours | 24 | a stored image not used for so long is deleted |
    | store_folder | (temporary) | where images are stored; by default a private folder in the temporary one |
    | question_chars | 2,000 | length of a question |
    | boxes | 64 | boxes in one request |
    | budgets | 64 | budgets in one sweep |
    | methods | 16 | methods in one comparison |
    | looks | 512 | tiles of native scales that one question may look at |
    | answer_tokens | 64 | length of an answer |
    | sessions | 256 | sessions with work waiting |
    | queue_jobs | 64 | jobs waiting, all sessions together; more are answered "busy" |
    | session_jobs | 8 | jobs waiting, one session |
    | job_seconds | 600 | time that one job may use the device; its waits do not count |
    | host_bytes | 4 GiB | encoded images (features, regions, importances) in main memory |
    | device_bytes | 8 GiB | encoded images on a GPU; the longest unused move to main memory |
    """

    upload_seconds: PositiveFloat = 900
    store_bytes: PositiveInt = 20 * GB
    store_hours: PositiveFloat = 24
    store_folder: str = ""
    question_chars: PositiveInt = MAX_QUESTION
    boxes: PositiveInt = 64
    budgets: PositiveInt = 64
    methods: PositiveInt = 16
    looks: PositiveInt = 512
    answer_tokens: PositiveInt = 64
    sessions: PositiveInt = 256
    queue_jobs: PositiveInt = 64
    session_jobs: PositiveInt = 8
    job_seconds: PositiveFloat = 600
    host_bytes: PositiveInt = 4 * GB
    device_bytes: PositiveInt = 8 * GB

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
