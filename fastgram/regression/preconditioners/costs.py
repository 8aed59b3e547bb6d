"""What each preconditioner and the passes after it cost, in the units of `Costs`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from fastgram.eigenvalues.methods.costs import NOMINAL
from fastgram.eigenvalues.methods.hybrid import factorisation_option
from fastgram.eigenvalues.problem import Problem
from fastgram.regression.preconditioners.cosine_features import FittedFeatures
from fastgram.regression.preconditioners.factorised import Precision, relative_shift
from fastgram.regression.preconditioners.sampled_spectrum import SampledSpectrum
from fastgram.support.memory import free_memory

__all__ = ["LEAST_COLUMNS", "PassCosts"]

LEAST_COLUMNS = 192  # before it is judged whether more of them pay
_PASSES = 7.0  # of conjugate gradients to 1e-6, for a condition number of 1


class PassCosts:
    """Whether a preconditioner saves more passes than it costs.

    Parameters
    ----------
    problem : Problem
    least : float
        A lower bound of λ_min.
    columns : int
        Right-hand sides.
    """

    def __init__(self, problem: Problem, least: float, columns: int) -> None:
        self._problem, self._least, self._columns = problem, least, columns
        self._n = problem.n
        self._costs = factorisation_option(problem, columns).costs
        self.product = self._costs.product
        self._seen: list[tuple[int, float]] = []  # columns, and the passes that are then left

    # --- columns and features ---

    def passes(self, left: float) -> float:
        """Return about how many passes are left where columns leave so much of the diagonal.

        What is left has eigenvalues of about that size: the large ones are taken first.
        """
        return self._passes(2.0 * left, 0.0)

    def _passes(self, largest: float, least: float) -> float:
        """Return about how many passes are left between eigenvalues of what is left."""
        return _PASSES * math.sqrt(1.0 + largest / (self._least + least))

    def cost(self, rank: int) -> float:
        """Return what so many columns cost: entries, products with those before, and a factor."""
        rows = self._n * rank * (self._problem.entry_flops + 5.0 * rank)
        return (rows + rank**3 / 3.0) / NOMINAL.factorisation

    def pass_with(self, rank: int) -> float:
        """Return what a pass costs where so many columns are applied, which are read twice."""
        flops = 4.0 * self._n * rank * self._columns / NOMINAL.tiles
        return self.product + max(2.0 * 4.0 * self._n * rank / NOMINAL.memory, flops)

    def enough(self, rank: int, left: float) -> bool:
        """Whether the last columns have cost more than they saved, or nothing is left to save."""
        self._seen.append((rank, self.passes(left)))
        if rank < LEAST_COLUMNS or left < self._least / 4.0:
            return rank > 0 and left < self._least / 4.0
        before, passes = self._seen[max(len(self._seen) - 3, 0)]
        saved = (passes - self._seen[-1][1]) * self.product
        return self.cost(rank) - self.cost(before) > saved

    def left(self) -> float:
        """Return what the passes after the columns that were `enough` cost."""
        rank, passes = self._seen[-1] if self._seen else (0, 0.0)
        return passes * self.pass_with(rank)

    def features(self, fits: Iterable[FittedFeatures]) -> tuple[float, FittedFeatures | None]:
        """Return the least cost of all that follows by features, and which do it."""
        least, best = math.inf, None
        for fit in fits:
            made = (2.0 * self._n * fit.count**2 + fit.count**3 / 3.0) / NOMINAL.factorisation
            if made > least:
                break  # more of them cost more before anything has followed
            passes = self._passes(fit.largest + fit.left, fit.least)
            cost = made + passes * self.pass_with(fit.count)
            if cost < least:
                least, best = cost, fit
        return least, best

    def columns(self, spectrum: SampledSpectrum) -> float:
        """Return the least cost of all that follows by columns, as far as a sample shows.

        Columns come near to what half as many eigenvectors would do.
        """
        ends = zip(spectrum.values, spectrum.left, strict=True)
        return min(
            self.cost(2 * count)
            + self._passes(largest + left, spectrum.least) * self.pass_with(2 * count)
            for count, (largest, left) in enumerate(ends)
        )

    # --- the whole matrix ---

    def factorisation(self) -> tuple[float, Precision | None]:
        """Return the least cost of a factorisation and of all that follows, and its precision.

        Infinity and None where none can be had.
        """
        least, best = math.inf, None
        if not self._problem.has_entries:
            return least, best
        diagonal = self._problem.diagonal()
        if not np.all(diagonal > 0.0):
            return least, best
        free = free_memory() // 2  # kept tiles may take the other half
        relative = self._least / float(np.max(diagonal))
        relative = max(relative, float(np.min(self._problem.ridge.given / diagonal)))
        for precision, faster in ((np.float32, 2.0), (np.float64, 1.0)):
            if not factorisation_option(self._problem, self._columns, free, precision).is_open:
                continue
            passes = _PASSES * math.sqrt(1.0 + relative_shift(self._n, precision) / relative)
            costs = self._costs
            made = costs.entries + (costs.factorisation - costs.entries) / faster
            cost = made + passes * (costs.product + costs.solution / faster)
            if cost < least:
                least, best = cost, precision
        return least, best
