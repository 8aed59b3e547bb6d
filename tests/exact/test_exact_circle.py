"""λ_min of a circle by the transform of a row, against dense matrices and stored digits."""

from __future__ import annotations

import numpy as np
import pytest

import fastgram as fg
from fastgram.exact.circle import proven_on_circle


def test_tanh_on_thirteen_points():
    found = proven_on_circle(13, "tanh", "gradient", 100)
    assert found.guarantee == "certified"
    assert found.lower <= 2.00921761277364157852e-5 <= found.upper
    assert found.upper - found.lower <= 2.0 * np.spacing(2e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 6, 9])
def test_against_dense_matrices(n):
    net = fg.Network("relu", depth=2, bias_variance=0.3)
    matrix = fg.gram(fg.datasets.circle(n), network=net, kind="ntk")
    found = proven_on_circle(n, net, "ntk", 80)
    assert found.estimate == pytest.approx(np.linalg.eigvalsh(matrix)[0], rel=1e-12)


def test_a_zero_is_not_told_from_zero():
    """Of opposite points relu's matrix is singular."""
    found = proven_on_circle(8, "relu", "gradient", 80)
    assert found.lower == 0.0
    assert 0.0 <= found.upper < 1e-20


def test_few_bits_widen_it():
    wide = proven_on_circle(41, "swish", "gradient", 40)
    narrow = proven_on_circle(41, "swish", "gradient", 140)
    assert wide.lower == 0.0 < narrow.lower
    assert narrow.upper <= wide.upper
    assert narrow.estimate == pytest.approx(6.517163e-21, rel=1e-6)
