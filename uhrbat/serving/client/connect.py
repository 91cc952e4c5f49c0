"""Finds or starts the worker for this process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from uhrbat.serving.client.worker import Worker


def connect(environment: Mapping[str, str] | None = None) -> Worker:
    """The worker at UHRBAT_WORKER_URL (with UHRBAT_WORKER_TOKEN), if that is set.

    Else, on ZeroGPU hardware, one in this process; else a child process, started on its first use and stopped
    by `close()` or with this process.
    """
    from uhrbat.serving import zerogpu
    from uhrbat.serving.client.child import Supervisor
    from uhrbat.serving.client.http import HttpWorker, Remote

    environment = os.environ if environment is None else environment
    url = environment.get("UHRBAT_WORKER_URL")
    if url:
        return HttpWorker(Remote(url, environment.get("UHRBAT_WORKER_TOKEN")))
    if zerogpu.is_here(environment):
        return zerogpu.connect()
    return HttpWorker(Supervisor())
