"""Starting the explorer: the page, and a worker behind it. `app.py` and `uhrbat explore` both call `main`."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping

from uhrbat.errors import InputError, quoted
from uhrbat.imagery import apart
from uhrbat.serving.client.connect import connect

from .explorer import Explorer
from .guard import CLOSED, LOOPBACK
from .limits import PageLimits
from .page import build, launch_options
from .state.folders import private_folder, sweep

PORT = 7860


def main(host: str | None = None, port: int | None = None) -> None:
    """Build the page, start a worker behind it, and serve until stopped.

    host, port: where to serve; by default what the environment says (see `app.py`), or 127.0.0.1:7860.
    InputError where that is not possible, or where a variable says what cannot be used.
    """
    name, port = address(host, port, os.environ)
    logging.basicConfig(level=os.environ.get("UHRBAT_LOG_LEVEL", "WARNING").upper(), force=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as any exit: worker stopped, temporary files deleted
    closed = frozenset() if os.environ.get("UHRBAT_MONITORING") == "1" else CLOSED
    limits = PageLimits()
    sweep()
    # What visitors upload lies in a folder of this process's own, so that nothing of it is left behind.
    os.environ["GRADIO_TEMP_DIR"] = str(private_folder("uploads"))
    explorer = Explorer(connect, limits=limits)
    apart.prepare()
    page = build(explorer)
    threading.Thread(target=explorer.models, daemon=True, name="start the worker").start()
    try:
        page.launch(
            server_name=name,
            server_port=port,
            max_file_size=limits.upload_bytes,
            mcp_server=os.environ.get("UHRBAT_MCP") == "1",
            **launch_options(explorer, _hosts(name), closed),
        )
    finally:
        explorer.close()


def address(host: str | None, port: int | None, environment: Mapping[str, str]) -> tuple[str, int]:
    """Where to serve: what was given, else what the environment says. InputError where nothing can be served there."""
    name = host or environment.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    if port is None:
        said = environment.get("PORT") or environment.get("GRADIO_SERVER_PORT") or str(PORT)
        if not said.isdecimal() or not 0 < int(said) < 2**16:
            raise InputError(f"PORT is {quoted(said)}: give a whole number from 1 to {2**16 - 1:,}")
        port = int(said)
    try:
        with socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((name, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} of {name} is in use: choose another by PORT") from None
        problem = f"the page cannot be served at {name}, port {port} ({error.strerror or error})"
        raise InputError(f"{problem}: set GRADIO_SERVER_NAME and PORT") from None
    return name, port


def _hosts(name: str) -> list[str] | None:
    """The names by which the page may be called: while only this machine reaches it its own, and UHRBAT_HOSTS' (a proxy
    before it has another name); None: any."""
    more = [host.strip().lower() for host in os.environ.get("UHRBAT_HOSTS", "").split(",") if host.strip()]
    if name in LOOPBACK:
        return [*LOOPBACK, *more]
    return more or None
