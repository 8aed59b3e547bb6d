"""What `spectral_density` answers with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastgram._equality import ComparedByParts
from fastgram._request import bracket
from fastgram._results import Bracket
from fastgram._validation import as_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SpectralDensity"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpectralDensity(ComparedByParts):
    """All eigenvalues of a symmetric matrix, each within bounds.

    With probability `confidence` over the random probes everything here holds at once.

    Attributes
    ----------
    lower, upper : (n,) arrays
        Bounds of the eigenvalues in ascending order: the i-th lies in [lower[i], upper[i]].
    estimates : (n,) array
        Ascending, within the bounds: the quantiles of the block quadrature.
    nodes, weights : (r,) arrays
        The block quadrature: Σ weights·f(nodes) estimates the mean of f over the spectrum.
    smallest, largest : Bracket
        λ_min and λ_max.
    trace : Bracket
        The sum of the eigenvalues: "certified" where the diagonal can be had.
    log_determinant : Bracket or None
        The sum of their logarithms: −∞, "exact", where exact facts show the matrix to be singular;
        without lower bound where λ_min is not told from 0; None where λ_min is negative. It
        supposes that there is no negative eigenvalue.
    effective_rank : Bracket or None
        exp(−Σ pᵢ log pᵢ), pᵢ the share of an eigenvalue in the sum (Roy and Vetterli, 2007),
        between 1 and n; None where λ_min is negative or the matrix is zero.
    confidence : float
        Half of 1 − confidence goes to the bounds of all eigenvalues, a quarter to λ_min and λ_max,
        a quarter to the sums.
    n : int
        The order of the matrix.
    rank_bound : int
        What the rank is known not to exceed, from exact facts alone; n where nothing is known.
    block : int
        Probes.
    passes : int
        Products with the matrix, of all probes at a time.
    noise_floor : float
        What the arithmetic cannot see: every bound is at least this far out.
    seconds : float
    message : str
        What was done and what would tighten the bounds.
    """

    lower: Array
    upper: Array
    estimates: Array
    nodes: Array
    weights: Array
    smallest: Bracket
    largest: Bracket
    trace: Bracket
    log_determinant: Bracket | None
    effective_rank: Bracket | None
    confidence: float
    n: int
    rank_bound: int
    block: int
    passes: int
    noise_floor: float
    seconds: float
    message: str

    def cdf(self, x: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Return lower bound, estimate and upper bound of the part of the eigenvalues ≤ x.

        Parameters
        ----------
        x : array_like

        Returns
        -------
        three arrays of the shape of x, between 0 and 1
        """
        points = _points(x)
        parts = [_at_most(ends, points) / self.n for ends in self._columns()]
        return parts[0], parts[1], parts[2]

    def quantile(self, p: float) -> Bracket:
        """Return the least x that a part p of the eigenvalues is no larger than; 0.5: the median.

        Raises
        ------
        ValueError, TypeError
            If p is not a number above 0 and at most 1.
        """
        p = as_number("p", p, above=0.0)
        if p > 1.0:
            raise ValueError(f"p must be at most 1, not {p:g}")
        # p·n just above an integer by rounding alone is that integer
        index = min(max(math.ceil(p * self.n * (1.0 - 4.0 * np.finfo(np.float64).eps)), 1), self.n)
        ends = self.lower[index - 1], self.upper[index - 1]
        return bracket(*ends, self.estimates[index - 1], "probabilistic")

    def count(self, low: float, high: float) -> Bracket:
        """Return how many eigenvalues lie in [low, high]; the ends may be infinite.

        Raises
        ------
        ValueError
            If low is above high.
        """
        if not low <= high:
            raise ValueError(f"low must be at most high, not {low} and {high}")
        upto = [int(_at_most(ends, np.array(high))) for ends in self._columns()]
        below = [int(np.searchsorted(ends, low, side="left")) for ends in self._columns()]
        least, most = max(upto[0] - below[2], 0), upto[2] - below[0]
        return bracket(least, most, upto[1] - below[1], "probabilistic")

    def plot(self, path: str | Path | None = None, ax: Axes | None = None) -> Axes:
        """Draw the cumulative distribution with its bounds.

        Parameters
        ----------
        path : str or Path, optional
            A file to write, which ends in .png, .svg or .pdf.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn into.

        Raises
        ------
        ValueError
            If the file has another ending.
        ImportError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.

        Notes
        -----
        The axis of the eigenvalues is logarithmic where none is below minus the noise floor; what
        is below the noise floor then stands at the left edge.
        """
        from fastgram._density_plot import plot_density

        return plot_density(self, path, ax)

    def _columns(self) -> tuple[Array, Array, Array]:
        """Return the eigenvalues such that fewest, an estimate, and most are ≤ x."""
        return self.upper, self.estimates, self.lower

    def __str__(self) -> str:
        middle = self.quantile(0.5)
        parts = [f"{self.n} eigenvalues from {self.smallest} to {self.largest}"]
        parts.append(f"median {middle}")
        parts.append(f"trace {self.trace}")
        if self.log_determinant is not None:
            parts.append(f"log-determinant {self.log_determinant}")
        if self.effective_rank is not None:
            parts.append(f"effective rank {self.effective_rank}")
        return ", ".join(parts) + "\n" + self.message


def _points(x: npt.ArrayLike) -> Array:
    points = np.asarray(x, dtype=np.float64)
    if np.any(np.isnan(points)):
        raise ValueError("x must not contain nan")
    return points


def _at_most(ends: Array, points: Array) -> Array:
    return np.searchsorted(ends, points, side="right").astype(np.float64)
