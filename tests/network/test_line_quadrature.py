"""Expectations over one normal variable, for many variances together."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.tolerances import EPS

from fastgram.network.integrals.line_quadrature import mean_squares


@pytest.mark.parametrize("derivative", [False, True])
def test_many_variances_together_are_as_right_as_each_alone(activation, derivative):
    """What bends in one panel at the least and the largest bends in another between them."""
    variances = np.linspace(0.88, 5.88, 23) ** 2
    together = mean_squares(activation, derivative, variances)
    alone = np.array([mean_squares(activation, derivative, np.array([q]))[0] for q in variances])
    assert np.max(np.abs(together - alone)) <= 8.0 * EPS * np.max(np.abs(alone))
