"""A run to keep: JSON with every number, CSV ledger, GeoJSON of the marks, and figures as a paper prints them."""

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from functools import partial
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from uhrbat import imagery
from uhrbat.choices import MERGED, PADDING, PRESERVED
from uhrbat.errors import InputError
from uhrbat.imagery import ImageInfo
from uhrbat.imagery.georeference import rounded
from uhrbat.results import InspectResult

from . import overlays, theme
from .state.runs import KeptRun

matplotlib.use("Agg")

TYPES = {".json": "application/json", ".csv": "text/csv", ".geojson": "application/geo+json"}


def run_json(run: KeptRun) -> str:
    """Every number of a run except the token arrays themselves."""
    info = run.picture.info
    content = {
        "image": {
            "name": run.picture.name,
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


def figure(run: KeptRun, size: int) -> bytes:
    """PNG of one scale as a paper would print it: image, importance, regions and fate, side by side."""
    from matplotlib.figure import Figure

    scale = run.scale(size)
    position = [other.size for other in run.asked.scales].index(size)
    budget = (run.answer or {}).get("budgets", run.asked.budgets or (0,) * 4)[position]
    picture = np.asarray(Image.open(io.BytesIO(overlays.thumbnail(run.picture, 576))))
    importance = overlays.grid(scale.importance.astype(np.float32), run.geometry(size))
    kinds = overlays.grid(scale.kind(budget), run.geometry(size))
    regions = overlays.grid(scale.region, run.geometry(size))
    low, high = run.stretch(size)

    made = Figure(figsize=(11.2, 3.3), dpi=200, layout="constrained")
    axes = made.subplots(1, 4)
    extent = (0, picture.shape[1], picture.shape[0], 0)
    for axis, title in zip(axes, ("Image", "Importance", "Regions", f"Fate at {budget:,} tokens"), strict=True):
        axis.imshow(picture, extent=extent)
        axis.set_title(title, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    heat = axes[1].imshow(importance, cmap=theme.HEAT, vmin=low, vmax=high, extent=extent, interpolation="nearest")
    made.colorbar(heat, ax=axes[1], fraction=0.046, pad=0.02).ax.tick_params(labelsize=7)
    axes[2].imshow((regions * 7919) % 20, cmap="tab20", alpha=0.75, extent=extent, interpolation="nearest")
    axes[3].imshow(_fate_colors(kinds), extent=extent, interpolation="nearest")
    _mark_box(axes, run)
    square = run.square
    counts = " · ".join(
        f"{name} {int((kinds == kind).sum()):,}" for name, kind in (("preserved", PRESERVED), ("merged", MERGED))
    )
    answer = (run.answer or {}).get("text")
    caption = f"{run.question}" + (f"  Answer: {answer}" if answer else "")
    made.suptitle(textwrap.shorten(caption, 150), fontsize=10, x=0.01, ha="left", parse_math=False)
    made.supxlabel(
        f"scale {size} · {int((kinds != PADDING).sum()):,} tokens · {counts} · {square.width:,} x {square.height:,} px"
        f" · {run.asked.run.model}, importance {run.asked.run.importance}, regions {run.asked.run.regions}",
        fontsize=7,
        x=0.01,
        ha="left",
        color="#555",
    )
    out = io.BytesIO()
    made.savefig(out, format="png")
    return out.getvalue()


def _mark_box(axes, run: KeptRun) -> None:
    """Draw the inspected box on every panel."""
    if not run.inspected:
        return
    from matplotlib.patches import Rectangle

    square = run.square
    x0, y0, x1, y1 = square.to_square(run.inspected.box) * (576 / square.side)
    for axis in axes:
        axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="white", linewidth=1.2))


def _fate_colors(kinds: np.ndarray) -> np.ndarray:
    """Fates uint8[G, G] -> float[G, G, 4] in the page's colours; padding is hatched."""
    colors = np.zeros((4, 4))
    for kind, (color, alpha) in enumerate(((theme.DROPPED, 0.65), (theme.PRESERVED, 0.85), (theme.MERGED, 0.7))):
        colors[kind] = (*matplotlib.colors.to_rgb(color), alpha)
    hatched = kinds == PADDING
    rows, columns = np.indices(kinds.shape)
    colors[PADDING] = (*matplotlib.colors.to_rgb(theme.PADDING), 0.0)
    painted = colors[kinds]
    painted[hatched & ((rows + columns) % 6 < 2), 3] = 0.5
    return painted


FILES: dict[str, Callable[[KeptRun], str]] = {
    "run.json": run_json,
    "ledger.csv": ledger_csv,
    "objects.geojson": marks_geojson,
    "objects-crs.geojson": partial(marks_geojson, lonlat=False),
}
