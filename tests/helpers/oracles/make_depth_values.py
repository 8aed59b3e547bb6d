"""Make tests/data/depth_values.json: entries of deep networks between two rows at an exact angle.

Run in ``tests/`` as ``python -m helpers.oracles.make_depth_values``; needs mpmath alone (with gmpy2
it is several times faster) and shares no code with fastgram. The file is a JSON object::

    {"origin": {"command": .., "mpmath": .., "method": {"relu": "closed", ..}, "accuracy": {..}},
     "records": [{"activation": .., "weight_variance": .., "bias_variance": .., "depth": ..,
                  "norms": [.., ..], "kind": "gradient" | "nngp" | "ntk",
                  "at_zero": "..", "at_pi": "..",
                  "thetas": [..], "values": ["..", ..], "drops": ["..", ..] | null}, ..]}

`values` are the entries K(θ) between two rows of these norms at these angles, `at_zero` is K(0)
and `at_pi` is K(π), π being the number and not its float64. `drops`, for equal norms, are
K(0) − K(θ) where θ < π/2 and K(π) − K(θ) where θ > π/2: what cancels when entries are subtracted.
Numbers stand for their exact float64 values; strings hold 22 significant digits. Parameters of
activations are the defaults: leaky_relu slope 0.01, elu alpha 1, swish beta 1, and selu's two
constants rounded to float64.

Σ⁰ = σw²⟨x, y⟩ + σb², and a layer takes the covariance c and the variances q1, q2 to
σw² E[f(u)f(v)] + σb². With E[f'f'] of the same layer, "gradient" is c E[f'f'] at the last one,
"nngp" is E[ff] there, and "ntk" is T = E[ff] + T E[f'f'] with, below, T = Σ + σw² T E[f'f'].
Nothing cancels that 70 to 130 digits do not pay for: the expectations are

- *closed*: formulas (relu, leaky_relu, abs, erf, gelu, sin, cos).
- *series*: f is analytic near the real line (tanh, sigmoid, softplus, swish): Mehler's series
  E[ff] = Σ_k c_k(q1) c_k(q2) ρ^k, whose derivative in c is E[f'f'], with c_k(q) the Hermite
  coefficients of f(√q ·) by the trapezoidal rule. For equal norms every term of the entry and of
  its drop is positive, so that nothing is lost near ρ = 1. Where to stop is known from Parseval:
  Σ c_k² = E f² and Σ k c_k² = q E f'², both integrated directly.
- *sectors*: f is linear above 0 and exponential below (elu, selu): in polar coordinates the radial
  integrals are complementary error functions, entire in the angle on each of the four sectors
  that the signs of u and v cut out, and Gauss-Legendre on these does the rest.

Everything is computed twice, with more digits and finer rules the second time, and the largest
relative disagreement of values and of drops is recorded under accuracy; it must not exceed 1e-22.
Series and sectors are besides compared, in single duals, with the methods of make_dual_values, to
1e-20. All of it takes 5 to 10 minutes on one core.
"""

import argparse
import json
import platform
import sys
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import mul
from pathlib import Path

import mpmath
from helpers.oracles.make_dual_values import all_cases, gauss_legendre, lattice_dual, pieces_dual
from mpmath import mp, mpf

__all__ = ["CLOSED", "closed_duals", "entries"]

OUTPUT = Path(__file__).resolve().parents[2] / "data" / "depth_values.json"
KINDS = ("gradient", "nngp", "ntk")
DEPTHS = (1, 3, 10, 100)
SHALLOW = ("sigmoid", "softplus", "swish", "selu")  # to depth 10
PI = 3.141592653589793
THETAS = (1e-8, 1e-5, 1e-2, 0.5, 1.3, PI / 2 + 0.4, PI - 1e-2, PI - 1e-5)
UNEQUAL_THETAS = (1e-5, 1e-2, 1.3, PI / 2 + 0.4)
EQUAL, UNEQUAL = (1.0, 1.0), (0.3, 2.5)
DIGITS = 22
TOLERANCE = mpf(10) ** -DIGITS

CASES = {case.name: case for case in all_cases() if not case.parameters}
CLOSED = ("relu", "leaky_relu", "abs", "erf", "gelu", "sin", "cos")
SERIES = ("tanh", "sigmoid", "softplus", "swish")
SECTORS = {"elu": (1.0, 1.0), "selu": (1.0507009873554804934, 1.6732632423543772848)}

# (weight variance, bias variance): norms settle, and angles neither vanish nor all become right
NETWORKS = {
    "relu": [(2.0, 0.0), (1.7, 0.3)],
    "leaky_relu": [(2.0, 0.0), (1.7, 0.3)],
    "abs": [(1.0, 0.0), (0.9, 0.1)],
    "erf": [(1.5, 0.0), (1.5, 0.2)],
    "gelu": [(1.7, 0.3), (2.0, 0.1)],
    "sin": [(1.7, 0.0), (1.5, 0.2)],
    "cos": [(2.0, 0.0), (1.7, 0.3)],
    "tanh": [(1.0, 0.0), (1.5, 0.0), (1.5, 0.1)],
    "sigmoid": [(4.0, 0.0), (2.0, 0.1)],
    "softplus": [(1.0, 0.0), (0.8, 0.2)],
    "swish": [(2.0, 0.0), (2.0, 0.1)],
    "elu": [(1.5, 0.0), (1.2, 0.1)],
    "selu": [(1.0, 0.0), (0.9, 0.1)],
}


@dataclass(frozen=True)
class Setting:
    """How finely to compute: digits of the work, and the rules' fineness."""

    digits: int
    spacing: int  # of the trapezoidal rule: 1/spacing
    reach: int  # where that rule ends
    order: int  # of Gauss-Legendre


COARSE = Setting(70, 32, 18, 56)
FINE = Setting(90, 36, 20, 72)
CLOSED_DIGITS = 100, 130


# ---------------------------------------------------------------------------- layers


def entries(duals, cosine, norms, weight, bias, depths):
    """{depth: {kind: entry}} between rows of these norms, duals(c, q1, q2) = E[ff], E[f'f']."""
    n1, n2, weight, bias = (mpf(x) for x in (*norms, weight, bias))
    q1, q2 = weight * n1**2 + bias, weight * n2**2 + bias
    c = weight * n1 * n2 * cosine + bias
    tangent, result = c, {}
    for layer in range(1, max(depths) + 1):
        value, slope = duals(c, q1, q2)
        if layer in depths:
            found = c * slope, value, value + tangent * slope
            result[layer] = dict(zip(KINDS, found, strict=True))
        tangent = weight * value + bias + weight * tangent * slope
        c, q1, q2 = (weight * x + bias for x in (value, duals(q1, q1, q1)[0], duals(q2, q2, q2)[0]))
    return result


def correlation(c, q1, q2):
    """c/√(q1 q2), no more than 1 in absolute value and exact where c is ±q1 and q1 = q2."""
    rho = c / (q1 if q1 == q2 else mp.sqrt(q1 * q2))
    return max(min(rho, mpf(1)), mpf(-1))


def closed_duals(name):
    """The duals of an activation that has a formula."""
    closed = CASES[name].closed

    @lru_cache(maxsize=8)
    def duals(c, q1, q2):
        rho = correlation(c, q1, q2)
        return closed(rho, q1, q2, False), closed(rho, q1, q2, True)

    return duals


# ---------------------------------------------------------------------------- series


class Hermite:
    """Hermite functions of every order at the nodes of a trapezoidal rule, in fixed point."""

    def __init__(self, setting):
        self.spacing = setting.spacing
        self.bits = int(setting.digits * 3.4)
        self.nodes = [mpf(i) / setting.spacing for i in range(setting.reach * setting.spacing + 1)]
        self.roots = [mp.exp(-x * x / 4) / mp.sqrt(mp.sqrt(2 * mp.pi)) for x in self.nodes]
        self.table = [[self.fixed(root) for root in self.roots]]
        self.x = [self.fixed(x) for x in self.nodes]
        weights = [root / self.spacing for root in self.roots]
        self.weights = [weights[0] / 2, *weights[1:]]  # at 0, half of each side's

    def fixed(self, z):
        return int(mp.nint(mp.ldexp(z, self.bits)))

    def order(self, k):
        """h_k √density at the nodes: √k h_k = x h_(k−1) − √(k−1) h_(k−2)."""
        while len(self.table) <= k:
            n = len(self.table)
            first, bits = self.fixed(1 / mp.sqrt(n)), self.bits
            last = self.table[-1]
            if n == 1:
                self.table.append([a * x >> bits for a, x in zip(last, self.x, strict=True)])
                continue
            second = self.fixed(mp.sqrt(mpf(n - 1) / n))
            self.table.append(
                [
                    ((a * x >> bits) * first - b * second) >> bits
                    for a, x, b in zip(last, self.x, self.table[-2], strict=True)
                ]
            )
        return self.table[k]

    def mean(self, g):
        """E g(x) of a standard normal x."""
        pairs = zip(self.nodes, self.weights, self.roots, strict=True)
        return mp.fsum((g(x) + g(-x)) * weight * root for x, weight, root in pairs)

    def coefficients(self, f, tail, q, tail_slope):
        """Hermite coefficients of f until their squares, and k times these, add up."""
        plus, minus = [f(x) for x in self.nodes], [f(-x) for x in self.nodes]
        values = list(zip(plus, minus, self.weights, strict=True))
        sides = [[self.fixed((a + sign * b) * w) for a, b, w in values] for sign in (1, -1)]
        result = []
        enough, enough_slope = tail * TOLERANCE / 1000, tail_slope * TOLERANCE / 1000
        while abs(tail) > enough or abs(tail_slope) > enough_slope:
            k = len(result)
            if k > 6000:
                raise ArithmeticError(f"Hermite coefficients do not add up: {tail}, {tail_slope}")
            total = sum(map(mul, sides[k % 2], self.order(k)))
            result.append(mp.ldexp(total, -2 * self.bits))
            tail -= result[-1] ** 2
            tail_slope -= k * result[-1] ** 2 / q
        return result


class Series:
    """The duals of an activation that is analytic near the real line."""

    def __init__(self, name, hermite):
        self.case, self.hermite = CASES[name], hermite
        self.known = {}

    def coefficients(self, q):
        if q not in self.known:
            root, f, df = mp.sqrt(q), self.case.f, self.case.df
            squares = [self.hermite.mean(lambda x, g=g: g(root * x) ** 2) for g in (f, df)]
            self.known[q] = self.hermite.coefficients(
                lambda x: f(root * x), squares[0], q, squares[1]
            )
        return self.known[q]

    def __call__(self, c, q1, q2):
        rho, root = correlation(c, q1, q2), (q1 if q1 == q2 else mp.sqrt(q1 * q2))
        value, slope, power = mpf(0), mpf(0), mpf(1)
        for k, (a, b) in enumerate(zip(self.coefficients(q1), self.coefficients(q2), strict=False)):
            if k:
                term = a * b * power  # power is ρ^(k−1)
                slope += k * term
                power *= rho
                value += term * rho
            else:
                value += a * b
        return value, slope / root


# ---------------------------------------------------------------------------- sectors


class Sectors:
    """The duals of scale·z above 0 and scale·alpha·(exp(z) − 1) below."""

    def __init__(self, name, order):
        self.scale, self.alpha = (mpf(x) for x in SECTORS[name])
        self.order = order
        self.known = {}

    @cached_property
    def rule(self):
        gauss_legendre.cache_clear()  # it keeps the digits that it was first asked for
        return gauss_legendre(self.order)

    def over(self, left, right, g):
        """The integrals of the pair that g returns."""
        half, middle = (right - left) / 2, (right + left) / 2
        values = [(w, g(middle + half * z)) for z, w in self.rule]
        return [half * mp.fsum(w * pair[i] for w, pair in values) for i in (0, 1)]

    def __call__(self, c, q1, q2):
        key = c, q1, q2
        if key not in self.known:
            if len(self.known) > 2000:
                self.known.clear()
            self.known[key] = self.compute(mp.acos(correlation(*key)), mp.sqrt(q1), mp.sqrt(q2))
        return self.known[key]

    def compute(self, theta, s1, s2):
        def mixed(above, below):
            # u > 0 > v, with E over the radius of r u' (exp(v) − 1) and of r exp(v)
            def g(phi):
                i1, i2 = radial(-below * mp.cos(phi - theta))
                return above * mp.cos(phi) * (i2 - mp.sqrt(mp.pi / 2)), i1

            return self.over(-mp.pi / 2, theta - mp.pi / 2, g)

        def negative(phi):
            a, b = -s1 * mp.cos(phi), -s2 * mp.cos(phi - theta)
            both = radial(a + b)[0]
            return both - radial(a)[0] - radial(b)[0] + 1, both

        nothing = [mpf(0), mpf(0)]
        one = mixed(s1, s2) if theta else nothing
        other = one if s1 == s2 else (mixed(s2, s1) if theta else nothing)
        below = self.over(mp.pi / 2 + theta, 3 * mp.pi / 2, negative)
        angle = mp.pi - theta
        positive = s1 * s2 * (mp.sin(theta) + angle * mp.cos(theta)), angle
        factor = self.scale**2 / (2 * mp.pi)
        return tuple(
            factor * (p + self.alpha * (x + y) + self.alpha**2 * n)
            for p, x, y, n in zip(positive, one, other, below, strict=True)
        )


def radial(a):
    """∫ r^k exp(−r²/2 − a r) dr over r > 0, for k = 1 and 2."""
    zeroth = mp.sqrt(mp.pi / 2) * mp.exp(a * a / 2) * mp.erfc(a / mp.sqrt(2))
    first = 1 - a * zeroth
    return first, zeroth - a * first


# ---------------------------------------------------------------------------- the run


@lru_cache(maxsize=1)
def hermite_of(setting):
    return Hermite(setting)


def duals_of(name, setting):
    if name in CLOSED:
        return closed_duals(name)
    if name in SERIES:
        return Series(name, hermite_of(setting))
    return Sectors(name, setting.order)


def check_duals(name, duals):
    """Compare with the lattice, or with integrals in u of E[f(v) | u]: the largest disagreement."""
    case, worst = CASES[name], mpf(0)
    for rho, q1, q2 in ((0.5, 1.0, 1.0), (-0.95, 2.0, 0.5), (0.99, 1.5, 1.5)):
        rho, q1, q2 = mpf(rho), mpf(q1), mpf(q2)
        value = duals(rho * mp.sqrt(q1 * q2), q1, q2)[0]
        if name in SERIES:
            other = lattice_dual(case.f, rho, q1, q2, mpf("0.1"), mpf("0.25"))
        else:
            other = pieces_dual(case.pieces, rho, q1, q2, 32)
        worst = max(worst, abs(value - other))
    if worst > mpf(10) ** -20:
        raise ArithmeticError(f"{name}: {mp.nstr(worst, 3)} from another method")
    return worst


def run_of(name, duals, weight, bias):
    """{(norms, depth, kind): (K(0), K(π), values, drops)}."""
    result = {}
    for norms, thetas in ((EQUAL, THETAS), (UNEQUAL, UNEQUAL_THETAS)):
        cosines = [mpf(1), mpf(-1), *(mp.cos(mpf(theta)) for theta in thetas)]
        depths = DEPTHS[:3] if name in SHALLOW else DEPTHS
        found = [entries(duals, cosine, norms, weight, bias, depths) for cosine in cosines]
        for depth in depths:
            for kind in KINDS:
                zero, pi, *values = (x[depth][kind] for x in found)
                drops = [
                    (zero if theta < PI / 2 else pi) - value
                    for theta, value in zip(thetas, values, strict=True)
                ]
                result[norms, depth, kind] = zero, pi, values, drops if norms == EQUAL else []
    return result


def disagreement(coarse, fine):
    """The largest relative disagreement of values, to K(0) where they are less, and of drops."""
    values, drops = mpf(0), mpf(0)
    for key, (zero, pi, some, small) in fine.items():
        other = coarse[key]
        pairs = zip([zero, pi, *some], [*other[:2], *other[2]], strict=True)
        values = max(values, *(abs(a - b) / (abs(a) or 1) for a, b in pairs))
        drops = max(
            drops, *(abs(a - b) / (abs(a) or 1) for a, b in zip(small, other[3], strict=True)), 0
        )
    return values, drops


def records_of(name, weight, bias, found):
    def text(x):
        return mp.nstr(x, DIGITS, strip_zeros=bool(x == 0))

    for (norms, depth, kind), (zero, pi, values, drops) in found.items():
        thetas = THETAS if norms == EQUAL else UNEQUAL_THETAS
        yield {
            "activation": name, "weight_variance": weight, "bias_variance": bias, "depth": depth,
            "norms": norms, "kind": kind, "at_zero": text(zero), "at_pi": text(pi),
            "thetas": thetas, "values": [text(x) for x in values],
            "drops": [text(x) for x in drops] or None,
        }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="activations to compute; nothing is written")
    only = parser.parse_args().only
    lines, accuracy, method = [], {}, {}
    for name in NETWORKS:
        if only and name not in only:
            continue
        method[name] = "closed" if name in CLOSED else "series" if name in SERIES else "sectors"
        start, results, checks = time.perf_counter(), [], mpf(0)
        for index, setting in enumerate((COARSE, FINE)):
            mp.dps = CLOSED_DIGITS[index] if name in CLOSED else setting.digits
            duals = duals_of(name, setting)
            if name not in CLOSED:
                checks = check_duals(name, duals)
            results.append([run_of(name, duals, *network) for network in NETWORKS[name]])
        errors = [disagreement(*pair) for pair in zip(*results, strict=True)]
        values, drops = (max(error[i] for error in errors) for i in (0, 1))
        print(
            f"{name:12s} values {mp.nstr(values, 2):9s} drops {mp.nstr(drops, 2):9s}"
            f" another method {mp.nstr(checks, 2):9s} {time.perf_counter() - start:6.1f} s",
            file=sys.stderr,
            flush=True,
        )
        if max(values, drops) > TOLERANCE:
            raise ArithmeticError(f"{name}: the two settings disagree")
        accuracy[name] = {"values": float(mp.nstr(values, 2)), "drops": float(mp.nstr(drops, 2))}
        for network, found in zip(NETWORKS[name], results[1], strict=True):
            lines += [json.dumps(record) for record in records_of(name, *network, found)]
    if only:
        return
    origin = {
        "command": "python -m helpers.oracles.make_depth_values",
        "python": platform.python_version(),
        "mpmath": mpmath.__version__,
        "method": method,
        "accuracy": accuracy,
    }
    text = f'{{"origin": {json.dumps(origin)},\n"records": [\n' + ",\n".join(lines) + "\n]}\n"
    OUTPUT.write_text(text, encoding="utf-8")
    print(f"{len(lines)} records in {OUTPUT}, {len(text) // 1000} kB", file=sys.stderr)


if __name__ == "__main__":
    main()
