"""Many correlations by few series: against conditional integrals in mpmath, and one by one."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

import fastgram as fg
from fastgram.exact.built_in import formula_of

flint = pytest.importorskip("flint")
from flint import arb, ctx  # noqa: E402

from fastgram.exact.formulas import Pairs  # noqa: E402
from fastgram.exact.kinked import expansions  # noqa: E402

KINKED = ("relu6", "elu", "selu", "celu(alpha=0.7)", "hard_tanh")


def pairs_of(cosines, q1=1.0, q2=None):
    """Pairs at these correlations; equal variances are one."""
    n, variances = len(cosines), [arb(q1)] if q2 is None else [arb(q1), arb(q2)]
    scale = variances[0] if q2 is None else (variances[0] * variances[1]).sqrt()
    balls = [arb(c) for c in cosines]
    second = [len(variances) - 1] * n
    return Pairs(variances, [0] * n, second, balls, [scale * c for c in balls])


def together(name, derivative, pairs, bits):
    return formula_of(fg.get_activation(name)).expectations(pairs, derivative, bits)


def one_by_one(name, derivative, pairs, bits):
    formula = formula_of(fg.get_activation(name))
    pieces = (formula.derivative if derivative else formula.function)()
    family = expansions._Family(pairs, pieces, bits)
    return [family.alone(i) for i in range(len(pairs.cosines))]


def dual_of_elu(rho, q1, q2, derivative):
    """E f(u)f(v) of elu, or of its derivative: given u, v is normal, and its mean is closed."""
    rho, one, two = mpf(rho), mp.sqrt(mpf(q1)), mp.sqrt(mpf(q2))
    t = two * mp.sqrt((1 - rho) * (1 + rho))

    def mean(m):
        curved = mp.exp(m + t * t / 2) * mp.ncdf(-(m + t * t) / t)
        if derivative:
            return mp.ncdf(m / t) + curved
        return m * mp.ncdf(m / t) + t * mp.npdf(m / t) + curved - mp.ncdf(-m / t)

    def f(z):
        if derivative:
            return mpf(1) if z > 0 else mp.exp(z)
        return z if z > 0 else mp.expm1(z)

    width = min(t / (two * abs(rho)), mpf(1))
    ends = [-12, -6, -3, *sorted([-2 * width, 2 * width, mpf(0)]), 3, 6, 12]
    return mp.quad(lambda x: mp.npdf(x) * f(one * x) * mean(two * rho * x), ends)


@pytest.mark.slow
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("variances", [(1.0, None), (4.0, 0.25)])
def test_groups_against_conditional_integrals(derivative, variances):
    cosines = [-0.5, -0.4375, 0.8125, 0.84375]
    with mp.workdps(22), ctx.workprec(176):
        found = together("elu", derivative, pairs_of(cosines, *variances), 112)
        q1, q2 = variances[0], variances[1] or variances[0]
        for rho, ball in zip(cosines, found, strict=True):
            expected = arb(mp.nstr(dual_of_elu(rho, q1, q2, derivative), 22))
            assert abs(ball.mid() - expected) < 1e-18
            assert ball.rad() < 1e-32


@pytest.mark.slow
def test_elu_on_thirteen_points_of_the_circle():
    """Equally spaced, to which the rounding of the rows is of second order: a circulant."""
    n = 13
    with mp.workdps(22):
        first = [mpf(1) * (mp.exp(2) * mp.ncdf(-2) + mpf(1) / 2)]  # E elu'(z)²
        for k in range(1, n // 2 + 1):
            cosine = mp.cos(2 * mp.pi * k / n)
            first.append(cosine * dual_of_elu(cosine, 1.0, 1.0, True))
        values = [
            first[0] + 2 * mp.fsum(first[k] * mp.cos(2 * mp.pi * j * k / n) for k in range(1, 7))
            for j in range(n)
        ]
    answer = fg.exact_extreme_eigenvalues(fg.datasets.circle(n), "elu")
    for value, digits in (
        (min(values), answer.smallest_digits),
        (max(values), answer.largest_digits),
    ):
        assert abs(mpf(digits) - value) < 2e-15 * value
    assert answer.smallest.width < 1e-15 * answer.smallest.estimate


# Of f one of two pairs of variances and of f' the other, in turn for each activation.
IN_TURN = [
    (name, derivative, *((0.01, None), (30.0, 2.0))[(place + derivative) % 2])
    for place, name in enumerate(KINKED)
    for derivative in (False, True)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "derivative", "q1", "q2"), IN_TURN)
def test_together_and_one_by_one_are_the_same(name, derivative, q1, q2):
    random, bits = np.random.default_rng(0), 112
    ends = 1.0 - np.geomspace(1e-9, 1.2e-9, 3)
    cosines = [*random.uniform(-0.2, 0.2, 6), *ends, *-ends, *(0.7 + 1e-16 * np.arange(4))]
    with ctx.workprec(bits + 64):
        pairs = pairs_of(cosines, q1, q2)
        expected = one_by_one(name, derivative, pairs, bits)
        size = max(abs(x).abs_upper() for x in expected)
        for one, other in zip(together(name, derivative, pairs, bits), expected, strict=True):
            assert one.overlaps(other)
            assert one.rad() < 16 * size * arb(2) ** -bits


def test_nearly_equal_correlations_are_one_integral(monkeypatch):
    calls = []
    alone = expansions._Family.alone
    monkeypatch.setattr(
        expansions._Family, "alone", lambda self, i: calls.append(i) or alone(self, i)
    )
    cosines = [1.0, -1.0, 0.9, *(0.3 + 1e-16 * np.arange(-20, 20)), 1.0 - 1e-9]
    with ctx.workprec(176):
        pairs = pairs_of(cosines)
        found = together("elu", True, pairs, 112)
    assert sorted(calls) == [0, 1, 2, len(cosines) - 1]  # those that have no neighbour
    assert found[0].overlaps(one_by_one("elu", True, pairs_of([1.0]), 112)[0])


def test_what_the_series_leave_out_is_accounted_for(monkeypatch):
    """Of as few terms as a hundredth of the bits take, the ball still holds the value."""
    cosines = [0.5, 0.53125, 0.5625, 0.59375]
    with ctx.workprec(176):
        pairs = pairs_of(cosines)
        exact = one_by_one("elu", True, pairs, 112)
        few = together("elu", True, pairs, 4)
        for one, other in zip(few, exact, strict=True):
            assert one.overlaps(other)
            assert arb(2) ** -30 < one.rad() < arb(2) ** -4
        worst = max(abs(a.mid() - b.mid()) for a, b in zip(few, exact, strict=True))
        assert worst > 1e-9  # otherwise nothing was tested


def test_balls_too_wide_for_a_series_are_taken_alone():
    wide = arb(0, 0.01)  # beyond 1
    with ctx.workprec(176):
        pairs = pairs_of([0.998, 0.9985])
        cosines, covariances = ([c + wide for c in p] for p in (pairs.cosines, pairs.covariances))
        blurred = Pairs(pairs.variances, pairs.first, pairs.second, cosines, covariances)
        exact = one_by_one("elu", True, pairs, 112)
        for one, other in zip(together("elu", True, blurred, 112), exact, strict=True):
            assert one.overlaps(other)
