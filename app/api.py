"""The same actions as named endpoints, for `gradio_client` and MCP."""

from app.explorer import Explorer


def add(explorer: Explorer) -> None:
    """Add the endpoints to the page being built."""
