"""Figures of a run as a paper prints them: panels of the current view, at column or page width, as PDF, SVG or PNG.

Here is what a figure shows, its layout, caption and file; `drawing` draws the panels.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from uhrbat.budget import read_budget
from uhrbat.errors import InputError
from uhrbat.results import Box

from . import theme
from .drawing import PANELS, POINT_COLORS, SMALL, draw
from .state.runs import KeptRun

matplotlib.use("Agg")
matplotlib.rcParams.update({"pdf.fonttype": 42, "svg.hashsalt": "uhrbat"})  # text stays text; the same SVG each time

TYPES = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
WIDTHS = (3.3, 7.0)
"""Inches of a column and of a page."""
DPI = 300
TEXT = 8
"""Points of the titles' type, at the printed size."""
BETWEEN, TITLE, NUMBERS, LINE = 0.1, 0.3, 0.2, 0.17
"""Inches: between two panels, for a panel's title, for the numbers under a colour bar, for a line of the legend."""
MOST_PANELS = 6
BIBTEX = """@inproceedings{dang2026uhrbat,
  title     = {{UHR-BAT}: Budget-Aware Token Compression Vision-Language Model
               for Ultra-High-Resolution Remote Sensing},
  author    = {Dang, Yunkai and Dai, Minxin and Yang, Yuekun and Li, Zhangnan and Li, Wenbin and
               Miao, Feng and Gao, Yang},
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
    budget = wanted.budgets[[other.size for other in run.asked.scales].index(wanted.size)]
    signs = _signs(run, wanted)
    made, foot = _laid_out(run, wanted, len(signs))
    heat: ScalarMappable | None = None
    for index, (axis, panel) in enumerate(zip(made.axes, wanted.panels, strict=True)):
        heat = draw(axis, panel, run, wanted.size, budget, wanted.view) or heat
        letter = f"({chr(ord('a') + index)}) " if len(wanted.panels) > 1 else ""
        axis.set_title(letter + PANELS[panel], fontsize=TEXT, loc="left", pad=3)
    if signs:
        foot.legend(handles=signs, loc="center", ncols=_signs_across(wanted, len(signs)), fontsize=SMALL, frameon=False,
                    handlelength=1.4, columnspacing=1.2, handletextpad=0.5, borderpad=0)  # fmt: skip
    if heat is not None:
        # Inside the panel's own axes, so that all panels of a row stay of one height, and as wide as its numbers allow.
        under = made.axes[wanted.panels.index("importance")].inset_axes((0.05, -0.1, 0.9, 0.05))
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


def _laid_out(run: KeptRun, wanted: Wanted, signs: int) -> tuple[Figure, SubFigure]:
    """Empty axes in rows, all of a height, four in a row on a page and two in a column; and the foot for the legend."""
    square = run.square
    whole = square.width / square.height
    view = whole
    if wanted.view is not None:
        x0, y0, x1, y1 = wanted.view
        view = (x1 - x0) / (y1 - y0)
    aspects = [min(4, max(0.25, whole if panel == "overview" else view)) for panel in wanted.panels]
    across = min(len(aspects), 4 if wanted.width > 5 else 2)
    rows = [range(start, min(start + across, len(aspects))) for start in range(0, len(aspects), across)]
    heights = []
    for row in rows:
        of_pictures = min(4.0, (wanted.width - BETWEEN * across) / max(sum(aspects[i] for i in row), 0.5))
        has_bar = "importance" in (wanted.panels[i] for i in row)
        heights.append(of_pictures + TITLE + (0.1 * of_pictures + NUMBERS if has_bar else 0))
    heights.append(LINE * (0.5 + math.ceil(signs / _signs_across(wanted, signs))) if signs else 0.01)
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.01, hspace=0.02)
    made = Figure(figsize=(wanted.width, sum(heights)), layout=layout)
    parts = made.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, row in zip(parts, rows):
        part.subplots(1, len(row), width_ratios=[aspects[i] for i in row], squeeze=False)
    return made, parts[-1]


_POINT_NAMES = {
    "pointed": "Place the model marked",
    "found": "Object found",
    "missed": "Object missed",
    "imagined": "Marked, nothing there",
}


def _signs_across(wanted: Wanted, signs: int) -> int:
    return max(1, min(signs, 7 if wanted.width > 5 else 3))


def _signs(run: KeptRun, wanted: Wanted) -> list[Any]:
    """What the colours and signs of the panels mean, for the legend."""
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
        color = "#777777" if status == "pointed" else POINT_COLORS[status]
        mark = Line2D([], [], marker="s" if status == "missed" else "o", markeredgecolor=color, markersize=4)
        mark.set(markerfacecolor="none", linestyle="none", label=_POINT_NAMES[status])
        handles.append(mark)
    return handles


def file_name(run: KeptRun, *parts: str) -> str:
    """A name that says what is in the file: uhrbat-airfield-3000-fate.pdf, of plain letters only."""
    example = run.picture.example
    stem = example.name if example else run.picture.name.rsplit(".", 1)[0]
    words = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:60] or "image"
    return "-".join(["uhrbat", words, *parts])
