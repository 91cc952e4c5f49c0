"""Pictures that pages show: a file is checked, tiled and given to the worker, and released when nobody looks at it."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from uhrbat import imagery
from uhrbat.errors import Cancelled, ImageError, InputError
from uhrbat.imagery import Histogram, ImageInfo, Rendering, TileReader, apart, shown_name
from uhrbat.serving.client.worker import Worker

from .. import examples
from ..examples import Example
from ..limits import PageLimits
from .folders import private_folder
from .originals import Originals

logger = logging.getLogger(__name__)
_TICK = 0.12
Cancel = Callable[[], bool]


class Waiting(float):
    """How far a picture is (0..1) while the worker is being given its file."""


class Fetching(float):
    """How much of a picture's file (0..1) has been fetched from its address."""


Steps = Generator["float | Picture", None, None]
"""How far a picture is (0..1), several times, and last the picture."""
TIDY_SECONDS = 60
"""How often pictures are looked through for those that have expired."""
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
    rendering: Rendering = field(default_factory=Rendering)
    """How a user chose to see it."""
    beside: tuple[Path, ...] = ()
    """Files that were given with it and say more of it (world file, mask, ...)."""
    mask: str | None = None
    """The worker's id of the mask among them."""
    remarks: tuple[str, ...] = ()
    """What else is to be said of the files that were given."""
    address: str | None = None
    """From which it was fetched."""
    used: float = field(default_factory=time.monotonic)
    released: bool = False

    def touch(self) -> None:
        """It is in use now."""
        self.used = time.monotonic()

    @property
    def stays(self) -> bool:
        """Whether it is kept for good: a shipped example as it comes."""
        return self.example is not None and self.example.shipped and self.rendering == Rendering()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user about the file and how it is shown."""
        return (*self.info.notes, *self.remarks)

    @property
    def settings(self) -> dict[str, Any]:
        """What the worker needs to see the same picture; it holds none of the files beside it but the mask."""
        shown = self.rendering
        if any(path.name.lower().endswith(".aux.xml") for path in self.beside):
            if self.info.mode in ("rgb", "gray"):
                shown = replace(shown, bands=self.info.shown)
            if self.info.nodata is not None and not self.info.noticed:
                shown = replace(shown, nodata=self.info.nodata)
        return {"picture": shown, "mask": self.mask}

    @cached_property
    def histogram(self) -> Histogram:
        """How the values of the shown bands are spread, in 96 bins; read from the file when first asked for."""
        return apart.histogram(self.info, 96)

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

    Uploaded ones are released when nobody has used them for `limits.tiles_hours` and, from the longest unused on,
    where their files and tiles exceed `limits.tiles_bytes`.
    """

    def __init__(
        self, worker: Callable[[], Worker], folder: Path | None = None, limits: PageLimits | None = None
    ) -> None:
        self.worker = worker
        self.limits = limits or PageLimits()
        self.folder = Path(folder or _default_folder())
        self.folder.mkdir(parents=True, exist_ok=True)
        self._originals = Originals()
        self._pictures: dict[str, Picture] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sweep()
        threading.Thread(target=self._keep_tidy, daemon=True, name="tidy the pictures").start()

    def get(self, id: str) -> Picture | None:
        """The picture with this id, or None where there is none (any more)."""
        with self._lock:
            picture = self._pictures.get(id)
            if picture:
                picture.touch()
            return picture

    def showing(self, name: str) -> Picture | None:
        """The picture of the example of this name, if it is shown now."""
        with self._lock:
            pictures = (p for p in self._pictures.values() if p.rendering == Rendering())
            found = next((p for p in pictures if p.example and p.example.name == name), None)
        return self.get(found.id) if found else None

    def example(self, example: Example, rendering: Rendering | None = None) -> Steps:
        """Show an example: as `ingest`; as it comes, its tiles are written once and kept."""
        known = self.showing(example.name) if rendering in (None, Rendering()) else None
        if known:
            yield known
        else:
            yield from self.ingest(example.path, example.title, example, rendering)

    def again(self, picture: Picture, rendering: Rendering) -> Steps:
        """Show a picture in another way: as `ingest`."""
        if picture.example and picture.example.shipped:
            return self.example(picture.example, rendering)
        return self.ingest(
            picture.path, picture.name, picture.example, rendering, picture.beside, picture.remarks, picture.address
        )

    def fetch(self, address: object, rendering: Rendering | None = None) -> Steps:
        """Show the image at an address on the web: as `ingest`, after `Fetching` (0..1) several times.

        InputError where the address may not be opened, ImageError where there is no such file.
        """
        fetcher = self.limits.fetcher
        url = fetcher.checked(address)
        with self._originals.passing() as folder:
            work = Work(lambda report, stopped: fetcher.fetch(url, Path(folder), report, stopped))
            for fetched in work:
                yield Fetching(fetched)
            yield from self.ingest(work.outcome, rendering=rendering, address=str(url))

    def ingest(
        self,
        path: str | Path,
        name: str | None = None,
        example: Example | None = None,
        rendering: Rendering | None = None,
        beside: Iterable[str | Path] = (),
        remarks: tuple[str, ...] = (),
        address: str | None = None,
    ) -> Steps:
        """Make a file showable: yields how far it is (0..1), several times a second, and last the `Picture`.

        rendering: how it is shown. beside: files that were given with it (world file, mask, ...). remarks: what is to
        be said of the files besides. address: from which it was fetched. Leaving the loop early stops the work. Raises
        ImageError where the file is not a usable image, InputError where it has no such bands or page, WorkerError
        where the worker cannot take it; no file is left behind then.
        """
        self.expire()
        id, rendering = secrets.token_urlsafe(12), rendering or Rendering()
        plain = example is not None and rendering == Rendering()
        tiles = self.folder / (_tiles_name(example) if example and plain else f"{id}.tif")
        try:
            path = Path(path) if example else self._originals.keep(Path(path), id)
            given = tuple(self._originals.keep(Path(other), id) for other in beside)
            shipped = example.sha256 if example and example.shipped else None
            work = Work(lambda report, stopped: self._prepare(path, tiles, rendering, given, report, stopped, shipped))
            yield from work
            image, mask, info = work.outcome
            reader = TileReader(tiles, background=BACKDROP)
        except BaseException:
            self._originals.release(id)
            raise
        picture = Picture(
            id=id,
            name=name or path.name,
            path=path,
            image=image,
            info=info,
            tiles=tiles,
            reader=reader,
            example=example,
            rendering=rendering,
            beside=given,
            mask=mask,
            remarks=remarks,
            address=address,
        )
        with self._lock:
            self._pictures[id] = picture
        yield picture

    def _prepare(
        self,
        path: Path,
        tiles: Path,
        rendering: Rendering,
        beside: tuple[Path, ...],
        report: Callable[[float], None],
        stopped: Cancel,
        shipped: str | None,
    ) -> tuple[str, str | None, ImageInfo]:
        """The worker's ids of the file and its mask, and the info with its stretch; without them, no tiles either."""
        info = apart.open_image(path, self.limits.images(), rendering=rendering, beside=beside, cancel=stopped)
        if tiles.exists() and not info.needs_stretch:
            return shipped or self._give(path, report), None, info
        info = apart.write_pyramid(path, tiles, info, lambda fraction: report(0.9 * fraction), stopped)
        try:
            image = shipped or self._give(path, report)
            mask = self.worker().store(info.mask) if info.mask else None
            if stopped():
                raise Cancelled("stopped")
            return image, mask, info
        except BaseException:
            tiles.unlink(missing_ok=True)
            raise

    def _give(self, path: Path, report: Callable[[float], None]) -> str:
        """The worker's id of the file, which it holds from now on."""
        report(Waiting(0.9))
        return self.worker().store(path)

    def expire(self) -> None:
        """Release uploaded pictures that have expired or are over the quota."""
        oldest = time.monotonic() - 3600 * self.limits.tiles_hours
        with self._lock:
            uploads = sorted((p for p in self._pictures.values() if not p.stays), key=lambda p: p.used, reverse=True)
            totals = accumulate(sum(map(_size, (p.tiles, p.path, *p.beside))) for p in uploads)
            old = [p for p, total in zip(uploads, totals) if p.used < oldest or total > self.limits.tiles_bytes]
            released = {picture.id for picture in old}
            kept = [picture for picture in self._pictures.values() if picture.id not in released]
        for picture in old:
            logger.info("releasing picture %s", picture.id)
            self.release(picture)
        for picture in kept:
            with suppress(OSError):
                os.utime(picture.tiles)  # young, for another page that sweeps a folder shared with this one

    def release(self, picture: Picture) -> None:
        """Delete a picture's file and tiles; those of an example stay."""
        with self._lock:
            self._pictures.pop(picture.id, None)
        picture.released = True
        picture.reader.close()
        self._originals.release(picture.id)
        if picture.stays:
            return
        picture.tiles.unlink(missing_ok=True)
        with self._lock:
            shared = any(other.path == picture.path for other in self._pictures.values())
        if picture.path.parent == self.folder and not shared:  # it was generated here
            picture.path.unlink(missing_ok=True)
            picture.path.with_suffix(".json").unlink(missing_ok=True)

    def close(self) -> None:
        """Release every picture."""
        self._closed.set()
        with self._lock:
            pictures = list(self._pictures.values())
        for picture in pictures:
            self.release(picture)
        self._originals.close()

    def _keep_tidy(self) -> None:
        while not self._closed.wait(min(TIDY_SECONDS, 900 * self.limits.tiles_hours)):
            self.expire()

    def _sweep(self) -> None:
        """Delete what pages that were killed left in the folder: all but tiles of examples and what is young."""
        oldest = time.time() - 3600 * self.limits.tiles_hours
        stay = {_tiles_name(example) for example in examples.load()}
        for path in self.folder.iterdir():
            with suppress(OSError):
                if path.name not in stay and path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()


def given_together(paths: Iterable[str | Path]) -> tuple[Path, tuple[Path, ...], tuple[str, ...]]:
    """Of files given together the picture, those that belong to it, and what is to be said of the others.

    InputError where there is no picture among them.
    """
    found, left = imagery.paired(paths)
    left = tuple(sentence.rstrip(".") for sentence in left)
    if not found:
        raise InputError(f"{'; '.join(left)}: upload it together with the picture.")
    *others, (path, beside) = found
    more = (f"{shown_name(other)} is not shown: upload one picture at a time" for other, _ in others)
    return path, beside, (*left, *more)


class Work:
    """A function run in a thread; iterating over it yields its progress and stops it when left early."""

    def __init__(self, run: Callable) -> None:
        self.outcome: Any = None
        self._error: BaseException | None = None
        self._fraction = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, args=(run,), daemon=True)

    def _go(self, run: Callable) -> None:
        try:
            self.outcome = run(self._report, self._stop.is_set)
        except BaseException as error:  # raised again where the caller waits
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


def _tiles_name(example: Example) -> str:
    return f"example-{example.sha256[:24]}.tif"


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
