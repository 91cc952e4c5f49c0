"""What the page's scripts take from Python instead of repeating it: one JSON object and the fates' colours in CSS.

`head()` stands in the page's head; `assets/viewer/constants.js` reads it and `types.d.ts` describes it. The scripts'
own tests read a copy, `python -m app.constants > assets/viewer/tests/constants.json`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import uhrbat
from uhrbat import choices
from uhrbat.budget import PRESETS, RELEASED_BUDGETS
from uhrbat.geometry import SCALES, Scale
from uhrbat.imagery.tile_pyramid import TILE_SIZE

from . import overlays, theme
from .explorer import METHOD_CHOICES
from .shares import geometry

ID = "uhr-constants"
NANO = Path(uhrbat.__file__).parent / "nano" / "config.json"
HEAT_STOPS = 17
STAGES = {
    "read": "read the image",
    "encode": "encode its tiles",
    "survey": "find what stands out",
    "window": "read the tiles to look at",
    "look": "look at them",
    "score": "score the tokens",
    "partition": "find the regions",
    "rank": "rank the tokens",
    "select": "select",
    "prefill": "prefill",
    "decode": "decode",
}
"""The worker's stages as the Run tab lists them."""
_PRESETS = {
    "Released": ("Paper default", "What the released model was trained with"),
    "XLRS-Bench": ("XLRS-Bench", "The paper's budgets for XLRS-Bench"),
    "RSHR-Bench": ("RSHR-Bench", "The paper's budgets for RSHR-Bench and MME-RealWorld-RS"),
}
"""Presets of `uhrbat.budget` that the page offers: what the button says, and what it explains."""


@cache
def constants() -> dict[str, Any]:
    """Plain values that JSON can hold. `model` is the geometry of the default model, until workers report their own."""
    heat = matplotlib.colormaps[theme.HEAT](np.linspace(0, 1, HEAT_STOPS))
    return {
        "model": geometry([Scale(size) for size in SCALES], json.loads(NANO.read_text())["least_side"]),
        "budget": {
            "start": choices.DEFAULT_BUDGET,
            "proportion": [RELEASED_BUDGETS[size] for size in SCALES],
            "presets": [
                {"name": name, "tip": tip, "per_scale": list(PRESETS[key])} for key, (name, tip) in _PRESETS.items()
            ],
        },
        "maps": {"merged_bit": overlays.MERGED_BIT, "headroom": overlays.HEADROOM},
        "fates": {
            "dropped": choices.DROPPED,
            "preserved": choices.PRESERVED,
            "merged": choices.MERGED,
            "padding": choices.PADDING,
        },
        "colors": {
            "preserved": theme.PRESERVED,
            "merged": theme.MERGED,
            "dropped": theme.DROPPED,
            "padding": theme.PADDING,
            "heat": [matplotlib.colors.to_hex(stop) for stop in heat],
        },
        "image_tile": TILE_SIZE,
        "method": list(METHOD_CHOICES),
        "stages": STAGES,
    }


def head() -> str:
    """HTML for the page's head: the constants as JSON, and the fates' colours for the style sheets."""
    content = json.dumps(constants()).replace("<", "\\u003c")
    return (
        f"<style>:root {{ --uhr-preserved: {theme.PRESERVED}; --uhr-merged: {theme.MERGED}; "
        f"--uhr-padding: {theme.PADDING}; }}</style>\n"
        f'<script type="application/json" id="{ID}">{content}</script>'
    )


if __name__ == "__main__":
    print(json.dumps(constants(), indent=2))
