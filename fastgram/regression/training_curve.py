"""training_curve(): the loss of gradient descent in the linear regime, bounded on both sides.

After t steps of size η on ½‖u − y‖² from u = 0, in the linear regime of a network whose tangent
kernel is A, the loss is ½‖(I − ηA)ᵗy‖² = ½∫(1 − ηλ)²ᵗdμ(λ), μ the measure of y. All even
derivatives of (1 − ηλ)²ᵗ are nonnegative and, up to λ = 1/η, all odd ones nonpositive: the rules
of `fastgram.linalg.systems.scalar_lanczos` bound it, without a random start. So they do exp(−2ηtλ),
of gradient flow.

Products and recurrence are off by e in all: the rules are those of some A + E with ‖E‖ ≤ e exactly,
and ‖(I − ηA)ᵗ − (I − ηA − ηE)ᵗ‖ ≤ tηe·gᵗ, g the largest |1 − ηλ| of either, or 1.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.bracket import Bracket, Guarantee
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.brackets import bracket_scaled
from fastgram.eigenvalues.extreme import DENSE_LIMIT, default_block, extreme_eigenvalues
from fastgram.eigenvalues.methods.lanczos import brackets_now
from fastgram.eigenvalues.problem import Problem
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint import Checkpoint
from fastgram.linalg.checkpoint_folder import CheckpointFolder, as_checkpoint, opened
from fastgram.linalg.lanczos_bound import overlap_quantile
from fastgram.linalg.systems.scalar_lanczos import ScalarLanczos
from fastgram.regression.curve import Descent, TrainingCurve, as_steps
from fastgram.regression.right_hand_sides import as_right_hand_sides
from fastgram.regression.stored_passes import StoredPasses, training_facts
from fastgram.support.arrays import Array
from fastgram.support.progress import progress_bar, stage
from fastgram.support.scaling import exponent_of, lower_end, scaled, upper_end
from fastgram.support.threads import one_blas_thread, within_threads
from fastgram.support.validation import as_flag, as_integer, as_number

__all__ = ["TrainingCurve", "training_curve"]

# Without max_passes, a run ends here at the latest.
MOST_PASSES = 200
# Of λ_max's bracket, where a run of its own finds it, and the chance that it misses.
_LARGEST_RTOL, _CHANCE = 1e-2, 1e-6
_EPS = float(np.finfo(np.float64).eps)


@within_threads()
def training_curve(
    A: Any,
    y: npt.ArrayLike,
    steps: Any,
    *,
    step_size: float | None = None,
    rtol: float = 1e-2,
    max_passes: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> TrainingCurve:
    """Bound the loss of gradient descent on the squared loss, in the linear regime.

    Parameters
    ----------
    A : GramOperator, (n, n) array_like, what `open_gram` returns, or scipy LinearOperator
        The tangent kernel at the samples, symmetric: kind "ntk", or "gradient" where the first
        layer alone is trained.
    y : (n,) or (n, k) array_like
        What is to be learnt, less the outputs before the first step; of several outputs the losses
        are added up.
    steps : int or array_like of int
        Numbers of steps t at which the loss is asked for.
    step_size : float, optional
        η, in units of one over A's. None takes one over λ_max's upper end.
    rtol : float
        Stop when the bounds are no further apart than rtol times the loss at every step.
    max_passes : int, optional
        Products with A at most, those for λ_max left out; 200 if not given.
    seed : int
        Of the random start that λ_max is found from, where n is above 2048.
    checkpoint : path, optional
        A folder in which each pass is stored, n·k·8 bytes from y and n·b·8 for λ_max, and from
        which the same call, or one of other steps, goes on after it was killed, to the same
        numbers.
    progress : bool
        Show a progress bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Returns
    -------
    TrainingCurve

    Raises
    ------
    ValueError, TypeError
        If A is not square, symmetric, real or finite, or zero, an argument is out of range, or the
        checkpoint is of another run or damaged.
    OSError
        If the checkpoint cannot be written: what is stored stays as it is.

    Notes
    -----
    The loss is ½‖u − y‖², not a mean: of a mean over n samples, η is n times as large for the same
    curve. What is bounded is proven for this y where ηλ_max ≤ 1 is: the random start of λ_max's
    bracket is all that may fail, with probability 1e-6, and only where n is above 2048.

    Examples
    --------
    >>> import numpy as np, fastgram as fg
    >>> curve = fg.training_curve(np.diag([1.0, 0.1]), [1.0, 1.0], [0, 10])
    >>> curve.estimate.round(6)
    array([1.      , 0.060788])
    >>> curve.time_to(0.5).estimate
    1.0
    """
    start = time.perf_counter()
    asked = as_steps(steps)
    rtol = as_number("rtol", rtol, above=0.0)
    if step_size is not None:
        step_size = as_number("step_size", step_size, above=0.0)
    if max_passes is not None:
        max_passes = as_integer("max_passes", max_passes, 1)
    seed, progress = as_integer("seed", seed, 0), as_flag("progress", progress)
    checkpoint = as_checkpoint(checkpoint)
    problem = as_problem(A)
    given = as_right_hand_sides(y, problem.n).reshape(problem.n, -1)
    block = given[:, np.any(given, axis=0)]
    if problem.rank_bound == 0:
        raise ValueError("the matrix is zero: nothing is learnt")
    if not block.size:
        raise ValueError("y is zero: there is nothing to learn")
    with opened(checkpoint) as folder:
        if folder is not None:  # what is of another run is refused before any product
            folder.begin(training_facts(problem.facts(), given, seed))
        try:
            with stage(progress, "extreme eigenvalues"):
                ends = _ends(A, problem, seed, folder)
            curve = _Curve(problem, block, step_size, ends, folder)
            most = max_passes or MOST_PASSES
            with one_blas_thread(), progress_bar(progress, most, "passes", "pass") as tick:
                descent = curve.iterate(asked, rtol, most, tick)
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(_reached(interrupt, folder)) from None
    return _result(curve, descent, asked, rtol, start)


def _reached(interrupt: KeyboardInterrupt, folder: CheckpointFolder | None) -> str:
    """Return the message of an interrupted run."""
    if folder is None:
        return str(interrupt)
    words = f"interrupted after {max(folder.count, 0)} passes"
    return f"{words}; the same call goes on from checkpoint {folder.path}"


@dataclass(frozen=True)
class _Ends:
    """Brackets of λ_min and λ_max, in the units given, and the passes that they took.

    `stored` of them are the first in the folder of the checkpoint.
    """

    smallest: Bracket
    largest: Bracket
    passes: int
    stored: int = 0


def _ends(A: Any, problem: Problem, seed: int, folder: CheckpointFolder | None) -> _Ends:
    dense = problem.has_entries and problem.n <= DENSE_LIMIT
    if dense or problem.least == -np.inf:
        kept = None if folder is None or dense else folder.path / "extremes"
        found = extreme_eigenvalues(A, seed=seed, confidence=1.0 - _CHANCE, checkpoint=kept)
        return _Ends(found.smallest, found.largest, found.passes)
    n, device = problem.n, problem.device
    run = BlockLanczos(
        problem.multiply, n, default_block(n), seed, None, device, noise=problem.noise_floor
    )
    steps = run if folder is None else Checkpoint(folder, run, problem)
    quantile = overlap_quantile(_CHANCE, run.block, problem.n)
    while True:
        steps.advance()
        brackets = brackets_now(run, problem, quantile)
        if brackets[1].within(_LARGEST_RTOL) or run.exhausted:
            low, high = (bracket_scaled(end, problem.exponent) for end in brackets)
            return _Ends(low, high, run.passes, run.passes)


def _beyond(largest: Bracket, problem: Problem) -> float:
    """Return a number above λ_max, rounding in a run's products included."""
    high = upper_end(largest.upper, -problem.exponent)
    floor = problem.noise_floor(high, MOST_PASSES)
    return upper_end(high * (1.0 + 1e-12) + 8.0 * floor, problem.exponent)


class _Curve:
    """The run from y, and the bounds that it gives for now."""

    def __init__(
        self,
        problem: Problem,
        block: Array,
        step_size: float | None,
        ends: _Ends,
        folder: CheckpointFolder | None,
    ) -> None:
        self.problem, self.before = problem, ends.passes
        self.smallest, self.largest = ends.smallest, ends.largest
        if step_size is None and not ends.largest.upper > 0.0:
            raise ValueError("the matrix has no positive eigenvalue: give a step_size")
        self.eta = step_size if step_size is not None else 1.0 / _beyond(ends.largest, problem)
        # of y, whose squares may over- and underflow; a column that does adds nothing to the others
        self.exponent = exponent_of(float(np.max(np.abs(block))))
        block = scaled(block, -self.exponent)
        self.block = block[:, np.any(block, axis=0)]
        self.run = ScalarLanczos(problem.multiply, self.block)
        self._steps = StoredPasses(self.run, problem, folder, ends.stored)

    def descent(self) -> Descent:
        """Return what bounds are made of, in units in which the matrix is of size 1."""
        problem, run = self.problem, self.run
        exponent = problem.exponent
        low, high = problem.least, upper_end(self.largest.upper, -exponent)
        if self._knows_least or low == -np.inf:
            low = max(low, lower_end(self.smallest.lower, -exponent))
        # y may have no part in what the matrix is large for, and products round as much
        size = max(run.norm, abs(low), abs(high))
        error = run.defect + problem.noise_floor(size, run.passes)
        low, high = low - 2.0 * error, high + 2.0 * error
        step = float(np.ldexp(self.eta, exponent))
        upper = run.radau(low) if step * high <= 1.0 else run.lobatto(low, high)
        size = float(np.linalg.norm(self.block))
        rules = run.gauss(), upper
        return Descent(*rules, step, (low, high), error, size, self.exponent, self.block.size)

    def iterate(self, asked: npt.NDArray[np.int64], rtol: float, most: int, tick: Any) -> Descent:
        """Go on until the rules are near enough to each other at every step."""
        while True:
            self._steps.advance()
            if tick is not None:
                tick(1)
            found = self.descent()
            if self.run.passes >= most or self.run.exhausted or _near(found, asked, rtol):
                return found

    @property
    def _knows_least(self) -> bool:
        return self.smallest.guarantee in ("exact", "certified")

    def guarantee(self) -> Guarantee:
        """Return that of the bounds: the ends of the spectrum are proven, or but for chance."""
        if not self._knows_least and self.problem.least == -np.inf:
            return "probabilistic"
        if self.largest.guarantee in ("exact", "certified"):
            return "certified"
        row_sum = self.problem.absolute_row_sum() if self.problem.has_entries else np.inf
        proven = self.eta * upper_end(row_sum + self.problem.entry_error, self.problem.exponent)
        return "certified" if proven * (1.0 + 8.0 * _EPS) <= 1.0 else "probabilistic"


def _near(descent: Descent, asked: npt.NDArray[np.int64], rtol: float) -> bool:
    """Whether the rules are near each other, rounding left aside."""
    exact = replace(descent, error=0.0)
    for flow in (False, True):
        for t in asked.ravel():
            low, middle, high = exact.relative(float(t), flow)
            if high - low > rtol * middle and high > np.finfo(np.float64).tiny:
                return False
    return True


def _result(
    curve: _Curve,
    descent: Descent,
    asked: npt.NDArray[np.int64],
    rtol: float,
    start: float,
) -> TrainingCurve:
    losses = [
        np.array([descent.losses(float(t), flow) for t in asked.ravel()]).T.reshape(3, *asked.shape)
        for flow in (False, True)
    ]
    (low, middle, high), (flow_low, flow_middle, flow_high) = losses
    parts = [f"{curve.run.passes} passes from y, after {curve.before} for the extreme eigenvalues"]
    known = np.isfinite(high)
    apart = np.subtract(high, low, out=np.full_like(high, np.inf), where=known)
    converged = bool(np.all(apart <= rtol * middle + np.finfo(np.float64).tiny) and np.all(known))
    if curve.eta * curve.largest.upper > 1.0:
        parts.append(
            f"the step size is {curve.eta * curve.largest.upper:.3g}/λ_max: beyond 1/λ_max the"
            " upper bounds are wider, and beyond 2/λ_max the loss grows"
        )
    if not converged:
        parts.append("not as narrow as rtol asks for: more passes, or rounding hides the loss")
    return TrainingCurve(
        steps=asked,
        lower=low,
        upper=high,
        estimate=np.clip(middle, low, high),
        flow_lower=flow_low,
        flow_upper=flow_high,
        flow_estimate=np.clip(flow_middle, flow_low, flow_high),
        step_size=curve.eta,
        smallest=curve.smallest,
        largest=curve.largest,
        guarantee=curve.guarantee(),
        converged=converged,
        passes=curve.before + curve.run.passes,
        seconds=time.perf_counter() - start,
        message="; ".join(parts),
        descent=descent,
    )
