"""The figure of extreme eigenvalues, activation by activation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastgram.plotting.figure import (
    COLOURS,
    GREY,
    OPEN,
    HasExtremes,
    check_lengths,
    draw_bracket,
    drawn,
    frame,
    handle,
    limits,
    marker_handles,
    noise_floor_of,
    why_at_the_edge,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_extremes"]

_HALF = 0.17  # half the length of a noise floor's tick, in activations


def plot_extremes(
    labels: Sequence[str],
    results: Sequence[HasExtremes],
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
    results : sequence of ExtremeEigenvalues or ExactEigenvalues
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
    check_lengths(labels, results, smooth)
    width = 3.4 + max(1.6, 0.62 * len(labels))
    height = 5.0 + 0.05 * max(map(len, labels))  # slanted labels stand below the axes
    return drawn(
        path_or_axes, (width, height), lambda axes: _draw(axes, labels, results, title, smooth)
    )


def _draw(
    axes: Axes,
    labels: Sequence[str],
    results: Sequence[HasExtremes],
    title: str,
    smooth: Sequence[bool],
) -> None:
    reasons = [why_at_the_edge(result) for result in results]
    # markers and their upright labels take two fifths of the height
    low, high = limits(results, reasons, 0.4 if any(reasons) else 0.05)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    for x, (result, is_smooth, reason) in enumerate(zip(results, smooth, reasons, strict=True)):
        colour = COLOURS["smooth" if is_smooth else "kinked"]
        floor = noise_floor_of(result)
        if floor > 0.0:
            axes.hlines(floor, x - _HALF, x + _HALF, color=GREY, linewidth=1.3)
        if result.largest.estimate > 0.0:
            draw_bracket(axes, x, result.largest, "^", colour)
        if reason in ("", OPEN):
            draw_bracket(axes, x, result.smallest, "o", colour)
        if reason == OPEN:
            axes.vlines(x, low, result.smallest.estimate, color=colour, linewidth=1.6)
        if reason:
            _at_the_edge(axes, x, reason, colour)
        elif result.largest.estimate > 0.0:
            ends = result.smallest.estimate, result.largest.estimate
            axes.vlines(x, *ends, color=colour, alpha=0.22, linewidth=4.0, zorder=1)
    has_floor = any(noise_floor_of(result) > 0.0 for result in results)
    _dress(axes, labels, title, smooth, has_floor)


def _at_the_edge(axes: Axes, x: int, reason: str, colour: str) -> None:
    across = axes.get_xaxis_transform()  # x in activations, y in parts of the axis
    axes.plot(x, 0.025, "v", color=colour, markersize=7.5, transform=across, zorder=4)
    axes.text(
        x + 0.09 if reason == OPEN else x,  # beside its bar
        0.06,
        reason,
        rotation=90,
        horizontalalignment="left" if reason == OPEN else "center",
        verticalalignment="bottom",
        fontsize=8,
        color=colour,
        transform=across,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},  # hides grid
        zorder=4,
    )


def _dress(
    axes: Axes, labels: Sequence[str], title: str, smooth: Sequence[bool], has_floor: bool
) -> None:
    steep = max(map(len, labels)) > 7
    axes.set_xticks(
        range(len(labels)),
        [label if len(label) < 16 else label.replace("(", "\n(", 1) for label in labels],
        rotation=40 if steep else 0,
        ha="right" if steep else "center",
        rotation_mode="anchor" if steep else "default",
    )
    axes.tick_params(axis="x", length=0)
    handles = [
        handle(word, color=colour, linewidth=4.0)
        for word, colour in COLOURS.items()
        if (word == "smooth") in smooth
    ]
    frame(axes, title, handles + marker_handles(has_floor))
