"""What a few of a file's pixels say of it: whether alpha is alpha, and nodata that no tag declares."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rasterio.windows import Window

_BYTES = 256 * 2**20
_MOST = 48
_SIDE = 128
_MOSTLY = 0.9
_BORDER = 0.6
_NEVER_DATA = (-9999.0, -99999.0, -999999.0, -32768.0, -32767.0, float(np.float32(-3.4028235e38)), 1e20, -1e20)


def is_alpha(file: Any, band: int, shown: tuple[int, ...]) -> bool:
    """Whether a band that is marked as alpha holds transparency and not, say, infrared light.

    Transparency is nearly everywhere all or nothing; or what it hides has one colour. A wholly transparent picture
    that shows something all the same is no transparency either.
    """
    others = [b for b in shown if b != band]
    extremes = total = 0
    hidden: list[np.ndarray] = []
    full = _full(file.dtypes[band - 1])
    opaque = False
    for window in _spread(file):
        alpha = file.read(band, window=window)
        clear = alpha == 0
        solid = np.isin(alpha, full)
        opaque |= bool(solid.any())
        extremes += int((clear | solid).sum())
        total += alpha.size
        if others and clear.any():
            hidden.append(np.unique(file.read(others, window=window)[:, clear], axis=1)[:, :4096])
    plain = not hidden or np.unique(np.concatenate(hidden, axis=1), axis=1).shape[1] == 1
    if not opaque:
        return bool(hidden) and plain and extremes == total
    return extremes >= _MOSTLY * total or (bool(hidden) and plain)


def _full(dtype: str) -> list[float]:
    if np.dtype(dtype).kind == "f":
        return [1.0, 255.0]
    return [float(np.iinfo(dtype).max), *([255.0, 4095.0, 10000.0] if np.iinfo(dtype).max > 255 else [])]


def nodata_along_edges(file: Any, bands: tuple[int, ...], deep: bool) -> float | None:
    """The value that the shown bands have along a whole edge, or most of the border, where it can mean "no data".

    None where the inside is nothing else, since a picture of one value is a picture.
    """
    corners = [_values(file, bands, Window(x, y, 1, 1)) for x in (0, file.width - 1) for y in (0, file.height - 1)]
    candidates = [
        value
        for value in _candidates(file.dtypes[bands[0] - 1], deep)
        if any((corner == value).all() for corner in corners)
    ]
    if not candidates:
        return None
    whole: Counter[float] = Counter()
    border: Counter[float] = Counter()
    pixels = 0
    for edge in _edges(file):
        values = np.concatenate([_values(file, bands, window).reshape(len(bands), -1) for window in edge], axis=1)
        pixels += values.shape[1]
        for value in candidates:
            count = int((values == value).all(axis=0).sum())
            border[value] += count
            whole[value] += count == values.shape[1]
    for value, edges in sorted(whole.items(), key=lambda item: (-item[1], -border[item[0]])):
        if edges or border[value] >= _BORDER * pixels:
            inside = any((_values(file, bands, window) != value).any() for window in _spread(file))
            return value if inside else None
    return None


def only_outside(value: float, dtype: str) -> bool:
    """Whether a value is missing data only where it is joined to the edge, since inside it may well be measured."""
    return value not in _NEVER_DATA and not (np.dtype(dtype).kind in "if" and value == _lowest(dtype))


def outside(empty: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of rows [n, width] of maybe empty pixels those joined to the left, right or upper edge in a straight line.

    above: bool[width], which columns have been empty from the top down to here; it is returned continued.
    """
    left = np.logical_and.accumulate(empty, axis=1)
    right = np.logical_and.accumulate(empty[:, ::-1], axis=1)[:, ::-1]
    down = np.logical_and.accumulate(empty, axis=0) & above
    return left | right | down, down[-1]


def _values(file: Any, bands: Sequence[int], window: Window) -> np.ndarray:
    values = file.read(list(bands), window=window)
    return np.abs(values) if values.dtype.kind == "c" else values


def _lowest(dtype: str) -> float:
    kind = np.dtype(dtype)
    return float(np.finfo(kind).min if kind.kind == "f" else np.iinfo(kind).min)


def _candidates(dtype: str, deep: bool) -> list[float]:
    if dtype.startswith("complex"):
        return [0.0]
    kind = np.dtype(dtype)
    if kind.kind == "f":
        limits = np.finfo(kind)
        return [0.0, 65535.0, float(limits.min), float(limits.max), *_NEVER_DATA]
    limit = np.iinfo(kind)
    values = [0.0, float(limit.max), float(limit.min)]
    if deep:
        values += [65535.0, *_NEVER_DATA]
    return [value for value in dict.fromkeys(values) if limit.min <= value <= limit.max]


def _budget(file: Any) -> int:
    """How many inner tiles may be looked at along one edge."""
    height, width = file.block_shapes[0]
    size = height * width * file.count * np.dtype(file.dtypes[0].replace("complex_int16", "int32")).itemsize
    return int(min(_MOST, max(2, _BYTES // (8 * size))))


def _picked(count: int, most: int) -> list[int]:
    """At most `most` of 0..count-1, evenly spread, the first and last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def _edges(file: Any) -> Iterator[list[Window]]:
    height, width = file.block_shapes[0]
    most = _budget(file)
    columns = [(at * width, min(width, file.width - at * width)) for at in _picked(-(-file.width // width), most)]
    rows = [(at * height, min(height, file.height - at * height)) for at in _picked(-(-file.height // height), most)]
    yield [Window(at, 0, size, 1) for at, size in columns]
    yield [Window(at, file.height - 1, size, 1) for at, size in columns]
    yield [Window(0, at, 1, size) for at, size in rows]
    yield [Window(file.width - 1, at, 1, size) for at, size in rows]


def _spread(file: Any) -> Iterator[Window]:
    """Windows of inner tiles spread over the picture."""
    height, width = file.block_shapes[0]
    side = max(2, int(_budget(file) ** 0.5))
    for row in _picked(-(-file.height // height), side * 2 if width >= file.width else side):
        for column in _picked(-(-file.width // width), side):
            for part in (0.0, 0.5, 1.0) if width >= file.width and file.width > _SIDE else (0.0,):
                x = column * width + int(part * max(0, min(width, file.width - column * width) - _SIDE))
                y = row * height
                yield Window(x, y, min(_SIDE, file.width - x), min(_SIDE, height, file.height - y))
