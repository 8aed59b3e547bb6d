"""From rows to Gram entries: which tables a block of entries is made of, and how exact they are.

A block is always a sum of *terms*, each a table of the cosine times a weight for its row and one
for its column:

- homogeneous activations: one table, weights |x|**p;
- rows of one norm: one table, weights |x| for "gradient" and 1 for "nngp", the *spans*;
- rows of several norms: tables at Chebyshev nodes of the norm, weights the Lagrange polynomials
  times the spans;
- derivative zero everywhere: no term.

What no sum of terms holds is integrated entry by entry: an activation with kinks away from 0 on
rows of several norms (its entries depend on the larger of the two norms where ρ = 1), and norms so
far apart that no reasonable number of nodes will do.
"""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fastgram.kernels import CLOSE, Table
from fastgram.network import Network

__all__ = ["Entries", "Rows", "Term"]

Array = npt.NDArray[np.float64]
Tile = npt.NDArray[np.floating]

_EPS = float(np.finfo(np.float64).eps)
# Norms no further apart than this are one norm: a few roundings of a norm.
_ONE_NORM = 32 * _EPS
_NODE_COUNTS = (2, 4, 6, 8, 12, 16, 24, 32)
_NODE_TOLERANCE = 1e-13


@dataclass(frozen=True)
class Rows:
    """Unit rows (zero rows stay zero) in the dtype of the tiles, and their norms in float64."""

    unit: Tile
    norms: Array

    @staticmethod
    def of(X: Tile, network: Network, dtype: np.dtype[np.floating], name: str = "X") -> Rows:
        """Augment and normalise the rows of X, called `name`."""
        rows = network.augmented(X)
        largest = np.max(np.abs(rows), axis=1)
        divisor = np.where(largest > 0.0, largest, 1.0)
        rows /= divisor[:, None]  # so that no square over- or underflows
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        rows /= np.where(lengths > 0.0, lengths, 1.0)[:, None]
        with np.errstate(over="ignore"):
            norms = largest * lengths
            overflows = ~np.isfinite(norms * norms)
        if np.any(overflows):
            row = int(np.flatnonzero(overflows)[0])
            raise ValueError(f"{name}: the squared norm of row {row} overflows; scale the rows")
        return Rows(np.ascontiguousarray(rows, dtype=dtype), norms)


@dataclass(frozen=True)
class Term:
    """One table and its weights."""

    table: Table
    row_weights: Tile
    column_weights: Tile


@dataclass
class Entries:
    """The entries between two sets of rows.

    Attributes
    ----------
    terms : list of Term
        What a block is the sum of, unless `direct`.
    direct : bool
        Whether entries are integrated one by one.
    error : float
        Bound on |computed − ideal| of an entry, divided by its two `spans`.
    row_spans, column_spans : (n,) arrays
        The weights that `error` goes with: |x|**p for a homogeneous activation, else |x| for
        "gradient" and 1 for "nngp".
    """

    network: Network
    kind: str
    rows: Rows
    columns: Rows
    dtype: np.dtype[np.floating]
    terms: list[Term] = field(default_factory=list)
    direct: bool = False
    error: float = 0.0

    def __post_init__(self) -> None:
        norms = np.unique(np.concatenate([self.rows.norms, self.columns.norms]))
        power = self.network.homogeneity()
        self.row_spans, self.column_spans = (
            self._spans(rows.norms, power) for rows in (self.rows, self.columns)
        )
        if self.network.is_zero(self.kind):
            return
        if power is not None:
            self._one_table(1.0)
        elif norms[-1] - norms[0] <= _ONE_NORM * norms[-1]:
            self._one_table(float(np.mean(norms)))
            self.error += 4 * _ONE_NORM * self.terms[0].table.scale
        elif any(self.network.activation.kinks):
            self._integrate_each(norms, "has kinks away from 0 and the rows have different norms")
        elif not self._interpolate(norms):
            self._integrate_each(norms, "on rows with norms so far apart has no table")

    def _spans(self, norms: Array, power: int | None) -> Array:
        if power is not None:
            return self._powers(norms, power)
        return norms.copy() if self.kind == "gradient" else np.ones_like(norms)

    def _one_table(self, norm: float) -> None:
        table = self.network.tables(self.kind, (norm,), self.dtype)[0]
        self.terms = [Term(table, self._cast(self.row_spans), self._cast(self.column_spans))]
        self.error = self._table_error(table)

    def _powers(self, norms: Array, power: int) -> Array:
        weights = norms**power
        if power == 0 and not np.all(norms):  # f is a step: at a zero row it takes the value f(0)
            f = self.network.activation.f
            mean = (float(f(np.ones(1))[0]) + float(f(-np.ones(1))[0])) / 2.0
            weights[norms == 0.0] = float(f(np.zeros(1))[0]) / mean if mean else 0.0
        return np.asarray(weights)

    def _cast(self, weights: Array) -> Tile:
        return np.ascontiguousarray(weights, dtype=self.dtype)

    def _table_error(self, table: Table) -> float:
        """Bound an entry's error: the table's own, and that of its argument s."""
        eps = float(np.finfo(self.dtype).eps)
        # the product of two unit rows, each rounded, in any order of summation
        cosine = (self.rows.unit.shape[1] + 8) * eps / 2.0
        chord = cosine / (4.0 * np.sqrt(CLOSE[self.dtype])) + 2.0 * eps
        return float(table.error + table.slope * chord)

    def _integrate_each(self, norms: Array, why: str) -> None:
        """Give up on tables, and say so."""
        self.direct = True
        at_one, _ = self.network.shapes(self.kind, 0.0, norms[[0, -1]])
        self.error = 4e-14 * float(np.max(np.abs(at_one)))
        _say_slow(f"{self.network.activation.name} {why}", self.rows, self.columns)

    def _interpolate(self, norms: Array) -> bool:
        """Take as many Chebyshev nodes of the norm as entries between them ask for, if it can."""
        # log(1 + |x|) spreads the nodes: entries vary with |x| below 1 and with its logarithm above
        low, high = (float(np.log1p(end)) for end in (norms[norms > 0.0][0], norms[-1]))
        if norms[0] == 0.0:
            low = 0.0
        probe = np.expm1(np.linspace(low, high, 7))
        exact = self._shapes(probe)
        scale = float(np.max(np.abs(exact)))
        for count in _NODE_COUNTS:
            nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
            at = np.expm1((low + high) / 2.0 + nodes * (high - low) / 2.0)
            weights = _lagrange(np.linspace(-1.0, 1.0, 7), nodes)
            values = self._shapes(at)
            miss = float(np.max(np.abs(weights @ values @ weights.T - exact)))
            if miss <= _NODE_TOLERANCE * scale:
                break
        else:
            return False

        def places(rows: Rows) -> Array:
            return _lagrange(2.0 * (np.log1p(rows.norms) - low) / (high - low) - 1.0, nodes)

        tables = self.network.tables(self.kind, tuple(float(r) for r in at), self.dtype)
        left, right = places(self.rows), places(self.columns)
        lebesgue = float(np.max(np.sum(np.abs(left), axis=1)))
        lebesgue *= float(np.max(np.sum(np.abs(right), axis=1)))
        left, right = left * self.row_spans[:, None], right * self.column_spans[:, None]
        self.terms = [
            Term(tables[a * count + b], self._cast(left[:, a]), self._cast(right[:, b]))
            for a in range(count)
            for b in range(count)
        ]
        worst = max(self._table_error(table) for table in tables)
        self.error = lebesgue * worst + 4 * (miss + _NODE_TOLERANCE * scale)
        return True

    def _shapes(self, norms: Array) -> Array:
        """Return entries/spans between rows of all pairs of norms, at angles from 0 to π."""
        angles = (0.0, 0.1, 0.8, np.pi / 2.0)
        pairs = [self.network.shapes(self.kind, theta, norms) for theta in angles]
        return np.array([matrix for pair in pairs for matrix in pair])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.rows.norms.size, self.columns.norms.size

    @property
    def in_place(self) -> bool:
        """Whether `block` may be given its scratch as `out` too."""
        return not self.direct and len(self.terms) <= 1

    def diagonal(self) -> Array:
        """Return the entries of each row with itself, exact to rounding."""
        total = np.zeros(self.shape[0])
        for term in self.terms:
            weights = term.row_weights.astype(np.float64) * term.column_weights
            total += term.table.at_one * weights
        if self.direct:
            q = self.rows.norms**2
            total = self.network.entries(self.kind, np.zeros_like(q), q, q)
        total[self.rows.norms == 0.0] = self.network.at_zero(self.kind)
        return total

    @property
    def norm_error(self) -> float:
        """Bound on the spectral norm of the error of the whole (symmetric) matrix."""
        # Frobenius: the sum of error²·span²·span² over all entries
        return self.error * float(np.sum(self.row_spans**2))

    def block(self, i: slice, j: slice, evaluate: object, scratch: Tile, out: Tile) -> None:
        """Fill `out` with the entries of rows i and columns j; `scratch` is of its shape.

        `out` may be float32 or float64 whatever the dtype of the tiles; `scratch` is of theirs.
        """
        x, y = self.rows.unit[i], self.columns.unit[j]
        np.matmul(x, y.T, out=scratch)
        if self.direct:
            out[...] = self._integrate(i, j, scratch)
        elif len(self.terms) == 1:
            self._evaluate(evaluate, scratch, i, j, self.terms[0], out)
        else:
            out[...] = 0.0
            part = np.empty_like(out)
            for term in self.terms:
                self._evaluate(evaluate, scratch, i, j, term, part)
                out += part

    def _evaluate(
        self, evaluate: object, cosines: Tile, i: slice, j: slice, term: Term, out: Tile
    ) -> None:
        assert callable(evaluate)
        x, y = self.rows.unit[i], self.columns.unit[j]
        evaluate(cosines, x, y, term.row_weights[i], term.column_weights[j], term.table, out)

    def _integrate(self, i: slice, j: slice, cosines: Tile) -> Array:
        theta = np.arccos(np.clip(cosines.astype(np.float64), -1.0, 1.0))
        x, y = self.rows.unit[i], self.columns.unit[j]
        for sign in (1.0, -1.0):  # close pairs from the rows, as in the kernels
            close = np.argwhere(0.5 - 0.5 * sign * cosines < CLOSE[self.dtype])
            for a, b in close:
                s = 0.5 * float(np.linalg.norm(x[a].astype(np.float64) - sign * y[b]))
                angle = 2.0 * np.arcsin(min(s, 1.0))
                theta[a, b] = angle if sign > 0.0 else np.pi - angle
        q1 = np.broadcast_to(self.rows.norms[i, None] ** 2, theta.shape)
        q2 = np.broadcast_to(self.columns.norms[None, j] ** 2, theta.shape)
        return self.network.entries(self.kind, theta, q1, q2)


def _lagrange(points: Array, nodes: Array) -> Array:
    """Return the Lagrange polynomials of Chebyshev nodes (first kind) at points in [−1, 1]."""
    count = nodes.size
    order = np.arange(count)
    angles = np.arccos(np.clip(points, -1.0, 1.0))
    at_points = np.cos(np.outer(angles, order))
    at_nodes = np.cos(np.outer(np.pi * (order + 0.5) / count, order))
    scaled = np.where(order == 0, 1.0, 2.0) / count
    return np.asarray(at_points * scaled @ at_nodes.T)


def _say_slow(why: str, rows: Rows, columns: Rows) -> None:
    message = (
        f"{why}: its {rows.norms.size * columns.norms.size} entries are integrated one by one,"
        " milliseconds each; rows of one norm are thousands of times faster"
    )
    package = os.path.dirname(__file__)
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith((package, "<")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)  # at the caller's own line
