"""Progress of long work as the page draws it: one bar over all stages, which only ever moves forward."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

from uhrbat.results import Progress
from uhrbat.serving.job import Job

_TICK = 0.2
_SHARES = {
    "read": 4,
    "encode": 60,
    "survey": 6,
    "window": 6,
    "look": 20,
    "score": 6,
    "partition": 14,
    "rank": 4,
    "prefill": 6,
    "decode": 6,
}
_WORDS = {
    "queue": "waiting for the worker",
    "load": "loading the model",
    "read": "reading the image",
    "encode": "encoding its tiles",
    "survey": "finding what stands out in the file's own pixels",
    "window": "reading the tiles to look at",
    "look": "looking at them",
    "score": "scoring the tokens",
    "partition": "finding the regions",
    "rank": "ranking the tokens",
    "prefill": "the language model reads",
    "decode": "the language model answers",
}


class Bar:
    """Turns a job's stages into one fraction; stages that the worker skips are jumped over."""

    def __init__(self, title: str = "") -> None:
        self._title = title
        self.job = new_job()
        self._furthest = 0.0

    def value(self, progress: Progress) -> dict[str, Any]:
        """What the progress panel is sent."""
        names = list(_SHARES)
        if progress.stage in _SHARES:
            before = sum(_SHARES[name] for name in names[: names.index(progress.stage)])
            fraction = (before + _SHARES[progress.stage] * progress.fraction) / sum(_SHARES.values())
            self._furthest = max(self._furthest, fraction)
        words, more = _WORDS.get(progress.stage, progress.stage), progress.message
        if progress.queue_position:
            words, more = f"{progress.queue_position} ahead in the queue", ""
        text = " · ".join(part for part in (self._title, words, more) if part)
        # A model may have to be downloaded first, which is not one of the work's stages: the bar is its own till then.
        return running(text, progress.fraction if progress.stage == "load" else self._furthest, self.job)


def new_job() -> str:
    """A name for a piece of work, by which the page recognises news of what it has stopped."""
    return secrets.token_hex(4)


def running(text: str, fraction: float, job: str) -> dict[str, Any]:
    """Work is under way."""
    return {"state": "running", "text": text, "fraction": round(fraction, 4), "job": job}


def idle(text: str = "") -> dict[str, Any]:
    """Nothing is under way; the text says how the last work ended. No two are equal, so that the page sees each."""
    return {"state": "idle", "text": text, "fraction": 0, "job": new_job()}


def failed(text: str) -> dict[str, Any]:
    """The last work failed."""
    return {"state": "failed", "text": text, "fraction": 0, "job": new_job()}


def follow(job: Job[Any], title: str = "") -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield (bar, news) for a job, several times a second; news is a partial result, or None.

    Leaving the loop cancels the job. When it ends, the caller asks for `job.result()`.
    """
    bar = Bar(title)
    last = running(title or "starting", 0.0, bar.job)
    for event in job:
        if isinstance(event, Progress):
            last = bar.value(event)
            yield last, None
        else:
            yield last, event


def watch(job: Job[Any], title: str = "") -> Iterator[dict[str, Any]]:
    """Yield bars for a job that goes on when the loop is left, several times a second, until it ends."""
    bar = Bar(title)
    while not job.done:
        yield bar.value(job.latest)
        time.sleep(_TICK)
