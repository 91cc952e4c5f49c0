"""The frontier as a figure: accuracy and evidence preserved against the total budget."""

from __future__ import annotations

from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from uhrbat.evaluation.findings import FrontierFile, Method, Point

# Okabe and Ito's colours, told apart by colour-blind eyes; a method keeps its own in both halves.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
_MARKERS = "osD^vP*X"
_MOST = 8


def draw(found: FrontierFile, path: Path) -> None:
    """Write a PNG: accuracy on the left, evidence preserved on the right, bands for the 95 % intervals.

    The default, the released settings and the methods that were asked for answers come first; at most eight are drawn.
    """
    figure = Figure(figsize=(10.5, 4.2), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    chosen = _drawn(found)
    handles: dict[str, Artist] = {}
    for place, (measure, title) in enumerate((("accuracy", "Accuracy, %"), ("evidence", "Evidence preserved, %"))):
        axes = figure.add_subplot(1, 2, place + 1)
        for method, color, marker in zip(chosen, _COLORS, _MARKERS):
            points = _line(found.points, method, measure)
            if not points:
                continue
            budgets = [point.budget for point in points]
            axes.fill_between(
                budgets,
                [100 * point.low for point in points],
                [100 * point.high for point in points],
                color=color,
                alpha=0.13,
                linewidth=0,
            )
            (handles[method.title],) = axes.plot(
                budgets,
                [100 * point.value for point in points],
                color=color,
                marker=marker,
                markersize=6 if method.default else 4.5,
                linewidth=2.6 if method.default else 1.4,
                linestyle="-" if method.family == "uhrbat" else "--",
                zorder=3 if method.default else 2,
            )
        if measure == "accuracy":
            for name, share, style in (
                ("No image", found.no_image["all"], ":"),
                ("Majority answer", found.majority["all"], "-."),
            ):
                handles[name] = axes.axhline(100 * share, color="#8a8a8a", linewidth=1, linestyle=style)
        _dress(axes, found, title)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def _drawn(found: FrontierFile) -> list[Method]:
    answered = {point.method for point in found.points if point.measure == "accuracy"}

    def weight(method: Method) -> tuple:
        released = method.id == "attention-kmeans-mean"
        return not method.default, not released, method.id not in answered, method.family == "uhrbat"

    return sorted(found.methods, key=weight)[:_MOST]


def _line(points: list[Point], method: Method, measure: str) -> list[Point]:
    kept = [p for p in points if p.method == method.id and p.measure == measure and p.group == "all"]
    return sorted(kept, key=lambda point: point.budget)


def _dress(axes: Axes, found: FrontierFile, title: str) -> None:
    axes.set_xscale("log", base=2)
    ticks = [budget for budget in found.budgets or found.answer_budgets if budget != 2048]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=8)
    axes.set_xlabel("Total budget, tokens", fontsize=9)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylim(0, 102.5)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
