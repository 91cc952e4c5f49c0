"""Starting the explorer: the page, and a worker behind it. `app.py` and `uhrbat explore` both call `main`."""

import logging
import os
import signal
import sys
import threading

from uhrbat.imagery import apart
from uhrbat.serving.client.connect import connect

from .explorer import Explorer
from .guard import CLOSED, LOOPBACK
from .limits import PageLimits
from .page import build, launch_options
from .state.folders import private_folder, sweep


def main(host: str | None = None, port: int | None = None) -> None:
    """Build the page, start a worker behind it, and serve until stopped.

    host, port: where to serve; by default what the environment says (see `app.py`), or 127.0.0.1:7860.
    """
    logging.basicConfig(level=os.environ.get("UHRBAT_LOG_LEVEL", "WARNING").upper(), force=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as any exit: worker stopped, temporary files deleted
    name = host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
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
            server_port=port or int(os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT") or 7860),
            max_file_size=limits.upload_bytes,
            mcp_server=os.environ.get("UHRBAT_MCP") == "1",
            **launch_options(explorer, _hosts(name), closed),
        )
    finally:
        explorer.close()


def _hosts(name: str) -> list[str] | None:
    """The names by which the page may be called: while only this machine reaches it its own, and UHRBAT_HOSTS' (a proxy
    before it has another name); None: any."""
    more = [host.strip().lower() for host in os.environ.get("UHRBAT_HOSTS", "").split(",") if host.strip()]
    if name in LOOPBACK:
        return [*LOOPBACK, *more]
    return more or None
