"""Starts the explorer: `python app.py`. A Hugging Face Space runs the same file.

Environment: PORT or GRADIO_SERVER_PORT (7860), GRADIO_SERVER_NAME (127.0.0.1), UHRBAT_WORKER_URL (a worker
elsewhere), UHRBAT_MCP=1 (serve the endpoints as MCP tools), UHRBAT_CACHE (a folder for the viewer's tiles), and the
limits of `app/limits.py` and `uhrbat/serving/limits.py`. UHRBAT_HOSTS (names that a proxy before the page has, comma-separated),
UHRBAT_MONITORING=1 (open Gradio's /monitoring and /openapi.json).
"""

import logging
import os
import signal
import sys
import threading

from app.explorer import Explorer
from app.guard import CLOSED, LOOPBACK
from app.limits import PageLimits
from app.page import build, launch_options
from uhrbat.serving.client.connect import connect


def main() -> None:
    """Build the page, start a worker behind it, and serve until stopped."""
    logging.basicConfig(level=os.environ.get("UHRBAT_LOG_LEVEL", "WARNING").upper())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as any exit: worker stopped, temporary files deleted
    name = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    limits = PageLimits()
    explorer = Explorer(connect, limits=limits)
    page = build(explorer)
    threading.Thread(target=explorer.models, daemon=True, name="start the worker").start()
    try:
        page.launch(
            server_name=name,
            server_port=int(os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT") or 7860),
            max_file_size=limits.upload_bytes,
            mcp_server=os.environ.get("UHRBAT_MCP") == "1",
            **launch_options(
                explorer, _hosts(name), frozenset() if os.environ.get("UHRBAT_MONITORING") == "1" else CLOSED
            ),
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


if __name__ == "__main__":
    main()
