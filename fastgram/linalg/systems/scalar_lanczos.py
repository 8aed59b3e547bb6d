"""Lanczos runs of several vectors side by side: one product a step, and a Jacobi matrix a vector.

Each run is that of its own vector alone, kept orthogonal to its own basis: the quadrature rules of
its Jacobi matrix have the bounds that the rules of a block run lack (Golub and Meurant, *Matrices,
Moments and Quadrature with Applications*, 2010, chapter 6).

For a function all of whose even derivatives are nonnegative, the Gauss rule is a lower bound of
∫f dμ; where odd ones are nonpositive besides, the Gauss–Radau rule with a node at or below the
spectrum is an upper one, and the Gauss–Lobatto rule with nodes on either side of the spectrum in
any case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from fastgram.support.arrays import Array

__all__ = ["Rule", "ScalarLanczos"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Rule:
    """Σ weights·f(nodes): of ∫f dμ, μ the measure of a vector y, of mass ‖y‖²."""

    nodes: Array
    weights: Array


class ScalarLanczos:
    """The runs of the columns of a block.

    Parameters
    ----------
    matmat : callable
        (n, b) block to A times it, any b.
    start : (n, k) array
        No column of it is zero.

    Attributes
    ----------
    passes : int
    norm : float
        The largest norm of a column of a Jacobi matrix.
    defect : float
        Bound on the norm of AQ − QJ − (what leaves), of any of the runs, as measured.
    """

    def __init__(self, matmat: Callable[[Array], Array], start: Array) -> None:
        self._matmat = matmat
        # a column that is far smaller than the others may have squares that underflow
        exponents = np.frexp(np.max(np.abs(start), axis=0))[1]
        start = np.ldexp(start, -exponents)
        sizes = np.linalg.norm(start, axis=0)
        self._sizes = np.ldexp(sizes, exponents)
        self._current = start / sizes
        self._basis = [self._current]
        self._alphas: list[Array] = []
        self._betas: list[Array] = []
        self._missed = np.zeros(start.shape[1])
        self.passes, self.norm = 0, 0.0

    @property
    def defect(self) -> float:
        """Bound of what the recurrence misses, roundings of its measuring and of bases included."""
        rounding = 64.0 * _EPS * self.norm * np.sqrt(max(self.passes, 1))
        return float(np.sqrt(np.max(self._missed)) + rounding)

    @property
    def exhausted(self) -> bool:
        """Whether every run has come to an invariant space."""
        return bool(self._betas) and not np.any(self._betas[-1])

    def advance(self) -> None:
        """Multiply once more by A."""
        current = self._current
        product = self._matmat(current)
        alpha = np.einsum("ij,ij->j", current, product)
        rest = product - current * alpha
        if self._betas:
            rest -= self._basis[-2] * self._betas[-1]
        remainder = rest.copy()
        for _ in range(2):
            for block in self._basis:
                rest -= block * np.einsum("ij,ij->j", block, rest)
        beta = np.linalg.norm(rest, axis=0)
        self.norm = max(self.norm, float(np.max(np.abs(alpha) + beta)))
        beta[beta <= 16.0 * np.sqrt(current.shape[0]) * _EPS * self.norm] = 0.0
        following = np.divide(rest, beta, out=np.zeros_like(rest), where=beta > 0.0)
        self._missed += np.sum((remainder - following * beta) ** 2, axis=0)
        self._alphas.append(alpha)
        self._betas.append(beta)
        self._basis.append(following)
        self._current = following
        self.passes += 1

    def record(self) -> dict[str, Array]:
        """Return all that the newest pass added."""
        return {
            "alpha": self._alphas[-1],
            "beta": self._betas[-1],
            "block": self._current,
            "missed": self._missed,
            "norm": np.array(self.norm),
        }

    def restore(self, record: dict[str, Array]) -> None:
        """Add a pass, as `record` returned it."""
        self._alphas.append(record["alpha"])
        self._betas.append(record["beta"])
        self._current, self._missed = record["block"], record["missed"]
        self._basis.append(self._current)
        self.norm = float(record["norm"])
        self.passes += 1

    def recognises(self, alpha: Array) -> bool:
        """Whether the first diagonal entries of stored runs are this matrix's, by one product."""
        found = np.einsum("ij,ij->j", self._current, self._matmat(self._current))
        return bool(np.max(np.abs(found - alpha)) <= 1e-10 * np.max(np.abs(alpha), initial=1e-300))

    def gauss(self) -> list[Rule]:
        """Return the Gauss rule of each column."""
        return [self._rule(c, *self._jacobi(c)[:2]) for c in range(self._sizes.size)]

    def radau(self, node: float) -> list[Rule]:
        """Return the Gauss–Radau rule of each column with a node at or below the spectrum."""
        return [self._radau(c, node) for c in range(self._sizes.size)]

    def lobatto(self, low: float, high: float) -> list[Rule]:
        """Return the Gauss–Lobatto rule of each column, with nodes on either side."""
        return [self._lobatto(c, low, high) for c in range(self._sizes.size)]

    def _jacobi(self, column: int) -> tuple[Array, Array, float]:
        """Return the diagonal, the couplings, and the one that leaves, which may be 0."""
        alpha = np.array([a[column] for a in self._alphas])
        beta = np.array([b[column] for b in self._betas])
        order = int(np.argmax(beta == 0.0)) + 1 if np.any(beta == 0.0) else alpha.size
        return alpha[:order], beta[: order - 1], float(beta[order - 1])

    def _rule(self, column: int, alpha: Array, beta: Array) -> Rule:
        mass = float(self._sizes[column]) ** 2
        if alpha.size == 1:
            return Rule(alpha, np.array([mass]))
        nodes, vectors = scipy.linalg.eigh_tridiagonal(alpha, beta, check_finite=False)
        return Rule(nodes, mass * vectors[0] ** 2)

    def _radau(self, column: int, node: float) -> Rule:
        alpha, beta, leaving = self._jacobi(column)
        if leaving == 0.0:
            return self._rule(column, alpha, beta)
        last = node + leaving**2 * _corner(alpha, beta, node)
        return self._rule(column, np.append(alpha, last), np.append(beta, leaving))

    def _lobatto(self, column: int, low: float, high: float) -> Rule:
        alpha, beta, leaving = self._jacobi(column)
        if leaving == 0.0:
            return self._rule(column, alpha, beta)
        at_low, at_high = _corner(alpha, beta, low), _corner(alpha, beta, high)
        square = (high - low) / (at_low - at_high)
        last = low + square * at_low
        return self._rule(column, np.append(alpha, last), np.append(beta, np.sqrt(square)))


def _corner(alpha: Array, beta: Array, point: float) -> float:
    """Return the last diagonal entry of (J − point)⁻¹, by elimination from the first row on."""
    pivot = alpha[0] - point
    for a, b in zip(alpha[1:], beta, strict=True):
        pivot = (a - point) - b * b / pivot
    return float(1.0 / pivot)
