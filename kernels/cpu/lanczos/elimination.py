"""Block elimination of a shifted block tridiagonal matrix, as `fastgram.linalg.exclusion` has it.

All matrices are small and row-major with room to spare, (width, width) or (width, 2 width): of each
the first so many rows and columns count. Loops run along rows, which become vectors.
"""

from __future__ import annotations

import math

import numpy as np

from fastgram.kernels.cpu.jit import jit

__all__ = ["pass_through"]

_compile = jit({"contract"})


@_compile
def pass_through(
    diagonals,
    couplings,
    sizes,
    outward,
    points,
    negligible,
    flows,
    slopes,
    roots,
    insides,
    definite,
):
    """Take Z from Φ₀ = Z through a stage, at each of some points.

    Parameters
    ----------
    diagonals, couplings : (k, w, w) arrays
        Aⱼ and Bⱼ₊₁, in the first rows and columns; w is as wide as the widest of them.
    sizes : (k + 1,) array of int
        The rows of each diagonal, and those of the last coupling.
    outward, points : (p,) arrays
        Which way is out, −1 or 1, and the points x.
    negligible : float
        Where ‖Φⱼ‖_F² has fallen below it a point goes no further: what comes out is that of the
        stage as it was after so many passes.
    flows : (p, w, m) array
        Z, and Φₖ afterwards.
    slopes, roots, insides : (p, w, m), (p, w, w), (p, m, m) arrays
        What comes out: the derivative of Φₖ by −x with Z held fixed, R with Sₖ = RᵀR, upper
        triangular and 1 on the diagonal beyond Sₖ, and Zᵀ(HE)ᵀ(HE)Z.
    definite : (p,) array of bool
        What comes out, too: whether the matrix is definite at the point; else the rest of what
        comes out does not count.
    """
    width = diagonals.shape[1]
    columns = flows.shape[2]
    known = np.empty((width, width))
    pivot = np.empty((width, width))
    half = np.empty((width, width))
    gain = np.empty((width, width))
    weighted = np.empty((width, columns))
    rooted = np.empty((width, columns))
    carried = np.empty((width, columns))
    dots = np.empty(width)
    for p in range(points.size):
        flow, slope, root, inside = flows[p], slopes[p], roots[p], insides[p]
        sign, shift = outward[p], outward[p] * points[p]
        _clear(slope, 0.0)
        _clear(inside, 0.0)
        _clear(known, 0.0)
        _clear(root, 1.0)
        definite[p] = True
        for j in range(sizes.size - 1):
            size, rows = sizes[j], sizes[j + 1]
            for i in range(size):
                for c in range(i, size):
                    pivot[i, c] = -sign * diagonals[j, i, c] - known[i, c]
                pivot[i, i] = (shift - sign * diagonals[j, i, i]) - known[i, i]
            if not _factor(pivot, size):
                definite[p] = False
                break
            for i in range(size):
                for c in range(rows):
                    half[i, c] = couplings[j, c, i]
                for c in range(columns):
                    weighted[i, c] = flow[i, c]
            _solve_lower(pivot, half, size, rows)
            _clear(known, 0.0)
            _add(known, half, half, size, rows, rows)
            for i in range(size):
                for c in range(rows):
                    gain[i, c] = half[i, c]
            _solve_upper(pivot, gain, size, rows)
            _solve_lower(pivot, weighted, size, columns)
            _solve_upper(pivot, weighted, size, columns)
            _multiply(rooted, root, weighted, size, size, columns)
            _gather(inside, rooted, weighted, slope, size, columns)
            for i in range(size):
                for c in range(columns):
                    carried[i, c] = -slope[i, c]
            _add(carried, root, rooted, size, size, columns)
            _clear(slope, 0.0)
            _add(slope, gain, carried, size, rows, columns)
            _multiply(flow, couplings[j], weighted, size, rows, columns)
            total = 0.0
            for i in range(rows):
                for c in range(columns):
                    flow[i, c] = -flow[i, c]
                    total += flow[i, c] * flow[i, c]
            _multiply(half, root, gain, size, size, rows)
            _stack(root, half, size, rows, dots)
            if total < negligible:
                break


@_compile
def _clear(out, diagonal):
    """Set all to 0, and the diagonal to a number."""
    for i in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[i, c] = 0.0
        if i < out.shape[1]:
            out[i, i] = diagonal


@_compile
def _factor(pivot, size):
    """Replace an upper triangle by U with UᵀU what it was; return whether there is one."""
    for k in range(size):
        if not pivot[k, k] > 0.0:
            return False
        diagonal = math.sqrt(pivot[k, k])
        pivot[k, k] = diagonal
        for c in range(k + 1, size):
            pivot[k, c] /= diagonal
        for i in range(k + 1, size):
            factor = pivot[k, i]
            for c in range(i, size):
                pivot[i, c] -= factor * pivot[k, c]
    return True


@_compile
def _solve_lower(upper, right, size, columns):
    """Replace the right-hand side by U⁻ᵀ times it."""
    for k in range(size):
        diagonal = upper[k, k]
        for c in range(columns):
            right[k, c] /= diagonal
        for i in range(k + 1, size):
            factor = upper[k, i]
            for c in range(columns):
                right[i, c] -= factor * right[k, c]


@_compile
def _solve_upper(upper, right, size, columns):
    """Replace the right-hand side by U⁻¹ times it."""
    for k in range(size - 1, -1, -1):
        diagonal = upper[k, k]
        for c in range(columns):
            right[k, c] /= diagonal
        for i in range(k):
            factor = upper[i, k]
            for c in range(columns):
                right[i, c] -= factor * right[k, c]


@_compile
def _add(out, left, right, size, rows, columns):
    """Add leftᵀ @ right to `out`; `left` may be triangular."""
    for k in range(size):
        for i in range(rows):
            factor = left[k, i]
            if factor != 0.0:
                for c in range(columns):
                    out[i, c] += factor * right[k, c]


@_compile
def _multiply(out, left, right, size, rows, columns):
    """Set `out` to left @ right; `left` may be triangular."""
    _clear(out, 0.0)
    for i in range(rows):
        for k in range(size):
            factor = left[i, k]
            if factor != 0.0:
                for c in range(columns):
                    out[i, c] += factor * right[k, c]


@_compile
def _gather(inside, rooted, weighted, slope, size, columns):
    """Add rootedᵀ @ rooted − weightedᵀ @ slope − slopeᵀ @ weighted, of which the lower triangle."""
    for k in range(size):
        for i in range(columns):
            first, second, third = rooted[k, i], weighted[k, i], slope[k, i]
            for c in range(columns):
                inside[i, c] += first * rooted[k, c] - second * slope[k, c] - third * weighted[k, c]


@_compile
def _stack(root, below, size, rows, dots):
    """Set `root` to the triangle of the QR factorisation of the unit matrix over `below`."""
    _clear(root, 1.0)
    for j in range(rows):
        square = 0.0
        for i in range(size):
            square += below[i, j] * below[i, j]
        if square == 0.0:
            continue
        top = root[j, j]
        length = math.sqrt(top * top + square)
        pivot = top + length if top > 0.0 else top - length
        beta = 2.0 / (pivot * pivot + square)
        root[j, j] = -length if top > 0.0 else length
        for c in range(j + 1, rows):
            dots[c] = pivot * root[j, c]
        for i in range(size):
            factor = below[i, j]
            for c in range(j + 1, rows):
                dots[c] += factor * below[i, c]
        for c in range(j + 1, rows):
            dots[c] *= beta
            root[j, c] -= pivot * dots[c]
        for i in range(size):
            factor = below[i, j]
            for c in range(j + 1, rows):
                below[i, c] -= factor * dots[c]
