"""The worker as a Ray Serve application: replicas that scale with the load, each with its own device and cache.

Requests about one image go to the replica that holds its features: the client names the image in a header, and each
replica reports to Serve which images it holds (Serve's model multiplexing, keyed by the image's hash). Started by
`python -m uhrbat.serving --ray` or, on a cluster, by `serve run serve.yaml`. Needs requirements-cluster.txt.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Self

import ray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from pydantic_settings import SettingsConfigDict
from ray import serve
from ray.serve.config import RequestRouterConfig
from ray.serve.request_router import MultiplexMixin, PendingRequest, RequestRouter, RunningReplica

from uhrbat.errors import InputError
from uhrbat.serving.limits import FromEnvironment
from uhrbat.serving.routing import Routes
from uhrbat.serving.server.app import LOOPBACK, make_app
from uhrbat.serving.server.models import Load, load_engine
from uhrbat.serving.server.service import Service

NAME = "uhrbat"
HELD_IMAGES = 64
"""A replica reports that it holds so many images, the last asked about."""
STREAMS = 256


class Replicas(FromEnvironment):
    """How many workers there are and what each gets; `args` of the config file, or UHRBAT_RAY_<FIELD>.

    | field | default | meaning                                                        |
    | ----- | ------- | -------------------------------------------------------------- |
    | least | 1       | replicas when nothing is asked                                 |
    | most  | 4       | replicas under load                                            |
    | jobs  | 4       | jobs a replica, waiting ones included, that autoscaling aims at |
    | gpus  | 0       | GPUs a replica; 0 runs it on CPU                               |
    | cpus  | 1       | CPU cores a replica                                            |
    """

    model_config = SettingsConfigDict(env_prefix="UHRBAT_RAY_")

    least: PositiveInt = 1
    most: PositiveInt = 4
    jobs: PositiveFloat = 4
    gpus: NonNegativeFloat = 0
    cpus: PositiveFloat = 1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"{self.least} replicas at least and {self.most} at most: give least <= most")
        return self


class ImageRouter(MultiplexMixin, RequestRouter):
    """Chooses the replica as `Routes` does; where that one has no room, and without an image, the least busy."""

    def initialize_state(self, **_: Any) -> None:
        self.routes = Routes(HELD_IMAGES)

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Groups of replicas to try, one after the other."""
        image = pending_request.metadata.multiplexed_model_id if pending_request else ""
        if not image:
            return [candidate_replicas]
        held = {str(replica.replica_id): replica.multiplexed_model_ids for replica in candidate_replicas}
        first = self.routes.workers(image, held)
        chosen = [replica for replica in candidate_replicas if str(replica.replica_id) in first]
        return [chosen, [replica for replica in candidate_replicas if replica not in chosen]]


@serve.ingress()
class Replica:
    """One worker of several."""

    def __init__(self, secret: str | None, load: Load) -> None:
        self.secret = secret
        self.service = Service(load=load)

    def __serve_build_asgi_app__(self) -> Any:
        app = make_app(self.service, self.secret, LOOPBACK if self.secret is None else ("*",))

        async def holding(scope: Any, receive: Any, send: Any) -> None:
            image = serve.get_multiplexed_model_id() if scope["type"] == "http" else ""
            if image:
                await self.hold(image)
            await app(scope, receive, send)

        return _Asgi(holding)

    @serve.multiplexed(max_num_models_per_replica=HELD_IMAGES)
    async def hold(self, image: str) -> str:
        """Serve sends what is asked about this image here from now on."""
        return image

    def check_health(self) -> None:
        """Serve replaces a replica for which this raises."""
        health = self.service.health()
        if health.status in ("failed", "stuck"):
            raise RuntimeError(health.message)


class _Asgi:
    """An ASGI app made of a function; a bare function would be taken for one that builds an app."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


def application(replicas: Replicas, secret: str | None, load: Load = load_engine) -> serve.Application:
    """The application: what `serve.run` takes."""
    deployment = serve.deployment(
        Replica,
        name="worker",
        max_ongoing_requests=STREAMS,
        request_router_config=RequestRouterConfig(request_router_class=ImageRouter),
        autoscaling_config={
            "min_replicas": replicas.least,
            "max_replicas": replicas.most,
            "target_ongoing_requests": replicas.jobs,
        },
        ray_actor_options={"num_cpus": replicas.cpus, "num_gpus": replicas.gpus},
    )
    return deployment.bind(secret, load)


def build(arguments: dict[str, Any]) -> serve.Application:
    """The application of a config file (`serve.yaml`); wants UHRBAT_WORKER_TOKEN, since others can reach it."""
    secret = os.environ.get("UHRBAT_WORKER_TOKEN")
    if not secret:
        raise InputError("set UHRBAT_WORKER_TOKEN: others may reach this worker")
    return application(Replicas(**arguments), secret)


def start(host: str, port: int, **options: Any) -> None:
    """Start a Ray cluster of this machine's own, and Serve at an address; options: more of `ray.init`.

    Ray's own ports are open to other machines, and whoever may use them can run code here; since 2.59 Ray makes a
    token for them (~/.ray/auth_token) unless RAY_AUTH_MODE says otherwise.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(include_dashboard=False, **options)
    serve.start(http_options={"host": host, "port": port})


def run(host: str, port: int, secret: str | None) -> None:
    """Serve from this machine until stopped."""
    start(host, port)
    serve.run(application(Replicas(), secret), name=NAME, blocking=True)
