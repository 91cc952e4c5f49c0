"""Where a georeferenced image lies: map coordinates of pixels, metres per pixel, and boxes as GeoJSON."""

import math
import re
from dataclasses import dataclass

import rasterio
from rasterio.crs import CRS
from rasterio.warp import transform as reproject

from uhrbat.imagery.info import ImageInfo

_EQUATOR = 6_378_137.0
_FLATTENING = 1 / 298.257223563


@dataclass(frozen=True)
class GeoReference:
    """The affine map (a, b, c, d, e, f) from upright image pixels to coordinates in `crs` (EPSG code or WKT).

    Pixel coordinates are as for boxes: the top left pixel covers 0..1, so its centre is (0.5, 0.5).
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]

    @classmethod
    def of(cls, info: ImageInfo) -> "GeoReference | None":
        """An image's georeference, or None where its file has none."""
        if info.crs is None or info.transform is None:
            return None
        return cls(info.crs, info.transform)

    def to_map(self, x: float, y: float) -> tuple[float, float]:
        """Map coordinates of a pixel position, in the units of the CRS."""
        a, b, c, d, e, f = self.transform
        return a * x + b * y + c, d * x + e * y + f

    def to_pixel(self, east: float, north: float) -> tuple[float, float]:
        """Pixel position of map coordinates."""
        a, b, c, d, e, f = self.transform
        east, north, area = east - c, north - f, a * e - b * d
        return (e * east - b * north) / area, (a * north - d * east) / area

    def to_lonlat(self, x: float, y: float) -> tuple[float, float] | None:
        """WGS 84 longitude and latitude in degrees of a pixel position, or None where the CRS has none."""
        east, north = self.to_map(x, y)
        try:
            with rasterio.Env():
                (lon,), (lat,) = reproject(CRS.from_user_input(self.crs), CRS.from_epsg(4326), [east], [north])
        except Exception:
            return None
        return (lon, lat) if math.isfinite(lon) and math.isfinite(lat) else None

    def metres_per_pixel(self, x: float, y: float) -> tuple[float, float] | None:
        """Metres on the ground of one pixel across and one down at a pixel position, or None if unknown."""
        ends = [self.to_lonlat(x + dx, y + dy) for dx, dy in ((-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5))]
        if None in ends:
            return None
        return _distance(*ends[:2]), _distance(*ends[2:])

    def polygon(self, box) -> dict:
        """GeoJSON geometry, in the file's CRS, of a box (x0, y0, x1, y1) in image pixels."""
        x0, y0, x1, y1 = (float(value) for value in box)
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        return {"type": "Polygon", "coordinates": [[list(self.to_map(x, y)) for x, y in corners]]}

    @property
    def crs_member(self) -> dict:
        """What a GeoJSON FeatureCollection says of the CRS of its coordinates (GeoJSON 2008, as GDAL and QGIS read)."""
        name = f"urn:ogc:def:crs:EPSG::{self.crs[5:]}" if self.crs.startswith("EPSG:") else self.crs
        return {"type": "name", "properties": {"name": name}}

    @property
    def name(self) -> str:
        """The CRS in a word or two: its EPSG code, or the name that its WKT gives."""
        named = re.search(r'"([^"]+)"', self.crs)
        return named[1] if named and not self.crs.startswith("EPSG:") else self.crs


def _distance(start: tuple[float, float], stop: tuple[float, float]) -> float:
    """Metres between two near points on the WGS 84 ellipsoid, by its radii of curvature there."""
    latitude = math.radians((start[1] + stop[1]) / 2)
    squared = _FLATTENING * (2 - _FLATTENING)
    bend = 1 - squared * math.sin(latitude) ** 2
    east = (stop[0] - start[0] + 180) % 360 - 180
    across = _EQUATOR / math.sqrt(bend) * math.cos(latitude) * math.radians(east)
    along = _EQUATOR * (1 - squared) / bend**1.5 * math.radians(stop[1] - start[1])
    return math.hypot(across, along)
