"""Brackets of matrices that are known only to within a large error: they hold all it may be."""

import math
from dataclasses import replace
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from helpers.matrices import matrix_and_vectors
from helpers.plain_request import plain_request
from helpers.stated_problem import stated
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import fastgram as fg
from fastgram.devices.cpu import Cpu
from fastgram.eigenvalues import extreme
from fastgram.eigenvalues import smallest_nonzero as _nonzero
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods.inverse import run_inverse
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.smallest_nonzero import smallest_nonzero
from fastgram.linalg import block_lanczos
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.lanczos_bound import inner_end, overlap_quantile
from fastgram.linalg.packed_cholesky import LowerTriangle
from fastgram.linalg.start_block import random_columns
from fastgram.matrix.operator import matrix_of
from fastgram.support.rounding import gamma

EPS = float(np.finfo(np.float64).eps)


def holds(bracket, low, high, width=math.inf):
    assert bracket.lower <= low <= high <= bracket.upper
    assert bracket.width <= width


VALUES = np.concatenate([[1.0], np.linspace(2, 3, 58), [5.0]])
ERROR = 1e-3


@pytest.fixture
def as_stated(monkeypatch):
    """A function that changes what is stated of the matrices that are given from now on."""

    def use(**changes):
        monkeypatch.setattr(extreme, "as_problem", lambda A: stated(as_problem(A), **changes))

    return use


class TestSumsOfGramOperators:
    """SciPy's sums: what their parts' entries and products are off by is counted."""

    ROWS = fg.datasets.sphere(60, 4, seed=0)

    @pytest.mark.parametrize("factor", [1.0, -1.0, 3.0, 1e-3])
    def test_scaled_and_of_float32(self, factor):
        right = fg.extreme_eigenvalues(fg.GramOperator(self.ROWS, "relu"))
        op = factor * fg.GramOperator(self.ROWS, "relu", dtype="float32")
        answer = fg.extreme_eigenvalues(op, method="lanczos", rtol=1e-9)
        ends = (right.smallest, right.largest) if factor > 0 else (right.largest, right.smallest)
        for found, known in zip((answer.smallest, answer.largest), ends, strict=True):
            low, high = sorted((factor * known.lower, factor * known.upper))
            holds(found, low, high)
            assert found.width < 1e-3 * abs(factor)

    def test_a_scaled_one_has_the_floor_of_the_scaled_matrix(self):
        op = fg.GramOperator(self.ROWS, "relu", dtype="float32")
        for factor in (1.0, 1024.0):
            found = as_problem(factor * op)
            found.multiply(np.ones((60, 1)))
            floor = found.noise_floor(0.0) * 2.0**found.exponent
            assert floor == pytest.approx(factor * op.noise_floor, rel=1e-12)

    @pytest.mark.parametrize("size", [1e5, 4e5])
    def test_a_difference_that_leaves_little(self, size):
        """Of large entries the identity is left, to what the parts' products round.

        By so much they are not symmetric either.
        """
        op = fg.GramOperator(size * self.ROWS, "relu")
        less = aslinearoperator(op.dense() - np.eye(60))
        answer = fg.extreme_eigenvalues(op - less, method="lanczos")
        holds(answer.smallest, 1.0, 1.0)
        holds(answer.largest, 1.0, 1.0)

    def test_what_is_no_sum_of_gram_operators_is_taken_as_before(self):
        between = fg.GramOperator(self.ROWS, "relu", Y=self.ROWS + 0.0)
        op = fg.GramOperator(self.ROWS, "relu")
        for other in (between + between.T, op @ op, op**2):
            assert as_problem(other).entry_error == 0.0


class TestErrorsOfEntries:
    """Entries off by 1e-3 in norm, and stated to be: A ± 1e-3·I are two of what it may be."""

    @pytest.mark.parametrize("method", ["dense", "lanczos", "certified", "arpack"])
    def test_every_method(self, method, as_stated):
        as_stated(entry_error=ERROR)
        matrix, _ = matrix_and_vectors(VALUES)
        answer = fg.extreme_eigenvalues(matrix, method=method, rtol=1e-2)
        holds(answer.smallest, 1.0 - 0.999 * ERROR, 1.0 + 0.999 * ERROR, 0.02)
        holds(answer.largest, 5.0 - 0.999 * ERROR, 5.0 + 0.999 * ERROR, 0.06)
        assert answer.noise_floor >= ERROR

    def test_a_factorisation_between_the_eigenvalue_and_the_least_it_may_be(self, as_stated):
        # at 1.0005·(1 − 0.4·rtol), where passes have left [0.9995, 1.0005]
        as_stated(entry_error=ERROR / 2)
        matrix, _ = matrix_and_vectors(VALUES)
        answer = fg.extreme_eigenvalues(matrix, method="certified", rtol=1.6e-3)
        assert answer.smallest.guarantee == answer.largest.guarantee == "certified"
        holds(answer.smallest, 1.0 - 0.499 * ERROR, 1.0 + 0.499 * ERROR)
        answer = fg.extreme_eigenvalues(-matrix, method="certified", rtol=1.6e-3)
        holds(answer.largest, -1.0 - 0.499 * ERROR, -1.0 + 0.499 * ERROR)

    def test_arpack_without_a_proof(self, as_stated, monkeypatch):
        as_stated(entry_error=ERROR)
        monkeypatch.setattr(extreme, "DENSE_LIMIT", 10)
        matrix, _ = matrix_and_vectors(VALUES)
        answer = fg.extreme_eigenvalues(matrix, method="arpack")
        assert 1.0 + 0.999 * ERROR <= answer.smallest.upper <= 1.01
        assert 5.0 - 0.999 * ERROR >= answer.largest.lower >= 4.99

    @pytest.mark.parametrize("chance", [5e-4, 1e-300])
    def test_inverse(self, chance):
        # at the least chance the factorisation alone is what proves the lower end
        matrix, _ = matrix_and_vectors(VALUES)
        problem = stated(as_problem(matrix), entry_error=ERROR)
        found = run_inverse(problem, plain_request(chance=chance, rtol=1e-4), 1.0 - 1e-9)
        assert found is not None
        holds(found.smallest, 1.0 - 0.999 * ERROR, 1.0 + 0.999 * ERROR, 0.01)
        assert found.floor >= ERROR
        # a shift further off proves less than the run finds
        found = run_inverse(problem, plain_request(rtol=1e-4), 1.0 - 1e-4)
        assert found.smallest.guarantee == "probabilistic"

    @pytest.mark.parametrize("scale", [1.0, 2.0**200])
    @pytest.mark.parametrize("method", ["dense", "lanczos", "certified"])
    def test_operators(self, method, scale):
        X = fg.datasets.sphere(60, 6, 0) * math.sqrt(scale)
        op = fg.GramOperator(X, "relu", kind="nngp")
        values = np.linalg.eigvalsh(op.dense() / scale)
        entries = matrix_of(op).entries
        entries.error = ERROR / (float(np.sum(entries.row_scales**2)) / scale) / 1.0
        error = 0.999 * entries.norm_error / scale
        assert error == pytest.approx(0.999 * ERROR)
        answer = fg.extreme_eigenvalues(op, method=method, rtol=0.3)
        for found, value in ((answer.smallest, values[0]), (answer.largest, values[-1])):
            ends = replace(found, lower=found.lower / scale, upper=found.upper / scale)
            holds(ends, max(value - error, 0.0), value + error)
        assert answer.noise_floor >= error * scale

    def test_the_smallest_nonzero_eigenvalue(self):
        # rank 10 of 40
        matrix, _ = matrix_and_vectors(np.concatenate([np.zeros(30), np.linspace(1, 2, 10)]))
        facts = {"least": 0.0, "least_count": 30, "entry_error": ERROR}
        found, _ = smallest_nonzero(stated(as_problem(matrix), **facts), 100)
        holds(found, 1.0 - 0.999 * ERROR, 1.0 + 0.999 * ERROR, 0.01)
        # and by a factor of 10 columns, from JᵀJ
        square = matrix_and_vectors(np.linspace(1, 2, 10))[0]
        factor = {"has_entries": False, "factor_columns": 10, "factor_square": lambda: square}
        found, _ = smallest_nonzero(stated(as_problem(matrix), **facts, **factor), 20)
        holds(found, 1.0 - 0.999 * ERROR, 1.0 + 0.999 * ERROR, 0.01)

    def test_arrays_symmetric_to_their_own_precision(self):
        # whichever triangle of a float32 array is the right one
        matrix = np.ones((50, 50), dtype=np.float32) + np.eye(50, dtype=np.float32)
        matrix[np.tril_indices(50, -1)] += np.float32(4 * np.finfo(np.float32).eps)
        tops = []
        for turned in (matrix, matrix.T):
            lower = np.tril(turned).astype(float)
            values = np.linalg.eigvalsh(lower + np.tril(lower, -1).T)
            tops.append(values[-1])
        assert tops[0] > tops[1] + 1e-5
        for method in ("dense", "lanczos"):
            answer = fg.extreme_eigenvalues(matrix, method=method)
            holds(answer.largest, min(tops), max(tops))


def with_noise(multiply, direction, sizes, most):
    """Return products that see an eigenvalue elsewhere, and check what each is off by."""

    def product(V):
        seen = direction @ V
        assert np.all(np.abs(sizes * seen) <= most)
        return multiply(V) + sizes * np.outer(direction, seen)

    return product


def overlap(problem, direction, asked):
    """Return the largest |uᵀq| of the unit vectors q that a run multiplies."""
    seen = [0.0]

    def product(V):
        seen.append(float(np.max(np.abs(direction @ V) / np.linalg.norm(V, axis=0))))
        return problem.multiply(V)

    run_lanczos(stated(problem, multiply=product), asked)
    return max(seen)


class TestErrorsOfProducts:
    """Products that are off by what is stated of each, all in the same direction."""

    @pytest.mark.slow
    @pytest.mark.parametrize("end", [0, -1])
    def test_of_arrays(self, end):
        # the products of an array of order n: n additions of a row each
        n = 300
        # no entry is much larger than others
        values = np.concatenate([[-1.0], np.linspace(-0.85, 0.85, n - 2), [1.0]])
        matrix, basis = matrix_and_vectors(values)
        assert np.max(np.abs(matrix)) < 0.05 * np.max(np.sum(np.abs(matrix), axis=1))
        problem, asked = as_problem(matrix), plain_request(rtol=1e-12, block=2, max_passes=40)
        u = basis[:, end]
        most = gamma(n) * float(np.max(np.sum(np.abs(matrix), axis=1)))
        size = 0.97 * most / overlap(problem, u, asked)
        assert size > 1.9 * most
        # the Ritz value is beyond the true end
        noisy = with_noise(problem.multiply, u, -size if end == 0 else size, most)
        answer = run_lanczos(stated(problem, multiply=noisy), asked)
        found = answer.smallest if end == 0 else answer.largest
        holds(found, values[end], values[end], 1e-6)
        assert answer.noise_floor > size

    def test_of_other_operators(self):
        # as accurate as a plain sum of n terms
        n = 3000
        values = np.concatenate([[1.0], np.linspace(1.15, 3, n - 2), [3.5]])
        asked = plain_request(rtol=1e-12, block=2, max_passes=40)
        u = np.eye(1, n)[0]

        def operator(multiply):
            return LinearOperator((n, n), matvec=multiply, matmat=multiply, dtype=np.float64)

        exact = operator(lambda V: values.reshape((n,) + (1,) * (V.ndim - 1)) * V)
        most = n * EPS * 3.5
        size = 0.97 * most / overlap(as_problem(exact), u, asked)
        assert size > 1.9 * most
        noisy = operator(with_noise(exact.matmat, u, -size, most))
        answer = fg.extreme_eigenvalues(noisy, rtol=1e-12, method="lanczos", block=2, max_passes=40)
        holds(answer.smallest, 1.0, 1.0, 1e-6)

    def test_of_gram_operators(self):
        # a spectrum that is found late, so that no vector is seen by one column alone
        X = np.random.default_rng(0).standard_normal((300, 2))
        op = fg.GramOperator(X / np.linalg.norm(X, axis=1, keepdims=True), "relu")
        matrix = op.dense()
        values, basis = np.linalg.eigh(matrix)
        problem, asked = as_problem(op), plain_request(rtol=1e-12, block=1, max_passes=20)
        u = basis[:, -1]
        run_lanczos(problem, asked)
        most = gamma(matrix_of(op).summands) * float(np.max(np.sum(np.abs(matrix), axis=1)))
        size = 0.97 * most / overlap(problem, u, asked)
        problem = stated(problem, entry_error=0.0)
        noisy = with_noise(problem.multiply, u, size, most)
        answer = run_lanczos(stated(problem, multiply=noisy), asked)
        holds(answer.largest, values[-1], values[-1], 1e-6 * values[-1])

    def test_of_the_inverse_runs_last_product(self):
        n = 200
        matrix, basis = matrix_and_vectors(np.concatenate([[1.0], np.linspace(2, 3, n - 1)]))
        problem = stated(as_problem(matrix), summands=lambda: 10**7)
        most = gamma(10**7) * problem.absolute_row_sum()
        noisy = with_noise(problem.multiply, basis[:, 0], -0.99 * most, most)
        found = run_inverse(stated(problem, multiply=noisy), plain_request(rtol=1e-4), 1 - 1e-10)
        assert found is not None
        holds(found.smallest, 1.0, 1.0, 100 * most)


class TestTheRecurrence:
    """What the recurrence of a run misses moves its Ritz values, and is measured."""

    @pytest.fixture
    def wrong_factors(self, monkeypatch):
        """A function: QR factorisations of a run's first passes, or all, are off by 1e-5."""
        qr = Cpu.qr

        def use(passes):
            calls = iter(range(10**6))

            def wrong(device, block):
                result, triangle = qr(device, block)
                return result, triangle * (1.0 + 1e-5 * (next(calls) < 2 * passes))

            monkeypatch.setattr(Cpu, "qr", wrong)

        return use

    @pytest.mark.parametrize(("passes", "unspoiled"), [(3, 0.0), (1000, 0.0), (1000, math.inf)])
    def test_defects_of_all_passes(self, wrong_factors, passes, unspoiled, monkeypatch):
        """Of blocks made orthogonal once, and of those that are again."""
        monkeypatch.setattr(block_lanczos, "_UNSPOILED", unspoiled)
        matrix, _ = matrix_and_vectors(VALUES)
        wrong_factors(passes)
        answer = fg.extreme_eigenvalues(matrix, method="lanczos", rtol=1e-9, block=4)
        holds(answer.smallest, 1.0, 1.0, 1e-2)
        holds(answer.largest, 5.0, 5.0, 1e-2)
        assert answer.largest.estimate > 5.0 + 1e-9  # the Ritz value is wrong

    def test_defects_outlive_the_process(self, wrong_factors, tmp_path):
        matrix, _ = matrix_and_vectors(VALUES)
        wrong_factors(3)
        asked = {"method": "lanczos", "rtol": 1e-9, "block": 4, "checkpoint": tmp_path}
        fg.extreme_eigenvalues(matrix, **asked, max_passes=4)
        wrong_factors(0)
        answer = fg.extreme_eigenvalues(matrix, **asked)
        holds(answer.largest, 5.0, 5.0, 1e-2)
        assert answer.largest.estimate > 5.0 + 1e-9

    @pytest.mark.parametrize("seed", range(4))
    def test_defects_outlive_a_restart(self, monkeypatch, seed):
        # λ_min's vector has the least overlap that is answered for; couplings of the first stage
        # are a fifth of what they should be, so that more of it seems to be in the later blocks
        n, block, chance = 80, 2, 0.05
        start, _ = random_columns(n, block, seed)
        others = np.linalg.qr(np.hstack([start, np.random.default_rng(seed).normal(size=(n, n))]))
        quantile = overlap_quantile(chance, block, n)
        wanted = math.sqrt(quantile) * start[:, 0] + math.sqrt(1 - quantile) * others[0][:, 5]
        basis = np.linalg.qr(
            np.column_stack([wanted, np.random.default_rng(9).normal(size=(n, n))])
        )
        values = np.concatenate([[1.0], np.linspace(1.5, 3, n - 1)])
        matrix = (basis[0][:, :n] * values) @ basis[0][:, :n].T
        qr = Cpu.qr
        calls = iter(range(10**6))

        def wrong(device, columns):
            result, triangle = qr(device, columns)
            call = next(calls)
            return result, triangle * (0.2 if call < 4 else 1.0)

        monkeypatch.setattr(Cpu, "qr", wrong)
        asked = plain_request(
            chance=chance, block=block, seed=seed, basis_bytes=8 * n * 12, max_passes=8
        )
        answer = run_lanczos(as_problem((matrix + matrix.T) / 2), asked)
        assert answer.smallest.lower <= 1.0 + 1e-12

    def test_measuring_rounds(self):
        # T differs from what was measured by as much as measuring may have rounded
        n, block, passes = 200, 40, 4
        values = np.concatenate([np.linspace(-3, 3, n - 1), [3.2]])
        run = BlockLanczos(lambda V: values[:, None] * V, n, block, 0)
        for _ in range(passes):
            run.advance()
        _, small, _ = run.extreme_pair(True)
        top = run.ritz_ends()[1]
        parts = small.reshape(passes, block)
        most = gamma(block + 3) * 6 * block * run.norm
        for j in range(passes - 1):
            wrong = np.triu(np.outer(parts[j + 1], parts[j]))
            run.couplings[j] = run.couplings[j] + 0.9 * most * wrong / np.linalg.norm(wrong)
        value, error = inner_end(run, True, run.defect)
        assert value - error <= top <= value - 0.2 * error


def fake_run(Q, T, B, vector, small, value, **changes):
    """Return what `inner_end` asks of a run: AQ = QT + Q'B, Q' the residual block."""
    plain = {
        "extreme_pair": lambda largest: (value, small, vector),
        "times_tridiagonal": lambda y: T @ y,
        "leaving": lambda y: B @ y,
        "residual_part": lambda v: np.zeros(len(B)),
        "width_of_band": 3,
        "norm": float(np.linalg.norm(T, 2)),
    }
    return SimpleNamespace(**{**plain, **changes})


class TestInnerEnds:
    """An end holds whatever LAPACK and the basis are, on A = I or what is said."""

    def test_ritz_values_may_be_wrong(self):
        # a basis of two columns that are one and the same: ‖Q‖ = √2
        q = np.array([1.0, 0.0])
        y = np.array([1.0, 1.0]) / math.sqrt(2.0)
        run = fake_run(None, np.eye(2), np.zeros((1, 2)), math.sqrt(2.0) * q, y, 1.0 - 1e-3)
        value, error = inner_end(run, False, 0.0)
        assert 1.0 <= value + error <= 1.0 + 1e-5

    def test_the_basis_may_not_be_orthonormal(self):
        # A q = q·(1 − β) + q'·β with q' = q
        q, one, beta = np.array([1.0, 0.0]), np.ones(1), 1e-3
        T, B = np.array([[1.0 - beta]]), np.array([[beta]])
        run = fake_run(None, T, B, q, one, 1.0 - beta, residual_part=lambda v: np.ones(1))
        value, error = inner_end(run, False, 0.0)
        assert 1.0 <= value + error <= 1.0 + 1e-5

    @pytest.mark.parametrize("size", [1.0, 3.0])
    def test_what_is_missed_is_relative_to_the_length(self, size):
        # two columns with |q + q'| = 1.2·√½·√2: T = I − (f/|v|)·yyᵀ
        f = 1e-3
        y = np.array([1.0, 1.0]) / math.sqrt(2.0)
        vector = 0.7 * np.array([1.0, 0.0])
        T = np.eye(2) - f / 0.7 * np.outer(y, y)
        run = fake_run(None, T, np.zeros((1, 2)), size * vector, size * y, 1.0 - f / 0.7)
        value, error = inner_end(run, False, f)
        assert 1.0 <= value + error <= 1.0 + 1e-5

    @pytest.mark.parametrize(("n", "columns"), [(2000, 1), (4, 100)])
    def test_products_with_the_residual_block_round(self, n, columns):
        # they are nothing, as computed, but the 16 columns lean by ε each: uᵀAu = 16·ε·¼
        y = np.eye(columns)[0]
        epsilon = 0.9 * gamma(n) if columns == 1 else 0.9 * gamma(columns + 8) * 10.0
        B = np.zeros((16, columns))
        B[:, 0] = 0.25
        run = fake_run(None, np.zeros((columns, columns)), B, np.eye(n)[0], y, 0.0, norm=1.0)
        value, error = inner_end(run, False, 0.0)
        with mpmath.workdps(60):
            lean = 4 * mpmath.mpf(epsilon)
            far = mpmath.matrix([[lean, 1], [1, mpmath.mpf(10) ** 30]])
            assert min(mpmath.eigsy(far, eigvals_only=True)) <= value + error
        assert value + error <= 3 * 4 * epsilon

    def test_products_with_t_round(self):
        # T's corner is ε, its products come out as nothing: 48 nonzero entries a row, of size 1
        epsilon = 0.9 * gamma(52)
        run = fake_run(
            None, np.zeros((1, 1)), np.zeros((1, 1)), np.eye(2)[0], np.ones(1), 0.0,
            norm=1.0, width_of_band=48,
        )  # fmt: skip
        value, error = inner_end(run, False, 0.0)
        assert epsilon <= value + error <= 2 * epsilon


class Upwards(np.ndarray):
    """An array whose products with its own transpose round upwards along a direction."""

    along = None

    def __matmul__(self, other):
        left, right = np.asarray(self), np.asarray(other)
        size = gamma(left.shape[1]) * (np.abs(left) @ np.abs(right))
        return left @ right + size * np.outer(self.along, self.along)


class TestTheSmallestNonzero:
    def test_yyt_rounds(self, monkeypatch):
        # with a factorisation that is as wrong as its proof admits, and a LAPACK as wrong
        n, r = 60, 10
        matrix, _ = matrix_and_vectors(np.concatenate([np.zeros(n - r), np.linspace(1, 2, r)]))
        values, vectors = np.linalg.eigh(matrix)

        def lenient(self):
            B = np.zeros((n, n))
            B[:, :] = self.panels[0]
            admitted = gamma(n + 2) * float(np.sum(np.diagonal(B)))
            return bool(np.linalg.eigvalsh(B)[0] >= -0.98 * admitted)

        monkeypatch.setattr(LowerTriangle, "factorise", lenient)
        raised = 2.0 * (n - r)  # ‖Y‖²
        wanted = vectors[:, n - r]
        Upwards.along = np.sign(wanted)
        moved = np.sum((math.sqrt(2.0) * np.abs(vectors[:, : n - r]).T @ np.abs(wanted)) ** 2)
        off = 0.95 * gamma(n - r) * float(moved)
        off += 0.9 * gamma(n + 2) * (raised + float(np.sum(values[n - r :])) - n)

        def eigh(A):
            found = values.copy()
            found[n - r] += off
            return found, vectors.view(Upwards)

        monkeypatch.setattr(_nonzero.np.linalg, "eigh", eigh)
        facts = {"least": 0.0, "least_count": n - r, "entry_error": 0.0}
        found, _ = smallest_nonzero(stated(as_problem(matrix), **facts), 100)
        lower, upper = found.lower, found.upper
        assert lower <= 1.0 <= upper
        assert upper - lower <= 20 * off

    def test_a_factors_sums_are_over_all_rows(self):
        # JᵀJ of 5000 rows and three columns is off by as many roundings of its trace
        n = 5000
        truth = np.diag([1.0, 2.0, 3.0])
        error = 0.95 * gamma(n + 16) * 6.0
        for sign in (1.0, -1.0):
            square = truth + sign * error * np.eye(3)
            problem = SimpleNamespace(
                n=n,
                rank_bound=3,
                numerical_rank=lambda: None,
                has_entries=False,
                entry_error=0.0,
                factor_columns=3,
                factor_square=lambda square=square: square,
            )
            found, _ = smallest_nonzero(problem, 10)
            holds(found, 1.0, 1.0, 10 * error)
