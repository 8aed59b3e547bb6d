"""The part about depth: its constants by mpmath, and a few rows of it."""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.optimize import brentq
from scipy.special import ndtr

from fastgram.study.networks.depth import PART
from fastgram.study.networks.depth_theory import (
    beside_the_diagonal,
    critical_limit,
    deep_limit,
    erf_rate,
    slope_at_one,
)
from fastgram.study.settings import Settings


def normal_mean(f):
    return mpmath.quad(lambda z: f(z) * mpmath.npdf(z), [-12, -4, 0, 4, 12])


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_erf_is_singular_where_its_layers_say(depth):
    def below(t):
        for _ in range(depth - 1):
            t = mpmath.asin(2 * t / 3) / mpmath.asin(mpmath.mpf(2) / 3)
        return t

    cosine = mpmath.findroot(lambda t: below(t) - 1.5, (1.01, 1.4), solver="secant").real
    assert erf_rate(depth) == pytest.approx(float(mpmath.acosh(cosine)), rel=1e-10)


def test_the_slope_at_one_and_the_limit():
    slope = float(
        normal_mean(lambda z: mpmath.sech(z) ** 4) / normal_mean(lambda z: mpmath.tanh(z) ** 2)
    )
    assert slope_at_one("tanh") == pytest.approx(slope, rel=1e-12)
    assert deep_limit("tanh") == pytest.approx(slope, rel=1e-10)  # odd: all correlations go to 0
    two_thirds = 2.0 / 3.0
    of_erf = two_thirds / math.sqrt(1.0 - two_thirds**2) / math.asin(two_thirds)
    assert deep_limit("erf") == pytest.approx(of_erf, rel=1e-10)


def test_entries_beside_the_diagonal():
    """The last layer's is odd in the correlation of those below: at depth 2 of erf, by hand."""
    two_thirds = 2.0 / 3.0
    for_each = math.asin(two_thirds)
    rho = math.asin(two_thirds * math.cos(math.pi / 31)) / for_each  # below the last layer
    slope = two_thirds / math.sqrt(1.0 - (two_thirds * rho) ** 2) / for_each
    assert beside_the_diagonal("erf", 2, 31) == pytest.approx(rho * slope, rel=1e-10)
    assert beside_the_diagonal("erf", 200, 31) < 1e-6


def test_the_limit_where_rows_do_not_get_orthogonal():
    """The fixed point of gelu's map and the slope there, on a grid of the plane."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    x, y = np.meshgrid(nodes, nodes)
    density = np.outer(weights, weights) / (2.0 * np.pi)

    def correlated(f, rho):
        return np.sum(density * f(x) * f(rho * x + np.sqrt(1.0 - rho**2) * y))

    def gelu(z):
        return z * ndtr(z)

    def slope(z):
        return ndtr(z) + z * np.exp(-z * z / 2.0) / np.sqrt(2.0 * np.pi)

    square = correlated(gelu, 1.0)
    fixed = brentq(lambda rho: correlated(gelu, rho) / square - rho, 0.5, 0.9)
    expected = (correlated(slope, 1.0) - fixed * correlated(slope, fixed)) / square
    assert deep_limit("gelu") == pytest.approx(expected, rel=1e-8)


def test_the_logarithm_of_smooth_activations():
    assert critical_limit("erf").logarithm == pytest.approx(-11.0 / 6.0, rel=1e-12)
    weight = 1 / normal_mean(lambda z: mpmath.sech(z) ** 4)
    twice = weight * normal_mean(lambda z: (2 * mpmath.tanh(z) * mpmath.sech(z) ** 2) ** 2)
    thrice = weight * normal_mean(
        lambda z: (4 * mpmath.tanh(z) ** 2 - 2 * mpmath.sech(z) ** 2) ** 2 * mpmath.sech(z) ** 4
    )
    expected = float(1 - 2 * thrice / (3 * twice**2))
    assert critical_limit("tanh").logarithm == pytest.approx(expected, rel=1e-9)
    assert critical_limit("tanh").condition(10) == pytest.approx(6.0)


def critical_ratio(angle, depth):
    """Return Θ(x, y)/Θ(x, x) of the critical tangent kernel of relu, from its closed forms."""
    theta, tangent = mpmath.mpf(angle), 2 * mpmath.cos(angle)
    for _ in range(depth):
        cosine = (mpmath.sin(theta) + (mpmath.pi - theta) * mpmath.cos(theta)) / mpmath.pi
        tangent = 2 * cosine + tangent * (1 - theta / mpmath.pi)
        theta = mpmath.acos(cosine)
    return tangent / (2 * (depth + 1))


def test_the_critical_tangent_kernel_of_relu():
    limit, depth = critical_limit("relu"), 1000
    off = [L * (critical_ratio(1.0, L) / limit.ratio - 1) for L in (depth, 2 * depth)]
    assert float((off[1] - off[0]) / mpmath.log(2)) == pytest.approx(limit.logarithm, rel=0.06)
    assert limit.condition(9) == pytest.approx(4.0)
    ratios = [critical_ratio(1.0, L) for L in (depth, 2 * depth)]
    conditions = [float((1 + r) / (1 - r)) for r in ratios]  # of two rows
    assert limit.extrapolated(2, depth, *conditions) == pytest.approx(limit.condition(2), rel=1e-4)
    assert conditions[1] - limit.condition(2) > 1e-3


@pytest.fixture(scope="module")
def rows():
    wanted = {("circle:n=31", "erf"): (1, 4, 64), ("circle:n=61", "erf"): (1, 4)}
    wanted[("circle:n=31", "relu")] = (1, 2)
    wanted[("circle:n=31", "tanh")] = (1,)
    wanted[("circle:n=11", "relu")] = (16, 32, 64, 128)
    return [
        PART.compute(case, Settings())
        for case in PART.cases("quick", 1)
        if case.depth in wanted.get((case.data, case.activation), ())
    ]


def words(rows):
    return {verdict.name: verdict.word for verdict in PART.verdicts(rows)}


def test_what_rows_say(rows):
    found = words(rows)
    assert {"rate of erf at depth 4", "limit, erf", "relu is flat, at depth 1"} <= found.keys()
    assert found.pop("limit, tanh") == "cannot be said"
    assert found.pop("critical condition, relu") == "holds"
    assert set(found.values()) == {"holds"}
    assert "erf, n = 31, from 1.6e-12 at depth 1 to 1.2 at depth 64" in PART.seen(
        rows, PART.verdicts(rows)
    )
    assert "relu 5.272 at depth 128, limit 4.667" in PART.seen(rows, PART.verdicts(rows))
    PART.draw(rows, Figure().subplots(1, PART.panels))


def test_shallow_networks_say_nothing_of_the_limit(rows):
    shallow = [row for row in rows if row.case.kind == "ntk" and row.case.depth <= 32]
    assert words(shallow) == {"critical condition, relu": "cannot be said"}


def test_another_matrix_does_not_pass(rows):
    some = [row for row in rows if row.case.activation == "erf" and row.case.depth in (1, 4)]
    of_four = [row for row in some if row.case.depth == 4]
    wrong = [replace(row, lower=row.lower * 3.0, upper=row.upper * 3.0) for row in of_four[:1]]
    assert words([*wrong, *of_four[1:]])["rate of erf at depth 4"] == "does not hold"
    deep = [row for row in rows if row.case.kind == "ntk" and row.case.depth >= 64]
    doubled = [
        replace(row, values={key: 1.1 * value for key, value in row.values.items()}) for row in deep
    ]
    assert words(doubled) == {"critical condition, relu": "does not hold"}
    of_relu = [row for row in rows if row.case.activation == "relu" and row.case.depth == 2]
    shallow = [replace(row, case=replace(row.case, depth=1)) for row in of_relu]
    assert words(shallow)["relu is flat, at depth 1"] == "does not hold"
