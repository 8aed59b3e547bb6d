"""Make tests/data/wide_dual_values.json: duals at variances from 1e-16 to 1e16, to 20 digits.

Run in ``tests/`` as ``python -m helpers.oracles.make_wide_dual_values``; needs mpmath alone and
shares no code with fastgram. The file has the form of dual_values.json, which
`helpers.oracles.make_dual_values` describes: one record a line, numbers for their exact float64
values, E[f(u)f(v)] as a decimal string. Here "0.0" is an exact zero (an odd f at rho = 0, a value
that a formula says is 0). All built-in activations are taken with their defaults.

With s = sqrt(1 - rho^2), u and v of standard deviations sigma1 and sigma2:

- *closed*: a formula (relu, leaky_relu, abs, step, linear, erf, gelu, sin, cos, polynomial).
  Those of erf and gelu are verified by the method for smooth functions.
- *pieces*: f is c z^k exp(a z) between kinks (relu6, hard_tanh, elu, selu, celu): E[f(v) | x] is
  closed, Gauss-Legendre in x between cuts that are graded toward 0 down to the scales 1/sigma1,
  1/sigma2 and s. Verified with the roles of u and v exchanged and a higher order.
- *smooth*: f is analytic near the real line (tanh, sigmoid, softplus, swish, mish): split into a
  function with closed duals and one that decays exponentially, as `helpers.oracles.split_duals`
  says. Verified with another split, smaller steps and a higher order.

What takes longest (hard_tanh, elu, softplus, swish) is verified at correlations -1, -0.3, 0.6 and
1 only.

Two computations agree to 1e-20 of the value itself, wherever there is no formula. At one point of
large variances, besides, the value of each activation and derivative without a formula is
compared, to 1e-10, with a nested Gauss-Legendre rule that knows nothing but f and its kinks. A
check that fails stops the run before anything is written. All of it takes half an hour on one core.
"""

import argparse
import json
import sys
import time
from itertools import pairwise
from pathlib import Path

from helpers.oracles.make_dual_values import (
    all_cases,
    check_definitions,
    density,
    differentiate,
    evaluate,
    kinks_of,
    normal_mean,
    terms_at,
)
from helpers.oracles.split_duals import REACH, SMOOTH, Split, deviations, panels
from mpmath import mp, mpf

DIGITS = 60  # closed forms of variances of 1e16 lose 30
TOLERANCE = mpf(10) ** -20  # of two computations, relative to the value
NESTED_TOLERANCE = mpf(10) ** -10
OUTPUT = Path(__file__).resolve().parents[2] / "data" / "wide_dual_values.json"

RHOS = (-1.0, -0.9999999, -0.3, 0.0, 0.6, 1 - 1e-8, 1.0)
VARIANCES = [(q, q) for q in (1e-16, 1e-8, 1e-4, 1e4, 1e8, 1e12, 1e16)]
VARIANCES += [(1e-16, 1.0), (1e-8, 1e8), (1.0, 1e12), (1e16, 1e4), (3e5, 7e5)]
POINTS = [(rho, *q) for q in VARIANCES for rho in RHOS]
LONG = ("hard_tanh", "elu", "softplus", "swish")  # verified at every other correlation
NESTED_POINT = (0.6, 3e5, 7e5)
FORMULA_POINTS = [(-0.9999999, 1e4, 1e4), (0.6, 1e12, 1e12), (0.6, 1e-8, 1e8), (1.0, 1e16, 1e4)]


# ---------------------------------------------------------------------------- pieces


def cuts_of_pieces(pieces, rho, sigma1, sigma2, s):
    """Cuts of x: kinks of f(u), steep places of E[f(v) | x], and the scales of exponentials."""
    kinks = kinks_of(pieces)
    cuts = {mpf(x) for x in range(-REACH, REACH + 1)} | {kink / sigma1 for kink in kinks}
    scales = []
    if any(a for _, _, terms in pieces for _, _, a in terms):
        scales = [1 / sigma1, 1 / (sigma2 * abs(rho))] if rho else [1 / sigma1]
    if rho:
        width = s / abs(rho)
        scales += [width] if scales and s else []
        for kink in kinks:
            for step in (0, 1, 2.5, 4.5, 7, 10, 13.5) if width < 1 else (0,):
                cuts.update(kink / (sigma2 * rho) + sign * step * width for sign in (1, -1))
    x = min([*scales, mpf(1)]) / 3
    while x < 1 and scales:
        cuts.update((x, -x))
        x *= 3
    return [x for x in cuts if -REACH <= x <= REACH]


def pieces_dual(pieces, rho, q1, q2, order):
    sigma1, sigma2, s = deviations(rho, q1, q2)
    constant = normal_mean(pieces, mpf(0), sigma2) if not rho else None
    total = mpf(0)
    for cuts in pairwise(sorted(set(cuts_of_pieces(pieces, rho, sigma1, sigma2, s)))):
        middle = (cuts[0] + cuts[1]) / 2
        terms = terms_at(pieces, sigma1 * middle)
        if not terms:
            continue
        other = None if s else terms_at(pieces, sigma2 * rho * middle)
        for x, weight in panels(cuts, order):
            if constant is not None:
                inner = constant
            elif s:
                inner = normal_mean(pieces, sigma2 * rho * x, sigma2 * s)
            else:
                inner = evaluate(other, sigma2 * rho * x)
            total += weight * density(x) * evaluate(terms, sigma1 * x) * inner
    return total


# ---------------------------------------------------------------------------- from the definition


def nested_dual(f, kinks, rho, q1, q2):
    """E[f(u)f(v)] by nested Gauss-Legendre rules graded toward 0 and the kinks: 10 digits."""
    sigma1, sigma2, s = deviations(rho, q1, q2)

    def rule(sigma, mean):
        cuts = {mpf(z) for z in range(-8, 9, 2)}
        for kink in {*kinks, mpf(0)}:
            place, scale = (kink - mean) / sigma, 1 / sigma
            cuts.add(place)
            while scale < 4:
                cuts.update((place - scale, place + scale))
                scale *= 4
        return panels([z for z in cuts if abs(z) <= 8], 12)

    with mp.workdps(20):
        total = mpf(0)
        for x, weight in rule(sigma1, mpf(0)):
            outer = weight * density(x) * f(sigma1 * x)
            if abs(outer) > mpf(10) ** -18:
                mean, width = sigma2 * rho * x, sigma2 * s
                total += outer * mp.fsum(
                    w * density(y) * f(mean + width * y) for y, w in rule(width, mean)
                )
        return total


# ---------------------------------------------------------------------------- the run


def verified(first, second, label):
    error = abs(first - second) / abs(first) if first else abs(second)
    if not error <= TOLERANCE:
        raise ArithmeticError(f"{label}: {first} and {second}")
    return first, error


def method_of(case, derivative):
    """A function of the point: its value and by how much two computations differ, relatively."""
    if case.closed:
        return lambda *point: (case.closed(*point, derivative), mpf(0))
    if case.pieces:
        pieces = differentiate(case.pieces) if derivative else case.pieces

        def by_pieces(rho, q1, q2):
            coarse, fine = (18, 21) if abs(rho) < 1 else (25, 29)
            value = pieces_dual(pieces, rho, q2, q1, fine)
            if case.name in LONG and float(rho) not in RHOS[::2]:
                return value, mpf(0)
            label = case.name, derivative, rho, q1, q2
            return verified(value, pieces_dual(pieces, rho, q1, q2, coarse), label)

        return by_pieces
    smooth = SMOOTH[case.name, derivative]
    splits = Split(smooth, "0.75", 1, 18), Split(smooth, "0.95", "0.9", 21)

    def by_splits(*point):
        if case.name in LONG and float(point[0]) not in RHOS[::2]:
            return splits[0].dual(*point), mpf(0)
        return verified(*(split.dual(*point) for split in splits), (case.name, derivative, *point))

    return by_splits


def check_formula(case):
    """The formulas of erf and gelu against the method for smooth functions."""
    for derivative in (False, True):
        if case.closed and (case.name, derivative) in SMOOTH:
            split = Split(SMOOTH[case.name, derivative], "0.55", 1, 30)
            for point in FORMULA_POINTS:
                point = tuple(map(mpf, point))
                exact = case.closed(*point, derivative)
                verified(exact, split.dual(*point), (case.name, derivative, *point))


def check_smooth(case, derivative):
    """The rational form of f is f."""
    f = case.df if derivative else case.f
    for z in (mpf(x) for x in (-70, -7.3, -0.9, 1e-9, 0.4, 5.1, 70)):
        assert abs(SMOOTH[case.name, derivative].f(z, mp.exp(z)) - f(z)) < mpf(10) ** -50 * (
            1 + z * z
        )


def case_values(case, derivative):
    f = case.df if derivative else case.f
    kinks = kinks_of(case.pieces) if case.pieces else []
    method = method_of(case, derivative)
    odd = all(f(-z) == -f(z) for z in (mpf("0.3"), mpf(2), mpf(9)))
    if not case.closed and not case.pieces:
        check_smooth(case, derivative)
    records, worst, nested = [], mpf(0), mpf(0)
    for rho, q1, q2 in POINTS:
        point = mpf(rho), mpf(q1), mpf(q2)
        zero = (odd and rho == 0) or (case.name in ("relu", "relu6", "step") and rho == -1)
        value, error = (mpf(0), mpf(0)) if zero else method(*point)
        worst = max(worst, error)
        if (rho, q1, q2) == NESTED_POINT and not case.closed:
            nested = abs(value - nested_dual(f, kinks, *point)) / abs(value)
            if nested > NESTED_TOLERANCE:
                raise ArithmeticError(f"{case.name} {derivative}: {value}, nested {nested}")
        record = {"activation": case.name, "parameters": case.parameters, "derivative": derivative}
        text = mp.nstr(value, 20, strip_zeros=bool(value == 0))
        records.append(record | {"rho": rho, "q1": q1, "q2": q2, "value": text})
    return records, worst, nested


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="activations to compute, printed, not written")
    only = parser.parse_args().only
    mp.dps = DIGITS
    lines, known = [], {}
    for case in all_cases():
        given = [*case.parameters] and case.parameters.get("coefficients") != [0.0, 1.0, 1.0]
        if given or (only and case.name not in only):
            continue
        check_definitions(case)
        check_formula(case)
        for derivative in (False, True):
            start = time.process_time()
            key = str(case.pieces or case.name), derivative  # celu is elu at its default
            if key not in known:
                known[key] = case_values(case, derivative)
            records, worst, nested = known[key]
            records = [record | {"activation": case.name} for record in records]
            lines += [json.dumps(record) for record in records]
            print(
                f"{case.name:12s} {'derivative' if derivative else '':11s} settings"
                f" {mp.nstr(worst, 2):9s} nested {mp.nstr(nested, 2):9s}"
                f" {time.process_time() - start:6.1f} s of CPU",
                file=sys.stderr,
                flush=True,
            )
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    if only:
        print(text, end="")
    else:
        OUTPUT.write_text(text, encoding="utf-8")
        print(f"{len(lines)} records in {OUTPUT}", file=sys.stderr)


if __name__ == "__main__":
    main()
