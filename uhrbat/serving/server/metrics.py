"""What a worker counts, as Prometheus text."""

from __future__ import annotations

from collections.abc import Callable

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


def memory(device: str) -> dict[str, int]:
    """Bytes in use: "host" (resident set of this process) and, on a GPU, "device" (most allocated so far)."""
    used = {"host": psutil.Process().memory_info().rss}
    if device.startswith("cuda"):
        import torch

        used["device"] = torch.cuda.max_memory_allocated()
    return used


class Metrics:
    """Counters and gauges of one worker, named uhrbat_...; nothing of a question or an image is in them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._jobs = Counter("uhrbat_jobs", "Jobs that ended", ["action", "outcome"], registry=self.registry)
        self._job_seconds = Histogram(
            "uhrbat_job_seconds", "From request to end, waiting included", ["action"], buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._stage_seconds = Histogram(
            "uhrbat_stage_seconds", "Time of a stage that was done now", ["stage"], buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._requests = Counter(
            "uhrbat_requests", "HTTP requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._out_of_memory = Counter(
            "uhrbat_out_of_memory", "Jobs that memory did not suffice for", registry=self.registry
        )
        self._lookups = Counter(
            "uhrbat_scene_lookups", "Look-ups of encoded images", ["outcome"], registry=self.registry
        )

    def ended(self, action: str, outcome: str, seconds: float) -> None:
        """A job has ended: "done", "cancelled", "busy" or "failed"."""
        self._jobs.labels(action, outcome).inc()
        self._job_seconds.labels(action).observe(seconds)

    def request(self, method: str, route: str, status: int) -> None:
        """A request was answered; route: its pattern, such as /v1/images/{image}."""
        self._requests.labels(method, route, status).inc()

    def ran_out_of_memory(self) -> None:
        """Memory did not suffice for a job."""
        self._out_of_memory.inc()

    def stage(self, stage: str, seconds: float) -> None:
        """A stage was done."""
        self._stage_seconds.labels(stage).observe(seconds)

    def lookup(self, outcome: str) -> None:
        """An encoded image was looked for: "hit" or "miss"."""
        self._lookups.labels(outcome).inc()

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A number that is read when the metrics are."""
        Gauge(f"uhrbat_{name}", about, registry=self.registry).set_function(value)

    def text(self) -> str:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry).decode()
