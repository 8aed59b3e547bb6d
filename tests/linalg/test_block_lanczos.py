"""The block iteration keeps its identities, and the bound is what its derivation says."""

import mpmath
import numpy as np
import pytest
from helpers.matrices import matrix_and_vectors, matrix_with, ritz_values

from fastgram.linalg import block_lanczos
from fastgram.linalg.basis.krylov_basis import Basis
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.lanczos_bound import outer_bound, overlap_quantile, start_block_overlap
from fastgram.support.rounding import gamma, rayleigh_bounds

EPS = np.finfo(float).eps


def run_on(matrix, block, passes, seed=0):
    run = BlockLanczos(lambda V: matrix @ V, matrix.shape[0], block, seed)
    for _ in range(passes):
        run.advance()
    return run


def basis_of(run):
    return run._basis.combine(np.eye(run._basis.columns))


def blocks_of(run):
    """Return T with the residual block's coupling below, assembled entry by entry."""
    sizes = [run.diagonals[0].shape[0], *(coupling.shape[0] for coupling in run.couplings)]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    full = np.zeros((starts[-1], starts[-2]))
    for j, (diagonal, coupling) in enumerate(zip(run.diagonals, run.couplings, strict=True)):
        full[starts[j] : starts[j + 1], starts[j] : starts[j + 1]] = diagonal
        full[starts[j + 1] : starts[j + 2], starts[j] : starts[j + 1]] = coupling
        if j + 2 < len(starts) - 1:
            full[starts[j] : starts[j + 1], starts[j + 1] : starts[j + 2]] = coupling.T
    return full


@pytest.mark.parametrize("block", [1, 3, 8])
@pytest.mark.parametrize("values", [np.linspace(1, 2, 100), np.geomspace(1e-9, 1, 100)])
def test_identity_and_orthogonality(block, values):
    matrix = matrix_with(values)
    run = run_on(matrix, block, 9)
    basis, full = basis_of(run), blocks_of(run)
    within = basis[:, : full.shape[1]]
    np.testing.assert_allclose(matrix @ within, basis @ full, atol=100 * EPS)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=100 * EPS)
    assert np.linalg.norm(matrix @ within - basis @ full) <= run.defect * 1.01 + 200 * EPS
    assert run.passes == 9
    square = full[: full.shape[1]]
    expected = np.linalg.eigvalsh(square)[[0, -1]]
    np.testing.assert_allclose(run.ritz_ends(), expected, atol=100 * EPS)


@pytest.mark.parametrize("block", [1, 4])
def test_orthogonality_when_both_ends_have_converged(block):
    """Directions that have been found come back with every product, and are taken out again."""
    values = np.concatenate([[1e-3, 1.0], np.linspace(2.0, 3.0, 200), [5.0, 100.0]])
    matrix = matrix_with(values)
    run = run_on(matrix, block, 40)
    for largest in (False, True):
        _, residuals, _ = run.ritz_pairs(2, largest, vectors=False)
        assert np.max(residuals) <= 1e-10
    found = ritz_values(run)
    np.testing.assert_allclose(found[[0, 1, -2, -1]], values[[0, 1, -2, -1]], atol=1e-11)
    assert found[2] > 1.5  # and no copies of them
    assert found[-3] < 4.0
    basis = basis_of(run)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=100 * EPS)


def test_orthogonality_where_products_are_nearly_the_block_itself():
    """What is new in a product is a millionth of it, and is made orthogonal once that is taken."""
    run = run_on(matrix_with(1.0 + 1e-6 * np.linspace(0.0, 1.0, 100)), 3, 12)
    basis = basis_of(run)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=100 * EPS)


@pytest.mark.parametrize("rank", [1, 5, 8, 11])
def test_a_block_that_loses_rank_drops_columns(rank):
    # 1 plus a matrix of this rank: the Krylov space of 8 columns ends inside the second block
    values = np.concatenate([np.ones(60), np.linspace(2, 3, rank)])
    matrix = matrix_with(values)
    run = BlockLanczos(lambda V: matrix @ V, matrix.shape[0], 8, 0)
    while not run.exhausted:
        run.advance()
        assert run.passes < 40
    basis, full = basis_of(run), blocks_of(run)
    np.testing.assert_allclose(matrix @ basis, basis @ full, atol=1e-11)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    expected = np.linalg.eigvalsh(full)[[0, -1]]
    np.testing.assert_allclose(run.ritz_ends(), expected, atol=200 * EPS)
    quantile = overlap_quantile(1e-3, 8, matrix.shape[0])
    assert outer_bound(run, 1.0, -1.0, quantile, 2.0) >= 1.0 - 1e-9
    top = run.ritz_ends()[1]
    assert outer_bound(run, top, 1.0, quantile, 2.0) <= 3.0 + 1e-9


def test_the_basis_can_fill_the_space():
    matrix = matrix_with(np.linspace(1, 2, 30))
    run = BlockLanczos(lambda V: matrix @ V, 30, 7, 0)
    while not run.exhausted:
        run.advance()
    np.testing.assert_allclose(ritz_values(run), np.linspace(1, 2, 30), atol=100 * EPS)


@pytest.mark.parametrize("block", [1, 3])
def test_share_is_the_recurrence_of_its_derivation(block):
    # M(x) = Σ PⱼPⱼᵀ in 60 digits, from the same blocks; the share is 1/(least eigenvalue of M)
    run = run_on(matrix_with(np.linspace(1, 2, 40)), block, 6)
    least = run.ritz_ends()[0]
    points = least - np.array([1e-6, 1e-3, 0.1, 1.0, 30.0])
    with mpmath.workdps(60):
        expected = []
        for x in points:
            before, last = None, mpmath.eye(block)
            total = mpmath.eye(block)
            for j, (diagonal, coupling) in enumerate(
                zip(run.diagonals, run.couplings, strict=True)
            ):
                step = last * (mpmath.mpf(float(x)) * mpmath.eye(block) - mpmath.matrix(diagonal))
                if j:
                    step -= before * mpmath.matrix(run.couplings[j - 1]).T
                before, last = last, step * mpmath.matrix(coupling) ** -1
                total += last * last.T
            expected.append(float(1 / min(mpmath.eigsy(total, eigvals_only=True))))
    np.testing.assert_allclose(start_block_overlap(run, points), expected, rtol=1e-9)
    assert np.all(np.diff(start_block_overlap(run, points)) < 0)


def test_share_bounds_what_an_eigenvector_has_in_the_start_block():
    for seed in range(20):
        values = np.sort(np.random.default_rng(seed).uniform(0, 1, 50))
        basis = np.linalg.qr(np.random.default_rng([seed, 1]).standard_normal((50, 50)))[0]
        matrix = (basis * values) @ basis.T
        run = run_on((matrix + matrix.T) / 2, 4, 5, seed)
        start = basis_of(run)[:, :4]
        for index, end in ((0, values[0]), (-1, values[-1])):
            inside = np.sum((start.T @ basis[:, index]) ** 2)
            assert inside <= start_block_overlap(run, np.array([end]))[0] * (1 + 1e-6)


def test_the_overlap_quantile_is_that_of_random_blocks():
    n, block, chance = 40, 3, 0.2
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(4000):
        q = np.linalg.qr(generator.standard_normal((n, block)))[0]
        shares.append(np.sum(q[0] ** 2))
    below = np.mean(np.array(shares) < overlap_quantile(chance, block, n))
    assert abs(below - chance) < 5 * np.sqrt(chance * (1 - chance) / 4000)
    assert overlap_quantile(0.1, 5, 5) == 1.0


def test_rayleigh_bounds_hold_the_exact_quotient():
    generator = np.random.default_rng(0)
    for n in (3, 30):
        matrix = matrix_with(generator.standard_normal(n) * 10.0 ** generator.uniform(-8, 8, n))
        vector = generator.standard_normal(n)
        low, high = rayleigh_bounds(matrix, vector)
        with mpmath.workdps(60):
            v = mpmath.matrix(vector)
            quotient = (v.T * mpmath.matrix(matrix) * v)[0] / (v.T * v)[0]
            assert low <= quotient <= high
        assert high - low <= 100 * n * EPS * np.max(np.abs(matrix)) * n


def test_gamma():
    assert gamma(10) == pytest.approx(5 * EPS, rel=1e-14)


def test_an_operator_that_is_not_finite_is_refused():
    run = BlockLanczos(lambda V: np.full_like(V, np.nan), 10, 2, 0)
    with pytest.raises(ValueError, match="not finite"):
        run.advance()


@pytest.fixture
def projections(monkeypatch):
    """How often blocks were orthogonalised against a basis."""
    calls, orthogonalise = [], Basis.orthogonalise

    def counting(basis, block):
        calls.append(basis.columns)
        orthogonalise(basis, block)

    monkeypatch.setattr(Basis, "orthogonalise", counting)
    return calls


def test_once_is_enough_where_no_direction_is_small(projections):
    run = run_on(matrix_with(np.concatenate([np.linspace(1, 2, 299), [500.0]])), 4, 30)
    assert len(projections) <= 30 + 6  # λ_max goes by, in some passes
    basis = basis_of(run)
    assert np.linalg.norm(basis.T @ basis - np.eye(basis.shape[1]), 2) <= 1e-13


def test_small_directions_are_orthogonalised_twice(projections, monkeypatch):
    # eigenvectors but for 1e-9 beside random columns: their residuals are as small
    values = np.linspace(1.0, 2.0, 200)
    matrix, basis = matrix_and_vectors(values)
    extra = basis[:, :3] + 1e-9 * np.random.default_rng(1).standard_normal((200, 3))

    def lost():
        run = BlockLanczos(lambda V: matrix @ V, 200, 4, 0, extra)
        for _ in range(3):
            run.advance()
        found = basis_of(run)
        return np.linalg.norm(found.T @ found - np.eye(found.shape[1]), 2)

    assert lost() <= 1e-13
    assert len(projections) > 3
    monkeypatch.setattr(block_lanczos, "_UNSPOILED", 0.0)
    assert lost() > 1e-10
