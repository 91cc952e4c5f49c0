"""A run to keep: JSON with every number, CSV ledger, GeoJSON of the marks; figures and arrays are apart."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from functools import partial
from typing import Any

import numpy as np

from uhrbat import imagery
from uhrbat.errors import InputError
from uhrbat.imagery import ImageInfo
from uhrbat.imagery.georeference import rounded
from uhrbat.results import InspectResult

from . import arrays
from .state.runs import KeptRun

TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".npz": "application/octet-stream",
}


def run_json(run: KeptRun) -> str:
    """Every number of a run except the token arrays themselves."""
    info = run.picture.info
    content = {
        "image": {
            "name": run.picture.name,
            "address": run.picture.address,
            "sha256": run.picture.image,
            "width": info.width,
            "height": info.height,
            "example": run.picture.example.name if run.picture.example else None,
            "shown": shown(run.picture.info),
            "files": [path.name for path in run.picture.beside],
            "notes": run.picture.notes,
        },
        "question": run.question,
        "truth": {"answer": run.known.answer, "boxes": run.evidence} if run.known else None,
        "settings": run.settings.model_dump(mode="json", exclude_none=True),
        "run": run.asked.run,
        "answer": run.answer,
        "ledger": run.asked.ledger,
        "points": run.points,
        "object": run.inspected,
        "counterfactuals": run.counterfactuals,
        "budgets": run.swept,
        "compare": run.compared,
    }
    return json.dumps(plain(content), indent=1, ensure_ascii=False)


def shown(info: ImageInfo) -> dict[str, Any]:
    """How a picture was shown, to viewer and model alike: what was chosen, and what the file decided itself."""
    return {
        "bands": info.shown,
        "names": [info.names[band - 1] for band in info.shown],
        "limits": info.stretch,
        "gamma": info.rendering.gamma,
        "nodata": info.nodata,
        "page": info.page,
        "transparency": info.validity,
    }


def plain(value: Any) -> Any:
    """Results as JSON can hold them; token arrays are left out, what became of a box stands beside the box."""
    if isinstance(value, InspectResult):
        value = {**asdict(value), **asdict(value.fate)}
        del value["fate"]
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if key != "kinds"}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def ledger_csv(run: KeptRun) -> str:
    """The ledger, one row a scale."""
    out = io.StringIO()
    rows = [plain(row) for row in (run.answer or {}).get("ledger") or run.asked.ledger]
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else ["size"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def marks_geojson(run: KeptRun, lonlat: bool = True) -> str:
    """Known objects, the inspected box and the model's points; in map coordinates where the image has them.

    lonlat: in WGS 84 longitude and latitude, as RFC 7946 wants it, where these are known; otherwise in the file's own
    coordinate system. No coordinate has more digits than its place is known to. Without a georeference the coordinates
    are image pixels, y counted upwards from the top (so negative), as GIS programs draw plain images.
    """
    known = run.picture.place
    place = known or imagery.GeoReference("", (1, 0, 0, 0, -1, 0))
    try:
        lonlat = lonlat and bool(place.crs)
        features = list(_marks(run, place, lonlat))
    except InputError:  # a part of the image lies where the map has no longitude and latitude
        lonlat, features = False, list(_marks(run, place, False))
    content: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if place.crs and not lonlat:
        content["crs"] = place.crs_member
    if known and not place.crs:
        content["note"] = "map coordinates whose coordinate system (CRS) the file does not name"
    if place.residual is not None:
        unit = "metres" if place.crs else "map units"
        content["accuracy"] = {
            unit: float(rounded(place.residual).replace(",", "")),
            "points": len(run.picture.info.points),
        }
    return json.dumps(content, indent=1)


def _marks(run: KeptRun, place: imagery.GeoReference, lonlat: bool) -> Iterator[dict]:
    """The features of `marks_geojson`; InputError where longitude and latitude of one are not known."""
    for index, item in enumerate(run.picture.example.objects if run.picture.example else ()):
        role = "evidence" if run.known and index in run.known.evidence else "object"
        yield _feature(place.polygon(item.box, lonlat), role=role, kind=item.kind, color=item.color)
    if run.inspected:
        fate = run.inspected.fate
        box = place.polygon(run.inspected.box, lonlat)
        yield _feature(box, role="inspected", verdict=fate.verdict, cause=fate.cause)
    for point in run.points:
        if point["status"] != "missed":
            yield _feature(place.point(point["x"], point["y"], lonlat), role=point["status"])


def _feature(geometry: dict, **properties: Any) -> dict:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


FILES: dict[str, Callable[[KeptRun], str | bytes]] = {
    "run.json": run_json,
    "tokens.npz": arrays.npz,
    "ledger.csv": ledger_csv,
    "objects.geojson": marks_geojson,
    "objects-crs.geojson": partial(marks_geojson, lonlat=False),
}
