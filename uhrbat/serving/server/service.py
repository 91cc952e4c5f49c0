"""A worker without its wire: stored images, models, whose turn it is, and what was counted."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from typing import Any

from uhrbat.errors import Cancelled, InputError, UHRBATError, WorkerError, out_of_memory
from uhrbat.imagery import apart
from uhrbat.serving.codec import UnknownImage
from uhrbat.serving.job import Job
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import AnyRequest, EncodeRequest, Health, ModelInfo, Status
from uhrbat.serving.server import heap, metrics
from uhrbat.serving.server.actions import RunAction, run_action
from uhrbat.serving.server.context import ModelHost, Steps
from uhrbat.serving.server.deadline import Deadline
from uhrbat.serving.server.models import Load, Models, Offer, load_engine
from uhrbat.serving.server.scheduler import Scheduler
from uhrbat.serving.server.storage import Store

logger = logging.getLogger(__name__)
TIDY_SECONDS = 600
ABSOLUTE_PATH = re.compile(r"(?<![\w.])(?<!:(?=//))(?<!:/)(?:[A-Za-z]:)?(?:[/\\][\w.@+-]+)*[/\\](?=[\w.@+-])")


class Service:
    """What every way of starting a worker has in common.

    load: how a model is loaded from its source on a device. lanes: see `Scheduler`. run: does an action (ZeroGPU has
    its own way).
    """

    def __init__(
        self,
        limits: Limits | None = None,
        offer: Offer | None = None,
        load: Load = load_engine,
        lanes: int = 1,
        run: RunAction = run_action,
    ) -> None:
        self.limits = limits or Limits()
        self.models = Models(offer or Offer.from_environment(), load, self.limits.looks)
        self.counted = metrics.Metrics()
        self.store = Store(
            self.limits.folder(), self.limits.store_bytes, self.limits.upload_bytes, self.limits.store_hours
        )
        self.host = ModelHost(self.models, self.limits, self.counted.stage, self.counted.lookup)
        self._run = run
        self.scheduler = Scheduler(self.limits, lanes, self.counted.ended, self._presentable)
        self._began = time.monotonic()
        self._add_gauges()
        self._first: Job[None] = Job()
        apart.prepare()
        self._closed = threading.Event()
        for work in (self._load_first, self._keep_tidy):
            threading.Thread(target=work, daemon=True, name=work.__name__).start()

    def submit(self, request: AnyRequest) -> Job[Any]:
        """Queue an action. What is wrong with it, or that there is no room for it, is raised by the job."""

        def steps(job: Job[Any], deadline: Deadline) -> Steps:
            self._check(request)
            mask = request.settings.mask
            try:
                with self.store.hold(request.image) as path, self.store.hold(mask or request.image) as beside:
                    if path is None or beside is None:
                        raise UnknownImage("the image is no longer stored here: open it again")
                    return (yield from self._run(self.host, request, path, job.emit, deadline))
            finally:
                heap.give_back()

        return self.scheduler.submit(request.action, request.session, steps, isinstance(request, EncodeRequest))

    def require(self, image: str) -> None:
        """UnknownImage unless an image of that id is stored."""
        if self.store.path(image) is None:
            raise UnknownImage("the image is no longer stored here: open it again")
        self.store.tidy(keep=image)  # a client on this machine may have put it here itself

    def accept(self, image: str) -> None:
        """Look at a file just stored; one that is no image is deleted, and ImageError raised."""
        with self.store.hold(image) as path:
            if path is None:
                raise UnknownImage("the image is no longer stored here: open it again")
            try:
                apart.open_image(path, self.limits.images())
            except UHRBATError as error:
                self.store.remove(image)
                raise self._presentable(error) from None

    def health(self) -> Health:
        """How this worker is."""
        status: Status = "starting"
        message = "the model is being loaded"
        if self.scheduler.stuck:
            status, message = "stuck", "a job does not stop: the worker must be started again"
        elif self._first.done:
            try:
                self._first.result(0)
                status, message = "ready", ""
            except UHRBATError as error:
                status, message = "failed", str(error)
        first = self.models.get(self.models.first) if self.models.is_loaded(self.models.first) else None
        return Health(
            status=status,
            message=message,
            device=str(first.device) if first else None,
            dtype=str(first.dtype).removeprefix("torch.") if first else None,
            uptime_seconds=round(time.monotonic() - self._began, 3),
            running=self.scheduler.running,
            queued=self.scheduler.queued,
            upload_bytes=self.store.file_bytes,
        )

    def metrics(self) -> str:
        """Counters and gauges, as Prometheus text."""
        return self.counted.text()

    def infos_of_models(self) -> tuple[ModelInfo, ...]:
        """The models on offer."""
        return self.models.infos()

    def close(self) -> None:
        """Stop; jobs that run fail as cancelled."""
        self._closed.set()
        self.scheduler.close()

    def _check(self, request: AnyRequest) -> None:
        limits = self.limits
        most_of = dict.fromkeys(("boxes", "force", "without", "look"), limits.boxes)
        most_of |= {"budgets": limits.budgets, "methods": limits.methods}
        for name, most in most_of.items():
            given = getattr(request, name, ())
            if len(given) > most:
                raise InputError(f"{name}: {len(given)} are too many; give at most {most}")
        if request.settings.looks > limits.looks:
            raise InputError(f"{request.settings.looks:,} looks are too many; take at most {limits.looks:,}")
        question = getattr(request, "question", "")
        if len(question) > limits.question_chars:
            raise InputError(
                f"the question has {len(question):,} characters; ask one of at most {limits.question_chars:,}"
            )

    def _load_first(self) -> None:
        try:
            self.models.get(self.models.first)
            self._first.finish(None)
        except Exception as error:
            self._first.fail(self._presentable(error))

    def _add_gauges(self) -> None:
        gauge, scheduler = self.counted.gauge, self.scheduler
        gauge("jobs_queued", "Jobs waiting for a turn", lambda: scheduler.queued)
        gauge("jobs_running", "Jobs on the device", lambda: scheduler.running)
        gauge("scene_bytes_host", "Encoded images in main memory", lambda: self.host.bytes("host"))
        gauge("scene_bytes_device", "Encoded images on the GPU", lambda: self.host.bytes("device"))
        gauge("store_bytes", "Stored images", self.store.used_bytes)
        gauge("memory_bytes", "Resident set of the worker", lambda: self._memory("host"))
        gauge("memory_device_bytes", "Most that was allocated on the GPU", lambda: self._memory("device"))
        gauge("uptime_seconds", "Since the start", lambda: time.monotonic() - self._began)

    def _memory(self, place: str) -> int:
        return metrics.memory(self.health().device or "cpu").get(place, 0)

    def _keep_tidy(self) -> None:
        while not self._closed.wait(TIDY_SECONDS):
            self.store.tidy()

    def _presentable(self, error: BaseException) -> UHRBATError:
        """The error as its caller may see it: no paths, no traces, and out of memory by its name."""
        if isinstance(error, UHRBATError):
            return type(error)(without_paths(str(error)))
        if out_of_memory(error):
            self.counted.ran_out_of_memory()
            logger.warning("out of memory; cached images are dropped: %s", error)
            self.host.forget()
            return WorkerError(
                "the model ran out of memory: ask again with a smaller budget; the worker itself goes on"
            )
        if isinstance(error, GeneratorExit):
            return Cancelled("stopped, as asked")
        reference = uuid.uuid4().hex[:8]
        logger.error("job failed, reference %s", reference, exc_info=error)
        return WorkerError(f"the model worker failed: ask again, or look up {reference} in its log")


def without_paths(message: str) -> str:
    """A message with file paths cut to their last part, and stored files called "the image"."""
    return re.sub(r"'?\b[0-9a-f]{64}\b'?", "the image", ABSOLUTE_PATH.sub("", message))
