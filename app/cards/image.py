"""The image card: examples, upload, bands; and how an image comes on the page."""

from __future__ import annotations

import logging
import threading
import time

import gradio as gr

from uhrbat.choices import DEFAULT_BUDGET, DEFAULT_MODEL
from uhrbat.errors import Cancelled, UHRBATError
from uhrbat.imagery import GeoReference, Rendering
from uhrbat.imagery.georeference import rounded

from .. import answered, examples, progress
from ..explorer import DEFAULT
from ..links import Link, panel_value, read_link
from ..panel import ASSETS, Panel
from ..state.pictures import Fetching, Picture, Steps, Waiting, given_together
from ..state.sessions import Session
from .card import Card, Json, Updates, sent
from .picture import picture_value

logger = logging.getLogger(__name__)
QUIET_SECONDS = 3
"""A worker that has not taken an image for so long is said to be waited for."""
SUGGESTIONS = ("How many cars are there?", "Where is the ship?", "What is the main land cover?")
"""Questions that fit any picture, in words that nano knows."""


class ImageCard(Card):
    """Examples to pick, a file to upload, and how it is shown."""

    LINK = f"async () => [(await import(new URL('{ASSETS}/link.js', document.baseURI).href)).linked()]"
    """What the address says is to be opened, as JSON."""

    def build(self) -> None:
        """Make the components."""
        self.gallery = Panel("gallery", "pick link", elem_id="gallery")
        self.picture = Panel("picture", "choose", elem_id="picture")
        # Any name will do: what a file is, its content says. Files that belong to a picture come with it.
        self.file = gr.File(
            label="Upload an image", file_count="multiple", elem_id="upload", height=64, show_label=False
        )
        self.address = Panel("fetching", "open", elem_id="address")

    def build_link(self) -> None:
        """Make the hidden field into which the browser puts what the address says."""
        self.link = gr.Textbox(visible="hidden", label="link", elem_id="link")

    def wire(self, long: Json, quick: Json) -> None:
        budget = self.cards.budget  # an image that was encoded says what looks will cost
        price = (budget.price, [self.cards.method.model, budget.panel], budget.panel)
        self.gallery.pick(self.pick, None, self.cards.openings, **quick)
        self.gallery.link(self.follow_link, None, self.cards.openings, **quick)
        self.picture.choose(self.choose, None, self.cards.openings, **quick).then(
            self.encode, self.cards.method.model, self.ask, **long
        ).then(*price, **quick)
        for arrives, handler, given in (
            (self.file.upload, self.upload, self.file),
            (self.address.open, self.open_address, None),
        ):
            arrives(handler, given, self.cards.openings, **quick).then(
                self.encode, self.cards.method.model, self.ask, **long
            ).then(*price, **quick)

    def start(self, link: str, request: gr.Request) -> Updates:
        """The page opens: on what its link says, else on the first example."""
        allowed = bool(self.explorer.shelf.limits.fetcher.hosts)
        yield {self.gallery: gallery_value(), self.address: {"allowed": allowed}}
        wanted = read_link(link)
        if self._example_of(wanted) is None:
            yield {self.ask: progress.idle()}
            return
        yield from self._open(wanted, request)
        budget, linked = self._budget_of(wanted), wanted.method
        models = self.explorer.models()
        names = [model.name for model in models] or [DEFAULT_MODEL]
        if models and models[0].regions:
            regions = (linked or {}).get("regions")
            chosen = {"value": regions} if regions in models[0].regions else {}
            yield {self.cards.method.regions: gr.update(choices=[DEFAULT, *models[0].regions], **chosen)}
        yield {
            self.cards.budget.panel: self.cards.budget.price(names[0], budget),
            self.cards.method.model: gr.update(choices=names, value=names[0]),
        }

    def follow_link(self, event: gr.EventData, request: gr.Request) -> Updates:
        """The browser went back or forward: open what the address says now."""
        yield from self._open(read_link(sent(event, "link")), request)

    def _open(self, wanted: Link, request: gr.Request) -> Updates:
        """Open what a link says, else what the page opens on."""
        world, example = self.cards.findings.world_of(wanted.example), self._example_of(wanted)
        yield {self.cards.budget.panel: self._budget_of(wanted)}
        if world:
            yield self.cards.method.choose(wanted.method or {})
            yield from self.guarded(self.cards.findings.show(world, wanted.question, request))
        elif example:
            way = answered.way_of(example, wanted.question, wanted.method)
            chosen = answered.chosen(example, way) if way else example.method
            yield self.cards.method.choose(chosen if wanted.method is None else wanted.method)
            yield from self.guarded(self._show_example(example, request, wanted.question, wanted.picture, way))

    def _example_of(self, wanted: Link) -> examples.Example | None:
        """The example that a link names, else the one that the page opens on."""
        return examples.find(wanted.example) or self._first()

    def _budget_of(self, wanted: Link) -> Json:
        example = self._example_of(wanted)
        return panel_value(wanted.budget or (example.budget if example else DEFAULT_BUDGET), wanted.looks)

    @staticmethod
    def _first() -> examples.Example | None:
        """The example that the page opens on: one that the released way loses, else the first."""
        return next(filter(answered.is_lesson, examples.load()), next(iter(examples.load()), None))

    def pick(self, event: gr.EventData, request: gr.Request) -> Updates:
        """An example is chosen: it opens at the budget and with the method at which it teaches."""
        example = examples.find(str(sent(event, "name")))
        if example is None:
            yield {self.ask: gr.skip()}
            return
        way = answered.opening_way(example)
        yield {
            self.cards.budget.panel: {"total": example.budget, "per_scale": None},
            **self.cards.method.choose(answered.chosen(example, way)),
        }
        yield from self.guarded(self._show_example(example, request, way=way))

    def upload(self, paths: list[str] | None, request: gr.Request) -> Updates:
        """Files have arrived, a picture and what belongs to it: check it, tile it, show it."""
        if paths:
            yield from self.guarded(self._upload(paths, request))

    def _upload(self, paths: list[str], request: gr.Request) -> Updates:
        yield {self.file: None}  # at once: files that follow would be added to these
        path, beside, remarks = given_together(paths)
        steps = self.explorer.shelf.ingest(path, beside=beside, remarks=remarks)
        yield from self._show_own(steps, request)

    def open_address(self, event: gr.EventData, request: gr.Request) -> Updates:
        """An image is to be opened by its address: fetch it, and go on as with an upload."""
        steps = self.explorer.shelf.fetch(sent(event, "address"))
        yield from self.guarded(self._show_own(steps, request))

    def _show_own(self, steps: Steps, request: gr.Request) -> Updates:
        """Show an image of the visitor's own. An example's way of choosing tokens says nothing about it: it goes with
        the example, not after it, since a question may follow at once. Its question goes on the page, which knows what
        was typed meanwhile."""
        session = self.session(request)
        of_example = session.picture is not None and session.picture.example is not None
        for update in self.show(steps, session, "preparing the image"):
            if of_example and self.cards.viewer.panel in update:
                update |= self.cards.method.choose({})
            yield update

    def choose(self, event: gr.EventData, request: gr.Request) -> Updates:
        """The picture is to be shown in another way, to viewer and model alike."""
        yield from self.guarded(self._choose(sent(event, "rendering"), request))

    def _choose(self, given: object, request: gr.Request) -> Updates:
        session = self.session(request)
        picture = session.needs_picture()
        steps = self.explorer.shelf.again(picture, Rendering.from_dict(given))
        yield from self.show(steps, session, "reading the picture again")

    def _show_example(
        self,
        example: examples.Example,
        request: gr.Request,
        question: str | None = None,
        rendering: Rendering | None = None,
        way: str | None = None,
    ) -> Updates:
        """way: in which its first question is answered already, where it is."""
        if question is None:
            question = example.questions[0].text if example.questions else ""
        yield {self.cards.question.text: question}
        steps = self.explorer.shelf.example(example, rendering)
        ready = way if way and answered.find(example, way) else None
        for update in self.show(steps, self.session(request), "opening the example"):
            if ready and self.cards.viewer.panel in update:
                update.pop(self.ask)  # it is not over: the answer comes next
            yield update
        if ready:
            yield from self.cards.scoring.show(example, ready, request)

    def show(self, steps: Steps, session: Session, text: str) -> Updates:
        """Bring an image on the page: `steps` of `Shelf.ingest`; what was known of the last one is cleared."""
        started, job, stopped = time.monotonic(), progress.new_job(), threading.Event()
        session.leave()
        session.start(stopped.set)
        picture: Picture | None = None
        moved = started
        for step in steps:
            if stopped.is_set():
                steps.close()
                raise Cancelled("stopped")
            if isinstance(step, Picture):
                picture = step
                continue
            now = time.monotonic()
            if not isinstance(step, Waiting):
                moved = now
            quiet = f"the model worker has not taken the image yet, for {now - moved:.0f} s"
            doing = "fetching the image" if isinstance(step, Fetching) else text
            yield {self.ask: progress.running(quiet if now - moved > QUIET_SECONDS else doing, step, job)}
        assert picture is not None, "steps end with the picture"
        session.picture, session.run = picture, None
        logger.info("picture %s ready in %.2f s", picture.id, time.monotonic() - started)
        cards = self.cards
        yield {
            # By the job the page recognises a new showing, even of the same picture.
            cards.viewer.panel: {"image": image_value(picture), "job": job},
            cards.answer.panel: None,
            cards.object.panel: None,
            cards.budgets.panel: None,
            cards.compare.panel: None,
            cards.hand.panel: None,
            cards.run.panel: None,
            self.ask: progress.idle(),
        }

    def encode(self, model: str, request: gr.Request) -> Updates:
        """The uploaded image is shown: encode it now, so that the first question does not wait for that.

        The page says how far it is; a question asked meanwhile goes on from it, another image stops it. What goes
        wrong here is not reported: the question itself will report it. A picture is encoded so once: after an upload
        that failed the last one is still shown, and what is said of the failure must stay.
        """
        yield {self.ask: gr.skip()}  # of a generator without a value Gradio clears the outputs, an error said there too
        session = self.session(request)
        picture = session.picture
        if picture is None or picture.stays or picture is session.ahead:
            return
        session.ahead = picture
        try:
            job = self.explorer.encode(picture, model, session.id)
        except UHRBATError:
            return
        session.encode(job)
        for bar in progress.watch(job, "getting ready"):
            if session.encoding is not job or session.busy:
                return
            yield {self.ask: {**bar, "state": "ahead"}}
        if session.picture is picture and not session.busy:
            yield {self.ask: {**progress.idle(), "state": "ready"}}


def gallery_value() -> Json:
    """The examples to pick from."""
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


def place_value(place: GeoReference, width: int, height: int) -> Json:
    """Where an image lies, for the pointer: an affine map or, where it is curved, a lattice of positions.

    decimals: how many of a coordinate are known; None for all.
    """
    lattice = None
    if place.transform is None:
        lattice = place.lattice(width, height)
        columns = [east for row in lattice for east, _ in row]
        if place.degrees and max(columns) - min(columns) > 180:  # across the date line
            lattice = [[(east + 360 if east < 0 else east, north) for east, north in row] for row in lattice]
    return {
        "crs": place.name,
        "transform": list(place.transform) if place.transform else None,
        "lattice": lattice,
        "degrees": place.degrees,
        "decimals": place.decimals(),
        "accuracy": f"±{rounded(place.residual)} {'m' if place.crs else 'map units'}" if place.residual else "",
    }


def image_value(picture: Picture) -> Json:
    """What the viewer needs to know of a picture."""
    width, height = picture.info.width, picture.info.height
    example, place = picture.example, picture.place
    return {
        "id": picture.id,
        "example": example.name if example else None,
        "title": example.title if example else picture.name,
        "address": picture.address,
        "caption": example.caption if example else None,
        "width": width,
        "height": height,
        "max_zoom": picture.reader.max_zoom(),
        "tiles": f"tile/{picture.id}/{{z}}/{{x}}/{{y}}.jpg",
        "notes": list(picture.remarks),
        "metres_per_pixel": picture.metres_per_pixel,
        "place": place_value(place, width, height) if place else None,
        "picture": picture_value(picture),
        "objects": [
            {
                "kind": item.kind,
                "color": item.color,
                "box": list(item.box),
            }
            for item in (example.objects if example else ())
        ],
        "suggestions": list(SUGGESTIONS if not example else (known.text for known in example.questions)),
        "questions": [
            {"text": known.text, "answer": known.answer, "evidence": list(known.evidence)}
            for known in (example.questions if example else ())
        ],
    }
