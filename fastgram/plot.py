"""Figures, drawn by matplotlib without its global state."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgram._results import Bracket, ExtremeEigenvalues

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FORMATS", "check_figure_path", "plot_extremes"]

FORMATS = (".png", ".svg", ".pdf")

_COLOURS = {"kinked": "#c8500a", "smooth": "#1f6fb4"}  # told apart by colour-blind eyes too
_GREY = "#8a8a8a"
_OPEN = "no lower bound"  # the one reason at the edge with an estimate that can be drawn
_HALF = 0.17  # half the length of a noise floor's tick, in activations


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
    _matplotlib()


def _matplotlib() -> Any:
    try:
        import matplotlib.figure
    except ImportError:
        raise ImportError("a figure needs matplotlib: pip install 'fastgram[plot]'") from None
    return matplotlib


def plot_extremes(
    labels: Sequence[str],
    results: Sequence[ExtremeEigenvalues],
    path_or_axes: str | Path | Axes,
    title: str,
    *,
    smooth: Sequence[bool],
) -> Axes:
    """Draw λ_min and λ_max of each activation with their brackets, on a logarithmic scale.

    Parameters
    ----------
    labels : sequence of str
        Names below the axis, in order.
    results : sequence of ExtremeEigenvalues
        One a label.
    path_or_axes : str, Path or matplotlib.axes.Axes
        A file to write, which ends in .png, .svg or .pdf, or axes to draw into.
    title : str
        What was computed.
    smooth : sequence of bool
        One a label: it chooses the colour.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn into.

    Raises
    ------
    ValueError
        If there is nothing to draw, the lengths differ, or a file has another ending.
    ImportError
        If matplotlib is not installed.
    OSError
        If the file cannot be written.

    Notes
    -----
    What a logarithmic scale cannot show stands at the bottom edge as a downward marker, with its
    reason: an exact zero, or a λ_min below the noise floor. A bracket that reaches down to 0 is a
    bar down to that edge.
    """
    if not labels or not len(labels) == len(results) == len(smooth):
        raise ValueError(
            f"one label, result and smooth each: {len(labels)}, {len(results)}, {len(smooth)}"
        )
    if not isinstance(path_or_axes, (str, Path)):
        _draw(path_or_axes, labels, results, title, smooth)
        return path_or_axes
    check_figure_path(path_or_axes)
    width = 3.4 + max(1.6, 0.62 * len(labels))
    height = 5.0 + 0.05 * max(map(len, labels))  # slanted labels stand below the axes
    figure = _matplotlib().figure.Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.add_subplot()
    _draw(axes, labels, results, title, smooth)
    figure.savefig(path_or_axes, dpi=160)
    return axes


def _draw(
    axes: Axes,
    labels: Sequence[str],
    results: Sequence[ExtremeEigenvalues],
    title: str,
    smooth: Sequence[bool],
) -> None:
    reasons = [_why_at_the_edge(result) for result in results]
    low, high = _limits(results, reasons)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    for x, (result, is_smooth, reason) in enumerate(zip(results, smooth, reasons, strict=True)):
        colour = _COLOURS["smooth" if is_smooth else "kinked"]
        if result.noise_floor > 0.0:
            axes.hlines(result.noise_floor, x - _HALF, x + _HALF, color=_GREY, linewidth=1.3)
        if result.largest.estimate > 0.0:
            _bracket(axes, x, result.largest, "^", colour)
        if reason in ("", _OPEN):
            _bracket(axes, x, result.smallest, "o", colour)
        if reason == _OPEN:
            axes.vlines(x, low, result.smallest.estimate, color=colour, linewidth=1.6)
        if reason:
            _at_the_edge(axes, x, reason, colour)
        elif result.largest.estimate > 0.0:
            ends = result.smallest.estimate, result.largest.estimate
            axes.vlines(x, *ends, color=colour, alpha=0.22, linewidth=4.0, zorder=1)
    _dress(axes, labels, title, smooth)


def _why_at_the_edge(result: ExtremeEigenvalues) -> str:
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
    return _OPEN if smallest.estimate > 0.0 else "not resolved"


def _limits(results: Sequence[ExtremeEigenvalues], reasons: Sequence[str]) -> tuple[float, float]:
    """Return the ends of the axis: everything that is drawn, and room for what cannot be."""
    values = [result.noise_floor for result in results]
    for result, reason in zip(results, reasons, strict=True):
        for bracket in (result.largest, result.smallest)[: 2 if reason in ("", _OPEN) else 1]:
            values += [bracket.lower, bracket.estimate, bracket.upper]
    shown = [math.log10(value) for value in values if 0.0 < value < math.inf] or [0.0]
    low, high = min(shown), max(shown)
    span = max(high - low, 3.0)
    # markers and their upright labels take two fifths of the height
    return 10.0 ** (low - span * (0.7 if any(reasons) else 0.06)), 10.0 ** (high + 0.06 * span)


def _bracket(axes: Axes, x: int, bracket: Bracket, marker: str, colour: str) -> None:
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


def _at_the_edge(axes: Axes, x: int, reason: str, colour: str) -> None:
    across = axes.get_xaxis_transform()  # x in activations, y in parts of the axis
    axes.plot(x, 0.025, "v", color=colour, markersize=7.5, transform=across, zorder=4)
    axes.text(
        x + 0.09 if reason == _OPEN else x,  # beside its bar
        0.06,
        reason,
        rotation=90,
        horizontalalignment="left" if reason == _OPEN else "center",
        verticalalignment="bottom",
        fontsize=8,
        color=colour,
        transform=across,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},  # hides grid
        zorder=4,
    )


def _dress(axes: Axes, labels: Sequence[str], title: str, smooth: Sequence[bool]) -> None:
    from matplotlib.lines import Line2D

    figure = axes.get_figure(root=True)
    letters = int(9 * figure.get_figwidth()) if figure is not None else 60
    axes.set_title(textwrap.fill(title, letters), fontsize=11, loc="left")
    axes.set_ylabel("extreme eigenvalues")
    steep = max(map(len, labels)) > 7
    axes.set_xticks(
        range(len(labels)),
        [label if len(label) < 16 else label.replace("(", "\n(", 1) for label in labels],
        rotation=40 if steep else 0,
        ha="right" if steep else "center",
        rotation_mode="anchor" if steep else "default",
    )
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    handles = [
        Line2D([], [], color=colour, linewidth=4.0, label=word)
        for word, colour in _COLOURS.items()
        if (word == "smooth") in smooth
    ]
    handles += [
        Line2D([], [], color="#404040", marker="^", linestyle="none", label=r"$\lambda_{\max}$"),
        Line2D([], [], color="#404040", marker="o", linestyle="none", label=r"$\lambda_{\min}$"),
        Line2D(
            [], [], color=_GREY, marker="_", markersize=11, linestyle="none", label="noise floor"
        ),
    ]
    # beside the axes: no place within them is free for every set of results
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
