"""Colours and type of the page. Fonts are the system's own, so that nothing is fetched from elsewhere."""

import gradio as gr
from gradio.themes.utils import colors, sizes

PRESERVED, MERGED, DROPPED, PADDING = "#56B4E9", "#E69F00", "#05080d", "#8b98a6"
"""The fates' colours (Okabe and Ito's blue and orange); padding, which is no fate, is hatched in its own. Scripts and
style sheets get them from app/constants.py."""
HEAT = "inferno"
"""The heat map of importance, by its matplotlib name."""

_SANS = ["Inter", "Segoe UI", "Roboto", "Helvetica Neue", "DejaVu Sans", "Arial", "sans-serif"]
_MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"]
_INK = colors.Color(
    name="ink",
    c50="#f6f7f9",
    c100="#eceff3",
    c200="#dde2e9",
    c300="#c3cad5",
    c400="#94a0b0",
    c500="#66717f",
    c600="#4c5664",
    c700="#2f3947",
    c800="#1b222c",
    c900="#141a22",
    c950="#0e1319",
)
_SEA = colors.Color(
    name="sea",
    c50="#eaf3fd",
    c100="#d4e6fa",
    c200="#abcdf5",
    c300="#7bb0ee",
    c400="#4793e6",
    c500="#0b6bcb",
    c600="#0a5fb5",
    c700="#094f96",
    c800="#0a4078",
    c900="#0a3360",
    c950="#061f3c",
)


def theme() -> gr.themes.Base:
    """The page's theme, light and dark."""
    base = gr.themes.Base(
        primary_hue=_SEA,
        neutral_hue=_INK,
        font=[gr.themes.Font(name) for name in _SANS],
        font_mono=[gr.themes.Font(name) for name in _MONO],
        text_size=sizes.text_sm,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_md,
    )
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_200",
        input_border_color_dark="*neutral_700",
    )
