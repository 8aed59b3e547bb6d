"""The edge of chaos against closed forms, quadratures in mpmath and values of the literature."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from helpers.tolerances import EPS, FEW
from scipy.optimize import brentq

import fastgram as fg


@pytest.mark.parametrize("q", [1e-12, 0.5, 1.0, 300.0])
def test_homogeneous_activations(q):
    for name, weight in (("relu", 2.0), ("abs", 1.0), ("linear", 1.0)):
        found = fg.critical_variances(name, q)
        assert found.weight_variance == pytest.approx(weight, rel=FEW * EPS)
        assert found.bias_variance == 0.0  # He's initialisation, at any q


@pytest.mark.parametrize("q", [0.1, 1.0, 20.0])
def test_erf_in_closed_form(q):
    weight = np.pi / 4.0 * np.sqrt(1.0 + 4.0 * q)
    bias = q - weight * 2.0 / np.pi * np.arcsin(2.0 * q / (1.0 + 2.0 * q))
    np.testing.assert_allclose(fg.critical_variances("erf", q), (weight, bias), rtol=64 * EPS)


def test_tanh_against_quadratures():
    for q in (0.01, 1.0, 9.0):
        with mp.workdps(25):
            s, cuts = mp.sqrt(mp.mpf(q)), [-12, -4, -1, 0, 1, 4, 12]
            slope = mp.quad(lambda z, s=s: mp.npdf(z) * mp.sech(s * z) ** 4, cuts)
            square = mp.quad(lambda z, s=s: mp.npdf(z) * mp.tanh(s * z) ** 2, cuts)
            wanted = float(1 / slope), float(q - square / slope)
        found = fg.critical_variances("tanh", q)
        assert found.weight_variance == pytest.approx(wanted[0], rel=16 * EPS)
        assert abs(found.bias_variance - wanted[1]) <= 32 * EPS * q


def test_tanh_in_the_literature():
    """σw² = 1.76 where σb² = 0.05 (Schoenholz, Gilmer, Ganguli and Sohl-Dickstein, ICLR 2017)."""
    q = brentq(lambda q: fg.critical_variances("tanh", q).bias_variance - 0.05, 0.1, 2.0)
    assert round(fg.critical_variances("tanh", q).weight_variance, 2) == 1.76


def test_rows_keep_their_variance_and_gradients_their_size():
    """Through a network: its diagonal, and Θ which gains the same in every layer."""
    weight, bias = fg.critical_variances("elu", q=0.7)
    options = {"input_weight_variance": 0.7, "input_bias_variance": 0.0}
    net = fg.Network("elu", 1, weight_variance=weight, bias_variance=bias, **options)
    squares = [net.replace(depth=depth).kernel(1.0, kind="nngp") for depth in (1, 2, 9)]
    np.testing.assert_allclose(squares, (0.7 - bias) / weight, rtol=100 * EPS)
    tangents = [net.replace(depth=depth).kernel(1.0, kind="ntk") for depth in (1, 2, 3)]
    # Θ at the last layer is E φ² + Θ·E φ'², Θ below it grows by q, and E φ'² = 1/σw²
    np.testing.assert_allclose(np.diff(tangents), 0.7 / weight, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (("sigmoid",), ValueError, "sigmoid has no edge of chaos with the fixed point q = 1: with"),
        (("softplus", 2.0), ValueError, "below 0"),
        (("step",), ValueError, "its derivative is zero"),
        (("tanh", 0.0), ValueError, "q must be above 0, not 0"),
        (("tanh", np.nan), ValueError, "q must be finite"),
        (("tanh", "1"), TypeError, "q must be a number"),
        ((3,), TypeError, "an activation is a name or an Activation"),
    ],
)
def test_bad_arguments(arguments, error, told):
    with pytest.raises(error) as caught:
        fg.critical_variances(*arguments)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
