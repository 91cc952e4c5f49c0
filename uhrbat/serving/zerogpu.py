"""The worker inside the explorer's process, for ZeroGPU hardware, where a GPU is lent to a function call.

On a ZeroGPU Space (SPACES_ZERO_GPU is set) `spaces.GPU` runs the decorated function in a forked process that
holds the GPU; what it yields comes back through a pipe. Models are loaded here, before the fork; encoded
scenes stay in the forked process, which serves further calls while the GPU is lent, and are encoded anew in
the next one. Elsewhere the decorator does nothing and the same code runs in place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from uhrbat.errors import Cancelled, WorkerError
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.job import HEARTBEAT_SECONDS, Token
from uhrbat.serving.protocol import Request
from uhrbat.serving.server.bench import Bench
from uhrbat.serving.server.service import Service
from uhrbat.serving.server.work import Emit

GPU_SECONDS = 120
LANES = 4
"""Jobs at once: ZeroGPU itself decides which of them has a GPU."""
_benches: list[Bench] = []


def is_here(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this is ZeroGPU hardware."""
    environment = os.environ if environment is None else environment
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """`spaces.GPU` on ZeroGPU hardware; the function itself elsewhere."""
    if not is_here():
        return function
    import spaces

    return spaces.GPU(duration=GPU_SECONDS)(function)


def connect() -> InProcessWorker:
    """A worker in this process whose work is done where the GPU is; its models are loaded before."""
    service = Service(lanes=LANES, bench=LentBench)
    service.models.get(service.models.first)
    return InProcessWorker(service)


@gpu
def with_gpu(action: str, request: Request, path: str, seconds: float) -> Iterator[tuple[str, Any]]:
    """Do an action where the GPU is: yields ("event", Event), ("", None) while nothing is new, and last
    ("result", result) or ("error", exception)."""
    told: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    token = Token(seconds)

    def work() -> None:
        try:
            with token:
                steps = _benches[-1].run(action, request, Path(path), lambda event: told.put(("event", event)), token)
                told.put(("result", _exhausted(steps)))
        except Exception as error:  # noqa: BLE001 (it is raised again on the other side)
            told.put(("error", error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        kind = ""
        while kind not in ("result", "error"):
            try:
                kind, value = told.get(timeout=HEARTBEAT_SECONDS)
            except Empty:
                kind, value = "", None
            yield kind, value
    finally:
        token.cancel()
        thread.join(timeout=5)


class LentBench:
    """A bench whose work is done by `with_gpu`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.bytes, self.forget = bench.bytes, bench.forget
        _benches.append(bench)

    def run(self, action: str, request: Request, path: Path, emit: Emit, token: Token) -> Generator[None, None, Any]:
        """The whole action as one step."""
        yield from ()
        calls = with_gpu(action, request, str(path), token.seconds_left)
        try:
            for kind, value in calls:
                if token.is_set():
                    raise Cancelled("stopped, as asked")
                if kind == "event":
                    emit(value)
                elif kind == "error":
                    raise value
                elif kind == "result":
                    return value
        except Exception as error:
            if type(error).__module__.startswith("gradio"):
                raise WorkerError(f"ZeroGPU: {error}") from None
            raise
        finally:
            calls.close()
        raise WorkerError("the GPU was taken back before the job was done: ask again")


def _exhausted(steps: Generator[None, None, Any]) -> Any:
    """What steps return, all done one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
