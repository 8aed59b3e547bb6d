"""Parts of all figures: files, colours, brackets, markers and legends, and what results must have.

Drawn by matplotlib without its global state.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from fastgram.bracket import Bracket
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes  # for those who may not import matplotlib
    from matplotlib.figure import Figure as Figure
    from matplotlib.lines import Line2D

__all__ = [
    "COLOURS",
    "FORMATS",
    "GREY",
    "OPEN",
    "HasDistribution",
    "HasExtremes",
    "axes_for",
    "check_figure_path",
    "check_lengths",
    "draw_bracket",
    "drawn",
    "frame",
    "handle",
    "limits",
    "marker_handles",
    "matplotlib_module",
    "new_axes",
    "noise_floor_of",
    "save",
    "why_at_the_edge",
]

FORMATS = (".png", ".svg", ".pdf")

COLOURS = {"kinked": "#c8500a", "smooth": "#1f6fb4"}  # told apart by colour-blind eyes too
GREY = "#8a8a8a"
OPEN = "no lower bound"  # the one reason at the edge with an estimate that can be drawn


class HasExtremes(Protocol):
    """A result with brackets of the extreme eigenvalues, and perhaps a `noise_floor`."""

    @property
    def smallest(self) -> Bracket:
        """λ_min."""

    @property
    def largest(self) -> Bracket:
        """λ_max."""


class HasDistribution(HasExtremes, Protocol):
    """A result with all eigenvalues in ascending order, each within bounds, (n,) arrays."""

    @property
    def n(self) -> int:
        """The order of the matrix."""

    @property
    def lower(self) -> Array:
        """Lower bounds."""

    @property
    def estimates(self) -> Array:
        """Estimates within the bounds."""

    @property
    def upper(self) -> Array:
        """Upper bounds."""

    @property
    def confidence(self) -> float:
        """The probability with which the bounds hold."""

    @property
    def noise_floor(self) -> float:
        """An eigenvalue below it is not told from 0."""

    @property
    def block(self) -> int:
        """Probes."""

    @property
    def passes(self) -> int:
        """Products with the matrix."""

    def cdf(self, x: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Return lower bound, estimate and upper bound of the part of the eigenvalues ≤ x."""


def noise_floor_of(result: HasExtremes) -> float:
    """Return the noise floor of a result, 0 of one in exact arithmetic, which has none."""
    return float(getattr(result, "noise_floor", 0.0))


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


def check_lengths(labels: Sequence[str], results: Sequence[object], smooth: Sequence[bool]) -> None:
    """Raise ValueError where there is nothing to draw, or the lengths differ."""
    if not labels or not len(labels) == len(results) == len(smooth):
        raise ValueError(
            f"one label, result and smooth each: {len(labels)}, {len(results)}, {len(smooth)}"
        )


def drawn(
    path_or_axes: str | Path | Axes, size: tuple[float, float], draw: Callable[[Axes], None]
) -> Axes:
    """Draw into axes, or into a new figure of a size in inches that is written to a file."""
    if not isinstance(path_or_axes, (str, Path)):
        draw(path_or_axes)
        return path_or_axes
    check_figure_path(path_or_axes)
    axes = new_axes(size)
    draw(axes)
    save(axes, path_or_axes)
    return axes


def new_axes(size: tuple[float, float]) -> Axes:
    """Return the axes of a new figure of a size in inches."""
    axes: Axes = matplotlib_module().figure.Figure(figsize=size, layout="constrained").add_subplot()
    return axes


def axes_for(path: str | Path | None, axes: Axes | None, size: tuple[float, float]) -> Axes:
    """Return axes to draw into: those that are given, or of a new figure of a size in inches.

    A figure for a file is nobody else's. One to look at is pyplot's, as a notebook shows it below
    the cell and ``matplotlib.pyplot.show()`` in a window.

    Raises
    ------
    ValueError, ImportError
        As `check_figure_path`, of a file.
    """
    if path is not None:
        check_figure_path(path)
    if axes is not None:
        return axes
    if path is not None:
        return new_axes(size)
    matplotlib_module()
    from matplotlib import pyplot

    shown: Axes = pyplot.subplots(figsize=size, layout="constrained")[1]
    return shown


def save(axes: Axes, path: str | Path) -> None:
    """Write the figure that axes belong to."""
    axes.get_figure(root=True).savefig(path, dpi=160)  # type: ignore[union-attr]


def why_at_the_edge(result: HasExtremes) -> str:
    """Return why a logarithmic scale cannot show where λ_min is, or ""."""
    smallest = result.smallest
    if smallest.lower > 0.0:
        return ""
    if smallest.guarantee == "exact" and smallest.estimate == 0.0:
        return "exact zero"
    if smallest.upper < 0.0:
        return "negative"
    # the library's own rule: an upper end of about the floor says nothing but that
    if smallest.upper <= 2.0 * noise_floor_of(result):
        return "below the noise floor"
    return OPEN if smallest.estimate > 0.0 else "not resolved"


def limits(
    results: Sequence[HasExtremes], reasons: Sequence[str], reserved: float
) -> tuple[float, float]:
    """Return the ends of the axis: all that is drawn, above a part reserved for what cannot be."""
    values = [noise_floor_of(result) for result in results]
    for result, reason in zip(results, reasons, strict=True):
        for bracket in (result.largest, result.smallest)[: 2 if reason in ("", OPEN) else 1]:
            values += [bracket.lower, bracket.estimate, bracket.upper]
    shown = [math.log10(value) for value in values if 0.0 < value < math.inf] or [0.0]
    low, high = min(shown), max(shown)
    span = 1.06 * max(high - low, 3.0)
    return 10.0 ** (low - span * reserved / (1.0 - reserved)), 10.0 ** (high + 0.057 * span)


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
