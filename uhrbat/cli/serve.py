"""`uhrbat serve`: the model worker."""

from __future__ import annotations

import click

from uhrbat.cli import options


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="address to bind to; the default is loopback only")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one")
@click.option("--ray", is_flag=True, help="as a Ray Serve application, with replicas")
@options.models
def command(host: str, port: int, ray: bool, models: tuple[str, ...]) -> int:
    """Run a model worker, which pages elsewhere use by its URL."""
    options.offer(models)
    from uhrbat.serving.__main__ import main

    return main(["--host", host, "--port", str(port), *(["--ray"] if ray else [])])
