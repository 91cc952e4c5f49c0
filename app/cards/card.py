"""What all cards share: the session of a page, following a worker's job, and one sentence for whatever fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from uhrbat.errors import Cancelled, UHRBATError
from uhrbat.serving.job import Job

from .. import progress
from ..state.sessions import Session
from ..texts import sentence

if TYPE_CHECKING:
    from ..explorer import Explorer
    from . import Cards

Json = dict[str, Any]
"""What a panel of the browser is sent."""
Updates = Iterator[dict[Any, Any]]
"""An event: {component: value}, several times; leaving the generator stops the worker's job.

Gradio's own `cancels` are not used: they only work once the other event has its id, and after their own.
"""


def sent(event: gr.EventData, name: str) -> Any:
    """What the browser sent with an event under a name; None where it sent nothing so named."""
    try:
        return getattr(event, name)
    except (AttributeError, TypeError):
        return None


class Card:
    """A card of the page, with the others in reach."""

    def __init__(self, cards: Cards) -> None:
        self.cards = cards

    @property
    def explorer(self) -> Explorer:
        return self.cards.explorer

    @property
    def ask(self) -> gr.components.Component:
        """The panel with the Ask button and the progress of whatever is under way."""
        return self.cards.question.ask

    def wire(self, long: Json, quick: Json) -> None:
        """Join this card's events; `long` and `quick` are Gradio's options of either kind."""

    def session(self, request: gr.Request) -> Session:
        """The session of the page that an event came from."""
        return self.explorer.sessions.of(str(request.session_hash))

    @staticmethod
    def follow(session: Session, job: Job[Any], title: str = "") -> Iterator[tuple[Json, Any]]:
        """As `progress.follow`; Cancel stops the job, and so does whatever this page begins next."""
        session.start(job.cancel)
        for news in progress.follow(job, title):
            if session.picture is not None:
                session.picture.touch()  # in use for as long as something is done with it
            yield news

    def guarded(self, work: Updates) -> Updates:
        """Do the work; what goes wrong is one sentence on the page, and the page stays usable.

        Something is always sent: Gradio clears the outputs of a generator that yields nothing.
        """
        silent = True
        try:
            for update in work:
                silent = False
                yield update
            if silent:
                yield {self.ask: gr.skip()}
        except Cancelled:
            yield {self.ask: progress.idle("Stopped.")}
        except UHRBATError as error:
            yield {self.ask: progress.failed(sentence(error))}
        except Exception:
            yield {
                self.ask: progress.failed(
                    "That failed through a fault of the explorer, which is in its log. Try again."
                )
            }
            raise
