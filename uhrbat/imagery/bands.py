"""Which bands are red, green and blue, by what the file calls them."""

import re
from collections.abc import Iterable, Sequence

_WORDS = ("red", "green", "blue")
_LETTERS = ("r", "g", "b")
_SENTINEL2 = ("b4", "b3", "b2")
_LANDSAT_8 = ("srb4", "srb3", "srb2")
_LANDSAT_7 = ("srb3", "srb2", "srb1")
_QUALIFIED = ("edge", "coastal", "deep", "nir", "infra", "ratio", "ndvi", "mask")
_MICRO = re.compile(r"(\d+(?:\.\d+)?)\s*(?:µm|um|micromet)", re.IGNORECASE)
_NANO = re.compile(r"(\d+(?:\.\d+)?)\s*(?:nm|nanomet)", re.IGNORECASE)
_WAVELENGTHS = (660.0, 560.0, 480.0)
_INFRARED = re.compile(r"(?<![a-z])(s?w?nir\d*|swir\d*|near.?infra.?red|infra.?red|nir)(?![a-z])", re.IGNORECASE)


def band_names(descriptions: Sequence[str | None], colors: Sequence[str]) -> tuple[str, ...]:
    """A name for each band: what the file describes it as, else its colour, else its number."""
    return tuple(
        _clean(description) or (color if color not in ("undefined", "gray") else "") or f"band {number}"
        for number, (description, color) in enumerate(zip(descriptions, colors, strict=True), start=1)
    )


def natural_colour(descriptions: Sequence[str | None]) -> tuple[int, int, int] | None:
    """The bands, from 1, whose descriptions say red, green and blue, or None where they do not."""
    names = [_clean(description) for description in descriptions]
    if len([name for name in names if name]) < 3:
        return None
    plain = [_plain(name) for name in names]
    landsat = _LANDSAT_7 if "srb1" in plain and "srb7" in plain and "srb6" not in plain else _LANDSAT_8
    for wanted in (_WORDS, _LETTERS, landsat, _SENTINEL2):
        if all(plain.count(name) == 1 for name in wanted):
            return _numbered(plain.index(name) for name in wanted)
    worded = [_find(names, word) for word in _WORDS]
    if None not in worded and len(set(worded)) == 3:
        return _numbered(band for band in worded if band is not None)
    coded = [_find_code(names, code) for code in _SENTINEL2]
    if None not in coded and len(set(coded)) == 3:
        return _numbered(band for band in coded if band is not None)
    return _by_wavelength(names)


def find_band(name: str, names: Sequence[str]) -> int | None:
    """The band, from 1, of a name, case and leading zeros aside; None where there is not exactly one."""
    plain = [_plain(other) for other in names]
    return plain.index(_plain(name)) + 1 if plain.count(_plain(name)) == 1 else None


def is_infrared(description: str | None) -> bool:
    """Whether a band's description says that it is infrared, so no transparency."""
    return bool(description) and _INFRARED.search(str(description).replace("_", " ")) is not None


def _numbered(positions: Iterable[int]) -> tuple[int, int, int]:
    red, green, blue = (position + 1 for position in positions)
    return red, green, blue


def _clean(description: str | None) -> str:
    """A description as one short printable line."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(description or "")).split())
    return text if len(text) <= 60 else text[:59] + "…"


def _plain(name: str) -> str:
    """A name without case, punctuation and leading zeros of its numbers."""
    joined = re.sub(r"[^0-9a-zµ]", "", name.lower())
    return re.sub(r"(?<!\d)0+(?=\d)", "", joined)


def _find(names: Sequence[str], word: str) -> int | None:
    """The only name that holds a word, not counting those that qualify it ('red edge', 'coastal blue')."""
    pattern = re.compile(rf"(?<![a-z]){word}(?![a-z])")
    lowered = [name.lower().replace("_", " ") for name in names]
    found = [i for i, name in enumerate(lowered) if pattern.search(name) and not any(q in name for q in _QUALIFIED)]
    if len(found) > 1:  # "green" beside "green i"
        shortest = min(len(names[i]) for i in found)
        found = [i for i in found if len(names[i]) == shortest]
    return found[0] if len(found) == 1 else None


def _find_code(names: Sequence[str], code: str) -> int | None:
    """The only name of which a word is a band's code, as in 'B04 (665 nm)' or 'T33_B04_10m'."""
    found = [i for i, name in enumerate(names) if code in {_plain(part) for part in re.split(r"[^0-9A-Za-z]+", name)}]
    return found[0] if len(found) == 1 else None


def _by_wavelength(names: Sequence[str]) -> tuple[int, int, int] | None:
    waves: list[float | None] = []
    for name in names:
        micro, nano = _MICRO.search(name), _NANO.search(name)
        waves.append(float(micro[1]) * 1000 if micro else float(nano[1]) if nano else None)
    chosen = []
    for wanted in _WAVELENGTHS:
        near = [(abs(wave - wanted), band) for band, wave in enumerate(waves) if wave is not None]
        if not near or min(near)[0] > 45:
            return None
        chosen.append(min(near)[1])
    return _numbered(chosen) if len(set(chosen)) == 3 else None
