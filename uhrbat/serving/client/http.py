"""A worker reached over HTTP: elsewhere (`Remote`) or this process's own child (`Supervisor`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from cachetools import LRUCache
from pydantic import TypeAdapter, ValidationError

from uhrbat.errors import ImageError, InputError, UHRBATError, WorkerError
from uhrbat.imagery import sha256_file
from uhrbat.results import PARTIALS, RESULTS, Progress
from uhrbat.serving import codec, protocol
from uhrbat.serving.client.worker import Worker
from uhrbat.serving.folder import CHUNK, place
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import AnyRequest, Failure, Health, ModelInfo

logger = logging.getLogger(__name__)
TIMEOUT = httpx.Timeout(connect=10, read=60, write=60, pool=None)
REMEMBERED_FILES = 256
AFFINITY = "serve-multiplexed-model-id"
"""The header by which Ray Serve sends requests about one image to the replica that holds it."""


class Endpoint(Protocol):
    """Where a worker is, and what to say when it is not."""

    folder: Path | None
    """Where a worker on this machine keeps images; None for one elsewhere."""

    def address(self) -> tuple[str, str | None]:
        """(base URL, secret); waits until there is a worker. WorkerError if there will be none."""

    def gone(self, url: str, error: Exception) -> WorkerError:
        """What to say to the user when the worker that was at `url` went away in the middle of a request."""

    def close(self) -> None:
        """Release it."""


class Remote:
    """A worker that somebody else runs, at a URL."""

    folder: Path | None = None

    def __init__(self, url: str, secret: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"'{url}' is no address of a worker: give one like https://worker.example:8000")
        self._url, self._secret = url.rstrip("/"), secret

    def address(self) -> tuple[str, str | None]:
        return self._url, self._secret

    def gone(self, url: str, error: Exception) -> WorkerError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return WorkerError("the model worker cannot be reached: check that it runs and UHRBAT_WORKER_URL is right")
        return WorkerError("the model worker stopped answering: ask again in a moment")

    def close(self) -> None:
        pass


class HttpWorker(Worker):
    """The interface of a worker at an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=8)
        self._clients = {
            trusting: httpx.Client(timeout=TIMEOUT, limits=limits, trust_env=trusting) for trusting in (False, True)
        }
        self._files: LRUCache[str, Path] = LRUCache(REMEMBERED_FILES)
        self._lock = threading.Lock()
        self._schema_checked_at = ""
        self._upload_bytes: int | None = None

    def store(self, path: str | Path, image: str | None = None) -> str:
        image = image or sha256_file(path)
        with self._lock:
            self._files[image] = Path(path)
        try:
            self._call("GET", f"/v1/images/{image}", image)
        except codec.UnknownImage:
            self._send(image)
        return image

    def health(self) -> Health:
        return Health.model_validate(self._call("GET", "/health").json())

    def metrics(self) -> str:
        return self._call("GET", "/metrics").text

    def models(self) -> tuple[ModelInfo, ...]:
        return TypeAdapter(tuple[ModelInfo, ...]).validate_python(self._call("GET", "/v1/models").json())

    def close(self) -> None:
        self.endpoint.close()
        for client in self._clients.values():
            client.close()

    def _submit(self, request: AnyRequest) -> Job[Any]:
        job: Job[Any] = Job()
        job.emit(Progress("start", 0.0, "calling the model worker"))
        name = f"job {request.action}"
        threading.Thread(target=self._follow, args=(job, request), daemon=True, name=name).start()
        return job

    def _follow(self, job: Job[Any], request: AnyRequest) -> None:
        """Do a job: read its stream to the end, or until nobody wants it any more."""
        try:
            try:
                self._read(job, request)
            except codec.UnknownImage:
                job.emit(Progress("upload", 0.0, "the worker does not hold the image any more; sending it again"))
                if not all(self._send(name) for name in (request.image, request.settings.mask) if name):
                    raise
                self._read(job, request)
        except UHRBATError as error:
            job.fail(error)
        except Exception:
            logger.exception("a job's stream could not be read")
            job.fail(WorkerError("the model worker's reply could not be read: ask again"))

    def _read(self, job: Job[Any], request: AnyRequest) -> None:
        lines, action = codec.Lines(), request.action
        for piece in self._stream(request):
            for line, blob in lines.feed(piece):
                if line.type == "error":
                    raise codec.error_of(Failure.model_validate(line.value))
                if line.type == "progress":
                    job.emit(codec.from_line(line, blob, Progress))
                elif line.type == "partial":
                    job.emit(codec.from_line(line, blob, PARTIALS[action]))
                else:
                    job.finish(codec.from_line(line, blob, RESULTS[action]))
            if job.done:
                return
        raise WorkerError("the model worker ended the job without a result: ask again")

    def _stream(self, request: AnyRequest) -> Iterator[bytes]:
        client, url, headers = self._reach(request.image)
        headers["Content-Type"] = "application/json"
        try:
            address, content = f"{url}/v1/{request.action}", request.model_dump_json()
            with client.stream("POST", address, content=content, headers=headers) as reply:
                if reply.status_code != 200:
                    reply.read()
                    raise _error_in(reply)
                yield from reply.iter_raw()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise self.endpoint.gone(url, error) from error

    def _send(self, image: str) -> bool:
        """Give the worker an image file, again or for the first time; False if this process does not know the file.

        A worker on this machine finds it in its folder; one elsewhere is sent the bytes.
        """
        with self._lock:
            path = self._files.get(image)
        if path is None or not path.is_file():
            return False
        self._reach(image)
        size = path.stat().st_size
        if self._upload_bytes is not None and size > self._upload_bytes:
            raise ImageError(
                f"{path.name} has {size / 2**20:,.0f} MiB, and the worker accepts "
                f"{self._upload_bytes / 2**20:,.0f}: compress it or cut it into parts"
            )
        if self.endpoint.folder is not None:
            place(self.endpoint.folder, image, path)
            self._call("GET", f"/v1/images/{image}", image)
            return True
        with open(path, "rb") as file:
            self._call(
                "PUT",
                f"/v1/images/{image}",
                image,
                {"Content-Length": str(size)},
                iter(lambda: file.read(CHUNK), b""),
            )
        return True

    def _call(
        self,
        method: str,
        path: str,
        image: str | None = None,
        more: dict[str, str] | None = None,
        content: Iterator[bytes] | None = None,
    ) -> httpx.Response:
        client, url, headers = self._reach(image)
        try:
            reply = client.request(method, url + path, headers=headers | (more or {}), content=content)
        except httpx.HTTPError as error:
            raise self.endpoint.gone(url, error) from error
        if reply.status_code != 200:
            raise _error_in(reply)
        return reply

    def _reach(self, image: str | None) -> tuple[httpx.Client, str, dict[str, str]]:
        """Client, base URL and headers for a request; the worker's version is checked once an address."""
        url, secret = self.endpoint.address()
        loopback = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        client = self._clients[not loopback]
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        if self._schema_checked_at != url:
            self._check_schema(client, url, headers)
            self._schema_checked_at = url
        return client, url, headers | ({AFFINITY: image} if image else {})

    def _check_schema(self, client: httpx.Client, url: str, headers: dict[str, str]) -> None:
        try:
            health = Health.model_validate(client.get(f"{url}/health", headers=headers).json())
        except httpx.HTTPError as error:
            raise self.endpoint.gone(url, error) from error
        except (ValueError, ValidationError):
            raise WorkerError(f"what answers at {url} is no UHR-BAT worker: check UHRBAT_WORKER_URL") from None
        if health.schema_version != protocol.SCHEMA:
            raise WorkerError(
                f"the worker speaks version {health.schema_version} and this client {protocol.SCHEMA}: "
                "update the older one"
            )
        self._upload_bytes = health.upload_bytes


def _error_in(reply: httpx.Response) -> UHRBATError:
    """The error that a reply reports."""
    try:
        error = codec.error_of(Failure.model_validate(reply.json()))
    except ValueError:
        return WorkerError(f"the model worker answered with status {reply.status_code}: look at its log")
    if reply.status_code == 413:
        return ImageError(str(error))
    return error
