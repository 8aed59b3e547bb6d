"""Figures, drawn by matplotlib without its global state."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgram._results import Bracket, ExtremeEigenvalues

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from fastgram.network import Network

__all__ = ["FORMATS", "check_figure_path", "plot_extremes", "plot_sweep"]

FORMATS = (".png", ".svg", ".pdf")

_COLOURS = {"kinked": "#c8500a", "smooth": "#1f6fb4"}  # told apart by colour-blind eyes too
_GREY = "#8a8a8a"
_OPEN = "no lower bound"  # the one reason at the edge with an estimate that can be drawn
_HALF = 0.17  # half the length of a noise floor's tick, in activations

# Lines of a sweep: of warm colours where kinked, of cold ones where smooth.
_PALETTES = {
    "kinked": (_COLOURS["kinked"], "#e3a008", "#8f1d1d", "#e0708f", "#7a5c2e"),
    "smooth": (_COLOURS["smooth"], "#1b9e8f", "#6a3fa0", "#7fb2e5", "#2e6b34"),
}
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.4, 1.5)))
_FADED = 0.55  # how near to white the first of several lines of an activation is
# Markers at the edge, where many lines leave no room for words: shape, and whether it is filled.
_EDGE_MARKERS = {
    "exact zero": ("v", True),
    "below the noise floor": ("v", False),
    _OPEN: ("1", True),
    "negative": ("x", True),
    "not resolved": ("s", False),
}
_EDGE_ROW = 0.032  # the height of a row of them, in parts of the axes


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
    # markers and their upright labels take two fifths of the height
    low, high = _limits(results, reasons, 0.4 if any(reasons) else 0.05)
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


def _limits(
    results: Sequence[ExtremeEigenvalues], reasons: Sequence[str], room: float
) -> tuple[float, float]:
    """Return the ends of the axis: all that is drawn, above a part of it for what cannot be."""
    values = [result.noise_floor for result in results]
    for result, reason in zip(results, reasons, strict=True):
        for bracket in (result.largest, result.smallest)[: 2 if reason in ("", _OPEN) else 1]:
            values += [bracket.lower, bracket.estimate, bracket.upper]
    shown = [math.log10(value) for value in values if 0.0 < value < math.inf] or [0.0]
    low, high = min(shown), max(shown)
    span = 1.06 * max(high - low, 3.0)
    return 10.0 ** (low - span * room / (1.0 - room)), 10.0 ** (high + 0.057 * span)


def _bracket(axes: Axes, x: float, bracket: Bracket, marker: str, colour: str) -> None:
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
        _handle(word, color=colour, linewidth=4.0)
        for word, colour in _COLOURS.items()
        if (word == "smooth") in smooth
    ]
    _frame(axes, title, handles + _marker_handles())


def _handle(label: str, **style: Any) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)


def _marker_handles() -> list[Line2D]:
    return [
        _handle(r"$\lambda_{\max}$", color="#404040", marker="^", linestyle="none"),
        _handle(r"$\lambda_{\min}$", color="#404040", marker="o", linestyle="none"),
        _handle("noise floor", color=_GREY, marker="_", markersize=11, linestyle="none"),
    ]


def _frame(axes: Axes, title: str, handles: Sequence[Line2D]) -> None:
    figure = axes.get_figure(root=True)
    letters = int(9 * figure.get_figwidth()) if figure is not None else 60
    axes.set_title(textwrap.fill(title, letters), fontsize=11, loc="left")
    axes.set_ylabel("extreme eigenvalues")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    # beside the axes: no place within them is free for every set of results
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


# --- sweeps ------------------------------------------------------------------------------------


@dataclass
class _Line:
    """The networks of one activation and one value of what is not on the axis."""

    label: str
    smooth: bool
    other: float
    points: list[tuple[float, ExtremeEigenvalues]] = field(default_factory=list)
    colour: Any = _GREY
    dashes: Any = "-"


def plot_sweep(
    networks: Sequence[Network],
    results: Sequence[ExtremeEigenvalues],
    path_or_axes: str | Path | Axes,
    title: str,
) -> Axes:
    """Draw λ_min and λ_max against the depth or the width, with their brackets.

    Parameters
    ----------
    networks : sequence of Network
        Of several depths or widths. Which of the two has more values is on the axis (the depth,
        where they have equally many); there is a line for each activation and each value of the
        other.
    results : sequence of ExtremeEigenvalues
        One a network.
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
    if not networks or len(networks) != len(results):
        raise ValueError(f"one network and result each: {len(networks)}, {len(results)}")
    against_width, lines = _lines(networks, results)
    reasons = {_why_at_the_edge(result) for result in results} - {""}
    handles = _sweep_handles(lines, not against_width, reasons)
    if not isinstance(path_or_axes, (str, Path)):
        _draw_sweep(path_or_axes, lines, against_width, title, handles)
        return path_or_axes
    check_figure_path(path_or_axes)
    size = 8.2, max(5.0, 0.9 + 0.245 * len(handles))
    figure = _matplotlib().figure.Figure(figsize=size, layout="constrained")
    axes: Axes = figure.add_subplot()
    _draw_sweep(axes, lines, against_width, title, handles)
    figure.savefig(path_or_axes, dpi=160)
    return axes


def _lines(
    networks: Sequence[Network], results: Sequence[ExtremeEigenvalues]
) -> tuple[bool, list[_Line]]:
    """Return whether widths are on the axis, and the lines."""
    _matplotlib()
    from matplotlib.colors import to_rgb

    shapes = [
        (float(network.depth), math.inf if network.width is None else float(network.width))
        for network in networks
    ]
    depths, widths = ({shape[k] for shape in shapes} for k in (0, 1))
    on_axis = int(len(widths) > len(depths))
    lines: dict[Any, _Line] = {}
    for network, shape, result in zip(networks, shapes, results, strict=True):
        activation, other = network.activation, shape[1 - on_axis]
        line = lines.setdefault(
            (activation, other), _Line(activation.name, activation.smooth, other)
        )
        line.points.append((shape[on_axis], result))
    others = sorted({line.other for line in lines.values()})
    hues: dict[Any, str] = {}
    for word, palette in _PALETTES.items():
        names = dict.fromkeys(act for act, _ in lines if act.smooth == (word == "smooth"))
        hues |= {act: palette[k % len(palette)] for k, act in enumerate(names)}
    for (activation, other), line in lines.items():
        line.points.sort(key=lambda point: point[0])
        line.dashes = _DASHES[(len(others) - 1 - others.index(other)) % len(_DASHES)]
        white = _whiteness(other, others)
        line.colour = tuple(white + (1.0 - white) * part for part in to_rgb(hues[activation]))
    return on_axis == 1, list(lines.values())


def _whiteness(other: float, others: Sequence[float]) -> float:
    """Return 0 for the last of several values, more for those before it."""
    return _FADED * (1.0 - others.index(other) / (len(others) - 1)) if len(others) > 1 else 0.0


def _draw_sweep(
    axes: Axes, lines: Sequence[_Line], against_width: bool, title: str, handles: Sequence[Line2D]
) -> None:
    results = [result for line in lines for _, result in line.points]
    reasons = [_why_at_the_edge(result) for result in results]
    at_edge = [line for line in lines if any(_why_at_the_edge(result) for _, result in line.points)]
    room = min(0.4, 0.05 + _EDGE_ROW * len(at_edge))
    low, high = _limits(results, reasons, room)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    place = _dress_sweep_axis(axes, {x for line in lines for x, _ in line.points}, against_width)
    for line in lines:
        _draw_line(axes, line, place)
    for row, line in enumerate(reversed(at_edge)):  # from the bottom
        height = 0.025 + row * (room - 0.05) / len(at_edge)
        _draw_edge_row(axes, line, place, height)
    _frame(axes, title, handles)


def _dress_sweep_axis(axes: Axes, values: set[float], against_width: bool) -> dict[float, float]:
    """Set the scale, the limits and the ticks; return where each value stands."""
    from matplotlib.ticker import NullLocator

    finite = sorted(values - {math.inf})
    first, last = (finite[0], finite[-1]) if finite else (1.0, 1.0)
    logarithmic = against_width or last >= 10.0 * first
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
        if gap > 0.02 + 0.008 * (len(f"{x:.0f}") + len(f"{shown[-1]:.0f}") if shown else 0):
            shown.append(x)
    shown.reverse()
    if logarithmic:
        axes.set_xscale("log")
        place = {x: x if math.isfinite(x) else 10.0**at for x, at in place.items()}
        left, right = 10.0**left, 10.0**right
    axes.set_xlim(left, right)
    names = ["∞" if math.isinf(x) else f"{x:.0f}" for x in shown]
    axes.set_xticks([place[x] for x in shown], names)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("width (neurons a hidden layer)" if against_width else "depth (hidden layers)")
    return place


def _draw_line(axes: Axes, line: _Line, place: dict[float, float]) -> None:
    lows, highs = [], []
    for x, result in line.points:
        reason, largest = _why_at_the_edge(result), result.largest.estimate > 0.0
        if result.noise_floor > 0.0:
            axes.plot(place[x], result.noise_floor, "_", color=_GREY, markersize=9.0, zorder=1)
        if largest:
            _bracket(axes, place[x], result.largest, "^", line.colour)
        if reason in ("", _OPEN):
            _bracket(axes, place[x], result.smallest, "o", line.colour)
        if reason == _OPEN:
            ends = axes.get_ylim()[0], result.smallest.estimate
            axes.vlines(place[x], *ends, color=line.colour, linewidth=1.2)
        lows.append(result.smallest.estimate if reason in ("", _OPEN) else math.nan)
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
        reason = _why_at_the_edge(result)
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


def _sweep_handles(lines: Sequence[_Line], other_is_width: bool, reasons: set[str]) -> list[Line2D]:
    """Return the legend: hues of activations, shades and dashes of the other, and markers."""
    others = sorted({line.other for line in lines})
    full = [line for line in lines if line.other == others[-1]]
    handles = []
    for word in _COLOURS:
        of_word = [line for line in full if line.smooth == (word == "smooth")]
        if of_word:
            handles.append(_handle(f"{word}:", linestyle="none"))
        handles += [_handle(line.label, color=line.colour, linewidth=2.5) for line in of_word]
    if len(others) > 1:
        of_first = {line.other: line for line in lines if line.label == full[0].label}
        for other in others:
            if other_is_width:
                name = "infinite width" if math.isinf(other) else f"width {other:.0f}"
            else:
                name = f"depth {other:.0f}"
            shade = f"{0.25 + 0.75 * _whiteness(other, others):.3f}"
            handles.append(_handle(name, color=shade, linestyle=of_first[other].dashes))
    handles += _marker_handles()
    handles += [
        _handle(rf"$\lambda_{{\min}}$: {reason}", **_edge_style(reason, "#404040"))
        for reason in _EDGE_MARKERS
        if reason in reasons
    ]
    return handles
