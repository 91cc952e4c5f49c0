"""What each example is to teach, and whether the model at hand shows it on a given question."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from uhrbat.answers import same_answer
from uhrbat.encoded import EncodedImage
from uhrbat.selection import evidence
from uhrbat.worlds import phrase

WIDE = 3000
BUDGETS = (64, 256, 1000, WIDE, 16000)


@dataclass(frozen=True)
class Shown:
    """What the model makes of one question about one scene.

    names: its evidence in words; pixels: longer side of the smallest evidence, in pixels of the finest scale
    (0 without evidence). answers and preserved (all evidence) by total budget; least: the smallest total
    that preserves all evidence (None: none does, 0: there is none); causes: the fate of each evidence object at
    each budget; by_default: whether the default method preserves all evidence at 3,000 tokens and answers right.
    """

    text: str
    type: str
    truth: str
    names: tuple[str, ...]
    pixels: float
    answers: dict[int, str]
    preserved: dict[int, bool]
    least: int | None
    causes: dict[int, tuple[str, ...]]
    by_default: bool

    def right(self, budget: int) -> bool:
        """Whether the answer at a measured budget is the true one."""
        return self.is_true(self.answers[budget])

    def is_true(self, answer: str) -> bool:
        """Whether it is the true answer."""
        return same_answer(answer, self.truth)


@dataclass(frozen=True)
class Plan:
    """One example: its lesson, the questions that may show it, and the scenes to look for them in.

    wanted: types and words of the questions tried, best first; pixels: sizes of the evidence that fit (`Shown`);
    shows: whether what the model makes of a question is the lesson; caption: the lesson in a sentence, filled in from
    what was measured; seeds: tried in this order.
    """

    name: str
    title: str
    caption: str
    wanted: tuple[tuple[str, str], ...]
    shows: Callable[[Shown], bool]
    seeds: tuple[int, ...]
    pixels: tuple[float, float] = (0, 1000)
    size: int = 4032
    quality: int = 90
    budget: int = WIDE
    """Where the page starts."""
    importance: str | None = None
    """How tokens are scored when the page starts, if not by default."""

    def taught_by(self, shown: Shown | None) -> bool:
        """Whether what the model makes of a question is the lesson."""
        return shown is not None and self.pixels[0] <= shown.pixels <= self.pixels[1] and self.shows(shown)

    def caption_of(self, shown: Shown) -> str:
        """The caption, with the numbers of what was measured."""
        lost = next((cause for cause in shown.causes[self.budget] if cause != evidence.KEPT), evidence.PRESERVED)
        return self.caption.format(
            it=" and ".join(dict.fromkeys(shown.names)),
            pixels=f"{shown.pixels:.0f}",
            number=len(shown.names),
            budget=f"{self.budget:,}",
            least=f"{shown.least or 0:,}",
            cause=lost,
        )


def _seeds(first: int) -> tuple[int, ...]:
    """Offsets into the example seeds: the one that is shipped, then as many others as are worth the time."""
    return (first, *(first + 100 * step for step in range(1, 25)))


PLANS = (
    Plan(
        "airfield",
        "Airfield",
        "Easy: the {pixels}-pixel {it} survives, and the answer is right, at every budget from 256 tokens.",
        (("color", "airplane"), ("absolute position", "airplane"), ("relative position", "airplane")),
        lambda s: all(s.preserved[k] and s.right(k) for k in BUDGETS if k >= 256),
        _seeds(6),
        pixels=(20, 1000),
    ),
    Plan(
        "harbour",
        "Harbour",
        "Tiny but kept: the {it}, at most {pixels} pixels long at the finest scale. {least} tokens are enough.",
        (("color", "ship"), ("absolute position", "ship"), ("relative position", "ship"), ("presence", "ship")),
        lambda s: s.preserved[1000] and s.right(1000) and s.right(WIDE),
        _seeds(10),
        pixels=(1, 10),
        size=8192,
        quality=78,
    ),
    Plan(
        "suburb",
        "Suburb",
        "A loss: scored by attention, as in the released code, the {pixels}-pixel {it} is lost at {budget} tokens "
        "({cause}). Press Ours and it is kept.",
        (("color", "car"), ("absolute position", "car"), ("presence", "car"), ("count", "car")),
        lambda s: not s.preserved[WIDE] and not s.right(WIDE) and s.by_default,
        _seeds(7),
        pixels=(1, 14),
        importance="attention",
    ),
    Plan(
        "rafts",
        "Fish rafts",
        "Two objects needed: the island and the fish rafts. {least} tokens keep both.",
        (("relative position", "raft"),),
        lambda s: "island" in s.text and s.preserved[WIDE] and s.right(WIDE),
        _seeds(2013),
    ),
    Plan(
        "tanks",
        "Tank farm",
        "Counting: all {number} tanks must survive. From {least} tokens on they do.",
        (("count", "tank"),),
        lambda s: len(s.names) > 2 and s.preserved[WIDE] and s.right(WIDE),
        _seeds(26),
    ),
    Plan(
        "lagoon",
        "Lagoon",
        "Land cover: {budget} of 131,328 tokens are enough.",
        (("land cover", ""),),
        lambda s: all(map(s.right, BUDGETS)),
        _seeds(28),
        budget=64,
    ),
)


def show(
    encoded: EncodedImage, asked, objects, pixels: tuple[float, float] = (0, 1000), importance: str | None = None
) -> Shown | None:
    """Ask a question at several budgets; None, without asking, where its evidence is not of a fitting size.

    asked: has text, type, answer, evidence (indices into objects); objects: have kind, color, box in image pixels.
    """
    found = [objects[index] for index in asked.evidence]
    finer = max(encoded.square.sizes) / encoded.square.side
    smallest = min((max(o.box[2] - o.box[0], o.box[3] - o.box[1]) * finer for o in found), default=0.0)
    if not pixels[0] <= smallest <= pixels[1]:
        return None
    boxes = [item.box for item in found]
    default = encoded.ask(asked.text)
    view = encoded.ask(asked.text, replace(encoded.engine.settings, importance=importance)) if importance else default
    leasts = [view.fate(box, WIDE).smallest_budget for box in boxes]
    causes = {k: tuple(view.fate(box, k).cause for box in boxes) for k in BUDGETS}
    shown = Shown(
        text=asked.text,
        type=asked.type,
        truth=asked.answer,
        names=tuple(phrase(item.kind, item.color) for item in found),
        pixels=smallest,
        answers={k: str(view.select(k).answer()) for k in BUDGETS},
        preserved={k: _all_preserved(causes[k]) for k in BUDGETS},
        least=None if None in leasts else max((least for least in leasts if least is not None), default=0),
        causes=causes,
        by_default=False,
    )
    kept = _all_preserved(default.fate(box, WIDE).cause for box in boxes)
    return replace(shown, by_default=kept and shown.is_true(str(default.select(WIDE).answer())))


def _all_preserved(causes: Iterable[str]) -> bool:
    return all(cause == evidence.KEPT for cause in causes)


def table(name: str, shown: Shown, plan: Plan | None = None) -> str:
    """What was found, as text: one line on the question, one a budget; with a plan also whether it teaches it."""
    kept = {None: "no budget keeps it", 0: "no evidence"}.get(shown.least, f"kept from {shown.least or 0:,}")
    head = f"{name}: {shown.text} [{shown.truth}] {', '.join(shown.names)} ({shown.pixels:.0f} px, {kept})"
    if plan:
        head += "  TEACHES" if plan.taught_by(shown) else "  DOES NOT TEACH what it is there for"
    rows = [
        f"  {k:>6,}  {'right' if shown.right(k) else 'wrong'}  {answer:<28} {', '.join(shown.causes[k])}"
        for k, answer in shown.answers.items()
    ]
    return "\n".join([head, *rows])
