"""The page: what stands where, and which action each event leads to."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from uhrbat.choices import DEFAULT_BUDGET, DEFAULT_MODEL

from . import api, constants, progress, theme
from .actions import Actions
from .explorer import DEFAULT, Explorer
from .routes import SCRIPTS, routes
from .uploads import UploadCheck
from .viewer import ASSETS, PREFIX, Panel

TITLE = "UHR-BAT Explorer"
SUFFIXES = [".jpg", ".jpeg", ".png", ".tif", ".tiff", ".jp2", ".j2k", ".webp", ".gif"]
_PRELOAD = "\n".join(f'<link rel="modulepreload" href="{ASSETS}/{path.name}">' for path in sorted(SCRIPTS.glob("*.js")))
HEAD = f"""
{constants.head()}
<link rel="stylesheet" href="{PREFIX}/leaflet/leaflet.css">
<link rel="stylesheet" href="{ASSETS}/explorer.css">
<link rel="stylesheet" href="{ASSETS}/tabs.css">
<link rel="stylesheet" href="{ASSETS}/findings.css">
{_PRELOAD}
"""
_LINK = "async () => [(await import(new URL('{assets}/link.js', document.baseURI).href)).linked()]"
_QUIET = {"show_progress": "hidden", "api_visibility": "private"}
_AT_ONCE = 48
"""Events of a kind that may wait for the worker at once; each holds a thread meanwhile."""


@dataclass
class Parts:
    """The components that events read and write."""

    link: gr.Textbox
    header: Panel
    gallery: Panel
    file: gr.File
    question: gr.Textbox
    suggestions: Panel
    budget: Panel
    model: gr.Dropdown
    importance: gr.Dropdown
    regions: gr.Dropdown
    order: gr.Dropdown
    seed: gr.Number
    ask: Panel
    viewer: Panel
    answer: Panel
    object: Panel
    sweep: Panel
    compare: Panel
    run: Panel
    findings: Panel


def build(explorer: Explorer) -> gr.Blocks:
    """The whole page; start it with `launch(**launch_options(explorer))`."""
    keep = (1800, int(3600 * explorer.shelf.limits.tiles_hours))
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=keep, fill_width=True) as page:
        parts = _lay_out()
        api.add(explorer)  # first, so that its endpoints get the plain names
        _wire(page, Actions(explorer, parts), parts)
    page.queue(default_concurrency_limit=_AT_ONCE)
    return page


def launch_options(explorer: Explorer) -> dict[str, Any]:
    """What `launch` needs besides the port: our routes, look, and limits."""
    return {
        "app_kwargs": {
            "routes": routes(explorer.shelf, explorer.runs, explorer.findings),
            "middleware": [Middleware(UploadCheck, most=explorer.shelf.limits.upload_bytes)],
        },
        "ssr_mode": False,
        "max_threads": 3 * _AT_ONCE,
        "theme": theme.theme(),
        "head": HEAD,
        "footer_links": [],
    }


def _lay_out() -> Parts:
    link = gr.Textbox(visible="hidden", label="link", elem_id="link")
    header = Panel("header", elem_id="header")
    with gr.Row(elem_id="explorer"):
        with gr.Column(elem_id="left"):
            with gr.Column(elem_id="image-card"):
                gallery = Panel("gallery", "pick bands", elem_id="gallery")
                file = gr.File(
                    label="Upload an image",
                    file_types=SUFFIXES,
                    elem_id="upload",
                    height=64,
                    show_label=False,
                )
            with gr.Column(elem_id="question-card"):
                question = gr.Textbox(
                    label="Question",
                    lines=2,
                    max_lines=4,
                    elem_id="question",
                    placeholder="What do you want to know of the image?",
                    submit_btn=False,
                )
                suggestions = Panel("gallery", "suggest", mount="mountSuggestions", elem_id="suggestions")
            with gr.Column(elem_id="budget-card"):
                budget = Panel("budget", elem_id="budget", value={"total": DEFAULT_BUDGET, "per_scale": None})
                with gr.Accordion("Model and method", open=False, elem_id="method"):
                    model, importance, regions, order, seed = _method()
                ask = Panel("ask", "ask cancel", elem_id="ask", value=progress.running("opening the page", 0.0, "open"))
        with gr.Column(elem_id="middle"):
            viewer = Panel("viewer", "box", elem_id="viewer")
            answer = Panel("answer", "again", elem_id="answer")
        with gr.Column(elem_id="right"), gr.Tabs(elem_id="tabs"):
            with gr.Tab("Object", id="object"):
                object_ = Panel("object", "box force without", elem_id="object")
            with gr.Tab("Budgets", id="budgets"):
                sweep = Panel("sweep", "sweep", elem_id="sweep")
            with gr.Tab("Compare", id="compare"):
                compare = Panel("compare", "compare", elem_id="compare")
            with gr.Tab("Run", id="run"):
                run = Panel("run", elem_id="run")
    findings = Panel("findings", "open", elem_id="findings")
    return Parts(
        link,
        header,
        gallery,
        file,
        question,
        suggestions,
        budget,
        model,
        importance,
        regions,
        order,
        seed,
        ask,
        viewer,
        answer,
        object_,
        sweep,
        compare,
        run,
        findings,
    )


def _method() -> tuple:
    """Choices that most people leave alone."""
    model = gr.Dropdown(
        [DEFAULT_MODEL],
        value=DEFAULT_MODEL,
        label="Model",
        allow_custom_value=True,
        elem_id="model",
        info="nano ships with the explorer; UHRBAT_MODELS offers more when it is started",
    )
    importance = gr.Dropdown(
        [DEFAULT, "similarity", "attention", "fused"],
        value=DEFAULT,
        label="Importance",
        elem_id="importance",
        info="How much the question needs a token: by likeness, by the language model's attention, or both",
    )
    regions = gr.Dropdown(
        [DEFAULT, "kmeans", "grid", "none"],
        value=DEFAULT,
        label="Regions",
        elem_id="regions",
        info="The partition inside which tokens are merged",
    )
    order = gr.Dropdown(
        [DEFAULT, "max", "mean"],
        value=DEFAULT,
        label="Order of regions",
        elem_id="order",
        info="By a region's most important token, or by its mean as in the paper",
    )
    seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="seed", info="Fixes the k-means partition")
    return model, importance, regions, order, seed


def _wire(page: gr.Blocks, do: Actions, p: Parts) -> None:
    """Join events to actions. Long work may overlap: the worker itself queues, and says who is ahead."""
    each = {**_QUIET, "trigger_mode": "multiple", "concurrency_limit": _AT_ONCE}
    long, quick = {**each, "concurrency_id": "model"}, {**each, "concurrency_id": "page"}
    shown = [p.viewer, p.answer, p.object, p.sweep, p.compare, p.run, p.ask]
    method = [p.model, p.importance, p.regions, p.order, p.seed]

    p.ask.ask(do.ask, [p.question, p.budget, *method], shown, **long)
    p.answer.again(do.answer_again, p.budget, [p.viewer, p.answer, p.run, p.ask], **long)
    p.object.force(do.force, p.budget, [p.object, p.ask], **long)
    p.object.without(do.without, p.budget, [p.object, p.ask], **long)
    p.sweep.sweep(do.sweep, None, [p.sweep, p.ask], **long)
    p.compare.compare(do.compare, p.budget, [p.compare, p.ask], **long)
    p.ask.cancel(do.cancel, None, None, **quick)

    openings = [p.question, p.budget, p.gallery, p.file, p.importance, p.regions, p.order, p.seed, *shown]
    page.load(do.start, p.link, [*openings, p.model], js=_LINK.format(assets=ASSETS), **quick)
    p.findings.open(do.open_miss, None, openings, **quick)
    p.gallery.pick(do.pick, None, openings, **quick)
    p.gallery.bands(do.bands, None, openings, **quick)
    p.file.upload(do.upload, p.file, openings, **quick)
    for panel in (p.viewer, p.object):
        panel.box(do.inspect, p.budget, p.object, **quick)
    p.suggestions.suggest(None, None, p.question, js="() => window.UHRBAT.suggested()")
    p.question.change(None, p.question, None, js="(text) => window.UHRBAT.set({question: text ?? ''})")
    p.model.change(do.price, [p.model, p.budget], p.budget, **quick)
    p.question.submit(None, None, None, js="() => window.UHRBAT.ask()")
    page.unload(do.closed)
