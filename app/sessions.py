"""What each open page is looking at, kept on the server and forgotten when the page closes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from uhrbat.errors import InputError

from .ingest import Picture
from .runs import KeptRun


@dataclass
class Session:
    """One open page: its picture and the question shown on it."""

    id: str
    picture: Picture | None = None
    run: KeptRun | None = None
    box: tuple | None = None
    """The box last inspected."""
    _stop: Callable[[], None] | None = None

    def start(self, stop: Callable[[], None]) -> None:
        """Something long begins, which `stop` would stop; what was under way before is stopped now."""
        self.stop()
        self._stop = stop

    def stop(self) -> None:
        """Stop what is under way, if anything is."""
        stop, self._stop = self._stop, None
        if stop:
            stop()

    def needs_picture(self) -> Picture:
        """The page's picture; InputError where it has none yet."""
        if self.picture is None:
            raise InputError("There is no image yet: choose an example or upload one.")
        return self.picture

    def needs_run(self) -> KeptRun:
        """The question shown; InputError where none has been asked of this picture."""
        if self.run is None or self.run.picture is not self.needs_picture():
            raise InputError("Ask a question first: what is kept of the image depends on it.")
        return self.run


class Sessions:
    """The sessions of all open pages, by the hash that Gradio gives each."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def of(self, id: str) -> Session:
        """The session of a page, made when first asked for."""
        with self._lock:
            return self._sessions.setdefault(id, Session(id))

    def forget(self, id: str) -> None:
        """The page is closed: stop what it was waiting for."""
        with self._lock:
            session = self._sessions.pop(id, None)
        if session:
            session.stop()
