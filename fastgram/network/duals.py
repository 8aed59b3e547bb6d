"""Duals: E[f(u) f(v)] of two correlated normal variables.

They are what is missing from their value at ρ = 1 or −1: no difference is taken of values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import overload

import numpy as np
import numpy.typing as npt

from fastgram.network.activations import Activation, get_activation
from fastgram.network.integrals.chords import chords_of
from fastgram.network.integrals.double_integral import terms_of
from fastgram.network.integrals.levels import common_level, pair_level
from fastgram.network.integrals.line_quadrature import parallel_distances
from fastgram.network.integrals.waves import chords_of_waves, duals_of_waves, is_closed
from fastgram.support.arrays import Array
from fastgram.support.validation import as_flag, as_real_array

__all__ = [
    "careful_chords",
    "careful_sum",
    "chords_at",
    "dual",
    "dual_entries",
    "pair_distances",
]


Mask = npt.NDArray[np.bool_]

_FEW_TERMS = 128  # that are summed one by one


def chords_at(
    activation: Activation,
    derivative: bool,
    theta: Array,
    variances: Array,
    level: int | None = None,
) -> Array:
    """Return κ(1) − κ(cos θ) and κ(−1) − κ(−cos θ), for all pairs of variances.

    Parameters
    ----------
    activation : Activation
    derivative : bool
    theta : (k,) array
        In [0, π/2].
    variances : (m,) array
    level : int, optional
        Of the quadrature; None finds it.

    Returns
    -------
    (2, k, pairs) array
        For the pairs of `numpy.triu_indices(m)`.
    """
    if level is None:
        level = common_level(activation, derivative, variances)
    return chords_of(activation, derivative, theta, np.sqrt(variances), level)


def careful_chords(
    activation: Activation, derivative: bool, theta: Array, variance: float, level: int
) -> Array:
    """Return what `chords_at` does of one variance, as double integrals rounded five times.

    Of shape (2, k) for angles (k,) above 0.
    """
    s = np.sqrt([variance])
    if is_closed(activation, s):  # nothing is summed
        waves = [chords_of_waves(activation, derivative, t, s) for t in theta.tolist()]
        return np.array(waves)[..., 0, 0].T
    parts = [
        [terms.chords for terms in of_angles]
        for of_angles in terms_of(activation, derivative, theta, s, level)
    ]
    return np.array(
        [
            [careful_sum([part[k][side] for part in parts]) for k in range(theta.size)]
            for side in (0, 1)
        ]
    )


def careful_sum(parts: Iterable[Array]) -> float:
    """Return the sum of arrays (n,): four roundings of their parts, and one of the whole."""
    terms, lost = np.concatenate([_folded(part) for part in parts]), []
    while terms.size > _FEW_TERMS:
        first, second, rest = _halves(terms)
        total = first + second
        of_second = total - first
        # what a sum rounds, exactly (Knuth)
        lost.append(np.sum((first - (total - of_second)) + (second - of_second)))
        terms = np.concatenate([total, rest])
    return math.fsum([*terms.tolist(), *lost])


def _folded(terms: Array) -> Array:
    for _ in range(4):
        first, second, rest = _halves(terms)
        terms = first + second
        if rest.size:
            terms = np.append(terms, rest)
    return terms


def _halves(terms: Array) -> tuple[Array, Array, Array]:
    """Return two halves, and what is left of an odd number."""
    half = terms.size // 2
    return terms[:half], terms[half : 2 * half], terms[2 * half :]


def _chord(
    activation: Activation, derivative: bool, theta: float, q1: float, q2: float
) -> tuple[float, float]:
    """Return κ(1) − κ(cos θ) and κ(−1) − κ(−cos θ) of two variances, θ in [0, π/2]."""
    deviations = np.sqrt([q1, q2])
    if is_closed(activation, deviations):
        near, far = chords_of_waves(activation, derivative, theta, deviations)
        return float(near[0, 1]), float(far[0, 1])
    level = pair_level(activation, derivative, q1, q2)
    parts = terms_of(activation, derivative, np.array([theta]), deviations, level)
    near, far = np.sum([np.sum(terms.chords, axis=1) for (terms,) in parts], axis=0)
    return float(near), float(far)


def pair_distances(
    activation: Activation, theta: float, q: tuple[float, float], size: tuple[float, float]
) -> tuple[float, float]:
    """½E(f(u)/size₁ − f(v)/size₂)² and ½E(f(u)/size₁ + f(v)/size₂)², θ in [0, π].

    Neither loses digits where it is small.
    """
    places = np.array([0]), np.array([1])
    parallel = parallel_distances(activation, np.asarray(q), np.asarray(size), places)[..., 0]
    obtuse = theta > np.pi / 2.0
    chord = _chord(activation, False, np.pi - theta if obtuse else theta, *q)[int(obtuse)]
    less, more = parallel[int(obtuse)]
    chord /= size[0] * size[1]
    return float(less) + chord, float(more) - chord


def dual_entries(
    activation: Activation, derivative: bool, theta: Array, q1: Array, q2: Array
) -> Array:
    """E f(u)f(v) (or of f') at angles θ in [0, π], one quadrature an entry; equal shapes."""
    far = theta > np.pi / 2.0
    return _duals(activation, derivative, np.where(far, np.pi - theta, theta), far, q1, q2)


def _duals(
    activation: Activation, derivative: bool, acute: Array, far: Mask, q1: Array, q2: Array
) -> Array:
    arguments = zip(*(part.ravel().tolist() for part in (acute, far, q1, q2)), strict=True)
    values = [_dual(activation, derivative, *of_entry) for of_entry in arguments]
    return np.reshape(np.asarray(values, dtype=np.float64), acute.shape)


def _dual(
    activation: Activation, derivative: bool, acute: float, far: bool, q1: float, q2: float
) -> float:
    """Return E f(u)f(v) at an angle in [0, π/2] off 0 or, `far`, off π."""
    deviations = np.sqrt([q1, q2])
    if is_closed(activation, deviations):
        pair = duals_of_waves(activation, derivative, acute, deviations[:1], deviations[1:])
        return float(pair[int(far)][0, 0])
    level = pair_level(activation, derivative, q1, q2)
    parts = terms_of(activation, derivative, np.array([acute]), deviations, level)
    return careful_sum(terms.values[int(far)] for (terms,) in parts)


@overload
def dual(
    activation: str | Activation,
    rho: float,
    q1: float = 1.0,
    q2: float = 1.0,
    derivative: bool = False,
) -> np.float64: ...


@overload
def dual(
    activation: str | Activation,
    rho: npt.ArrayLike,
    q1: npt.ArrayLike = 1.0,
    q2: npt.ArrayLike = 1.0,
    derivative: bool = False,
) -> Array | np.float64: ...


def dual(
    activation: str | Activation,
    rho: npt.ArrayLike,
    q1: npt.ArrayLike = 1.0,
    q2: npt.ArrayLike = 1.0,
    derivative: bool = False,
) -> Array | np.float64:
    """E[f(u)f(v)] for normal u, v of variances q1, q2 and correlation rho.

    Parameters
    ----------
    activation : str or Activation
        Its name or the Activation itself.
    rho : array_like
        Correlation, in [−1, 1].
    q1, q2 : array_like
        Variances, at least 0. All three broadcast together.
    derivative : bool
        Take f' in the place of f.

    Returns
    -------
    numpy.ndarray or numpy.float64
        Of the broadcast shape, float64; a scalar where all three are scalars. The error is at
        most 2e-14 relative to ``max(1, |value|)``, or a rounding of ``E|f(u)f(v)|`` where that is
        more (polynomials of large variance at correlations near 0).

    Raises
    ------
    ValueError
        If a correlation is outside [−1, 1], a variance negative, or the quadrature of an
        activation of your own does not converge (an undeclared kink, say).

    Notes
    -----
    One double integral an entry, some milliseconds: `gram` and `GramOperator` do not call this for
    every pair of rows but read a table made from it.

    Examples
    --------
    >>> import fastgram as fg
    >>> float(fg.dual("relu", 1.0).round(12))
    0.5
    """
    activation, derivative = get_activation(activation), as_flag("derivative", derivative)
    correlation, first, second = np.broadcast_arrays(
        _real("rho", rho), _real("q1", q1), _real("q2", q2)
    )
    if not np.all(np.abs(correlation) <= 1.0):
        raise ValueError("rho must lie in [-1, 1]")
    for name, variance in (("q1", first), ("q2", second)):
        if not np.all((variance >= 0.0) & np.isfinite(variance)):
            raise ValueError(f"{name} must be a finite variance, at least 0")
    # off the nearer end: of an angle near π little would be left
    acute, far = np.arccos(np.abs(correlation)), correlation < 0.0
    value = _duals(activation, derivative, acute, far, first, second)
    return np.float64(value[()]) if value.ndim == 0 else value


def _real(name: str, value: npt.ArrayLike) -> Array:
    return as_real_array(value, name).astype(np.float64)
