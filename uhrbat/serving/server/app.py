"""The worker's HTTP app: one FastAPI app around a `Service`, whoever starts it.

| request                | what it does                                                                   |
| ---------------------- | ------------------------------------------------------------------------------ |
| GET /health            | how the worker is; without the secret only whether it is ready                 |
| GET /metrics           | Prometheus text                                                                |
| GET /v1/models         | the models on offer                                                            |
| GET /v1/images/{id}    | whether an image is stored; 404 if it is not                                   |
| PUT /v1/images/{id}    | store an image: the raw bytes, whose SHA-256 is the id                         |
| POST /v1/{action}      | do an action (`protocol.ACTIONS`); the reply is a stream (`protocol`)            |

All but /health want `Authorization: Bearer <secret>` where the worker has a secret, UHRBAT_WORKER_TOKEN. No
request names a path.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uhrbat.errors import BusyError, ImageError, InputError, UHRBATError
from uhrbat.results import Event, Progress
from uhrbat.serving import codec, protocol
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import Failure, Health, ModelInfo
from uhrbat.serving.server.service import Service
from uhrbat.serving.server.storage import NAME

REQUEST_BYTES = 2**20
QUIET_SECONDS = 0.5
"""A stream says something at least this often, so that both ends notice when the other is gone."""
LOOPBACK = ("127.0.0.1", "localhost")
STREAM = "application/x-ndjson"


def make_app(service: Service, secret: str | None = None, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """The app. secret: what every request must bear; None only where nobody else can reach the app.

    hosts: the names by which it may be called ("*" for any), so that a web page cannot reach it under its
    own.
    """
    app = FastAPI(title="UHR-BAT worker", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Counted, on_answer=service.counted.request)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_exception_handler(UHRBATError, _failed)
    app.add_exception_handler(HTTPException, _refused)

    def allowed(request: Request) -> bool:
        given = request.headers.get("authorization", "")
        return secret is None or hmac.compare_digest(given.encode(), f"Bearer {secret}".encode())

    def guard(request: Request) -> None:
        if not allowed(request):
            raise HTTPException(401, "this worker wants its secret: set UHRBAT_WORKER_TOKEN to the worker's own")

    guarded = [Depends(guard)]

    @app.get("/health")
    def health(request: Request) -> Health:
        health = service.health()
        return health if allowed(request) else Health(status=health.status)

    @app.get("/metrics", dependencies=guarded)
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(service.metrics(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/models", dependencies=guarded)
    def models() -> list[ModelInfo]:
        return list(service.infos_of_models())

    @app.get("/v1/images/{image}", dependencies=guarded)
    def stored(image: str) -> dict[str, str]:
        service.require(image)
        return {"image": image}

    @app.put("/v1/images/{image}", dependencies=guarded)
    async def store(image: str, request: Request) -> dict[str, str]:
        if not NAME.fullmatch(image):
            raise InputError("an image is addressed by the SHA-256 of its bytes, in lower-case hex")
        await _receive(service, image, request)
        await run_in_threadpool(service.accept, image)
        return {"image": image}

    @app.post("/v1/{action}", dependencies=guarded)
    async def act(action: str, request: Request) -> StreamingResponse:
        if action not in protocol.ACTIONS:
            raise HTTPException(404, "no such action")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise HTTPException(415, "send JSON")
        try:
            asked = protocol.ACTIONS[action].model_validate_json(await _body(request))
        except ValidationError as error:
            raise InputError(protocol.first_problem(error)) from None
        return StreamingResponse(stream(lambda: service.submit(asked)), media_type=STREAM)

    return app


async def stream(start: Callable[[], Job[Any]]) -> AsyncIterator[bytes]:
    """The lines of a job that `start` starts; when nobody listens any more, the job is cancelled."""
    news, loop = asyncio.Event(), asyncio.get_running_loop()
    job = start()
    job.on_news(lambda: loop.call_soon_threadsafe(news.set))
    try:
        while True:
            news.clear()
            over = job.done
            while (event := job.take()) is not None:
                yield _event_line(event)
            if over:
                break
            try:
                await asyncio.wait_for(news.wait(), QUIET_SECONDS)
            except TimeoutError:
                yield codec.to_line("progress", job.latest)
        try:
            yield await run_in_threadpool(codec.to_line, "result", job.result(0))
        except UHRBATError as error:
            yield codec.failure_line(error)
    finally:
        job.on_news(None)
        job.cancel()


def _event_line(event: Event) -> bytes:
    return codec.to_line("progress" if isinstance(event, Progress) else "partial", event)


class _Counted:
    """ASGI middleware that reports the method, route and status of every answer.

    It is plain ASGI, so that streams stay streams.
    """

    def __init__(self, app: ASGIApp, on_answer: Callable[[str, str, int], None]) -> None:
        self._app, self._on_answer = app, on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        def count(status: int) -> None:
            # The route's pattern, never the path, and no method of the caller's own making: nothing of a caller shows.
            method = scope["method"] if scope["method"] in ("GET", "PUT", "POST") else "other"
            self._on_answer(method, getattr(scope.get("route"), "path", "none"), status)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception:
            count(500)
            raise


async def _body(request: Request) -> bytes:
    """A request's body; 413 where it is larger than any request needs to be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_BYTES:
            raise HTTPException(413, "the request is too large")
    return bytes(body)


async def _receive(service: Service, image: str, request: Request) -> None:
    """Store a body of image bytes, chunk by chunk."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > service.store.file_bytes:
        raise ImageError(f"the file has more than {service.store.file_bytes // 2**20:,} MiB, the most accepted here")
    until = time.monotonic() + service.limits.upload_seconds
    incoming = await run_in_threadpool(service.store.incoming, image)
    try:
        async for chunk in request.stream():
            await run_in_threadpool(incoming.write, chunk)
            if time.monotonic() > until:
                raise ImageError("the upload took too long: try a smaller file or a faster connection")
        await run_in_threadpool(incoming.keep)
    except BaseException:
        incoming.drop()
        raise


async def _failed(_: Request, error: Exception) -> JSONResponse:
    status = 503 if isinstance(error, BusyError) else 404 if isinstance(error, codec.UnknownImage) else 422
    return JSONResponse(codec.failure(error).model_dump(), status)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = "input" if error.status_code in (413, 415) else "worker"
    return JSONResponse(Failure(kind=kind, message=str(error.detail)).model_dump(), error.status_code)
