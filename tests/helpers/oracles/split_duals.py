"""Duals of functions that are analytic near the real line, at any variance, in mpmath.

At a large variance f is split into L + g: L is erf(a z), (1 + erf(a z))/2 or z (1 + erf(a z))/2,
which has closed duals and conditional means, and g decays exponentially, so that the variances do
not matter to it. E[g L] is a Gauss-Legendre sum in one variable, graded where L is steep, and
E[g g] a trapezoidal sum in two, in u and v or, where v is nearly a function of u, in u and
(v - rho u)/s, s² = 1 - rho². At variances up to 1 there is no need of L. Another a splits f
differently, and has to give the same. Shares no code with fastgram.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import mul

from helpers.oracles.make_dual_values import density, erf_closed, gauss_legendre, gelu_closed
from mpmath import mp, mpf

__all__ = ["REACH", "SMOOTH", "Split", "deviations", "panels"]

FEWER = 40  # digits of sums in which nothing cancels
BITS = 150
REACH = 13  # normal variables are cut off here
ACCURACY = 68  # sums miss exp(-ACCURACY)


def deviations(rho, q1, q2):
    return mp.sqrt(q1), mp.sqrt(q2), mp.sqrt((1 - rho) * (1 + rho))


def panels(cuts, order):
    """Gauss-Legendre nodes and weights between cuts."""
    for left, right in pairwise(sorted(set(cuts))):
        middle, half = (left + right) / 2, (right - left) / 2
        for node, weight in gauss_legendre(order):
            yield middle + half * node, half * weight


def mean_of_sign(a, mean, deviation):
    return mp.erf(a * mean / mp.sqrt(1 + 2 * (a * deviation) ** 2))


def mean_of_line(a, mean, deviation):
    b = a * mp.sqrt(2)
    root = mp.sqrt(1 + (b * deviation) ** 2)
    place = b * mean / root
    return mean * (1 + mp.erf(place / mp.sqrt(2))) / 2 + b * deviation**2 / root * density(place)


# E[L(v)] of a normal v, and E[L(u)L(v)]; L itself is the mean at a deviation of 0
LIMITS = {
    "sign": (mean_of_sign, lambda a, rho, q1, q2: erf_closed(rho, a * a * q1, a * a * q2, False)),
    "step": (
        lambda a, mean, deviation: (1 + mean_of_sign(a, mean, deviation)) / 2,
        lambda a, rho, q1, q2: (1 + erf_closed(rho, a * a * q1, a * a * q2, False)) / 4,
    ),
    "line": (
        mean_of_line,
        lambda a, rho, q1, q2: (
            gelu_closed(rho, 2 * a * a * q1, 2 * a * a * q2, False) / (2 * a * a)
        ),
    ),
    "zero": (lambda a, mean, deviation: mpf(0), lambda a, rho, q1, q2: mpf(0)),
}


@dataclass(frozen=True)
class Smooth:
    """f of z and exp(z), what it tends to, its poles' distance from the real line, its range."""

    f: Callable
    limit: str
    strip: float
    decay: int  # |z| from which on f is its limit, to 30 digits


def logistic(e):
    return e / (1 + e)


def tanh_of_softplus(e):
    return e * (e + 2) / (e * (e + 2) + 2)


def mish_slope(z, e):
    t = tanh_of_softplus(e)
    return t + z * (1 - t) * (1 + t) * logistic(e)


POLE = 3.1415
SMOOTH = {
    ("tanh", False): Smooth(lambda z, e: (e * e - 1) / (e * e + 1), "sign", POLE / 2, 36),
    ("tanh", True): Smooth(lambda z, e: 4 * (e / (e * e + 1)) ** 2, "zero", POLE / 2, 36),
    ("sigmoid", False): Smooth(lambda z, e: logistic(e), "step", POLE, 72),
    ("sigmoid", True): Smooth(lambda z, e: e / (1 + e) ** 2, "zero", POLE, 72),
    ("softplus", False): Smooth(lambda z, e: mp.log(1 + e), "line", POLE, 72),
    ("softplus", True): Smooth(lambda z, e: logistic(e), "step", POLE, 72),
    ("swish", False): Smooth(lambda z, e: z * logistic(e), "line", POLE, 76),
    ("swish", True): Smooth(lambda z, e: (1 + z / (1 + e)) * logistic(e), "step", POLE, 76),
    ("mish", False): Smooth(lambda z, e: z * tanh_of_softplus(e), "line", 0.75 * POLE, 76),
    ("mish", True): Smooth(mish_slope, "step", 0.75 * POLE, 76),
    # whose formulas are verified
    ("erf", False): Smooth(lambda z, e: mp.erf(z), "sign", 2.0, 12),
    ("gelu", False): Smooth(lambda z, e: z * mp.ncdf(z), "line", 2.0, 14),
}


class Split:
    """f = L + g, and how finely sums are made."""

    def __init__(self, smooth, sharpness, fineness, order):
        self.smooth, self.a = smooth, mpf(sharpness)
        self.fineness, self.order = mpf(fineness), order
        self.g = lru_cache(200_000)(self._g)

    def f(self, z):
        return self.smooth.f(z, mp.exp(z))

    def _g(self, limit, z):
        return self.f(z) - LIMITS[limit][0](self.a, z, mpf(0))

    def step(self, deviation):
        """That of the trapezoidal rule for g and a normal density."""
        strip = mpf(self.smooth.strip)
        gaussian = mp.sqrt(2 * mp.pi**2 / ACCURACY)
        ratio = strip / deviation if deviation < 100 * strip else mpf(0)  # g's values are kept
        if ratio > 2 * mp.pi / gaussian:
            return self.fineness * deviation * gaussian
        return self.fineness * 2 * mp.pi * strip / (ACCURACY + ratio**2 / 2)

    def reach(self, limit, sigma):
        """|z| up to which g times a normal density counts."""
        whole = limit == "zero" and self.smooth.limit != "zero"
        return REACH * sigma if whole else min(mpf(self.smooth.decay), REACH * sigma)

    def dual(self, rho, q1, q2):
        limit = "zero" if max(q1, q2) <= 1 else self.smooth.limit
        inner, outer, s = deviations(rho, *sorted((q1, q2)))
        width, slope = inner * s, rho * inner / outer
        with mp.workdps(FEWER):
            if width >= 0.4 * self.smooth.strip:
                total = self.by_lattice(limit, outer, inner, width, slope)
                line = self.line(limit, rho, inner, outer, s)
                total += line + (line if q1 == q2 else self.line(limit, rho, outer, inner, s))
            else:
                total = self.by_conditional_mean(limit, outer, width, slope)
                total += self.line(limit, rho, inner, outer, s)
        return total + LIMITS[limit][1](self.a, rho, q1, q2)

    def by_lattice(self, limit, outer, inner, width, slope):
        """E[g(u)g(v)] by the trapezoidal rule in both."""
        step = self.step(width)
        count = int(self.reach(limit, inner) / step)
        one = 1 << BITS
        values = [int(one * self.g(limit, step * j)) for j in range(-count, count + 1)]
        bend = int(one * mp.exp(-((step / width) ** 2)))
        total = mpf(0)
        rows = int(self.reach(limit, outer) / step)
        for i in range(-rows, rows + 1):
            z = step * i
            mean = slope * z
            nearest = min(max(int(mp.nint(mean / step)), -count), count)
            row = 0
            # exp(-(v - mean)²/2) outward from the node that is nearest: ratios below 1
            for sign in (1, -1):
                distance = (step * nearest - mean) / width * sign
                term = int(one * mp.exp(-(distance**2) / 2))
                pace = step / width
                ratio = int(one * mp.exp(-distance * pace - pace**2 / 2))
                place = nearest + count
                if sign < 0:
                    place, term, ratio = place - 1, term * ratio >> BITS, ratio * bend >> BITS
                side = values[place:] if sign > 0 else values[place::-1] if place >= 0 else []
                weights = []
                for _ in side:
                    weights.append(term)
                    term, ratio = term * ratio >> BITS, ratio * bend >> BITS
                row += sum(map(mul, side, weights))
            total += self.g(limit, z) * density(z / outer) * mp.ldexp(row, -2 * BITS)
        return total * step**2 / (outer * width * mp.sqrt(2 * mp.pi))

    def by_conditional_mean(self, limit, outer, width, slope):
        """E[g(v)f(u)], u given v of a small deviation: the trapezoidal rule in v and in that."""
        step = self.step(outer)
        count = int(self.reach(limit, outer) / step)
        small = []
        if width:
            pace = self.step(width) / width
            places = [pace * j for j in range(-int(REACH / pace), int(REACH / pace) + 1)]
            small = [(width * y, mp.exp(width * y), pace * density(y)) for y in places]
        total = mpf(0)
        for i in range(-count, count + 1):
            z = step * i
            mean, f = slope * z, self.smooth.f
            e = mp.exp(mean)
            inside = mp.fsum(w * f(mean + y, e * ey) for y, ey, w in small) if width else f(mean, e)
            total += self.g(limit, z) * density(z / outer) * inside
        return total * step / outer

    def line(self, limit, rho, sigma, other, s):
        """E[g(z)L(v)], z and v of deviations sigma and other."""
        if limit == "zero":
            return mpf(0)
        slope, width = rho * other / sigma, other * s
        steep = self.a * abs(slope) / mp.sqrt(1 + 2 * (self.a * width) ** 2)
        top, cap = self.reach(limit, sigma), min(mpf(3), 1.5 * sigma)
        cuts = [mpf(0), min(mpf(1), sigma, 1 / max(steep, mpf(1))) / 3]
        while cuts[-1] < top:
            cuts.append(min(cuts[-1] * 2.5, cuts[-1] + cap))
        mean = LIMITS[limit][0]
        return mp.fsum(
            weight * self.g(limit, z) * density(z / sigma) / sigma * mean(self.a, slope * z, width)
            for z, weight in panels([*cuts, *(-cut for cut in cuts)], self.order)
        )
