"""The figures of the study: brackets and theory in panels, as PNG and SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastgram.plotting.figure import GREY, matplotlib_module

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "colour_of",
    "draw_brackets",
    "draw_line",
    "draw_theory",
    "dress",
    "study_figure",
    "write_figure",
]

# One colour an activation, in all figures: warm ones where kinked, cold ones where smooth.
_COLOURS = {
    "relu": "#c8500a",
    "leaky_relu": "#e3a008",
    "relu6": "#b5651d",
    "elu": "#8f1d1d",
    "selu": "#e0708f",
    "celu": "#7a5c2e",
    "hard_tanh": "#d4351c",
    "abs": "#f08a4b",
    "step": "#5b1a0a",
    "tanh": "#1f6fb4",
    "sigmoid": "#7fb2e5",
    "softplus": "#2e6b34",
    "swish": "#1b9e8f",
    "silu": "#1b9e8f",
    "gelu": "#6a3fa0",
    "mish": "#3aa6c9",
    "erf": "#29337a",
    "sin": "#8a8fd8",
    "cos": "#5c6f9e",
    "linear": "#7d8f7d",
    "polynomial": "#4f9d3a",
}
_THEORY = "#404040"
_SIZE = 5.4, 4.3  # of a panel, in inches
_LETTERS = 84  # of a legend, as wide as a panel
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def colour_of(activation: str) -> str:
    """Return the colour of an activation, by its name as printed; grey of one that has none."""
    return _COLOURS.get(activation.partition("(")[0], GREY)


def draw_brackets(
    axes: Axes,
    x: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    resolved: npt.ArrayLike,
    activation: str,
    *,
    label: str | None = None,
    marker: str = "o",
    joined: bool = True,
) -> None:
    """Draw brackets as bars with a marker at the middle, in the activation's colour.

    On a logarithmic axis the middle is the geometric one. An unresolved value is an arrow that
    hangs from its upper end, the floor; an exact zero a filled triangle at the bottom edge.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With its scales already set (`dress` sets them).
    x, lower, upper : (k,) array_like
    resolved : (k,) array_like of bool
    activation : str
        As printed.
    label : str, optional
        In the legend; None takes the activation.
    marker : str
    joined : bool
        Whether a line joins the resolved ones.
    """
    at, low, high = (np.asarray(one, float) for one in (x, lower, upper))
    known, colour = np.asarray(resolved, bool), colour_of(activation)
    logarithmic = axes.get_yscale() == "log"
    zero = known & (high <= 0.0) if logarithmic else np.zeros(at.shape, bool)
    shown, hanging = known & ~zero, ~known & (high > 0.0) & np.isfinite(high)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.sqrt(low) * np.sqrt(high) if logarithmic else (low + high) / 2.0
    ends = [np.maximum(middle - low, 0.0)[shown], np.maximum(high - middle, 0.0)[shown]]
    axes.errorbar(
        at[shown],
        middle[shown],
        yerr=ends,
        fmt=f"{marker}-" if joined else marker,
        markersize=5.0,
        linewidth=1.1,
        elinewidth=1.4,
        capsize=2.5,
        label=_typeset(activation if label is None else label),
        zorder=3,
        color=colour,
    )
    for place, height in zip(at[hanging], high[hanging], strict=True):
        axes.annotate(
            "",
            (place, height),
            (0.0, -16.0),
            textcoords="offset points",
            arrowprops={"arrowstyle": "<-", "color": colour, "linewidth": 1.2},
            annotation_clip=True,
        )
        axes.plot(place, height, "_", color=colour, markersize=7.0)
    if zero.any():
        edge, across = np.full(at[zero].shape, 0.015), axes.get_xaxis_transform()
        axes.plot(at[zero], edge, "v", transform=across, clip_on=False, color=colour)


def draw_line(
    axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, activation: str, label: str | None = None
) -> None:
    """Draw a measured curve without brackets, in the activation's colour."""
    name = _typeset(activation if label is None else label)
    axes.plot(np.asarray(x), np.asarray(y), color=colour_of(activation), linewidth=1.5, label=name)


def draw_theory(
    axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, label: str, activation: str | None = None
) -> None:
    """Draw what is expected as a dashed line: of an activation's colour, or dark."""
    axes.plot(
        np.asarray(x),
        np.asarray(y),
        color=_THEORY if activation is None else colour_of(activation),
        linestyle=(0, (5, 2.5)),
        linewidth=1.1,
        label=_typeset(label),
        zorder=4,
    )


def dress(
    axes: Axes,
    title: str,
    x_label: str,
    y_label: str = "λ_min",
    *,
    x_scale: str = "log",
    y_scale: str = "log",
) -> None:
    """Set title, labels and scales: called before anything is drawn."""
    # y given: matplotlib would place the title anew at each drawing, by a layout of all tick labels
    axes.set_title(_typeset(title), fontsize=10.5, loc="left", y=1.0)
    axes.set_xlabel(_typeset(x_label))
    axes.set_ylabel(_typeset(y_label))
    axes.set_xscale(x_scale)
    axes.set_yscale(y_scale)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def study_figure(panels: int, draw: Callable[[Sequence[Axes]], None]) -> Figure:
    """Return a figure of panels side by side, drawn and with its legends.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    size = _SIZE[0] * panels, _SIZE[1]
    figure: Figure = matplotlib_module().figure.Figure(figsize=size, facecolor="white")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    draw(axes)
    for one in axes:
        _label_ticks(one)
        _put_legend(one)
    # laid out once: an engine of the figure's own would do it anew at each drawing, and move it
    ConstrainedLayoutEngine().execute(figure)
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file: an SVG of the same bytes every time, that needs no fonts.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    dated = {"Date": None} if path.suffix.lower() == ".svg" else {}
    settings = {"svg.hashsalt": "fastgram", "svg.fonttype": "path"}
    with matplotlib_module().rc_context(settings):
        figure.savefig(path, dpi=140, metadata=dated)


def _put_legend(axes: Axes) -> None:
    """Put a legend below the axes, where it hides nothing, in columns that are no wider."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        longest = max(len(label.replace(r"$\lambda_{\m", "λ")) for label in labels)
        axes.legend(
            handles,
            labels,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
            ncols=max(1, min(3, len(handles), _LETTERS // (longest + 7))),
            fontsize=8,
            frameon=False,
        )


def _label_ticks(axes: Axes) -> None:
    """Label powers of ten of a logarithmic axis, and 1, 2 and 5 of one that has few of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if axis.get_scale() != "log":
            continue
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: _power_of_ten(value)))
        if ends[1] > 1000.0 * ends[0]:
            axis.set_minor_locator(NullLocator())  # a crowd, and half of the time to draw
        elif ends[1] < 100.0 * ends[0]:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _power_of_ten(value: float) -> str:
    """Return "10⁻³" of 0.001: as matplotlib's formula looks, which takes twice the time to draw."""
    return "10" + str(round(math.log10(value))).translate(_SUPERSCRIPTS)


def _typeset(text: str) -> str:
    """Return text with its λ_min and λ_max as formulas."""
    for word in ("min", "max"):
        text = text.replace(f"λ_{word}", rf"$\lambda_{{\{word}}}$")
    return text
