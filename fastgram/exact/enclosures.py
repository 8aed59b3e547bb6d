"""The smallest eigenvalue of a symmetric matrix of balls, enclosed.

An approximate eigenvector v of any origin gives the upper end: λ_min ≤ vᵀHv/vᵀv, in balls. The
lower end s is proven by H − (s + ε)I = UᵀU + E with an approximate Cholesky factor U. Whatever U
is, UᵀU is positive semidefinite: ‖E‖ ≤ ε, by the sums of its rows, is all there is to prove. That
holds at any multiplicity and for clusters at the edge, takes no more precision than telling H − sI
from a singular matrix does (elimination in balls takes about twice that) and costs one and a half
products of matrices. Squeezing 1/λ_min between traces tr(A⁻ᵏ) instead takes n^(1/k) − 1 < 10⁻¹⁵,
some 50 squarings, when the edge is double (as on a circle).

Vectors come from float64: LAPACK's eigenvectors of the inverse, which holds λ_min to float64
accuracy however small it is, refined by Rayleigh–Ritz and block (inverse) iteration at the
precision of `flint.ctx`. Nothing of that needs to be right for the ends to be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat, ctx
from scipy.linalg import eigh

from fastgram.support.arrays import Array

__all__ = ["Enclosure", "enclose_largest", "enclose_smallest", "is_bounded_below"]

_LEAF = 24  # matrices up to this order are factorised entry by entry
_SMALL = 160  # halving smaller ones gains nothing
_VECTORS = 12  # carried along, so that a cluster at the edge converges as one
_PRODUCTS, _STEPS = 3, 40
# An eigenvalue no larger than so many radii may be rounding, at any precision.
_NOISE = 2**20


@dataclass(frozen=True)
class Enclosure:
    """Proven ends of an eigenvalue, exact binary numbers; `lower` is None where unproven.

    `lacking` is how many bits of precision seem to be missing, 0 where none are.
    """

    lower: arb | None
    upper: arb
    lacking: int


def is_bounded_below(H: arb_mat, bound: arb, margin: arb) -> bool:
    """Whether every symmetric matrix in the balls is proven to have no eigenvalue below `bound`.

    H = (bound + margin)I + UᵀU + E, with an approximate Cholesky factor U, says so where no row of
    |E| sums to more than the margin. Of H and E the upper triangles are looked at.
    """
    shifted = H - (bound + margin) * _identity(H.nrows())
    factors = _cholesky(shifted.mid(), False)
    if factors is None:
        return False
    sums = [arb(0)] * H.nrows()
    rows = zip(shifted.tolist(), _upper_square(factors[0]), strict=True)
    for i, (row, product) in enumerate(rows):
        for j in range(i, len(row)):
            size = (row[j] - product[j]).abs_upper()
            sums[i] += size
            if j > i:
                sums[j] += size
    return all(total <= margin for total in sums)


def _cholesky(M: arb_mat, inverse: bool) -> tuple[arb_mat, arb_mat] | None:
    """Return upper triangular U ≈ and C ≈ U⁻¹ of midpoints with M ≈ UᵀU, or None.

    Without `inverse` C is a placeholder. None says that M seems not to be positive definite. Of the
    leading block's U₁, C₁ and the Schur complement's U₂, C₂: U = [[U₁, C₁ᵀM₁₂], [0, U₂]] and
    C = [[C₁, −C₁U₁₂C₂], [0, C₂]].
    """
    n = M.nrows()
    if n <= _LEAF:
        return _cholesky_of_leaf(M.tolist())
    rows, half = M.tolist(), n // 2
    first = _cholesky(arb_mat([row[:half] for row in rows[:half]]), True)
    if first is None:
        return None
    across = (first[1].transpose() * arb_mat([row[half:] for row in rows[:half]])).mid()
    trailing = arb_mat([row[half:] for row in rows[half:]])
    second = _cholesky((trailing - _square(across)).mid(), inverse)
    if second is None:
        return None
    U = _stacked(first[0], across, second[0])
    if not inverse:
        return U, U
    corner = -(first[1] * (across * second[1]).mid()).mid()
    return U, _stacked(first[1], corner, second[1])


def _cholesky_of_leaf(rows: list[list[arb]]) -> tuple[arb_mat, arb_mat] | None:
    n = len(rows)
    U = [[arb(0)] * n for _ in range(n)]
    C = [[arb(int(i == j)) for j in range(n)] for i in range(n)]
    scales = []
    for k in range(n):
        pivot = rows[k][k]
        if not pivot > 0:
            return None
        scales.append(pivot.rsqrt().mid())
        U[k][k:] = [(x * scales[k]).mid() for x in rows[k][k:]]
        for j in range(k + 1, n):
            factor = (rows[k][j] / pivot).mid()
            for i in range(k + 1, j + 1):
                rows[i][j] = (rows[i][j] - factor * rows[k][i]).mid()
            for i in range(k + 1):
                C[i][j] = (C[i][j] - factor * C[i][k]).mid()
    C = [[(x * s).mid() for x, s in zip(row, scales, strict=True)] for row in C]
    return arb_mat(U), arb_mat(C)


def _stacked(first: arb_mat, corner: arb_mat, last: arb_mat) -> arb_mat:
    """Return [[first, corner], [0, last]]."""
    zeros = [arb(0)] * first.ncols()
    upper = [a + b for a, b in zip(first.tolist(), corner.tolist(), strict=True)]
    return arb_mat(upper + [zeros + row for row in last.tolist()])


def _square(V: arb_mat) -> arb_mat:
    """Return VᵀV."""
    return V.transpose() * V


def _upper_square(U: arb_mat) -> list[list[arb]]:
    """Return the rows of UᵀU of an upper triangular U; what is below the diagonal has no meaning.

    By halves, of which that takes a third of a product of matrices.
    """
    n = U.nrows()
    if n <= _SMALL:
        square: list[list[arb]] = _square(U).tolist()
        return square
    rows, half = U.tolist(), n // 2
    first = arb_mat([row[:half] for row in rows[:half]])
    across = arb_mat([row[half:] for row in rows[:half]])
    corner = _upper_square(arb_mat([row[half:] for row in rows[half:]]))
    above = zip(_upper_square(first), (first.transpose() * across).tolist(), strict=True)
    below = zip(corner, _square(across).tolist(), strict=True)
    zeros = [arb(0)] * half
    return [left + right for left, right in above] + [
        zeros + [x + y for x, y in zip(one, other, strict=True)] for one, other in below
    ]


def enclose_smallest(A: arb_mat, digits: int) -> Enclosure:
    """Enclose λ_min of a positive semidefinite A to a relative 10**-digits/4."""
    middle = A.mid()
    factors = _cholesky(middle, True)
    try:
        if factors is None:  # it may yet have an inverse
            inverse = middle.solve(_identity(A.nrows()), algorithm="approx")
        else:
            inverse = factors[1] * factors[1].transpose()
        start = _top_vectors(inverse)
    except (ZeroDivisionError, ValueError):  # singular, or no numbers, at this precision
        return Enclosure(None, _rayleigh(A, _unit(A.nrows())).upper(), ctx.prec // 2)
    return _enclose(A, middle, inverse, start, digits)


def enclose_largest(A: arb_mat, digits: int) -> Enclosure:
    """Enclose −λ_max, that is λ_min of −A, to a relative 10**-digits/4."""
    middle = A.mid()
    try:
        start = _top_vectors(middle)
    except ValueError:  # no numbers at this precision
        return Enclosure(None, _rayleigh(-A, _unit(A.nrows())).upper(), ctx.prec // 2)
    return _enclose(-A, -middle, middle, start, digits)


def _enclose(H: arb_mat, middle: arb_mat, power: arb_mat, start: Array, digits: int) -> Enclosure:
    """Enclose the least eigenvalue of H, whose vectors are the dominant ones of `power`."""
    value, V, settled = _by_products(middle, power, _orthonormal(arb_mat(start.tolist())), digits)
    slack = arb(10) ** -(digits + 1) * 2
    quotient = _rayleigh(H, _first(V))
    if not abs(quotient).abs_lower() > _NOISE * quotient.rad():  # nothing to refine
        return Enclosure(None, quotient.upper(), ctx.prec // 2)
    if not settled:
        value, V = _by_factorisations(middle, value, V, digits)
        quotient = _rayleigh(H, _first(V))
    upper = quotient.upper()
    if not abs(quotient).abs_lower() * slack > 4 * quotient.rad():
        size = abs(value).abs_upper() * slack
        lacking = ctx.prec if size.is_zero() else _bits(quotient.rad() / size)
        return Enclosure(None, upper, max(32, min(ctx.prec // 2, lacking + 16)))
    margin = (abs(upper) * slack / 2).mid()
    lower = (upper - 2 * margin).mid()
    if is_bounded_below(H, lower, margin):
        return Enclosure(lower, upper, 0)
    return Enclosure(None, upper, max(32, ctx.prec // 5))


def _bits(ratio: arb) -> int:
    return max(0, int(float((ratio.abs_upper().log() / arb(2).log()).upper())) + 1)


def _by_products(H: arb_mat, power: arb_mat, V: arb_mat, digits: int) -> tuple[arb, arb_mat, bool]:
    """Return the least Ritz value and all Ritz vectors after a few products, and if it settled.

    A product with `power` costs next to nothing, and vectors from LAPACK rarely need more.
    """
    value, V = _ritz(H, V)
    for _ in range(_PRODUCTS):
        before = value
        value, V = _ritz(H, _orthonormal((power * V).mid()))
        # far below what is asked for: products converge slowly where eigenvalues are close
        if abs(value - before) <= abs(value) * arb(10) ** -(digits + 8):
            return value, V, True
    return value, V, False


def _by_factorisations(H: arb_mat, value: arb, V: arb_mat, digits: int) -> tuple[arb, arb_mat]:
    """Return the same after steps of inverse iteration near the value, each a factorisation."""
    n = H.nrows()
    tolerance = arb(10) ** -(digits + 4)
    shift = arb(2) ** -10
    for _ in range(_STEPS):
        shifted = H - (value - abs(value) * shift).mid() * _identity(n)
        try:
            V = _orthonormal(shifted.mid().solve(V, algorithm="approx"))
        except ZeroDivisionError:  # the shift is an eigenvalue
            break
        before = value
        value, V = _ritz(H, V)
        if not value.is_finite() or abs(value - before) <= abs(value) * tolerance:
            break
    return value, V


def _first(V: arb_mat) -> arb_mat:
    return arb_mat([[row[0]] for row in V.tolist()])


def _rayleigh(H: arb_mat, vector: arb_mat) -> arb:
    row = vector.transpose()
    quotient: arb = (row * (H * vector))[0, 0] / (row * vector)[0, 0]
    return quotient


def _ritz(H: arb_mat, V: arb_mat) -> tuple[arb, arb_mat]:
    """Return the least Ritz value on orthonormal columns, and all Ritz vectors, it first."""
    small = (V.transpose() * (H * V)).mid().tolist()
    values, turn = _jacobi(small)
    order = sorted(range(len(values)), key=lambda i: (values[i] - values[0]).mid())
    turned = (V * arb_mat([[row[i] for i in order] for row in turn])).mid()
    return values[order[0]], turned


def _jacobi(C: list[list[arb]]) -> tuple[list[arb], list[list[arb]]]:
    """Approximate eigenvalues and eigenvectors (columns) of a small symmetric matrix."""
    k = len(C)
    V = [[arb(int(i == j)) for j in range(k)] for i in range(k)]
    small = arb(2) ** -ctx.prec
    for _ in range(30):
        rotated = False
        for p in range(k):
            for q in range(p + 1, k):
                if not abs(C[p][q]) > small * (abs(C[p][p]) + abs(C[q][q])):
                    continue
                rotated = True
                ratio = ((C[q][q] - C[p][p]) / (2 * C[p][q])).mid()
                sign = 1 if ratio >= 0 else -1
                t = (sign / (abs(ratio) + (ratio * ratio + 1).sqrt())).mid()
                c = (t * t + 1).rsqrt().mid()
                s = (t * c).mid()
                for row in (*C, *V):
                    row[p], row[q] = (
                        (c * row[p] - s * row[q]).mid(),
                        (s * row[p] + c * row[q]).mid(),
                    )
                a, b = C[p], C[q]
                C[p] = [(c * x - s * y).mid() for x, y in zip(a, b, strict=True)]
                C[q] = [(s * x + c * y).mid() for x, y in zip(a, b, strict=True)]
        if not rotated:
            break
    return [C[i][i] for i in range(k)], V


def _orthonormal(V: arb_mat) -> arb_mat:
    """Gram–Schmidt, twice, of midpoints; columns that are zero, or become so, are left out."""
    basis: list[arb_mat] = []
    for column in zip(*V.mid().tolist(), strict=True):
        v: arb_mat | None = arb_mat([[x] for x in column])
        for _ in range(2):
            v = None if v is None else _normalised(v)
            for u in basis if v is not None else ():
                v = (v - u * (u.transpose() * v)[0, 0]).mid()
        v = None if v is None else _normalised(v)
        if v is not None:
            basis.append(v)
    return arb_mat([list(row) for row in zip(*(u.entries() for u in basis), strict=True)])


def _normalised(v: arb_mat) -> arb_mat | None:
    square = (v.transpose() * v)[0, 0]
    return (v * square.rsqrt()).mid() if square > 0 else None


def _top_vectors(M: arb_mat) -> Array:
    """Return LAPACK's eigenvectors of the largest eigenvalues of M, rounded to float64."""
    n = M.nrows()
    top = max(M[i, i].abs_upper() for i in range(n))  # of a matrix without negative eigenvalues
    if not top > 0:
        raise ValueError("not finite")
    scale = (1 / top).mid()
    rounded = np.array([float(x * scale) for x in M.entries()]).reshape(n, n)
    if not np.all(np.isfinite(rounded)):
        raise ValueError("not finite")
    count = min(n, _VECTORS)
    middle = (rounded + rounded.T) / 2.0
    _, vectors = eigh(middle, subset_by_index=[n - count, n - 1])
    if vectors.shape[1] < count:  # as LAPACK does on what is nearly a multiple of I
        vectors = eigh(middle, driver="ev")[1][:, n - count :]
    return np.asarray(vectors[:, ::-1])


def _unit(n: int) -> arb_mat:
    return arb_mat(n, 1, [1] + [0] * (n - 1))


def _identity(n: int) -> arb_mat:
    return arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
