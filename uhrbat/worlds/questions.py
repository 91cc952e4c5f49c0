"""Questions about a generated world, whose answers follow from its ground truth."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uhrbat.worlds.types import Spec, World, WorldObject, WorldQuestion
from uhrbat.worlds.vocabulary import (
    ABSOLUTE,
    COLOR,
    COLORS,
    COUNT,
    KIND_COLORS,
    KINDS,
    LAND_COVER,
    LAND_COVERS,
    PRESENCE,
    QUESTION_TYPES,
    RELATIVE,
    WATER_KINDS,
    phrase,
)

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")
PLACES = (
    *("top left", "top", "top right"),
    *("left", "center", "right"),
    *("bottom left", "bottom", "bottom right"),
)
DIRECTIONS = ("right", "below right", "below", "below left", "left", "above left", "above", "above right")
"""Clockwise from the right, each 45 degrees wide."""

_SHARES = {PRESENCE: 4, COLOR: 3, COUNT: 4, ABSOLUTE: 3, RELATIVE: 4, LAND_COVER: 2}
_MULTIPLE_CHOICE = 0.25
_LINE_MARGIN = 0.04
_ANGLE_MARGIN = 7.0
_NEAREST = 0.06
_ATTEMPTS = 40

_PRESENCE_TEXTS = (
    "Is there {a} in the image?",
    "Is there {a} in this image?",
    "Can you see {a}?",
    "Does the image show {a}?",
    "Is {a} visible in the image?",
)
_COLOR_TEXTS = (
    "What color is the {it}?",
    "What colour is the {it}?",
    "What is the color of the {it}?",
    "Which colour does the {it} have?",
)
_COUNT_TEXTS = (
    "How many {them} are there?",
    "How many {them} are there in the image?",
    "How many {them} can you see?",
    "What is the number of {them} in the image?",
    "Count the {them}.",
)
_ABSOLUTE_TEXTS = (
    "Where is the {it}?",
    "Where is the {it} in the image?",
    "In which part of the image is the {it}?",
    "What is the position of the {it}?",
)
_RELATIVE_TEXTS = (
    "Where is the {it} relative to the {other}?",
    "Where is the {it} compared to the {other}?",
    "Seen from the {other}, where is the {it}?",
    "In which direction from the {other} is the {it}?",
)
_LAND_COVER_TEXTS = (
    "What is the main land cover?",
    "What is the main land cover in the image?",
    "Which land cover takes up most of the image?",
    "What covers most of the area?",
)


@dataclass(frozen=True)
class _Draft:
    """A question before its wording: its texts, its answer, and what other answers it could have."""

    type: str
    texts: tuple[str, ...]
    answer: str
    options: tuple[str, ...]
    evidence: tuple[int, ...]
    targets: tuple[Spec, ...]


def matches(world: World, spec: Spec) -> tuple[int, ...]:
    """Give the indices of the objects of a kind and, unless it is None, a color."""
    kind, color = spec
    return tuple(
        index
        for index, item in enumerate(world.objects)
        if item.kind == kind and (color is None or item.color == color)
    )


def questions(world: World, seed: int, n: int = 20) -> list[WorldQuestion]:
    """Ask `n` different questions about a world; the same arguments always give the same ones.

    Of 20, about 4 ask for presence (half of them answered no), 3 for a color, 4 for a count, 3 for a
    position, 4 for a relative position and 2 for the land cover; types that a world cannot answer
    without ambiguity make room for the others. A quarter are multiple-choice. Fewer than `n` come back
    only where a world has no more to ask.
    """
    rng = np.random.default_rng([seed, world.seed, world.size])
    wanted = {kind: max(1, round(n * share / 20)) for kind, share in _SHARES.items()}
    asked: list[WorldQuestion] = []
    seen: set = set()
    for kind in QUESTION_TYPES:
        for index in range(wanted[kind]):
            _ask(kind, index, world, rng, asked, seen)
    fillers = (COUNT, PRESENCE, ABSOLUTE, RELATIVE, COLOR)
    for index in range(8 * n):
        if len(asked) >= n:
            break
        _ask(fillers[index % len(fillers)], index // len(fillers), world, rng, asked, seen)
    order = rng.permutation(len(asked))
    return [asked[index] for index in order[:n]]


def plain_questions(world: World, kinds: Sequence[str], seed: int, n: int) -> list[WorldQuestion]:
    """Ask up to `n` different questions about objects of these kinds alone, colors and land cover left aside.

    For pictures of which nothing else is known. About half of those for presence and one count in seven are of kinds
    that are not there, where there are any.
    """
    rng = np.random.default_rng([seed, world.seed, world.size])
    present = [kind for kind in kinds if matches(world, (kind, None))]
    none = [kind for kind in kinds if kind not in present]
    asked: list[WorldQuestion] = []
    seen: set = set()
    for _ in range(6 * n):
        if len(asked) >= n:
            break
        asked_for = (PRESENCE, COUNT, ABSOLUTE, RELATIVE)[rng.choice(4, p=(0.3, 0.4, 0.15, 0.15))]
        draft = _plain(asked_for, world, present, none, rng)
        closed = bool(rng.random() < _MULTIPLE_CHOICE)
        if draft is None or (draft.type, draft.targets, closed) in seen:
            continue
        seen.add((draft.type, draft.targets, closed))
        asked.append(_word(draft, closed, rng))
    return asked


def _plain(
    asked_for: str, world: World, present: Sequence[str], none: Sequence[str], rng: np.random.Generator
) -> _Draft | None:
    if asked_for in (ABSOLUTE, RELATIVE):
        return _MAKERS[asked_for](world, rng, 0)
    share = 0.5 if asked_for == PRESENCE else 1 / 7
    pool = none if none and (not present or rng.random() < share) else present
    if not pool:
        return None
    spec: Spec = (pool[int(rng.integers(len(pool)))], None)
    found = matches(world, spec)
    return _presence_draft(spec, found) if asked_for == PRESENCE else _count_draft(spec, found)


def _ask(
    kind: str,
    index: int,
    world: World,
    rng: np.random.Generator,
    asked: list[WorldQuestion],
    seen: set,
) -> None:
    """Append one question of a type that was not asked yet, if the world has one."""
    for _ in range(_ATTEMPTS):
        draft = _MAKERS[kind](world, rng, index)
        if draft is None:
            continue
        closed = index % 2 == 1 if kind == LAND_COVER else bool(rng.random() < _MULTIPLE_CHOICE)
        key = (kind, draft.targets) if kind != LAND_COVER else (kind, closed)
        if key in seen:
            continue
        seen.add(key)
        asked.append(_word(draft, closed, rng))
        return


def _word(draft: _Draft, closed: bool, rng: np.random.Generator) -> WorldQuestion:
    """Put a draft into words, as an open or a multiple-choice question."""
    text = draft.texts[rng.integers(len(draft.texts))]
    if not closed:
        return WorldQuestion(draft.type, text, draft.answer, (), draft.evidence, draft.targets)
    if len(draft.options) == 2:
        options = list(draft.options)
    else:
        others = [option for option in draft.options if option != draft.answer]
        options = [draft.answer, *(others[i] for i in rng.permutation(len(others))[:3])]
        options = [options[i] for i in rng.permutation(len(options))]
    choices = tuple(f"({letter}) {option}" for letter, option in zip("ABCD", options))
    answer = choices[options.index(draft.answer)]
    text = f"{text} Choose one: {' '.join(choices)}"
    return WorldQuestion(draft.type, text, answer, choices, draft.evidence, draft.targets)


def _any_object(world: World, rng: np.random.Generator) -> WorldObject | None:
    """Pick an object, every kind present being equally likely."""
    kinds = sorted({item.kind for item in world.objects})
    if not kinds:
        return None
    kind = kinds[rng.integers(len(kinds))]
    items = [item for item in world.objects if item.kind == kind]
    return items[rng.integers(len(items))]


def _article(text: str) -> str:
    return f"an {text}" if text[0] in "aeiou" else f"a {text}"


def _presence(world: World, rng: np.random.Generator, index: int) -> _Draft | None:
    """Ask for something present (even `index`) or plausible but absent (odd `index`)."""
    spec: Spec | None
    if index % 2 == 0:
        item = _any_object(world, rng)
        if item is None:
            return None
        spec = item.kind, item.color if item.color and rng.random() < 0.5 else None
    else:
        spec = _absent(world, rng)
        if spec is None:
            return None
    return _presence_draft(spec, matches(world, spec))


def _presence_draft(spec: Spec, found: tuple[int, ...]) -> _Draft:
    texts = tuple(text.format(a=_article(phrase(*spec))) for text in _PRESENCE_TEXTS)
    return _Draft(PRESENCE, texts, "yes" if found else "no", ("yes", "no"), found, (spec,))


def _absent(world: World, rng: np.random.Generator) -> Spec | None:
    """Pick a specification that nothing meets: another color of a kind present, or a plausible kind."""
    present = {item.kind for item in world.objects}
    wet = bool((world.land_map == LAND_COVERS.index("water")).any())
    specs: list[Spec] = []
    if rng.random() < 0.55:
        specs = [(kind, color) for kind in KINDS if kind in present for color in KIND_COLORS[kind]]
    if not specs:
        plausible = [kind for kind in KINDS if kind not in present and (wet or kind not in WATER_KINDS)]
        pool = plausible if plausible and rng.random() < 0.85 else [k for k in KINDS if k not in present]
        specs = [(kind, None) for kind in pool]
        specs += [(kind, color) for kind in pool for color in KIND_COLORS[kind] if rng.random() < 0.2]
    specs = [spec for spec in specs if not matches(world, spec)]
    return specs[rng.integers(len(specs))] if specs else None


def _unique(world: World, rng: np.random.Generator) -> Spec | None:
    """Pick a phrase that exactly one object meets."""
    kinds = Counter(item.kind for item in world.objects)
    looks = Counter((item.kind, item.color) for item in world.objects if item.color)
    specs: list[Spec] = sorted((kind, None) for kind, count in kinds.items() if count == 1)
    specs += sorted(look for look, count in looks.items() if count == 1)
    return specs[rng.integers(len(specs))] if specs else None


def _color(world: World, rng: np.random.Generator, index: int) -> _Draft | None:
    """Ask for the color of the only object of its kind."""
    kinds = Counter(item.kind for item in world.objects if item.color)
    single = sorted(kind for kind, count in kinds.items() if count == 1)
    if not single:
        return None
    spec: Spec = (single[rng.integers(len(single))], None)
    found = matches(world, spec)
    texts = tuple(text.format(it=phrase(*spec)) for text in _COLOR_TEXTS)
    return _Draft(COLOR, texts, str(world.objects[found[0]].color), COLORS, found, (spec,))


def _count(world: World, rng: np.random.Generator, index: int) -> _Draft | None:
    """Ask how many there are, sometimes of what there is none of, of at most six."""
    spec: Spec | None
    if rng.random() < 0.12:
        spec = _absent(world, rng)
    else:
        item = _any_object(world, rng)
        spec = (item.kind, item.color if item.color and rng.random() < 0.35 else None) if item else None
    if spec is None:
        return None
    found = matches(world, spec)
    if len(found) == 1 and rng.random() < 0.8:
        return None
    return _count_draft(spec, found)


def _count_draft(spec: Spec, found: tuple[int, ...]) -> _Draft | None:
    """How many there are; None where there are more than six."""
    if len(found) >= len(NUMBERS):
        return None
    texts = tuple(text.format(them=phrase(*spec, plural=True)) for text in _COUNT_TEXTS)
    return _Draft(COUNT, texts, NUMBERS[len(found)], NUMBERS, found, (spec,))


def place_of(center: tuple[float, float], size: int) -> str | None:
    """Name the ninth of the picture a point lies in; None within 4 % of a dividing line."""
    parts = center[0] / size * 3, center[1] / size * 3
    if any(abs(part - line) < 3 * _LINE_MARGIN for part in parts for line in (1, 2)):
        return None
    return PLACES[int(parts[1]) * 3 + int(parts[0])]


def direction_of(subject: tuple[float, float], reference: tuple[float, float], size: int) -> str | None:
    """Name the direction in which a point is seen from another; None where it is ambiguous.

    That is: nearer than 6 % of the picture, or within 7 degrees of the border of two sectors.
    """
    dx, dy = subject[0] - reference[0], subject[1] - reference[1]
    if math.hypot(dx, dy) < _NEAREST * size:
        return None
    sectors = math.degrees(math.atan2(dy, dx)) % 360 / 45
    nearest = round(sectors)
    if abs(sectors - nearest) * 45 > 22.5 - _ANGLE_MARGIN:
        return None
    return DIRECTIONS[nearest % 8]


def _absolute(world: World, rng: np.random.Generator, index: int) -> _Draft | None:
    """Ask in which ninth of the picture the only object of its description lies."""
    spec = _unique(world, rng)
    if spec is None:
        return None
    found = matches(world, spec)
    place = place_of(world.objects[found[0]].center, world.size)
    if place is None:
        return None
    texts = tuple(text.format(it=phrase(*spec)) for text in _ABSOLUTE_TEXTS)
    return _Draft(ABSOLUTE, texts, place, PLACES, found, (spec,))


def _relative(world: World, rng: np.random.Generator, index: int) -> _Draft | None:
    """Ask in which direction one object is seen from another, both uniquely described."""
    subject, reference = _unique(world, rng), _unique(world, rng)
    if subject is None or reference is None:
        return None
    found = matches(world, subject) + matches(world, reference)
    if found[0] == found[1]:
        return None
    items = [world.objects[index] for index in found]
    direction = direction_of(items[0].center, items[1].center, world.size)
    if direction is None:
        return None
    texts = tuple(text.format(it=phrase(*subject), other=phrase(*reference)) for text in _RELATIVE_TEXTS)
    return _Draft(RELATIVE, texts, direction, DIRECTIONS, found, (subject, reference))


def _land_cover(world: World, rng: np.random.Generator, index: int) -> _Draft:
    """Ask for the cover of the largest area."""
    return _Draft(LAND_COVER, _LAND_COVER_TEXTS, world.land_cover, LAND_COVERS, (), ())


_MAKERS: dict[str, Callable[[World, np.random.Generator, int], _Draft | None]] = {
    PRESENCE: _presence,
    COLOR: _color,
    COUNT: _count,
    ABSOLUTE: _absolute,
    RELATIVE: _relative,
    LAND_COVER: _land_cover,
}
