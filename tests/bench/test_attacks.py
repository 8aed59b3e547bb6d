"""A few cases of every part of `bench.attacks`, and the misses that were once found, by name."""

import numpy as np
import pytest

import fastgram as fg
from bench.attacks import arrays, certificates, entries
from bench.attacks.answers import attempt, everything
from bench.attacks.checks import check
from bench.attacks.networks import Case, operator, rows_of, truths
from bench.attacks.parts import PARTS, case
from bench.attacks.truth import Interval, eigenvalues, exact_matrix, scale_of
from fastgram.linalg.certificate import certify_below, visit_array

EPS = float(np.finfo(np.float64).eps)


def hold(checks):
    checks = list(checks)
    wrong = [f"{found.what}: {found.said} ({found.inside:.3g})" for found in checks if found.missed]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(checks)} miss", *wrong[:8]])
    assert any(found.weight for found in checks), "all were refused"


def unit(n, d, seed):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


# --- a few of every part -----------------------------------------------------------------------

CASES = {
    "infinite": range(1),
    "entries": (0, 2, 3),
    "arrays": range(8),
    "lanczos": range(2),
    "inverse": range(4),
    "coverage": (1,),
    "certificates": range(8),
    "float32": (1,),
    "finite": range(2),
    "many norms": range(1),
}


def test_every_part_is_here():
    assert list(CASES) == list(PARTS)


@pytest.mark.slow
@pytest.mark.parametrize("part", CASES)
def test_part(part):
    hold(found for number in CASES[part] for found in case(part, 1, number, quick=True))


# --- entries of deep networks --------------------------------------------------------------------

DEEP = [
    ("swish", 30, True, "nngp"),
    ("gelu", 12, True, "gradient"),
    ("polynomial(coefficients=[0.0, 1.0, 1.0])", 5, False, "ntk"),
    ("polynomial(coefficients=[0.0, 1.0, 1.0])", 6, False, "nngp"),
    ("polynomial", 6, False, "nngp"),
    ("relu", 10, False, "ntk"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth", "normalize", "kind"), DEEP)
def test_entries_of_deep_networks(name, depth, normalize, kind):
    found = Case(unit(2, 3, 1), fg.Network(name, depth, normalize=normalize), kind, "unit")
    hold([entries.judged(found)])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gradient", "nngp", "ntk"])
def test_norms_within_roundings(kind):
    """Norms taken for one norm, under an activation whose variances grow like powers."""
    X = rows_of("roundings", np.random.default_rng(2), True, 4)[:4]
    cubic = fg.Network("polynomial(coefficients=[1.0, 1.0, 1.0, 1.0])", 4)
    hold([entries.judged(Case(X, cubic, kind, "roundings"))])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth", "normalize", "kind"),
    [("swish", 30, True, "gradient"), ("polynomial", 6, False, "nngp")],
)
def test_brackets_of_deep_networks(name, depth, normalize, kind):
    found = Case(unit(2, 3, 1), fg.Network(name, depth, normalize=normalize), kind, "unit")
    _, values, scale = truths(found)
    hold(everything(str(found), lambda: operator(found), values, scale))


# --- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", arrays.NAMED)
def test_array(name):
    hold(arrays.judge(name, arrays.NAMED[name]))


@pytest.mark.slow
def test_denormals():
    """Two by two, of a few units of the least denormal number."""
    rng = np.random.default_rng(0)
    made = (rng.integers(-40, 41, (2, 2)) for _ in range(60))
    scaled = [arrays.symmetric(A.astype(np.float64)) * arrays.DENORMAL for A in made]
    hold(
        found
        for A in scaled
        for found in arrays.judge(f"{A.tolist()}", A, ("auto", "certified"), density=False)
    )


@pytest.mark.parametrize("exponent", [-320, -308, -300, -290, -200, -154, 154, 200, 306])
def test_scales(exponent):
    A = arrays.wishart(4, np.random.default_rng(1)) / 8.0
    with np.errstate(all="ignore"):
        scaled = A * 10.0 ** (exponent // 2) * 10.0 ** (exponent - exponent // 2)
    hold(arrays.judge(f"1e{exponent}", arrays.symmetric(scaled)))


# --- certificates --------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, -1.0, -1e299])
def test_a_pivot_that_is_nan_proves_nothing(shift):
    A = arrays.NAMED["nan pivot"]
    exact = exact_matrix(A)
    low = eigenvalues(exact, 4000)[0]

    def proven():
        found = certify_below(visit_array(A), 3, shift)
        return [check("factorisation", (-np.inf if found is None else found, np.inf), low, scale)]

    scale = scale_of(exact)
    hold(attempt("nan pivot", proven))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (1, 1), (0, 2), (2, 1)])
def test_what_is_not_finite_is_proven_nothing_of(value, place):
    A = np.eye(3)
    A[place] = A[place[::-1]] = value
    what = f"{place} = {value}"
    found = attempt(what, lambda: certificates.proven_of_nothing(A, what), Exception)
    assert not [one.said for one in found if one.missed]


# --- the attack itself ---------------------------------------------------------------------------


def test_a_bracket_beside_the_truth_is_a_miss():
    truth = Interval.point(1)
    assert check("", (1.0, 1.0), truth, 1).inside == 0.0
    assert not check("", (1.0, 1.0), truth, 1).missed
    assert check("", (1.0 + EPS, 2.0), truth, 1).missed
    assert check("", (0.0, 1.0 - EPS / 2), truth, 1).missed
    assert check("", (2.0, 0.0), truth, 1).missed
    assert check("", (np.inf, np.inf), truth, 1).missed
    assert not check("", (-np.inf, np.inf), truth, 1).missed


def test_truth_of_known_spectra():
    rng = np.random.default_rng(0)
    integers = [-3, 0, 0, 2, 2, 7, 11, 30]
    hadamard = np.array([[1, 1], [1, -1]])
    H = np.kron(np.kron(hadamard, hadamard), hadamard).astype(np.float64)
    order = rng.permutation(8)
    found = eigenvalues(exact_matrix((H[order] * integers) @ H[order].T))
    for value, known in zip(found, integers, strict=True):
        assert value.low <= 8 * known <= value.high
        assert value.high - value.low < 1e-60
