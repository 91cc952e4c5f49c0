"""What happens when someone does something on the page: worker jobs, and what the panels then show."""

import html
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from uhrbat.budget import split_budget
from uhrbat.choices import DEFAULT_MODEL
from uhrbat.errors import Cancelled, UHRBATError
from uhrbat.geometry import SCALES
from uhrbat.results import AnswerResult, AskResult
from uhrbat.serving.job import Job

from . import examples, findings, marks, progress, values
from .explorer import DEFAULT, SWEEP, Explorer, budget_of
from .ingest import Picture
from .runs import KeptRun
from .scene_files import WorldKey
from .sessions import Session
from .viewer import image_value, maps_value

logger = logging.getLogger(__name__)
Updates = Iterator[dict[Any, Any]]


class Actions:
    """The page's events. Each is a generator of {component: value}; leaving it stops the worker's job.

    Gradio's own `cancels` are not used: they only work once the other event has its id, and after their own.
    """

    def __init__(self, explorer: Explorer, parts: Any):
        self.explorer = explorer
        self.parts = parts

    # ---- images

    def start(self, link: str, request: gr.Request) -> Updates:
        """The page opens: on what its link says, else on the first example."""
        yield {self.parts.gallery: _gallery_value()}
        wanted = json.loads(link) if link else {}
        name = wanted.get("example") or ""
        scene = WorldKey.parse(name)
        example = examples.find(name) or next(iter(examples.load()), None)
        if example is None:
            yield {self.parts.ask: progress.idle()}
            return
        budget = wanted.get("budget") or {"total": example.budget}
        per_scale = budget.get("per_scale")
        total = sum(per_scale) if per_scale else budget["total"]
        yield {self.parts.budget: {"total": total, "per_scale": per_scale}}
        linked = wanted.get("method")
        yield self._method(example.method if linked is None and not scene else linked or {})
        if scene:
            yield from self._guarded(self._show_scene(scene, wanted.get("question"), request))
        else:
            yield from self._guarded(self._show_example(example, request, wanted.get("question")))
        models = self.explorer.models()
        names = [model.name for model in models] or [DEFAULT_MODEL]
        if models and models[0].regions:
            regions = (linked or {}).get("regions")
            chosen = {"value": regions} if regions in models[0].regions else {}
            yield {self.parts.regions: gr.update(choices=[DEFAULT, *models[0].regions], **chosen)}
        yield {
            self.parts.budget: self.price(names[0], {"total": total, "per_scale": per_scale}),
            self.parts.model: gr.update(choices=names, value=names[0]),
        }

    def _method(self, chosen: dict[str, Any]) -> dict[Any, Any]:
        """The choices of "Model and method" but the model: those given, where they can be chosen, else the defaults."""
        seed = str(chosen.get("seed", ""))
        updates: dict[Any, Any] = {self.parts.seed: int(seed) if seed.isdecimal() and len(seed) < 10 else 0}
        for name in ("importance", "regions", "order"):
            component = getattr(self.parts, name)
            values_ = [value for _, value in component.choices]
            updates[component] = chosen.get(name) if chosen.get(name) in values_ else DEFAULT
        return updates

    def pick(self, event: gr.EventData, request: gr.Request) -> Updates:
        """An example is chosen: it opens at the budget and with the method at which it teaches."""
        example = examples.find(str(event.name))
        if example:
            yield {self.parts.budget: {"total": example.budget, "per_scale": None}, **self._method(example.method)}
            yield from self._guarded(self._show_example(example, request))

    def open_miss(self, event: gr.EventData, request: gr.Request) -> Updates:
        """A miss is chosen on the Findings page: its scene, its question, and the budget and method that lost it."""
        key = WorldKey.parse(str(event.scene))
        if key:
            yield {self.parts.budget: {"total": int(event.budget), "per_scale": None}, **self._method(event.method)}
            yield from self._guarded(self._show_scene(key, str(event.question), request))

    def _show_scene(self, key: WorldKey, question: str | None, request: gr.Request) -> Updates:
        yield {self.parts.question: question or ""}
        steps = findings.open_scene(self.explorer.shelf, key, self.explorer.findings())
        yield from self._show(steps, self._session(request), "making the scene")

    def upload(self, path: str | None, request: gr.Request) -> Updates:
        """A file has arrived: check it, tile it, show it."""
        if path:
            yield from self._guarded(self._upload(path, request))

    def _upload(self, path: str, request: gr.Request) -> Updates:
        session = self._session(request)
        try:
            yield from self._show(self.explorer.shelf.ingest(path), session, "preparing the image")
        except UHRBATError:
            yield {self.parts.file: None}
            raise
        yield {
            self.parts.file: None,
            self.parts.question: gr.update(placeholder="What do you want to know of it?"),
        }

    def bands(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Other bands of the file are to be shown, and seen by the model."""
        yield from self._guarded(self._bands(tuple(event.bands), request))

    def _bands(self, bands: tuple[int, ...], request: gr.Request) -> Updates:
        session = self._session(request)
        picture = session.needs_picture()
        steps = self.explorer.shelf.ingest(picture.path, picture.name, bands=bands)
        yield from self._show(steps, session, "reading the bands")

    def _show_example(self, example: examples.Example, request: gr.Request, question: str | None = None) -> Updates:
        if question is None:
            question = example.questions[0].text if example.questions else ""
        yield {self.parts.question: question}
        yield from self._show(self.explorer.shelf.example(example), self._session(request), "opening the example")

    def _show(self, steps: Iterator[float | Picture], session: Session, text: str) -> Updates:
        started, job, stopped = time.monotonic(), progress.new_job(), threading.Event()
        session.start(stopped.set)
        picture = None
        for step in steps:
            if stopped.is_set():
                steps.close()
                raise Cancelled("stopped")
            if isinstance(step, Picture):
                picture = step
            else:
                yield {self.parts.ask: progress.running(text, step, job)}
        session.picture, session.run = picture, None
        logger.info("picture %s ready in %.2f s", picture.id, time.monotonic() - started)
        p = self.parts
        yield {
            # The job tells the page that it is a new showing, of the same picture too.
            p.viewer: {"image": image_value(picture), "job": job},
            p.answer: None,
            p.object: None,
            p.sweep: None,
            p.compare: None,
            p.run: None,
            p.ask: progress.idle(),
        }

    def price(self, model: str, budget: dict) -> dict[str, Any]:
        """A model is chosen: the budget panel tells what a token costs with it."""
        return {**budget, "cost": values.cost_value(model, self.explorer.model(model))}

    # ---- questions

    def ask(
        self,
        question: str,
        budget: dict,
        model: str,
        importance: str,
        regions: str,
        order: str,
        seed: float,
        request: gr.Request,
    ) -> Updates:
        """The question is asked: token maps of every scale, and the answer."""
        session = self._session(request)
        settings = self.explorer.settings(model, importance, regions, order, seed)
        yield from self._guarded(self._ask(session, question, budget, settings))

    def _ask(self, session: Session, question: str, budget: dict, settings: dict) -> Updates:
        picture = session.needs_picture()
        started = time.monotonic()
        query = self.explorer.query(picture, question, settings)
        job = self.explorer.ask(query, budget_of(budget), session.id)
        for bar, _ in self._follow(session, job):
            yield {self.parts.ask: bar}
        result = job.result()
        if session.picture is not picture:
            yield {self.parts.ask: progress.idle()}
            return
        run = self.explorer.runs.add(KeptRun(picture, question, query.settings, result))
        session.run = run
        p = self.parts
        yield {
            p.object: None,
            p.sweep: None,
            p.compare: None,
            **self._answered(run, result, time.monotonic() - started),
        }

    def answer_again(self, budget: dict, request: gr.Request) -> Updates:
        """The budget has been let go of and the model is quick: the answer follows."""
        yield from self._guarded(self._answer_again(self._session(request), budget))

    def _answer_again(self, session: Session, budget: dict) -> Updates:
        run = session.needs_run()
        started = time.monotonic()
        job = self.explorer.answer(run, budget_of(budget), session.id)
        for bar, _ in self._follow(session, job):
            yield {self.parts.ask: bar}
        result = job.result()
        if session.run is run:
            yield self._answered(run, result, time.monotonic() - started)

    def _answered(self, run: KeptRun, result: AskResult | AnswerResult, seconds: float) -> dict[Any, Any]:
        """Show an answer: its text, its points on the map, and how it came about."""
        model = self.explorer.model(result.run.model)
        run.answer = values.answer_value(
            run, result.answer, result.budgets, result.ledger, result.run, seconds, result.caveat, model
        )
        side = max(run.picture.info.width, run.picture.info.height)
        run.points = marks.points(result.answer.points, run.picture.example, run.known, side)
        p = self.parts
        return {
            p.viewer: {"image": image_value(run.picture), "maps": maps_value(run), "points": run.points},
            p.answer: run.answer,
            p.run: values.run_value(run, result),
            p.ask: progress.idle(),
        }

    # ---- objects

    def inspect(self, budget: dict, event: gr.EventData, request: gr.Request) -> Updates:
        """A box is drawn or typed: what became of its tokens."""
        session = self._session(request)
        if session.run is None:
            return
        session.box = box = tuple(event.box)
        try:
            run = session.needs_run()
            job = self.explorer.inspect(run, box, budget_of(budget), session.id)
            for _ in job:
                yield {self.parts.object: gr.skip()}
            if session.run is not run or session.box != box:
                return
            if not run.inspected or run.inspected.box != box:
                run.counterfactuals.clear()
            run.inspected = job.result()
            yield {self.parts.object: values.object_value(run, run.inspected)}
        except Cancelled:
            return
        except UHRBATError as error:
            yield {self.parts.object: {"error": str(error)}}

    def force(self, budget: dict, event: gr.EventData, request: gr.Request) -> Updates:
        """The question again with the box's tokens forced in."""
        yield from self._guarded(self._counterfactual("forced", tuple(event.box), budget, request))

    def without(self, budget: dict, event: gr.EventData, request: gr.Request) -> Updates:
        """The question again with the box's tokens taken out."""
        yield from self._guarded(self._counterfactual("without", tuple(event.box), budget, request))

    def _counterfactual(self, which: str, box: tuple, budget: dict, request: gr.Request) -> Updates:
        session = self._session(request)
        run = session.needs_run()
        started = time.monotonic()
        boxes = {"force": (box,)} if which == "forced" else {"without": (box,)}
        job = self.explorer.answer(run, budget_of(budget), session.id, **boxes)
        for bar, _ in self._follow(session, job):
            yield {self.parts.ask: bar}
        result = job.result()
        run.counterfactuals[which] = values.counterfactual_value(result, time.monotonic() - started)
        if session.run is run and run.inspected:
            yield {
                self.parts.object: values.object_value(run, run.inspected),
                self.parts.ask: progress.idle(),
            }

    # ---- budgets and compressors

    def sweep(self, request: gr.Request) -> Updates:
        """The question at many budgets, shown point by point."""
        yield from self._guarded(self._sweep(self._session(request)))

    def _sweep(self, session: Session) -> Updates:
        run = session.needs_run()
        wanted = list(SWEEP)
        points = []
        job = self.explorer.sweep(run, SWEEP, session.id)
        yield {self.parts.sweep: values.sweep_value(run, points, wanted, True)}
        for bar, news in self._follow(session, job, "budgets"):
            update = {self.parts.ask: {**bar, "fraction": len(points) / len(wanted)}}
            if news is not None:
                points.append(news)
                update[self.parts.sweep] = values.sweep_value(run, points, wanted, True)
            yield update
        run.swept = job.result()
        if session.run is run:
            yield {
                self.parts.sweep: values.sweep_value(run, list(run.swept.points), wanted, False),
                self.parts.ask: progress.idle(),
            }

    def compare(self, budget: dict, request: gr.Request) -> Updates:
        """The question through several compressors at this budget, shown one by one."""
        yield from self._guarded(self._compare(self._session(request), budget))

    def _compare(self, session: Session, budget: dict) -> Updates:
        run = session.needs_run()
        chosen = budget_of(budget)
        budgets = chosen if isinstance(chosen, tuple) else split_budget(chosen, SCALES)
        shown = []
        job = self.explorer.compare(run, chosen, session.id)
        yield {self.parts.compare: values.compare_value(run, budgets, shown, True)}
        for bar, news in self._follow(session, job, "compressors"):
            update = {self.parts.ask: {**bar, "fraction": len(shown) / len(values.COMPARED)}}
            if news is not None:
                shown.append((run.keep_kinds(news.kinds), news))
                update[self.parts.compare] = values.compare_value(run, budgets, shown, True)
            yield update
        run.compared = job.result()
        if session.run is run:
            yield {
                self.parts.compare: values.compare_value(run, budgets, shown, False),
                self.parts.ask: progress.idle(),
            }

    # ---- the page itself

    def cancel(self, request: gr.Request) -> None:
        """Cancel is pressed: the job ends, and with it the event that waits for it."""
        self._session(request).stop()

    def closed(self, request: gr.Request) -> None:
        """The page is closed or loaded anew."""
        self.explorer.sessions.forget(request.session_hash)
        self.explorer.shelf.expire()

    def _session(self, request: gr.Request) -> Session:
        return self.explorer.sessions.of(request.session_hash)

    @staticmethod
    def _follow(session: Session, job: Job, title: str = "") -> Iterator[tuple[dict[str, Any], Any]]:
        """As `progress.follow`; Cancel stops the job, and so does whatever this page begins next."""
        session.start(job.cancel)
        return progress.follow(job, title)

    def _guarded(self, work: Updates) -> Updates:
        """Do the work; what goes wrong is said in one sentence on the page, and the page stays usable."""
        try:
            yield from work
        except Cancelled:
            yield {self.parts.ask: progress.idle("Stopped.")}
        except UHRBATError as error:
            yield {self.parts.ask: progress.failed(str(error))}
            # Gradio takes the text for HTML, and the sentence may quote what somebody typed.
            raise gr.Error(html.escape(str(error), quote=False), duration=8, print_exception=False) from None
        except Exception:
            yield {self.parts.ask: progress.failed("That failed for a reason of our own: it is in the log. Try again.")}
            raise


def _gallery_value() -> dict[str, Any]:
    return {
        "examples": [
            {
                "name": example.name,
                "title": example.title,
                "caption": example.caption,
                "thumbnail": f"example/{example.name}.jpg",
            }
            for example in examples.load()
        ]
    }
