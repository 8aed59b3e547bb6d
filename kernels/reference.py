"""The naive oracle that every device is tested against: one entry at a time, in plain Python.

Nothing here is blocked, compiled, interpolated or vectorised, and nothing is shared with the rest
of the library: an entry is a closed form of the inner product of two rows and of their squared
norms, written with `math` alone.

Where two rows are nearly parallel the naive reference loses digits: the angle θ between them comes
from q₁q₂ − ⟨x, y⟩², which is known to a rounding of q₁q₂ only, so that θ is off by about
eps/tan θ: half the digits at θ = 1e-8. Rows that are equal or opposite bit for bit give exactly
θ = 0 or π. Tests therefore compare with this reference on rows that are well separated (or equal
or opposite), and hold close pairs against closed forms of the exact chord instead, in
``tests/helpers/oracles/closed_forms.py``.

Sources: Cho and Saul, Kernel methods for deep learning, 2009 (the arc-cosine kernels of orders 0
and 1: step and relu, and through them leaky_relu and abs); Williams, Computing with infinite
networks, 1997 (the arcsine kernel: erf); the characteristic function E exp(iw) = exp(−Var(w)/2) of
a normal variable w = u ± v (sin and cos); Isserlis, 1918 (moments: linear and polynomial).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["CLOSED_FORMS", "Entry", "gram", "leaky_relu"]

Entry = Callable[[float, float, float], float]
Rows = Sequence[Sequence[float]] | npt.NDArray[np.floating]


def gram(X: Rows, Y: Rows, entry: Entry) -> npt.NDArray[np.float64]:
    """Return the matrix of an entry's rule over all pairs of rows, one pair after another.

    Parameters
    ----------
    X : (n, d) array_like
    Y : (m, d) array_like
        X again for a Gram matrix of one set of rows: no symmetry is made use of.
    entry : callable
        ``entry(inner, q1, q2)``: from the inner product of a row of X and a row of Y and their
        squared norms to the entry. A bias or a scale of the weights is the caller's:
        ``lambda c, q1, q2: entry(w * c + b, w * q1 + b, w * q2 + b)``.

    Returns
    -------
    (n, m) numpy.ndarray
        float64, whatever the dtype of the rows.

    Examples
    --------
    >>> gram([[1.0, 0.0]], [[1.0, 0.0], [0.0, 2.0]], CLOSED_FORMS["relu", "gradient"])
    array([[0.5, 0. ]])
    """
    result = np.empty((len(X), len(Y)))
    for i, x in enumerate(X):
        for j, y in enumerate(Y):
            result[i, j] = entry(_inner(x, y), _inner(x, x), _inner(y, y))
    return result


def _inner(x: Sequence[float] | npt.NDArray[np.floating], y: Sequence[float]) -> float:
    # the sum is exact: only the products are rounded
    return math.fsum(float(a) * float(b) for a, b in zip(x, y, strict=True))


def _angle(inner: float, q1: float, q2: float) -> float:
    """Return the angle between two rows; equal and opposite rows give 0 and π exactly."""
    # q1·q2 − inner², each rounded: never a square root of a rounding below 0
    return math.atan2(math.sqrt(max(q1 * q2 - inner * inner, 0.0)), inner)


def _both_above(theta: float) -> float:
    """Return P(u > 0, v > 0) at angle θ: the arc-cosine kernel of order 0, halved."""
    return (math.pi - theta) / (2.0 * math.pi)


def _both_rectified(theta: float) -> float:
    """Return E[max(u, 0) max(v, 0)] at variances 1: the arc-cosine kernel of order 1, halved."""
    return (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / (2.0 * math.pi)


def leaky_relu(negative_slope: float) -> tuple[Entry, Entry]:
    """Return the "gradient" and "nngp" entries of f(z) = z above 0, negative_slope·z below.

    With a the slope, f(u)f(v) = u⁺v⁺ + a²u⁻v⁻ − a(u⁺v⁻ + u⁻v⁺) for u = u⁺ − u⁻, v alike; relu
    has a = 0, abs a = −1, the identity a = 1.

    Parameters
    ----------
    negative_slope : float

    Returns
    -------
    gradient, nngp : callable
        Of the inner product of two rows and their squared norms.
    """
    same, opposite = 1.0 + negative_slope**2, 2.0 * negative_slope

    def gradient(inner: float, q1: float, q2: float) -> float:
        theta = _angle(inner, q1, q2)
        return inner * (same * _both_above(theta) + opposite * _both_above(math.pi - theta))

    def nngp(inner: float, q1: float, q2: float) -> float:
        theta = _angle(inner, q1, q2)
        sides = same * _both_rectified(theta) - opposite * _both_rectified(math.pi - theta)
        return math.sqrt(q1) * math.sqrt(q2) * sides

    return gradient, nngp


def _step_gradient(inner: float, q1: float, q2: float) -> float:
    """Return 0: the derivative of a step is 0 almost everywhere."""
    return 0.0


def _step_nngp(inner: float, q1: float, q2: float) -> float:
    """Return E[f(u)f(v)] for the step that is 0 at 0."""
    if q1 == 0.0 or q2 == 0.0:
        return 0.0
    return _both_above(_angle(inner, q1, q2))


def _erf_gradient(inner: float, q1: float, q2: float) -> float:
    # (1 + 2q₁)(1 + 2q₂) − 4⟨x, y⟩², summed so that nothing much cancels
    determinant = 1.0 + 2.0 * (q1 + q2) + 4.0 * max(q1 * q2 - inner * inner, 0.0)
    return inner * 4.0 / (math.pi * math.sqrt(determinant))


def _erf_nngp(inner: float, q1: float, q2: float) -> float:
    # arcsin as an arctangent, which stays exact where its argument nears 1
    determinant = 1.0 + 2.0 * (q1 + q2) + 4.0 * max(q1 * q2 - inner * inner, 0.0)
    return 2.0 / math.pi * math.atan2(2.0 * inner, math.sqrt(determinant))


def _sin_sin(inner: float, q1: float, q2: float) -> float:
    """Return E[sin u sin v] = exp(−(q₁ + q₂)/2) sinh⟨x, y⟩, with no overflow on the way."""
    size = abs(inner)
    half = math.exp(size - (q1 + q2) / 2.0) * -math.expm1(-2.0 * size) / 2.0
    return math.copysign(half, inner)


def _cos_cos(inner: float, q1: float, q2: float) -> float:
    """Return E[cos u cos v] = exp(−(q₁ + q₂)/2) cosh⟨x, y⟩."""
    middle = (q1 + q2) / 2.0
    return (math.exp(inner - middle) + math.exp(-inner - middle)) / 2.0


def _times_inner(entry: Entry) -> Entry:
    """Return ⟨x, y⟩ times an entry: "gradient" from E[f'(u)f'(v)]."""
    return lambda inner, q1, q2: inner * entry(inner, q1, q2)


_relu, _leaky_relu, _abs = leaky_relu(0.0), leaky_relu(0.01), leaky_relu(-1.0)

# Activation, with the defaults of its parameters, and kind of Gram matrix to the entry's rule.
CLOSED_FORMS: dict[tuple[str, str], Entry] = {
    ("relu", "gradient"): _relu[0],
    ("relu", "nngp"): _relu[1],
    ("leaky_relu", "gradient"): _leaky_relu[0],
    ("leaky_relu", "nngp"): _leaky_relu[1],
    ("abs", "gradient"): _abs[0],
    ("abs", "nngp"): _abs[1],
    ("step", "gradient"): _step_gradient,
    ("step", "nngp"): _step_nngp,
    ("erf", "gradient"): _erf_gradient,
    ("erf", "nngp"): _erf_nngp,
    ("sin", "gradient"): _times_inner(_cos_cos),
    ("sin", "nngp"): _sin_sin,
    ("cos", "gradient"): _times_inner(_sin_sin),
    ("cos", "nngp"): _cos_cos,
    ("linear", "gradient"): lambda inner, q1, q2: inner,
    ("linear", "nngp"): lambda inner, q1, q2: inner,
    # z + z²: E[(1 + 2u)(1 + 2v)] and E[(u + u²)(v + v²)]
    ("polynomial", "gradient"): lambda inner, q1, q2: inner * (1.0 + 4.0 * inner),
    ("polynomial", "nngp"): lambda inner, q1, q2: inner + q1 * q2 + 2.0 * inner * inner,
}
