"""Somebody else's f and f': called so that they can do no harm, and looked at before they are used.

They are called with copies, for they may work in place, and what they return is copied, for they
may return one array again and again. The probe calls them on some thousand numbers once, when an
activation is made: what cannot be used is then told at once and by its reason.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastgram.support.arrays import Array

__all__ = ["Function", "guarded", "probe"]

Function = Callable[[Array], Array]

# Ends of the intervals on which f' is integrated: a few scales on both sides of 0.
_ENDS = np.array([*2.0 ** np.arange(-12, 1, 2), 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0])
# Values of f and f' further out than this may overflow.
_NEAR = 3.0
# Gauss-Legendre rules whose agreement says that an integral is known.
_ORDERS = (5, 8, 13)
# What the difference of f at the ends of an interval and the integral of f' may differ by: beside
# the integral of |f'| there, and beside |f'| near 0 (digits lost in tails matter to nothing).
_AGREEMENT, _UNSEEN = 1e-5, 1e-7


@dataclass(frozen=True, repr=False)
class _Guarded:
    """A function of the user's, from a float64 array to a new one of the same shape."""

    function: Function

    def __call__(self, z: npt.ArrayLike) -> Array:
        given = np.array(z, dtype=np.float64)
        shape = given.shape
        value = np.asarray(self.function(given))
        if value.dtype.kind not in "iubfO":
            raise TypeError(f"it returns {value.dtype}, where float64 is needed")
        if value.shape != shape:
            if value.ndim:
                raise ValueError(
                    f"it turns an array of shape {shape} into one of shape {value.shape}"
                )
            value = np.broadcast_to(value, shape)
        return np.array(value, dtype=np.float64)[()]

    def __repr__(self) -> str:
        return repr(self.function)


def guarded(function: Function, package: str) -> Function:
    """Return a function that leaves its argument alone and returns a new array.

    NumPy's elementwise functions and those of the package itself do so anyway.
    """
    bare = function.func if isinstance(function, functools.partial) else function
    elementwise = isinstance(bare, np.ufunc) and "d->d" in bare.types
    harmless = elementwise or getattr(bare, "__module__", None) == package
    return function if harmless or isinstance(function, _Guarded) else _Guarded(function)


def probe(f: Function, df: Function, kinks: Sequence[float]) -> None:
    """Refuse functions that cannot be an activation and its derivative.

    Raises
    ------
    TypeError
        If one takes no arrays, or does not return float64.
    ValueError
        If one is not elementwise or not finite near 0, or `df` is not the derivative of `f`
        between the kinks.
    """
    with np.errstate(all="ignore"):
        for role, function in (("f", f), ("df", df)):
            _probe_alone(role, function, len(kinks))
        _probe_together(f, df, kinks)


def _probe_alone(role: str, function: Function, kinks: int) -> None:
    # no simple fractions: their values would tell float32 from float64 less well
    z = np.sinh(np.linspace(-2.1, 2.1, 24) + 0.01 * np.sqrt(2.0)).reshape(4, 6)
    values = _called(role, function, z)
    _require_double(role, function, z)
    bad = np.flatnonzero(~np.isfinite(values) & (np.abs(z) < _NEAR))
    if bad.size:
        place = z.ravel()[bad[0]]
        raise ValueError(f"{role} is not finite at z = {place:.3g}, it is {values.ravel()[bad[0]]}")
    finite = np.isfinite(values).ravel()
    size = float(np.max(np.abs(values.ravel()[finite])))
    # in another shape, beginning at the other end, and one alone
    again = _called(role, function, z.ravel()[::-1].copy())[::-1]
    alone = _called(role, function, z[1:2, 2:3].copy())[0, 0]
    differs = np.max(np.abs(again - values.ravel())[finite]) > 1e-9 * size
    if differs or abs(alone - values[1, 2]) > 1e-9 * size:
        raise ValueError(
            f"{role} must be elementwise: its value at one number depends on the others, or differs"
            " from call to call"
        )
    distinct = np.unique(values.ravel()[finite])
    single = np.all(distinct == distinct.astype(np.float32))
    if single and distinct.size > kinks + 2 and np.any(distinct % 2.0**-10):  # no stairs
        raise TypeError(f"{role} computes in float32: it must do so in float64")


def _called(role: str, function: Function, z: Array) -> Array:
    try:
        return np.asarray(function(z))
    except Exception as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise kind(
            f"{role} must take a float64 array of any shape and return one of the same shape"
            f" (numpy.tanh, not math.tanh; numpy.where, not if): {first}"
        ) from error


def _require_double(role: str, function: Function, z: Array) -> None:
    bare = function.function if isinstance(function, _Guarded) else function
    dtype = str(getattr(bare(z.copy()), "dtype", None)).rpartition(".")[2]  # torch.float32 too
    if dtype in ("float32", "float16", "bfloat16"):
        raise TypeError(f"{role} returns {dtype} from float64: it must compute in float64")


@functools.cache
def _rules() -> list[tuple[Array, Array]]:
    return [np.polynomial.legendre.leggauss(order) for order in _ORDERS]


def _probe_together(f: Function, df: Function, kinks: Sequence[float]) -> None:
    """Compare ∫f' between two points with the difference of f, wherever no kink is between."""
    ends = np.unique(np.concatenate([-_ENDS, [0.0], _ENDS, np.asarray(kinks, dtype=np.float64)]))
    ends = ends[np.abs(ends) <= _ENDS[-1]]
    widths = np.diff(ends)
    free = np.isin(ends, [0.0, *kinks])  # a kink's own value is; 0 need not be declared
    low, high = ends[:-1] + 1e-6 * widths * free[:-1], ends[1:] - 1e-6 * widths * free[1:]
    compare = _Comparison(f, df, 0.0)
    slopes = compare.of(low, high).size / (high - low)
    near = np.isfinite(slopes) & (np.abs(low) < _NEAR)
    compare = _Comparison(f, df, float(np.max(slopes[near], initial=0.0)))
    found = compare.of(low, high)
    for k in np.flatnonzero(found.wrong)[np.argsort(np.abs(low + high)[found.wrong])]:
        _judge(compare, low[k], high[k])


def _judge(compare: _Comparison, low: float, high: float) -> None:
    """Refuse an interval on which f' is wrong, and a jump of f; allow what varies fast.

    Cut again and again, a wrong f' is wrong on both parts, and a jump on one however short.
    """
    first, both = (low, high), 0
    while high - low > 8.0 * np.spacing(max(abs(low), abs(high))):
        cut = low + 0.4142 * (high - low)
        found = compare.of(np.array([low, cut]), np.array([cut, high]))
        if not np.any(found.wrong):
            return
        both += int(np.all(found.wrong))
        if both == 3:
            last = compare.of(*(np.array([end]) for end in first))
            raise ValueError(
                f"df is not the derivative of f: from z = {first[0]:.3g} to {first[1]:.3g} f"
                f" changes by {last.step[0]:.6g}, and the integral of df is {last.integral[0]:.6g}"
            )
        low, high = (low, cut) if found.wrong[0] else (cut, high)
    raise ValueError(f"f jumps at z = {low:.6g}: declare it in kinks=")


class _Found(NamedTuple):
    """Of each interval: ∫|f'|, ∫f', the difference of f, and whether these two disagree."""

    size: Array
    integral: Array
    step: Array
    wrong: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Comparison:
    """A function, its declared derivative, and how large that is near 0."""

    f: Function
    df: Function
    usual: float

    def of(self, low: Array, high: Array) -> _Found:
        middle, half = (low + high) / 2.0, (high - low) / 2.0
        integrals = []
        for nodes, weights in _rules():
            slopes = self.df(middle[:, None] + half[:, None] * nodes)
            integrals.append(half * (slopes @ weights))
            size = half * (np.abs(slopes) @ weights)
        disagreement = np.max(np.abs(np.diff(integrals, axis=0)), axis=0)
        last, first = self.f(high), self.f(low)
        step = last - first
        rounding = 256.0 * np.finfo(np.float64).eps * (np.abs(last) + np.abs(first))
        bound = _AGREEMENT * (size + np.abs(step)) + _UNSEEN * self.usual * 2.0 * half + rounding
        # elsewhere a kink was forgotten, or f' varies too fast to say
        known = (disagreement <= bound) & np.isfinite(step)
        wrong = known & (np.abs(integrals[-1] - step) > bound + 10.0 * disagreement)
        return _Found(size, integrals[-1], step, wrong)
