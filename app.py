"""Starts the explorer: `python app.py`. A Hugging Face Space runs the same file.

Environment: PORT or GRADIO_SERVER_PORT (7860), GRADIO_SERVER_NAME (127.0.0.1), UHRBAT_WORKER_URL (a worker
elsewhere), UHRBAT_MCP=1 (serve the endpoints as MCP tools), UHRBAT_CACHE (a folder for the viewer's tiles), and the
limits of `app/limits.py` and `uhrbat/serving/limits.py`. UHRBAT_HOSTS (names that a proxy before the page has,
comma-separated), UHRBAT_MONITORING=1 (open Gradio's /monitoring and /openapi.json).
"""

import sys

from app.start import main
from uhrbat.errors import UHRBATError

if __name__ == "__main__":
    try:
        main()
    except (UHRBATError, OSError) as error:
        sys.stderr.write(f"app.py: {error}\n")
        sys.exit(2)
