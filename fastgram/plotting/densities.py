"""The figure of spectral densities: cumulative distributions within their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgram.plotting.figure import (
    GREY,
    HasDistribution,
    axes_for,
    check_lengths,
    drawn,
    frame,
    handle,
    save,
)
from fastgram.plotting.sweeps import DASHES, PALETTES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["line_styles", "plot_densities", "plot_density"]

_STEPS = 1000  # drawn for a curve, at most


def plot_density(result: HasDistribution, path: str | Path | None, axes: Axes | None) -> Axes:
    """Draw one cumulative distribution, into a file, into axes, or both."""
    title = f"{result.n} eigenvalues, {result.passes} passes with {result.block} probes"
    target = axes_for(path, axes, (8.6, 4.6))
    _draw_densities(target, ["estimate"], [result], title, [True])
    if path is not None:
        save(target, path)
    return target


def plot_densities(
    labels: Sequence[str],
    results: Sequence[HasDistribution],
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
    check_lengths(labels, results, smooth)
    size = 8.6, max(4.6, 1.2 + 0.245 * len(labels))
    return drawn(
        path_or_axes, size, lambda axes: _draw_densities(axes, labels, results, title, smooth)
    )


def _draw_densities(
    axes: Axes,
    labels: Sequence[str],
    results: Sequence[HasDistribution],
    title: str,
    smooth: Sequence[bool],
) -> None:
    """Draw several distributions, a line and a band each, with a legend."""
    lefts, rights, logarithmic = zip(*map(_range, results), strict=True)
    left, right = min(lefts), max(rights)
    axes.set_xscale("log" if all(logarithmic) else "linear")  # whatever was drawn there before
    axes.set_xlim(left, right)
    axes.set_ylim(0.0, 1.02)
    across = axes.get_xaxis_transform()
    handles: list[Line2D] = []
    for label, result, style in zip(labels, results, line_styles(smooth), strict=True):
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


def line_styles(smooth: Sequence[bool]) -> list[dict[str, Any]]:
    """Return a colour and dashes for each line; no two are alike among the first 20 of a kind."""
    seen = {True: 0, False: 0}
    styles = []
    for is_smooth in smooth:
        palette, k = PALETTES["smooth" if is_smooth else "kinked"], seen[is_smooth]
        dashes = DASHES[k // len(palette) % len(DASHES)]
        styles.append({"color": palette[k % len(palette)], "linestyle": dashes})
        seen[is_smooth] += 1
    return styles


def _draw_distribution(
    axes: Axes, result: HasDistribution, left: float, right: float, style: dict[str, Any]
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


def _range(result: HasDistribution) -> tuple[float, float, bool]:
    """Return the ends of the axis, and whether it is logarithmic."""
    floor = result.noise_floor
    top = result.largest.upper if np.isfinite(result.largest.upper) else result.largest.estimate
    if result.smallest.upper < -floor or not top > 0.0:
        bottom = result.smallest.lower
        bottom = bottom if np.isfinite(bottom) else result.smallest.estimate
        margin = 0.03 * max(top - bottom, abs(top), abs(bottom)) or 1.0
        return bottom - margin, top + margin, False
    shown = result.estimates[result.estimates > floor]
    least = float(shown[0]) if shown.size else top
    if result.smallest.lower > floor:
        least = result.smallest.lower
    elif floor > 0.0:
        least = min(least, floor)
    return least / 1.5, top * 1.5, True
