"""One layer of f(z) = a cos ωz + b sin ωz, pair by pair, in closed form.

With x and y the deviations of u and v times ω, s half the chord to the nearer end, cosines of an
acute angle (of an obtuse one v is turned round, which changes the sign of sines), and

    E₀ = exp(−½(x − y)²),   e₁ = exp(−2xys²),   e₂ = exp(−2xy(1 − s²)),

    E cos ωu cos ωv = ½E₀(e₁ + e₂),         E sin ωu sin ωv = ½E₀(e₁ − e₂),

and what is missing there from their values at s = 0 is ½E₀(1 ∓ e₂)(1 − e₁). What distances of
two norms need at s = 0 is Fᵤ·Fᵥ − E, F² = E cos² ωu or E sin² ωu, with all its digits where x and y
are close: the quotient by Fᵤ·Fᵥ + E of

    ¼(1 − exp(−(x + y)²))(1 − exp(−(x − y)²)) ± ¼exp(−2·min(x, y)²)(1 − exp(−|x² − y²|))²,

+ of cosines; and where both are small, so that the second takes the digits of the first, of sines
½Σ (xᵏeˣ√(Fᵥ/Fᵤ) − yᵏeʸ√(Fᵤ/Fᵥ))²/k! over odd k, eˣ = exp(−½x²). No term of a distance is negative.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fastgram.kernels.cpu.jit import jit

__all__ = ["rows_of_waves", "waves_of_pairs"]

FloatArray = npt.NDArray[np.float64]

_SMALL = 1.0  # x and y, up to which the series is taken
_FAR_APART = 0.5  # min over max, below which a plain difference is as exact
_LARGEST = 1e300  # 2xy: of any norm that there may be
_ALL = 1e3  # x, beyond which exp(−½x²) is 0
_ODD_FACTORIALS = tuple(float(math.factorial(k)) for k in range(1, 20, 2))

_compile = jit({"contract"})


def rows_of_waves(x: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return what `waves_of_pairs` takes of rows, (n, 6), from deviations over 1/ω and sizes."""
    squares = np.minimum(x, _ALL) ** 2
    fallen = np.expm1(-2.0 * squares)
    of_cosine, of_sine = np.sqrt(1.0 + 0.5 * fallen), np.sqrt(-0.5 * fallen)
    parts = x, of_cosine, of_sine, 1.0 / sizes, 1.0 + fallen, np.exp(-0.5 * squares)
    return np.stack(parts, axis=1)


@_compile
def _gap_of_small_sines(x, y, first, second, of_first, of_second):
    """Return FᵤFᵥ − E sin ωu sin ωv at s = 0."""
    ratio = math.sqrt(of_second / of_first)
    left, right = x * first * ratio, y * second / ratio
    total = 0.0
    for factorial in _ODD_FACTORIALS:
        difference = left - right
        total += difference * difference / factorial
        left, right = left * x * x, right * y * y
    return 0.5 * total


@_compile
def waves_of_pairs(first, second, squares, far, rows, columns, of_f, of_df, distances, out):
    """Set out[n] to E f'(u)f'(v), E f(u)f(v), 0 and ½E(f(u)/α ∓ f(v)/β)² of pairs.

    Parameters
    ----------
    first, second : (pairs,) int64 arrays
    squares : (pairs,) array
        Half the chord of the two to the nearer end, squared.
    far : (pairs,) bool array
        Whether that end is ρ = −1.
    rows, columns : (n, 6) arrays
        By `rows_of_waves`.
    of_f, of_df : pairs of floats
        The squares of the amplitudes of cosine and sine in f, and in f'.
    distances : bool
        Whether they are wanted.
    out : (pairs, 5) array
    """
    for n in range(first.size):
        i, j = first[n], second[n]
        x, y = rows[i, 0], columns[j, 0]
        product = min(2.0 * x * y, _LARGEST)
        apart = x - y
        e0_less = -math.expm1(-0.5 * apart * apart)
        e1_less = -math.expm1(-product * squares[n])
        between_less = -math.expm1(-product * (1.0 - 2.0 * squares[n]))  # 1 − e₂/e₁
        e0, e1 = 1.0 - e0_less, 1.0 - e1_less
        cosines = e0 * e1 * (1.0 - 0.5 * between_less)
        sines = 0.5 * e0 * e1 * between_less
        sign = -1.0 if far[n] else 1.0
        out[n, 0] = of_df[0] * cosines + sign * of_df[1] * sines
        out[n, 1] = of_f[0] * cosines + sign * of_f[1] * sines
        out[n, 2] = 0.0
        if not distances:
            continue
        e2_less = e1_less + e1 * between_less
        e2 = e1 * (1.0 - between_less)
        # at s = 0, of both parts
        both_less = e1_less + e1 * e2_less  # 1 − exp(−2xy)
        along = 0.25 * (e0_less + e0 * both_less) * (1.0 + e0 * (1.0 - both_less))
        along *= e0_less * (1.0 + e0)
        least = rows[i, 4] if x <= y else columns[j, 4]
        across = -math.expm1(-abs(apart) * (x + y))
        across = 0.25 * least * across * across
        cosine_end, sine_end = 0.5 * e0 * (2.0 - both_less), 0.5 * e0 * both_less
        of_cosines, of_sines = rows[i, 1] * columns[j, 1], rows[i, 2] * columns[j, 2]
        cosine_gap = (along + across) / (of_cosines + cosine_end)
        if x <= _SMALL and y <= _SMALL:
            sine_gap = 0.0
            if of_sines > 0.0:
                sine_gap = _gap_of_small_sines(
                    x, y, rows[i, 5], columns[j, 5], rows[i, 2], columns[j, 2]
                )
        elif min(x, y) < _FAR_APART * max(x, y):
            sine_gap = of_sines - sine_end
        else:
            sine_gap = max(along - across, 0.0) / (of_sines + sine_end)
        a, b = rows[i, 3], columns[j, 3]
        turned = 0.5 * e0 * e1_less
        difference = a * rows[i, 1] - b * columns[j, 1]
        cosine_less = 0.5 * difference * difference + a * b * (cosine_gap + turned * e2_less)
        difference = a * rows[i, 2] - b * columns[j, 2]
        sine_less = 0.5 * difference * difference + a * b * (sine_gap + turned * (1.0 + e2))
        cosine_more = cosine_less + 2.0 * a * b * cosines
        sine_more = sine_less + 2.0 * a * b * sines
        if far[n]:
            sine_less, sine_more = sine_more, sine_less
        out[n, 3] = of_f[0] * cosine_less + of_f[1] * sine_less
        out[n, 4] = of_f[0] * cosine_more + of_f[1] * sine_more
