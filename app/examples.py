"""The examples that ship with the explorer: generated scenes, with everything that is true of them."""

import io
import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from PIL import Image

from .paths import ASSETS

FOLDER = ASSETS / "examples"
_THUMBNAIL = 208


@dataclass(frozen=True)
class KnownObject:
    """An object of an example; box (x0, y0, x1, y1) in image pixels."""

    kind: str
    color: str | None
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class KnownQuestion:
    """A question whose true answer is known; `evidence` are indices into the example's objects."""

    text: str
    type: str
    answer: str
    evidence: tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """One example: its file, what it teaches, and its ground truth."""

    name: str
    title: str
    caption: str
    path: Path
    sha256: str
    budget: int
    objects: tuple[KnownObject, ...]
    questions: tuple[KnownQuestion, ...]
    shipped: bool = True
    """Whether it stays; one made on demand is released like an uploaded image."""
    method: dict[str, str] = field(default_factory=dict)
    """What is chosen for it of importance, regions and order; else the defaults are."""

    def question(self, text: str) -> KnownQuestion | None:
        """The known question with this wording, or None."""
        wanted = text.strip().lower()
        return next((known for known in self.questions if known.text.strip().lower() == wanted), None)

    def boxes(self, known: KnownQuestion | None) -> tuple[tuple[int, int, int, int], ...]:
        """The evidence boxes of one of its questions; none for None."""
        return tuple(self.objects[index].box for index in known.evidence) if known else ()

    @cached_property
    def thumbnail(self) -> bytes:
        """A small JPEG of the picture."""
        with Image.open(self.path) as image:
            image.draft("RGB", (_THUMBNAIL * 2, _THUMBNAIL * 2))
            image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            image.convert("RGB").save(out, "JPEG", quality=86)
        return out.getvalue()


@lru_cache(maxsize=4)
def load(folder: Path = FOLDER) -> tuple[Example, ...]:
    """The examples that `examples.json` in a folder lists; none where there is no such file."""
    listing = Path(folder) / "examples.json"
    if not listing.is_file():
        return ()
    return tuple(from_item(Path(folder), item) for item in json.loads(listing.read_text())["examples"])


def find(name: str) -> Example | None:
    """The shipped example of this name, or None."""
    return next((example for example in load() if example.name == name), None)


def from_item(folder: Path, item: dict, shipped: bool = True) -> Example:
    """An example from its entry in `examples.json`; its file lies in the folder."""
    return Example(
        name=item["name"],
        title=item["title"],
        caption=item["caption"],
        path=folder / item["file"],
        sha256=item["sha256"],
        budget=item.get("budget", 3000),
        objects=tuple(KnownObject(o["kind"], o["color"], tuple(o["box"])) for o in item["objects"]),
        questions=tuple(
            KnownQuestion(q["text"], q["type"], q["answer"], tuple(q["evidence"])) for q in item["questions"]
        ),
        shipped=shipped,
        method=item.get("method", {}),
    )
