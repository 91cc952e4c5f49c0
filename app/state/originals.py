"""The files of uploaded pictures, owned for as long as a picture is shown, whoever else deletes theirs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from uhrbat.errors import ImageError

from .folders import private_folder


class Originals:
    """Files in a private folder, those of each picture in one of their own, so that they keep their names."""

    def __init__(self) -> None:
        self.folder = private_folder("originals")

    def keep(self, path: Path, id: str) -> Path:
        """Own a file: a hard link, or a copy where there can be none; a path that is no file is given back as it is."""
        if not path.is_file():
            return path
        kept = self.folder / id / path.name
        if kept.exists():
            return kept
        kept.parent.mkdir(exist_ok=True)
        try:
            os.link(path.resolve(), kept)
        except OSError:  # another disk, or a file of somebody else's
            try:
                shutil.copyfile(path, kept)
            except OSError as error:
                self.release(id)
                raise ImageError(f"The image could not be kept: {error.strerror or error}.") from error
        return kept

    def passing(self) -> TemporaryDirectory[str]:
        """A folder for a file that is to be kept, on the same disk, deleted when it is left."""
        return TemporaryDirectory(dir=self.folder)

    def release(self, id: str) -> None:
        """Delete the files that were kept under this id, if any were."""
        shutil.rmtree(self.folder / id, ignore_errors=True)

    def close(self) -> None:
        """Delete all files."""
        shutil.rmtree(self.folder, ignore_errors=True)
