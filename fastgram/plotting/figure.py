"""What the figures share: their files, colours, brackets, markers and legends.

Drawn by matplotlib without its global state.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgram.bracket import Bracket
from fastgram.eigenvalues.results import ExtremeEigenvalues

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = [
    "COLOURS",
    "FORMATS",
    "GREY",
    "OPEN",
    "check_figure_path",
    "draw_bracket",
    "frame",
    "handle",
    "limits",
    "marker_handles",
    "matplotlib_module",
    "why_at_the_edge",
]

FORMATS = (".png", ".svg", ".pdf")

COLOURS = {"kinked": "#c8500a", "smooth": "#1f6fb4"}  # told apart by colour-blind eyes too
GREY = "#8a8a8a"
OPEN = "no lower bound"  # the one reason at the edge with an estimate that can be drawn


def check_figure_path(path: str | Path) -> None:
    """Refuse a figure that could not be written, before the work that it would show.

    Raises
    ------
    ValueError
        If the ending is none of `FORMATS`.
    ImportError
        If matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: a figure ends in one of {', '.join(FORMATS)}")
    matplotlib_module()


def matplotlib_module() -> Any:
    """Return matplotlib, loaded now, or say what to install."""
    try:
        import matplotlib.figure
    except ImportError:
        raise ImportError("a figure needs matplotlib: pip install 'fastgram[plot]'") from None
    return matplotlib


def why_at_the_edge(result: ExtremeEigenvalues) -> str:
    """Return why a logarithmic scale cannot show where λ_min is, or ""."""
    smallest = result.smallest
    if smallest.lower > 0.0:
        return ""
    if smallest.guarantee == "exact" and smallest.estimate == 0.0:
        return "exact zero"
    if smallest.upper < 0.0:
        return "negative"
    # the library's own rule: an upper end of about the floor says nothing but that
    if smallest.upper <= 2.0 * result.noise_floor:
        return "below the noise floor"
    return OPEN if smallest.estimate > 0.0 else "not resolved"


def limits(
    results: Sequence[ExtremeEigenvalues], reasons: Sequence[str], room: float
) -> tuple[float, float]:
    """Return the ends of the axis: all that is drawn, above a part of it for what cannot be."""
    values = [result.noise_floor for result in results]
    for result, reason in zip(results, reasons, strict=True):
        for bracket in (result.largest, result.smallest)[: 2 if reason in ("", OPEN) else 1]:
            values += [bracket.lower, bracket.estimate, bracket.upper]
    shown = [math.log10(value) for value in values if 0.0 < value < math.inf] or [0.0]
    low, high = min(shown), max(shown)
    span = 1.06 * max(high - low, 3.0)
    return 10.0 ** (low - span * room / (1.0 - room)), 10.0 ** (high + 0.057 * span)


def draw_bracket(axes: Axes, x: float, bracket: Bracket, marker: str, colour: str) -> None:
    """Draw a bracket as a bar at x, its estimate as a marker."""
    bottom = bracket.lower if bracket.lower > 0.0 else bracket.estimate
    top = bracket.upper if math.isfinite(bracket.upper) else axes.get_ylim()[1]
    axes.errorbar(
        x,
        bracket.estimate,
        yerr=[[max(bracket.estimate - bottom, 0.0)], [max(top - bracket.estimate, 0.0)]],
        fmt=marker,
        color=colour,
        markersize=6.5,
        markeredgecolor="white",
        markeredgewidth=0.8,
        capsize=5.0,
        elinewidth=1.6,
        capthick=1.6,
        zorder=3,
    )


def handle(label: str, **style: Any) -> Line2D:
    """Return an entry of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)


def marker_handles(floor: bool = True) -> list[Line2D]:
    """Return what the markers mean; `floor`: that of a noise floor too."""
    handles = [
        handle(r"$\lambda_{\max}$", color="#404040", marker="^", linestyle="none"),
        handle(r"$\lambda_{\min}$", color="#404040", marker="o", linestyle="none"),
    ]
    if floor:
        handles.append(
            handle("noise floor", color=GREY, marker="_", markersize=11, linestyle="none")
        )
    return handles


def frame(
    axes: Axes, title: str, handles: Sequence[Line2D], ylabel: str = "extreme eigenvalues"
) -> None:
    """Put title, label and legend about the axes."""
    figure = axes.get_figure(root=True)
    letters = int(9 * figure.get_figwidth()) if figure is not None else 60
    axes.set_title(textwrap.fill(title, letters), fontsize=11, loc="left")
    axes.set_ylabel(ylabel)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    # beside the axes: no place within them is free for every set of results
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
