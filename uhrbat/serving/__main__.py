"""`python -m uhrbat.serving`: run a worker here. The explorer starts it with --child."""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import uvicorn

from uhrbat.errors import UHRBATError
from uhrbat.serving.server import heap
from uhrbat.serving.server.app import LOOPBACK, make_app
from uhrbat.serving.server.models import Load, load_engine
from uhrbat.serving.server.service import Service

PARENT_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None, load: Load = load_engine) -> int:
    """Serve until stopped. Exit code 2 and one line on standard error for what cannot be served.

    load: how a model is loaded; see `Service`.
    """
    parser = argparse.ArgumentParser(prog="uhrbat.serving", description="Run a UHR-BAT model worker.")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (default: loopback only)")
    parser.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one (default: 8000)")
    parser.add_argument("--ray", action="store_true", help="as a Ray Serve application, with replicas")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    heap.limit_arenas()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s worker %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uhrbat").setLevel(os.environ.get("UHRBAT_LOG_LEVEL", "INFO").upper())
    try:
        secret = os.environ.get("UHRBAT_WORKER_TOKEN") or None
        if secret is None and options.host not in (*LOOPBACK, "::1"):
            raise UHRBATError(f"to bind to {options.host}, set UHRBAT_WORKER_TOKEN: others may reach it there")
        if options.ray:
            try:
                from uhrbat.serving import ray as cluster
            except ModuleNotFoundError:
                raise UHRBATError("Ray is not installed: pip install -r requirements-cluster.txt") from None
            cluster.run(options.host, options.port, secret)
        elif options.child:
            _serve_parent(load, secret)
        else:
            _serve(load, secret, options.host, options.port)
    except (UHRBATError, OSError) as error:
        print(f"uhrbat.serving: {error}", file=sys.stderr)
        return 2
    return 0


def _serve(load: Load, secret: str | None, host: str, port: int) -> None:
    """Serve at an address; with port 0, the first line printed says which port it is."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        service = Service(load=load)
        app = make_app(service, secret, LOOPBACK if secret is None else ("*",))
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listener])
        service.close()


def _serve_parent(load: Load, secret: str | None) -> None:
    """Serve the process that started this one, on a loopback port, for as long as it lives."""
    parent = os.getppid()

    def until_input_ends() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    def until_parent_ends() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(0)

    for guard in (until_input_ends, until_parent_ends):
        threading.Thread(target=guard, daemon=True, name=guard.__name__).start()
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")
    _serve(load, secret, "127.0.0.1", 0)


if __name__ == "__main__":
    sys.exit(main())
