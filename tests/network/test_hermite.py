"""Hermite coefficients against closed forms and quadratures in mpmath."""

from __future__ import annotations

import functools

import mpmath as mp
import numpy as np
import pytest
from helpers.tolerances import EPS
from mpmath.calculus.quadrature import GaussLegendre

import fastgram as fg
from fastgram.network.families import FAMILIES

VARIANCES = (1e-16, 0.3, 100.0, 1e16)
COUNT = 1500


def hermite(x, count):
    """He₀(x)/√0!, He₁(x)/√1!, … to the working precision."""
    before, current = mp.mpf(0), mp.mpf(1)
    found = []
    for k in range(count):
        found.append(current)
        before, current = current, (x * current - mp.sqrt(k) * before) / mp.sqrt(k + 1)
    return found


def above(c, count):
    """E 1{z > c}hₖ(z): Φ(−c), then hₖ₋₁(c)φ(c)/√k."""
    density = mp.npdf(c)
    tail = mp.erfc(c / mp.sqrt(2)) / 2
    return [tail, *(h * density / mp.sqrt(k) for k, h in enumerate(hermite(c, count - 1), 1))]


def risen(slopes, at_zero, s):
    """Coefficients of f from those of f' and from E f: aₖ = s·a'ₖ₋₁/√k."""
    return [at_zero, *(s * a / mp.sqrt(k) for k, a in enumerate(slopes[:-1], 1))]


def clipped(low, high, s, count):
    """Coefficients of z clipped to [low, high], and of its derivative."""
    a, b = (mp.mpf(x) / s for x in (low, high))
    slopes = [x - y for x, y in zip(above(a, count), above(b, count), strict=True)]
    inside = s * (mp.npdf(a) - mp.npdf(b))
    mean = low * mp.ncdf(a) + high * mp.ncdf(-b) + inside
    return risen(slopes, mean, s), slopes


def below_zero_exponential(s, count):
    """E 1{z < 0}exp(sz)hₖ(z), by parts: (s·Jₖ₋₁ − hₖ₋₁(0)φ(0))/√k."""
    found = [mp.exp(s * s / 2) * mp.erfc(s / mp.sqrt(2)) / 2]
    for k, h in enumerate(hermite(mp.mpf(0), count - 1), 1):
        found.append((s * found[-1] - h * mp.npdf(0)) / mp.sqrt(k))
    return found


def elu(s, count):
    positive = above(mp.mpf(0), count)
    exponential = below_zero_exponential(s, count)
    slopes = [p + e for p, e in zip(positive, exponential, strict=True)]
    mean = s * mp.npdf(0) + exponential[0] - mp.mpf(1) / 2
    return risen(slopes, mean, s), slopes


def gaussian(q, count):
    """E exp(−q z²)hₖ(z)."""
    found = [mp.mpf(0)] * count
    current = 1 / mp.sqrt(1 + 2 * q)
    for k in range(0, count, 2):
        found[k] = current
        current *= -2 * q / (1 + 2 * q) * mp.sqrt(mp.mpf(k + 1) / (k + 2))
    return found


def erf(s, count):
    slopes = [2 / mp.sqrt(mp.pi) * g for g in gaussian(s * s, count)]
    return risen(slopes, mp.mpf(0), s), slopes


def waves(s, count, turned):
    """E sin(sz)hₖ(z), or of cos."""
    size, found = mp.exp(-s * s / 2), []
    for k in range(count):
        sign = (0, 1, 0, -1) if not turned else (1, 0, -1, 0)
        found.append(size * sign[k % 4])
        size *= s / mp.sqrt(k + 1)
    return found


CLOSED = {
    "relu6": lambda s, count: clipped(0, 6, s, count),
    "hard_tanh": lambda s, count: clipped(-1, 1, s, count),
    "elu": elu,
    "erf": erf,
    "sin": lambda s, count: (waves(s, count, False), waves(s, count, True)),
    "cos": lambda s, count: (waves(s, count, True), [-x for x in waves(s, count, False)]),
    "relu": lambda s, count: (
        risen(above(mp.mpf(0), count), s * mp.npdf(0), s),
        above(mp.mpf(0), count),
    ),
    "step": lambda s, count: (above(mp.mpf(0), count), [mp.mpf(0)] * count),
}


@pytest.mark.slow
@pytest.mark.parametrize("q", VARIANCES)
@pytest.mark.parametrize("name", sorted(CLOSED))
def test_closed_forms(name, q):
    with mp.workdps(60 + (int(q) if name == "elu" and q <= 100 else 0)):
        if name == "elu" and q > 1e3:
            pytest.skip("exp(q/2) cancels")
        exact = CLOSED[name](mp.sqrt(mp.mpf(q)), COUNT)
        for derivative, wanted in enumerate(exact):
            values = np.array([float(a) for a in wanted])
            found = fg.hermite_coefficients(name, COUNT, q=q, derivative=bool(derivative))
            size = mean_square(name, q, bool(derivative))
            assert np.max(np.abs(found - values)) <= 12 * EPS * size


def mean_square(name, q, derivative):
    return float(np.sqrt(fg.dual(name, 1.0, q, q, derivative=derivative)))


def test_the_first_of_closed_forms():
    with mp.workdps(60):
        for name in sorted(CLOSED):
            wanted = [float(a) for a in CLOSED[name](mp.mpf(1), 40)[0]]
            found = fg.hermite_coefficients(name, 40)
            assert np.max(np.abs(found - wanted)) <= 6 * EPS


def test_of_relu_every_one_keeps_its_digits():
    with mp.workdps(40):
        wanted = CLOSED["relu"](mp.mpf(1), 3000)[0]
    found = fg.hermite_coefficients("relu", 3000)
    assert np.all(found[3::2] == 0.0)
    relative = [abs(float(a / b) - 1.0) for a, b in zip(found[::2], wanted[::2], strict=True)]
    assert max(relative) < 100 * EPS


FUNCTIONS = {
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), None),
    "softplus": (lambda z: mp.log1p(mp.exp(-abs(z))) + max(z, 0), None),
    "swish": (lambda z: z / (1 + mp.exp(-z)), None),
    "gelu": (lambda z: z * mp.ncdf(z), None),
    "mish": (lambda z: z * mp.tanh(mp.log1p(mp.exp(-abs(z))) + max(z, 0)), None),
}


DEGREES = (0, 1, 2, 3, 4, 17, 60)


@functools.cache
def rule():
    """Nodes on panels of a quarter, and weights times density times hₖ, k of DEGREES."""
    gauss = GaussLegendre(mp.mp).calc_nodes(4, mp.mp.prec)
    nodes, weights = [], []
    for panel in range(-52, 52):
        for x, w in gauss:
            z = (panel + (1 + x) / 2) / mp.mpf(4)
            basis = hermite(z, DEGREES[-1] + 1)
            nodes.append(z)
            weights.append([w / 8 * mp.npdf(z) * basis[k] for k in DEGREES])
    return nodes, weights


@pytest.mark.slow
@pytest.mark.parametrize("q", [1e-4, 1.0, 100.0])
def test_quadratures(q):
    with mp.workdps(25):
        s = mp.sqrt(mp.mpf(q))
        nodes, weights = rule()
        for name, functions in FUNCTIONS.items():
            for derivative, function in enumerate(functions):
                if function is None:
                    continue
                values = [function(s * z) for z in nodes]
                wanted = [float(mp.fdot(values, column)) for column in zip(*weights, strict=True)]
                found = fg.hermite_coefficients(name, 61, q=q, derivative=bool(derivative))
                size = mean_square(name, q, bool(derivative))
                assert np.max(np.abs(found[list(DEGREES)] - wanted)) <= 12 * EPS * size


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_they_add_up_to_the_dual(name):
    """At |ρ| = ½, where nothing is left of the last."""
    for q in (0.2, 1.0, 30.0):
        for derivative in (False, True):
            squares = fg.hermite_coefficients(name, 200, q=q, derivative=derivative) ** 2
            for rho in (0.5, -0.5):
                wanted = fg.dual(name, rho, q, q, derivative=derivative)
                found = np.polynomial.polynomial.polyval(rho, squares)
                assert abs(found - wanted) <= 1e-13 * max(np.sum(squares), 1e-300)


def test_polynomials_end():
    found = fg.hermite_coefficients("polynomial(coefficients=[1, 0, 2, 1])", 9, q=4.0)
    # 1 + 2·4z² + 8z³ = 9 + 24 h₁ + 8√2 h₂ + 8√6 h₃, as z³ = He₃ + 3z
    wanted = [9.0, 24.0, 8.0 * np.sqrt(2.0), 8.0 * np.sqrt(6.0)]
    np.testing.assert_allclose(found[:4], wanted, rtol=8 * EPS)
    assert np.all(found[4:] == 0.0)


def test_a_polynomial_of_high_degree_reaches_far_out():
    found = fg.hermite_coefficients(f"polynomial(coefficients={[0.0] * 20 + [1.0]})", 30)
    with mp.workdps(40):
        # z²⁰ = Σ 20!/(2ʲ j! (20 − 2j)!)·He₂₀₋₂ⱼ
        wanted = np.zeros(30)
        for j in range(11):
            k = 20 - 2 * j
            count = mp.factorial(20) / (2**j * mp.factorial(j) * mp.factorial(k))
            wanted[k] = float(count * mp.sqrt(mp.factorial(k)))
    assert np.max(np.abs(found - wanted)) <= 12 * EPS * np.linalg.norm(wanted)


def test_of_no_variance_the_value_at_zero_is_left():
    for name, value in (("sigmoid", 0.5), ("relu", 0.0), ("step", 0.0), ("cos", 1.0)):
        found = fg.hermite_coefficients(name, 3, q=0.0)
        np.testing.assert_array_equal(found, [value, 0.0, 0.0])


def test_the_answer_is_the_callers():
    found = fg.hermite_coefficients("tanh", 5)
    found[:] = 7.0
    assert fg.hermite_coefficients("tanh", 5)[0] == 0.0
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "options", "error", "told"),
    [
        (("tanhh", 3), {}, ValueError, "unknown activation 'tanhh'"),
        (("tanh", 0), {}, ValueError, "count must be at least 1, not 0"),
        (("tanh", 2.5), {}, TypeError, "count must be an integer"),
        (("tanh", 3), {"q": -1.0}, ValueError, "q must be at least 0, not -1"),
        (("tanh", 3), {"q": np.inf}, ValueError, "q must be finite"),
        (("tanh", 3), {"derivative": 1}, TypeError, "derivative must be True or False"),
    ],
)
def test_bad_arguments(arguments, options, error, told):
    with pytest.raises(error) as caught:
        fg.hermite_coefficients(*arguments, **options)
    assert told in str(caught.value)


def test_an_undeclared_kink_is_refused():
    bent = fg.Activation("bent", lambda z: np.maximum(z - 0.3, 0.0), lambda z: (z > 0.3) * 1.0)
    with pytest.raises(ValueError, match=r"a kink at z = 0\.3: declare every kink"):
        fg.hermite_coefficients(bent, 10)
