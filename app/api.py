"""The page's actions as endpoints for `gradio_client`, curl and MCP: ingest, ask, answer, inspect, sweep, compare."""

import asyncio
import inspect as inspect_module
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr
import numpy as np
from anyio import to_thread

from uhrbat.budget import Budget, read_budget
from uhrbat.choices import DEFAULT_MODEL
from uhrbat.errors import InputError, UHRBATError, quoted
from uhrbat.geometry import Square
from uhrbat.imagery import Rendering
from uhrbat.results import AnswerResult, AskResult
from uhrbat.serving.job import Job

from . import examples
from .explorer import COMPARED, DEFAULT, SWEEP, Explorer, swept
from .export import plain, shown
from .panel import PREFIX
from .state.pictures import Picture, Steps, given_together
from .state.runs import Asked, KeptRun
from .texts import sentence


def add(explorer: Explorer) -> None:
    """Add the endpoints to the page being built. Images are named by what `ingest` returns, or as an example."""
    endpoints = _Endpoints(explorer)

    def ingest(
        file: str | None = None,
        picture: dict | None = None,
        beside: list[str] | None = None,
        address: str | None = None,
    ) -> dict:
        """Make an image known to the explorer: a file, or what is at an address on the web.

        Args:
            file: the image: JPEG, PNG, TIFF or GeoTIFF, JPEG 2000, WebP, GIF, BMP or NITF.
            picture: how it is shown, each part by default as the file has it: bands (three to show as red, green and
                blue, or one in grey, by number from 1 or by name), limits (the values shown as black and white),
                gamma, nodata (a value, or null for none), page (from 1), transparency ("alpha" or "none").
            beside: files that belong to it: world file, .prj, .aux.xml, .msk.
            address: instead of a file, where an image is: https://... of a host that this explorer allows (none by
                default).
        Returns:
            image: the id to give to the other endpoints; name, width, height, tokens (at nano's scales), notes; shown:
                how it is shown.
        """
        return endpoints.ingest(file, picture, beside, address)

    async def ask(
        image: str,
        question: str,
        budget: int = 3000,
        per_scale: list[int] | None = None,
        importance: str = DEFAULT,
        regions: str = DEFAULT,
        order: str = DEFAULT,
        seed: int = 0,
        model: str = DEFAULT_MODEL,
        split: str = DEFAULT,
        looks: int = 0,
        request: gr.Request | None = None,
    ) -> dict:
        """Answer a question about an image from at most `budget` visual tokens.

        Returns:
            answer, points (x, y in image pixels), tokens, understood (whether the model knows such questions), reading
            (what the question was read as, and why not), measured, budgets, ledger (one row a scale), caveat, run, and
            arrays: the address, below this server's, of an NPZ with every token's importance, rank, fate and region.
        """
        return await endpoints.run(
            lambda: endpoints.asked(image, question, model, importance, regions, order, seed, split, looks),
            lambda asked: explorer.ask(asked, _budget(budget, per_scale), _turn(request)),
            lambda asked, result: _asked(result, explorer.runs.add(KeptRun(**vars(asked), asked=result))),
        )

    async def answer(
        image: str,
        question: str,
        budget: int = 3000,
        per_scale: list[int] | None = None,
        force: list[list[float]] | None = None,
        without: list[list[float]] | None = None,
        look: list[list[float]] | None = None,
        attention: bool = False,
        importance: str = DEFAULT,
        regions: str = DEFAULT,
        order: str = DEFAULT,
        seed: int = 0,
        model: str = DEFAULT_MODEL,
        split: str = DEFAULT,
        looks: int = 0,
        request: gr.Request | None = None,
    ) -> dict:
        """Answer a question with the tokens of some boxes forced into the budget, taken out of it, or looked at.

        Args:
            force: boxes [x0, y0, x1, y1] in image pixels whose tokens are given first, as they are.
            without: boxes whose tokens are not given.
            look: boxes at which it is looked in the file's own pixels, besides the looks.
            attention: whether to say what each word of the answer looked at.
        Returns:
            answer, points (x, y in image pixels), tokens, budgets, ledger (one row a scale), caveat, run; attention:
            words and, by scale, weights[word][rank - 1], the part of the language model's last-layer attention that the
            word gave to the tokens of that rank.
        """
        return await endpoints.run(
            lambda: endpoints.asked(image, question, model, importance, regions, order, seed, split, looks),
            lambda asked: explorer.answer(
                asked,
                _budget(budget, per_scale),
                _turn(request),
                _given(force),
                _given(without),
                _given(look),
                attention is True,
            ),
            lambda _, result: _asked(result) | _attention(result),
        )

    async def inspect(
        image: str,
        question: str,
        box: list[float],
        budget: int = 3000,
        per_scale: list[int] | None = None,
        importance: str = DEFAULT,
        regions: str = DEFAULT,
        order: str = DEFAULT,
        seed: int = 0,
        model: str = DEFAULT_MODEL,
        split: str = DEFAULT,
        looks: int = 0,
        request: gr.Request | None = None,
    ) -> dict:
        """What became of an object's tokens under a question and a budget, and why.

        Args:
            box: x0, y0, x1, y1 in image pixels.
        Returns:
            verdict, cause, smallest_budget, rows (one a scale), steps (the verdict at every total budget).
        """
        return await endpoints.run(
            lambda: endpoints.asked(image, question, model, importance, regions, order, seed, split, looks),
            lambda asked: explorer.inspect(asked, box, _budget(budget, per_scale), _turn(request)),
        )

    async def sweep(
        image: str,
        question: str,
        budgets: list[int] = list(SWEEP),  # noqa: B006 - never changed; the API's documentation shows it
        truth: str | None = None,
        boxes: list[list[float]] | None = None,
        importance: str = DEFAULT,
        regions: str = DEFAULT,
        order: str = DEFAULT,
        seed: int = 0,
        model: str = DEFAULT_MODEL,
        split: str = DEFAULT,
        looks: int = 0,
        request: gr.Request | None = None,
    ) -> dict:
        """Answer a question at several budgets.

        Args:
            budgets: total budgets; those by default stop at all tokens that the model has.
            truth: the true answer, if known, to mark which answers are correct.
            boxes: evidence boxes, to measure how much of them is preserved.
        Returns:
            points: for each budget the answer, whether it is correct, evidence, tokens and seconds.
        """
        return await endpoints.run(
            lambda: endpoints.asked(image, question, model, importance, regions, order, seed, split, looks),
            lambda asked: explorer.sweep(
                asked, swept(asked.scales) if budgets == list(SWEEP) else budgets, _turn(request), truth, boxes
            ),
        )

    async def compare(
        image: str,
        question: str,
        budget: int = 3000,
        methods: list[str] = list(COMPARED),  # noqa: B006 - never changed; the API's documentation shows it
        boxes: list[list[float]] | None = None,
        importance: str = DEFAULT,
        regions: str = DEFAULT,
        order: str = DEFAULT,
        seed: int = 0,
        model: str = DEFAULT_MODEL,
        split: str = DEFAULT,
        looks: int = 0,
        request: gr.Request | None = None,
    ) -> dict:
        """Answer a question through several token compressors at one budget.

        Args:
            methods: which compressors.
            boxes: evidence boxes, to measure how much of them each keeps.
        Returns:
            methods: for each the answer, evidence kept, tokens and seconds.
        """
        return await endpoints.run(
            lambda: endpoints.asked(image, question, model, importance, regions, order, seed, split, looks),
            lambda asked: explorer.compare(asked, budget, _turn(request), methods, boxes),
        )

    # A real File component, so that Gradio itself checks that the file was uploaded to it.
    file, picture = gr.File(visible=False, label="file"), gr.JSON(visible=False, label="picture")
    beside = gr.File(visible=False, label="beside", file_count="multiple")
    address, known = gr.Textbox(visible=False, label="address"), gr.JSON(visible=False, label="image")
    file.upload(ingest, [file, picture, beside, address], known, api_name="ingest", show_progress="hidden")
    for endpoint in (ask, answer, inspect, sweep, compare):
        made = gr.api(endpoint, api_name=endpoint.__name__, concurrency_id="api", concurrency_limit=None)
        _describe(made, endpoint)


_SHARED = {
    "image": "an id that ingest returned, or the name of an example such as 'airfield'.",
    "question": "what to ask; what is kept of the image depends on it.",
    "budget": "how many tokens the language model may be given, over all scales.",
    "per_scale": "instead of budget, one number for each scale, coarse to fine.",
    "importance": "how tokens are scored: default, similarity, attention or fused.",
    "regions": "the partition in which tokens are merged: default, kmeans, grid or none; sam where it has the weights.",
    "order": "how regions are ordered: default, max or mean.",
    "seed": "fixes the partition.",
    "model": "which model answers.",
    "split": "how a total budget is shared over the scales: default, paper or question.",
    "looks": "tiles of the file's own pixels to look at beyond the finest scale; their tokens join the others.",
}
"""What endpoints' parameters of the same name mean."""


def _describe(made: Any, endpoint: Callable[..., Any]) -> None:
    """Give an endpoint's parameters and its result the names and descriptions that its documentation shows.

    made: what `gr.api` returned. Gradio names them 1st, 2nd, ... and describes none.
    """
    described = inspect_module.getdoc(endpoint) or ""
    _, _, returns = described.partition("Returns:\n")
    arguments, _, _ = described.partition("Args:\n")[2].partition("Returns:")
    own = dict(re.findall(r"^ {4}(\w+): ((?:.+\n?(?: {8}.+\n?)*))", arguments, re.MULTILINE))
    context = gr.context.Context.root_block
    assert context is not None, "endpoints are added while the page is built"
    block = context.fns[made["id"]]
    names = [name for name in inspect_module.signature(endpoint).parameters if name != "request"]
    inputs: Iterable[Any] = block.inputs  # Gradio's documentation of a component is one of its private names
    outputs: Iterable[Any] = block.outputs
    for name, part in zip(names, inputs, strict=True):
        text = own.get(name) or _SHARED[name]
        part.label, part._api_info = name, {**part._api_info, "additional_description": " ".join(text.split())}
    for part in outputs:
        part.label, part._api_info = "result", {**part._api_info, "description": " ".join(returns.split())}


class _Endpoints:
    """What the endpoints share."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer

    @staticmethod
    async def run(
        ask: Callable[[], Asked],
        start: Callable[[Asked], Job],
        report: Callable[[Asked, Any], dict[str, Any]] = lambda _, result: plain(result),
    ) -> dict[str, Any]:
        """Wait for a job without holding a thread, however many wait; its result as JSON, token arrays left out.

        What goes wrong reaches the client as one sentence.
        """
        try:
            asked = await to_thread.run_sync(ask)
            job = await to_thread.run_sync(start, asked)
            return report(asked, await _end_of(job))
        except UHRBATError as error:
            raise gr.Error(sentence(error), print_exception=False) from None

    def ingest(
        self, file: str | None, picture: object, beside: list[str] | None, address: str | None
    ) -> dict[str, Any]:
        """Check, tile and store a file, or what is at an address."""
        try:
            rendering = Rendering.from_dict({} if picture is None else picture)
            return self._ingested(self._steps(file, rendering, beside, address))
        except UHRBATError as error:
            raise gr.Error(sentence(error), print_exception=False) from None

    def _steps(self, file: str | None, rendering: Rendering, beside: list[str] | None, address: str | None) -> Steps:
        if file and address:
            raise InputError("there is a file and an address: give one of them")
        if address:
            return self.explorer.shelf.fetch(address, rendering)
        if not file:
            raise InputError("there is no image: give a file or an address")
        path, owned, remarks = given_together([file, *(beside or [])])
        return self.explorer.shelf.ingest(path, rendering=rendering, beside=owned, remarks=remarks)

    def _ingested(self, steps: Steps) -> dict[str, Any]:
        least = self.explorer.least(DEFAULT_MODEL)
        for step in steps:
            if isinstance(step, Picture):
                info = step.info
                return {
                    "image": step.id,
                    "name": step.name,
                    "width": info.width,
                    "height": info.height,
                    "tokens": Square(info.width, info.height, least=least).all_image_tokens,
                    "notes": list(step.notes),
                    "shown": plain(shown(info)),
                }
        raise InputError("The file could not be prepared.")

    def asked(
        self,
        image: str,
        question: str,
        model: str = DEFAULT_MODEL,
        importance: str = DEFAULT,
        regions: str = DEFAULT,
        order: str = DEFAULT,
        seed: int = 0,
        split: str = DEFAULT,
        looks: int = 0,
    ) -> Asked:
        """A question about an ingested image or an example."""
        settings = self.explorer.settings(model, importance, regions, order, seed, split, looks)
        return self.explorer.asked(self._picture(image), question, settings)

    def _picture(self, image: object) -> Picture:
        if not isinstance(image, str):
            raise InputError(f"image is {quoted(image)}: give an id that ingest returned, or the name of an example")
        picture = self.explorer.shelf.get(image)
        example = examples.find(image)
        if picture is None and example:
            *_, shown = self.explorer.shelf.example(example)
            picture = shown if isinstance(shown, Picture) else None
        if picture is None:
            names = ", ".join(example.name for example in examples.load())
            raise InputError(f"there is no image {quoted(image)}: ingest a file, or use an example: {names}")
        return picture


async def _end_of(job: Job) -> Any:
    """A job's result; a caller that stops waiting cancels it."""
    news, loop = asyncio.Event(), asyncio.get_running_loop()
    job.on_news(lambda: loop.call_soon_threadsafe(news.set))
    try:
        while not job.done:
            await news.wait()
            news.clear()
    finally:
        job.cancel()
    return job.result(0)


def _asked(result: AskResult | AnswerResult, run: KeptRun | None = None) -> dict[str, Any]:
    """What `ask` and `answer` return: all but the token maps, which are fetched from where the run is kept."""
    answer = plain(result.answer)
    maps = {"arrays": f"{PREFIX}/run/{run.id}/tokens.npz"} if run else {}
    return {
        "answer": answer.pop("text"),
        **answer,
        "understood": result.answer.understood if result.answer else None,
        "budgets": plain(result.budgets),
        "ledger": plain(result.ledger),
        "caveat": result.caveat,
        "run": plain(result.run),
        **maps,
    }


def _attention(result: AnswerResult) -> dict[str, Any]:
    """What each word of an answer looked at, as JSON; empty where that was not asked for."""
    if result.attention is None:
        return {}
    weights = {str(size): np.round(part.astype(float), 7).tolist() for size, part in result.attention.weights.items()}
    return {"attention": {"words": list(result.attention.words), "weights": weights}}


def _turn(request: gr.Request | None) -> str:
    """Whose turn a call uses: its client's, so that the worker serves all clients in rotation."""
    return f"api-{request.session_hash}" if request and request.session_hash else f"api-{secrets.token_hex(8)}"


def _given(boxes: Any) -> Any:
    """Boxes as a client gave them; none where it left them out."""
    return () if boxes is None else boxes


def _budget(budget: object, per_scale: object) -> Budget:
    """The budget that a client gave: `per_scale` where it gave that."""
    if per_scale is not None and not isinstance(per_scale, list):
        raise InputError(f"per_scale is {quoted(per_scale)}: give a list with one number for each scale")
    return read_budget(budget if per_scale is None else per_scale)
