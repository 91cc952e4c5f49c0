"""The one component of our own: a part of the page that the browser draws from the value it is sent."""

from typing import Any

import gradio as gr

PREFIX = "gradio_api/uhr"
"""Under which everything of our own lies, from the page's own address."""
ASSETS = f"{PREFIX}/assets"
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

    def __init__(self, module: str, events: str = "", mount: str = "mount", value: Any = None, **options) -> None:
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
