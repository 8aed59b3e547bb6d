"""Faults in exact mode: what series leave out, kinks, drawn features, the proof of the ends."""

from __future__ import annotations

from functools import partial

from bench.faults.fault import faults_in

__all__ = ["FAULTS"]

_in = partial(faults_in, room="exact")


FAULTS = [
    *_in(
        "kinked/expansions",
        "test_expansions.py -m 'not slow'",
        ("[polynomial(t) + rest for t in shifts]", "[polynomial(t) for t in shifts]"),
        ("        if not reach < 0.5:  # balls as wide as that\n            return None\n", ""),
    ),
    *_in(
        "kinked/moments",
        "test_expansions.py -k 'conditional and True'",
        ("corner + at_h * h.derivative() + at_k", "corner + at_k"),
        ("(growth - start).exp() * (constant", "(constant"),
        ("(constant + slope.integral())", "constant"),
    ),
    *_in(
        "branches",
        "test_branches.py",
        ("return self._at_kinks[first]", "return value"),
        (".union(self._at_kinks[k])", ""),
        (".union(functions[k + 1](z))", ""),
        ("        if z.is_exact():\n", "        if z.is_zero():\n"),
        ("if abs(float(side.mid()) - value) <= _ROUNDINGS * abs(value):", "if True:"),
    ),
    *_in(
        "features",
        "test_features.py -k 'differences and (tanh or normalisation)'",
        ("arb(network.weight_variance) * factor / ", "arb(network.weight_variance) / "),
        ("values * weights.transpose() * step", "values * weights.transpose()"),
        ("[bias.sqrt() * b for b in biases]", "[bias * b for b in biases]"),
        ("backward * forward.weights[layer] * forward.step", "backward * forward.weights[layer]"),
        ("forward.products[layer - 1]", "forward.products[layer]"),
        ("arb(row[i]).rsqrt()", "arb(row[i])"),
    ),
    *_in(
        "enclosures",
        "test_solve.py -k 'bounded_below or known_spectrum or triangular'",
        ("(bound + margin) * _identity", "bound * _identity"),
        ("return all(total <= margin for total in sums)", "return True"),
        ("            if j > i:\n                sums[j] += size\n", ""),
        ("size = (row[j] - product[j]).abs_upper()", "size = (row[j] - product[j]).mid()"),
        ("zeros + [x + y for x, y in", "zeros + [x for x, _ in"),
    ),
]
