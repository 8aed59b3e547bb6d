"""Exact eigenvalues: entries and eigenvalues against mpmath, circles against a cosine sum."""

import itertools
import json
import math
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.tolerances import EPS
from mpmath import mp, mpf

import fastgram as fg
import fastgram.exact
from fastgram.exact import solve as exact
from fastgram.exact.built_in import formula_of, has_formula
from fastgram.exact.results import outward_bracket, proven_digits

flint = pytest.importorskip("flint")
from fastgram.exact import enclosures, hermite  # noqa: E402
from fastgram.exact.closed_forms import error_function  # noqa: E402
from fastgram.exact.enclosures import enclose_largest, enclose_smallest, is_bounded_below  # noqa: E402
from fastgram.exact.entries import Geometry, gram_balls, row_geometry  # noqa: E402
from fastgram.exact.formulas import Pairs, StripFormula  # noqa: E402
from fastgram.exact.hermite import StripFunction, hermite_series, series_values  # noqa: E402

arb, arb_mat, ctx = flint.arb, flint.arb_mat, flint.ctx
DATA = Path(__file__).parents[1] / "data"
WITH_BALLS = [
    name for name in fg.activation_names() if has_formula(name)
]  # fmt: skip
DUALS = json.loads((DATA / "dual_values.json").read_text())
DEPTHS = json.loads((DATA / "depth_values.json").read_text())["records"]


@pytest.fixture(autouse=True)
def _precision_is_left_alone():
    before = ctx.prec
    yield
    assert ctx.prec == before


def compute(X, network, **options):
    return exact.exact_extreme_eigenvalues(X, network, **options)


def fraction(ball):
    return exact.as_fraction(ball)


def ideal_circle(n):
    """Equally spaced points, which float64 rows are not."""
    steps = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    count = n // 2 + 1

    def cosines():
        return [arb(1), *((arb(2 * k) / n).cos_pi() for k in range(1, count))]

    index = np.minimum(steps, n - steps)
    return Geometry(index, [0] * count, [0] * count, lambda: [arb(1)], cosines)


def solve(geometry, activation, digits):
    network = fg.Network(activation)
    start, n = time.perf_counter(), geometry.n
    formula = formula_of(network.activation)

    def gram(bits):
        return gram_balls(geometry, network, "gradient", formula, bits)

    return exact._solve(gram, n, digits, exact._Known(0, "", Fraction(0)), start)


def circulant_ends(n, activation, bits):
    """The extreme eigenvalues of an ideal circle by a discrete cosine sum, in balls."""
    network = fg.Network(activation)
    with ctx.workprec(bits + 64):
        A = gram_balls(ideal_circle(n), network, "gradient", formula_of(network.activation), bits)
        sums = [
            sum((A[0, j] * (arb(2 * (j * m % n)) / n).cos_pi() for j in range(n)), arb(0))
            for m in range(n // 2 + 1)
        ]
        return min(sums, key=lambda s: s.mid()), max(sums, key=lambda s: s.mid())


def is_proven(text, ball):
    """Whether no number of the ball is further than 1 in the last digit from the decimal."""
    mantissa, _, power = text.partition("e")
    last = Fraction(10) ** (int(power or 0) - len(mantissa.partition(".")[2]))
    value = Fraction(mantissa) * Fraction(10) ** int(power or 0)
    ends = fraction(ball.lower()), fraction(ball.upper())
    return all(abs(end - value) <= last for end in ends)


# --- eigenvalues -------------------------------------------------------------------------------


def test_tanh_on_thirteen_points_of_the_circle():
    answer = solve(ideal_circle(13), "tanh", 21)
    assert answer.smallest_digits == "2.00921761277364157852e-5"
    # the rows of datasets.circle are rounded; equal spacing makes that matter in second order only
    assert compute(fg.datasets.circle(13), "tanh", digits=28).smallest_digits == (
        "2.009217612773641578523700980e-5"
    )
    assert compute(fg.datasets.circle(13), "tanh").smallest_digits == "2.00921761277364e-5"


@pytest.mark.parametrize(
    ("n", "activation", "bits"),
    [(13, "tanh", 120), (61, "tanh", 160), (61, "relu", 120), (61, "elu", 120), (9, "sin", 200)],
)
def test_ideal_circles_against_their_cosine_sums(n, activation, bits):
    answer = solve(ideal_circle(n), activation, 15)
    smallest, largest = circulant_ends(n, activation, bits)
    assert float(smallest.rad() / smallest.mid()) < 1e-20
    assert is_proven(answer.smallest_digits, smallest)
    assert is_proven(answer.largest_digits, largest)
    assert is_proven(answer.condition_digits, (largest / smallest))
    for bracket, ball in ((answer.smallest, smallest), (answer.largest, largest)):
        assert Fraction(bracket.lower) <= fraction(ball.upper())
        assert fraction(ball.lower()) <= Fraction(bracket.upper)
        assert bracket.width <= 4 * EPS * bracket.estimate
        assert bracket.guarantee == "certified"


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["unit", "raw"])
def test_erf_on_sixty_one_points_against_mpmath(rows):
    X = fg.datasets.circle(61)
    if rows == "raw":
        X = X * np.where(np.arange(61) % 2, 1.0, 0.5)[:, None]
    with mp.workdps(80):
        inner = [[mp.fsum(mpf(a) * mpf(b) for a, b in zip(x, y, strict=True)) for y in X.tolist()]
                 for x in X.tolist()]  # fmt: skip
        roots = [mp.sqrt(inner[i][i]) if rows == "unit" else mpf(1) for i in range(61)]
        c = [[inner[i][j] / (roots[i] * roots[j]) for j in range(61)] for i in range(61)]

        def entry(i, j):
            size = (1 + 2 * c[i][i]) * (1 + 2 * c[j][j])
            return c[i][j] * 4 / (mp.pi * mp.sqrt(size - 4 * c[i][j] ** 2))

        A = mp.matrix([[entry(i, j) for j in range(61)] for i in range(61)])
        values = sorted(mp.eigsy(A, eigvals_only=True))
        found = [mp.nstr(v, 40, min_fixed=0, max_fixed=0) for v in (values[0], values[-1])]
    answer = compute(X, "erf", rows=rows)
    assert answer.smallest.upper < 1e-23
    with ctx.workprec(200):
        assert is_proven(answer.smallest_digits, arb(found[0]))
        assert is_proven(answer.largest_digits, arb(found[1]))


@pytest.mark.parametrize(
    ("activation", "kind"),
    [
        *((activation, "ntk") for activation in WITH_BALLS),  # of which the others are parts
        *(pytest.param(name, "gradient", marks=pytest.mark.slow) for name in ("relu", "tanh")),
    ],
)
def test_agrees_with_float64_brackets(activation, kind):
    X = fg.datasets.sphere(8, 3, 1)
    network = fg.Network(activation, weight_variance=1.5)
    answer = compute(X, network, kind=kind)
    rough = fg.extreme_eigenvalues(fg.GramOperator(X, network, kind=kind))
    assert answer.rank_bound == rough.rank_bound
    for mine, other in ((answer.smallest, rough.smallest), (answer.largest, rough.largest)):
        # rows of X have norm 1 to a few roundings only
        slack = 100 * EPS * rough.largest.upper
        assert other.lower - slack <= mine.lower <= mine.estimate
        assert mine.estimate <= mine.upper <= other.upper + slack


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"depth": 3, "bias_variance": 0.1},
        {"depth": 2, "normalize": True},
        {"bias_variance": 0.5, "normalize": True},
    ],
)
@pytest.mark.parametrize("activation", ["relu", "erf", "tanh", "softplus", "leaky_relu"])
def test_layers_agree_with_the_tables(activation, options):
    """Of "ntk", which is made of all that the other kinds are made of."""
    X = fg.datasets.sphere(6, 4, 1)
    X[1] = -X[0]
    X[2] = X[0]
    network = fg.Network(activation, weight_variance=1.5, **options)
    formula = formula_of(network.activation)
    with ctx.workprec(160):
        A = gram_balls(row_geometry(X, True), network, "ntk", formula, 96)
        radius = max(float(entry.rad()) for entry in A.entries())
        mine = np.array([float(entry.mid()) for entry in A.entries()]).reshape(6, 6)
    other = fg.gram(X, network=network, kind="ntk")
    # opposite rows of a homogeneous network are known to half the bits
    assert radius < 1e-12
    assert np.allclose(mine, other, rtol=0, atol=200 * EPS * np.max(np.abs(other)))


@pytest.mark.slow
def test_unequal_norms_in_deep_layers():
    X = fg.datasets.sphere(6, 4, 1) * 0.5
    X[2:4] = X[:2] * 2.0
    X[4:] = 2.0 * X[:2] + np.array([[0.0], [1.0]]) * X[4:5]
    for activation in ("tanh", "relu", "erf"):
        network = fg.Network(activation, depth=2, bias_variance=0.1)
        with ctx.workprec(160):
            geometry = row_geometry(X, False)
            A = gram_balls(geometry, network, "ntk", formula_of(network.activation), 80)
            mine = np.array([float(entry.mid()) for entry in A.entries()]).reshape(6, 6)
        other = fg.gram(X, network=network, kind="ntk")
        assert np.allclose(mine, other, rtol=0, atol=200 * EPS * np.max(other))


# --- entries -----------------------------------------------------------------------------------


def _parameters(record):
    return json.dumps([record["activation"], record["parameters"]])


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted({_parameters(r) for r in DUALS}))
def test_duals_against_mpmath(case):
    name, parameters = json.loads(case)
    activation = fg.get_activation(name, **parameters)
    formula = formula_of(activation)
    # a variance of 100 takes 100 times the terms: fewer bits then, and one of each function
    for large in (False,) if parameters else (False, True):
        records = [
            r
            for r in DUALS
            if _parameters(r) == case
            and (r["q1"] > 10) == large
            and (r["q1"] > 10) == (r["q2"] > 10)
        ]
        bits = 16 if large else 80
        for derivative in (False, True):
            chosen = [r for r in records if r["derivative"] == derivative]
            with ctx.workprec(bits + 64):
                for q1, q2 in {(r["q1"], r["q2"]) for r in chosen}:
                    same = [r for r in chosen if (r["q1"], r["q2"]) == (q1, q2)]
                    balls = _expectations(formula, same, derivative, bits)
                    size = max(abs(float(r["value"])) for r in same)
                    for record, ball in zip(same, balls, strict=True):
                        # the record has 20 digits; near ±1 the ReLU family loses half the bits
                        gap = abs(ball.mid() - arb(record["value"]))
                        allowed = ball.rad() + 1e-18 * abs(arb(record["value"]))
                        assert gap <= allowed, (record, ball)
                        assert float(ball.rad()) <= 64 * max(size, 1e-3) * 2.0**-bits


def _expectations(formula, records, derivative, bits):
    q1, q2 = arb(records[0]["q1"]), arb(records[0]["q2"])
    variances, second = ([q1], 0) if records[0]["q1"] == records[0]["q2"] else ([q1, q2], 1)
    cosines = [arb(r["rho"]) for r in records]
    covariances = [(q1 * q2).sqrt() * cosine for cosine in cosines]
    count = len(records)
    pairs = Pairs(variances, [0] * count, [second] * count, cosines, covariances)
    return formula.expectations(pairs, derivative, bits)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "erf", "relu", "swish"])
def test_deep_entries_against_mpmath(activation):
    checked = 0
    for record in DEPTHS:
        if record["activation"] != activation or record["depth"] not in (1, 3):
            continue
        if record["norms"] != [1.0, 1.0]:
            continue
        options = {k: record[k] for k in ("depth", "weight_variance", "bias_variance")}
        network = fg.Network(activation, **options)
        thetas = [t for t in record["thetas"] if 1e-3 < t < 3.14]
        values = [
            v for t, v in zip(record["thetas"], record["values"], strict=True) if t in thetas
        ]  # fmt: skip
        index = np.zeros((len(thetas) + 1,) * 2, dtype=np.int64)
        index[0, 1:] = index[1:, 0] = np.arange(1, len(thetas) + 1)
        zeros = [0] * (len(thetas) + 1)
        geometry = Geometry(
            index, zeros, zeros, lambda: [arb(1)],
            lambda thetas=thetas: [arb(1), *(arb(t).cos() for t in thetas)],
        )  # fmt: skip
        with ctx.workprec(144):
            A = gram_balls(geometry, network, record["kind"], formula_of(network.activation), 80)
            for i, value in enumerate(values):
                ball = A[0, i + 1]
                assert abs(ball.mid() - arb(value)) <= ball.rad() + 1e-17 * abs(arb(value))
                assert float(ball.rad()) < 1e-20
                checked += 1
    assert checked >= 10


@pytest.mark.slow
@pytest.mark.parametrize("bits", [60, 200, 350])
@pytest.mark.parametrize("variance", [0.25, 1.5])
def test_the_quadrature_encloses_the_closed_form_of_erf(bits, variance):
    # |exp(−z²)| ≤ exp(4) < 55 on |Im z| ≤ 2
    with ctx.workprec(bits + 64):
        slope = StripFunction(lambda z: 2 / arb.pi().sqrt() * (-z * z).exp(), 2.0, (62.0, 0.0), 1)
        q = arb(variance)
        cosines = [arb(k) / 16 for k in range(-16, 17)]
        series = hermite_series(slope, q, bits)
        pairs = Pairs([q], [0] * 33, [0] * 33, cosines, [q * c for c in cosines])
        closed = error_function().expectations(pairs, True, bits)
        for mine, other in zip(series_values(series, series, cosines, bits), closed, strict=True):
            assert mine.overlaps(other)
            assert float(mine.rad() * arb(2) ** bits) < 8
        # one by one, without parity, and against the exact norm
        plain = StripFunction(slope.value, 2.0, (62.0, 0.0), 0)
        for c, d in zip(series.coefficients, hermite_series(plain, q, bits).coefficients,
                        strict=False):  # fmt: skip
            assert c.overlaps(d)
        assert series.norm.overlaps(closed[-1])
        rest = sum((c * c for c in series.coefficients), arb(0)) + series.rest
        assert rest.overlaps(closed[-1])


@pytest.mark.parametrize(
    ("step", "reach"), [(1.0, 12.0), (0.75, 12.0), (0.5, 12.0), (0.25, 2.0), (0.25, 4.0)]
)
@pytest.mark.parametrize("parity", [0, 1])
def test_the_bounds_of_the_quadrature_cover_coarse_grids(step, reach, parity):
    # E exp(−z²)He_2m = (2m)!(−1/3)^m/(m!√3), from its generating function
    with ctx.workprec(200):
        function = StripFunction(lambda z: (-z * z).exp(), 2.0, (55.0, 0.0), parity)
        width = min(2.0, math.pi / step)
        grid = hermite._Grid(arb(width), arb(step), arb(reach), arb(55))
        series = hermite._sum(function, arb(1), 60, 64, grid)
        worst = arb(0)
        for k, c in enumerate(series.coefficients):
            m = k // 2
            true = arb(0)
            if k % 2 == 0:
                true = (-arb(1) / 3) ** m * arb(math.factorial(k)).sqrt()
                true = true / (math.factorial(m) * arb(3).sqrt())
            assert c.overlaps(true)
            worst = max(worst, abs(c.mid() - true).upper())
        assert series.norm.overlaps(1 / arb(5).sqrt())
        assert worst > 1e-12  # otherwise nothing was tested


def test_rounding_that_is_set_aside_is_accounted_for(monkeypatch):
    # the sum over the nodes alone, against one with 1500 bits and no block
    monkeypatch.setattr(hermite._Grid, "coefficient_error", lambda self, k: arb(0))
    function = StripFunction(lambda z: (1 + z).sin().cos(), 1.0, (1.0, 0.0))
    step, reach, count = arb(1) / 8, arb(9), 416
    grid = hermite._Grid(arb(1), step, reach, arb(1))
    with ctx.workprec(80):
        found = hermite._sum(function, arb(1), 60, count, grid).coefficients
    with ctx.workprec(1500):
        nodes = [step * j for j in range(-73, 74)]
        weights = [step * (-x * x / 2).exp() / (2 * arb.pi()).sqrt() for x in nodes]
        now = [w * function.value(x) for w, x in zip(weights, nodes, strict=True)]
        before = [arb(0)] * len(nodes)
        for k in range(count):
            assert found[k].overlaps(sum(now, arb(0)))
            rows = zip(nodes, now, before, strict=True)
            after = [(x * e - arb(k).sqrt() * d) / arb(k + 1).sqrt() for x, e, d in rows]
            now, before = after, now
    assert float(max(c.rad() for c in found)) < 1e-8


@pytest.mark.slow
def test_wrapping_stays_small_over_thousands_of_terms():
    function = formula_of(fg.get_activation("tanh")).derivative
    with ctx.workprec(300):
        series = hermite_series(function, arb(1), 200)
    assert len(series.coefficients) > 2000
    assert float(max(c.rad() for c in series.coefficients) * arb(2) ** 200) < 1.0


# --- linear algebra ----------------------------------------------------------------------------


def spectrum(values, seed=0):
    """A matrix with exactly these eigenvalues: reflected by exact Householder matrices."""
    n = len(values)
    A = arb_mat(n, n, [values[i] if i == j else arb(0) for i in range(n) for j in range(n)])
    random = np.random.default_rng(seed)
    for _ in range(3):
        v = arb_mat([[arb(int(x))] for x in random.integers(1, 10, n)])
        size = (v.transpose() * v)[0, 0]
        R = arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
        R = R - v * v.transpose() * (2 / size)
        A = R * A * R
    return A


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 24, 25, 80])
@pytest.mark.parametrize("multiplicity", [1, 2, 20])
def test_eigenvalues_of_a_known_spectrum(n, multiplicity):
    with ctx.workprec(400):
        values = [arb(10) ** (-40 + (40 * k) // n) * (k + 1) for k in range(n)]
        least, most = min(values), max(values)
        for k in range(min(multiplicity, n)):
            values[k], values[-1 - k] = (least, most) if 2 * multiplicity < n else (least, least)
        least, most = min(values), max(values)
        A = spectrum(values)
        low, high = enclose_smallest(A, 15), enclose_largest(A, 15)
        assert low.lacking == high.lacking == 0
        assert low.lower <= least.upper()
        assert least.lower() <= low.upper
        assert high.lower <= (-most).upper()
        assert (-most).lower() <= high.upper
        for found in (low, high):
            assert float((found.upper - found.lower) / abs(found.upper)) < 2.5e-16


def test_bounded_below_means_proven():
    with ctx.workprec(200):
        values = [arb(k + 1) for k in range(60)]
        A = spectrum(values)
        tiny = arb(2) ** -100
        assert is_bounded_below(A, 1 - tiny, tiny / 4)
        assert not is_bounded_below(A, arb(1), tiny)
        assert not is_bounded_below(A, 1 + tiny, tiny)
        assert not is_bounded_below(A, 1 - tiny, arb(2) ** -400)  # of less than rounding
        assert not is_bounded_below(spectrum([*values[:-1], arb(-1)]), arb(0), tiny)
        # what the balls allow counts in full, off the diagonal twice
        assert is_bounded_below(arb_mat(2, 2, [2, arb(0, 0.5), arb(0, 0.5), 2]), arb(1), arb(0.75))
        assert not is_bounded_below(arb_mat(2, 2, [2, arb(0, 1), arb(0, 1), 2]), arb(1), arb(0.75))
        assert not is_bounded_below(arb_mat(2, 2, [1, arb(0, 1), arb(0, 1), 1]), arb(0), arb(0.75))
        half, d = arb(0, 0.5), arb(1.8)  # down to 1.8 − √½ < 1.1
        path = arb_mat(3, 3, [d, half, 0, half, d, half, 0, half, d])
        assert not is_bounded_below(path, arb(1.15), arb(0.6))
        assert is_bounded_below(path, arb(0.7), arb(1.05))


def test_the_largest_of_a_matrix_that_has_zero_rows():
    with ctx.workprec(200):
        found = enclose_largest(arb_mat(3, 3, [2, 0, 1, 0, 0, 0, 1, 0, 2]), 15)
        assert found.lower <= -3 <= found.upper
        assert found.lacking == 0


def test_the_square_of_a_triangular_matrix_by_halves(monkeypatch):
    monkeypatch.setattr(enclosures, "_SMALL", 3)
    numbers = np.triu(np.random.default_rng(0).integers(-9, 10, (21, 21)))
    found = enclosures._upper_square(arb_mat(numbers.tolist()))
    upper = [[int(float(x)) for x in row] for row in found]
    assert np.array_equal(np.triu(upper), np.triu(numbers.T @ numbers))


def test_too_little_precision_is_noticed():
    with ctx.workprec(100):
        A = spectrum([arb(10) ** -k for k in range(0, 60, 2)])
        found = enclose_smallest(A, 15)
        assert found.lower is None
        assert found.lacking > 0


# --- exact zeros -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "network", "options", "rank"),
    [
        (fg.datasets.circle(14), "tanh", {}, 7),
        ([[1.0, 2.0], [2.0, 4.0], [1.0, 0.0]], "tanh", {}, 2),
        ([[0.1, 0.3], [-0.2, -0.6], [1.0, 0.0]], "tanh", {}, 2),
        ([[0.1, 0.3], [-0.2, -0.6], [1.0, 0.0]], "softplus", {}, 3),
        ([[0.5, 1.0], [1.0, 2.0], [0.5, 0.0]], "erf", {"rows": "raw"}, 3),
        ([[0.5, 0.5], [0.75, 0.75], [0.5, 0.0]], "tanh", {"rows": "raw"}, 3),
        (np.random.default_rng(0).standard_normal((9, 2)), "polynomial", {}, 5),
        # 1 and z² are one homogeneous polynomial on the circle
        (np.random.default_rng(0).standard_normal((9, 2)), "polynomial(coefficients=[1, 0, 1])",
         {"kind": "nngp"}, 3),
        (np.random.default_rng(0).standard_normal((4, 2)), "step", {}, 0),
    ],
)  # fmt: skip
def test_exact_zeros(X, network, options, rank):
    answer = compute(X, network, digits=20, **options)
    assert answer.rank_bound == rank
    singular = rank < len(X)
    assert (answer.smallest.guarantee == "exact") == singular
    assert (answer.smallest_digits == "0") == singular
    assert (answer.condition_digits == "inf") == singular
    assert (answer.smallest.lower > 0.0) == (not singular)
    if rank:
        assert len(answer.largest_digits.partition("e")[0]) == 21


def test_polynomials_fill_the_sphere():
    X = np.random.default_rng(0).standard_normal((9, 2))
    cases = (
        ([1, 0, 1], "nngp", 3),
        ([0, 1, 1], "gradient", 5),
        ([1, 1, 1, 1], "nngp", 7),
        ([1, 1, 1], "gradient", 5),
    )
    for coefficients, kind, rank in cases:
        activation = fg.get_activation("polynomial", coefficients=coefficients)
        assert compute(X, activation, kind=kind).rank_bound == rank
        full = compute(X[:rank], activation, kind=kind)
        assert full.smallest.lower > 0.0


@pytest.mark.slow
def test_singular_for_no_known_reason():
    # degrees 0, 2 and 4 on the circle span the 5 polynomials of degree 4, and no rule knows
    activation = fg.get_activation("polynomial", coefficients=[1, 0, 1])
    X = np.random.default_rng(0).standard_normal((7, 2))
    answer = compute(X, fg.Network(activation, depth=2), kind="nngp")
    assert answer.rank_bound == 7
    assert answer.smallest.lower == 0.0
    assert 0.0 <= answer.smallest.upper < 1e-300
    assert answer.smallest_digits == answer.condition_digits == ""
    assert answer.condition.upper == math.inf
    assert "not resolved" in answer.message
    assert len(str(answer).splitlines()) == 2


# --- the rest ----------------------------------------------------------------------------------


def test_a_function_of_ones_own():
    # erf, told as a function on a strip: |erf(x + iy)| ≤ 1 + 2/√π·2·exp(4) < 130 on |y| ≤ 2
    def ball():
        return StripFormula(
            StripFunction(lambda z: z.erf(), 2.0, (130.0, 0.0)),
            StripFunction(lambda z: 2 / arb.pi().sqrt() * (-z * z).exp(), 2.0, (62.0, 0.0)),
        )

    erf = fg.get_activation("erf")
    mine = fg.Activation("mine", erf.f, erf.df, ball=ball)
    X = fg.datasets.sphere(10, 3, 0)
    for kind in ("gradient", "nngp"):
        one, other = compute(X, mine, kind=kind), compute(X, "erf", kind=kind)
        assert one.smallest_digits[:15] == other.smallest_digits[:15]
        assert one.largest_digits[:15] == other.largest_digits[:15]


def test_more_digits_continue_fewer():
    X = fg.datasets.sphere(20, 3, 0)
    texts = [compute(X, "relu", digits=d).smallest_digits.partition("e")[0] for d in (5, 15, 60)]
    assert [len(text) for text in texts] == [6, 16, 61]
    for short, long in itertools.pairwise(texts):
        last = Fraction(10) ** -(len(short) - 2)
        assert abs(Fraction(short) - Fraction(long)) <= last


def test_rows_of_equal_direction_are_told_apart_exactly():
    X = np.array([[1.0, 1.0], [3.0, 3.0], [1.0, np.nextafter(1.0, 2.0)]])
    assert compute(X[[0, 1]], "relu").smallest_digits == "0"
    close = compute(X[[0, 2]], "relu")
    assert close.smallest_digits
    assert 0.0 < close.smallest.upper < 1e-15
    assert compute(X[[0, 1]], "relu", rows="raw").smallest_digits == "0"
    assert compute(X[[0, 1]], "erf", rows="raw").smallest.lower > 0.0


def test_orders_one_and_two_and_equal_eigenvalues():
    assert compute([[3.0]], "relu").smallest_digits == "5.00000000000000e-1"
    assert compute(np.eye(40), "relu").condition_digits == "1.00000000000000"


def test_proven_digits():
    third = Fraction(1, 3)
    assert proven_digits(third, third, 4) == "3.333e-1"
    assert proven_digits(Fraction(99996, 10000), Fraction(99997, 10000), 4) == "1.000e1"
    assert proven_digits(Fraction(5), Fraction(5), 1) == "5"
    assert proven_digits(Fraction(123), Fraction(126), 2) == "1.2e2"
    assert proven_digits(Fraction(123), Fraction(150), 2) == ""
    assert proven_digits(Fraction(0), Fraction(1), 2) == ""
    tiny = Fraction(2) * Fraction(10) ** -400
    assert proven_digits(tiny, tiny, 3) == "2.00e-400"
    bracket = outward_bracket(tiny, tiny)
    assert (bracket.lower, bracket.upper) == (0.0, 5e-324)
    huge = 1 / tiny
    assert outward_bracket(huge, huge).upper == math.inf


def test_bad_input_is_refused_in_one_line(refuses):
    X = fg.datasets.circle(5)
    own = fg.Activation("mine", np.sin, np.cos)
    with refuses(ValueError, "mine has no formula", "tanh", "ball="):
        compute(X, own)
    with refuses(ValueError, "row 1 is zero", "norm 1"):
        compute([[1.0, 0.0], [0.0, 0.0]], "relu")
    with refuses(ValueError, "row 1 is zero", "direction"):
        compute([[1.0, 0.0], [0.0, 0.0]], "relu", rows="raw")
    with refuses(ValueError, "distinct norms", "rows='unit'"):
        compute(fg.datasets.sphere(20, 3, 0) * np.arange(1, 21)[:, None], "tanh", rows="raw")
    with refuses(ValueError, "rows", "unit"):
        compute(X, "relu", rows="units")
    with refuses(ValueError, "kind"):
        compute(X, "relu", kind="gradients")
    with refuses(ValueError, "digits"):
        compute(X, "relu", digits=0)
    with refuses(ValueError, "digits"):
        compute(X, "relu", digits=2000)
    with refuses(ValueError, "terms"):
        compute([[1e4, 0.0], [0.0, 1e4]], "tanh", rows="raw")
    with refuses(TypeError, "mine", "StripFormula"):
        compute(X, fg.Activation("mine", np.sin, np.cos, ball=lambda: 3))
    with refuses(ValueError, "half_width"):
        StripFunction(lambda z: z, 0.0, (1.0, 1.0))
    with refuses(ValueError, "bound"):
        StripFunction(lambda z: z, 1.0, (-1.0, 1.0))
    with refuses(ValueError, "mine"):
        exact.check_exact(X, own)
    assert exact.check_exact(X, "tanh") is None


def test_missing_flint_is_said_in_one_line(monkeypatch, refuses):
    monkeypatch.setitem(sys.modules, "flint", None)
    with refuses(ImportError, "pip install 'fastgram[exact]'"):
        compute(fg.datasets.circle(3), "relu")
    with refuses(ImportError, "pip install 'fastgram[exact]'"):
        fastgram.exact.StripFormula


def test_flint_is_loaded_at_the_first_call_only():
    code = (
        "import sys, fastgram, fastgram.exact\n"
        "fastgram.get_activation('tanh'), fastgram.Network('gelu')\n"
        "sys.exit('flint' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "d"), [("relu", 10), ("tanh", 3)])
def test_some_hundred_points(activation, d):
    answer = compute(fg.datasets.sphere(150, d, 0), activation)
    assert len(answer.smallest_digits.partition("e")[0]) == 16
    assert answer.smallest.width <= 4 * EPS * answer.smallest.estimate
