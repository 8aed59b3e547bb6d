"""Why no quadrature converges: what is rough about an activation, in words.

f and f' are cut again and again, between their kinks, where they are no polynomials of few terms.
What is then left however short its intervals are is a kink that was not declared, or a singularity
at one that was. What was cut many times, in few places, bends sharply there; what is left nowhere
swings. Values that are no polynomials on short intervals wherever these lie lack digits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from fastgram.network.activations import Activation
from fastgram.network.functions import Function
from fastgram.support.arrays import Array

__all__ = ["reason_of"]

_EPS = float(np.finfo(np.float64).eps)
_TERMS = 16
_NODES = chebyshev.chebpts2(_TERMS)  # with both ends: a kink beside one is in sight
_LAST = np.linalg.inv(chebyshev.chebvander(_NODES, _TERMS - 1))[-2:]  # of the coefficients
_MISS = 1e-11  # of the largest values, by which last coefficients tell a polynomial
_REACH = 9.0  # standard deviations
_OCTAVES = 12  # below 1 that are looked at by themselves
_NARROWEST = 2.0**-28  # interval, over the reach
_MOST = 4096  # intervals that are rough at a time
_SHARP = 10  # times that the half of an octave is cut
_NOISE = 64.0 * _EPS
_OVER_NOISE = 1e3  # a kink's
_GROWTH = 1e-12  # of the largest of f² times the density, where that ends
_FEW = 8  # places: what bends in more of them swings
_NAMED = 4  # kinks


class _Look(NamedTuple):
    """What a function is like: where it has kinks, and bends sharply, and what else it does."""

    kinks: list[float]
    bends: list[float]
    swings: bool
    noise: float
    grows: bool


def reason_of(activation: Activation, deviation: float) -> str:
    """Return what is rough about an activation at a standard deviation, and what to do about it."""
    with np.errstate(all="ignore"):
        looks = {"f'": _look(activation, True, deviation), "f": _look(activation, False, deviation)}
    known, beside = [0.0, *activation.kinks], 8.0 * _NARROWEST * _REACH * deviation
    for role, look in looks.items():
        if look.grows:
            return (
                f"{role} grows too fast for a standard deviation of {deviation:.3g}: lower the"
                " variance"
            )
    for role, look in looks.items():
        new = [z for z in look.kinks if min(abs(z - kink) for kink in known) > beside]
        if new:
            named = ", ".join(f"{z:.6g}" for z in new[:_NAMED])
            more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
            what = "a kink" if len(new) == 1 else "kinks"
            return f"{role} has {what} at z = {named}{more}: declare every kink in kinks="
        if look.kinks:
            z = known[int(np.argmin(np.abs(np.array(known) - look.kinks[0])))]
            return (
                f"{role} has derivatives without a bound toward z = {z:g}: it must be smooth up to"
                " its kinks"
            )
    swings = any(look.swings for look in looks.values())
    for role, look in looks.items():
        if look.noise > _NOISE and not swings:
            return f"{role} is off by more than a few roundings: compute it to all digits"
    for role, look in looks.items():
        if look.bends and not swings:
            return (
                f"{role} bends sharply near z = {look.bends[0]:.6g}: where a derivative jumps,"
                " declare it in kinks="
            )
    return (
        f"f swings or bends too often within a standard deviation of {deviation:.3g}: scale the"
        " rows down, or lower the variances"
    )


def _look(activation: Activation, derivative: bool, deviation: float) -> _Look:
    function = activation.df if derivative else activation.f
    reach = _REACH * deviation
    narrow = _NARROWEST * reach
    graded = reach * 2.0 ** -np.arange(0.0, max(np.log2(reach), 0.0) + _OCTAVES, 0.5)
    cuts = np.unique([*-graded, 0.0, *graded, *(z for z in activation.kinks if abs(z) < reach)])
    within = np.geomspace(1e-3, 1.0, 64) * deviation
    usual = float(np.max(np.abs([function(within), function(-within)])))
    at = np.concatenate([within[8::4], -within[8::4]]) * (1.0 + 0.1 * np.sqrt(2.0))
    noise = float(np.quantile(_misses(function, at, at + narrow, usual), 0.75))
    allowed = max(_MISS, _OVER_NOISE * noise)
    # a kink's own value is of either side
    known = np.isin(cuts, [0.0, *activation.kinks])
    low, high = cuts[:-1] + known[:-1] * narrow / 16.0, cuts[1:] - known[1:] * narrow / 16.0
    bends: list[float] = []
    depth = 0
    while np.any(high - low > narrow) and low.size <= _MOST:
        rough = _misses(function, low, high, usual) > allowed
        low, high = low[rough], high[rough]
        if depth == _SHARP:
            bends = _places(low, high)
        middle = (low + high) / 2.0
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        depth += 1
    swings = low.size > _MOST or len(bends) > _FEW
    kinks = [] if low.size > _MOST else _places(low, high)
    return _Look(kinks, bends, swings, noise, _grows(function, deviation))


def _misses(function: Function, low: Array, high: Array, usual: float) -> Array:
    """Return how far functions are off polynomials, over values; NaN where not finite."""
    points = (low + high)[:, None] / 2.0 + (high - low)[:, None] / 2.0 * _NODES
    values = np.broadcast_to(function(points), points.shape)
    sizes = np.maximum(np.max(np.abs(values), axis=1), max(usual, _EPS**8))
    return np.asarray(np.max(np.abs(values @ _LAST.T), axis=1) / sizes)


def _places(low: Array, high: Array) -> list[float]:
    """Return where intervals are, those next to each other once; the nearest to 0 first."""
    order = np.argsort(low)
    low, high = low[order], high[order]
    apart: npt.NDArray[np.bool_] = np.ones(low.size, dtype=bool)
    apart[1:] = low[1:] > high[:-1] + 4.0 * (high[1:] - low[1:])
    return sorted(((low + high) / 2.0)[apart].tolist(), key=abs)


def _grows(function: Function, deviation: float) -> bool:
    """Whether its square times a normal density is not gone where nodes end."""
    z = np.linspace(0.0, _REACH, 256)
    for sign in (1.0, -1.0):
        values = np.log(np.abs(function(sign * deviation * z))) - z * z / 4.0
        if values[-1] > np.max(values) + 0.5 * np.log(_GROWTH):
            return True
    return False
