"""The figure of training curves: losses against steps, within their bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fastgram.bracket import Brackets
from fastgram.plotting.densities import line_styles
from fastgram.plotting.figure import GREY, axes_for, frame, handle, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["plot_curves"]

_POINTS = 120  # drawn for a curve
_LOWEST = 1e-8  # of the first loss


class HasLosses(Protocol):
    """A result with the loss after any number of steps, in brackets."""

    @property
    def steps(self) -> Any:
        """Numbers of steps that were asked for."""

    def relative_loss(self, steps: Any, *, flow: bool = False) -> Brackets:
        """Return brackets of the loss over that before the first step."""


def plot_curves(
    curves: Mapping[str, HasLosses],
    path: str | Path | None,
    axes: Axes | None,
    *,
    title: str = "Loss of gradient descent, bounded",
    smooth: Sequence[bool] | None = None,
) -> Axes:
    """Draw losses relative to the first against steps, into a file, into axes, or both.

    Parameters
    ----------
    curves : mapping of str to TrainingCurve
        By their names in the legend; an empty name has no entry.
    path : str, Path or None
        A file to write, which ends in .png, .svg or .pdf.
    axes : matplotlib.axes.Axes or None
    title : str
    smooth : sequence of bool, optional
        One a curve, of its activation: warm colours where kinked, cold ones where smooth.

    Raises
    ------
    ValueError
        If there is nothing to draw, or the file has another ending.
    ImportError
        If matplotlib is not installed.
    OSError
        If the file cannot be written.
    """
    if not curves:
        raise ValueError("there is no curve to draw")
    target = axes_for(path, axes, (8.6, 4.6))
    last = max(int(np.max(curve.steps)) for curve in curves.values())
    steps = np.unique(np.geomspace(1.0, max(last, 1), _POINTS).round().astype(np.int64))
    handles: list[Line2D] = []
    styles = line_styles(smooth or [True] * len(curves))
    for (name, curve), style in zip(curves.items(), styles, strict=True):
        _draw(target, curve, steps, style)
        if name:
            handles.append(handle(name, linewidth=2.5, **style))
    handles.append(handle("bounds", color=GREY, alpha=0.3, linewidth=7.0))
    target.set_xscale("log")
    target.set_yscale("log")
    target.set_xlabel("steps")
    bottom = max(_LOWEST, target.get_ylim()[0])
    target.set_ylim(bottom, max(1.3, target.get_ylim()[1]))
    frame(target, title, handles, "loss, relative to the first")
    if path is not None:
        save(target, path)
    return target


def _draw(
    axes: Axes, curve: HasLosses, steps: np.ndarray[Any, np.dtype[np.int64]], style: Any
) -> None:
    found = curve.relative_loss(steps)
    low = np.maximum(found.lower, _LOWEST / 10.0)
    high = np.minimum(found.upper, 1e12)
    axes.fill_between(steps, low, high, color=style["color"], alpha=0.2, linewidth=0.0)
    axes.plot(steps, np.clip(found.estimate, low, high), linewidth=1.6, **style)
