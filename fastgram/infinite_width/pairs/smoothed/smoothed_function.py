"""An activation or its derivative, smoothed by normal densities of any width: polynomials, once.

`fastgram.kernels.cpu.pairs.smoothed` says what G and V are. Here they are sampled and fitted: g on
intervals of z between its kinks, and G and V/b² on rectangles of a and b, both halved until the
last coefficients are below what entries may lack. That is relative to the root of E g(Rz)², of a
row whose norm is the distance R from a = b = 0: rectangles and intervals shrink with R, as far as
the least norm goes, and their number grows like the logarithm of the ratio of the norms.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from fastgram.infinite_width.pairs.protocol import TooRough
from fastgram.infinite_width.piecewise import POWERS, halve
from fastgram.kernels.cpu.pairs.smoothed import COUNT, SmoothedFunction, smoothed_at
from fastgram.network.activations import Activation
from fastgram.network.integrals.line_quadrature import mean_squares
from fastgram.network.integrals.quadrature import gauss_legendre
from fastgram.support.arrays import Array

__all__ = ["smoothed_function"]

_EPS = float(np.finfo(np.float64).eps)
_OF_LINES = 1.5 * _EPS  # last coefficients of g, over the root of E g²
_TRUNCATION = 6.0 * _EPS  # of G
_NOISE = 3.0 * _EPS  # of last coefficients, over the largest values
_ROUNDINGS = 64.0 * _EPS  # the same, of a, over a rectangle's width
_VARIANCE = 128.0 * _EPS  # of V/b², over E g²/R²
_NODES = 16  # of a panel: polynomials times a normal density
_TO_A, _REACH, _TO_Z = 16.0, 9.0, 32.0  # largest norms
_JUMP = 2.0**-36  # of neighbouring pieces, over their values
_NARROWEST = 2.0**-50  # of a rectangle or an interval, beside where it is
_MOST = 8_000  # rectangles, or intervals
_MOST_WORK = 400_000  # intervals within the reach of rectangles, all together: some 20 s
_TINY = float(np.finfo(np.float64).tiny)
_T = chebyshev.chebpts1(COUNT)
# From values at these to Chebyshev coefficients: cosines of multiples of an angle, by themselves,
# for last coefficients decide.
_ANGLES = np.multiply.outer(np.arange(COUNT), 2 * np.arange(COUNT)[::-1] + 1) % (4 * COUNT)
_TRANSFORM = (
    np.cos(np.pi * _ANGLES / (2 * COUNT)) * (2.0 - (np.arange(COUNT) == 0))[:, None] / COUNT
)
_DESCENDING = POWERS[:COUNT, :COUNT][::-1]  # powers of Chebyshev polynomials

Interval = tuple[float, float]
Rectangle = tuple[int, float, float, float, float]  # place, middle and half of a, and of b


def smoothed_function(
    activation: Activation, derivative: bool, least: float, most: float, with_variance: bool
) -> SmoothedFunction:
    """Return an activation or its derivative, smoothed, for deviations of a range.

    Parameters
    ----------
    activation : Activation
    derivative : bool
    least, most : float
        Above 0.
    with_variance : bool
        Whether V is wanted.

    Raises
    ------
    TooRough
        If polynomials would be too many.
    """
    # ends are rounded outwards, so that other rows of such norms find these in the cache
    low, high = 4.0 ** np.floor(np.log2(least) / 2.0), 4.0 ** np.ceil(np.log2(most) / 2.0)
    return _smoothed(activation, derivative, float(low), float(high), with_variance)


@functools.lru_cache(maxsize=16)
def _smoothed(
    activation: Activation, derivative: bool, least: float, most: float, with_variance: bool
) -> SmoothedFunction:
    return _Maker(activation, derivative, least, most, with_variance).make()


def _join(pieces: Array) -> Array:
    """Have neighbouring pieces meet; return what the function rises by at their edges."""
    starts, ends = (np.polyval(pieces.T, side) for side in (-1.0, 1.0))
    sizes = np.max(np.abs(pieces), axis=1)
    gaps = np.zeros(sizes.size + 1)
    gaps[1:-1] = starts[1:] - ends[:-1]
    jumps = np.abs(gaps[1:-1]) > _JUMP * np.maximum(sizes[1:], sizes[:-1])
    rises = np.zeros_like(gaps)
    rises[1:-1][jumps] = gaps[1:-1][jumps]
    gaps -= rises
    left, right = -gaps[:-1] / 2.0, gaps[1:] / 2.0
    pieces[:, -1] += (left + right) / 2.0
    pieces[:, -2] += (right - left) / 2.0
    return rises


class _Maker:
    """What makes one of them; `_level` has the root of E g(Rz)² for R = 2^k·least."""

    def __init__(
        self,
        activation: Activation,
        derivative: bool,
        least: float,
        most: float,
        with_variance: bool,
    ) -> None:
        self._function = activation.df if derivative else activation.f
        self._least, self._most, self._with_variance = least, most, with_variance
        self._parity = activation.parity * (-1 if derivative else 1)
        octaves = int(np.log2(most / least)) + 1
        norms = np.asarray(least * 2.0 ** np.arange(octaves), dtype=np.float64)
        self._levels = np.sqrt(mean_squares(activation, derivative, norms**2))
        self._kinks = activation.kinks

    def make(self) -> SmoothedFunction:
        """Return the function."""
        edges, pieces = self._intervals()
        jumps = _join(pieces)
        children, in_b, leaves = self._rectangles(edges, pieces, jumps)
        at_zero = float(self._function(np.zeros(1))[0])
        nodes, weights = gauss_legendre(_NODES)
        return SmoothedFunction(
            parity=self._parity,
            at_zero=at_zero,
            edges=edges,
            pieces=pieces,
            extent=_TO_A * self._most,
            children=children,
            in_b=in_b,
            leaves=leaves,
            nodes=nodes,
            weights=weights,
        )

    def _level(self, distance: float) -> float:
        """Return the root of E g(Rz)² at no more than a distance."""
        octave = int(np.log2(max(distance / self._least, 1.0)))
        return float(self._levels[min(octave, self._levels.size - 1)])

    # --- g itself ---

    def _intervals(self) -> tuple[Array, Array]:
        reach = _TO_Z * self._most
        cuts = sorted({-reach, 0.0, reach, *(z for z in self._kinks if abs(z) < reach)})
        self._count = 0
        found = halve(list(itertools.pairwise(cuts)), self._piece_of, self._halves)
        found.sort(key=lambda piece: piece[0][0])
        edges = np.array([found[0][0][0], *(interval[1] for interval, _ in found)])
        return edges, np.ascontiguousarray([piece for _, piece in found])

    def _piece_of(self, interval: Interval) -> tuple[Interval, Array] | None:
        low, high = interval
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            values = self._function((low + high) / 2.0 + (high - low) / 2.0 * _T)
        series = _TRANSFORM @ values
        last = series[-2:]
        nearest = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
        allowed = _OF_LINES * self._level(nearest)
        if high - low <= nearest:
            # of a value, and of its argument, where it changes much on little
            steepness = max(abs(low), abs(high)) / (high - low) * float(np.ptp(values))
            allowed = max(allowed, _EPS * (float(np.max(np.abs(values))) + steepness / 2.0))
        fits = np.max(np.abs(last)) <= allowed and high - low <= max(nearest, self._least)
        if not fits and high - low > _NARROWEST * max(abs(low), abs(high), self._least):
            return None
        return interval, _DESCENDING @ series

    def _halves(self, interval: Interval) -> list[Interval]:
        self._refuse_many()
        low, high = interval
        return [(low, (low + high) / 2.0), ((low + high) / 2.0, high)]

    def _refuse_many(self) -> None:
        self._count += 1
        if self._count > _MOST:
            raise TooRough("too rough a function")

    def _refuse_work(self, edges: Array, middle: float, reach: float) -> None:
        first, last = np.searchsorted(edges, [middle - reach, middle + reach])
        self._work += int(last - first)
        if self._work > _MOST_WORK:
            raise TooRough("too rough a function")

    # --- what is smoothed ---

    def _rectangles(
        self, edges: Array, pieces: Array, jumps: Array
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_], Array]:
        # squares have twice the degree
        rule = gauss_legendre(_NODES if self._with_variance else _NODES - 4)
        self._count = self._work = 0
        half = _TO_A * self._most / 2.0
        waiting: list[Rectangle] = [(0, half, half, half, half)]
        if not self._parity:
            waiting = [(0, -half, half, half, half), (1, half, half, half, half)]
        children, in_b = [0] * len(waiting), [False] * len(waiting)
        leaves: list[Array] = []
        samples = np.empty((2, COUNT, COUNT))
        while waiting:
            place, a, width, b, height = waiting.pop()
            if b - height >= self._most or abs(a) - width > _REACH * self._most:
                children[place] = -1  # where no pair comes
                continue
            nearest = max(abs(a) - width, b - height)
            size = max(nearest, self._least)
            by_b = height > width
            if b + height <= self._most and 2.0 * max(width, height) <= size:
                self._refuse_work(edges, a, width + _REACH * (b + height))
                smoothed_at(a + width * _T, b + height * _T, edges, pieces, jumps, rule, samples)
                # a kink away from 0 is known to a rounding of where it is
                rounding = _ROUNDINGS * abs(a) / min(width, height)
                last, found = self._fit(nearest, samples, rounding)
                narrow = _NARROWEST * max(abs(a), self._least)
                if np.all(last <= 1.0) or max(width, height) <= narrow:
                    children[place] = -1 - len(leaves)
                    leaves.append(found)
                    continue
                if min(width, height) > narrow:
                    by_b = bool(last[0] > last[1])
            self._refuse_many()
            children[place], in_b[place] = len(children), by_b
            for side in (-1, 1):
                half = height / 2.0 if by_b else width / 2.0
                rest = (
                    (a, width, b + side * half, half)
                    if by_b
                    else (a + side * half, half, b, height)
                )
                waiting.append((len(children), *rest))
                children.append(0)
                in_b.append(False)
        return np.array(children), np.array(in_b, dtype=np.bool_), np.ascontiguousarray(leaves)

    def _fit(self, nearest: float, samples: Array, rounding: float) -> tuple[Array, Array]:
        """Return the last coefficients in b and in a over what they may be, and all of them."""
        if not self._with_variance:
            samples = samples[:1]
        series = _TRANSFORM @ samples @ _TRANSFORM.T
        sizes = np.abs(series)
        last = np.array([sizes[:, -2:, :].max((1, 2)), sizes[:, :, -2:].max((1, 2))])
        level, size = self._level(nearest), max(nearest, self._least)
        allowed = np.array([_TRUNCATION * level, _VARIANCE * (level / size) ** 2])[: len(samples)]
        noise = max(rounding, _NOISE if nearest >= self._least else 0.0)
        allowed = np.maximum(allowed, noise * np.max(np.abs(samples), axis=(1, 2)))
        return np.max(
            last / np.maximum(allowed, _TINY), axis=1
        ), _DESCENDING @ series @ _DESCENDING.T
