"""A run's token maps as arrays: NPZ of every scale, and GeoTIFF of one scale where the image lies on a map."""

from __future__ import annotations

import io
import json

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from uhrbat.choices import PADDING
from uhrbat.errors import InputError

from . import overlays
from .state.runs import KeptRun

BANDS = ("importance", "rank", "fate", "region")
_STEPS = 8
"""Ground control points a side, less one, of an image whose place on the map is curved."""


def npz(run: KeptRun) -> bytes:
    """NPZ with `importance_672` (float32[G, G], rows from the top), `rank_672` (int32), `merged_672` (bool),
    `region_672` (int32), `padding_672` (bool) and `fate_672` (uint8: 0 dropped, 1 preserved, 2 merged, 3 padding) of
    every scale, and `about`, JSON that says how they came about. Of a native scale `looked_16128` (bool) says where it
    was looked at; elsewhere there are no tokens (importance NaN, region -1, fate 3). No pickled object is in it."""
    found: dict[str, np.ndarray] = {}
    budgets = run.budgets
    for scale, budget in zip(run.asked.scales, budgets, strict=True):
        geometry = run.geometry(scale.size)
        for name, values, absent in (
            ("importance", scale.importance.astype(np.float32), np.nan),
            ("rank", scale.rank, len(scale.rank) + 1),
            ("merged", scale.merged, False),
            ("region", scale.region, -1),
            ("padding", scale.padding, False),
            ("fate", scale.kind(budget), PADDING),
        ):
            found[f"{name}_{scale.size}"] = overlays.grid(values, geometry, absent)
        if geometry.looked is not None:
            found[f"looked_{scale.size}"] = overlays.grid(np.ones(geometry.tokens, bool), geometry)
    square, how = run.square, run.asked.run
    about = {
        "image": run.picture.image,
        "width": square.width,
        "height": square.height,
        "offset": list(square.offset),
        "side": square.side,
        "question": run.question,
        "budgets": list(budgets),
        "model": how.model,
        "importance": how.importance,
        "regions": how.regions,
        "order": how.order,
        "seed": how.seed,
        "looks": how.looks,
    }
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, about=np.array(json.dumps(about)), **found)
    return out.getvalue()


def geotiff(run: KeptRun, size: int) -> bytes:
    """GeoTIFF of one scale's square, one pixel a token: float32 bands importance, rank, fate (0 dropped, 1 preserved,
    2 merged) and region; padding, and what was not looked at, is NaN. InputError for an image that lies on no map."""
    place = run.picture.place
    if place is None:
        raise InputError("the image has no place on a map: download its token maps as NPZ")
    scale, geometry, square = run.scale(size), run.geometry(size), run.square
    budget = run.budget_of(size)
    step = square.side / geometry.grid
    x, y = square.offset
    options: dict = {"crs": place.crs or None}
    if place.transform is not None:
        options["transform"] = Affine(*place.transform) * Affine(step, 0, -x, 0, step, -y)
    else:
        ends = np.linspace(0, 1, _STEPS + 1)
        options["gcps"] = [
            GroundControlPoint(
                (v * square.height + y) / step,
                (u * square.width + x) / step,
                *place.to_map(u * square.width, v * square.height),
            )
            for v in ends
            for u in ends
        ]
    outside = overlays.grid(scale.padding, geometry, True)
    with rasterio.Env(), MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=geometry.grid,
            height=geometry.grid,
            count=len(BANDS),
            dtype="float32",
            nodata=float("nan"),
            compress="deflate",
            **options,
        ) as out:
            maps = (scale.importance, scale.rank, scale.kind(budget), scale.region)
            for band, (name, values) in enumerate(zip(BANDS, maps, strict=True), 1):
                out.write(np.where(outside, np.nan, overlays.grid(values, geometry)).astype(np.float32), band)
                out.set_band_description(band, name)
            out.update_tags(question=run.question, budget=str(budget), scale=str(size), model=run.asked.run.model)
        return memory.read()
