"""What the study expects, against closed forms, plain quadratures and random matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import mp

import fastgram as fg
from fastgram.exact.circle import proven_on_circle
from fastgram.study.rows import circle, dimension, separation
from fastgram.study.theory.on_circle import DERIVATIVES, coefficient, smallest_on_circle
from fastgram.study.theory.on_sphere import (
    ConvolvedLaw,
    harmonics,
    law_of_rows,
    limit_distribution,
    limit_law,
)

SLOPES = {
    "erf": lambda z: 2.0 / math.sqrt(math.pi) * np.exp(-(z**2)),
    "tanh": lambda z: np.cosh(z) ** -2.0,
    "swish": lambda z: (1.0 + np.exp(-z) * (1.0 + z)) / (1.0 + np.exp(-z)) ** 2,
    "gelu": lambda z: (
        0.5 * (1.0 + np.vectorize(math.erf)(z / math.sqrt(2.0)))
        + z * np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
    ),
}


def entry(name, angles):
    """cos θ·E φ'(u)φ'(v) by a product of two Gauss–Hermite rules."""
    z, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    slope = SLOPES[name]
    second = [
        (weights * slope(z)) @ (slope(np.cos(a) * z[:, None] + np.sin(a) * z) @ weights)
        for a in angles
    ]
    return np.cos(angles) * np.array(second)


# --- the circle -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DERIVATIVES))
def test_smallest_on_eleven_points(name):
    row = entry(name, 2.0 * np.pi * np.arange(11) / 11)
    wanted = float(np.min(np.fft.rfft(row).real))
    assert smallest_on_circle(name, 11) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("m", [6, 60])
def test_coefficients_of_erf(m):
    """Of (4/π)/√(9 − 4cos²θ), the arcsine kernel's derivative."""
    with mp.workdps(60):
        count = 300  # the trapezoidal rule of a periodic function
        angles = [2 * mp.pi * k / count for k in range(count)]
        terms = [mp.cos(m * a) / mp.sqrt(9 - 4 * mp.cos(a) ** 2) for a in angles]
        wanted = 4 / mp.pi * sum(terms) / count
    assert coefficient(DERIVATIVES["erf"], m) == pytest.approx(float(wanted), rel=1e-9)
    assert coefficient(DERIVATIVES["erf"], m + 1) == 0.0


@pytest.mark.parametrize(("name", "digits"), [("swish", 4.9348782e-93), ("tanh", 8.9505081e-58)])
def test_the_law_of_tanh_and_swish_is_approached(name, digits):
    """At n = 301, by Laplace's method: y²/6 and the like as in the derivation."""
    y, size = {"tanh": (math.pi / 2, 2 * math.pi), "swish": (math.pi, 2 * math.pi**2)}[name]

    def law(m):
        return (
            (size / math.pi) ** 2
            * m
            * math.sqrt(math.pi / 6.0)
            / y
            * math.exp(y * y / 6.0 - 1.5 * (2.0 * y * m) ** (2 / 3))
        )

    n = 301
    places = (n - 1, n + 1, n - 1, n + 1) if name == "tanh" else (n - 4, n - 2, n + 2, n + 4)
    wanted = n * 0.5 * sum(law(m) for m in places)
    found = smallest_on_circle(name, n)
    assert found == pytest.approx(digits, rel=1e-6)
    assert found == pytest.approx(wanted, rel=0.1)


def test_relu_on_the_circle():
    """A row of ⟨x, y⟩·(π − θ)/2π, transformed."""
    for n in (5, 11, 201):
        angles = 2.0 * np.pi * np.arange(n) / n
        theta = np.minimum(angles, 2.0 * np.pi - angles)
        row = np.cos(angles) * (np.pi - theta) / (2.0 * np.pi)
        least = float(np.min(np.fft.rfft(row).real))
        exact = (np.cos(np.pi / n) ** -2 + np.cos(2.0 * np.pi / n) ** -2) / (8.0 * n)
        assert least == pytest.approx(exact, rel=1e-9)
        proven = proven_on_circle(n, "relu", "gradient", 90)
        assert proven.lower <= exact * (1.0 + 1e-15)
        assert proven.upper >= exact * (1.0 - 1e-15)


@pytest.mark.parametrize(("name", "rel"), [("selu", 0.01), ("elu", 0.1)])
def test_laws_of_selu_and_elu(name, rel):
    proven, law = proven_on_circle(301, name, "gradient", 90), circle.LAWS[name]
    assert proven.lower == pytest.approx(law.at(301), rel=rel)
    assert law.first * 301**law.power > 5.0 * rel  # which it needs


# --- spheres --------------------------------------------------------------------------------------


def test_edges_of_one_marchenko_pastur_law():
    for ratio in (0.1, 0.5, 0.9):
        law = ConvolvedLaw(np.array([0.7]), np.array([ratio]), 0.2)
        assert law.edge() == pytest.approx(0.2 + 0.7 * (1.0 - math.sqrt(ratio)) ** 2, rel=1e-9)
    assert ConvolvedLaw(np.array([0.7]), np.array([2.0]), 0.2).edge() == pytest.approx(0.2)


def test_the_edge_of_a_widened_atom():
    """Of an identity and a law of many features: a semicircle, 2σ below the mean."""
    law = ConvolvedLaw(np.array([0.1]), np.array([1e-4]), 1.0)
    assert law.edge() == pytest.approx(1.0 + 0.1 * (1.0 - 0.01) ** 2, rel=1e-9)


def test_the_edge_of_relu():
    """Of its closed form, far from the limit."""
    n, d = 300, 150
    X = fg.datasets.sphere(n, d, seed=3)
    t = np.clip(X @ X.T, -1.0, 1.0)
    np.fill_diagonal(t, 1.0)
    relu = t * (np.pi - np.arccos(t)) / (2.0 * np.pi)
    edge = law_of_rows(fg.Network("relu"), "gradient", n, d).edge()
    assert np.linalg.eigvalsh(relu)[0] == pytest.approx(edge, rel=0.02)
    limit = limit_law(fg.Network("relu"), "gradient", n / d)
    assert limit.edge() == pytest.approx(0.25, rel=1e-9)
    assert edge < 0.23


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_distribution_of_the_limit(ratio):
    d = 200
    X = fg.datasets.sphere(round(ratio * d), d, seed=1)
    values = np.linalg.eigvalsh(0.5 * X @ X.T + 0.1 * np.eye(len(X)))
    x = np.linspace(0.0, 4.0, 81)
    law = ConvolvedLaw(np.array([0.5]), np.array([ratio]), 0.1)
    found = limit_distribution(law, x)
    measured = np.searchsorted(values, x + 1e-9) / len(X)
    assert np.max(np.abs(found - measured)) < 0.02
    assert np.all(np.diff(found) >= 0.0)
    assert found[-1] == 1.0


@pytest.mark.parametrize(("d", "counts"), [(2, [1, 2, 2, 2]), (3, [1, 3, 5, 7]), (5, [1, 5, 14])])
def test_harmonics(d, counts):
    assert [harmonics(d, k) for k in range(len(counts))] == counts


@pytest.mark.parametrize(("name", "dim", "n"), [("tanh", 3, 14), ("swish", 3, 14), ("tanh", 5, 40)])
def test_no_eigenvalue_is_above_the_bound_by_harmonics(name, dim, n):
    X = fg.datasets.sphere(n, dim, seed=2)
    least = np.linalg.eigvalsh(entry_matrix(name, X))[0]
    bound = dimension.by_harmonics(name, n, dim)
    assert 0.0 < least <= bound < entry(name, np.zeros(1))[0]


def entry_matrix(name, X):
    angles = np.arccos(np.clip(X @ X.T, -1.0, 1.0))
    np.fill_diagonal(angles, 0.0)
    distinct, places = np.unique(angles, return_inverse=True)
    return entry(name, distinct)[places].reshape(angles.shape)


def test_the_bound_on_the_circle_is_near():
    """Rows of which no two are near: equally spaced ones."""
    for name in ("tanh", "swish"):
        bound, least = dimension.by_harmonics(name, 41, 2), smallest_on_circle(name, 41)
        assert least <= bound < 100.0 * least


# --- close pairs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "selu", "elu", "tanh"])
def test_limits_of_close_pairs(name):
    X, direction = separation.close_pair(6, 4, 1e-3, seed=5)
    assert np.linalg.norm(X[0] - X[-1]) == pytest.approx(1e-3, rel=1e-9)
    assert np.linalg.norm(X, axis=1) == pytest.approx(np.ones(6), rel=1e-14)
    least = fg.extreme_eigenvalues(fg.GramOperator(X, name)).smallest.estimate
    power = 1 if name in ("relu", "selu") else 2
    wanted = separation.limit(fg.get_activation(name), X[:-1], direction)
    assert least / 1e-3**power == pytest.approx(wanted, rel=5e-3)


def test_constants_of_jumps():
    X = fg.datasets.sphere(3, 3, seed=0)
    relu = separation.limit(fg.get_activation("relu"), X, X[1])
    assert relu == pytest.approx(1.0 / (2.0 * math.pi), rel=1e-6)
    hard = separation.limit(fg.get_activation("hard_tanh"), X, X[1])
    assert hard == pytest.approx(2.0 * math.exp(-0.5) / (2.0 * math.pi), rel=1e-6)
