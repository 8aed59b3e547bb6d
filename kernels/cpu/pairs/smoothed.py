"""One layer of any function g, pair by pair: integrals over one variable of g and of g smoothed.

Of two normal variables u and v of deviations p and q and correlation ρ, v is q(ρx + √(1 − ρ²)w)
where u is px, x and w independent, so that with

    G(a, b) = E g(a + bw),   V(a, b) = E g(a + bw)² − G(a, b)²,

    E g(u)g(v) = E g(px) G(a, b),   a = qρx, b = q√(1 − ρ²),
    ½E(g(u)/α ∓ g(v)/β)² = ½E[(g(px)/α ∓ G(a, b)/β)² + V(a, b)/β²],

and nothing of the latter cancels where it is small. G and V/b² know no norm and no angle. They are
polynomials on rectangles of the half plane of a and b, halved where they are rough, and g itself is
one of z between its kinks. On a panel that is in one piece of each, the integrand is a polynomial
times a normal density. Of a pair b is one number, and a rectangle's polynomial one of a.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.kernels.cpu.jit import jit

__all__ = ["COUNT", "SmoothedFunction", "integrals_of_pairs", "smoothed_at"]

FloatArray = npt.NDArray[np.float64]

COUNT = 16  # coefficients of a polynomial, in each variable
_ROOT = 0.3989422804014327  # 1/√2π
_FURTHEST = 9.0  # deviations: exp(−40.5) is 3e-18
_LONGEST = 1.5  # panel, in deviations

_compile = jit({"contract"})
_compile_reduction = jit({"contract", "reassoc", "nnan", "ninf", "nsz"})


class SmoothedFunction(NamedTuple):
    """A function, and what is smoothed of it, as polynomials on pieces; coefficients descend.

    Pieces are intervals of z, [edges[k], edges[k + 1]], and rectangles, parts of [−extent, 0] or
    [0, extent] times [0, extent]; each in its own [−1, 1].

    Attributes
    ----------
    parity : int
        p where g(−z) = p·g(z), and rectangles are of a ≥ 0 alone; else 0.
    at_zero : float
        g(0), a kink or not.
    edges, pieces : (k + 1,) and (k, COUNT) arrays
    extent : float
    children : (rectangles,) int64 array
        The first of a rectangle's two halves, that of lower a or b, or −1 − place in `leaves`.
    in_b : (rectangles,) bool array
        Whether they are halves in b.
    leaves : (n, 2, COUNT, COUNT) array
        Of G and V/b², in b and then in a; G alone where V is not wanted.
    nodes, weights : (m,) arrays
        Gauss-Legendre on [−1, 1].
    """

    parity: int
    at_zero: float
    edges: FloatArray
    pieces: FloatArray
    extent: float
    children: npt.NDArray[np.int64]
    in_b: npt.NDArray[np.bool_]
    leaves: FloatArray
    nodes: FloatArray
    weights: FloatArray


@_compile
def _horner(coefficients, t):
    total = coefficients[0]
    for k in range(1, COUNT):
        total = total * t + coefficients[k]
    return total


@_compile
def _size(coefficients):
    """Return what a polynomial's values are rounded like."""
    return abs(coefficients[COUNT - 1]) + abs(coefficients[COUNT - 2])


@_compile
def _quotient(coefficients, t, out):
    """Set `out` to (p(x) − p(t))/(x − t), of one coefficient less and so 0 first."""
    out[0] = 0.0
    total = 0.0
    for k in range(COUNT - 1):
        total = total * t + coefficients[k]
        out[k + 1] = total


@_compile
def _differences(start, stop, base, origin, from_t, quotient, point, b, rule, sums):
    """Add to sums Σ weight·h and Σ weight·h² over a piece of z, from `start` to `stop`.

    h is `base` at the origin, `from_t` of the piece, and changes by `quotient` times the distance
    from it. Nodes are such distances: no digits of z are lost by a large point or a small b.
    """
    nodes, weights = rule
    apart, half = point - origin, (stop - start) / 2.0
    low = max(start - origin, apart - _FURTHEST * b)
    high = min(stop - origin, apart + _FURTHEST * b)
    if high <= low:
        return
    count = math.ceil((high - low) / (_LONGEST * b))
    step = (high - low) / count / 2.0
    for panel in range(count):
        center = low + (2 * panel + 1) * step
        for n in range(nodes.size):
            distance = center + step * nodes[n]
            w = (distance - apart) / b
            weight = _ROOT * step / b * weights[n] * math.exp(-0.5 * w * w)
            moved = distance / half
            h = base + moved * _horner(quotient, from_t + moved)
            sums[0] += weight * h
            sums[1] += weight * h * h


@_compile
def smoothed_at(a, b, edges, pieces, jumps, rule, out):
    """Set `out`, (2, b, a), to G and V/b² at points; both of one side of every kink near them.

    What g lacks from its value at a goes from piece to piece, so that its digits are kept.

    Parameters
    ----------
    a, b : (m,) arrays
        b above 0.
    edges, pieces : arrays
        See `SmoothedFunction`.
    jumps : (k + 1,) array
        What g rises by at the edges.
    rule : pair of arrays
        Nodes and weights on [−1, 1].
    """
    quotient, sums = np.empty(COUNT), np.empty(2)
    for i in range(a.size):
        point = a[i]
        own = min(max(np.searchsorted(edges, point) - 1, 0), pieces.shape[0] - 1)
        middle, half = (edges[own] + edges[own + 1]) / 2.0, (edges[own + 1] - edges[own]) / 2.0
        t = (point - middle) / half
        value = _horner(pieces[own], t)
        for j in range(b.size):
            sums[:] = 0.0
            reach = _FURTHEST * b[j]
            _quotient(pieces[own], t, quotient)
            _differences(
                edges[own], edges[own + 1], 0.0, point, t, quotient, point, b[j], rule, sums
            )
            for side in (-1, 1):
                _quotient(pieces[own], t, quotient)
                beyond = edges[own + 1] if side == 1 else edges[own]
                base = (beyond - point) / half * _horner(quotient, float(side))
                moved = abs(base)
                k = own + side
                while 0 <= k < pieces.shape[0]:
                    near = edges[k] if side == 1 else edges[k + 1]
                    if side * (near - point) >= reach:
                        break
                    jump = side * jumps[k if side == 1 else k + 1]
                    base, moved = base + jump, moved + abs(jump)
                    # a plain difference, where that has the smaller rounding
                    size = _size(pieces[own]) + _size(pieces[k])
                    if size <= moved:
                        base, moved = _horner(pieces[k], -float(side)) - value, size
                    _quotient(pieces[k], -float(side), quotient)
                    _differences(
                        edges[k], edges[k + 1], base, near, -float(side), quotient, point, b[j],
                        rule, sums,
                    )  # fmt: skip
                    change = 2.0 * side * _horner(quotient, float(side))
                    base, moved = base + change, moved + abs(change)
                    k += side
            out[0, j, i] = value + sums[0]
            out[1, j, i] = (sums[1] - sums[0] * sums[0]) / (b[j] * b[j])


@_compile
def _rectangle_at(a, b, downwards, table, box):
    """Return the place in `leaves` of the rectangle at (a, b); set `box` to middles and halves.

    Of two rectangles that meet at a it is the one on the way.
    """
    half = table.extent / 2.0
    left = a < 0.0 or (a == 0.0 and downwards)
    middle, width, height, half_height = (-half if left else half), half, half, half
    place = 0 if table.parity or left else 1
    while table.children[place] >= 0:
        if table.in_b[place]:
            half_height /= 2.0
            beyond = b >= height
            height += half_height if beyond else -half_height
        else:
            width /= 2.0
            beyond = a > middle or (a == middle and not downwards)
            middle += width if beyond else -width
        place = table.children[place] + beyond
    box[0], box[1], box[2], box[3] = middle, width, height, half_height
    return -1 - table.children[place]


@_compile_reduction
def _of_one_b(rectangle, t, out):
    """Set `out` to the polynomial in a that a rectangle's is at b."""
    for k in range(COUNT):
        out[k] = rectangle[0, k]
    for row in range(1, COUNT):
        for k in range(COUNT):
            out[k] = out[k] * t + rectangle[row, k]


@_compile
def integrals_of_pairs(
    first, second, squares, far, row_norms, column_norms, row_sizes, column_sizes, table, out
):
    """Set out[n] to E g(u)g(v), ½E(g(u)/α − g(v)/β)² and ½E(g(u)/α + g(v)/β)² of pairs.

    Parameters
    ----------
    first, second : (pairs,) int64 arrays
    squares : (pairs,) array
        Half the chord of the two to the nearer end, squared.
    far : (pairs,) bool array
        Whether that end is ρ = −1.
    row_norms, column_norms : arrays
        The deviations of u and of v.
    row_sizes, column_sizes : arrays
        α and β.
    table : SmoothedFunction
    out : (pairs, 3) array
        Where rectangles have no V, its last two columns lack it.
    """
    smooth, variance, box = np.zeros(COUNT), np.zeros(COUNT), np.empty(4)
    with_variance = table.leaves.shape[1] == 2
    for n in range(first.size):
        p, q = row_norms[first[n]], column_norms[second[n]]
        alpha, beta = row_sizes[first[n]], column_sizes[second[n]]
        if p > q:  # what is larger is smoothed
            p, q, alpha, beta = q, p, beta, alpha
        b = 2.0 * q * math.sqrt(squares[n] * (1.0 - squares[n]))
        slope = q * (1.0 - 2.0 * squares[n])
        sign = 1.0
        if far[n]:
            if table.parity:
                sign = float(table.parity)
            else:
                slope = -slope
        x = 0.0 if table.parity else -_FURTHEST
        product = less = more = 0.0
        piece = min(max(np.searchsorted(table.edges, p * x, "right") - 1, 0),
                    table.pieces.shape[0] - 1)  # fmt: skip
        low, high = table.edges[piece], table.edges[piece + 1]
        edge = -np.inf  # where the rectangle ends
        while x < _FURTHEST:
            if x >= edge:
                a = slope * x
                if edge > -np.inf:  # to the very edge
                    a = box[0] + box[1] if slope > 0.0 else box[0] - box[1]
                leaf = _rectangle_at(a, b, slope < 0.0, table, box)
                t = (b - box[2]) / box[3]
                _of_one_b(table.leaves[leaf, 0], t, smooth)
                if with_variance:
                    _of_one_b(table.leaves[leaf, 1], t, variance)
                edge = np.inf
                if slope != 0.0:
                    edge = (box[0] + box[1] if slope > 0.0 else box[0] - box[1]) / slope
            while p > 0.0 and x >= high / p and piece < table.pieces.shape[0] - 1:
                piece += 1
                low, high = table.edges[piece], table.edges[piece + 1]
            end = min(x + _LONGEST, edge, _FURTHEST)
            if p > 0.0:
                end = min(end, high / p)
            if end <= x:
                if edge <= x:
                    continue
                break
            step = (end - x) / 2.0
            for m in range(table.nodes.size):
                at = x + step * (1.0 + table.nodes[m])
                weight = step * table.weights[m] * math.exp(-0.5 * at * at)
                g = table.at_zero
                if p > 0.0:
                    g = _horner(table.pieces[piece], (2.0 * p * at - low - high) / (high - low))
                t = (slope * at - box[0]) / box[1]
                h = table.at_zero
                if q > 0.0:
                    h = sign * _horner(smooth, t)
                product += weight * g * h
                rest = 0.0
                if with_variance:
                    rest = max(_horner(variance, t), 0.0) * (b / beta) ** 2
                difference, total = g / alpha - h / beta, g / alpha + h / beta
                less += weight * (difference * difference + rest)
                more += weight * (total * total + rest)
            x = end
        scale = _ROOT * (2.0 if table.parity else 1.0)
        out[n, 0], out[n, 1], out[n, 2] = scale * product, 0.5 * scale * less, 0.5 * scale * more
