"""The figure of a spectral density: the cumulative distribution within its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastgram._figures import COLOURS, check_figure_path, handle, matplotlib_module

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgram._density_result import SpectralDensity

__all__ = ["plot_density"]

Array = npt.NDArray[np.float64]

_COLOUR = COLOURS["smooth"]


def plot_density(result: SpectralDensity, path: str | Path | None, ax: Axes | None) -> Axes:
    """Draw the cumulative distribution, into a file, into axes, or both."""
    if path is not None:
        check_figure_path(path)
    if ax is None:
        figure = matplotlib_module().figure.Figure(figsize=(7.2, 4.6), layout="constrained")
        ax = figure.add_subplot()
    _draw(ax, result)
    if path is not None:
        ax.get_figure(root=True).savefig(path, dpi=160)  # type: ignore[union-attr]
    return ax


def _draw(axes: Axes, result: SpectralDensity) -> None:
    parts = np.arange(result.n + 1) / result.n
    lower, estimates, upper = result.lower, result.estimates, result.upper
    left, right, logarithmic = _range(result)
    if logarithmic:  # what is at or below the floor stands at the left edge
        axes.set_xscale("log")
        lower, estimates, upper = (np.maximum(x, left) for x in (lower, estimates, upper))
        if left < result.noise_floor:
            axes.axvspan(left, result.noise_floor, color="#ededed", linewidth=0.0)
    # both bounds as steps over one axis: most eigenvalues ≤ x, by the lower ends, and fewest
    points = np.unique(np.concatenate([[left], lower, upper, [right]]))
    fewest, most = (parts[np.searchsorted(x, points, side="right")] for x in (upper, lower))
    axes.fill_between(points, fewest, most, step="post", color=_COLOUR, alpha=0.25, linewidth=0.0)
    axes.step(
        np.concatenate([[left], estimates, [right]]),
        np.concatenate([[0.0], parts[1:], [1.0]]),
        where="post",
        color=_COLOUR,
        linewidth=1.6,
    )
    axes.set_xlim(left, right)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("eigenvalue")
    axes.set_ylabel("part of the eigenvalues up to it")
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    confidence = f"bounds, {100.0 * result.confidence:.6g} %"
    handles = [
        handle("estimate", color=_COLOUR, linewidth=1.6),
        handle(confidence, color=_COLOUR, alpha=0.25, linewidth=7.0),
    ]
    if logarithmic and left < result.noise_floor:
        handles.append(handle("below the noise floor", color="#ededed", linewidth=7.0))
    axes.legend(handles=handles, loc="lower right", frameon=False)
    title = f"{result.n} eigenvalues, {result.passes} passes with {result.block} probes"
    axes.set_title(title, fontsize=11, loc="left")


def _range(result: SpectralDensity) -> tuple[float, float, bool]:
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
