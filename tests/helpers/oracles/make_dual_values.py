"""Make tests/data/dual_values.json: duals of activations to 20 digits, the oracle of fastgram.dual.

Run in ``tests/`` as ``python -m helpers.oracles.make_dual_values``; needs mpmath alone and shares
no code with fastgram. The file is a JSON list with one record a line::

    {"activation": .., "parameters": {..}, "derivative": .., "rho": .., "q1": .., "q2": ..,
     "value": ".."}

where value is E[f(u)f(v)], f the activation or (derivative true) its derivative and (u, v) normal
with mean 0, variances q1, q2 and correlation rho. Every number of a record, and every parameter,
stands for its exact float64 value; value is a decimal string of 20 significant digits, and "0.0"
is an exact zero or, without a formula, less than 1e-27 (selu at rho = 0, q1 = q2 = 1: its rounded
constants leave a mean of about 1e-17). parameters holds what differs from the defaults, which are
leaky_relu negative_slope=0.01, elu alpha=1, celu alpha=1, swish beta=1, selu
alpha=1.6732632423543772848 and scale=1.0507009873554804934 (as float64); a polynomial always has
its coefficients, ascending.

With u = sqrt(q1) x and v = sqrt(q2) (rho x + sqrt(1 - rho^2) y), x and y independent:

- *pieces*: f is c z^k exp(a z) between kinks (relu6, hard_tanh, elu, selu, celu): E[f(v) | x] is
  closed, in normal distribution functions; Gauss-Legendre in x between kinks and across the places
  where that function is steep. Verified with the roles of u and v exchanged and a higher order.
- *lattice*: f is analytic near the real line (tanh, sigmoid, softplus, swish, mish): the
  trapezoidal rule in x and y, which converges geometrically, its steps tied so that v runs
  through a lattice and f is tabulated. The step shrinks until two results agree.
- *closed*: a formula (relu, leaky_relu, abs, step, linear, erf, gelu, sin, cos, polynomial).
  Verified at every point by pieces or lattice.

Two computations of a value agree to 1e-27 times max(1, |value|), and to 20 digits where no formula
is known. Each activation and its derivative are verified, besides, by a nested Gauss-Legendre rule
that knows nothing but f and its kinks, at two points, and each f' by differences of f. A check that
fails stops the run before anything is written. All of it takes 10 to 15 minutes on one core.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from operator import mul
from pathlib import Path

from mpmath import inf, mp, mpf

mp.dps = 45
BITS = 144  # of the fixed-point numbers of the lattice
REACH = 13  # normal variables are cut off here: exp(-REACH^2/2) = 2e-37
TOLERANCE = mpf(10) ** -27  # asked of two computations, relative to max(1, |value|)
NESTED_TOLERANCE = mpf(10) ** -18
OUTPUT = Path(__file__).resolve().parents[2] / "data" / "dual_values.json"

RHOS = (-1.0, -0.95, -0.3, 0.0, 0.5, 0.99, 1 - 1e-6, 1.0)
POINTS = [(rho, q, q) for q in (1.0, 0.01, 100.0) for rho in RHOS]
POINTS += [(rho, *q) for q in ((0.01, 100.0), (2.0, 0.5)) for rho in (-0.95, 0.5, 1.0)]
NESTED_POINTS = ((0.5, 1.0, 1.0), (-0.95, 2.0, 0.5))


@dataclass
class Case:
    """An activation: f and f', and the facts that its method needs."""

    name: str
    f: Callable
    df: Callable
    pieces: list | None = None  # of f: (lower end, upper end, [(c, k, a), ..]): sum c z^k e^(a z)
    closed: Callable | None = None  # closed(rho, q1, q2, derivative)
    parameters: dict = field(default_factory=dict)


# ---------------------------------------------------------------------------- pieces


def differentiate(pieces):
    """The pieces of f' from those of f (jumps leave nothing: f' almost everywhere)."""
    result = []
    for low, high, terms in pieces:
        slopes = [(c * k, k - 1, a) for c, k, a in terms if k]
        result.append((low, high, slopes + [(c * a, k, a) for c, k, a in terms if a]))
    return result


def kinks_of(pieces):
    return [high for _, high, _ in pieces[:-1]]


def terms_at(pieces, z):
    return next(terms for low, high, terms in pieces if low <= z <= high)


def evaluate(terms, z):
    return mp.fsum(c * z**k * (mp.exp(a * z) if a else 1) for c, k, a in terms)


def upper_tail(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def density(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def probability(low, high):
    """P(low < z < high) of a standard normal z, to full relative accuracy in both tails."""
    if low > 0:
        return upper_tail(low) - upper_tail(high)
    if high < 0:
        return upper_tail(-high) - upper_tail(-low)
    return 1 - upper_tail(-low) - upper_tail(high)


def normal_mean(pieces, mean, deviation):
    """E[f(v)], v normal with that mean and standard deviation."""
    total = mpf(0)
    for low, high, terms in pieces:
        for c, k, a in terms:
            shifted = mean + a * deviation**2
            p = probability((low - shifted) / deviation, (high - shifted) / deviation)
            if k:  # k is 0 or 1
                p = shifted * p + deviation * (
                    density((low - shifted) / deviation) - density((high - shifted) / deviation)
                )
            total += c * p * (mp.exp(a * mean + (a * deviation) ** 2 / 2) if a else 1)
    return total


@lru_cache
def gauss_legendre(order):
    """Nodes and weights on [-1, 1], by Newton's method."""
    rule = []
    for index in range(order):
        z = mp.cos(mp.pi * (index + mpf(3) / 4) / (order + mpf(1) / 2))
        for _ in range(8):
            before, here = mpf(1), z
            for n in range(2, order + 1):
                before, here = here, ((2 * n - 1) * z * here - (n - 1) * before) / n
            slope = order * (z * here - before) / (z * z - 1)
            z -= here / slope
        rule.append((z, 2 / ((1 - z * z) * slope**2)))
    return rule


def pieces_dual(pieces, rho, q1, q2, order):
    """E[f(u)f(v)] by Gauss-Legendre of that order in x, segment by segment."""
    sigma1, sigma2 = mp.sqrt(q1), mp.sqrt(q2)
    s = mp.sqrt((1 - rho) * (1 + rho))
    kinks = kinks_of(pieces)
    cuts = {mpf(x) for x in range(-REACH, REACH + 1)}
    cuts.update(kink / sigma1 for kink in kinks)
    if rho:
        width = s / abs(rho)  # E[f(v) | x] is steep on this scale
        steps = (0, 1, 2.5, 4.5, 7, 10, 13.5) if width < 1 else (0,)
        for kink in kinks:
            for step in steps:
                cuts.update(kink / (sigma2 * rho) + sign * step * width for sign in (1, -1))
    cuts = sorted(x for x in cuts if -REACH <= x <= REACH)
    total = mpf(0)
    for left, right in pairwise(cuts):
        middle, half = (left + right) / 2, (right - left) / 2
        terms = terms_at(pieces, sigma1 * middle)
        if not terms or not half:
            continue
        for node, weight in gauss_legendre(order):
            x = middle + half * node
            if s:
                inner = normal_mean(pieces, sigma2 * rho * x, sigma2 * s)
            else:
                inner = evaluate(terms_at(pieces, sigma2 * rho * middle), sigma2 * rho * x)
            total += half * weight * density(x) * evaluate(terms, sigma1 * x) * inner
    return total


def verified_pieces_dual(pieces, rho, q1, q2):
    value = pieces_dual(pieces, rho, q2, q1, 36)
    return value, abs(value - pieces_dual(pieces, rho, q1, q2, 28))


# ---------------------------------------------------------------------------- lattice


def fixed(x):
    return int(mp.ldexp(x, BITS))


def normal_weights(step):
    """The trapezoidal rule's fixed-point weights at step * j, |j| <= (len - 1) / 2."""
    side = [fixed(step * density(step * j)) for j in range(int(REACH / step) + 1)]
    return side[:0:-1] + side


def line_mean(f, step):
    """E[f(x)], x standard normal."""
    weights = normal_weights(step)
    count = len(weights) // 2
    values = [fixed(f(step * i)) for i in range(-count, count + 1)]
    return mp.ldexp(sum(map(mul, weights, values)), -2 * BITS)


def lattice_dual(f, rho, q1, q2, step, step_y):
    """E[f(u)f(v)] by the trapezoidal rule of this step in x and at most about step_y in y."""
    sigma1, sigma2 = mp.sqrt(q1), mp.sqrt(q2)
    s = mp.sqrt((1 - rho) * (1 + rho))
    if not s:
        return line_mean(lambda x: f(sigma1 * x) * f(rho * sigma2 * x), step)
    if not rho:
        return line_mean(lambda x: f(sigma1 * x), step) * line_mean(lambda x: f(sigma2 * x), step)
    # v = sigma2 rho (step/m) (m i + p j): one of m and p is 1, and y = j step_y
    ratio = min(step_y, step / s) * s / (abs(rho) * step)
    p, m = (max(1, int(ratio)), 1) if ratio >= 1 else (1, int(mp.ceil(1 / ratio)))
    weights_x, weights_y = normal_weights(step), normal_weights(abs(rho) * step * p / (m * s))
    count_x, count_y = len(weights_x) // 2, len(weights_y) // 2
    centre, side = m * count_x + p * count_y, p * count_y
    table = [fixed(f(sigma2 * rho * step / m * k)) for k in range(-centre, centre + 1)]
    total = 0
    for i, weight in enumerate(weights_x, -count_x):
        middle = centre + m * i
        inner = sum(map(mul, table[middle - side : middle + side + 1 : p], weights_y))
        total += weight * fixed(f(sigma1 * step * i)) * inner
    return mp.ldexp(total, -4 * BITS)


def verified_lattice_dual(f, rho, q1, q2):
    """Shrink the step until two results agree; the finer one, and their difference."""
    step, step_y = mpf("0.25") / max(1, mp.sqrt(max(q1, q2))), mpf("0.45")
    value = lattice_dual(f, rho, q1, q2, step, step_y)
    while True:
        step, step_y, coarse = step * mpf("0.72"), step_y * mpf("0.95"), value
        value = lattice_dual(f, rho, q1, q2, step, step_y)
        if abs(value - coarse) <= TOLERANCE * max(1, abs(value)):
            return value, abs(value - coarse)
        if step < mpf(10) ** -3:
            raise ArithmeticError("the lattice does not converge")


# ---------------------------------------------------------------------------- from the definition


def nested_dual(f, kinks, rho, q1, q2):
    """E[f(u)f(v)], 0 < |rho| < 1, by nested Gauss-Legendre rules split at the kinks: 20 digits."""
    sigma1, sigma2 = mp.sqrt(q1), mp.sqrt(q2)
    s = mp.sqrt((1 - rho) * (1 + rho))
    reach = 10

    def rule(cuts):
        cuts = sorted({mpf(z) for z in (*range(-reach, reach + 1), *cuts) if abs(z) <= reach})
        for left, right in pairwise(cuts):
            for node, weight in gauss_legendre(20):
                z = (left + right) / 2 + (right - left) / 2 * node
                yield z, (right - left) / 2 * weight * density(z)

    with mp.workdps(24):
        smooth_rule = list(rule([]))
        total = mpf(0)
        for x, weight_x in rule([kink / sigma1 for kink in kinks]):
            start, slope = sigma2 * rho * x, sigma2 * s
            inner_rule = rule([(k - start) / slope for k in kinks]) if kinks else smooth_rule
            outer = weight_x * f(sigma1 * x)
            if abs(outer) > mpf(10) ** -24:
                total += outer * mp.fsum(w * f(start + slope * y) for y, w in inner_rule)
        return total


# ---------------------------------------------------------------------------- closed forms


def two_sided(positive, negative):
    """f = positive z for z > 0, negative |z| for z < 0: arc-cosine kernels of order 1 and 0."""
    a, b = mpf(positive), mpf(negative)

    def order0(rho):
        return (mp.pi - mp.acos(rho)) / (2 * mp.pi)

    def order1(rho):
        return mp.sqrt((1 - rho) * (1 + rho)) / (2 * mp.pi) + rho * order0(rho)

    def closed(rho, q1, q2, derivative):
        if derivative:
            return (a * a + b * b) * order0(rho) - 2 * a * b * order0(-rho)
        return mp.sqrt(q1 * q2) * ((a * a + b * b) * order1(rho) + 2 * a * b * order1(-rho))

    return closed


def step_closed(rho, q1, q2, derivative):
    return mpf(0) if derivative else (mp.pi - mp.acos(rho)) / (2 * mp.pi)


def erf_closed(rho, q1, q2, derivative):
    c, product = rho * mp.sqrt(q1 * q2), (1 + 2 * q1) * (1 + 2 * q2)
    if derivative:
        return 4 / (mp.pi * mp.sqrt(product - 4 * c * c))
    return 2 / mp.pi * mp.asin(2 * c / mp.sqrt(product))


def gelu_closed(rho, q1, q2, derivative):
    """By Stein's identity, from E[Phi(u)Phi(v)] = cdfs and E[phi(u)phi(v)] = densities."""
    c, product = rho * mp.sqrt(q1 * q2), (1 + q1) * (1 + q2)
    cdfs = mpf(1) / 4 + mp.asin(c / mp.sqrt(product)) / (2 * mp.pi)
    determinant = product - c * c
    densities = 1 / (2 * mp.pi * mp.sqrt(determinant))
    both = 1 / (1 + q1) + 1 / (1 + q2)
    if derivative:
        return cdfs + c * densities * (both + 1 / determinant)
    return c * cdfs + densities * (q1 * q2 + c * c * (both - 1))


def waves_closed(cosine):
    def closed(rho, q1, q2, derivative):
        c, mean = rho * mp.sqrt(q1 * q2), (q1 + q2) / 2
        sign = 1 if cosine != derivative else -1
        return (mp.exp(c - mean) + sign * mp.exp(-c - mean)) / 2

    return closed


def polynomial_closed(coefficients):
    def moment(a, b, rho):  # E[x^a y^b] of standard normals with correlation rho
        pairs = (j for j in range(min(a, b) + 1) if (a - j) % 2 == 0 == (b - j) % 2)
        return mp.fsum(
            mp.factorial(a) * mp.factorial(b) * rho**j / mp.factorial(j)
            / (mp.factorial((a - j) // 2) * mp.factorial((b - j) // 2) * 2 ** ((a + b) // 2 - j))
            for j in pairs
        )  # fmt: skip

    def closed(rho, q1, q2, derivative):
        powers = list(enumerate(mpf(c) for c in coefficients))
        if derivative:
            powers = [(k - 1, k * c) for k, c in powers if k]
        sigma1, sigma2 = mp.sqrt(q1), mp.sqrt(q2)
        return mp.fsum(
            c * d * sigma1**a * sigma2**b * moment(a, b, rho) for a, c in powers for b, d in powers
        )

    return closed


# ---------------------------------------------------------------------------- activations


def leaky_relu(slope, name="leaky_relu", parameters=None):
    a = mpf(slope)
    pieces = [(-inf, mpf(0), [(a, 1, mpf(0))] if a else []), (mpf(0), inf, [(mpf(1), 1, mpf(0))])]
    f, df = lambda z: z if z > 0 else a * z, lambda z: 1 if z > 0 else a
    return Case(name, f, df, pieces, two_sided(1, -a), parameters or {})


def exponential(name, scale, alpha, rate, parameters=None):
    """scale * z for z > 0, scale * alpha * (exp(rate * z) - 1) for z < 0."""
    scale, alpha, rate = mpf(scale), mpf(alpha), mpf(rate)
    c = scale * alpha
    pieces = [
        (-inf, mpf(0), [(c, 0, rate), (-c, 0, mpf(0))]),
        (mpf(0), inf, [(scale, 1, mpf(0))]),
    ]
    return Case(
        name,
        lambda z: scale * z if z > 0 else scale * alpha * mp.expm1(rate * z),
        lambda z: scale if z > 0 else scale * alpha * rate * mp.exp(rate * z),
        pieces,
        parameters=parameters or {},
    )


def logistic(z):
    return 1 / (1 + mp.exp(-z))


def softplus(z):
    return max(z, mpf(0)) + mp.log1p(mp.exp(-abs(z)))


def swish(beta, parameters=None):
    b = mpf(beta)

    def slope(z):
        p = logistic(b * z)
        return p + b * z * p * (1 - p)

    return Case("swish", lambda z: z * logistic(b * z), slope, parameters=parameters or {})


def mish_slope(z):
    t = mp.tanh(softplus(z))
    return t + z * (1 - t * t) * logistic(z)


def polynomial(coefficients, name="polynomial"):
    c = [mpf(x) for x in coefficients]
    return Case(
        name,
        lambda z: mp.fsum(a * z**k for k, a in enumerate(c)),
        lambda z: mp.fsum(k * a * z ** (k - 1) for k, a in enumerate(c) if k),
        closed=polynomial_closed(coefficients),
        parameters={"coefficients": coefficients} if name == "polynomial" else {},
    )


def all_cases():
    zero, one, six = mpf(0), mpf(1), mpf(6)
    straight, constant = [(one, 1, zero)], [(one, 0, zero)]
    down = [(-one, 1, zero)]
    clipped = [(-inf, -one, [(-one, 0, zero)]), (-one, one, straight), (one, inf, constant)]
    clipped6 = [(-inf, zero, []), (zero, six, straight), (six, inf, [(six, 0, zero)])]
    gelu_slope = lambda z: mp.ncdf(z) + z * density(z)  # noqa: E731
    return [
        leaky_relu(0, "relu"),
        leaky_relu(0.01),
        leaky_relu(0.3, parameters={"negative_slope": 0.3}),
        Case("abs", abs, mp.sign, [(-inf, zero, down), (zero, inf, straight)], two_sided(1, 1)),
        Case("step", lambda z: mpf(z > 0), lambda z: zero,
             [(-inf, zero, []), (zero, inf, constant)], step_closed),
        Case("relu6", lambda z: min(max(z, zero), six), lambda z: mpf(0 < z < 6), clipped6),
        Case("hard_tanh", lambda z: min(max(z, -one), one), lambda z: mpf(-1 < z < 1), clipped),
        exponential("elu", 1, 1, 1),
        exponential("elu", 1, 0.5, 1, {"alpha": 0.5}),
        exponential("selu", 1.0507009873554804934, 1.6732632423543772848, 1),
        exponential("celu", 1, 1, 1),
        exponential("celu", 1, 2, 0.5, {"alpha": 2.0}),
        Case("tanh", mp.tanh, lambda z: mp.sech(z) ** 2),
        Case("sigmoid", logistic, lambda z: logistic(z) * logistic(-z)),
        Case("softplus", softplus, logistic),
        swish(1),
        swish(3, {"beta": 3.0}),
        Case("mish", lambda z: z * mp.tanh(softplus(z)), mish_slope),
        Case("gelu", lambda z: z * mp.ncdf(z), gelu_slope, closed=gelu_closed),
        Case("erf", mp.erf, lambda z: 2 / mp.sqrt(mp.pi) * mp.exp(-z * z), closed=erf_closed),
        Case("sin", mp.sin, mp.cos, closed=waves_closed(cosine=False)),
        Case("cos", mp.cos, lambda z: -mp.sin(z), closed=waves_closed(cosine=True)),
        polynomial([0.0, 1.0], "linear"),
        polynomial([0.0, 1.0, 1.0]),
        polynomial([0.5, -1.0, 0.0, 0.25]),
    ]  # fmt: skip


# ---------------------------------------------------------------------------- the run


def relative(error, value):
    return error / max(1, abs(value))


def check_definitions(case):
    """f' is the derivative of f, and the pieces are f and f'."""
    for z in (mpf(x) for x in (-7.3, -2.1, -0.9, -0.2, 0.4, 0.8, 1.7, 5.1, 8.2)):
        assert abs(mp.diff(case.f, z) - case.df(z)) < mpf(10) ** -12, (case.name, z)
        if case.pieces:
            for f, pieces in ((case.f, case.pieces), (case.df, differentiate(case.pieces))):
                assert abs(evaluate(terms_at(pieces, z), z) - f(z)) < TOLERANCE, (case.name, z)


def case_values(case, derivative):
    """The records of a case, the largest disagreement, and that with the nested rule."""
    f, pieces, kinks = case.df if derivative else case.f, None, []
    if case.pieces:
        pieces, kinks = case.pieces, kinks_of(case.pieces)
        if derivative:
            pieces = differentiate(pieces)
    records, worst, nested = [], mpf(0), mpf(0)
    for rho, q1, q2 in POINTS:
        point = mpf(rho), mpf(q1), mpf(q2)
        if pieces and case.closed:
            value, error = pieces_dual(pieces, *point, 28), mpf(0)
        elif pieces:
            value, error = verified_pieces_dual(pieces, *point)
        else:
            value, error = verified_lattice_dual(f, *point)
        if case.closed:
            by_quadrature, value = value, case.closed(*point, derivative)
            error = max(error, abs(value - by_quadrature))
            if case.pieces and abs(value) < mpf(10) ** -44:  # the rounding of pi - acos(-1)
                value = mpf(0)
        elif abs(value) < TOLERANCE:
            value = mpf(0)
        elif error > abs(value) / 10**20:
            raise ArithmeticError(f"{case.name} {derivative} {rho} {q1} {q2}: {value} +- {error}")
        worst = max(worst, relative(error, value))
        if (rho, q1, q2) in NESTED_POINTS:
            nested = max(nested, relative(abs(value - nested_dual(f, kinks, *point)), value))
        if worst > TOLERANCE or nested > NESTED_TOLERANCE:
            raise ArithmeticError(f"{case.name} {derivative} {rho} {q1} {q2}: {worst} {nested}")
        record = {"activation": case.name, "parameters": case.parameters, "derivative": derivative}
        text = mp.nstr(value, 20, strip_zeros=bool(value == 0))
        records.append(record | {"rho": rho, "q1": q1, "q2": q2, "value": text})
    return records, worst, nested


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="activations to compute, printed, not written")
    only = parser.parse_args().only
    lines = []
    for case in all_cases():
        if only and case.name not in only:
            continue
        check_definitions(case)
        for derivative in (False, True):
            start = time.perf_counter()
            records, worst, nested = case_values(case, derivative)
            lines += [json.dumps(record) for record in records]
            label = f"{case.name} {case.parameters or ''} {'derivative' if derivative else ''}"
            print(
                f"{label:50s} settings {mp.nstr(worst, 2):9s} nested {mp.nstr(nested, 2):9s}"
                f" {time.perf_counter() - start:6.1f} s",
                file=sys.stderr,
                flush=True,
            )
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    if only:
        print(text, end="")
    else:
        OUTPUT.parent.mkdir(parents=True, exist_ok=True)
        OUTPUT.write_text(text, encoding="utf-8")
        print(f"{len(lines)} records in {OUTPUT}", file=sys.stderr)


if __name__ == "__main__":
    main()
