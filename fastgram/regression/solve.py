"""solve(): A x = y, with bounds of the error.

For any x with the residual r = y − A x, ‖x − A⁻¹y‖ ≤ ‖r‖/λ_min, and exactly
yᵀA⁻¹y = xᵀy + xᵀr + rᵀA⁻¹r, whose last part lies between 0 and ‖r‖²/λ_min. So a lower end of λ_min
bounds everything from both sides, whatever found x.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastgram.bracket import Bracket, Brackets
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.extreme import DENSE_LIMIT, extreme_eigenvalues
from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.checkpoint_folder import CheckpointFolder, as_checkpoint, opened
from fastgram.linalg.systems.block_cg import BlockCg
from fastgram.regression.preconditioners.choice import Preconditioner, preconditioner_for
from fastgram.regression.right_hand_sides import as_right_hand_sides
from fastgram.regression.solution import Solution
from fastgram.support.arrays import Array, fingerprint
from fastgram.support.progress import progress_bar, stage
from fastgram.support.rounding import gamma
from fastgram.support.scaling import exponent_of, lower_end, upper_end
from fastgram.support.threads import one_blas_thread, within_threads
from fastgram.support.validation import as_flag, as_integer, as_number

__all__ = ["Solution", "solve"]

_EPS = float(np.finfo(np.float64).eps)
# Without max_passes, a run ends here at the latest.
MOST_PASSES = 1000
# Of λ_min's bracket where no ridge tells its lower end.
_LOOSE = 0.5
# A run whose true residual is above what was asked for starts again from there, so often.
_STARTS = 4
_SAME = 1e-6  # residuals of one X, relative to y: of the same matrix, which facts do not tell


@within_threads()
def solve(
    A: Any,
    y: npt.ArrayLike,
    *,
    rtol: float = 1e-6,
    preconditioner: Literal["auto", "nystrom"] | Any | None = "auto",
    max_passes: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    callback: Callable[[int, Array], object] | None = None,
    progress: bool = False,
) -> Solution:
    """Solve A x = y for a symmetric positive definite matrix, and bound the error.

    Parameters
    ----------
    A : GramOperator, (n, n) array_like, what `open_gram` returns, or scipy LinearOperator
        Symmetric and positive definite; a Gram matrix as a rule with a ridge,
        ``GramOperator(X, network, ridge=s)``.
    y : (n,) or (n, k) array_like
        Real; all columns are solved for in one block run.
    rtol : float
        Stop when every column's residual is at most rtol·‖y‖.
    preconditioner : {"auto", "nystrom"}, None, or operator
        "nystrom": features of the rows' cosines, or columns of A chosen by randomly pivoted
        Cholesky, whichever cost less, and as many as pay; where entries cannot be had, a product
        with a random block. None: plain conjugate gradients. An operator: anything that multiplies
        an (n, b) block by a symmetric positive definite matrix near A⁻¹. "auto": up to n = 2048 a
        Cholesky factorisation of A itself; else "nystrom", or a factorisation in float32 or
        float64 (of n²/2 numbers, where they fit in memory, `GramOperator`'s or else 4 GiB) where
        that seems to cost less, or passes have cost as much without an end.
    max_passes : int, optional
        Products with A of the run, at most; 1000 if not given. What has been reached comes back.
    seed : int
        Of the preconditioner's draw, and of λ_min's bracket where one is needed.
    checkpoint : path, optional
        A folder in which the run's state is stored after every pass (3·n·k·8 bytes), and from which
        the same call, or one of another rtol, goes on after it was killed, to the same numbers.
    callback : callable, optional
        Called after every pass with the number of passes and the residual norms, (k,); where it
        returns True the run ends with what it has.
    progress : bool
        Show a progress bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Returns
    -------
    Solution

    Raises
    ------
    ValueError, TypeError
        If A is not square, symmetric, real or finite, or singular, or too close to singular for
        float64 to tell (the message says which ridge would help), or an argument is out of range.

    Notes
    -----
    The bounds are of the ideal matrix of a GramOperator, of an array as it is stored. They are
    certified where λ_min is known: by a ridge, or up to n = 2048 by a proof; elsewhere
    `extreme_eigenvalues` brackets it first, which may take more passes than the run.

    Examples
    --------
    >>> import numpy as np, fastgram as fg
    >>> X = fg.datasets.circle(101)
    >>> op = fg.GramOperator(X, "relu", ridge=0.1)
    >>> answer = fg.solve(op, X[:, 0], rtol=1e-10)
    >>> bool(np.linalg.norm(op @ answer.x - X[:, 0]) < 1e-9)
    True
    >>> answer.guarantee
    'certified'
    """
    start = time.perf_counter()
    rtol = as_number("rtol", rtol, above=0.0)
    if max_passes is not None:
        max_passes = as_integer("max_passes", max_passes, 1)
    seed, progress = as_integer("seed", seed, 0), as_flag("progress", progress)
    checkpoint = as_checkpoint(checkpoint)
    problem = as_problem(A)
    right = as_right_hand_sides(y, problem.n)
    block = right.reshape(problem.n, -1)
    columns = block.shape[1]
    chosen = preconditioner_for(preconditioner, problem, columns, seed, DENSE_LIMIT)
    most = max_passes or MOST_PASSES
    with opened(checkpoint) as folder:
        if folder is not None:  # what is of another run is refused before any product
            folder.begin(_facts(problem, block, seed, chosen.name))
        smallest, norm, before = _smallest(A, problem, seed, progress)
        with stage(progress, "preconditioner"):
            made = chosen.make(lower_end(smallest.lower, -problem.exponent))
        run = _Run(problem, block, rtol, made, callback, folder)
        with one_blas_thread(), progress_bar(progress, most, "passes", "pass") as tick:
            run.iterate(most, tick)
    found = _bounds(problem, run, smallest, norm)
    passes = before + run.made_by + run.passes
    words = ", then ".join(run.preconditioners)
    parts = [f"{run.passes} passes of block conjugate gradients, preconditioned by {words}"]
    if not found.converged:
        parts.append(run.why_not())
    return Solution(
        x=run.solution().reshape(right.shape),
        residual_norms=found.residuals,
        error_bounds=found.errors,
        energy=found.energy if right.ndim == 2 else found.energy[0],
        smallest=smallest,
        guarantee="certified" if smallest.guarantee == "exact" else smallest.guarantee,
        converged=found.converged,
        passes=passes,
        seconds=time.perf_counter() - start,
        preconditioner=words,
        message="; ".join(parts),
    )


def _facts(problem: Problem, block: Array, seed: int, preconditioner: str) -> dict[str, Any]:
    """Return what tells a run from others, for JSON."""
    told = {"n": problem.n, "seed": seed, "preconditioner": preconditioner}
    return {**told, "y": fingerprint(block), "matrix": problem.facts()}


def _smallest(A: Any, problem: Problem, seed: int, progress: bool) -> tuple[Bracket, float, int]:
    """Return a bracket of λ_min, its lower end above 0, a bound of λ_max, and the products taken.

    Where λ_min is known beforehand there is no bound: entries tell what products round.

    Raises
    ------
    ValueError
        If there is none, or none that float64 can tell from 0.
    """
    if problem.least > 0.0:
        least = lower_end(problem.least, problem.exponent)
        return Bracket(least, float("inf"), least, "certified"), float("inf"), 0
    if problem.rank_bound < problem.n:
        raise ValueError(
            f"the matrix is singular, {problem.least_reason}: add a ridge, op.with_ridge(s)"
        )
    answer = extreme_eigenvalues(A, rtol=_LOOSE, seed=seed, progress=progress)
    if not answer.smallest.lower > 0.0:
        floor = max(answer.noise_floor, -answer.smallest.lower)
        raise ValueError(
            f"the matrix is singular, or not told from that: λ_min is {answer.smallest}; a ridge of"
            f" {1e3 * floor:.1g} or more on the diagonal would do (op.with_ridge)"
        )
    return answer.smallest, answer.largest.upper, answer.passes


class _Run:
    """Conjugate gradients from 0, started again where the true residual is not what was thought.

    Columns are those of y over powers of two of their own, so that squares neither over- nor
    underflow, and the matrix is the problem's: X and the residual are of these.
    """

    def __init__(
        self,
        problem: Problem,
        block: Array,
        rtol: float,
        made: Preconditioner,
        callback: Callable[[int, Array], object] | None,
        folder: CheckpointFolder | None,
    ) -> None:
        self._folder = folder
        self._problem, self._made, self._callback = problem, made, callback
        self.preconditioners, self.made_by = [made.words], made.passes
        self._rtol = rtol
        self.exponents = np.array([exponent_of(size) for size in np.max(np.abs(block), axis=0)])
        self.Y, self.passes = np.ldexp(block, -self.exponents), 0
        self.sizes = np.linalg.norm(self.Y, axis=0)
        self.X = np.zeros_like(self.Y)
        self.residual = self.Y.copy()
        self._asked = self._indefinite = False

    def iterate(self, most: int, tick: Callable[[int], None] | None) -> None:
        """Go on until every true residual is small enough, or nothing gets smaller."""
        for start in range(_STARTS):
            before = self._worst(np.linalg.norm(self.residual, axis=0))
            if before <= self._rtol or self.passes >= most:
                return
            if self._is_dear:
                self._make_another()
            cg = self._begun(start)
            # a little further than asked: the true residual is off by roundings
            while self._worst(cg.residual_norms) > 0.9 * self._rtol and not cg.exhausted:
                if self.passes >= most - 1 or self._asked or self._is_dear:
                    break
                if not cg.advance():
                    self._indefinite = True
                    break
                self._count(tick)
                self._keep(start, cg)
                norms = np.ldexp(cg.residual_norms, self.exponents)
                if self._callback is not None and self._callback(self.passes, norms) is True:
                    self._asked = True
            self.X = np.ldexp(self.solution(), self._problem.exponent - self.exponents)
            self.residual = self._true_residual()
            self._count(tick)
            after = self._worst(np.linalg.norm(self.residual, axis=0))
            stuck = self._indefinite or after > 0.5 * before
            if self._asked or (stuck and not self._is_dear):
                return

    @property
    def _is_dear(self) -> bool:
        """Whether passes with this preconditioner have cost more than another one would have."""
        return self._made.worth is not None and self.passes >= self._made.worth

    def _make_another(self) -> None:
        other = self._made.instead()
        if other is None:
            self._made = replace(self._made, worth=None)
        else:
            self._made = other
            self.preconditioners.append(other.words)
            self.made_by += other.passes

    def solution(self) -> Array:
        """Return X in the units that were given, rounded where float64 has no smaller numbers.

        Raises
        ------
        ValueError
            If float64 has none as large.
        """
        with np.errstate(over="ignore"):
            found: Array = np.ldexp(self.X, self.exponents - self._problem.exponent)
        if not np.all(np.isfinite(found)):
            raise ValueError("x overflows float64: scale y, or the matrix")
        return found

    def _true_residual(self) -> Array:
        residual: Array = self.Y - self._problem.multiply(self.X)
        return residual

    def _begun(self, start: int) -> BlockCg:
        """Return the conjugate gradients of a start, as far as the checkpoint has it."""
        begin = self._problem.multiply, self._made.apply
        stored = None if self._folder is None else self._folder.finding("state", (float(start),))
        if stored is None:
            return BlockCg(*begin, self.X, self.residual.copy())
        assert self._folder is not None
        self.X, self.passes = stored["X"], int(stored["passes"])
        self._problem.recall(stored["learned"])
        off = np.linalg.norm(self._true_residual() - stored["residual"], axis=0)
        if not self._problem.told_by_facts and self._worst(off) > _SAME:
            raise ValueError(
                f"checkpoint {self._folder.path} is of a run on another matrix: give another folder"
            )
        return BlockCg(*begin, self.X, stored["residual"], stored["directions"])

    def _keep(self, start: int, cg: BlockCg) -> None:
        if self._folder is None:
            return
        state = {"X": cg.X, "residual": cg.residual, "directions": cg.directions}
        facts = {"passes": np.array(self.passes), "learned": self._problem.learned()}
        self._folder.keep("state", (float(start),), {**state, **facts})

    def _count(self, tick: Callable[[int], None] | None) -> None:
        self.passes += 1
        if tick is not None:
            tick(1)

    def _worst(self, norms: Array) -> float:
        parts = np.divide(norms, self.sizes, out=np.zeros_like(norms), where=self.sizes > 0.0)
        return float(np.max(parts))

    def why_not(self) -> str:
        """Return why a run that has not converged has ended."""
        if self._asked:
            return "stopped by the callback"
        if self._indefinite:
            return "the matrix, or the preconditioner, is not positive definite to rounding"
        floor = self._problem.noise_floor(1.0)
        return (
            "max_passes was reached, or the residual is at what products round"
            f" ({upper_end(floor, self._problem.exponent):.2g} of a unit vector)"
        )


@dataclass(frozen=True)
class _Bounds:
    residuals: Array
    errors: Array
    energy: Brackets
    converged: bool


def _bounds(problem: Problem, run: _Run, smallest: Bracket, norm: float) -> _Bounds:
    """Return bounds of the residuals, errors and energies, in the units that were given."""
    n, exponent = problem.n, problem.exponent
    least = lower_end(smallest.lower, -exponent)
    floor = problem.noise_floor(upper_end(norm, -exponent))
    lengths, sizes, computed = (
        np.linalg.norm(part, axis=0) * (1.0 + gamma(n)) for part in (run.X, run.Y, run.residual)
    )
    off = floor * lengths + _EPS * (sizes + computed)
    residuals = computed + off
    errors = residuals / least * (1.0 + 4.0 * _EPS)
    # of inner products of n terms, each rounded
    size = np.sum(np.abs(run.X) * (np.abs(run.Y) + np.abs(run.residual)), axis=0)
    middle = np.einsum("ij,ij->j", run.X, run.Y) + np.einsum("ij,ij->j", run.X, run.residual)
    rounding = gamma(n + 8) * size * (1.0 + 4.0 * _EPS) + lengths * off
    low = np.maximum(middle - rounding, 0.0)
    high = middle + rounding + residuals**2 / least * (1.0 + 8.0 * _EPS)
    scale = np.divide(computed, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
    of_x, of_energy = run.exponents - exponent, 2 * run.exponents - exponent
    low, high = _each(lower_end, low, of_energy), _each(upper_end, high, of_energy)
    guarantee: Any = "certified" if smallest.guarantee == "exact" else smallest.guarantee
    return _Bounds(
        _each(upper_end, residuals, run.exponents),
        _each(upper_end, errors, of_x),
        Brackets(low, high, np.clip(_each(lower_end, middle, of_energy), low, high), guarantee),
        bool(np.all(scale <= run._rtol)),
    )


def _each(end: Callable[[float, int], float], values: Array, exponents: Any) -> Array:
    """Return values of columns, each times its power of two, rounded outward."""
    return np.array([end(float(value), int(k)) for value, k in zip(values, exponents, strict=True)])
