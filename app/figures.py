"""Figures of a run as a paper prints them: panels of the current view, at column or page width, as PDF, SVG or PNG."""

from __future__ import annotations

import io
import math
import re
import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from uhrbat.budget import read_budget
from uhrbat.choices import DROPPED, MERGED, PADDING, PRESERVED
from uhrbat.errors import InputError
from uhrbat.imagery.tile_pyramid import TILE_SIZE
from uhrbat.results import Box, ScaleMap

from . import overlays, theme
from .state.runs import KeptRun

matplotlib.use("Agg")
matplotlib.rcParams.update({"pdf.fonttype": 42, "svg.hashsalt": "uhrbat"})  # text stays text; the same SVG each time

TYPES = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
WIDTHS = (3.3, 7.0)
"""Inches of a column and of a page."""
PANELS = {
    "overview": "Whole image",
    "image": "Image",
    "seen": "What the model sees",
    "fate": "Kept or lost",
    "importance": "Importance",
    "regions": "Regions",
}
DPI = 300
SMALL, TEXT = 7, 8
"""Points of type, at the printed size."""
MOST_PANELS = 6
_MANY = 300
"""Tokens in an average from which on it looks no stronger (assets/viewer/colors.js)."""
_FLOOR = 0.002
"""Of the range of importance: what is no higher above the lowest is at the floor (assets/viewer/heat.js)."""
BIBTEX = """@inproceedings{dang2026uhrbat,
  title     = {{UHR-BAT}: Budget-Aware Token Compression Vision-Language Model for Ultra-High-Resolution Remote Sensing},
  author    = {Dang, Yunkai and Dai, Minxin and Yang, Yuekun and Li, Zhangnan and Li, Wenbin and Miao, Feng and Gao, Yang},
  booktitle = {Proceedings of the International Conference on Machine Learning (ICML)},
  year      = {2026},
  note      = {arXiv:2604.13565}
}"""


@dataclass(frozen=True)
class Wanted:
    """What a figure shows.

    size: the scale; view: a box of the image in its pixels, None for all of it; width: inches; budgets: one a scale;
    link: the share link, '' where there is none.
    """

    size: int
    panels: tuple[str, ...]
    budgets: tuple[int, ...]
    view: Box | None = None
    width: float = 7.0
    link: str = ""

    @classmethod
    def of(cls, run: KeptRun, asked: dict[str, str]) -> Wanted:
        """What an address asks for; InputError where it asks for what there is not."""
        sizes = [scale.size for scale in run.asked.scales]
        size = asked.get("scale") or str(sizes[-1])
        if size not in map(str, sizes):
            raise InputError(f"there is no scale {size[:20]}: give one of {', '.join(map(str, sizes))}")
        view = _view_of(run, asked.get("view", ""))
        panels = tuple((asked.get("panels") or _usual(view)).split(","))
        if not 0 < len(panels) <= MOST_PANELS or any(panel not in PANELS for panel in panels):
            raise InputError(f"the panels of a figure are up to {MOST_PANELS} of {', '.join(PANELS)}")
        width = asked.get("width") or str(WIDTHS[-1])
        if width not in ("3.3", "7", "7.0"):
            raise InputError("a figure is 3.3 or 7 inches wide")
        link = asked.get("link", "")[:2000]
        return cls(
            int(size),
            panels,
            _budgets_of(run, asked.get("budgets", "")),
            view,
            float(width),
            link if re.match(r"https?://", link) else "",
        )


def _usual(view: Box | None) -> str:
    return "image,importance,regions,fate" if view is None else "overview,image,importance,fate"


def _view_of(run: KeptRun, text: str) -> Box | None:
    """A box of the image, or None for the whole."""
    if not text:
        return None
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError("a view is x0,y0,x1,y1 in image pixels") from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise InputError("a view is x0,y0,x1,y1 in image pixels")
    square = run.square
    x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(float(square.width), x1), min(float(square.height), y1)
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise InputError("the view shows nothing of the image")
    whole = x1 - x0 > 0.97 * square.width and y1 - y0 > 0.97 * square.height
    return None if whole else (x0, y0, x1, y1)


def _budgets_of(run: KeptRun, text: str) -> tuple[int, ...]:
    """One budget a scale: those given, else those of the answer."""
    if not text:
        return run.budgets
    try:
        found = read_budget([int(part) for part in text.split("-")[: len(run.scales) + 1]])
    except ValueError:
        found = 0
    if not isinstance(found, tuple) or len(found) != len(run.scales):
        raise InputError(f"budgets are {len(run.scales)} whole numbers with hyphens between, one a scale")
    return found


def figure(run: KeptRun, wanted: Wanted, kind: str) -> bytes:
    """A figure as the bytes of a PDF, SVG or PNG. Whether it can be made again, its metadata says."""
    scale = run.scale(wanted.size)
    budget = wanted.budgets[[other.size for other in run.asked.scales].index(wanted.size)]
    made = _laid_out(run, wanted)
    heat = None
    for index, (axis, panel) in enumerate(zip(made.axes, wanted.panels, strict=True)):
        heat = _draw(axis, panel, run, wanted, scale, budget) or heat
        letter = f"({chr(ord('a') + index)}) " if len(wanted.panels) > 1 else ""
        axis.set_title(letter + PANELS[panel], fontsize=TEXT, loc="left", pad=3)
    _add_legend(made, wanted, run)
    if heat is not None:
        # Inside the panel's own axes, so that all panels of a row stay of one height.
        under = made.axes[wanted.panels.index("importance")].inset_axes((0, -0.1, 1, 0.05))
        bar = made.colorbar(heat, cax=under, orientation="horizontal")
        bar.ax.tick_params(labelsize=SMALL, length=2, pad=1, width=0.4)
        bar.outline.set_linewidth(0.4)
    out = io.BytesIO()
    made.savefig(out, format=kind, dpi=DPI, metadata=_metadata(run, wanted, kind))
    return out.getvalue()


def caption(run: KeptRun, wanted: Wanted) -> str:
    """The caption as text, the share link, and how to cite the paper."""
    parts = [caption_text(run, wanted)]
    if wanted.link:
        parts.append(wanted.link)
    return "\n\n".join([*parts, BIBTEX]) + "\n"


def caption_text(run: KeptRun, wanted: Wanted) -> str:
    """What the figure shows, in sentences."""
    how, answer, square = run.asked.run, run.answer or {}, run.square
    letters = "; ".join(
        f"({chr(ord('a') + index)}) {PANELS[panel].lower()}" for index, panel in enumerate(wanted.panels)
    )
    budget = wanted.budgets[[other.size for other in run.asked.scales].index(wanted.size)]
    total = sum(wanted.budgets)
    where = "" if wanted.view is None else " View: pixels {:.0f} to {:.0f} across, {:.0f} to {:.0f} down.".format(
        *(wanted.view[i] for i in (0, 2, 1, 3))
    )  # fmt: skip
    given = f' Answer at {sum(answer["budgets"]):,} tokens: "{answer["text"]}".' if answer.get("text") else ""
    truth = f' True answer: "{run.known.answer}".' if run.known else ""
    return (
        f'{letters[:1].upper()}{letters[1:]}. Question: "{" ".join(run.question.split())}".{given}{truth}'
        f" Budget {total:,} tokens, of which {budget:,} at the scale shown, {wanted.size} px."
        f" Image {run.picture.name}, {square.width:,} x {square.height:,} px.{where}"
        f" Model {how.model}, importance {how.importance}, regions {how.regions}, order {how.order}, seed {how.seed}"
        f"{f', {how.looks:,} looks' if how.looks else ''}."
    )


def _metadata(run: KeptRun, wanted: Wanted, kind: str) -> dict[str, Any]:
    """Title, caption, link and BibTeX in the words of each format; no date, so that a figure is made again the same."""
    title = textwrap.shorten(f"{run.picture.name}: {run.question}", 200)
    text, link = _printable(caption_text(run, wanted)), _printable(wanted.link)
    if kind == "pdf":
        return {
            "Title": _printable(title),
            "Subject": text,
            "Keywords": f"{link} {BIBTEX}".strip(),
            "CreationDate": None,
        }
    if kind == "svg":
        return {
            "Title": _printable(title),
            "Description": text,
            "Source": link or None,
            "Relation": BIBTEX,
            "Date": None,
        }
    return {"Title": _latin(title), "Description": _latin(text), "Source": _latin(link), "Comment": BIBTEX}


def _printable(text: str) -> str:
    """Without characters that XML cannot hold."""
    return "".join(letter for letter in text if letter.isprintable())


def _latin(text: str) -> str:
    """As PNG's text can hold it."""
    return _printable(text).encode("latin-1", "replace").decode("latin-1")


def _laid_out(run: KeptRun, wanted: Wanted) -> Figure:
    """Empty axes in rows, all of a height; a page holds four in a row, a column two."""
    square = run.square
    whole = square.width / square.height
    view = whole
    if wanted.view is not None:
        x0, y0, x1, y1 = wanted.view
        view = (x1 - x0) / (y1 - y0)
    aspects = [min(4, max(0.25, whole if panel == "overview" else view)) for panel in wanted.panels]
    across = min(len(aspects), 4 if wanted.width > 5 else 2)
    rows = [aspects[start : start + across] for start in range(0, len(aspects), across)]
    gaps, more = 0.1, 0.3  # inches between panels, and for what stands over and under each row
    heights = [min(4.0, (wanted.width - gaps * across) / max(sum(row), 0.5)) for row in rows]
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.02)
    made = Figure(figsize=(wanted.width, sum(heights) + more * len(rows) + 0.35), layout=layout)
    parts = made.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)
    for part, row in zip(parts[:, 0], rows, strict=True):
        part.subplots(1, len(row), width_ratios=row, squeeze=False)
    return made


def _draw(axis: Any, panel: str, run: KeptRun, wanted: Wanted, scale: ScaleMap, budget: int) -> Any:
    """Draw one panel in image pixels; what a colour bar can be made of, or None."""
    square, geometry = run.square, run.geometry(wanted.size)
    whole: Box = (0.0, 0.0, float(square.width), float(square.height))
    view = whole if panel == "overview" or wanted.view is None else wanted.view
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
        norm = matplotlib.colors.LogNorm(low, high) if log else matplotlib.colors.Normalize(low, high)
        places = np.asarray(norm(np.clip(values, low, high)), dtype=float)
        outside = overlays.grid(scale.padding, geometry, True)
        hidden = (places <= places[~outside].min() + _FLOOR) | outside
        strong = np.where(hidden, 0, 0.45 + 0.55 * places)
        axis.imshow(np.clip(values, low, high), cmap=theme.HEAT, norm=norm, alpha=strong, **options)
        heat = matplotlib.cm.ScalarMappable(norm, theme.HEAT)
    elif panel == "regions":
        regions = overlays.grid(np.where(scale.padding, -1, scale.region), geometry, -1)
        axis.imshow(
            np.ma.masked_less((regions * 7919) % 12 + 12 * (regions < 0) * -2, 0), cmap="Set3", alpha=0.75, **options
        )
    _mark(axis, run, panel, wanted)
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
    painted[fates == DROPPED] = (*matplotlib.colors.to_rgb(theme.DROPPED), 0.67)
    merged = fates == MERGED
    strong = np.clip(np.log(np.maximum(members, 2) / 2) / math.log(_MANY / 2), 0, 1)
    painted[merged] = (*matplotlib.colors.to_rgb(theme.MERGED), 0)
    painted[merged, 3] = (45 + 160 * strong[merged]) / 255
    rows, columns = np.indices(fates.shape)
    painted[(fates == PADDING) & ((rows + columns) % 6 < 2)] = (*matplotlib.colors.to_rgb(theme.PADDING), 0.5)
    return painted


def _outline(axis: Any, mask: np.ndarray, step: float, offset: tuple[int, int], view: Box) -> None:
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


def _mark(axis: Any, run: KeptRun, panel: str, wanted: Wanted) -> None:
    """The inspected box, where the model pointed, and in the overview the frame of the view."""
    boxes = [run.inspected.box] if run.inspected else []
    if panel == "overview" and wanted.view is not None:
        boxes.append(wanted.view)
    for x0, y0, x1, y1 in boxes:
        for color, width in (("black", 1.6), ("white", 0.8)):
            frame = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=width)
            axis.add_patch(frame)
    for point in run.points:
        marker = "s" if point["status"] == "missed" else "o"
        options = {"markersize": 5, "markerfacecolor": "none", "markeredgecolor": _POINT[point["status"]]}
        axis.plot(point["x"], point["y"], marker, markeredgewidth=0.9, **options)


_POINT = {"pointed": "#ffffff", "found": "#12a873", "missed": "#e0406f", "imagined": "#e0406f"}
_POINT_NAMES = {
    "pointed": "Place the model marked",
    "found": "Object found",
    "missed": "Object missed",
    "imagined": "Marked, nothing there",
}


def _add_legend(made: Figure, wanted: Wanted, run: KeptRun) -> None:
    """What the colours and signs of the panels mean, under them."""
    handles: list[Any] = []
    fated = {"fate", "seen"} & set(wanted.panels)
    if fated:
        handles.append(Patch(facecolor="none", edgecolor=theme.PRESERVED, linewidth=1, label="Preserved"))
    if "fate" in wanted.panels:
        handles.append(Patch(facecolor=theme.MERGED, alpha=0.7, label="Merged"))
        handles.append(Patch(facecolor=theme.DROPPED, alpha=0.67, label="Dropped"))
        hatched = ["Not looked at"] if run.geometry(wanted.size).looked is not None else []
        if run.square.width != run.square.height and wanted.view is None:
            hatched.append("Padding")
        if hatched:
            label = " or ".join(hatched)
            handles.append(Patch(facecolor="none", edgecolor=theme.PADDING, hatch="////", linewidth=0, label=label))
    if run.inspected:
        handles.append(Patch(facecolor="none", edgecolor="black", linewidth=0.8, label="Inspected box"))
    for status in sorted({point["status"] for point in run.points}):
        color = "#777777" if status == "pointed" else _POINT[status]
        mark = Line2D([], [], marker="s" if status == "missed" else "o", markeredgecolor=color, markersize=4)
        mark.set(markerfacecolor="none", linestyle="none", label=_POINT_NAMES[status])
        handles.append(mark)
    if handles:
        across = min(len(handles), 7 if wanted.width > 5 else 3)
        made.legend(handles=handles, loc="outside lower center", ncols=across, fontsize=SMALL, frameon=False,
                    handlelength=1.4, columnspacing=1.2, handletextpad=0.5, borderpad=0.1)  # fmt: skip


def _scale_bar(axis: Any, run: KeptRun, view: Box) -> None:
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


def file_name(run: KeptRun, *parts: str) -> str:
    """A name that says what is in the file: uhrbat-airfield-3000-fate.pdf, of plain letters only."""
    example = run.picture.example
    stem = example.name if example else run.picture.name.rsplit(".", 1)[0]
    words = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:60] or "image"
    return "-".join(["uhrbat", words, *parts])
