"""`uhrbat explore`: the page in a browser."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import click

from uhrbat.cli import options
from uhrbat.errors import UHRBATError

PACKAGES = ("uhrbat_explorer", "app")
"""The page as the wheel installs it, and as the repository has it."""


@click.command("explore")
@click.option("--host", help="address to bind to (default: GRADIO_SERVER_NAME or 127.0.0.1)")
@click.option("--port", type=click.IntRange(1, 65535), help="default: PORT, GRADIO_SERVER_PORT or 7860")
@options.models
def command(host: str | None, port: int | None, models: tuple[str, ...]) -> None:
    """Start the explorer, a page in the browser."""
    options.offer(models)
    package = next(filter(find_spec, PACKAGES), None)
    if package is None:
        raise UHRBATError("the explorer's page is not installed: pip install . in the repository")
    try:
        import_module(f"{package}.start").main(host, port)
    except OSError as error:
        raise UHRBATError(str(error)) from error
