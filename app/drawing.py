"""The panels of a figure, drawn in image pixels: the image, its tokens' fates, importance and regions, and marks."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize, to_rgb
from matplotlib.patches import Rectangle
from PIL import Image

from uhrbat.choices import DROPPED, MERGED, PADDING, PRESERVED
from uhrbat.imagery.tile_pyramid import TILE_SIZE
from uhrbat.results import Box

from . import overlays, theme
from .state.runs import KeptRun

PANELS = {
    "overview": "Whole image",
    "image": "Image",
    "seen": "What the model sees",
    "fate": "Kept or lost",
    "importance": "Importance",
    "regions": "Regions",
}
SMALL = 7
"""Points of the smaller type, at the printed size."""
POINT_COLORS = {"pointed": "#ffffff", "found": "#12a873", "missed": "#e0406f", "imagined": "#e0406f"}
"""By status: the places that the model marked, and the objects that it missed."""
_MANY = 300
"""Tokens in an average from which on it looks no stronger (assets/viewer/colors.js)."""
_FLOOR = 0.002
"""Of the range of importance: what is no higher above the lowest is at the floor (assets/viewer/heat.js)."""


def draw(axis: Axes, panel: str, run: KeptRun, size: int, budget: int, frame: Box | None) -> ScalarMappable | None:
    """Draw one panel in image pixels; what a colour bar can be made of, or None.

    panel: one of `PANELS`; size, budget: the scale, and how many of its tokens are given; frame: the box of the image
    that is shown, None for all of it; the overview shows all, and the frame in it.
    """
    square, geometry, scale = run.square, run.geometry(size), run.scale(size)
    whole: Box = (0.0, 0.0, float(square.width), float(square.height))
    view = whole if panel == "overview" or frame is None else frame
    pixels, place = picture_of(run, view)
    x, y = square.offset
    options: dict[str, Any] = {
        "extent": (-x, square.side - x, square.side - y, -y),
        "interpolation": "nearest",
    }
    axis.imshow(pixels, extent=(place[0], place[2], place[3], place[1]), interpolation="antialiased")
    heat = None
    if panel in ("fate", "seen"):
        fates = overlays.grid(scale.kind(budget), geometry, PADDING)
        members = overlays.grid(scale.members, geometry)
        if panel == "fate":
            axis.imshow(fate_colors(fates, members), **options)
        else:
            groups = overlays.grid(scale.rank, geometry)
            axis.imshow(seen_colors(fates, groups, _token_colors(run, geometry.grid)), **options)
        _outline(axis, fates == PRESERVED, square.side / geometry.grid, square.offset, view)
    elif panel == "importance":
        low, high, log = importance_range(run)
        values = overlays.grid(scale.importance.astype(np.float32), geometry)
        norm = LogNorm(low, high) if log else Normalize(low, high)
        places = np.asarray(norm(np.clip(values, low, high)), dtype=float)
        outside = overlays.grid(scale.padding, geometry, True)
        hidden = (places <= places[~outside].min() + _FLOOR) | outside
        strong = np.where(hidden, 0, 0.45 + 0.55 * places)
        axis.imshow(np.clip(values, low, high), cmap=theme.HEAT, norm=norm, alpha=strong, **options)
        heat = ScalarMappable(norm, theme.HEAT)
    elif panel == "regions":
        regions = overlays.grid(np.where(scale.padding, -1, scale.region), geometry, -1)
        axis.imshow(
            np.ma.masked_less((regions * 7919) % 12 + 12 * (regions < 0) * -2, 0), cmap="Set3", alpha=0.75, **options
        )
    _mark(axis, run, frame if panel == "overview" else None)
    axis.set_xlim(view[0], view[2])
    axis.set_ylim(view[3], view[1])
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_linewidth(0.5)
    if panel in ("overview", "image"):
        _scale_bar(axis, run, view)
    return heat


def picture_of(run: KeptRun, view: Box, least: int = 900) -> tuple[np.ndarray, Box]:
    """A part of the image as uint8[H, W, 3] of at least so many pixels on its longer side where the image has them, and
    which box of the image it is."""
    reader, square = run.picture.reader, run.square
    longer = max(view[2] - view[0], view[3] - view[1])
    zoom = reader.max_zoom()
    while zoom > 0 and longer / 2 ** (reader.max_zoom() - zoom + 1) >= least:
        zoom -= 1
    step = 2.0 ** (reader.max_zoom() - zoom)
    first = [int(view[i] / step) // TILE_SIZE for i in (0, 1)]
    last = [max(0, math.ceil(view[i] / step) - 1) // TILE_SIZE for i in (2, 3)]
    wide, tall = ((last[i] - first[i] + 1) * TILE_SIZE for i in (0, 1))
    drawn = Image.new("RGB", (wide, tall))
    for column in range(first[0], last[0] + 1):
        for row in range(first[1], last[1] + 1):
            tile = Image.open(io.BytesIO(reader.tile(zoom, column, row)))
            drawn.paste(tile, ((column - first[0]) * TILE_SIZE, (row - first[1]) * TILE_SIZE))
    x0, y0 = (value * TILE_SIZE * step for value in first)
    width = min(drawn.width, math.ceil((square.width - x0) / step))
    height = min(drawn.height, math.ceil((square.height - y0) / step))
    drawn = drawn.crop((0, 0, width, height))
    return np.asarray(drawn), (x0, y0, x0 + width * step, y0 + height * step)


def _token_colors(run: KeptRun, grid: int) -> np.ndarray:
    """Mean colour of every token's place: float[G, G, 3], 0..1; black where there is no image."""
    square = run.square
    pixels, (x0, y0, x1, y1) = picture_of(run, (0.0, 0.0, float(square.width), float(square.height)), 2 * grid)
    side = 2 * grid
    factor = side / square.side
    drawn = Image.new("RGB", (side, side))
    size = (max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor)))
    shown = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    drawn.paste(shown, (round((square.offset[0] + x0) * factor), round((square.offset[1] + y0) * factor)))
    return np.asarray(drawn, dtype=float).reshape(grid, 2, grid, 2, 3).mean((1, 3)) / 255


def seen_colors(fates: np.ndarray, groups: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """What the model sees, float[G, G, 4]: clear where a token is preserved, the mean colour of its group where it is
    merged, black where it is dropped.

    fates: uint8[G, G]; groups: int[G, G], the same for the tokens of an average; colors: float[G, G, 3].
    """
    painted = np.zeros((*fates.shape, 4))
    painted[fates == DROPPED, 3] = 1
    merged = fates == MERGED
    _, index, counts = np.unique(groups[merged], return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(index, colors[merged][:, channel]) / counts for channel in range(3)], axis=-1)
    painted[merged, :3], painted[merged, 3] = means[index], 1
    return painted


def fate_colors(fates: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Fates uint8[G, G] as float[G, G, 4]: preserved tokens clear, averages the stronger the more tokens they mix
    (members: int[G, G]), dropped ones dark, padding hatched."""
    painted = np.zeros((*fates.shape, 4))
    painted[fates == DROPPED] = (*to_rgb(theme.DROPPED), 0.67)
    merged = fates == MERGED
    strong = np.clip(np.log(np.maximum(members, 2) / 2) / math.log(_MANY / 2), 0, 1)
    painted[merged] = (*to_rgb(theme.MERGED), 0)
    painted[merged, 3] = (45 + 160 * strong[merged]) / 255
    rows, columns = np.indices(fates.shape)
    painted[(fates == PADDING) & ((rows + columns) % 6 < 2)] = (*to_rgb(theme.PADDING), 0.5)
    return painted


def _outline(axis: Axes, mask: np.ndarray, step: float, offset: tuple[int, int], view: Box) -> None:
    """Outline what is set in mask, bool[G, G], along the edges to what is not; a token is `step` image pixels."""
    padded = np.pad(mask, 1)
    lines = []
    for row, column in np.argwhere(mask):
        x0, y0 = column * step - offset[0], row * step - offset[1]
        x1, y1 = x0 + step, y0 + step
        if x1 < view[0] or y1 < view[1] or x0 > view[2] or y0 > view[3]:
            continue
        around = padded[row : row + 3, column : column + 3]
        edges = (
            (around[0, 1], ((x0, y0), (x1, y0))),
            (around[1, 2], ((x1, y0), (x1, y1))),
            (around[2, 1], ((x0, y1), (x1, y1))),
            (around[1, 0], ((x0, y0), (x0, y1))),
        )
        lines += [line for neighbour, line in edges if not neighbour]
    axis.add_collection(LineCollection(lines, colors=theme.PRESERVED, linewidths=0.7), autolim=False)


def importance_range(run: KeptRun) -> tuple[float, float, bool]:
    """Lowest and highest of the colours, and whether their steps are of the logarithm: as assets/viewer/heat.js."""
    kind = run.asked.run.importance
    if kind == "attention":
        return 1 / run.scales[0].tokens, 1.0, True
    return 0.0, 1.2 if kind == "fused" else 1.0, False


def _mark(axis: Axes, run: KeptRun, frame: Box | None) -> None:
    """Mark the inspected box, where the model pointed, and the frame, if any."""
    boxes = [run.inspected.box] if run.inspected else []
    if frame is not None:
        boxes.append(frame)
    for x0, y0, x1, y1 in boxes:
        for color, width in (("black", 1.6), ("white", 0.8)):
            axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=width))
    for point in run.points:
        marker, color = "s" if point["status"] == "missed" else "o", POINT_COLORS[point["status"]]
        axis.plot(
            point["x"], point["y"], marker, markersize=5, markerfacecolor="none", markeredgecolor=color,
            markeredgewidth=0.9,
        )  # fmt: skip


def _scale_bar(axis: Axes, run: KeptRun, view: Box) -> None:
    """A bar of 1, 2 or 5 times a power of ten metres, at most a third of the view, where the file says how long a pixel
    is."""
    metres = run.picture.metres_per_pixel
    if not metres:
        return
    width, height = view[2] - view[0], view[3] - view[1]
    length, text = bar_of(metres * width / 3)
    x, y = view[0] + 0.04 * width, view[3] - 0.05 * height
    axis.plot([x, x + length / metres], [y, y], color="black", linewidth=3, solid_capstyle="butt")
    axis.plot([x, x + length / metres], [y, y], color="white", linewidth=1.6, solid_capstyle="butt")
    box = {"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 1}
    axis.text(x, y - 0.03 * height, text, color="white", fontsize=SMALL, va="bottom", bbox=box)


def bar_of(most: float) -> tuple[float, str]:
    """The longest 1, 2 or 5 times a power of ten that is at most so many metres, and how it is written."""
    power = 10.0 ** math.floor(math.log10(most))
    length = next(n * power for n in (5, 2, 1) if n * power <= most)
    return length, f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
