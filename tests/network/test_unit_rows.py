"""The kernel of unit rows, its power series and its eigenvalues, against closed forms in mpmath."""

from __future__ import annotations

import functools
import math

import mpmath as mp
import numpy as np
import pytest
from helpers.tolerances import EPS, TABLE

import fastgram as fg
from fastgram.network.network import KINDS
from fastgram.network.theory.sphere import eigenvalues_by_quadrature

NETWORKS = {
    "relu": fg.Network("relu"),
    "tanh, deep": fg.Network("tanh", 3, weight_variance=1.5, bias_variance=0.2),
    "elu, another first layer": fg.Network(
        "elu", 2, input_weight_variance=0.6, input_bias_variance=0.1, normalize=True
    ),
    "relu6, deep": fg.Network("relu6", 3, bias_variance=0.4),
    "odd": fg.Network("erf", 2),
    "step": fg.Network("step", 2, bias_variance=0.1),
    "sin": fg.Network("sin", weight_variance=200.0),
}


# --- closed forms ---------------------------------------------------------------------------------


def relu_values(rho):
    return (mp.sqrt(1 - rho * rho) + rho * (mp.pi - mp.acos(rho))) / (2 * mp.pi)


def relu_slopes(rho):
    return (mp.pi - mp.acos(rho)) / (2 * mp.pi)


def relu_entry(rho, depth, kind, weight=1, bias=0):
    """Under relu, of the first layer's σw²·ρ as given, without a bias there."""
    q, sigma, tangent = mp.mpf(1), rho, rho
    for layer in range(1, depth + 1):
        value, slope = q * relu_values(sigma / q), relu_slopes(sigma / q)
        if layer == depth:
            gradient = (tangent if kind == "ntk" else sigma) * slope
            return {"nngp": value, "gradient": gradient, "ntk": value + gradient}[kind]
        q, sigma = weight * q / 2 + bias, weight * value + bias
        tangent = sigma + weight * tangent * slope
    raise AssertionError


def erf_values(sigma, q):
    return 2 / mp.pi * mp.asin(2 * sigma / (1 + 2 * q))


# --- the kernel -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_kernel_is_the_entry_of_unit_rows(name, kind):
    net = NETWORKS[name]
    cosines = np.concatenate([1.0 - 2.0 ** np.array([-40.0, -20.0]), np.linspace(1.0, -1.0, 9)])
    rows = np.stack([cosines, np.sqrt((1.0 - cosines) * (1.0 + cosines))], axis=1)
    entries = fg.gram(np.array([[1.0, 0.0]]), rows, net, kind=kind)[0]
    found = net.kernel(cosines, kind=kind)
    assert np.max(np.abs(found - entries)) <= 2 * TABLE * max(entries[0], 1e-300)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_in_closed_form(kind):
    net = fg.Network("relu", 3, weight_variance=1.5, bias_variance=0.25)
    net = net.replace(input_weight_variance=1.0, input_bias_variance=0.0)
    cosines = np.array([-1.0, -0.999999, -0.3, 0.0, 0.7, 1.0 - 1e-12, 1.0])
    with mp.workdps(30):
        wanted = [float(relu_entry(mp.mpf(t), 3, kind, 1.5, 0.25)) for t in cosines]
    assert np.max(np.abs(net.kernel(cosines, kind=kind) - wanted)) <= 16 * EPS * wanted[-1]


def test_shapes_of_the_kernel():
    net = fg.Network("tanh", 2)
    square = net.kernel([[0.5, -0.5], [1, 0]])
    assert square.shape == (2, 2)
    alone = net.kernel(0.5)
    assert type(alone) is np.float64
    np.testing.assert_allclose([alone, -alone], square[0], rtol=8 * EPS)
    assert net.kernel(np.float32([0.5])).dtype == np.float64
    assert net.kernel(np.empty(0)).shape == (0,)
    many = np.linspace(-1.0, 1.0, 700)  # more than are taken at a time
    np.testing.assert_allclose(net.kernel(many)[::233], net.kernel(many[::233]), rtol=1e-13)


# --- power series ---------------------------------------------------------------------------------


SERIES = [
    (fg.Network("relu", 3), "ntk", lambda t: relu_entry(t, 3, "ntk")),
    (
        fg.Network("relu", 2, weight_variance=2.0, bias_variance=0.5).replace(
            input_weight_variance=1.0, input_bias_variance=0.0
        ),
        "gradient",
        lambda t: relu_entry(t, 2, "gradient", 2, mp.mpf(1) / 2),
    ),
    (
        fg.Network("erf", bias_variance=0.5),
        "nngp",
        lambda t: erf_values(t + mp.mpf(1) / 2, mp.mpf(3) / 2),
    ),
    (fg.Network("erf", 2), "nngp", lambda t: erf_values(erf_values(t, 1), erf_values(1, 1))),
    (fg.Network("sin"), "nngp", lambda t: mp.exp(-1) * mp.sinh(t)),
    (fg.Network("polynomial", bias_variance=1.0), "gradient", lambda t: (1 + t) * (5 + 4 * t)),
]


@pytest.mark.parametrize(("net", "kind", "function"), SERIES)
def test_series_of_closed_forms(net, kind, function):
    with mp.workdps(60):
        exact = np.array([float(c) for c in mp.taylor(function, 0, 14)])
        size = float(function(mp.mpf(1)))
    found = net.power_series(15, kind=kind)
    assert np.all(found >= 0.0)
    assert np.max(np.abs(found - exact)) <= 8 * EPS * size
    if net.activation.homogeneity is not None:  # each keeps its digits, be it small
        assert np.max(np.abs(found - exact) / np.maximum(exact, 1e-300)) <= 100 * EPS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_series_add_up_to_the_kernel(name, kind):
    net = NETWORKS[name]
    series = net.power_series(120, kind=kind)
    assert np.all(series >= 0.0)
    t = np.linspace(-0.5, 0.5, 5)
    added = np.polynomial.polynomial.polyval(t, series)
    size = max(float(net.kernel(1.0, kind=kind)), 1e-300)
    assert np.max(np.abs(added - net.kernel(t, kind=kind))) <= 40 * EPS * size
    assert np.sum(series) <= size * (1.0 + 40 * EPS)


def test_fewer_coefficients_are_the_first_of_more():
    net = NETWORKS["relu6, deep"]
    many, few = net.power_series(90, kind="ntk"), net.power_series(7, kind="ntk")
    np.testing.assert_allclose(few, many[:7], rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [("relu", 43.944, 77.277), ("tanh", 41.362, 91.468), ("sigmoid", 91.557, 99.729)],
)
def test_shares_of_the_first_coefficients(name, one, two):
    """Murray, Jin, Bowman and Montúfar (ICLR 2023), table 1: percent of the NTK's coefficients.

    One hidden layer, σw² = 1 everywhere, no bias in the first layer, and in the layer above one of
    the variance 1 − E φ(z)², which keeps the variance 1: it adds to b₀, and is not trained.
    """
    net = fg.Network(name)
    series = net.power_series(2, kind="ntk")
    bias = 1.0 - float(net.kernel(1.0, kind="nngp"))
    shares = 100.0 * (bias + np.cumsum(series)) / (bias + float(net.kernel(1.0, kind="ntk")))
    assert shares.round(3).tolist() == [one, two]


def test_a_series_that_takes_too_many_terms_is_refused():
    with pytest.raises(ValueError, match="where all rows are much alike: ask for fewer"):
        fg.Network("relu", 60).power_series(2000)


# --- eigenvalues on the sphere --------------------------------------------------------------------


def multiplicity(d, k):
    return math.comb(d + k - 1, k) - (math.comb(d + k - 3, k - 2) if k > 1 else 0)


def legendre(k, d, t):
    """Pₖ in d dimensions, with Pₖ(1) = 1."""
    if d == 2:
        return mp.cos(k * mp.acos(t))
    order = mp.mpf(d - 2) / 2
    return mp.gegenbauer(k, order, t) / mp.gegenbauer(k, order, 1)


def funk_hecke(function, d, k):
    """E κ(t)Pₖ(t), by quadrature over the angle."""
    with mp.workdps(30):

        def weighted(angle):
            t = mp.cos(angle)
            return function(t) * legendre(k, d, t) * mp.sin(angle) ** (d - 2)

        cuts = mp.linspace(0, mp.pi, 3 + k // 4)
        size = mp.quad(lambda angle: mp.sin(angle) ** (d - 2), [0, mp.pi])
        return float(mp.quad(weighted, cuts) / size)


@pytest.mark.parametrize(
    ("depth", "kind", "d", "degrees"),
    [
        (1, "ntk", 2, (0, 1, 2, 9)),
        (1, "ntk", 3, (0, 3, 12)),
        (1, "ntk", 10, (1, 2, 20)),
        (3, "ntk", 3, (0, 3, 12)),
        (2, "nngp", 10, (1, 2, 20)),
    ],
)
@pytest.mark.slow
def test_eigenvalues_of_relu(depth, kind, d, degrees):
    net = fg.Network("relu", depth)
    found = net.sphere_eigenvalues(d, degrees[-1] + 1, kind=kind)
    for k in degrees:
        wanted = funk_hecke(functools.partial(relu_entry, depth=depth, kind=kind), d, k)
        if depth == 1 and k % 2 and k > 1:
            assert found[k] == 0.0
        else:
            assert found[k] == pytest.approx(wanted, rel=1e-10)


def test_eigenvalues_of_relu_on_the_circle():
    """Of κ = (sin θ + (π − θ)cos θ)/2π: a cosine series known since Fourier."""
    found = fg.Network("relu").sphere_eigenvalues(2, 30, kind="nngp")
    assert found[1] == pytest.approx(0.125, rel=1e-12)
    k = np.arange(0, 30, 2)
    # ½·(2/π)∫κ cos kθ dθ, k even: 2/π²·1/(k² − 1)²/1, halved for k = 0 and for cos = (Y + Y*)/2
    np.testing.assert_allclose(found[::2], 2.0 / (np.pi * (k**2 - 1.0)) ** 2, rtol=1e-10)
    assert np.all(found[3::2] == 0.0)


@pytest.mark.parametrize(("kind", "power"), [("ntk", 0), ("nngp", 2)])
@pytest.mark.parametrize("d", [3, 6])
def test_how_eigenvalues_of_relu_fall(d, kind, power):
    """Like k^{−d} and k^{−d−2}."""
    found = fg.Network("relu").sphere_eigenvalues(d, 130, kind=kind)
    k = np.array([60.0, 128.0]) + d / 2.0 - 1.0
    slope = np.diff(np.log(found[[60, 128]])) / np.diff(np.log(k))
    assert slope[0] == pytest.approx(-(d + power), abs=0.05)


def box(z):
    return (np.abs(z) < 1.0) * 1.0


def box_variance():
    return math.erf(math.sqrt(0.5))


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 8])
def test_eigenvalues_with_jumps_away_from_zero(d):
    """By parts: κ' is a sum of normal densities, and ((1 − t²)^½⁽ᵈ⁻¹⁾Pₖ')' a multiple of Pₖ."""
    jumps = fg.Activation("box", box, np.zeros_like, kinks=(-1.0, 1.0), flat=True, parity=1)
    found = fg.Network(jumps).sphere_eigenvalues(d, 15, kind="nngp")
    assert np.max(np.abs(found[1::2])) <= 1e-16
    with mp.workdps(25):

        def slope(t):
            near, far = mp.exp(-1 / (1 + t)), mp.exp(-1 / (1 - t)) if t < 1 else 0
            return (near - far) / (mp.pi * mp.sqrt(1 - t * t))

        size = mp.quad(lambda angle: mp.sin(angle) ** (d - 2), [0, mp.pi])
        for k in (2, 6, 14):

            def weighted(angle, k=k):
                t, order = mp.cos(angle), mp.mpf(d - 2) / 2
                # Pₖ' by the derivative of Gegenbauer polynomials
                rise = 2 * order * mp.gegenbauer(k - 1, order + 1, t) / mp.gegenbauer(k, order, 1)
                return slope(t) * rise * mp.sin(angle) ** d

            cuts = mp.linspace(mp.mpf(10) ** -8, mp.pi - mp.mpf(10) ** -8, 9)
            wanted = float(mp.quad(weighted, cuts) / (k * (k + d - 2) * size))
            assert abs(found[k] - wanted) <= 1e-14 * box_variance()


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 6])
def test_eigenvalues_of_jumps_of_jumps(d):
    """A kernel that begins with the fourth root of 1 − t."""

    def entry(t):
        rho = mp.mpf(1) / 2 + mp.asin(t) / mp.pi
        return mp.mpf(1) / 4 + mp.asin(rho) / (2 * mp.pi)

    found = fg.Network("step", 2).sphere_eigenvalues(d, 8, kind="nngp")
    for k in (0, 1, 4, 7):
        assert abs(found[k] - funk_hecke(entry, d, k)) <= 1e-10


@pytest.mark.parametrize(
    ("net", "kind", "d"),
    [
        (fg.Network("elu", 3), "ntk", 2),
        (fg.Network("selu", 2, bias_variance=0.2), "gradient", 3),
        (fg.Network("gelu", 3), "nngp", 5),
        (fg.Network("relu", 6, weight_variance=2.0), "ntk", 3),
        (fg.Network("step"), "nngp", 4),
    ],
    ids=str,
)
def test_sums_of_series_are_quadratures(net, kind, d):
    found = net.sphere_eigenvalues(d, 20, kind=kind)
    wanted = eigenvalues_by_quadrature(functools.partial(net.kernel, kind=kind), d, 20, 6)
    assert np.max(np.abs(found - wanted)) <= 1e-14 * float(net.kernel(1.0, kind=kind))


@pytest.mark.slow
def test_small_eigenvalues_keep_their_digits():
    """In 60 dimensions, 1e-22 of κ(1), where a quadrature takes 70 digits."""
    found = fg.Network("relu").sphere_eigenvalues(60, 21, kind="ntk")[20]
    with mp.workdps(70):

        def weighted(angle):
            t = mp.cos(angle)
            return relu_entry(t, 1, "ntk") * legendre(20, 60, t) * mp.sin(angle) ** 58

        size = mp.quad(lambda angle: mp.sin(angle) ** 58, [0, mp.pi / 2, mp.pi])
        wanted = mp.quad(weighted, mp.linspace(0, mp.pi, 9)) / size
    assert found == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_eigenvalues_of_a_smooth_kernel(d):
    """κ = sinh(t)/e: modified Bessel functions, over 20 orders of magnitude."""
    found = fg.Network("sin").sphere_eigenvalues(d, 18, kind="nngp")
    assert np.all(found[::2] == 0.0)
    with mp.workdps(30):
        order = mp.mpf(d) / 2 - 1
        for k in range(1, 18, 2):
            wanted = mp.exp(-1) * mp.gamma(order + 1) * 2**order * mp.besseli(k + order, 1)
            if wanted > 1e-17:
                assert found[k] == pytest.approx(float(wanted), rel=1e-9)
            else:
                assert abs(found[k] - float(wanted)) < 1e-25


@pytest.mark.parametrize("name", ["tanh, deep", "odd", "sin"])
def test_eigenvalues_add_up_to_the_trace(name):
    net = NETWORKS[name].replace(weight_variance=1.0)
    for kind in KINDS:
        found = net.sphere_eigenvalues(4, 120, kind=kind)
        total = sum(multiplicity(4, k) * mu for k, mu in enumerate(found.tolist()))
        assert total == pytest.approx(float(net.kernel(1.0, kind=kind)), rel=1e-10)


@pytest.mark.slow
def test_the_trace_of_a_kinked_kernel_is_missing_its_tail():
    """Σ N(3, k)μₖ = κ(1): with μ ~ C(k + ½)^{−5}, even k, the tail is C/6·(K + ½)^{−3}."""
    net, last = fg.Network("relu"), 200
    found = net.sphere_eigenvalues(3, last + 1, kind="nngp")
    total = sum(multiplicity(3, k) * mu for k, mu in enumerate(found.tolist()))
    tail = found[last] * (last + 0.5) ** 5 / 6.0 * (last + 1.5) ** -3.0 * 2.0
    assert 0.5 - total == pytest.approx(tail, rel=1e-2)


def test_eigenvalues_are_those_of_a_gram_matrix():
    """Of equidistant points of a circle it is a circulant: its eigenvalues are n times the sums
    of μₖ over degrees that differ by multiples of n."""
    n, net = 200, fg.Network("tanh", 2, bias_variance=0.3)
    angles = 2.0 * np.pi * np.arange(n) / n
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    values = np.sort(np.linalg.eigvalsh(fg.gram(rows, network=net, kind="ntk")))[::-1]
    found = net.sphere_eigenvalues(2, 8, kind="ntk")
    wanted = np.sort(np.repeat(found, [1, *[2] * 7]))[::-1]
    np.testing.assert_allclose(values[:9] / n, wanted[:9], atol=1e-12 * values[0])


def test_what_vanishes():
    assert np.all(fg.Network("step", 2).sphere_eigenvalues(3, 4) == 0.0)
    assert np.all(fg.Network("step").kernel([0.1, 1.0]) == 0.0)
    found = fg.Network("linear", weight_variance=2.0).sphere_eigenvalues(4, 5, kind="nngp")
    np.testing.assert_allclose(found, [0.0, 0.5, 0.0, 0.0, 0.0], rtol=4 * EPS)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda net: net.kernel(1.5), ValueError, "t must be cosines of unit rows, in [-1, 1]"),
        (lambda net: net.kernel(np.nan), ValueError, "t must be cosines"),
        (lambda net: net.kernel(0.5, kind="ntkk"), ValueError, "unknown kind 'ntkk'"),
        (lambda net: net.kernel("x"), TypeError, "t"),
        (lambda net: net.power_series(0), ValueError, "count must be at least 1"),
        (lambda net: net.sphere_eigenvalues(1, 3), ValueError, "d must be at least 2, not 1"),
        (lambda net: net.sphere_eigenvalues(3, 0), ValueError, "count must be at least 1"),
        (lambda net: net.sphere_eigenvalues(3, 513), ValueError, "count must be at most 512"),
        (lambda net: net.sphere_eigenvalues(3.5, 2), TypeError, "d must be an integer"),
        (lambda net: net.replace(width=5).kernel(0.5), ValueError, "width must be None"),
        (lambda net: net.replace(width=5).power_series(3), ValueError, "power_series is of"),
        (lambda net: net.replace(width=5).sphere_eigenvalues(3, 3), ValueError, "infinitely wide"),
    ],
)
def test_bad_arguments(call, error, told):
    with pytest.raises(error) as caught:
        call(fg.Network("tanh"))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_peaked_kernel_is_refused():
    with pytest.raises(ValueError, match="is not told by 4096 coefficients"):
        fg.Network("tanh", weight_variance=1e5).sphere_eigenvalues(3, 40)


# --- what is written ------------------------------------------------------------------------------
