"""The one component of our own: a part of the page that the browser draws from the value it is sent."""

import re
from collections.abc import Sequence
from typing import Any

import gradio as gr

from uhrbat.errors import InputError
from uhrbat.geometry import Scale

PREFIX = "gradio_api/uhr"
"""Under which everything of our own lies, from the page's own address."""
ASSETS = f"{PREFIX}/assets"
MOST_GRID = 1024
"""Tokens a side of the finest scale that a page can show."""
_LOAD = """
const events = {events};
element.dataset.events = events.join(' ');
import(new URL('{assets}/{module}.js', document.baseURI).href)
  .then((part) => part.{mount}({{ element, trigger, props, server, watch }}))
  .catch((error) => console.error('{module}', error));
"""


class Panel(gr.HTML):
    """A part of the page that `assets/viewer/<module>.js` draws from the value it is sent.

    Its template is constant and never mentions the value, so the DOM is never drawn again and zoom, focus and
    folds survive. `events` names, with spaces between, what the module
    triggers.
    """

    def __init__(self, module: str, events: str = "", mount: str = "mount", value: Any = None, **options):
        super().__init__(
            value=value,
            html_template='<div class="uhr-panel"></div>',
            js_on_load=_LOAD.format(events=events.split(), assets=ASSETS, module=module, mount=mount),
            apply_default_css=False,
            **options,
        )

    def api_info(self) -> dict[str, Any]:
        """The value is the page's own business and has no fixed shape."""
        return {"type": "object"}


def geometry(scales: Sequence[Scale]) -> dict[str, Any]:
    """A model's scales, coarse to fine, and its tile, in pixels; tokens a side of a tile; where the shares of a budget
    are fetched."""
    sizes, tile, grid = [scale.size for scale in scales], scales[0].tile, scales[0].tile_grid
    shares = f"shares/{tile}-{grid}-{'-'.join(map(str, sizes))}.bin"
    return {"scales": sizes, "tile": tile, "grid": grid, "shares": shares}


def scales_of(name: str) -> tuple[Scale, ...]:
    """The scales in the address of `geometry`'s shares; InputError where it is none, or is too large to be a model's."""
    if not re.fullmatch(r"\d{1,4}-\d{1,3}(-\d{1,5}){1,8}", name):
        raise InputError(f"'{name[:80]}' names no scales")
    tile, grid, *sizes = map(int, name.split("-"))
    if not tile or not grid or max(sizes) * grid > MOST_GRID * tile:
        raise InputError(f"'{name}' names no scales of a model")
    return tuple(Scale(size, tile, grid) for size in sizes)
