"""How a picture is shown, as the page says it in one line and lets it be chosen: bands, stretch, nodata, page."""

from __future__ import annotations

from typing import Any

from uhrbat.imagery import GeoReference, Histogram, ImageInfo
from uhrbat.imagery.georeference import rounded
from uhrbat.imagery.rendering import AUTO

from ..state.pictures import Picture
from .card import Json

_MARKED = ("alpha", "mask")


def picture_value(picture: Picture) -> Json:
    """What the picture panel needs to know; `chosen` is what differs from the file's own."""
    info = picture.info
    return {
        "summary": summary(info),
        "notes": list(info.notes),
        "chosen": picture.rendering.as_dict(),
        "names": list(info.names),
        "shown": list(info.shown),
        "mode": info.mode,
        "limits": list(info.stretch) if info.stretch else None,
        "whole": info.dtype not in ("float32", "float64"),
        "gamma": info.rendering.gamma,
        "nodata": info.nodata if info.validity == "nodata" or info.noticed else None,
        "page": info.page,
        "pages": pages(info),
        "transparency": transparency(info),
        "histogram": f"picture/{picture.id}/histogram.json" if info.mode in ("rgb", "gray") else None,
    }


def summary(info: ImageInfo) -> str:
    """In one line how a picture is shown."""
    chosen, parts = info.rendering, []
    names = [info.names[band - 1] for band in info.shown]
    if info.mode == "gray" and info.bands > 1:
        parts.append(f"Shown as {names[0]} in grey")
    elif info.mode == "rgb" and names != ["red", "green", "blue"]:
        parts.append(f"Shown as {', '.join(names)}")
    else:
        parts.append("Shown as it is")
    if info.stretch:
        low, high = (f"{value:.6g}" for value in info.stretch)
        parts.append(f"{low} is black and {high} white")
    if chosen.gamma != 1:
        parts.append(f"gamma {chosen.gamma:g}")
    if info.nodata is not None and (info.validity == "nodata" or info.noticed):
        parts.append(f"{info.nodata:.6g} left out" + (" around the picture" if info.noticed == "outside" else ""))
    if info.validity == "alpha":
        parts.append("what is transparent left out")
    if info.validity == "mask":
        parts.append("what is masked left out")
    if info.pages > 1:
        parts.append(f"page {info.page} of {info.pages}")
    place = GeoReference.of(info) if info.points else None
    if place and place.residual is not None:
        unit = "m" if info.crs else "map units"
        parts.append(f"its place is off by about {rounded(place.residual)} {unit}")
    return "; ".join(parts)


def transparency(info: ImageInfo) -> str | None:
    """What is taken for transparency; None where the file has nothing that could be."""
    if info.validity in _MARKED:
        return "alpha band" if info.validity == "alpha" else "mask"
    doubted = info.rendering.transparency != AUTO or any("marked as transparency" in note for note in info.notes)
    return "nothing" if doubted else None


def pages(info: ImageInfo) -> list[str]:
    """The pages or levels of a file of several, as they are to choose."""
    if info.pages < 2:
        return []
    sizes = [f", {width:,} × {height:,}" for width, height in info.page_sizes] or [""] * info.pages
    return [f"{number}{size}" for number, size in enumerate(sizes, start=1)]


def histogram_value(histogram: Histogram) -> dict[str, Any]:
    """A histogram as the browser draws it."""
    return {
        "low": float(histogram.edges[0]),
        "high": float(histogram.edges[-1]),
        "counts": histogram.counts.tolist(),
        "percentiles": list(histogram.percentiles),
        "pixels": histogram.pixels,
    }
