"""The part about harmonics: its constants by mpmath, and a few rows of it."""

import functools
from dataclasses import replace

import mpmath
import pytest
from matplotlib.figure import Figure

from fastgram.network.network import Network
from fastgram.study.networks.harmonics import PART
from fastgram.study.networks.harmonics_theory import (
    Singularity,
    leading_eigenvalues,
    multiplicities,
    singularity_of,
)
from fastgram.study.settings import Settings


@pytest.mark.parametrize("power", [0.5, 1.5])
@pytest.mark.parametrize("d", [3, 5, 10])
def test_the_eigenvalues_of_a_power(power, d):
    """By Funk and Hecke, Pₖ a Gegenbauer polynomial."""
    half = mpmath.mpf(d - 2) / 2

    def mean(f):
        return mpmath.quad(lambda t: f(t) * (1 - t * t) ** (half - 0.5), [-1, 0, 1])

    def legendre(k, t):
        return mpmath.gegenbauer(k, half, t) / mpmath.gegenbauer(k, half, 1)

    for k in (2, 5):
        value = mean(functools.partial(lambda k, t: (1 - t) ** power * legendre(k, t), k))
        value = float(value / mean(lambda t: 1))
        found = leading_eigenvalues(Singularity(power, 1.0, 0.0), d, k)
        assert found == pytest.approx(value, rel=1e-9)
        other = leading_eigenvalues(Singularity(power, 0.0, 1.0), d, k)
        assert other == pytest.approx((-1) ** k * value, rel=1e-9)


def of_relu(kind, depth, cosine, bias=0):
    """Return the kernel of normalised relu at 1 + bias·…: closed forms, in mpmath."""
    variance = 1 + mpmath.mpf(bias)
    rho = (cosine + bias) / variance
    tangent, covariance = rho * variance, rho * variance
    for layer in range(1, depth + 1):
        theta = mpmath.acos(rho)
        value = (mpmath.sin(theta) + (mpmath.pi - theta) * rho) / mpmath.pi * variance
        slope = 1 - theta / mpmath.pi
        if kind == "gradient" and layer == depth:
            return covariance * slope
        tangent = value + tangent * slope
        covariance, rho = value, value / variance
    return tangent if kind == "ntk" else value


@pytest.mark.parametrize(
    ("kind", "depth", "bias"),
    [
        ("gradient", 1, 0.0),
        ("gradient", 3, 0.0),
        ("nngp", 1, 0.0),
        ("nngp", 3, 0.0),
        ("ntk", 1, 0.0),
        ("ntk", 4, 0.0),
        ("ntk", 1, 0.5),
        ("nngp", 1, 0.5),
    ],
)
def test_the_singularities_of_relu(kind, depth, bias):
    found = singularity_of(Network("relu", depth=depth, bias_variance=bias, normalize=True), kind)
    with mpmath.workdps(120):
        kernel = functools.partial(of_relu, kind, depth, bias=mpmath.mpf(bias))
        for end, expected in ((1, found.at_one), (-1, found.at_minus_one)):
            # a second difference of steps e and 4e takes away what is linear
            at = [
                kernel(end * (1 - e)) - kernel(mpmath.mpf(end))
                for e in (mpmath.mpf(10) ** -40, 4 * mpmath.mpf(10) ** -40)
            ]
            constant = (at[1] - 4 * at[0]) / (
                mpmath.mpf(10) ** (-40 * found.power) * (4**found.power - 4)
            )
            assert float(constant) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("activation", "odd"), [("selu", False), ("elu", True)])
def test_the_singularities_of_other_kinks(activation, odd):
    network = Network(activation, normalize=True)
    singularity = singularity_of(network, "gradient")
    assert singularity.survives(odd)
    assert not singularity.survives(not odd)
    eigenvalues = network.sphere_eigenvalues(3, 66)
    for degree in (24 + odd, 64 + odd):
        ratio = eigenvalues[degree] / leading_eigenvalues(singularity, 3, degree)
        assert ratio == pytest.approx(1.0, abs=100.0 / degree**2)


def test_multiplicities():
    assert multiplicities(3, 5).tolist() == [1, 3, 5, 7, 9]
    assert multiplicities(2, 4).tolist() == [1, 2, 2, 2]
    assert multiplicities(4, 4).tolist() == [1, 4, 9, 16]


@pytest.fixture(scope="module")
def rows():
    chosen = [
        case
        for case in PART.cases("quick", 1)
        if (case.d == 5 and case.kind != "nngp") or (case.d == 3 and case.kind == "nngp")
    ]
    few = [replace(case, n=60, data=case.data.replace("n=200", "n=60")) for case in chosen]
    return [PART.compute(case, Settings()) for case in few]


def test_what_rows_say(rows):
    verdicts = PART.verdicts(rows)
    assert len(verdicts) == 3 + 3 + 4 + 1 + 3
    assert {verdict.word for verdict in verdicts} == {"holds"}
    assert "tanh in 5 dimensions" in PART.seen(rows, verdicts)
    PART.draw(rows, Figure().subplots(1, PART.panels))


def test_the_trace_of_what_is_left_bounds_the_smallest_eigenvalue(rows):
    for row in rows:
        assert row.upper < row.values["bound"]
    of_relu = next(row for row in rows if row.case.kind == "ntk")
    assert of_relu.values["bound"] < 100.0 * of_relu.upper  # and says something


def test_dimensions_are_told_together(rows):
    of_ntk = next(row for row in rows if row.case.kind == "ntk")
    steeper = replace(of_ntk, case=replace(of_ntk.case, d=10))
    both = PART.verdicts([of_ntk, steeper])[0]
    assert (both.name, both.expected) == ("power, even degrees, relu, ntk", "-5, -10")
    assert both.word == "does not hold"
    assert both.text.startswith("d = 5, 10: ")


def test_another_matrix_does_not_pass(rows):
    of_ntk, of_nngp = (next(r for r in rows if r.case.kind == kind) for kind in ("ntk", "nngp"))
    swapped = replace(
        of_ntk,
        values={
            **of_ntk.values,
            **{k: v for k, v in of_nngp.values.items() if k.startswith("mu_")},
        },
    )
    found = {verdict.name: verdict.word for verdict in PART.verdicts([swapped])}
    assert found["power, even degrees, relu, ntk"] == "does not hold"
    assert found["constant, even degrees, relu, ntk"] == "does not hold"
    shifted = {**of_ntk.values, "mean_0": of_ntk.values["mean_0"] + 1.0}
    found = {one.name: one.word for one in PART.verdicts([replace(of_ntk, values=shifted)])}
    assert found["sampled rows, degree 0"] == "does not hold"
    assert found["sampled rows, degree 1"] == "holds"
    above = replace(of_ntk, lower=1.01 * of_ntk.values["bound"], upper=1.0)
    found = {verdict.name: verdict.word for verdict in PART.verdicts([above])}
    assert found["λ_min below the trace of what is left"] == "does not hold"
    values = dict.fromkeys(of_ntk.values, 1e-3) | {"diagonal": 1.0}
    assert PART.verdicts([replace(of_ntk, values=values)])[0].word == "does not hold"
