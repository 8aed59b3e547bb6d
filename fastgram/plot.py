"""Figures, drawn by matplotlib without its global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgram._density_plot import _range
from fastgram._figures import (
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
from fastgram._results import ExtremeEigenvalues
from fastgram._sweeps import _DASHES, _PALETTES, plot_sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from fastgram._density_result import SpectralDensity

__all__ = ["FORMATS", "check_figure_path", "plot_densities", "plot_extremes", "plot_sweep"]

_HALF = 0.17  # half the length of a noise floor's tick, in activations
_STEPS = 1000  # of a distribution: more are finer than a figure's dots


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
        _draw_densities(path_or_axes, labels, results, title, smooth)
        return path_or_axes
    check_figure_path(path_or_axes)
    size = 8.6, max(4.6, 1.2 + 0.245 * len(labels))
    figure = matplotlib_module().figure.Figure(figsize=size, layout="constrained")
    axes: Axes = figure.add_subplot()
    _draw_densities(axes, labels, results, title, smooth)
    figure.savefig(path_or_axes, dpi=160)
    return axes


def _draw_densities(
    axes: Axes,
    labels: Sequence[str],
    results: Sequence[SpectralDensity],
    title: str,
    smooth: Sequence[bool],
) -> None:
    lefts, rights, logarithmic = zip(*map(_range, results), strict=True)
    left, right = min(lefts), max(rights)
    if all(logarithmic):
        axes.set_xscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(0.0, 1.02)
    across = axes.get_xaxis_transform()
    handles: list[Line2D] = []
    for label, result, style in zip(labels, results, _line_styles(smooth), strict=True):
        _draw_distribution(axes, result, left, right, style)
        if all(logarithmic) and result.noise_floor > left:
            axes.vlines(
                result.noise_floor, 0.0, 0.03, color=style["color"], linewidth=2.0, transform=across
            )
        handles.append(handle(label, linewidth=2.5, **style))
    confidence = f"bounds, {100.0 * results[0].confidence:.6g} %"
    handles.append(handle(confidence, color=GREY, alpha=0.3, linewidth=7.0))
    if all(logarithmic) and any(result.noise_floor > left for result in results):
        handles.append(handle("noise floor", color=GREY, marker="|", linestyle="none"))
    axes.set_xlabel("eigenvalue")
    frame(axes, title, handles, "part of the eigenvalues up to it")


def _line_styles(smooth: Sequence[bool]) -> list[dict[str, Any]]:
    """Return a colour and dashes for each line; no two are alike among the first 20 of a kind."""
    seen = {True: 0, False: 0}
    styles = []
    for is_smooth in smooth:
        palette, k = _PALETTES["smooth" if is_smooth else "kinked"], seen[is_smooth]
        dashes = _DASHES[k // len(palette) % len(_DASHES)]
        styles.append({"color": palette[k % len(palette)], "linestyle": dashes})
        seen[is_smooth] += 1
    return styles


def _draw_distribution(
    axes: Axes, result: SpectralDensity, left: float, right: float, style: dict[str, Any]
) -> None:
    n = result.n
    few = np.unique(np.linspace(0, n - 1, min(n, _STEPS)).round().astype(int))
    lower, upper = (np.clip(ends[few], left, right) for ends in (result.lower, result.upper))
    # both bounds as steps over one axis: fewest eigenvalues ≤ x, by the upper ends, and most
    points = np.unique(np.concatenate([[left], lower, upper, [right]]))
    fewest, _, most = result.cdf(points)
    axes.fill_between(
        points, fewest, most, step="post", color=style["color"], alpha=0.2, linewidth=0.0
    )
    x = np.concatenate([[left], np.clip(result.estimates[few], left, right), [right]])
    y = np.concatenate([[0.0], (few + 1.0) / n, [1.0]])
    axes.step(x, y, where="post", linewidth=1.6, **style)
