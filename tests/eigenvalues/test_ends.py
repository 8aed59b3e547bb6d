"""How a run ends: at both ends, by the user's word, in time, and with what it says of it."""

import signal
import sys
import threading
import time

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import fastgram as fg
from fastgram.eigenvalues import gram_problem


def rank_one(n):
    v = np.random.default_rng(0).standard_normal(n)
    v /= np.linalg.norm(v)
    return LinearOperator((n, n), matvec=lambda x: v * (v @ x), dtype=np.float64)


@pytest.mark.slow
def test_the_other_end_goes_on_where_one_is_below_the_noise_floor():
    X = np.c_[np.ones((2300, 1)), 1e-9 * fg.datasets.sphere(2300, 40, seed=0)]
    op = fg.GramOperator(X, "tanh", kind="nngp")
    exact = 2300 * fg.dual("tanh", 1.0)  # but for 1e-18
    for method in ("lanczos", "certified"):
        answer = fg.extreme_eigenvalues(op, method=method)
        assert answer.largest.within(1e-2)
        assert answer.largest.lower <= exact * (1 + 1e-12)
        assert answer.largest.upper >= exact * (1 - 1e-12)
        assert answer.smallest.lower == 0.0
        assert not answer.resolved
        assert "sank below the noise floor" in answer.message


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_a_rank_one_operator_has_its_largest_eigenvalue(scale):
    answer = fg.extreme_eigenvalues(scale * rank_one(3000))
    assert answer.largest.within(1e-2)
    assert answer.largest.lower <= scale * (1 + 1e-12)
    assert answer.largest.upper >= scale * (1 - 1e-12)


def test_a_zero_operator_has_zeros():
    zero = LinearOperator((50, 50), matvec=lambda x: 0.0 * x, dtype=np.float64)
    answer = fg.extreme_eigenvalues(zero)
    for end in (answer.smallest, answer.largest):
        assert end.lower <= 0.0 <= end.upper
        assert end.width < 1e-90


@pytest.mark.parametrize("method", ["dense", "lanczos", "certified"])
def test_a_negative_eigenvalue_is_resolved_and_said(method):
    answer = fg.extreme_eigenvalues(np.diag([-1.0, 2.0, 3.0]), method=method)
    assert answer.resolved
    assert answer.smallest.upper < 0.0
    assert answer.condition is None
    assert "not positive semidefinite" in answer.message
    assert "below the noise floor" not in answer.message
    assert "condition" not in str(answer)


def test_residuals_are_no_smaller_than_rounding():
    rng = np.random.default_rng(1)
    Q = np.linalg.qr(rng.standard_normal((400, 400)))[0]
    A = (Q * np.linspace(1.0, 1000.0, 400)) @ Q.T
    A = (A + A.T) / 2.0
    answer = fg.extreme_eigenvalues(A, method="lanczos", k=3, vectors=True, rtol=1e-9, block=8)
    for pairs in (answer.smallest_pairs, answer.largest_pairs):
        missed = np.linalg.norm(A @ pairs.vectors - pairs.vectors * pairs.values, axis=0)
        assert np.all(missed <= pairs.residuals)


@pytest.mark.slow
def test_the_callback_sees_brackets_that_hold_and_ends_the_run():
    op = fg.GramOperator(fg.datasets.sphere(2500, 100, seed=0), "relu")
    seen = []

    def callback(smallest, largest):
        seen.append((smallest, largest))
        return len(seen) == 4

    answer = fg.extreme_eigenvalues(op, method="lanczos", rtol=1e-9, callback=callback)
    assert len(seen) == 4
    assert "stopped by callback" in answer.message
    assert not answer.converged
    full = fg.extreme_eigenvalues(op, method="lanczos", rtol=1e-2)
    for smallest, largest in seen:
        assert smallest.lower <= full.smallest.upper
        assert smallest.upper >= full.smallest.lower
        assert largest.lower <= full.largest.upper
        assert largest.upper >= full.largest.lower


@pytest.mark.slow
def test_a_callback_that_returns_nothing_changes_nothing():
    op = fg.GramOperator(fg.datasets.sphere(500, 10, seed=0), "relu")
    calls = []
    plain = fg.extreme_eigenvalues(op, method="lanczos")
    told = fg.extreme_eigenvalues(op, method="lanczos", callback=lambda *ends: calls.append(ends))
    assert calls
    assert (told.smallest, told.largest) == (plain.smallest, plain.largest)


def test_a_time_limit_ends_with_what_there_is():
    slow = np.diag(np.linspace(1.0, 2.0, 3000))

    def matmat(V):
        time.sleep(0.05)
        return slow @ V

    operator = LinearOperator((3000, 3000), matvec=matmat, matmat=matmat, dtype=np.float64)
    answer = fg.extreme_eigenvalues(operator, rtol=1e-12, time_limit=0.3)
    assert "stopped at time_limit = 0.3 s" in answer.message
    assert answer.smallest.lower <= 1.0 <= answer.smallest.upper


@pytest.fixture
def interrupted():
    """A matrix of spectrum [1, 2], and an operator of it whose sixth product is interrupted."""
    matrix = np.diag(np.linspace(1.0, 2.0, 500))
    products = []

    def matmat(V):
        products.append(1)
        if len(products) == 6:
            signal.raise_signal(signal.SIGINT)
        return matrix @ V

    assert threading.current_thread() is threading.main_thread()
    # as it is where a shell has not told the process to ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield matrix, LinearOperator((500, 500), matvec=matmat, matmat=matmat, dtype=np.float64)
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_says_what_had_been_reached(interrupted, tmp_path):
    matrix, operator = interrupted
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after 5 passes; λ_min .* in .*λ_max"):
        fg.extreme_eigenvalues(operator, rtol=1e-12, checkpoint=tmp_path / "run")
    answer = fg.extreme_eigenvalues(aslinearoperator(matrix), checkpoint=tmp_path / "run")
    assert answer.smallest.lower <= 1.0 <= answer.smallest.upper


@pytest.mark.parametrize("method", ["lanczos", "certified", "auto"])
@pytest.mark.parametrize("network", ["relu", "tanh"])
def test_nothing_is_proven_in_a_pass_where_the_bracket_is_as_asked(network, method, monkeypatch):
    def fail(op):
        raise AssertionError("a pass over the entries for nothing")

    monkeypatch.setattr(gram_problem, "one_pass_bound", fail)
    op = fg.GramOperator(fg.datasets.sphere(2100, 60, seed=0), network)
    answer = fg.extreme_eigenvalues(op, method=method, rtol=0.2)
    assert answer.converged
    assert answer.one_pass_lower is None
    assert "one pass" not in answer.message


@pytest.mark.slow
def test_one_pass_raises_the_lower_end_of_a_bracket_that_is_wide():
    op = fg.GramOperator(fg.datasets.sphere(2100, 60, seed=0), "relu")
    full = fg.extreme_eigenvalues(op, method="lanczos").smallest
    for options in ({"max_passes": 1}, {"time_limit": 1e3, "callback": lambda *ends: True}):
        answer = fg.extreme_eigenvalues(op, method="lanczos", **options)
        assert 0.0 < answer.one_pass_lower == answer.smallest.lower <= full.upper
        assert answer.smallest.guarantee == "certified"
        assert "one pass proves λ_min ≥" in answer.message


def test_one_pass_that_proves_nothing_says_zero():
    op = fg.GramOperator(fg.datasets.sphere(200, 4, seed=0), "tanh")
    answer = fg.extreme_eigenvalues(op, method="lanczos", max_passes=2)
    assert answer.one_pass_lower == 0.0
    assert "one pass proves λ_min ≥ 0;" in answer.message


def test_a_bracket_that_may_hold_zero_is_open_however_little_is_asked():
    op = fg.GramOperator(fg.datasets.sphere(2100, 60, seed=0), "relu")
    answer = fg.extreme_eigenvalues(op, method="lanczos", rtol=3.0, block=2, confidence=0.9999999)
    assert answer.smallest.lower > 0.0


def slow_operator(n, seconds):
    values = np.linspace(1.0, 2.0, n)[:, None]

    def matmat(V):
        time.sleep(seconds)
        return values * V

    return LinearOperator((n, n), matvec=matmat, matmat=matmat, dtype=np.float64)


@pytest.mark.parametrize("passes", [None, 60])
def test_a_time_limit_ends_a_density_with_what_there_is(passes):
    values = np.linspace(1.0, 2.0, 2000)
    operator = slow_operator(2000, 0.05)
    answer = fg.spectral_density(operator, probes=2, passes=passes, time_limit=0.2)
    assert "stopped at time_limit = 0.2 s" in answer.message
    assert 1 <= answer.passes < 8
    assert np.all(answer.lower <= values)
    assert np.all(answer.upper >= values)


@pytest.mark.slow
def test_a_density_that_is_done_in_time_is_not_stopped():
    matrix = np.diag(np.linspace(1.0, 2.0, 300))
    plain = fg.spectral_density(matrix)
    told = fg.spectral_density(matrix, time_limit=1000.0, callback=lambda *ends: None)
    assert told == plain
    assert "stopped" not in told.message


@pytest.mark.parametrize("scale", [1.0, 1e-200])
@pytest.mark.parametrize("passes", [None, 60])
def test_a_callback_ends_a_density_after_any_pass(passes, scale):
    values = scale * np.linspace(1.0, 2.0, 1000)
    seen = []

    def callback(smallest, largest):
        seen.append((smallest, largest))
        return np.True_ if len(seen) == 3 else 1  # nothing but True ends it

    answer = fg.spectral_density(np.diag(values), probes=4, passes=passes, callback=callback)
    assert answer.passes == len(seen) == 3
    assert "stopped by callback" in answer.message
    for smallest, largest in seen:
        assert smallest.lower <= values[0] <= smallest.upper
        assert largest.lower <= values[-1] <= largest.upper
        assert smallest.guarantee == largest.guarantee == "probabilistic"
    assert np.all(answer.lower <= values)
    assert np.all(answer.upper >= values)


def test_an_interrupted_density_says_what_had_been_reached(interrupted, tmp_path):
    matrix, operator = interrupted
    words = r"interrupted after 5 passes; λ_min .* in .*λ_max.*; the same call goes on from"
    with pytest.raises(KeyboardInterrupt, match=words):
        fg.spectral_density(operator, passes=20, checkpoint=tmp_path / "run")
    answer = fg.spectral_density(aslinearoperator(matrix), passes=20, checkpoint=tmp_path / "run")
    assert answer.smallest.lower <= 1.0 <= answer.smallest.upper


@pytest.mark.parametrize("ask", [fg.extreme_eigenvalues, fg.spectral_density])
@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"time_limit": -1.0}, "time_limit"),
        ({"time_limit": 0}, "time_limit"),
        ({"time_limit": "1"}, "time_limit"),
        ({"callback": 3}, "callback must be a function of two brackets, not 3"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(ask, options, word, refuses):
    with refuses((ValueError, TypeError), word):
        ask(np.eye(3), **options)


def test_the_smallest_nonzero_of_a_polynomial_on_the_circle():
    """z + z³: 6 monomials in the plane, 4 on the circle but for the rounding of the norms."""
    X = np.random.default_rng(0).standard_normal((300, 2))
    X /= np.linalg.norm(X, axis=1)[:, None]
    network = fg.get_activation("polynomial", coefficients=[0, 1, 0, 1])
    answer = fg.extreme_eigenvalues(fg.GramOperator(X, network))
    values = np.linalg.eigvalsh(fg.gram(X, network=network))
    assert answer.smallest.guarantee == "exact"
    found = answer.smallest_nonzero
    assert found.lower <= values[-4] * (1 + 1e-9)
    assert found.upper >= values[-4] * (1 - 1e-9)
    assert found.within(1e-6)
    assert "but for the rounding of the norms the rank is at most 4" in answer.message


@pytest.mark.parametrize(
    ("network", "options", "hint"),
    [
        ("tanh", {}, "fastgram.exact_extreme_eigenvalues(X, network), of the rows scaled"),
        (fg.Network("erf"), {"kind": "ntk"}, 'kind="ntk"'),
        (fg.Network("tanh", width=200), {}, 'exact_extreme_eigenvalues(X, network, rows="raw")'),
        (fg.Activation("mine", np.tanh, lambda z: 1 / np.cosh(z) ** 2), {}, ""),
    ],
)
def test_only_calls_that_work_are_hinted_at(network, options, hint):
    pytest.importorskip("flint")
    answer = fg.extreme_eigenvalues(fg.GramOperator(fg.datasets.circle(61), network, **options))
    assert ("exact_extreme_eigenvalues" in answer.message) == bool(hint)
    assert hint in answer.message


@pytest.mark.parametrize(
    ("network", "rows", "hint"),
    [
        ("tanh", 1.0, "fastgram.exact_extreme_eigenvalues: exact eigenvalues need python-flint"),
        ("swish", np.linspace(1.0, 2.0, 61)[:, None], ""),  # raw ones may have too many norms
        (fg.Activation("mine", np.tanh, lambda z: 1 / np.cosh(z) ** 2), 1.0, ""),
    ],
)
def test_without_python_flint_the_hint_says_what_to_install(network, rows, hint, monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    answer = fg.extreme_eigenvalues(fg.GramOperator(rows * fg.datasets.circle(61), network))
    assert "below the noise floor" in answer.message
    assert ("exact" in answer.message) == bool(hint)
    assert hint in answer.message


def test_arrays_have_no_exact_call():
    rounded = np.asarray(fg.gram(fg.datasets.circle(61), network="tanh"))
    assert "exact_extreme" not in fg.extreme_eigenvalues(rounded).message


@pytest.mark.parametrize("n", [61, 101])
def test_the_noise_floor_is_enough_of_a_jitter(n):
    op = fg.GramOperator(fg.datasets.circle(n), "tanh")
    assert isinstance(op.noise_floor, float)
    matrix = op.dense()
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(matrix)
    np.linalg.cholesky(matrix + op.noise_floor * np.eye(n))


@pytest.mark.parametrize("exponent", [-300, -40, 0, 40, 300])
def test_the_density_is_the_same_at_every_scale(exponent):
    X = np.random.default_rng(0).standard_normal((60, 5))
    one, other = (
        fg.spectral_density(fg.GramOperator(X * 2.0**e, "relu"), passes=6, probes=8)
        for e in (0, exponent)
    )
    scale = 2.0 ** (2 * exponent)
    np.testing.assert_allclose(other.upper, one.upper * scale, rtol=1e-9)
    np.testing.assert_allclose(other.lower, one.lower * scale, rtol=1e-9, atol=1e-12 * scale)
    assert other.effective_rank.estimate == pytest.approx(one.effective_rank.estimate, rel=1e-9)
    shift = 60 * 2 * exponent * np.log(2.0)
    assert other.log_determinant.upper == pytest.approx(one.log_determinant.upper + shift, rel=1e-9)


@pytest.mark.parametrize("size", [1e-150, 1e-158, 1e-170, 1e-200])
@pytest.mark.parametrize("network", ["relu", "tanh", "elu"])
def test_rows_too_small_for_float64_have_brackets_that_hold(network, size):
    """The entries are those of rows of norm 1 times size², for all of these as size tends to 0."""
    X = np.random.default_rng(0).standard_normal((12, 4))
    slopes = {"relu": "relu", "tanh": "linear", "elu": "linear"}
    ideal = np.linalg.eigvalsh(
        fg.gram(X, network=slopes[network]).astype(np.longdouble).astype(float)
    )
    answer = fg.extreme_eigenvalues(fg.GramOperator(X * size, network))
    largest = float(np.longdouble(ideal[-1]) * np.longdouble(size) ** 2)
    smallest = float(max(np.longdouble(ideal[0]), 0) * np.longdouble(size) ** 2)
    tiny = 1e-9 * largest + 1e-323
    assert answer.largest.lower <= largest + tiny
    assert answer.largest.upper >= largest - tiny
    assert answer.smallest.lower <= smallest + tiny
    assert answer.smallest.upper >= smallest - tiny
