"""Reads a question in anybody's words as one of the questions that nano knows, or says why it is none. Torch-free.

nano answers six types of questions about nine kinds of objects in fixed phrasings. `read` finds the type, the kinds,
the colour and the options in other words (words.json), and gives the fixed phrasing that is scored and answered in its
place. Every word must be known: "the largest ship" is not read as "the ship".
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from uhrbat.results import Reading
from uhrbat.worlds.vocabulary import (
    ABSOLUTE,
    COLOR,
    COLORS,
    COUNT,
    KINDS,
    LAND_COVER,
    PRESENCE,
    RELATIVE,
    phrase,
)

_WORDS = json.loads((Path(__file__).parent / "words.json").read_text())
KIND_WORDS: Mapping[str, Sequence[str]] = _WORDS["kinds"]
"""Words for each kind of object, in the singular."""
_MARKS: Mapping[str, Sequence[str]] = _WORDS["marks"]
"""What says of which type a question is. A phrase that stands under several types counts for the first."""
_REFERENCE = frozenset(_WORDS["reference"])
"""What stands before the object from which another is looked for."""
_PLAIN = frozenset(_WORDS["plain"])
"""Words that change nothing."""
_LAND_ONLY = frozenset(_WORDS["land only"])
"""Those of them that change nothing in a question about land cover alone."""
_SPELLING: Mapping[str, str] = _WORDS["spelling"]
_STRONG = ("where", "whereabouts", "position", "location")
"""What asks for a place and for nothing else."""
CLOSE = 0.86
"""How alike a misspelt word and the word meant must be (difflib's ratio)."""
MOST_WORDS = 4
"""Words of the longest option on a line of its own."""
_OPTIONS: Mapping[str, Mapping[str, Sequence[str]]] = {
    PRESENCE: _WORDS["yes and no"],
    COUNT: _WORDS["numbers"],
    COLOR: {color: (color,) for color in COLORS},
    ABSOLUTE: _WORDS["places"],
    RELATIVE: _WORDS["directions"],
    LAND_COVER: _WORDS["land"],
}
"""Of each type, the words that an option may be written in, by nano's own."""
_OPTION = re.compile(
    r"(?:^|(?<=[\s,;:.?!/|]))"
    r"(?:\(([A-Za-z1-9])\)|\[([A-Za-z1-9])\]|([A-Za-z1-9])\)|([A-Za-z])[.:]|([1-9])[.:](?!\d)|([A-Za-z])\s+[-–—]\s)\s*"
)
_CHOOSE = re.compile(
    r"(?:please\s+)?(?:\b(?:options?|answers?|choices?|candidates?)\b[^?:.]{0,30}[:\-]|"
    r"\b(?:choose|select|pick|answer)\s+(?:(?:only\s+)?one|(?:an?|the (?:correct|right|best)) (?:option|answer|one)|"
    r"(?:from|among|between|out of)\b)[^?:(]*:?)\s*$",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"\b(?:options?|choices?|candidates?|choose (?:from|one|between|among)|pick one)\s*:\s*([^?\n]+)$", re.IGNORECASE
)
_ANSWER_WITH = re.compile(
    r"(?:^|(?<=[.?!\n;,]))\s*(?:please\s+)?(?:just\s+)?"
    r"(?:answer|respond|reply|give (?:me )?(?:just |only )?(?:the|a|your)|output|return|write)\b[^.?!\n]*"
    r"(?:letter|word|number|integer|yes|no|option|digit|phrase|answer|figure)s?\b[^.?!\n]*[.!]?\s*$",
    re.IGNORECASE,
)
"""How an answer is to be written, at the end of a question."""
_WORD = re.compile(r"w\.r\.t|i\.e|e\.g|[a-z]+(?:['’][a-z]+)?|\d+(?:[.,]\d+)*|[^\W\d_]+|\S")


@dataclass(frozen=True)
class _Part:
    """A part of a question: what it is ("kind", "hue", "mark", "plain" or "unknown"), which one, and its words."""

    what: str
    value: str
    text: str


class _NotUnderstood(Exception):
    """Why a question was not understood."""


def read(question: str) -> Reading:
    """Read a question in any words."""
    try:
        found = _read(question)
        return replace(found, reworded=found.text.casefold() != " ".join(question.split()).casefold())
    except _NotUnderstood as why:
        return Reading(question, False, why=str(why))


def refusal(reading: Reading) -> str:
    """Why a question was not understood and what can be asked instead, two sentences."""
    why, instead = reading.why or "", what_can_be_asked()
    return f"This question is not understood: {why}. {instead[0].upper()}{instead[1:]}."


def what_can_be_asked() -> str:
    """One sentence that says what nano understands."""
    kinds = [phrase(kind, plural=True) for kind in KINDS]
    return (
        f"ask in English whether there is one, how many there are, of which color or where: {', '.join(kinds[:-1])} or "
        f"{kinds[-1]}; or what the main land cover is"
    )


def _read(question: str) -> Reading:
    stem, options = _split_options(question)
    words = _words(stem)
    if not words:
        raise _NotUnderstood("there is no question in it")
    parts = _parts(words)
    unknown = [part.text for part in parts if part.what == "unknown"]
    asked = _type_of(parts)
    if asked is None or unknown:
        raise _NotUnderstood(_reason(unknown, parts))
    aside = [part.text for part in parts if part.what == "plain" and part.text in _LAND_ONLY]
    if asked != LAND_COVER and aside:
        raise _NotUnderstood(f"nano cannot take '{aside[0]}' into account")
    offered = _offered(parts, asked)
    specs = _specs([part for part in parts if not (part.what == "hue" and part.text in offered)])
    if sum(part.what == "hue" and part.text not in offered for part in parts) > sum(bool(color) for _, color in specs):
        raise _NotUnderstood("it names a color without saying of what")
    return _phrased(asked, specs, options or _lettered(offered))


def _offered(parts: Sequence[_Part], asked: str) -> list[str]:
    """Answers that the question itself offers: "red or blue", "left or right of"; of others it can name none."""
    what = {COLOR: "hue", ABSOLUTE: "side", RELATIVE: "side", LAND_COVER: "land"}.get(asked)
    named = list(dict.fromkeys(part.text for part in parts if part.what == what))
    offered = named if len(named) > 1 and (asked == LAND_COVER or _ends_in_or(parts, what)) else []
    for part in parts:
        if part.what in ("side", "land") and part.text not in offered:
            raise _NotUnderstood(f"nano cannot look at one part of the image alone ('{part.text}')")
    return offered


def _ends_in_or(parts: Sequence[_Part], what: str | None) -> bool:
    """Whether "or" stands before the last part of this sort."""
    places = [index for index, part in enumerate(parts) if part.what == what]
    return any(part.text == "or" for part in parts[places[-2] : places[-1]]) if len(places) > 1 else False


def _phrased(asked: str, specs: Sequence[tuple[str, str | None]], options: Sequence[tuple[str, str]]) -> Reading:
    """The phrasing that nano knows."""
    one = [phrase(*spec) for spec in specs]
    text = {
        PRESENCE: lambda: f"Is there {'an' if one[0][0] in 'aeiou' else 'a'} {one[0]} in the image?",
        COUNT: lambda: f"How many {phrase(*specs[0], plural=True)} are there?",
        COLOR: lambda: f"What color is the {one[0]}?",
        ABSOLUTE: lambda: f"Where is the {one[0]}?",
        RELATIVE: lambda: f"Where is the {one[0]} relative to the {one[1]}?",
        LAND_COVER: lambda: "What is the main land cover?",
    }[asked]()
    known = _OPTIONS[asked]
    written: dict[str, str] = {}
    said = []
    for letter, option in options:
        name = _plain_option(option, known)
        label = f"({letter}) {name}"
        said.append(label)
        written[label] = f"({letter}) {option}"
    if said:
        text = f"{text} Choose one: {' '.join(said)}"
    color = specs[0][1] if specs else None
    return Reading(text, True, asked, tuple(kind for kind, _ in specs), color, written)


def _plain_option(option: str, known: Mapping[str, Sequence[str]]) -> str:
    """An option in nano's own word for it, where it has one."""
    words = " ".join(word for word in _words(option) if word.isalnum() and word not in ("the", "it", "is", "a", "an"))
    for name, others in known.items():
        if words in others:
            return name
    return " ".join(option.split()).strip(" .,;")


def _split_options(question: str) -> tuple[str, list[tuple[str, str]]]:
    """The question without its options, and each option's letter (A, B, ..) and text."""
    question = question.strip()
    question = _ANSWER_WITH.sub("", question) or question
    found = list(_OPTION.finditer(question))
    letters = [next(group for group in match.groups() if group).upper() for match in found]
    for start in range(len(found) - 1):
        run = [start]
        for index in range(start + 1, len(found)):
            if ord(letters[index]) == ord(letters[run[-1]]) + 1:
                run.append(index)
        if letters[start] in "A1" and len(run) >= 2:
            stem = question[: found[run[0]].start()]
            ends = [found[index].start() for index in run[1:]] + [len(question)]
            options = [question[found[index].end() : end].strip(" \t\r\n,;/|") for index, end in zip(run, ends)]
            return _CHOOSE.sub("", stem.strip()), _lettered([_without_tail(option) for option in options])
    return _unlettered(question)


def _unlettered(question: str) -> tuple[str, list[tuple[str, str]]]:
    """Options on lines of their own, or listed after "options:"."""
    lines = [line.strip(" -*•\t") for line in question.splitlines() if line.strip(" -*•\t")]
    if len(lines) > 2 and all(len(line.split()) <= MOST_WORDS for line in lines[1:]):
        return _CHOOSE.sub("", lines[0]), _lettered(lines[1:])
    listed = _LISTED.search(question)
    if listed:
        options = [part.strip(" .") for part in re.split(r"\s*(?:,|;|/|\bor\b)\s*", listed[1]) if part.strip(" .")]
        if len(options) > 1:
            return question[: listed.start()], _lettered(options)
    return question, []


def _lettered(options: Sequence[str]) -> list[tuple[str, str]]:
    return [(letter, option) for letter, option in zip("ABCDEFGHI", options) if option]


def _without_tail(option: str) -> str:
    """An option without what was said after the last one, such as "Answer with the letter"."""
    tail = r"(?:[.\n]\s*|\s+)(?:please|answer|choose|select|pick|respond|reply)\b"
    return re.split(tail, option, flags=re.IGNORECASE)[0].strip(" .,;?!")


def _words(text: str) -> list[str]:
    """Lower-case words in American spelling; characters that are none stand for themselves."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    plain = re.sub(r"(?<=\w)[-–—](?=\w)|(?<=\w)'s\b(?<!it's)(?<!what's)(?<!where's)(?<!there's)", " ", plain)
    plain = re.sub(r",\s*right\s*\??\s*$", "", plain)
    out: list[str] = []
    for word in _WORD.findall(plain):
        if word in "?.!,;:\"'()[]…“”-–—/&":
            continue
        out += _SPELLING.get(word, word).split()
    return [_respelled(word) for word in out]


def _plurals(noun: str) -> tuple[str, ...]:
    first, _, last = noun.rpartition(" ")
    if last in _WORDS["irregular plurals"]:
        many = _WORDS["irregular plurals"][last]
    elif last.endswith(("s", "sh", "ch")):
        many = f"{last}es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        many = f"{last[:-1]}ies"
    else:
        many = f"{last}s"
    return noun, f"{first} {many}".strip()


def _phrases() -> dict[tuple[str, ...], tuple[str, str]]:
    """Every known phrase, as its words, with what it is: a kind, a color or a mark."""
    out: dict[tuple[str, ...], tuple[str, str]] = {}
    for mark, texts in reversed(list(_MARKS.items())):
        for text in texts:
            out[tuple(text.split())] = ("mark", mark)
    for text in _WORDS["plain phrases"]:
        out[tuple(text.split())] = ("plain", "")
    for text in _WORDS["refused"]:
        out[tuple(text.split())] = ("unknown", "")
    for side, texts in (*_OPTIONS[RELATIVE].items(), *_OPTIONS[ABSOLUTE].items()):
        for text in texts:
            out[tuple(text.split())] = ("side", side)
    for color in COLORS:
        out[(color,)] = ("hue", color)
    for land, texts in _OPTIONS[LAND_COVER].items():
        for text in texts:
            out[tuple(text.split())] = ("land", land)
    for kind, nouns in KIND_WORDS.items():
        for noun in nouns:
            for form in _plurals(noun):
                out[tuple(form.split())] = ("kind", kind)
    return out


_KNOWN = _phrases()
_SPELT = frozenset(word for text in _KNOWN for word in text) | _PLAIN
_CORRECTED = sorted(
    {word for text, (what, _) in _KNOWN.items() if what in ("mark", "plain") for word in text if len(word) > 3}
    | {word for word in (*_PLAIN, *_SPELLING) if len(word) > 3}
)
_LONGEST = max(map(len, _KNOWN))


def _parts(words: Sequence[str]) -> list[_Part]:
    """The parts of a question, longest phrases first."""
    out: list[_Part] = []
    place = 0
    while place < len(words):
        for length in range(min(_LONGEST, len(words) - place), 0, -1):
            text = words[place : place + length]
            if tuple(text) in _KNOWN:
                out.append(_Part(*_KNOWN[tuple(text)], " ".join(text)))
                place += length
                break
        else:
            word = words[place]
            out.append(_Part("plain" if word in _PLAIN else "unknown", "", word))
            place += 1
    return out


def _respelled(word: str) -> str:
    """A misspelt word as it was probably meant: never one that names an object, a color, a place or a land cover."""
    if word in _SPELT or len(word) < 4 or not word.isascii():
        return word
    alike = [known for known in _CORRECTED if known[0] == word[0]]
    close = difflib.get_close_matches(word, alike, 1, CLOSE)
    return _SPELLING.get(close[0], close[0]) if close else word


def _specs(parts: Sequence[_Part]) -> list[tuple[str, str | None]]:
    """(kind, color) of each kind that is named, subject first; a color stands before its kind, or at the end."""
    specs: list[tuple[str, str | None]] = []
    hue = None
    for part in parts:
        if part.what == "hue":
            hue = part.value
        elif part.what == "kind" and not (hue is None and len(specs) == 1 and len(_kinds(parts)) == 1):
            specs.append((part.value, hue))
            hue = None
    if hue and len(specs) == 1 and specs[0][1] is None:
        specs[0] = (specs[0][0], hue)
    if len(specs) == 2 and _reference_first(parts):
        specs.reverse()
    return specs


def _reference_first(parts: Sequence[_Part]) -> bool:
    """Whether what stands before the first kind says that it is where one looks from."""
    for part in parts:
        if part.what == "kind":
            return False
        if part.text in _REFERENCE:
            return True
    return False


def _type_of(parts: Sequence[_Part]) -> str | None:
    """Which type of question it is; None where it is none of them."""
    kinds = _kinds(parts)
    marks = {part.value for part in parts if part.what == "mark"}
    if not kinds:
        lands = {part.value for part in parts if part.what == "land"}
        return LAND_COVER if LAND_COVER in marks or len(lands) > 1 else None
    if LAND_COVER in marks or len({COUNT, COLOR} & marks) + any(part.text in _STRONG for part in parts) > 1:
        return None
    if COUNT in marks:
        return COUNT if len(kinds) == 1 else None
    if len(kinds) == 2:
        return RELATIVE if marks & {RELATIVE, ABSOLUTE} or _ends_in_or(parts, "side") else None
    if len(kinds) > 2:
        return None
    if COLOR in marks or _ends_in_or(parts, "hue"):
        return COLOR
    if _ends_in_or(parts, "side"):
        return ABSOLUTE
    return ABSOLUTE if ABSOLUTE in marks else None if RELATIVE in marks else PRESENCE


def _kinds(parts: Sequence[_Part]) -> list[str]:
    """The kinds that are named; one named twice running ("jet aircraft", "the building's roof") counts once."""
    named = [part for part in parts if part.what in ("kind", "hue", "mark")]
    return [
        part.value
        for index, part in enumerate(named)
        if part.what == "kind"
        and not (index and (named[index - 1].what, named[index - 1].value) == ("kind", part.value))
    ]


def _reason(unknown: Sequence[str], parts: Sequence[_Part]) -> str:
    if unknown:
        return f"nano does not know the word '{unknown[0][:40]}'"
    if not any(part.what == "kind" for part in parts):
        return "it names nothing that nano knows"
    if len(_kinds(parts)) == 2 and any(part.what == "side" for part in parts):
        return "nano can say in which direction one thing lies from another, not whether it lies in one"
    return "it asks for several things at once"
