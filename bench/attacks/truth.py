"""The truth: eigenvalues of matrices of exact numbers or narrow balls, in high precision.

Vectors X come from Jacobi's rotations, in a precision far beyond what is asked for, and what they
may be off by is not taken on trust. With H = (XᵀX)^½ and Y = XH⁻¹, orthonormal, the residual
R = AX − XΛ gives AY − YΛ = (R + Y(HΛ − ΛH))H⁻¹: each eigenvalue is within the norm of this of its
place in Λ (Weyl), ‖H − I‖ ≤ ‖XᵀX − I‖. Both norms are computed in balls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from flint import arb, arb_mat, ctx, fmpz

__all__ = ["Interval", "Matrix", "eigenvalues", "exact_matrix", "scale_of"]

Matrix: TypeAlias = Any  # arb_mat


@dataclass(frozen=True)
class Interval:
    """Two exact ends that hold a number."""

    low: Fraction
    high: Fraction

    @property
    def middle(self) -> Fraction:
        """The number half-way."""
        return (self.low + self.high) / 2

    @classmethod
    def of(cls, ball: arb) -> Interval:
        """Return the ends of a ball."""
        middle, radius = _fraction(ball.mid()), _fraction(ball.rad())
        return cls(middle - radius, middle + radius)

    @classmethod
    def point(cls, value: Fraction | float | int) -> Interval:
        """Return an exact number."""
        return cls(Fraction(value), Fraction(value))


def _fraction(exact: arb) -> Fraction:
    mantissa, exponent = (int(part) for part in exact.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def as_arb(value: Fraction) -> arb:
    """Enclose a rational number."""
    return arb(fmpz(value.numerator)) / arb(fmpz(value.denominator))


def exact_matrix(array: Any) -> Matrix:
    """Return a float64 array as a matrix of exact numbers."""
    n, m = array.shape
    return arb_mat(n, m, [arb(float(value)) for value in array.ravel()])


def scale_of(A: Matrix) -> Fraction:
    """Return the largest |entry|."""
    n = A.nrows()
    return max(abs(_fraction(A[i, j].mid())) for i in range(n) for j in range(n))


def eigenvalues(A: Matrix, bits: int = 256) -> list[Interval]:
    """Enclose the eigenvalues of a symmetric matrix, ascending.

    Parameters
    ----------
    A : arb_mat
        Its entries may be balls: the enclosures are as wide as they make them.
    bits : int
        What they are computed in.
    """
    n = A.nrows()
    with ctx.workprec(bits):
        if n == 1:
            return [Interval.of(A[0, 0])]
        middle = A.mid()
        top = max((abs(middle[i, j]) for i in range(n) for j in range(n)), key=float_size)
        if top == 0:
            return [Interval.of(A[0, 0])] * n
        error = frobenius(A - middle)
        vectors = _eigenvectors(middle)
        images = middle * vectors
        gram = vectors.transpose() * vectors
        values = [
            sum((vectors[i, k] * images[i, k] for i in range(n)), arb(0)) / gram[k, k]
            for k in range(n)
        ]
        scaled = arb_mat(n, n, [vectors[i, k] * values[k] for i in range(n) for k in range(n)])
        identity = arb_mat(n, n, [int(i == k) for i in range(n) for k in range(n)])
        defect = frobenius(gram - identity)
        if not defect < 0.5:
            raise ArithmeticError(f"{bits} bits do not separate the eigenvectors")
        error += frobenius(images - scaled) / (1 - defect).sqrt()
        largest = max((abs(value) for value in values), key=float_size)
        error += 2 * defect * largest / (1 - defect)
        found = [Interval.of(value + arb(0, error.upper())) for value in values]
        return sorted(found, key=lambda interval: interval.middle)


def float_size(value: arb) -> Any:
    """Return the key by which balls are compared."""
    return _fraction(value.mid())


def frobenius(A: Matrix) -> arb:
    """Enclose the Frobenius norm from above."""
    squares: Any = sum((entry * entry for entry in A.entries()), arb(0))
    return squares.upper().sqrt().upper() if squares.upper() > 0 else arb(0)


def _eigenvectors(A: Matrix) -> Matrix:
    """Return the product of Jacobi's rotations, by approximate numbers and without any proof."""
    n = A.nrows()
    start = _nearly(A)
    B = start.transpose() * A * start
    a = [[B[i, j].mid() for j in range(n)] for i in range(n)]
    v = [[start[i, j].mid() for j in range(n)] for i in range(n)]
    small = arb(2) ** (-ctx.prec)
    for _ in range(60):
        rotated = False
        for p in range(n - 1):
            for q in range(p + 1, n):
                if rotate(a, v, p, q, small):
                    rotated = True
        if not rotated:
            break
    return arb_mat(n, n, [v[i][j] for i in range(n) for j in range(n)])


def _nearly(A: Matrix) -> Matrix:
    """Return orthonormal columns that diagonalise A to about float64, to begin with."""
    n = A.nrows()
    rough = np.array([[float(A[i, j]) for j in range(n)] for i in range(n)])
    size = float(np.max(np.abs(rough)))
    if not 1e-100 < size < 1e100:
        rough = np.eye(n)
    X = exact_matrix(np.linalg.eigh(rough)[1])
    identity = arb_mat(n, n, [int(i == k) for i in range(n) for k in range(n)])
    for _ in range(max(1, math.ceil(math.log2(ctx.prec / 48.0)))):  # Newton and Schulz
        X = (X + X * (identity - X.transpose() * X) / 2).mid()
    return X


def rotate(a: list[list[Any]], v: list[list[Any]], p: int, q: int, small: Any) -> bool:
    """Turn a[p][q] to 0, and v with it; return whether there was anything to do."""
    off = a[p][q]
    if off == 0 or abs(off) <= small * (abs(a[p][p]) + abs(a[q][q])):
        return False
    theta = (a[q][q] - a[p][p]) / (2 * off)
    t = 1 / (abs(theta) + (theta * theta + 1).sqrt())
    if theta < 0:
        t = -t
    c = (1 / (t * t + 1).sqrt()).mid()
    s = (t * c).mid()
    for row in a:
        x, y = row[p], row[q]
        row[p], row[q] = (c * x - s * y).mid(), (s * x + c * y).mid()
    n = len(a)
    for k in range(n):
        x, y = a[p][k], a[q][k]
        a[p][k], a[q][k] = (c * x - s * y).mid(), (s * x + c * y).mid()
    for row in v:
        x, y = row[p], row[q]
        row[p], row[q] = (c * x - s * y).mid(), (s * x + c * y).mid()
    return True
