"""Figures of the study: every activation has its colour, and what is not resolved says so."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

import fastgram as fg
from fastgram.plotting.studies import (
    colour_of,
    draw_brackets,
    draw_theory,
    dress,
    study_figure,
    write_figure,
)

X = np.array([1e-3, 1e-2, 1e-1])


def hue(colour):
    red, green, blue = (int(colour[k : k + 2], 16) / 255.0 for k in (1, 3, 5))
    return 360.0 * colorsys.rgb_to_hsv(red, green, blue)[0]


def test_kinked_are_warm_and_smooth_are_cold():
    found = {name: colour_of(name) for name in fg.activation_names() if name != "silu"}
    for name, colour in found.items():
        if fg.get_activation(name).smooth:
            assert 90.0 < hue(colour) < 280.0, name
        else:
            assert not 60.0 < hue(colour) < 330.0, name
    assert len(set(found.values())) == len(found)
    assert colour_of("leaky_relu(negative_slope=0.2)") == colour_of("leaky_relu")


@pytest.mark.parametrize("panels", [1, 2])
def test_panels_fill_the_figure(panels, tmp_path):
    def draw(axes):
        assert len(axes) == panels
        for one in axes:
            dress(one, "title", "δ")
            draw_brackets(one, X, X / 7, X / 6, [True] * 3, "relu")
            draw_brackets(one, X, X * 0, X * 0, [True] * 3, "polynomial")
            draw_brackets(one, X, -X, X, [False] * 3, "tanh")
            draw_theory(one, X, X, "δ")

    figure = study_figure(panels, draw)
    assert figure.get_layout_engine() is None  # or savefig would lay it out, and draw it, once more
    write_figure(figure, tmp_path / "a.svg")  # a layout that collapses warns, which is an error
    write_figure(figure, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    width = figure.axes[0].get_position().width
    assert width > 0.7 / panels


def axes_with(lower, upper, resolved, scale="log"):
    def draw(axes):
        dress(axes[0], "title", "δ", y_scale=scale)
        draw_brackets(axes[0], X, lower, upper, resolved, "tanh")

    return study_figure(1, draw).axes[0]


def test_brackets_are_bars():
    axes = axes_with(X, 4.0 * X, [True] * 3)
    (container,) = axes.containers
    line, _, (bars,) = container
    assert line.get_ydata() == pytest.approx(2.0 * X)  # the geometric middle
    ends = [(path.vertices[0, 1], path.vertices[1, 1]) for path in bars.get_paths()]
    assert np.array(ends) == pytest.approx(np.stack([X, 4.0 * X], axis=1))
    assert len(axes.texts) == 0


def test_what_is_not_resolved_is_an_arrow_from_the_floor():
    axes = axes_with([-1.0, 0.0, 1e-2], [1e-12, 1e-12, 2e-2], [False, False, True])
    assert [text.xy[1] for text in axes.texts] == [1e-12, 1e-12]
    assert axes.containers[0][0].get_xdata().tolist() == [1e-1]


def test_an_exact_zero_is_at_the_edge():
    axes = axes_with([0.0, 1e-3, 1e-2], [0.0, 2e-3, 2e-2], [True] * 3)
    marks = [line for line in axes.lines if line.get_marker() == "v"]
    assert [line.get_xdata().tolist() for line in marks] == [[1e-3]]
    flat = axes_with([0.0, -1e-3, 1e-2], [0.0, 2e-3, 2e-2], [True] * 3, "linear")
    assert len(flat.containers[0][0].get_xdata()) == 3  # where there is a place for it


def test_ticks_and_formulas():
    few = axes_with(X, 2.0 * X, [True] * 3)
    assert few.get_ylabel() == r"$\lambda_{\min}$"
    assert {"10⁻³", "10⁻¹"} <= {label.get_text() for label in few.get_yticklabels()}
    assert not any(label.get_text() for label in few.get_yticklabels(minor=True))
    many = axes_with([0.1, 0.2, 0.4], [0.11, 0.21, 0.41], [True] * 3)
    low, high = many.get_ylim()
    shown = [float(tick.get_text()) for tick in many.get_yticklabels()]
    assert {0.1, 0.2} <= {value for value in shown if low < value < high}


def test_a_legend_is_no_wider_than_its_panel():
    def draw(axes):
        dress(axes[0], "title", "δ")
        for name in ("relu", "tanh", "elu"):
            draw_brackets(axes[0], X, X, X, [True] * 3, name, label=f"{name}: " + 40 * "a")

    figure = study_figure(1, draw)
    assert figure.axes[0].get_position().width > 0.7
