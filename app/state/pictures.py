"""Pictures that pages show: a file is checked, tiled and given to the worker, and released when nobody looks at it."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from uhrbat import imagery
from uhrbat.errors import Cancelled, ImageError
from uhrbat.imagery import ImageInfo, TileReader, apart
from uhrbat.serving.client.worker import Worker

from ..examples import Example
from ..limits import PageLimits
from .folders import private_folder

logger = logging.getLogger(__name__)
_TICK = 0.12
Cancel = Callable[[], bool]
Steps = Generator["float | Picture", None, None]
"""How far a picture is (0..1), several times, and last the picture."""
BACKDROP = (16, 22, 30)
"""Beyond the image's edge: the viewer's own background."""


@dataclass
class Picture:
    """An image that pages may show, under a random id."""

    id: str
    name: str
    path: Path
    image: str
    """The worker's id of the file: the SHA-256 of its bytes."""
    info: ImageInfo
    tiles: Path
    reader: TileReader
    example: Example | None = None
    bands: tuple[int, ...] | None = None
    """The bands that a user chose to see as red, green and blue; the worker is asked for the same."""
    used: float = field(default_factory=time.monotonic)

    @property
    def stays(self) -> bool:
        """Whether it is kept for good: a shipped example."""
        return self.example is not None and self.example.shipped

    @property
    def place(self) -> imagery.GeoReference | None:
        """Where the image lies on the map, where the file says."""
        return imagery.GeoReference.of(self.info)

    @property
    def metres_per_pixel(self) -> float | None:
        """Ground length of one pixel at the image's centre, where the file says."""
        place = self.place
        if place is None:
            return None
        lengths = place.metres_per_pixel(self.info.width / 2, self.info.height / 2)
        return sum(lengths) / 2 if lengths else None


class Shelf:
    """All pictures that pages show now.

    Uploaded ones are released when nobody has looked at them for `limits.tiles_hours` and, from the longest unused on,
    where their tiles exceed `limits.tiles_bytes`.
    """

    def __init__(self, worker: Callable[[], Worker], folder: Path | None = None, limits: PageLimits | None = None):
        self.worker = worker
        self.limits = limits or PageLimits()
        self.folder = Path(folder or _default_folder())
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pictures: dict[str, Picture] = {}
        self._lock = threading.Lock()

    def get(self, id: str) -> Picture | None:
        """The picture with this id, or None where there is none (any more)."""
        with self._lock:
            picture = self._pictures.get(id)
            if picture:
                picture.used = time.monotonic()
            return picture

    def showing(self, name: str) -> Picture | None:
        """The picture of the example of this name, if it is shown now."""
        with self._lock:
            found = next((p for p in self._pictures.values() if p.example and p.example.name == name), None)
        return self.get(found.id) if found else None

    def example(self, example: Example) -> Steps:
        """Show an example: as `ingest`; its tiles are written once and kept."""
        known = self.showing(example.name)
        if known:
            yield known
        else:
            yield from self.ingest(example.path, example.title, example)

    def ingest(
        self,
        path: str | Path,
        name: str | None = None,
        example: Example | None = None,
        bands: Sequence[int] | None = None,
    ) -> Steps:
        """Make a file showable: yields how far it is (0..1), several times a second, and last the `Picture`.

        bands: one or three to show, counted from 1; by default those that `open_image` chooses. Leaving the loop
        early stops the work. Raises ImageError where the file is not a usable image, InputError where it has no
        such bands, WorkerError where the worker cannot take it; no file is left behind then.
        """
        self.expire()
        path = Path(path)
        id = secrets.token_urlsafe(12)
        tiles = self.folder / (f"example-{example.sha256[:24]}.tif" if example else f"{id}.tif")
        work = Work(lambda report, stopped: self._prepare(path, tiles, bands, report, stopped))
        yield from work
        image, info = work.outcome
        picture = Picture(
            id=id,
            name=name or path.name,
            path=path,
            image=image,
            info=info,
            tiles=tiles,
            reader=TileReader(tiles, background=BACKDROP),
            example=example,
            bands=info.shown if bands is not None else None,
        )
        with self._lock:
            self._pictures[id] = picture
        yield picture

    def _prepare(
        self, path: Path, tiles: Path, bands: Sequence[int] | None, report: Callable[[float], None], stopped: Cancel
    ) -> tuple[str, ImageInfo]:
        """The worker's id of the file, and the info with its stretch; without both, no tiles either."""
        info = apart.open_image(path, self.limits.images(), bands, cancel=stopped)
        if tiles.exists() and not info.needs_stretch:
            return self.worker().store(path), info
        info = apart.write_pyramid(path, tiles, info, lambda fraction: report(0.9 * fraction), stopped)
        try:
            image = self.worker().store(path)
            if stopped():
                raise Cancelled("stopped")
            return image, info
        except BaseException:
            tiles.unlink(missing_ok=True)
            raise

    def expire(self) -> None:
        """Release uploaded pictures that have expired or are over the quota, and of their tiles."""
        oldest = time.monotonic() - 3600 * self.limits.tiles_hours
        with self._lock:
            uploads = sorted((p for p in self._pictures.values() if not p.stays), key=lambda p: p.used, reverse=True)
            totals = accumulate(_size(picture.tiles) for picture in uploads)
            old = [p for p, total in zip(uploads, totals) if p.used < oldest or total > self.limits.tiles_bytes]
            for picture in old:
                del self._pictures[picture.id]
        for picture in old:
            logger.info("releasing picture %s", picture.id)
            self._remove(picture)

    def close(self) -> None:
        """Release every picture."""
        with self._lock:
            pictures, self._pictures = list(self._pictures.values()), {}
        for picture in pictures:
            if picture.stays:
                picture.reader.close()
            else:
                self._remove(picture)

    def _remove(self, picture: Picture) -> None:
        """Delete what was made for a picture: its tiles and, if it was generated here, its file."""
        picture.reader.close()
        picture.tiles.unlink(missing_ok=True)
        if picture.path.parent == self.folder:
            picture.path.unlink(missing_ok=True)
            picture.path.with_suffix(".json").unlink(missing_ok=True)


class Work:
    """A function run in a thread; iterating over it yields its progress and stops it when left early."""

    def __init__(self, run: Callable):
        self.outcome: Any = None
        self._error: BaseException | None = None
        self._fraction = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, args=(run,), daemon=True)

    def _go(self, run: Callable) -> None:
        try:
            self.outcome = run(self._report, self._stop.is_set)
        except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
            self._error = error

    def _report(self, fraction: float) -> None:
        self._fraction = fraction

    def __iter__(self) -> Iterator[float]:
        self._thread.start()
        try:
            while self._thread.is_alive():
                yield self._fraction
                self._thread.join(_TICK)
        finally:
            self._stop.set()
        if isinstance(self._error, Cancelled):
            raise self._error
        if isinstance(self._error, OSError):
            raise ImageError(
                f"The image could not be prepared: {self._error.strerror or self._error}."
            ) from self._error
        if self._error:
            raise self._error


def _size(path: Path) -> int:
    """Bytes of a file; 0 where somebody has deleted it."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _default_folder() -> Path:
    """Where the viewer's tiles are kept: $UHRBAT_CACHE, else a temporary folder of this process's own."""
    chosen = os.environ.get("UHRBAT_CACHE")
    if chosen:
        return Path(chosen) / "tiles"
    return private_folder("tiles")
