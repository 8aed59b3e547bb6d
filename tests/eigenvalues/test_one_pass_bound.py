"""The one-pass bound: below the smallest eigenvalue always, and equal to a naive loop's."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from helpers.cases import RECORDS
from helpers.tolerances import EPS, eps
from mpmath import mp

import fastgram as fg
from fastgram.eigenvalues import one_pass_bound as module
from fastgram.eigenvalues.one_pass_bound import ORDERS, _remainders_of, one_pass_bound
from fastgram.infinite_width.kernel_function import diagonal_entries, direct_entries, row_scale
from fastgram.infinite_width.power_series import power_series
from fastgram.matrix import products
from fastgram.matrix.operator import matrix_of
from fastgram.matrix.traversal import each_tile

N = 60
ALL_KINDS = ("gradient", "nngp", "ntk")


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def near_duplicates(distance):
    X = fg.datasets.sphere(N, 6, 3)
    X[1] = X[0] + distance * X[2]
    X[4] = -X[3] + distance * X[5]
    return unit(X)


DATA = {
    "sphere": lambda: fg.datasets.sphere(N, 20, 0),
    "few dimensions": lambda: fg.datasets.sphere(N, 3, 1),
    "circle": lambda: fg.datasets.circle(15),
    "opposite": lambda: (
        np.concatenate([fg.datasets.sphere(N // 2, 8, 2)] * 2)
        * np.repeat([1.0, -1.0], N // 2)[:, None]
    ),
    "close": lambda: near_duplicates(1e-3),
    "closer": lambda: near_duplicates(1e-9),
    "orthogonal": lambda: np.eye(12),
    "one": lambda: np.ones((1, 1)),
    "two": lambda: unit(np.array([[1.0, 0.2], [0.3, 1.0]])),
}


def least(op):
    """The smallest eigenvalue, by LAPACK, and what LAPACK and the entries may be off by."""
    values = np.linalg.eigvalsh(op.dense().astype(np.float64))
    return values[0], 8 * len(values) * EPS * values[-1] + matrix_of(op).entries.norm_error


def below(op, order=None):
    """Assert that the bound holds, and return it as a share of the truth."""
    value, error = least(op)
    found = one_pass_bound(op, order)
    assert found.lower >= 0.0
    assert found.lower <= max(value, 0.0) + error
    return found.lower / value if value > 0.0 else 0.0


# --- the series -------------------------------------------------------------------------------


def relu_slopes(rho):
    """E[f'(u)f'(v)] for relu: the arc-cosine kernel of order 0, halved."""
    return mp.mpf(1) / 4 + mp.asin(rho) / (2 * mp.pi)


def relu_values(rho):
    """E[f(u)f(v)] for relu: the arc-cosine kernel of order 1, halved."""
    return (mp.sqrt(1 - rho**2) + rho * (mp.pi / 2 + mp.asin(rho))) / (2 * mp.pi)


def erf_values(rho, q=1):
    return 2 / mp.pi * mp.asin(2 * q * rho / (1 + 2 * mp.mpf(q)))


def relu_ntk(rho, depth):
    """Rows of norm 1: Θ of relu, layer by layer, each halving the variance."""
    sigma = tangent = rho
    for layer in range(depth):
        scale = mp.mpf(2) ** -layer
        values = scale * relu_values(sigma / scale)
        tangent = values + tangent * relu_slopes(sigma / scale)
        sigma = values
    return tangent


SERIES = [
    ("relu", "gradient", 1, 1.0, lambda rho: rho * relu_slopes(rho)),
    ("relu", "nngp", 1, 1.0, relu_values),
    ("relu", "ntk", 3, 1.0, lambda rho: relu_ntk(rho, 3)),
    ("erf", "nngp", 1, 1.5, lambda rho: erf_values(rho, 2.25)),
    ("sin", "nngp", 1, 1.0, lambda rho: mp.exp(-1) * mp.sinh(rho)),
    ("erf", "nngp", 2, 1.0, lambda rho: erf_values(erf_values(rho) / erf_values(1), erf_values(1))),
    ("polynomial", "gradient", 1, 2.0, lambda rho: rho * (1 + 16 * rho)),
]


@pytest.mark.parametrize(("name", "kind", "depth", "norm", "function"), SERIES)
def test_series_of_closed_forms(name, kind, depth, norm, function):
    with mp.workdps(40):
        exact = np.array([float(c) for c in mp.taylor(function, 0, 10)])
    found = power_series(fg.Network(name, depth=depth), kind, norm, 400)
    scale = float(function(mp.mpf(1)))
    assert np.max(np.abs(found[:11] - exact)) < 16 * EPS * scale


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", ["relu", "tanh", "relu6", "selu", "cos"])
def test_series_add_up_to_the_entries(name, depth, kind):
    """At |ρ| ≤ ½, where nothing is left of high orders."""
    network = fg.Network(name, depth=depth, bias_variance=0.3, weight_variance=1.4)
    series = power_series(network, kind, 1.3, 400)
    assert np.all(series >= 0.0)
    angles = np.linspace(np.pi / 3, 2 * np.pi / 3, 7)
    values = direct_entries(network, kind, angles, *(np.full(7, 1.3**2),) * 2)
    span = row_scale(network, kind, np.array([1.3]))[0]
    added = np.polynomial.polynomial.polyval(np.cos(angles), series)
    assert (
        np.max(np.abs(added - values / span**2))
        < 200 * EPS * diagonal_entries(network, kind, np.array([1.3]))[0]
    )


# --- the bound --------------------------------------------------------------------------------


def naive(X, coefficient, function, order):
    """How far down the discs of spans 1 reach, by a plain loop with 30 digits."""
    with mp.workdps(30):
        rows = [[mp.mpf(float(v)) for v in x] for x in X]
        norms = [mp.sqrt(mp.fdot(x, x)) for x in rows]
        taken = [coefficient(k) for k in range(order + 1)]

        def remainder(rho):
            return function(rho) - mp.fsum(a * rho**k for k, a in enumerate(taken))

        result = []
        for i, x in enumerate(rows):
            others = [j for j in range(len(rows)) if j != i]
            cosines = [mp.fdot(x, rows[j]) / (norms[i] * norms[j]) for j in others]
            margin = remainder(mp.mpf(1)) - mp.fsum(abs(remainder(rho)) for rho in cosines)
            result.append(float(margin))
        return np.array(result)


def relu_coefficient(k):
    """Of ρ(¼ + arcsin ρ/(2π)), by the binomial series of the arcsine."""
    if k == 1:
        return mp.mpf(1) / 4
    if k % 2 or not k:
        return mp.mpf(0)
    m = (k - 2) // 2
    return mp.binomial(2 * m, m) / (mp.mpf(4) ** m * (2 * m + 1) * 2 * mp.pi)


def erf_coefficient(k, q):
    """Of (2/π) arcsin(2qρ/(1 + 2q))."""
    if k % 2 == 0:
        return mp.mpf(0)
    m = (k - 1) // 2
    series = mp.binomial(2 * m, m) / (mp.mpf(4) ** m * (2 * m + 1))
    return 2 / mp.pi * series * (2 * q / (1 + 2 * mp.mpf(q))) ** k


def close_and_opposite():
    X = fg.datasets.sphere(14, 12, 0)
    X[3] = unit(X[2:3] + 1e-4 * X[5])[0]
    X[7] = -X[6]
    return X


@pytest.mark.parametrize("order", [0, 1, 2, 7, 40])
@pytest.mark.parametrize("norms", ["one", "many"])
def test_the_naive_loop(order, norms):
    """Every row's disc."""
    X = close_and_opposite()
    spans = np.geomspace(0.5, 3.0, len(X)) if norms == "many" else np.ones(len(X))
    discs = naive(X, relu_coefficient, lambda rho: rho * relu_slopes(rho), order)
    expected = spans**2 * discs
    op = fg.GramOperator(X * spans[:, None], "relu")
    reached, slack = _remainders_of(op).discs(order)
    assert np.all(np.abs(reached - expected) <= slack)
    assert np.all(slack < 1e-11)
    worst = np.argmin(expected)
    found = one_pass_bound(op, order)
    assert found.lower == max(reached[worst] - slack[worst], 0.0)
    assert found.order == order


@pytest.mark.parametrize("order", [0, 3, 12, 100])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_naive_loop_of_rows_of_one_norm(order, dtype):
    q = mp.mpf(1.21)
    X = close_and_opposite()
    expected = naive(X, lambda k: erf_coefficient(k, q), lambda rho: erf_values(rho, q), order)
    op = fg.GramOperator(1.1 * X, "erf", kind="nngp", dtype=dtype)
    reached, slack = _remainders_of(op).discs(order)
    assert np.all(np.abs(reached - expected) <= slack)
    assert np.all(slack < 1e5 * eps(dtype))


@pytest.mark.parametrize("record", RECORDS)
def test_below_the_truth_for_every_activation(record):
    if fg.Network(record).is_zero("gradient"):
        pytest.skip("every entry is zero")
    for rows in ("sphere", "few dimensions", "close"):
        op = fg.GramOperator(DATA[rows](), record)
        for order in (1, 24):
            below(op, order)


@pytest.mark.parametrize("rows", DATA)
@pytest.mark.parametrize("name", ["relu", "abs", "elu", "tanh"])
def test_below_the_truth_for_all_data(name, rows):
    below(fg.GramOperator(DATA[rows](), name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "bias", "kind"),
    [
        *((name, 1, 0.5, kind) for name in ("relu", "tanh") for kind in ALL_KINDS),
        *((name, 3, 0.0, kind) for name in ("relu", "tanh") for kind in ALL_KINDS),
        *((name, 3, 0.5, "ntk") for name in ("relu", "tanh", "polynomial", "gelu")),
    ],
)
def test_below_the_truth_for_every_network(name, bias, depth, kind):
    network = fg.Network(name, depth=depth, bias_variance=bias, weight_variance=1.5)
    for rows in ("sphere", "opposite"):
        op = fg.GramOperator(1.5 * DATA[rows](), network, kind=kind)
        for order in (2, 9):
            below(op, order)


@pytest.mark.parametrize(("name", "share"), [("relu", 0.4), ("elu", 0.15), ("tanh", 0.2)])
@pytest.mark.parametrize("kind", ["gradient", "ntk"])
def test_it_is_worth_having(name, share, kind):
    """On a sphere of 50 dimensions: a factor of about 2 for relu, and of 5 for the others."""
    op = fg.GramOperator(fg.datasets.sphere(300, 50, 0), name, kind=kind)
    assert below(op) > share


@pytest.mark.parametrize("name", ["relu", "tanh", "cos"])
def test_orthogonal_rows_lose_nothing(name):
    """All entries off the diagonal are K(0) = a₀: nothing is left of them, or all at order 0."""
    op = fg.GramOperator(np.eye(9), name, kind="nngp")
    value, _ = least(op)
    found = one_pass_bound(op, 0)
    assert found.lower == pytest.approx(value, rel=1e-11)


def test_any_coefficients_will_do(monkeypatch):
    """What is taken away is positive semidefinite whatever its coefficients are, not below 0."""
    X = fg.datasets.sphere(80, 40, 4)
    generator = np.random.default_rng(0)
    exact = fg.Network("relu"), "gradient", 1.0, ORDERS[-1]
    profile, series = module._parts(*exact)
    ratios = []
    for spread in (0.003, 0.01, 0.03, 0.1, 1.0):
        wrong = series * generator.uniform(1.0 - spread, 1.0 + spread, series.size)
        monkeypatch.setattr(module, "_parts", lambda *which, wrong=wrong: (profile, wrong))
        for order in (2, 4, 20):
            module._remainder_table.cache_clear()
            ratios.append(below(fg.GramOperator(X, "relu"), order))
    module._remainder_table.cache_clear()
    assert 0.1 < max(ratios) < 1.0
    assert len(set(ratios)) > 5


@pytest.mark.parametrize("name", ["relu", "elu"])
def test_equal_rows(name):
    X = fg.datasets.sphere(N, 10, 0)
    X[7] = X[3]
    for order in (None, 0, 8, 512):
        assert one_pass_bound(fg.GramOperator(X, name), order).lower == 0.0


def test_opposite_rows():
    """Relu's odd part is of finite rank, so that pairs add zeros; abs' slope is odd: rank n/2."""
    X = DATA["opposite"]()
    for name in ("relu", "abs", "elu"):
        assert one_pass_bound(fg.GramOperator(X, name), 1).lower <= 1e-12


def test_a_polynomial_has_no_remainder():
    op = fg.GramOperator(fg.datasets.sphere(20, 80, 0), "polynomial")
    assert one_pass_bound(op, 1).lower > 0.0
    assert one_pass_bound(op, 2).lower == 0.0
    assert one_pass_bound(op, 20).lower == 0.0


def test_rows_of_many_norms():
    """Each row's margin times its own squared norm, not the least of both."""
    X = fg.datasets.sphere(N, 20, 0)
    norms = np.geomspace(1e-3, 10.0, N)
    plain = one_pass_bound(fg.GramOperator(X, "relu"), 8)
    assert one_pass_bound(fg.GramOperator(4.0 * X, "relu"), 8).lower == 16.0 * plain.lower
    op = fg.GramOperator(X * norms[:, None], "relu")
    assert below(op, 8) > 0.1
    assert one_pass_bound(op, 8).lower >= norms[0] ** 2 * plain.lower
    deep = fg.GramOperator(X * norms[:, None], fg.Network("relu", depth=3), kind="ntk")
    assert below(deep, 8) > 0.1


def test_it_owes_nothing_to_threads_and_little_to_tiles(monkeypatch):
    op = fg.GramOperator(fg.datasets.sphere(150, 20, 0), "elu")
    found = []
    for size, threads in ((16, 1), (16, 4), (50, 2), (384, 1)):
        traverse = functools.partial(each_tile, tile=size, threads=threads)
        monkeypatch.setattr(products, "each_tile", traverse)
        found.append(one_pass_bound(op))
    assert found[0] == found[1]
    assert np.ptp([one.lower for one in found]) < 150 * EPS
    assert len({one.order for one in found}) == 1


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_float32_tiles(name):
    X = fg.datasets.sphere(N, 30, 0)
    wide, narrow = (fg.GramOperator(X, name, dtype=dtype) for dtype in ("float64", "float32"))
    value, _ = least(wide)
    exact, rough = (one_pass_bound(op, 4) for op in (wide, narrow))
    assert 0.0 < rough.lower < exact.lower <= value
    assert exact.lower - rough.lower < 2.0 * rough.slack
    assert N * eps("float32") < rough.slack < 1e-2


# --- the sample -------------------------------------------------------------------------------


def limit_of(op):
    """What the sample says that no pass will exceed, beyond rounding."""
    remainders = _remainders_of(op)
    return max(remainders.best_of(remainders.sample())[1], 0.0)


@pytest.mark.parametrize("rows", DATA)
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_the_limit(rows, name):
    op = fg.GramOperator(DATA[rows](), name)
    limit = limit_of(op)
    assert limit >= 0.0
    for order in (None, *ORDERS[::6]):
        assert one_pass_bound(op, order).lower <= limit * (1.0 + 1e-9)


@pytest.mark.parametrize("n", [150, 1000])
def test_the_sample_finds_the_order(n):
    """The order chosen from 64 rows is within a fifth of the best one."""
    op = fg.GramOperator(fg.datasets.sphere(n, 8, 1), "relu")
    best = max(one_pass_bound(op, order).lower for order in ORDERS[4:17])
    chosen = one_pass_bound(op)
    assert chosen.lower >= 0.8 * best
    assert chosen.lower <= limit_of(op) <= 1.5 * best


def test_no_pass_where_the_sample_says_no(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a pass")

    op = fg.GramOperator(fg.datasets.sphere(N, 3, 0), "tanh")
    worth = fg.GramOperator(fg.datasets.sphere(N, 30, 0), "relu")
    truth, _ = least(worth)
    monkeypatch.setattr(products, "each_tile", refuse)
    assert one_pass_bound(op).lower == 0.0
    assert limit_of(worth) <= truth
    with pytest.raises(AssertionError, match="a pass"):
        one_pass_bound(worth)


# --- where it does not apply ------------------------------------------------------------------


def test_not_applicable():
    X = fg.datasets.sphere(10, 5, 0)
    wide = X * np.linspace(1.0, 2.0, 10)[:, None]
    for op in (
        fg.GramOperator(X, fg.Network("relu", width=8)),
        fg.GramOperator(wide, "tanh"),
        fg.GramOperator(X, "step"),
    ):
        assert one_pass_bound(op) is None


@pytest.mark.parametrize(("name", "kind"), [("relu", "gradient"), ("step", "nngp")])
def test_a_zero_row(name, kind):
    X = fg.datasets.sphere(10, 5, 0)
    X[3] = 0.0
    op = fg.GramOperator(X, name, kind=kind)
    assert one_pass_bound(op).lower == 0.0


@pytest.mark.parametrize(
    ("order", "error"), [(-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)]
)
def test_bad_orders(order, error, refuses):
    op = fg.GramOperator(np.eye(3), "relu")
    with refuses(error, "order"):
        one_pass_bound(op, order)


def test_an_order_beyond_the_table_of_orders():
    op = fg.GramOperator(fg.datasets.sphere(N, 4, 0), "relu")
    assert below(op, 2 * ORDERS[-1]) >= 0.0
    assert math.isfinite(one_pass_bound(op, 700).slack)
