"""Uploads are looked at before a byte of them is written: whether they may be so large, and whether there is room."""

import shutil
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..limits import SPARE

PATH = "/gradio_api/upload"
_FORM = 2**20


class UploadCheck:
    """Middleware that refuses an upload by its announced length, in one sentence that the page then shows.

    Gradio itself leaves what it has written behind when the disk fills up under it.
    """

    def __init__(self, app: ASGIApp, most: int):
        """most: the largest file, in bytes."""
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = None
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith(PATH):
            length = dict(scope["headers"]).get(b"content-length", b"")
            problem = self._problem(int(length) if length.isdigit() else 0)
        if problem:
            await PlainTextResponse(problem[1], problem[0])(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _problem(self, length: int) -> tuple[int, str] | None:
        """Status and sentence for an upload of so many bytes, or None."""
        if length > self.most + _FORM:
            sizes = f"{length / 2**20:,.0f} MiB, more than the {self.most / 2**20:,.0f} MiB"
            return 413, f"The file has {sizes} accepted: compress it or cut it into parts."
        if length + SPARE > shutil.disk_usage(_existing(Path(get_upload_folder()))).free:
            return 507, "The disk is full: free some space, or upload a smaller file."
        return None


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
