"""The worker inside the explorer's process, for ZeroGPU hardware, where a GPU is lent to a function call.

On a ZeroGPU Space (SPACES_ZERO_GPU is set) `spaces.GPU` runs the decorated function in a forked process that
holds the GPU; what it yields comes back through a pipe. Models are loaded here, before the fork; encoded
images stay in the forked process, which serves further calls while the GPU is lent, and are encoded again in
the next one. Elsewhere the decorator does nothing and the same code runs in place.
"""

from __future__ import annotations

import html
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from uhrbat.errors import Cancelled, WorkerError
from uhrbat.imagery import apart
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.job import HEARTBEAT_SECONDS
from uhrbat.serving.lent import LentSeconds
from uhrbat.serving.protocol import AnyRequest
from uhrbat.serving.server.actions import run_action
from uhrbat.serving.server.context import ActionContext, Emit, ModelHost, Steps
from uhrbat.serving.server.deadline import Deadline
from uhrbat.serving.server.service import Service

logger = logging.getLogger(__name__)
LANES = 4
"""Jobs at once: ZeroGPU itself decides which of them has a GPU."""
_hosts: list[ModelHost] = []
"""The host of this process, where the forked one finds it: it cannot travel through a pipe."""


def is_here(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this is ZeroGPU hardware."""
    environment = os.environ if environment is None else environment
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """`spaces.GPU` on ZeroGPU hardware; the function itself elsewhere.

    The function's last argument says how many seconds it needs.
    """
    if not is_here():
        return function
    import spaces

    return spaces.GPU(duration=lambda *arguments: arguments[-1])(function)


def connect() -> InProcessWorker:
    """A worker in this process whose work is done where the GPU is; its models are loaded before."""
    service = Service(lanes=LANES, run=run_with_gpu)
    service.models.get(service.models.first)
    return InProcessWorker(service)


@gpu
def with_gpu(request: AnyRequest, path: str, seconds: float, lent: int) -> Generator[tuple[str, Any], None, None]:
    """Do an action where the GPU is: yields ("event", Event), ("", None) while nothing is new, and last
    ("result", result) or ("error", exception)."""
    news: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    deadline = Deadline(min(seconds, lent))

    def work() -> None:
        try:
            with deadline:
                steps = run_action(_hosts[-1], request, Path(path), lambda event: news.put(("event", event)), deadline)
                news.put(("result", _exhausted(steps)))
        except Exception as error:  # it is raised again on the other side
            news.put(("error", error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        kind = ""
        while kind not in ("result", "error"):
            try:
                kind, value = news.get(timeout=HEARTBEAT_SECONDS)
            except Empty:
                kind, value = "", None
            yield kind, value
    finally:
        deadline.cancel()
        thread.join(timeout=5)


def run_with_gpu(host: ModelHost, request: AnyRequest, path: Path, emit: Emit, deadline: Deadline) -> Steps:
    """`run_action` where the GPU is: the whole action is one step, after the model is loaded here, before the fork."""
    yield from ActionContext(host, request, path, emit, deadline).load()
    _hosts[:] = [host]
    info = apart.open_image(path, host.limits.images())
    seconds = LentSeconds().of(request, host.models.square(request.settings.model, info.width, info.height))
    began = time.monotonic()
    calls = _called(request, str(path), deadline.seconds_left, seconds)
    try:
        for kind, value in calls:
            if deadline.is_set():
                raise Cancelled("stopped, as asked")
            if kind == "event":
                emit(value)
            elif kind == "error":
                raise value
            elif kind == "result":
                logger.info("%s asked for %d s, took %.1f", request.action, seconds, time.monotonic() - began)
                return value
    except Exception as error:
        if any(kind.__module__.startswith("gradio.") for kind in type(error).__mro__):
            raise WorkerError(_text(str(getattr(error, "message", error)))) from None
        raise
    finally:
        calls.close()
    raise WorkerError("the GPU was taken back before the job was done: ask again")


def _called(*arguments: Any) -> Generator[tuple[str, Any], None, None]:
    """`with_gpu`, called when its first news is wanted: `spaces` may refuse at either moment."""
    yield from with_gpu(*arguments)


def _text(message: str) -> str:
    """A message of `spaces`, which may be HTML, as text; links keep their addresses."""
    linked = re.sub(r"""<a\b[^>]*href=["']?([^"'> ]+)[^>]*>(.*?)</a>""", r"\2 (\1)", message, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", linked))


def _exhausted(steps: Steps) -> Any:
    """What steps return, all done one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
