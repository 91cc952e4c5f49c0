"""What each open page is looking at, kept on the server and forgotten when the page closes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from uhrbat.errors import InputError
from uhrbat.results import EncodeResult
from uhrbat.serving.job import Job

from .pictures import Picture
from .runs import KeptRun


@dataclass
class Session:
    """One open page: its picture and the question shown on it."""

    id: str
    picture: Picture | None = None
    run: KeptRun | None = None
    box: tuple | None = None
    """The box last inspected."""
    encoding: Job[EncodeResult] | None = None
    """The picture being encoded ahead of the first question."""
    _stop: Callable[[], None] | None = None
    _working: int = 0

    @property
    def busy(self) -> bool:
        """Whether a question is under way."""
        return self._working > 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A question is under way."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def encode(self, job: Job[EncodeResult]) -> None:
        """A picture is encoded ahead; one before it is no longer wanted."""
        if self.encoding is not None:
            self.encoding.cancel()
        self.encoding = job

    def leave(self) -> None:
        """Stop everything: another picture comes, or the page is closed."""
        self.stop()
        if self.encoding is not None:
            self.encoding.cancel()
            self.encoding = None

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
            session.leave()
