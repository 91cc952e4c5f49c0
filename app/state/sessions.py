"""What each open page is looking at, kept on the server and forgotten when the page closes."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from uhrbat.budget import Budget, split_budget
from uhrbat.errors import InputError
from uhrbat.results import EncodeResult
from uhrbat.serving.job import Job

from .pictures import Picture
from .runs import KeptRun

MOST = 200
"""Sessions kept; pages that end without a word would otherwise keep theirs, some 2 MB each, for ever."""


MOST_PAST = 60
"""Answers that a page's history holds; each some kilobytes."""


@dataclass(frozen=True)
class Past:
    """One answer of a page: enough to show it again while its run is kept."""

    id: str
    run: str
    """Id of the kept run."""
    picture: str
    """Id of the picture."""
    image: str
    """Its name."""
    answer: dict[str, Any]
    """As the answer card was sent it."""
    points: list[dict[str, Any]]
    how: dict[str, Any]
    """As the run card was sent it."""

    def budget(self, run: KeptRun) -> Budget:
        """The budget that it was answered at: a total where that is shared as usual, else one number a scale."""
        budgets = tuple(self.answer["budgets"])
        total = sum(budgets)
        return total if split_budget(total, run.scales) == budgets else budgets


@dataclass
class Session:
    """One open page: its picture and the question shown on it."""

    id: str
    picture: Picture | None = None
    run: KeptRun | None = None
    box: tuple | None = None
    """The box last inspected."""
    past: deque[Past] = field(default_factory=lambda: deque(maxlen=MOST_PAST))
    """What was answered on the page, the latest last."""
    ahead: Picture | None = None
    """The picture that was last encoded before a question."""
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
        """The page's picture, which is in use now; InputError where there is none yet, or none any more."""
        if self.picture is None:
            raise InputError("There is no image yet: choose an example or upload one.")
        if self.picture.released:
            raise InputError("The image was not looked at for long and is deleted here: open it again.")
        self.picture.touch()
        return self.picture

    def needs_run(self) -> KeptRun:
        """The question shown; InputError where none has been asked of this picture."""
        if self.run is None or self.run.picture is not self.needs_picture():
            raise InputError("Ask a question first: what is kept of the image depends on it.")
        return self.run


class Sessions:
    """The sessions of the pages last used, by the hash that Gradio gives each."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        """Of the sessions kept, the longest unused first."""
        with self._lock:
            return list(self._sessions)

    def of(self, id: str) -> Session:
        """The session of a page, made when first asked for; the longest unused that is not at work may go for it."""
        with self._lock:
            session = self._sessions.setdefault(id, Session(id))
            self._sessions.move_to_end(id)
            idle = (other for other in self._sessions.values() if not other.busy and other is not session)
            over = next(idle, None) if len(self._sessions) > self._most else None
        if over:
            self.forget(over.id)
        return session

    def forget(self, id: str) -> None:
        """The page is closed: stop what it was waiting for."""
        with self._lock:
            session = self._sessions.pop(id, None)
        if session:
            session.leave()
