"""Uploads on their way in: looked at before a byte is written, and handed on in large parts."""

import shutil
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..limits import SPARE

PATH = "/gradio_api/upload"
_FORM = 2**20
_PART = 2**20


class UploadCheck:
    """Middleware that refuses an upload by its announced length, in one sentence that the page then shows.

    Gradio itself leaves what it has written behind when the disk fills up under it. What is accepted is handed on in
    parts of 1 MiB: Gradio writes each part in a thread, and on a busy page every change of thread waits its turn, and
    a file of 200 MB arrives in over three thousand of them.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        """most: the largest file, in bytes."""
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith(PATH):
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"")
        problem = self._problem(int(length) if length.isdigit() else 0)
        if problem:
            await PlainTextResponse(problem[1], problem[0])(scope, receive, send)
        else:
            await self.app(scope, in_large_parts(receive), send)

    def _problem(self, length: int) -> tuple[int, str] | None:
        """Status and sentence for an upload of so many bytes, or None."""
        if length > self.most + _FORM:
            sizes = f"{length / 2**20:,.0f} MiB, more than the {self.most / 2**20:,.0f} MiB"
            return 413, f"The file has {sizes} accepted: compress it or cut it into parts."
        if length + SPARE > shutil.disk_usage(_existing(Path(get_upload_folder()))).free:
            return 507, "The disk is full: free some space, or upload a smaller file."
        return None


def in_large_parts(receive: Receive) -> Receive:
    """`receive`, with parts of a request's body joined into `_PART` bytes or more where more follow."""
    later: list[Message] = []

    async def joined() -> Message:
        if later:
            return later.pop()
        message = await receive()
        if message["type"] != "http.request":
            return message
        body = bytearray(message.get("body", b""))
        while message.get("more_body") and len(body) < _PART:
            message = await receive()
            if message["type"] != "http.request":
                later.append(message)
                return {"type": "http.request", "body": bytes(body), "more_body": True}
            body += message.get("body", b"")
        return {"type": "http.request", "body": bytes(body), "more_body": bool(message.get("more_body"))}

    return joined


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
