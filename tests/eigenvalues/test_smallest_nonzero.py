"""The smallest eigenvalue that is not an exact zero, against LAPACK and 40 digits."""

import math

import numpy as np
import pytest
from mpmath import mp, mpf

import fastgram as fg
from fastgram.eigenvalues import extreme, smallest_nonzero

QUADRATIC = fg.get_activation("polynomial", coefficients=[0, 1, 1])


def sphere(n, d, seed=0):
    return fg.datasets.sphere(n, d, seed)


def duplicated():
    X = sphere(80, 5)
    return np.concatenate([X, X[:17]])


CASES = {
    # rows, network, rank
    "polynomial": (lambda: sphere(300, 3), QUADRATIC, 9),
    "circle": (lambda: fg.datasets.circle(200), "relu", 102),
    "width": (lambda: sphere(60, 4), fg.Network("tanh", width=3), 12),
    "duplicates": (duplicated, "tanh", 80),
    "rank one": (lambda: np.array([[1.0], [2.0], [3.0]]), "relu", 1),
}


@pytest.mark.parametrize("method", ["auto", "lanczos", "arpack"])
@pytest.mark.parametrize("case", CASES)
def test_brackets_are_tight_and_hold_lapacks_value(case, method):
    rows, network, rank = CASES[case]
    op = fg.GramOperator(rows(), network)
    values = np.linalg.eigvalsh(op.dense())
    n, top = len(values), values[-1]
    answer = fg.extreme_eigenvalues(op, method=method)
    assert answer.rank_bound == rank
    found = answer.smallest_nonzero
    # LAPACK is off by some n·eps·λ_max itself
    rounding = 4 * n * np.finfo(float).eps * top
    assert found.lower - rounding <= values[n - rank] <= found.upper + rounding
    assert found.lower <= found.estimate <= found.upper
    assert found.lower > 0
    assert found.width < 1e-10 * top
    assert found.guarantee == "certified"
    assert f", smallest nonzero eigenvalue {found}\n" in str(answer)
    assert "may be lower" not in answer.message
    assert answer.smallest.guarantee == "exact"


def polynomial_entry(x, y):
    product = mp.fsum(mpf(float(a)) * mpf(float(b)) for a, b in zip(x, y, strict=True))
    return product * (1 + 4 * product)  # E[(1 + 2u)(1 + 2v)] = 1 + 4⟨x, y⟩


def relu_entry(x, y):
    xy, xx, yy = (
        mp.fsum(mpf(float(a)) * mpf(float(b)) for a, b in zip(*pair, strict=True))
        for pair in ((x, y), (x, x), (y, y))
    )
    rho = max(min(xy / mp.sqrt(xx * yy), mpf(1)), mpf(-1))
    return xy * (mp.pi - mp.acos(rho)) / (2 * mp.pi)


def exact_eigenvalues(X, entry):
    with mp.workdps(40):
        matrix = mp.matrix(len(X))
        for i, x in enumerate(X):
            for j, y in enumerate(X):
                matrix[i, j] = entry(x, y)
        return sorted(mp.eigsy(matrix, eigvals_only=True))


def small_cases():
    for seed in range(4):
        X = np.random.default_rng(seed).standard_normal((12, 2))
        yield X, QUADRATIC, polynomial_entry, 5
        # a short axis: eigenvalues over many orders
        yield X * [1.0, 1e-3], QUADRATIC, polynomial_entry, 5
        Y = sphere(12, 3, seed)
        yield np.concatenate([Y[:9], Y[:3]]), "relu", relu_entry, 9
        nearly = Y[:9] + 0.0
        nearly[1] = nearly[0] + [1e-7, 0.0, 0.0]
        yield np.concatenate([nearly, Y[:3]]), "relu", relu_entry, 12 - 2
    yield fg.datasets.circle(12), "relu", relu_entry, 8


@pytest.mark.slow
def test_brackets_hold_the_eigenvalues_in_40_digits():
    tight = 0
    for X, network, entry, rank in small_cases():
        values = exact_eigenvalues(X, entry)
        answer = fg.extreme_eigenvalues(fg.GramOperator(X, network))
        found = answer.smallest_nonzero
        bound = answer.rank_bound
        assert bound >= sum(value > mpf(10) ** -30 * values[-1] for value in values)
        assert bound <= rank
        assert mpf(found.lower) <= values[len(X) - bound] <= mpf(found.upper)
        assert found.width < 1e-12 * float(values[-1])
        assert found.guarantee == "certified"
        tight += found.within(1e-9)
    assert tight >= 8


@pytest.mark.slow
def test_a_rank_below_its_bound_leaves_zero_in_the_bracket():
    # integers on a plane in d = 3: 2 + 3 monomials there, 3 + 6 known from the columns alone
    flat = np.random.default_rng(0).integers(-9, 10, (30, 2)).astype(float)
    X = np.unique(np.column_stack([flat, flat.sum(axis=1)]), axis=0)
    assert len(X) > 9
    for network, bound in ((QUADRATIC, 9), (fg.Network("tanh", width=3), 9)):
        answer = fg.extreme_eigenvalues(fg.GramOperator(X, network))
        assert answer.rank_bound == bound
        found = answer.smallest_nonzero
        assert found.lower == 0.0
        assert 0.0 <= found.estimate <= found.upper <= 1e-10 * answer.largest.upper
        assert found.guarantee == "certified"
        assert f"the rank may be lower than {bound}" in answer.message


def test_there_is_none_without_a_known_singularity():
    X = sphere(40, 5)
    regular = fg.extreme_eigenvalues(fg.GramOperator(X, "tanh"))
    array = fg.extreme_eigenvalues(np.diag([0.0, 1.0, 2.0]))
    nothing = fg.extreme_eigenvalues(np.zeros((3, 3)))
    for answer in (regular, array, nothing):
        assert answer.smallest_nonzero is None
        assert "nonzero" not in str(answer)


def test_beyond_the_dense_limit_there_is_none_and_the_message_says_so():
    op = fg.GramOperator(sphere(2049, 3), QUADRATIC)
    answer = fg.extreme_eigenvalues(op)
    assert answer.rank_bound == 9
    assert answer.smallest_nonzero is None
    assert "the smallest nonzero eigenvalue needs n ≤ 2048" in answer.message


def test_it_counts_the_error_of_the_entries():
    X = sphere(60, 3)
    double, single = (
        fg.extreme_eigenvalues(fg.GramOperator(X, QUADRATIC, dtype=dtype)).smallest_nonzero
        for dtype in ("float64", "float32")
    )
    assert single.lower <= double.lower
    assert double.upper <= single.upper
    assert single.width > 1e3 * double.width


@pytest.mark.parametrize("error", [1e-12, 1e-6, 0.3])
def test_wrong_eigenvectors_and_values_do_not_make_it_miss(monkeypatch, error):
    op = fg.GramOperator(sphere(40, 3), QUADRATIC)
    truth = fg.extreme_eigenvalues(op).smallest_nonzero
    right = np.linalg.eigh

    def wrong(matrix):
        values, vectors = right(matrix)
        noise = np.random.default_rng(5).standard_normal((*vectors.shape, 2)) * error
        return values * (1 + noise[0, :, 0]), vectors + noise[..., 1]

    monkeypatch.setattr(smallest_nonzero.np.linalg, "eigh", wrong)
    found = fg.extreme_eigenvalues(op).smallest_nonzero
    assert found.lower <= truth.upper
    assert truth.lower <= found.upper
    assert found.lower <= found.estimate <= found.upper


def test_without_a_proof_it_does_not_claim_one(monkeypatch):
    monkeypatch.setattr(smallest_nonzero, "prove_below", lambda *arguments: None)
    answer = fg.extreme_eigenvalues(fg.GramOperator(sphere(40, 3), QUADRATIC))
    found = answer.smallest_nonzero
    assert (found.lower, found.upper, found.guarantee) == (0.0, math.inf, "none")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "depth", "width"),
    [("tanh", "gradient", 1, 5), ("relu", "ntk", 2, 4), ("gelu", "nngp", 1, 30)],
)
def test_a_larger_matrix_goes_by_its_factor(name, kind, depth, width, monkeypatch):
    """n beyond the limit of the dense method, J narrow: the same eigenvalue from JᵀJ."""
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 600)
    X = fg.datasets.sphere(700, 4, seed=2)
    network = fg.Network(name, depth=depth, width=width, bias_variance=0.1)
    op = fg.GramOperator(X, network, kind=kind)
    answer = fg.extreme_eigenvalues(op, rtol=0.5)
    values = np.linalg.eigvalsh(op.dense())
    exact = values[-answer.rank_bound]
    found = answer.smallest_nonzero
    assert found.guarantee == "certified"
    assert found.lower <= exact + 1e-12 * values[-1]
    assert found.upper >= exact - 1e-12 * values[-1]
    assert found.upper - found.lower <= 1e-8 * values[-1]
