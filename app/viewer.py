"""The parts of the page that the browser draws: one component, and what is sent to it."""

from typing import Any

import gradio as gr

from app.ingest import Picture
from app.runs import KeptRun
from uhrbat.geometry import Scale, Square

PREFIX = "gradio_api/uhr"
"""Under which everything of our own lies, from the page's own address."""
ASSETS = f"{PREFIX}/assets"
CHOICE = 4
"""A file of more bands than this comes with a choice of those to be shown."""
_LOAD = """
const events = {events};
element.dataset.events = events.join(' ');
import(new URL('{assets}/{module}.js', document.baseURI).href)
  .then((part) => part.{mount}({{ element, trigger, props, server, watch }}))
  .catch((error) => console.error('{module}', error));
"""


class Panel(gr.HTML):
    """A part of the page that `assets/viewer/<module>.js` draws from the value it is sent.

    Its template is constant and never mentions the value, so the DOM is never drawn anew and zoom, focus and
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


def image_value(picture: Picture) -> dict[str, Any]:
    """What the viewer needs to know of a picture; boxes come with the tokens they touch at each scale."""
    square = Square(picture.info.width, picture.info.height)
    example, place, choice = picture.example, picture.place, picture.info.bands > CHOICE
    return {
        "id": picture.id,
        "example": example.name if example else None,
        "title": example.title if example else picture.name,
        "caption": example.caption if example else None,
        "width": square.width,
        "height": square.height,
        "side": square.side,
        "offset": list(square.offset),
        "max_zoom": picture.reader.max_zoom(),
        "tiles": f"tile/{picture.id}/{{z}}/{{x}}/{{y}}.jpg",
        "notes": list(picture.info.notes),
        "metres_per_pixel": picture.metres_per_pixel,
        "place": {"crs": place.name, "transform": list(place.transform)} if place and place.transform else None,
        "bands": {"names": list(picture.info.colors), "shown": list(picture.info.shown)} if choice else None,
        "objects": [
            {
                "kind": item.kind,
                "color": item.color,
                "box": list(item.box),
                "rectangles": rectangles(square, item.box),
            }
            for item in (example.objects if example else ())
        ],
        "questions": [
            {"text": known.text, "answer": known.answer, "evidence": list(known.evidence)}
            for known in (example.questions if example else ())
        ],
    }


def rectangles(square: Square, box) -> list[dict[str, list[int]]]:
    """For each scale the first and last row and column of the tokens that a box touches."""
    found = []
    for scale in square.scales:
        rows, cols = scale.rowcol(square.tokens_in_box(scale, box))
        found.append({"rows": [int(rows.min()), int(rows.max())], "cols": [int(cols.min()), int(cols.max())]})
    return found


def maps_value(run: KeptRun) -> dict[str, Any]:
    """Where the browser finds the token maps of a question, and how to read them."""
    return {
        "id": run.id,
        "question": run.question,
        "scales": [
            {
                "size": scale.size,
                "grid": Scale(scale.size).grid,
                "tokens": len(scale.rank),
                "scored": scale.scored,
                "low": float(scale.importance.min()),
                "high": float(scale.importance.max()),
                "stretch": run.stretch(scale.size),
                **{kind: f"run/{run.id}/{scale.size}/{kind}.png" for kind in ("rank", "importance", "region")},
            }
            for scale in run.asked.scales
        ],
    }
