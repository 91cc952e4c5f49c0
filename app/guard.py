"""What every request passes first: names by which the page may be called, sizes, foreign uploads, safe headers."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .state.uploads import PATH as UPLOAD

BODY_BYTES = 2**20
"""The largest body of any request but an upload."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
CLOSED = frozenset({"monitoring", "openapi.json", "docs", "redoc"})
"""Parts of Gradio's and FastAPI's own addresses that say who calls what."""


class Guard:
    """Middleware that refuses what no visitor of the page sends; each refusal is one sentence."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str] | None = None, closed: frozenset[str] = CLOSED) -> None:
        """hosts: the names by which the page may be called while only this machine can reach it, so that a web page
        elsewhere cannot read a private explorer under a name of its own (DNS rebinding); None: any.
        closed: parts of addresses that are answered with 404."""
        self.app, self.hosts, self.closed = app, hosts, closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal:
            await PlainTextResponse(refusal[1], refusal[0])(scope, receive, send)
            return
        if scope["method"] != "POST" or scope["path"].endswith(UPLOAD):
            await self.app(scope, receive, _with_headers(send))
            return
        # The body is read here, so that what is too large is refused before anything holds or parses it.
        body = await _read(receive)
        if body is None:
            await PlainTextResponse(TOO_LARGE, 413)(scope, receive, send)
        else:
            await self.app(scope, _replay(body, receive), _with_headers(send))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = _name(headers.get("host", ""))
        if self.hosts is not None and host not in self.hosts:
            return 421, "This explorer answers only to the name of the machine it runs on, such as localhost."
        if not self.closed.isdisjoint(scope["path"].split("/")):
            return 404, "There is nothing here."
        if scope["method"] == "POST":
            origin = headers.get("origin")
            if (
                scope["path"].endswith(UPLOAD)
                and origin
                and origin != "null"
                and _name(urlsplit(origin).netloc) != host
            ):
                return 403, "Files can be uploaded from the explorer's own page only."
            length = headers.get("content-length", "")
            if not scope["path"].endswith(UPLOAD) and length.isdigit() and int(length) > BODY_BYTES:
                return 413, TOO_LARGE
        return None


TOO_LARGE = f"The request has more than {BODY_BYTES // 2**20} MiB: only files may be larger, and these are uploaded."


def _name(host: str) -> str:
    """A Host header's name without its port, in lower case."""
    name = host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0]
    return name.lower()


async def _read(receive: Receive) -> bytes | None:
    """A request's body, or None once it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives a body that has been read, and then what comes after it."""
    waiting = [True]

    async def again() -> Message:
        if waiting:
            waiting.pop()
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
        await send(message)

    return sent
