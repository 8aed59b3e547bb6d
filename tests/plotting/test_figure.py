"""Where a figure is drawn: into a file of its own, into given axes, or to be looked at."""

from __future__ import annotations

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import fastgram as fg
from fastgram.plotting.figure import axes_for

SIZE = (3.0, 2.0)


def test_a_figure_for_a_file_is_not_pyplots():
    assert not pyplot.get_fignums()
    axes = axes_for("x.png", None, SIZE)
    assert tuple(axes.get_figure().get_size_inches()) == SIZE
    assert not pyplot.get_fignums()


def test_a_figure_to_look_at_is_pyplots():
    axes = axes_for(None, None, SIZE)
    assert pyplot.figure(pyplot.get_fignums()[-1]) is axes.get_figure()
    pyplot.close(axes.get_figure())


def test_given_axes_are_drawn_into_and_a_file_is_checked_all_the_same(refuses):
    axes = Figure().add_subplot()
    assert axes_for(None, axes, SIZE) is axes
    assert axes_for("x.svg", axes, SIZE) is axes
    with refuses(ValueError, "x.jpg: a figure ends in one of .png, .svg, .pdf"):
        axes_for("x.jpg", axes, SIZE)


@pytest.mark.parametrize("made", [fg.SpectralDensity, fg.TrainingCurve])
def test_plots_take_a_path_and_axes(made):
    """All of one form: so that what is drawn can be put beside another thing."""
    names = made.plot.__code__.co_varnames[: made.plot.__code__.co_argcount]
    assert names == ("self", "path", "ax")
