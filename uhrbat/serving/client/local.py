"""A worker in this very process: for tests, for Python, and where no child process may hold the GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uhrbat.imagery import sha256_file
from uhrbat.serving.client.worker import Worker
from uhrbat.serving.job import Job
from uhrbat.serving.protocol import AnyRequest, Health, ModelInfo
from uhrbat.serving.server.service import Service


class InProcessWorker(Worker):
    """The interface of a worker around a service of this process."""

    def __init__(self, service: Service | None = None) -> None:
        self.service = service or Service()

    def store(self, path: str | Path, image: str | None = None) -> str:
        image = image or sha256_file(path)
        self.service.store.add(path, image)
        return image

    def health(self) -> Health:
        return self.service.health()

    def metrics(self) -> str:
        return self.service.metrics()

    def models(self) -> tuple[ModelInfo, ...]:
        return self.service.infos_of_models()

    def close(self) -> None:
        self.service.close()

    def _submit(self, request: AnyRequest) -> Job[Any]:
        return self.service.submit(request)
