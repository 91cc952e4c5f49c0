"""Where a georeferenced image lies: map coordinates of pixels, metres per pixel, and boxes as GeoJSON."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.warp import transform as reproject

from uhrbat.errors import InputError
from uhrbat.imagery.control_points import METRES_PER_DEGREE, Fit, fit

if TYPE_CHECKING:
    from uhrbat.imagery.info import ImageInfo

_EQUATOR = 6_378_137.0
_FLATTENING = 1 / 298.257223563
_LONLAT_DECIMALS = 8
"""A millimetre on the ground."""


@dataclass(frozen=True)
class GeoReference:
    """From upright image pixels to coordinates in `crs` (EPSG code or WKT, '' where the file names none).

    transform: the affine map (a, b, c, d, e, f), or None where `warp` stands in its place: a polynomial or spline
    through ground control points. residual: metres by which these are missed, None where the file's own map is exact.
    Pixel coordinates are as for boxes: the top left pixel covers 0..1, so its centre is (0.5, 0.5).
    """

    crs: str
    transform: tuple[float, float, float, float, float, float] | None
    warp: Fit | None = None
    residual: float | None = None

    @classmethod
    def of(cls, info: "ImageInfo") -> "GeoReference | None":
        """An image's georeference, or None where its file has none."""
        if info.points:
            found = fit(info.points, metres_per_unit(info.crs))
            if found is None:
                return None
            plain = found.kind == "affine"
            return cls(info.crs or "", found.affine if plain else None, None if plain else found, found.residual)
        if info.transform is None:
            return None
        return cls(info.crs or "", info.transform)

    def to_map(self, x: float, y: float) -> tuple[float, float]:
        """Map coordinates of a pixel position, in the units of the CRS."""
        if self.transform is None:
            assert self.warp is not None
            east, north = self.warp.to_map(np.array([[x, y]]))[0].tolist()
            return (self._wrapped(east), north)
        a, b, c, d, e, f = self.transform
        return a * x + b * y + c, d * x + e * y + f

    def to_pixel(self, east: float, north: float) -> tuple[float, float]:
        """Pixel position of map coordinates."""
        if self.transform is None:
            assert self.warp is not None
            around = self.warp.affine[2]
            if metres_per_unit(self.crs) is None and abs(east - around) > 180:  # across the date line
                east += math.copysign(360, around - east)
            x, y = self.warp.to_pixel(np.array([east, north])).tolist()
            return x, y
        a, b, c, d, e, f = self.transform
        east, north, area = east - c, north - f, a * e - b * d
        return (e * east - b * north) / area, (a * north - d * east) / area

    def to_lonlat(self, x: float, y: float) -> tuple[float, float] | None:
        """WGS 84 longitude and latitude in degrees of a pixel position, or None where the CRS has none."""
        if not self.crs:
            return None
        east, north = self.to_map(x, y)
        try:
            with rasterio.Env():
                (lon,), (lat,) = reproject(CRS.from_user_input(self.crs), CRS.from_epsg(4326), [east], [north])
        except Exception:
            return None
        return (lon, lat) if math.isfinite(lon) and math.isfinite(lat) else None

    @property
    def degrees(self) -> bool:
        """Whether map coordinates are degrees of longitude and latitude."""
        return metres_per_unit(self.crs) is None

    def decimals(self, lonlat: bool = False) -> int | None:
        """How many decimals a coordinate may be given with, so that none is finer than `residual`; None for all.

        lonlat: for degrees of longitude and latitude instead of the units of the CRS.
        """
        if not self.residual:
            return _LONLAT_DECIMALS if lonlat else None
        unit = METRES_PER_DEGREE if lonlat else metres_per_unit(self.crs) or METRES_PER_DEGREE
        return min(
            _LONLAT_DECIMALS if unit == METRES_PER_DEGREE else 4, max(0, math.floor(-math.log10(self.residual / unit)))
        )

    def position(self, x: float, y: float, lonlat: bool = False) -> tuple[float, float] | None:
        """Map coordinates (or longitude and latitude) of a pixel position with no more digits than are known."""
        found = self.to_lonlat(x, y) if lonlat else self.to_map(x, y)
        decimals = self.decimals(lonlat)
        return found if found is None or decimals is None else (round(found[0], decimals), round(found[1], decimals))

    def lattice(self, width: int, height: int, steps: int = 32) -> list[list[tuple[float, float]]]:
        """Map coordinates of (steps + 1) x (steps + 1) positions evenly over the image, row by row."""
        return [
            [self.to_map(width * i / steps, height * j / steps) for i in range(steps + 1)] for j in range(steps + 1)
        ]

    def metres_per_pixel(self, x: float, y: float) -> tuple[float, float] | None:
        """Metres on the ground of one pixel across and one down at a pixel position, or None if unknown."""
        ends = [self.to_lonlat(x + dx, y + dy) for dx, dy in ((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5))]
        west, east, north, south = ends
        if west is None or east is None or north is None or south is None:
            return None
        return _distance(west, east), _distance(north, south)

    def point(self, x: float, y: float, lonlat: bool = True) -> dict:
        """GeoJSON geometry of a pixel position; as `polygon`."""
        return {"type": "Point", "coordinates": list(self._positions([(x, y)], lonlat)[0])}

    def polygon(self, box: Sequence[float], lonlat: bool = True) -> dict:
        """GeoJSON geometry of a box (x0, y0, x1, y1) in image pixels, its ring counter-clockwise as RFC 7946 has it.

        lonlat: in WGS 84 longitude and latitude; otherwise in the file's CRS, which `crs_member` names. Raises
        InputError where longitude and latitude are not known.
        """
        x0, y0, x1, y1 = (float(value) for value in box)
        corners = self._positions([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], lonlat)
        if lonlat:
            if max(east for east, _ in corners) - min(east for east, _ in corners) > 180:  # across the date line
                corners = [(east + 360 if east < 0 else east, north) for east, north in corners]
            if _area(corners) < 0:
                corners = [corners[0], *corners[:0:-1]]
        return {"type": "Polygon", "coordinates": [[list(corner) for corner in (*corners, corners[0])]]}

    def _positions(self, pixels: Sequence[tuple[float, float]], lonlat: bool) -> list[tuple[float, float]]:
        found = [self.position(x, y, lonlat) for x, y in pixels]
        if any(position is None for position in found):
            raise InputError("The image's longitude and latitude are not known: ask for the file's own coordinates.")
        return [position for position in found if position is not None]

    def _wrapped(self, east: float) -> float:
        if metres_per_unit(self.crs) is None:
            return (east + 180) % 360 - 180 if abs(east) > 180 else east
        return east

    @property
    def crs_member(self) -> dict:
        """What a GeoJSON FeatureCollection says of the CRS of its coordinates (GeoJSON 2008, as GDAL and QGIS read)."""
        name = f"urn:ogc:def:crs:EPSG::{self.crs[5:]}" if self.crs.startswith("EPSG:") else self.crs
        return {"type": "name", "properties": {"name": name}}

    @property
    def name(self) -> str:
        """The CRS in a word or two: its EPSG code, or the name that its WKT gives."""
        if not self.crs:
            return "CRS missing"
        named = re.search(r'"([^"]+)"', self.crs)
        return named[1] if named and not self.crs.startswith("EPSG:") else self.crs


def rounded(residual: float) -> str:
    """How far off a place is, in no more digits than that deserves."""
    residual = max(residual, 0.01)
    return f"{residual:.2g}" if residual < 10 else f"{residual:,.0f}"


@lru_cache(maxsize=64)
def metres_per_unit(crs: str | None) -> float | None:
    """How many metres a unit of a CRS is, None where it is degrees; 1 where the CRS is not known."""
    if not crs:
        return 1.0
    try:
        with rasterio.Env():
            parsed = CRS.from_user_input(crs)
            return None if parsed.is_geographic else float(parsed.linear_units_factor[1])
    except Exception:
        return 1.0


def _area(ring: list[tuple[float, float]]) -> float:
    """Twice the signed area of a ring, positive where it is counter-clockwise."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))


def _distance(start: tuple[float, float], stop: tuple[float, float]) -> float:
    """Metres between two near points on the WGS 84 ellipsoid, by its radii of curvature there."""
    latitude = math.radians((start[1] + stop[1]) / 2)
    squared = _FLATTENING * (2 - _FLATTENING)
    bend = 1 - squared * math.sin(latitude) ** 2
    east = (stop[0] - start[0] + 180) % 360 - 180
    across = _EQUATOR / math.sqrt(bend) * math.cos(latitude) * math.radians(east)
    along = _EQUATOR * (1 - squared) / bend**1.5 * math.radians(stop[1] - start[1])
    return math.hypot(across, along)
