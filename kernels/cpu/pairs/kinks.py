"""Layers of step functions and of lines with kinks, pair by pair: bivariate normal integrals.

With g a step function of jumps Δᵢ at aᵢ and Price's theorem, E g(x)g(y) falls from its value at
ρ = 1 by ΣᵢⱼΔᵢΔⱼI(aᵢ, bⱼ), a sum over pairs of kinks (*corners*), x and y normal of variance 1 and
the aᵢ, bⱼ the kinks in units of either row's deviation. In x = tan(t/2), X = tan(θ/2) of the angle
θ between the rows, and c² = (a − b)²/8, d² = (a + b)²/8,

    I(a, b) = ∫ φ₂(a, b; cos t) sin t dt = exp(−c² − d²)/π ∫₀ˣ exp(−c²/x²) exp(−d²x²)/(1 + x²) dx,

and J(a, b) has 2x²/(1 + x²) beside it: what a line of kinks Δᵢ at aᵢ has beyond (1 − ρ)E f'f'.
The factor exp(−c²/x²), which no polynomial follows, is in the weights of the quadrature: those of
one rule in x²/X², as polynomials of c/X (`CornerRule`). Integrands are positive, so that what is
missing from ρ = 1 keeps its digits as θ tends to 0; kinks that are close to 0, of rows of large
norms, are taken as what they differ from kinks at 0 by, which is small by itself.

A row's function is data: kinks in units of its deviation, and a line between any two.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.kernels.cpu.jit import jit
from fastgram.kernels.cpu.llvm_vectors import borrowed_slice
from fastgram.kernels.cpu.pairs.parallel_rows import at_end
from fastgram.kernels.cpu.separable import quarter_distance

__all__ = [
    "DEGREE",
    "NEAR_ZERO",
    "CornerRule",
    "KinkedRows",
    "half_chord_squares",
    "layer_of_pairs",
]

FloatArray = npt.NDArray[np.float64]

NEAR_ZERO = 0.5  # (a² + b²)/4 below which a corner is taken as its difference from one at 0
DEGREE = 10  # of a rule's polynomials

_LOST = tuple(
    (-1.0) ** n * (2.0 / (math.factorial(n) * (2 * n + 1)) - 1.0 / math.factorial(n + 1))
    for n in reversed(range(14))
)

_compile = jit({"contract"})
_compile_reduction = jit({"contract", "reassoc", "nnan", "ninf", "nsz"})


class CornerRule(NamedTuple):
    """A quadrature in u = x²/X² of exp(−γ²/u)·exp(−λu) times a polynomial, γ = c/X and λ = d²X².

    A weight is `weights` − γ·D, and on the first cells of γ/(1 + γ) `weights` − γ·D₀ − γ²·D, where
    D₀ takes √π times the value at u = 0, without being summed. D on its cell, and (exp(−λu) − 1)/λ
    on that of λ, are polynomials in the distance from the middle of it, in units of half of it.

    Attributes
    ----------
    nodes, weights : (nodes,) arrays
        Of γ = 0.
    gaps, decays : (cells, degree + 1, nodes) arrays
        The two, descending; beyond the last cell nothing is left of the integral.
    gap_width, decay_width : float
        Of a cell.
    first_gaps : int
        How many the first cells are.
    """

    nodes: FloatArray
    weights: FloatArray
    gaps: FloatArray
    decays: FloatArray
    gap_width: float
    decay_width: float
    first_gaps: int


class KinkedRows(NamedTuple):
    """A function of kinks and lines of √q·x for each row, of variance q: of rows, or of columns.

    Attributes
    ----------
    kinks : (n, k) array
        In units of √q, ascending.
    density, fall, middle, tail, second : (n, k) arrays
        φ, φ − φ(0), Φ − ½, 1 − Φ(|·|) there, and the integral of x²φ from 0 to there.
    cubic : (n, k) array
        Φ − ½ − φ(0)·kink, where that is no further than 1.
    intercepts, slopes : (n, k + 1) arrays
        f = intercept + slope·√q·x between kinks.
    pull : (n,) array
        The sum of kinks times jumps of f'.
    roots, sizes : (n,) arrays
        √q, and what f is divided by where rows are compared.
    """

    kinks: FloatArray
    density: FloatArray
    fall: FloatArray
    middle: FloatArray
    tail: FloatArray
    second: FloatArray
    cubic: FloatArray
    intercepts: FloatArray
    slopes: FloatArray
    pull: FloatArray
    roots: FloatArray
    sizes: FloatArray


@_compile
def half_chord_squares(cosines, rows, columns, first, second, close):
    """Return s² of pairs, half the chord to the nearer end squared; from the rows where small.

    `first` and `second` say which row and column each of the cosines is of.
    """
    squares, length = np.empty(cosines.size), rows.shape[1]
    for n in range(cosines.size):
        rho = np.float64(cosines[n])
        squares[n] = 0.5 - 0.5 * abs(rho)
        if squares[n] < close:
            x = borrowed_slice(rows, first[n] * length, length)
            y = borrowed_slice(columns, second[n] * length, length)
            squares[n] = quarter_distance(x, y, rows.dtype.type(1.0 if rho >= 0.0 else -1.0))
    return squares


@_compile_reduction
def _sums(
    nodes, weights, gaps, decays, t, v, gap, decay, kept, below, missing, beside, square
):  # fmt: skip
    """Return the sums over the nodes that `_corner` is made of."""
    count = nodes.size
    first = second = 0.0
    for k in range(count):
        lost, decayed = gaps[k], decays[k]
        for m in range(1, DEGREE + 1):
            lost = lost * t + gaps[m * count + k]
            decayed = decayed * v + decays[m * count + k]
        lost = below * (gap * lost + (1.0 - kept) * weights[k])
        decayed *= decay
        whole = weights[k] * (decayed * below + missing)
        density = 1.0 / (1.0 + square * nodes[k])
        # of the lost, on the first cells, what is beside the value at u = 0
        first += density * (whole - lost * (decayed + (1.0 - beside) - beside * square * nodes[k]))
        second += density * density * nodes[k] * (whole - lost * (decayed + 1.0))
    return first, second


@_compile
def _lost_at_zero(gamma):
    """Return √π·γ·erf γ − 1 + exp(−γ²), γ at most ½: what a constant loses beside √π·γ."""
    square = gamma * gamma
    total = 0.0
    for n in range(len(_LOST)):
        total = total * square + _LOST[n]
    return total * square


@_compile
def _corner(a, b, x, rule):
    """Return I and J of a corner, how I was taken, and what then is to be subtracted from it.

    Taken 0: as it is. 1: without that of a corner at 0, for a and b are close to it. 2: so, and
    what is to be subtracted is linear in |a − b|.
    """
    gamma = abs(a - b) * 0.35355339059327373 / x  # /√8
    square = x * x
    decay = (a + b) * (a + b) * 0.125 * square
    outer = (a * a + b * b) * 0.25
    if decay >= rule.decays.shape[0] * rule.decay_width:
        return 0.0, 0.0, 0, 0.0  # less than exp(−40) of it
    near_zero = outer < NEAR_ZERO
    missing = np.expm1(-outer) if near_zero else 1.0
    below = 1.0 + missing if near_zero else 1.0
    bounded = gamma / (1.0 + gamma)
    beyond = bounded >= rule.gaps.shape[0] * rule.gap_width
    cell = rule.gaps.shape[0] - 1 if beyond else int(bounded / rule.gap_width)
    inner = cell < rule.first_gaps
    place = int(decay / rule.decay_width)
    count = rule.nodes.size
    size = (DEGREE + 1) * count
    first, second = _sums(
        rule.nodes, rule.weights,
        borrowed_slice(rule.gaps, cell * size, size),
        borrowed_slice(rule.decays, place * size, size),
        (bounded - (cell + 0.5) * rule.gap_width) * (2.0 / rule.gap_width),
        (decay - (place + 0.5) * rule.decay_width) * (2.0 / rule.decay_width),
        0.0 if beyond else (gamma * gamma if inner else gamma),
        decay, 0.0 if beyond else 1.0, below, missing,
        1.0 if inner else 0.0, square,
    )  # fmt: skip
    scale = x * 0.3183098861837907
    linear = 0.0
    if inner:
        # of what is lost at u = 0, over exp(−outer) where that comes later: all but √π·γ, and that
        first += below * _lost_at_zero(gamma)
        root = gamma * 1.7724538509055160
        if near_zero:
            first -= root * missing
            linear = scale * root
        else:
            first -= root
    if not near_zero:
        scale *= np.exp(-outer)
    taken = (2 if inner else 1) if near_zero else 0
    return scale * first, 2.0 * square * scale * second, taken, linear


@_compile
def _pairs(
    first, second, squares, far, left, right, products, outer_slopes, with_lines, rule, out
):  # fmt: skip
    kinks = left.kinks.shape[1]
    for n in range(first.size):
        i, j, side = first[n], second[n], int(far[n])
        square = squares[n]
        rest, slope, value, less, more = at_end(i, j, side, left, right)
        drop = near_zero = line = linear = 0.0
        all_linear = with_lines
        if square > 0.0:
            x = np.sqrt(square / (1.0 - square))
            for p in range(kinks):
                for q in range(kinks):
                    weight = products[side, p, q]
                    if weight == 0.0:
                        continue
                    a, b = left.kinks[i, p], right.kinks[side, j, q]
                    if a == 0.0 and b == 0.0:
                        near_zero += weight
                        continue
                    inner, outer, taken, linear_part = _corner(a, b, x, rule)
                    drop += weight * inner
                    line += weight * outer
                    linear += weight * linear_part
                    all_linear &= taken == 2
                    if taken:
                        near_zero += weight
            if near_zero != 0.0:
                angle = np.arctan(x)
                drop += near_zero * angle * 0.3183098861837907
                # ∫ (1 − cos t) dt of a corner at 0
                line += near_zero * (angle - x / (1.0 + x * x)) * 0.3183098861837907
            if all_linear:
                # what is linear in the kinks of E f'f' and of all corners is known, and small
                slope = (
                    rest + outer_slopes[side] * left.pull[i] + outer_slopes[0] * right.pull[side, j]
                )
            else:
                drop -= linear
        if with_lines:
            slope -= drop
            missing = left.roots[i] * right.roots[j] * (2.0 * square * slope + line)
        else:
            slope, missing = 0.0, drop
        out[n, 0] = -slope if side == 1 else slope
        out[n, 1] = value
        out[n, 2] = missing
        out[n, 3] = less
        out[n, 4] = more


def layer_of_pairs(
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    squares: FloatArray,
    far: npt.NDArray[np.bool_],
    left: KinkedRows,
    right: KinkedRows,
    products: FloatArray,
    outer_slopes: FloatArray,
    with_lines: bool,
    rule: CornerRule,
) -> FloatArray:
    """Return what a layer makes of pairs of rows: (pairs, 5).

    Parameters
    ----------
    first, second : (pairs,) int64 arrays
        Which row, and which column.
    squares : (pairs,) array
        s², half the chord of the two unit rows to the nearer end squared: at most ½.
    far : (pairs,) bool array
        Whether that end is ρ = −1.
    left, right : KinkedRows
        Of rows, and of columns: first as they are, then as functions of −x, along one more axis in
        front of all but `roots` and `sizes`.
    products : (2, k, k) array
        Products of jumps, of f' or, of a step function, of f: for the columns as they are, and as
        functions of −x.
    outer_slopes : (2,) array
        −φ(0)/2 times the sum of the slopes of f, and of f(−z), beyond all kinks.
    with_lines : bool
        Whether f is continuous; else a step function, and the same between kinks.
    rule : CornerRule

    Returns
    -------
    (pairs, 5) array
        E f'(u)f'(v); E f(u)f(v) at the end; what is missing there from E f(u)f(v); and at the end
        ½E(f(u)/size − f(v)/size)² and ½E(f(u)/size + f(v)/size)².
    """
    out = np.empty((first.size, 5))
    _pairs(first, second, squares, far, left, right, products, outer_slopes, with_lines, rule, out)
    return out
