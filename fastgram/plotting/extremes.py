"""Figures, drawn by matplotlib without its global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastgram.eigenvalues.results import ExtremeEigenvalues
from fastgram.plotting.densities import draw_densities
from fastgram.plotting.figure import (
    COLOURS,
    FORMATS,
    GREY,
    OPEN,
    check_figure_path,
    draw_bracket,
    frame,
    handle,
    limits,
    marker_handles,
    matplotlib_module,
    why_at_the_edge,
)
from fastgram.plotting.sweeps import plot_sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgram.density.results import SpectralDensity

__all__ = ["FORMATS", "check_figure_path", "plot_densities", "plot_extremes", "plot_sweep"]

_HALF = 0.17  # half the length of a noise floor's tick, in activations


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
    figure = matplotlib_module().figure.Figure(figsize=(width, height), layout="constrained")
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
    reasons = [why_at_the_edge(result) for result in results]
    # markers and their upright labels take two fifths of the height
    low, high = limits(results, reasons, 0.4 if any(reasons) else 0.05)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    for x, (result, is_smooth, reason) in enumerate(zip(results, smooth, reasons, strict=True)):
        colour = COLOURS["smooth" if is_smooth else "kinked"]
        if result.noise_floor > 0.0:
            axes.hlines(result.noise_floor, x - _HALF, x + _HALF, color=GREY, linewidth=1.3)
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
    floor = any(result.noise_floor > 0.0 for result in results)
    _dress(axes, labels, title, smooth, floor)


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
    axes: Axes, labels: Sequence[str], title: str, smooth: Sequence[bool], floor: bool
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
    frame(axes, title, handles + marker_handles(floor))


# --- cumulative distributions --------------------------------------------------------------------


def plot_densities(
    labels: Sequence[str],
    results: Sequence[SpectralDensity],
    path_or_axes: str | Path | Axes,
    title: str,
    *,
    smooth: Sequence[bool],
) -> Axes:
    """Draw the cumulative distributions of several spectra, each within its bounds.

    Parameters
    ----------
    labels : sequence of str
        Names for the legend.
    results : sequence of SpectralDensity
        One a label.
    path_or_axes : str, Path or matplotlib.axes.Axes
        A file to write, which ends in .png, .svg or .pdf, or axes to draw into.
    title : str
        What was computed.
    smooth : sequence of bool
        One a label, of its activation: warm colours where kinked, cold ones where smooth.

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
    The axis of the eigenvalues is logarithmic unless a spectrum has negative ones. What is below
    its left end stands there, as exact zeros do; a tick at the bottom is a noise floor.
    """
    if not labels or not len(labels) == len(results) == len(smooth):
        raise ValueError(
            f"one label, result and smooth each: {len(labels)}, {len(results)}, {len(smooth)}"
        )
    if not isinstance(path_or_axes, (str, Path)):
        draw_densities(path_or_axes, labels, results, title, smooth)
        return path_or_axes
    check_figure_path(path_or_axes)
    size = 8.6, max(4.6, 1.2 + 0.245 * len(labels))
    figure = matplotlib_module().figure.Figure(figsize=size, layout="constrained")
    axes: Axes = figure.add_subplot()
    draw_densities(axes, labels, results, title, smooth)
    figure.savefig(path_or_axes, dpi=160)
    return axes
