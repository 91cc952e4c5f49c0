"""From ground control points to a map position everywhere: affine, polynomial or thin-plate spline, with its error."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Points = tuple[tuple[float, float, float, float], ...]
_MOST_SPLINE = 400
_WORTH = 0.8
"""A richer fit is taken where it leaves less than this share of a plainer one's error."""
_NEWTON_STEPS = 40
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, eq=False)
class Fit:
    """A map from upright pixels to coordinates, through ground control points.

    kind: 'affine', 'polynomial of order 2' or 3, or 'thin-plate spline'. residual: metres (or map units, where the CRS
    is not known) by which points were missed when each in turn was left out, root mean square; None where there are too
    few to tell. count: how many points there are.
    """

    kind: str
    residual: float | None
    count: int
    affine: tuple[float, float, float, float, float, float]
    _order: int
    _centre: np.ndarray
    _scale: np.ndarray
    _weights: np.ndarray
    _knots: np.ndarray

    def to_map(self, pixels: np.ndarray) -> np.ndarray:
        """float64[n, 2]: map coordinates of float64[n, 2] pixel positions."""
        places = (np.asarray(pixels, np.float64) - self._centre) / self._scale
        terms = _terms(places, self._order)
        if len(self._knots):
            terms = np.concatenate([_kernel(places, self._knots), terms], axis=1)
        return terms @ self._weights

    def to_pixel(self, position: np.ndarray) -> np.ndarray:
        """float64[2]: the pixel position of map coordinates, by Newton's method."""
        a, b, c, d, e, f = self.affine
        east, north = position[0] - c, position[1] - f
        area = a * e - b * d
        pixel = np.array([(e * east - b * north) / area, (a * north - d * east) / area])
        step = 0.5
        for _ in range(_NEWTON_STEPS):
            around = pixel + step * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
            found = self.to_map(around)
            slopes = np.stack([found[1] - found[2], found[3] - found[4]], axis=1) / (2 * step)
            if abs(np.linalg.det(slopes)) < 1e-300:
                break
            move = np.linalg.solve(slopes, np.asarray(position) - found[0])
            pixel = pixel + move
            if np.abs(move).max() < 1e-6:
                break
        return pixel


@lru_cache(maxsize=32)
def fit(points: Points, metres: float | None) -> Fit | None:
    """The plainest map that is nearly as good as the best, or None where the points lie on a line.

    metres: how long a unit of the CRS is; None for degrees.
    """
    table = np.unique(np.array(points, np.float64), axis=0)
    _, first = np.unique(table[:, :2], axis=0, return_index=True)
    table = table[np.sort(first)]
    pixels, places = table[:, :2], table[:, 2:].copy()
    if len(table) < 3:
        return None
    lengths = np.ones_like(places)
    if metres is None:
        if np.ptp(places[:, 0]) > 180:  # across the date line
            places[places[:, 0] < 0, 0] += 360
        lengths = METRES_PER_DEGREE * np.stack([np.cos(np.radians(places[:, 1])), np.ones(len(places))], axis=1)
    else:
        lengths = lengths * metres
    centre, scale = pixels.mean(axis=0), np.maximum(np.ptp(pixels, axis=0) / 2, 1e-9)
    inner = (pixels - centre) / scale
    if np.linalg.matrix_rank(_terms(inner, 1), tol=1e-6) < 3:
        return None
    base = _polynomial(inner, places, lengths, 1)
    affine = _affine(base[0], centre, scale)
    best = ("affine", base[1], 1, base[0], np.empty((0, 2)))
    for order in (2, 3):
        if len(inner) >= 1.25 * _count(order) and np.linalg.matrix_rank(_terms(inner, order), tol=1e-6) == _count(
            order
        ):
            weights, error = _polynomial(inner, places, lengths, order)
            if error is not None and (best[1] is None or error < _WORTH * best[1]):
                best = (f"polynomial of order {order}", error, order, weights, np.empty((0, 2)))
    if len(inner) >= 6:
        chosen = np.unique(np.linspace(0, len(inner) - 1, min(len(inner), _MOST_SPLINE)).round().astype(int))
        weights, error = _spline(inner[chosen], places[chosen], lengths[chosen])
        if error is not None and (best[1] is None or error < _WORTH * best[1]):
            best = ("thin-plate spline", error, 1, weights, inner[chosen])
    kind, error, order, weights, knots = best
    return Fit(kind, error, len(points), affine, order, centre, scale, weights, knots)


def _count(order: int) -> int:
    return (order + 1) * (order + 2) // 2


def _terms(places: np.ndarray, order: int) -> np.ndarray:
    x, y = places[:, 0], places[:, 1]
    powers = [(i - j, j) for i in range(order + 1) for j in range(i + 1)]
    return np.stack([x**i * y**j for i, j in powers], axis=1)


def _kernel(places: np.ndarray, knots: np.ndarray) -> np.ndarray:
    squared = ((places[:, None] - knots[None]) ** 2).sum(axis=2)
    return squared * np.log(np.maximum(squared, 1e-300))


def _root_mean_square(missed: np.ndarray, lengths: np.ndarray) -> float:
    return float(np.sqrt(((missed * lengths) ** 2).sum(axis=1).mean()))


def _polynomial(
    inner: np.ndarray, places: np.ndarray, lengths: np.ndarray, order: int
) -> tuple[np.ndarray, float | None]:
    """Weights by least squares, and the error of points left out in turn (None where none can be)."""
    terms = _terms(inner, order)
    shift = places.mean(axis=0)
    weights = np.linalg.lstsq(terms, places - shift, rcond=None)[0]
    missed = places - shift - terms @ weights
    weights[0] += shift
    if len(terms) <= terms.shape[1]:
        return weights, None
    leverage = np.einsum("ij,ji->i", terms, np.linalg.pinv(terms))
    kept = leverage < 1 - 1e-6
    if not kept.any():
        return weights, None
    return weights, _root_mean_square(missed[kept] / (1 - leverage[kept])[:, None], lengths[kept])


def _spline(inner: np.ndarray, places: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, float | None]:
    """A thin-plate spline through the points, and the error of points left out in turn."""
    count = len(inner)
    terms = _terms(inner, 1)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(inner, inner)
    system[:count, count:], system[count:, :count] = terms, terms.T
    shift = places.mean(axis=0)
    try:
        inverse = np.linalg.inv(system)
    except np.linalg.LinAlgError:
        return np.empty((0, 2)), None
    weights = inverse @ np.concatenate([places - shift, np.zeros((3, 2))])
    missed = weights[:count] / np.diag(inverse)[:count, None]
    weights[count] += shift
    if not np.isfinite(weights).all() or not np.isfinite(missed).all():
        return weights, None
    return weights, _root_mean_square(missed, lengths)


def _affine(
    weights: np.ndarray, centre: np.ndarray, scale: np.ndarray
) -> tuple[float, float, float, float, float, float]:
    (c, f), (a, d), (b, e) = (row.tolist() for row in weights)
    a, d, b, e = a / scale[0], d / scale[0], b / scale[1], e / scale[1]
    values = (a, b, c - a * centre[0] - b * centre[1], d, e, f - d * centre[0] - e * centre[1])
    return tuple(float(value) for value in values)  # type: ignore[return-value]
