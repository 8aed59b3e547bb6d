"""Which activations are lines between kinks, or steps."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.network.lines import lines_of

STAIRS = fg.Activation(
    "stairs", lambda z: (z > -0.5) + 2.0 * (z > 1.0), np.zeros_like, kinks=(-0.5, 1.0)
)
BENT = fg.Activation(
    "bent",
    lambda z: np.where(z < -1.0, 0.3 * z - 0.7, np.where(z < 0.5, z, 0.4 + 0.2 * z)),
    lambda z: np.where(z < -1.0, 0.3, np.where(z < 0.5, 1.0, 0.2)),
    kinks=(-1.0, 0.5),
)
TORN = fg.Activation("torn", lambda z: z + (z > 1.0), lambda z: np.ones_like(z), kinks=(1.0,))
CURVED = fg.Activation(
    "curved",
    lambda z: np.where(z < 1.0, z, 1.0 + np.sin(z - 1.0)),
    lambda z: np.where(z < 1.0, 1.0, np.cos(z - 1.0)),
    kinks=(1.0,),
)


@pytest.mark.parametrize(
    ("activation", "intercepts", "slopes"),
    [
        ("relu6", [0.0, 0.0, 6.0], [0.0, 1.0, 0.0]),
        ("hard_tanh", [-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]),
        ("leaky_relu(negative_slope=0.2)", [0.0, 0.0], [0.2, 1.0]),
        (BENT, [-0.7, 0.0, 0.4], [0.3, 1.0, 0.2]),
    ],
)
def test_lines(activation, intercepts, slopes):
    lines = lines_of(fg.get_activation(activation))
    assert lines.continuous
    assert lines.intercepts == pytest.approx(intercepts, abs=1e-15)
    assert lines.slopes == pytest.approx(slopes, abs=1e-15)
    assert lines.jumps == pytest.approx(np.diff(slopes), abs=1e-15)


def test_steps():
    lines = lines_of(STAIRS)
    assert not lines.continuous
    assert list(lines.jumps) == [1.0, 2.0]
    assert (lines.at_zero, lines.slope_at_zero) == (1.0, 0.0)


@pytest.mark.parametrize("activation", ["tanh", "elu", "selu", "polynomial", TORN, CURVED])
def test_others_are_none(activation):
    assert lines_of(fg.get_activation(activation)) is None
