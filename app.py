"""Starts the explorer: `python app.py`. A Hugging Face Space runs the same file.

Environment: PORT or GRADIO_SERVER_PORT (7860), GRADIO_SERVER_NAME (127.0.0.1), UHRBAT_WORKER_URL (a worker
elsewhere), UHRBAT_MCP=1 (serve the endpoints as MCP tools), UHRBAT_CACHE (a folder for the viewer's tiles), and the
limits of `uhrbat/serving/limits.py`.
"""

import logging
import os
import signal
import sys
import threading

from app.explorer import Explorer
from app.page import build, launch_options
from uhrbat.serving.client.connect import connect
from uhrbat.serving.limits import Limits


def main() -> None:
    """Build the page, start a worker behind it, and serve until stopped."""
    logging.basicConfig(level=os.environ.get("UHRBAT_LOG_LEVEL", "WARNING").upper())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as any exit: worker stopped, temporary files deleted
    limits = Limits.from_environment()
    explorer = Explorer(connect, limits=limits)
    page = build(explorer)
    threading.Thread(target=explorer.models, daemon=True, name="start the worker").start()
    try:
        page.launch(
            server_name=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
            server_port=int(os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT") or 7860),
            max_file_size=limits.upload_bytes,
            mcp_server=os.environ.get("UHRBAT_MCP") == "1",
            **launch_options(explorer),
        )
    finally:
        explorer.close()


if __name__ == "__main__":
    main()
