"""Figures: what stands where, in which colour and with which words."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import fastgram
from fastgram.bracket import Bracket, condition_of
from fastgram.eigenvalues.results import ExtremeEigenvalues, RitzPairs
from fastgram.exact.results import ExactEigenvalues
from fastgram.network.network import Network
from fastgram.plotting.extremes import plot_extremes
from fastgram.plotting.figure import FORMATS
from fastgram.plotting.sweeps import Swept, plot_sweep

NAMES = ["relu", "tanh", "polynomial", "gelu", "elu", "step"]
SMOOTH = [False, True, True, True, False, False]
TITLE = "gradient Gram matrix of the digits"


def made_up(smallest, largest=(400.0, 410.0, 405.0, "probabilistic"), floor=1e-9):
    """A result whose brackets are (lower, upper, estimate, guarantee)."""
    low, high = Bracket(*smallest), Bracket(*largest)
    resolved = low.lower > 0 or low.guarantee == "exact"
    pairs = RitzPairs(np.array([low.estimate]), np.array([0.0]))
    return ExtremeEigenvalues(
        low,
        high,
        condition_of(low, high),
        pairs,
        pairs,
        floor,
        resolved,
        resolved,
        100,
        100,
        "lanczos",
        16,
        30,
        1.0,
        "",
    )


RESULTS = [
    made_up((0.0134, 0.0136, 0.0135, "probabilistic")),
    made_up((1e-4, 4e-3, 1e-3, "probabilistic")),
    made_up((0.0, 0.0, 0.0, "exact")),
    made_up((0.0, 2e-9, 1e-19, "probabilistic")),
    made_up((-math.inf, 0.002, 0.0019, "none")),
    made_up((0.0, 0.0, 0.0, "exact"), (0.0, 0.0, 0.0, "exact"), floor=0.0),
]


def draw(results=RESULTS, names=NAMES, smooth=SMOOTH):
    axes = Figure(figsize=(8, 5)).add_subplot()
    assert plot_extremes(names, results, axes, TITLE, smooth=smooth) is axes
    return axes


def points(axes, marker):
    """The points with a marker: activation -> (height, colour)."""
    return {
        int(line.get_xdata()[0]): (float(line.get_ydata()[0]), to_hex(line.get_color()))
        for line in axes.lines
        if line.get_marker() == marker
    }


def colours(axes):
    handles = axes.get_legend().legend_handles
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    return {word: to_hex(h.get_color()) for word, h in zip(words, handles, strict=True)}


def upright_bars(axes):
    """The ends of all vertical segments: activation -> list of (bottom, top)."""
    bars = {}
    for collection in axes.collections:
        assert isinstance(collection, LineCollection)
        for (x0, y0), (x1, y1) in collection.get_segments():
            if x0 == x1:
                bars.setdefault(int(x0), []).append((y0, y1))
    return bars


def test_points_stand_at_the_estimates_in_their_colours():
    axes = draw()
    colour = colours(axes)
    kinked, smooth = colour["kinked"], colour["smooth"]
    assert kinked != smooth
    assert axes.get_yscale() == "log"
    assert points(axes, "o") == {0: (0.0135, kinked), 1: (1e-3, smooth), 4: (0.0019, kinked)}
    hues = [smooth if is_smooth else kinked for is_smooth in SMOOTH]
    assert points(axes, "^") == {k: (405.0, hues[k]) for k in range(5)}  # step has no λ_max > 0
    assert {k: colour for k, (_, colour) in points(axes, "v").items()} == {
        k: hues[k] for k in (2, 3, 4, 5)
    }


def test_brackets_are_bars_between_their_ends():
    axes = draw()
    bars = upright_bars(axes)
    for k, result in enumerate(RESULTS[:2]):
        for bracket in (result.smallest, result.largest):
            assert any(np.allclose(bar, (bracket.lower, bracket.upper)) for bar in bars[k])
        caps = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "_"]
        assert result.smallest.lower in np.round(caps, 12)
    # no lower bound: a bar down to the edge
    assert any(np.allclose(bar, (axes.get_ylim()[0], 0.0019)) for bar in bars[4])


def test_what_has_no_place_on_the_scale_is_named_at_the_edge():
    axes = draw()
    assert [(round(text.get_position()[0]), text.get_text()) for text in axes.texts] == [
        (2, "exact zero"),
        (3, "below the noise floor"),
        (4, "no lower bound"),
        (5, "exact zero"),
    ]
    for line in axes.lines:
        if line.get_marker() == "v":
            assert line.get_ydata()[0] < 0.05  # in parts of the axes
            assert line.get_transform() == axes.get_xaxis_transform()


@pytest.mark.parametrize(
    ("smallest", "word"),
    [
        ((-3.0, -2.0, -2.5, "certified"), "negative"),
        ((-3.0, 2.0, -0.5, "probabilistic"), "not resolved"),
        ((-1e-9, 1e-9, 1e-12, "certified"), "below the noise floor"),
    ],
)
def test_reasons_of_matrices_that_are_not_definite(smallest, word):
    axes = draw([made_up(smallest)], ["mine"], [True])
    assert [text.get_text() for text in axes.texts] == [word]
    assert points(axes, "o") == {}


def test_noise_floors_are_ticks():
    axes = draw()
    ticks = {
        round((x0 + x1) / 2): y0
        for collection in axes.collections
        for (x0, y0), (x1, y1) in collection.get_segments()
        if y0 == y1 and x0 != x1
    }
    assert ticks == dict.fromkeys(range(5), 1e-9)


def test_everything_lies_within_the_axes():
    low, high = draw().get_ylim()
    assert 1e-18 < low < 1e-9  # 1e-19 is no estimate that is shown
    assert high > 410.0
    assert draw(RESULTS[:1], ["relu"], [False]).get_ylim()[0] < 1e-9
    nothing = draw(RESULTS[5:], ["step"], [False])
    assert 0 < nothing.get_ylim()[0] < nothing.get_ylim()[1]


def test_words():
    axes = draw()
    assert axes.get_title(loc="left") == TITLE
    assert [label.get_text() for label in axes.get_xticklabels()] == NAMES
    assert list(colours(axes)) == [
        "kinked",
        "smooth",
        r"$\lambda_{\max}$",
        r"$\lambda_{\min}$",
        "noise floor",
    ]
    only = draw(RESULTS[1:2], ["tanh"], [True])
    assert "kinked" not in colours(only)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 6, 20])
def test_nothing_overlaps(tmp_path, count):
    names = [
        f"leaky_relu(negative_slope=0.{k + 10})" if k % 7 == 6 else f"act{k}" for k in range(20)
    ]
    results = [RESULTS[(k * 5) % 6] for k in range(20)]
    path = tmp_path / "x.png"
    title = f"{TITLE}, 1797\u00a0×\u00a064, rows scaled to norm 1"
    axes = plot_extremes(names[:count], results[:count], path, title, smooth=[True] * count)
    figure = axes.get_figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    frame = figure.bbox
    edge_words = [text.get_window_extent(renderer) for text in axes.texts]
    boxes = [axes.get_legend().get_window_extent(renderer), *edge_words]
    labels = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
    title = axes.findobj(lambda artist: isinstance(artist, Text) and TITLE[:8] in artist.get_text())
    boxes.append(title[0].get_window_extent(renderer))
    assert not boxes[0].overlaps(axes.get_window_extent(renderer))
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])
    for box in boxes + labels:
        assert box.x0 >= frame.x0 - 1
        assert box.x1 <= frame.x1 + 1
        assert box.y0 >= frame.y0 - 1
        assert box.y1 <= frame.y1 + 1
    # words at the edge end below the ticks of the noise floor
    floor = axes.transData.transform((0, 1e-9))[1]
    assert all(box.y1 < floor for box in edge_words)


@pytest.mark.parametrize(
    ("ending", "start"),
    [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")],
)
def test_formats(tmp_path, ending, start):
    path = tmp_path / f"x{ending}"
    plot_extremes(NAMES, RESULTS, str(path), TITLE, smooth=SMOOTH)
    assert path.read_bytes().startswith(start)
    assert ending.lower() in FORMATS


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x\.jpg: a figure ends in one of \.png, \.svg, \.pdf"):
        plot_extremes(NAMES, RESULTS, tmp_path / "x.jpg", TITLE, smooth=SMOOTH)
    with pytest.raises(ValueError, match="one label, result and smooth each: 1, 6, 6"):
        plot_extremes(["relu"], RESULTS, tmp_path / "x.png", TITLE, smooth=SMOOTH)
    with pytest.raises(ValueError, match="each: 0, 0, 0"):
        plot_extremes([], [], tmp_path / "x.png", TITLE, smooth=[])
    with pytest.raises(FileNotFoundError):
        plot_extremes(NAMES, RESULTS, tmp_path / "no" / "x.png", TITLE, smooth=SMOOTH)


def test_no_matplotlib_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'fastgram\[plot\]'"):
        plot_extremes(NAMES, RESULTS, tmp_path / "x.png", TITLE, smooth=SMOOTH)


@pytest.mark.slow
def test_the_module_loads_no_matplotlib_and_never_pyplot(tmp_path):
    code = (
        "import sys, fastgram.plotting.extremes\n"
        "assert 'matplotlib' not in sys.modules\n"
        "sys.path.insert(0, 'tests/plotting')\n"
        "import test_plotting as t\n"
        f"t.plot_extremes(t.NAMES, t.RESULTS, {str(tmp_path / 'x.png')!r}, 'x', smooth=t.SMOOTH)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    root = Path(fastgram.__file__).parent.parent
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


def test_an_exact_answer_is_drawn_as_it_is_and_has_no_floor():
    proven = Bracket(2e-80, 3e-80, 2.5e-80, "certified")
    largest = Bracket(4.0, 4.5, 4.25, "certified")
    answer = ExactEigenvalues(
        proven, largest, condition_of(proven, largest), "2.5e-80", "4.25", "", 9, 9, 300, 1.0, ""
    )
    axes = draw([answer], ["tanh"], [True])
    smooth = colours(axes)["smooth"]
    assert points(axes, "o") == {0: (2.5e-80, smooth)}
    assert points(axes, "^") == {0: (4.25, smooth)}
    assert axes.texts[:] == []
    assert "noise floor" not in colours(axes)


# --- sweeps ------------------------------------------------------------------------------------


def sweep(names, depths, widths):
    return [
        Network(name, depth=depth, width=width)
        for name in names
        for depth in depths
        for width in widths
    ]


def result_of(network):
    """A result that tells depth and width apart: λ_min is depth/1000 + 1/width, λ_max 1000."""
    value = network.depth / 1000.0 + (0.0 if network.width is None else 1.0 / network.width)
    return made_up(
        (0.9 * value, 1.2 * value, value, "probabilistic"), (900.0, 1100.0, 1000.0, "certified")
    )


def plot_networks(networks, results, path_or_axes, title=TITLE):
    """The figure of several depths or widths."""
    widths = [math.inf if network.width is None else network.width for network in networks]
    swept = [
        Swept("depth", "depth (hidden layers)", [network.depth for network in networks]),
        Swept("width", "width (neurons a hidden layer)", widths, logarithmic=True),
    ]
    activations = [network.activation for network in networks]
    return plot_sweep(activations, swept, results, path_or_axes, title)


def draw_sweep(networks, results=None):
    axes = Figure(figsize=(8, 5)).add_subplot()
    results = [result_of(network) for network in networks] if results is None else results
    assert plot_networks(networks, results, axes) is axes
    return axes


def marks(axes, marker):
    """The points with a marker: (x, height) -> colour."""
    return {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0])): to_hex(line.get_color())
        for line in axes.lines
        if line.get_marker() == marker
    }


def joined(axes):
    """The lines between points: list of (x, heights, colour, dashes)."""
    return [
        (
            [float(x) for x in line.get_xdata()],
            [float(y) for y in line.get_ydata()],
            to_hex(line.get_color()),
            line.get_linestyle(),
        )
        for line in axes.lines
        if line.get_marker() == "None"
    ]


def ticks(axes):
    labels = [label.get_text() for label in axes.get_xticklabels()]
    return dict(zip(labels, map(float, axes.get_xticks()), strict=True))


def test_a_sweep_over_depth_is_a_line_an_activation():
    axes = draw_sweep(sweep(["relu", "tanh", "elu"], [4, 1, 2], [None]))
    colour = colours(axes)
    assert axes.get_title(loc="left") == TITLE
    assert axes.get_xlabel() == "depth (hidden layers)"
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert ticks(axes) == {"1": 1.0, "2": 2.0, "4": 4.0}
    assert list(colour) == [
        "kinked:",
        "relu",
        "elu",
        "smooth:",
        "tanh",
        r"$\lambda_{\max}$",
        r"$\lambda_{\min}$",
        "noise floor",
    ]
    assert len({colour[name] for name in ("relu", "tanh", "elu")}) == 3
    lines = joined(axes)
    for name in ("relu", "tanh", "elu"):
        hue = colour[name]
        heights = [heights for _, heights, line_hue, _ in lines if line_hue == hue]
        assert heights == [[0.001, 0.002, 0.004], [1000.0] * 3]  # in the order of depth
    assert all(xs == [1.0, 2.0, 4.0] and dashes == "-" for xs, _, _, dashes in lines)
    assert sorted(marks(axes, "o")) == [(1.0, 0.001), (2.0, 0.002), (4.0, 0.004)]
    assert sorted(marks(axes, "^")) == [(1.0, 1000.0), (2.0, 1000.0), (4.0, 1000.0)]
    bars = upright_bars(axes)
    for x in (1, 2, 4):
        assert any(np.allclose(bar, (0.0009 * x, 0.0012 * x)) for bar in bars[x])
        assert any(np.allclose(bar, (900.0, 1100.0)) for bar in bars[x])


def test_depths_far_apart_take_a_logarithmic_axis():
    axes = draw_sweep(sweep(["relu"], [1, 3, 10], [None]))
    assert axes.get_xscale() == "log"
    assert ticks(axes) == {"1": 1.0, "3": 3.0, "10": 10.0}


def test_a_sweep_over_width_ends_at_infinity():
    axes = draw_sweep(sweep(["relu"], [2], [None, 100, 10]))
    assert axes.get_xlabel() == "width (neurons a hidden layer)"
    assert axes.get_xscale() == "log"
    at = ticks(axes)
    assert (at["10"], at["100"]) == (10.0, 100.0)
    assert 150.0 < at["∞"] < axes.get_xlim()[1]
    lows = [(xs, heights) for xs, heights, _, _ in joined(axes) if heights[0] < 1.0]
    # what is measured, and thinner dots to the limit
    assert [xs for xs, _ in lows] == [[10.0, 100.0], [100.0, at["∞"]]]
    assert np.allclose([heights for _, heights in lows], [[0.102, 0.012], [0.012, 0.002]])
    assert [dashes for *_, dashes in joined(axes)] == ["-", "--", "-", "--"]


def test_where_both_are_swept_the_one_with_more_values_is_on_the_axis():
    networks = sweep(["relu", "tanh"], [1, 4], [10, 20, 40])
    axes = draw_sweep(networks)
    assert list(ticks(axes)) == ["10", "20", "40"]
    words = list(colours(axes))
    assert words[words.index("tanh") + 1 :][:2] == ["depth 1", "depth 4"]
    lows = [line for line in joined(axes) if line[1][0] < 1.0]
    assert len(lows) == 4
    assert len({hue for _, _, hue, _ in lows}) == 4  # two hues in two shades
    assert len({dashes for *_, dashes in lows}) == 2
    axes = draw_sweep(sweep(["relu"], [1, 2, 4], [10, None]))
    assert list(ticks(axes)) == ["1", "2", "4"]
    assert list(colours(axes))[:4] == ["kinked:", "relu", "width 10", "infinite width"]
    axes = draw_sweep(sweep(["relu"], [1, 2], [10, None]))
    assert axes.get_xlabel() == "depth (hidden layers)"


def test_what_a_sweep_cannot_place_stands_at_the_edge():
    networks = sweep(["relu", "tanh"], [1, 2, 3], [None])
    axes = draw_sweep(networks, [RESULTS[k] for k in (0, 2, 3, 4, 0, 5)])
    words = list(colours(axes))
    assert words[-3:] == [
        rf"$\lambda_{{\min}}$: {reason}"
        for reason in ("exact zero", "below the noise floor", "no lower bound")
    ]
    edge = [line for line in axes.lines if line.get_transform() == axes.get_xaxis_transform()]
    found = {
        (float(line.get_xdata()[0]), line.get_marker(), line.get_markerfacecolor() == "white")
        for line in edge
    }
    assert found == {(2.0, "v", False), (3.0, "v", True), (1.0, "1", False), (3.0, "v", False)}
    heights = {float(line.get_ydata()[0]) for line in edge}
    assert len(heights) == 2  # a row a line
    assert all(0.0 < height < 0.2 for height in heights)
    # a line breaks where there is no number
    relu = next(heights for _, heights, _, _ in joined(axes) if heights[0] == 0.0135)
    assert np.isnan(relu[1:]).all()
    assert any(np.allclose(bar, (axes.get_ylim()[0], 0.0019)) for bar in upright_bars(axes)[1])
    assert all(y > axes.get_ylim()[0] for _, y in marks(axes, "o"))


def draw_relu(*swept):
    """A figure of relu, and its lines of λ_min: (x, …) -> colour and dashes."""
    axes = Figure(figsize=(8, 5)).add_subplot()
    relu = Network("relu").activation
    count = len(swept[0].values)
    plot_sweep([relu] * count, swept, [RESULTS[0]] * count, axes, TITLE)
    lows = [line for line in joined(axes) if line[1][0] < 1.0]
    return axes, {tuple(xs): (hue, dashes) for xs, _, hue, dashes in lows}


def test_what_varies_beside_the_axis_is_in_the_legend():
    axes, lines = draw_relu(
        Swept("kind", "", ["ntk", "ntk", "nngp", "nngp", "ntk", "nngp"]),
        Swept("σ", "σ (norm of the noise)", [0.01, 0.02, 0.01, 0.03, 0.03, 0.02], True),
        Swept("dim", "dim", [2, 2, None, None, 2, None]),
    )
    assert (axes.get_xlabel(), axes.get_xscale()) == ("σ (norm of the noise)", "log")
    assert ticks(axes) == {"0.01": 0.01, "0.02": 0.02, "0.03": 0.03}
    assert list(colours(axes))[:4] == ["kinked:", "relu", "nngp", "ntk, dim 2"]
    assert list(lines) == [(0.01, 0.02, 0.03)]  # two lines, at the same values
    assert len({hue for _, _, hue, _ in joined(axes)}) == 2


def test_what_follows_from_the_axis_makes_no_line():
    sizes = Swept("d", "d (features)", [10, 20, 30]), Swept("n", "n (rows)", [100, 200, 400], True)
    axes, lines = draw_relu(*sizes, Swept("data", "", ["a", "b", "c"]))
    assert axes.get_xlabel() == "d (features)"
    assert list(lines) == [(10.0, 20.0, 30.0)]
    assert list(colours(axes))[:3] == ["kinked:", "relu", r"$\lambda_{\max}$"]


def test_an_axis_with_a_zero_is_linear():
    axes, lines = draw_relu(Swept("σb²", "variance of the biases", [0.0, 0.5, 50.0], True))
    assert axes.get_xscale() == "linear"
    assert list(lines) == [(0.0, 0.5, 50.0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "depths", "widths"),
    [
        (["relu"], [1, 2], [None]),
        (["relu", "elu", "selu", "tanh", "swish", "polynomial"], [1, 2, 3], [10, 100, 1000, None]),
        (["tanh", "leaky_relu(negative_slope=0.25)"], list(range(1, 40)), [None]),
        (["tanh"], [1], [*range(1000, 100_000, 7000), None]),
    ],
)
def test_nothing_overlaps_in_a_sweep(tmp_path, names, depths, widths):
    networks = sweep(names, depths, widths)
    results = [RESULTS[k % 6] for k in range(len(networks))]
    path = tmp_path / "x.png"
    title = f"{TITLE}, 1797\u00a0×\u00a064, rows scaled to norm 1, 3 hidden layers, width 1000"
    axes = plot_networks(networks, results, path, title)
    figure = axes.get_figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    legend = axes.get_legend().get_window_extent(renderer)
    assert not legend.overlaps(axes.get_window_extent(renderer))
    labels = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
    assert len(labels) >= 2
    for left, right in itertools.pairwise(sorted(labels, key=lambda box: box.x0)):
        assert left.x1 < right.x0
    for box in [legend, *labels]:
        assert box.x0 >= figure.bbox.x0 - 1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y0 >= figure.bbox.y0 - 1
        assert box.y1 <= figure.bbox.y1 + 1
    # markers at the edge end below the ticks of the noise floor
    floor = axes.transAxes.inverted().transform(axes.transData.transform((1, 1e-9)))[1]
    edge = [line for line in axes.lines if line.get_transform() == axes.get_xaxis_transform()]
    assert all(line.get_ydata()[0] + 0.01 < floor for line in edge)


def test_a_bad_sweep_is_refused(tmp_path):
    networks = sweep(["relu"], [1, 2], [None])
    with pytest.raises(ValueError, match=r"x\.jpg: a figure ends in one of \.png, \.svg, \.pdf"):
        plot_networks(networks, RESULTS[:2], tmp_path / "x.jpg")
    with pytest.raises(ValueError, match="one activation and result each: 2, 1"):
        plot_networks(networks, RESULTS[:1], tmp_path / "x.png")
    with pytest.raises(ValueError, match="one activation and result each: 0, 0"):
        plot_networks([], [], tmp_path / "x.png")
