"""SpectralDensity: the result of `spectral_density`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from fastgram.bracket import Bracket, Brackets, bracket_around, bracket_table, plain
from fastgram.support.arrays import Array
from fastgram.support.equality import ComparedByParts

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["SpectralDensity"]

# What `to_dict` says of the distribution: quantiles, and at most this many points of its estimate
# and of each bound.
_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_POINTS = 66
# Relative, of a sum of quotients over all eigenvalues: it is summed by halves.
_SUM_ERROR = 64.0 * float(np.finfo(np.float64).eps)


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
        Products with the matrix, of all probes at a time. The search for close pairs before the
        first, under an activation with kinks where products go by tiles, is not among them.
    noise_floor : float
        What the arithmetic cannot see: every bound is at least this far out.
    seconds : float
        Of the whole call; making the operator, and its tables, came before.
    message : str
        What was done, what ended it before its time and what would tighten the bounds.
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

    @overload
    def quantile(self, p: float) -> Bracket: ...

    @overload
    def quantile(self, p: npt.ArrayLike) -> Bracket | Brackets: ...

    def quantile(self, p: npt.ArrayLike) -> Bracket | Brackets:
        """Return the least x that a part p of the eigenvalues is no larger than; 0.5: the median.

        Parameters
        ----------
        p : float or array_like
            Above 0 and at most 1.

        Returns
        -------
        Bracket
            For one number; for an array `Brackets`, whose ends are arrays of its shape.

        Raises
        ------
        ValueError, TypeError
            If p is not a number, or not of numbers, above 0 and at most 1.
        """
        parts = _numbers("p", p)
        outside = parts[~((parts > 0.0) & (parts <= 1.0))]
        if outside.size:
            raise ValueError(f"p must be above 0 and at most 1, not {outside.flat[0]:g}")
        # p·n just above an integer by rounding alone is that integer
        exact = parts * self.n * (1.0 - 4.0 * np.finfo(np.float64).eps)
        index = np.clip(np.ceil(exact).astype(np.int64), 1, self.n) - 1
        return _brackets(self.lower[index], self.upper[index], self.estimates[index])

    @overload
    def count(self, low: float, high: float) -> Bracket: ...

    @overload
    def count(self, low: npt.ArrayLike, high: npt.ArrayLike) -> Bracket | Brackets: ...

    def count(self, low: npt.ArrayLike, high: npt.ArrayLike) -> Bracket | Brackets:
        """Return how many eigenvalues lie in [low, high]; the ends may be infinite.

        Parameters
        ----------
        low, high : float or array_like
            Of one shape, or that broadcast to one: ``count(edges[:-1], edges[1:])`` is a histogram,
            but for eigenvalues on an edge, which count on both sides.

        Returns
        -------
        Bracket
            For numbers; where there is an array `Brackets`, whose ends are arrays.

        Raises
        ------
        ValueError, TypeError
            If low is above high, or they are not numbers.
        """
        first, last = _numbers("low", low), _numbers("high", high)
        try:
            first, last = np.broadcast_arrays(first, last)
        except ValueError:
            raise ValueError(
                f"low and high must be of one shape, not {first.shape} and {last.shape}"
            ) from None
        wrong = np.flatnonzero(~(first <= last).reshape(-1))
        if wrong.size:
            ends = first.flat[wrong[0]], last.flat[wrong[0]]
            raise ValueError(f"low must be at most high, not {ends[0]} and {ends[1]}")
        upto = [_at_most(ends, last) for ends in self._columns()]
        below = [
            np.searchsorted(ends, first, side="left").astype(np.float64) for ends in self._columns()
        ]
        least = np.maximum(upto[0] - below[2], 0.0)
        return _brackets(least, upto[2] - below[0], upto[1] - below[1])

    @overload
    def effective_dimension(self, shift: float) -> Bracket: ...

    @overload
    def effective_dimension(self, shift: npt.ArrayLike) -> Bracket | Brackets: ...

    def effective_dimension(self, shift: npt.ArrayLike) -> Bracket | Brackets:
        """Return tr A(A + shift·I)⁻¹: the degrees of freedom of a ridge regression.

        Parameters
        ----------
        shift : float or array_like
            The ridge: above 0, in the units of the eigenvalues.

        Returns
        -------
        Bracket
            For one number, between 0 and n; for an array `Brackets`, whose ends are arrays of its
            shape. The sum over the bounds of each eigenvalue; it supposes that none is negative.

        Raises
        ------
        ValueError, TypeError
            If a shift is not a number above 0, or λ_min is negative.

        Examples
        --------
        >>> import numpy as np, fastgram as fg
        >>> answer = fg.spectral_density(np.diag([1.0, 2.0, 4.0]))
        >>> round(answer.effective_dimension(2.0).estimate, 6)
        1.5
        """
        shifts = _numbers("shift", shift)
        if not np.all((shifts > 0.0) & np.isfinite(shifts)):
            wrong = shifts[~((shifts > 0.0) & np.isfinite(shifts))].flat[0]
            raise ValueError(f"shift must be above 0 and finite, not {wrong:g}")
        if self.smallest.upper < 0.0:
            raise ValueError(
                f"λ_min is negative, {self.smallest}: the effective dimension is of a matrix"
                " without negative eigenvalues"
            )
        columns = [np.maximum(ends, 0.0) for ends in (self.lower, self.upper, self.estimates)]
        sums = [
            np.array([np.sum(ends / (ends + one)) for one in shifts.ravel()]).reshape(shifts.shape)
            for ends in columns
        ]
        low, high = sums[0] * (1.0 - _SUM_ERROR), np.minimum(sums[1] * (1.0 + _SUM_ERROR), self.n)
        return _brackets(low[()], high[()], sums[2][()])

    def to_dict(self) -> dict[str, Any]:
        """Return what `json.dumps` takes: brackets, sums, quantiles and the distribution.

        The attributes under their names, but in the place of what holds a number for each
        eigenvalue or node: "quantiles", of p from 0.01 to 0.99, and "cumulative_distribution",
        the part of the eigenvalues ≤ x with its bounds at up to 198 points x. None stands for an
        infinite number.
        """
        skipped = ("lower", "upper", "estimates", "nodes", "weights")
        facts = {
            field.name: plain(getattr(self, field.name))
            for field in fields(self)
            if field.name not in skipped
        }
        quantiles = [{"p": p, **self.quantile(p).to_dict()} for p in _QUANTILES]
        return facts | {
            "quantiles": quantiles,
            "cumulative_distribution": self._distribution(),
        }

    def _distribution(self) -> list[dict[str, float]]:
        """Return the part of the eigenvalues ≤ x, with its bounds, at points where it changes."""
        few = np.unique(np.linspace(0, self.n - 1, min(self.n, _POINTS)).round().astype(int))
        points = np.unique(
            np.concatenate([ends[few] for ends in (self.lower, self.estimates, self.upper)])
        )
        points = points[np.isfinite(points)]
        keys = ("x", "lower", "estimate", "upper")
        columns = [values.tolist() for values in (points, *self.cdf(points))]
        return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]

    def plot(self, path: str | Path | None = None, ax: Axes | None = None) -> Axes:
        """Draw the cumulative distribution with its bounds.

        Parameters
        ----------
        path : str or Path, optional
            A file to write, which ends in .png, .svg or .pdf.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; None makes a figure, which without `path` is pyplot's, so that a
            notebook shows it.

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
        from fastgram.plotting.densities import plot_density

        return plot_density(self, path, ax)

    def _columns(self) -> tuple[Array, Array, Array]:
        """Return the eigenvalues such that fewest, an estimate, and most are ≤ x."""
        return self.upper, self.estimates, self.lower

    def _repr_html_(self) -> str:
        brackets = {
            "λ_min": self.smallest,
            **{f"{100 * p:g} %": self.quantile(p) for p in (0.1, 0.5, 0.9)},
            "λ_max": self.largest,
            "trace": self.trace,
            "log-determinant": self.log_determinant,
            "effective rank": self.effective_rank,
        }
        return bracket_table(f"Spectral density, n = {self.n}", brackets, self.message)

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


def _numbers(name: str, value: npt.ArrayLike) -> Array:
    """Return numbers, infinite ones too, of any shape."""
    try:
        if np.asarray(value).dtype.kind not in "fiuO":
            raise TypeError
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or an array of numbers, not {value!r}") from None
    if np.any(np.isnan(numbers)):
        raise ValueError(f"{name} must not be nan")
    return numbers


def _brackets(lower: Any, upper: Any, estimate: Any) -> Bracket | Brackets:
    if np.ndim(lower) == 0:
        return bracket_around(lower, upper, estimate, "probabilistic")
    return Brackets(lower, upper, np.clip(estimate, lower, upper), "probabilistic")


def _points(x: npt.ArrayLike) -> Array:
    points = np.asarray(x, dtype=np.float64)
    if np.any(np.isnan(points)):
        raise ValueError("x must not contain nan")
    return points


def _at_most(ends: Array, points: Array) -> Array:
    return np.searchsorted(ends, points, side="right").astype(np.float64)
