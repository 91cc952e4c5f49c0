"""The page: what stands where."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from . import api, constants, guard, theme
from .cards import AT_ONCE, Cards
from .explorer import Explorer
from .panel import ASSETS, PREFIX, Panel
from .routes import SCRIPTS, routes
from .state.sessions import MOST as MOST_SESSIONS
from .state.uploads import UploadCheck

TITLE = "UHR-BAT Explorer"
_PRELOAD = "\n".join(f'<link rel="modulepreload" href="{ASSETS}/{path.name}">' for path in sorted(SCRIPTS.glob("*.js")))
HEAD = f"""
{constants.head()}
<link rel="stylesheet" href="{PREFIX}/leaflet/leaflet.css">
<link rel="stylesheet" href="{ASSETS}/explorer.css">
<link rel="stylesheet" href="{ASSETS}/tabs.css">
<link rel="stylesheet" href="{ASSETS}/findings.css">
{_PRELOAD}
"""


def build(explorer: Explorer) -> gr.Blocks:
    """The whole page; start it with `launch(**launch_options(explorer))`."""
    keep = (1800, int(3600 * explorer.shelf.limits.tiles_hours))
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=keep, fill_width=True) as page:
        cards = Cards(explorer)
        lay_out(cards)
        api.add(explorer)  # first, so that its endpoints get the plain names
        cards.wire(page)
    page.queue(default_concurrency_limit=AT_ONCE)
    return page


def launch_options(
    explorer: Explorer, hosts: Sequence[str] | None = None, closed: frozenset[str] = guard.CLOSED
) -> dict[str, Any]:
    """What `launch` needs besides the port: our routes, look, and limits. hosts, closed: see `guard.Guard`."""
    return {
        "app_kwargs": {
            "routes": routes(explorer.shelf, explorer.runs, explorer.findings),
            "middleware": [
                Middleware(guard.Guard, hosts=hosts, closed=closed),
                Middleware(UploadCheck, most=explorer.shelf.limits.upload_bytes),
            ],
        },
        "ssr_mode": False,
        # Gradio itself keeps half a megabyte for each page that ends without a word.
        "state_session_capacity": MOST_SESSIONS,
        "max_threads": 3 * AT_ONCE,
        "theme": theme.theme(),
        "head": HEAD,
        "footer_links": [],
    }


def lay_out(cards: Cards) -> None:
    """Put every card in its place."""
    cards.image.build_link()
    Panel("header", elem_id="header")
    with gr.Row(elem_id="explorer"):
        with gr.Column(elem_id="left"):
            with gr.Column(elem_id="image-card"):
                cards.image.build()
            with gr.Column(elem_id="question-card"):
                cards.question.build()
            with gr.Column(elem_id="method-card"), gr.Accordion("Model and method", open=False, elem_id="method"):
                cards.method.build()
            cards.question.build_ask()
        with gr.Column(elem_id="middle"):
            cards.viewer.build()
            with gr.Row(elem_id="controls"):
                cards.scoring.build()
                cards.budget.build()
            cards.answer.build()
        with gr.Column(elem_id="right"), gr.Tabs(elem_id="tabs"):
            for card, name in (
                (cards.object, "Object"),
                (cards.budgets, "Budgets"),
                (cards.compare, "Compare"),
                (cards.run, "Run"),
            ):
                with gr.Tab(name, id=name.lower()):
                    card.build()
                    # Four tabs are as many as fit beside the viewer: Gradio puts more of them behind a menu.
                    if card is cards.object:
                        cards.hand.build()
                    if card is cards.run:
                        cards.history.build()
    cards.findings.build()
