"""The figure of a sweep: extreme eigenvalues against the depth, the width, or another number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fastgram.plotting.figure import (
    COLOURS,
    GREY,
    OPEN,
    HasExtremes,
    draw_bracket,
    drawn,
    frame,
    handle,
    limits,
    marker_handles,
    matplotlib_module,
    noise_floor_of,
    why_at_the_edge,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["DASHES", "PALETTES", "Swept", "plot_sweep"]

# Lines of a sweep: of warm colours where kinked, of cold ones where smooth.
PALETTES = {
    "kinked": (COLOURS["kinked"], "#e3a008", "#8f1d1d", "#e0708f", "#7a5c2e"),
    "smooth": (COLOURS["smooth"], "#1b9e8f", "#6a3fa0", "#7fb2e5", "#2e6b34"),
}
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.4, 1.5)))
_FADED = 0.55  # how near to white the first of several lines of an activation is
# Markers at the edge, where many lines leave no room for words: shape, and whether it is filled.
_EDGE_MARKERS = {
    "exact zero": ("v", True),
    "below the noise floor": ("v", False),
    OPEN: ("1", True),
    "negative": ("x", True),
    "not resolved": ("s", False),
}
_EDGE_ROW = 0.032  # the height of a row of them, in parts of the axes


class SweptActivation(Protocol):
    """An activation, which may be a key, with a name and a colour."""

    @property
    def name(self) -> str:
        """Its name in the legend."""

    @property
    def smooth(self) -> bool:
        """Whether its line is of a cold colour."""


@dataclass(frozen=True)
class Swept:
    """A quantity that has several values in a sweep.

    Attributes
    ----------
    name : str
        Before its values in the legend.
    axis : str
        What the axis says; "" where it cannot be on it.
    values : sequence of float, str or None
        One a result: inf at the limit of infinite width, None where there is none.
    logarithmic : bool
        Whether its axis is, where no value is 0, even if the largest is not ten times the smallest.
    """

    name: str
    axis: str
    values: Sequence[float | str | None]
    logarithmic: bool = False

    @property
    def is_magnitude(self) -> bool:
        """Whether it can be on the axis."""
        return bool(self.axis) and all(isinstance(value, (int, float)) for value in self.values)

    def label(self, value: float | str | None) -> str:
        """Return a value as the legend says it."""
        if value is None or isinstance(value, str):
            return value or ""
        return f"infinite {self.name}" if math.isinf(value) else f"{self.name} {_number(value)}"


@dataclass
class _Line:
    """The results of one activation, and of one value of each of what is not on the axis."""

    label: str
    smooth: bool
    other: int
    points: list[tuple[float, HasExtremes]] = field(default_factory=list)
    colour: Any = GREY
    dashes: Any = "-"


@dataclass(frozen=True)
class _Sweep:
    """What is drawn: the axis, the lines, and the words for what tells lines of one hue apart."""

    axis: Swept
    lines: Sequence[_Line]
    others: Sequence[str]


def plot_sweep(
    activations: Sequence[SweptActivation],
    swept: Sequence[Swept],
    results: Sequence[HasExtremes],
    path_or_axes: str | Path | Axes,
    title: str,
) -> Axes:
    """Draw λ_min and λ_max against what varies, with their brackets.

    Parameters
    ----------
    activations : sequence of Activation
        One a result.
    swept : sequence of Swept
        At least one of numbers. That with the most values is on the axis (the first, where several
        have equally many); there is a line for each activation and each value of the others,
        but of those that follow from what is on the axis.
    results : sequence of ExtremeEigenvalues or ExactEigenvalues
    path_or_axes : str, Path or matplotlib.axes.Axes
        A file to write, which ends in .png, .svg or .pdf, or axes to draw into.
    title : str
        What was computed.

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
    The infinite width stands at the right end, joined by thin dots. What a logarithmic scale
    cannot show stands at the bottom edge as a marker whose shape says why, a row a line.
    """
    if not activations or len(activations) != len(results):
        raise ValueError(f"one activation and result each: {len(activations)}, {len(results)}")
    sweep = _sweep_of(activations, swept, results)
    reasons = {why_at_the_edge(result) for result in results} - {""}
    handles = _sweep_handles(sweep, reasons)
    size = 8.2, max(5.0, 0.9 + 0.245 * len(handles))
    return drawn(path_or_axes, size, lambda axes: _draw_sweep(axes, sweep, title, handles))


def _sweep_of(
    activations: Sequence[SweptActivation], swept: Sequence[Swept], results: Sequence[HasExtremes]
) -> _Sweep:
    """Choose the axis, and find the lines and their colours."""
    matplotlib_module()
    from matplotlib.colors import to_rgb

    axis = max((one for one in swept if one.is_magnitude), key=lambda one: len(set(one.values)))
    rest = [one for one in swept if one is not axis and not _follows(one, axis)]
    keys = list(zip(*(one.values for one in rest), strict=True)) or [()] * len(results)
    others = sorted(set(keys), key=lambda key: [(value is not None, value) for value in key])
    lines: dict[Any, _Line] = {}
    for activation, key, x, result in zip(activations, keys, axis.values, results, strict=True):
        other = others.index(key)
        new = _Line(activation.name, activation.smooth, other)
        line = lines.setdefault((activation, other), new)
        line.points.append((float(x or 0.0), result))
    hues: dict[Any, str] = {}
    for word, palette in PALETTES.items():
        names = dict.fromkeys(act for act, _ in lines if act.smooth == (word == "smooth"))
        hues |= {act: palette[k % len(palette)] for k, act in enumerate(names)}
    for (activation, other), line in lines.items():
        line.points.sort(key=lambda point: point[0])
        line.dashes = DASHES[(len(others) - 1 - other) % len(DASHES)]
        white = _whiteness(other, len(others))
        line.colour = tuple(white + (1.0 - white) * part for part in to_rgb(hues[activation]))
    words = [
        ", ".join(filter(None, (one.label(value) for one, value in zip(rest, key, strict=True))))
        for key in others
    ]
    return _Sweep(axis, list(lines.values()), words)


def _follows(other: Swept, axis: Swept) -> bool:
    """Whether it has one value for each on the axis, as the features of files of other sizes."""
    return len(set(zip(axis.values, other.values, strict=True))) == len(set(axis.values))


def _whiteness(other: int, count: int) -> float:
    """Return 0 for the last of several values, more for those before it."""
    return _FADED * (1.0 - other / (count - 1)) if count > 1 else 0.0


def _draw_sweep(axes: Axes, sweep: _Sweep, title: str, handles: Sequence[Line2D]) -> None:
    lines = sweep.lines
    results = [result for line in lines for _, result in line.points]
    reasons = [why_at_the_edge(result) for result in results]
    at_edge = [line for line in lines if any(why_at_the_edge(result) for _, result in line.points)]
    reserved = min(0.4, 0.05 + _EDGE_ROW * len(at_edge))
    low, high = limits(results, reasons, reserved)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    place = _dress_sweep_axis(axes, sweep.axis)
    for line in lines:
        _draw_line(axes, line, place)
    for row, line in enumerate(reversed(at_edge)):  # from the bottom
        height = 0.025 + row * (reserved - 0.05) / len(at_edge)
        _draw_edge_row(axes, line, place, height)
    frame(axes, title, handles)


def _dress_sweep_axis(axes: Axes, axis: Swept) -> dict[float, float]:
    """Set the scale, the limits and the ticks; return where each value stands."""
    from matplotlib.ticker import NullLocator

    values = {float(value or 0.0) for value in axis.values}
    finite = sorted(values - {math.inf})
    first, last = (finite[0], finite[-1]) if finite else (1.0, 1.0)
    logarithmic = first > 0.0 and (axis.logarithmic or last >= 10.0 * first)
    place = {x: math.log10(x) if logarithmic else x for x in finite}
    start, end = (place[first], place[last]) if finite else (0.0, 0.0)
    if math.inf in values:
        # beyond the last, by about the usual step
        place[math.inf] = end + max((end - start) / max(len(finite) - 1, 2), math.log10(2.0))
        end = place[math.inf]
    margin = 0.06 * (end - start) or 0.5
    left, right = start - margin, end + margin
    shown: list[float] = []
    for x in sorted(place, reverse=True):  # the largest first: infinity keeps its label
        gap = (place[shown[-1]] - place[x]) / (right - left) if shown else 1.0
        if gap > 0.02 + 0.008 * (len(_number(x)) + len(_number(shown[-1])) if shown else 0):
            shown.append(x)
    shown.reverse()
    if logarithmic:
        axes.set_xscale("log")
        place = {x: x if math.isfinite(x) else 10.0**at for x, at in place.items()}
        left, right = 10.0**left, 10.0**right
    axes.set_xlim(left, right)
    axes.set_xticks([place[x] for x in shown], [_number(x) for x in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(axis.axis)
    return place


def _number(value: float) -> str:
    if math.isinf(value):
        return "∞"
    return f"{value:.0f}" if value == int(value) and value < 1e7 else f"{value:g}"


def _draw_line(axes: Axes, line: _Line, place: dict[float, float]) -> None:
    lows, highs = [], []
    for x, result in line.points:
        reason, largest = why_at_the_edge(result), result.largest.estimate > 0.0
        floor = noise_floor_of(result)
        if floor > 0.0:
            axes.plot(place[x], floor, "_", color=GREY, markersize=9.0, zorder=1)
        if largest:
            draw_bracket(axes, place[x], result.largest, "^", line.colour)
        if reason in ("", OPEN):
            draw_bracket(axes, place[x], result.smallest, "o", line.colour)
        if reason == OPEN:
            ends = axes.get_ylim()[0], result.smallest.estimate
            axes.vlines(place[x], *ends, color=line.colour, linewidth=1.2)
        lows.append(result.smallest.estimate if reason in ("", OPEN) else math.nan)
        highs.append(result.largest.estimate if largest else math.nan)
    at = [place[x] for x, _ in line.points]
    beyond = len(at) - 1 if math.isinf(line.points[-1][0]) else len(at)
    dots = (0, (1, 3))
    for heights in (lows, highs):
        axes.plot(at[:beyond], heights[:beyond], color=line.colour, ls=line.dashes, lw=1.5)
        if beyond < len(at):
            axes.plot(at[beyond - 1 :], heights[beyond - 1 :], color=line.colour, ls=dots, lw=1.2)


def _draw_edge_row(axes: Axes, line: _Line, place: dict[float, float], height: float) -> None:
    across = axes.get_xaxis_transform()
    for x, result in line.points:
        reason = why_at_the_edge(result)
        if reason:
            style = _edge_style(reason, line.colour)
            axes.plot(place[x], height, transform=across, clip_on=False, zorder=4, **style)


def _edge_style(reason: str, colour: Any) -> dict[str, Any]:
    marker, filled = _EDGE_MARKERS[reason]
    return {
        "marker": marker,
        "linestyle": "none",
        "color": colour,
        "markerfacecolor": colour if filled else "white",
        "markersize": 9.0 if marker == "1" else 6.5,
        "markeredgewidth": 1.3,
    }


def _sweep_handles(sweep: _Sweep, reasons: set[str]) -> list[Line2D]:
    """Return the legend: hues of activations, shades and dashes of the others, and markers."""
    lines, count = sweep.lines, len(sweep.others)
    last = {line.label: line for line in sorted(lines, key=lambda line: line.other)}
    handles = []
    for word in COLOURS:
        of_word = [line for line in last.values() if line.smooth == (word == "smooth")]
        if of_word:
            handles.append(handle(f"{word}:", linestyle="none"))
        handles += [handle(line.label, color=line.colour, linewidth=2.5) for line in of_word]
    if count > 1:
        dashes = {line.other: line.dashes for line in lines}
        for other, name in enumerate(sweep.others):
            shade = f"{0.25 + 0.75 * _whiteness(other, count):.3f}"
            handles.append(handle(name, color=shade, linestyle=dashes[other]))
    handles += marker_handles()
    handles += [
        handle(rf"$\lambda_{{\min}}$: {reason}", **_edge_style(reason, "#404040"))
        for reason in _EDGE_MARKERS
        if reason in reasons
    ]
    return handles
