"""Tables of rows of norms from 1e-3 to 1e4: their entries, and how they fall from both ends."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.cases import KINDS
from helpers.oracles.closed_forms import FORMS
from helpers.oracles.make_dual_values import all_cases, differentiate
from helpers.oracles.make_wide_dual_values import pieces_dual
from helpers.table_values import end, fallen
from helpers.tolerances import DROP, EPS, STATED, TABLE
from mpmath import mp, mpf

import fastgram as fg
from fastgram import Network, get_activation
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.network.duals import careful_sum
from fastgram.network.integrals.chords import order_of
from fastgram.network.integrals.double_integral import terms_of
from fastgram.network.integrals.levels import common_level

NORMS = (1e-3, 10.0, 100.0, 1e4)
# Half chords: close pairs, the layer of width 1/norm where entries bend, and the middle.
S = np.array([1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 0.5, 0.65, np.sqrt(0.5)])
ANGLES = np.minimum(2.0 * np.arcsin(S), np.pi / 2.0)
PIECES = {case.name: case.pieces for case in all_cases() if case.name in ("relu6", "hard_tanh")}


def some(name):
    """Which angles: with kinks away from 0 every other, of half a second each in mpmath."""
    return slice(None, None, 2 if name in PIECES else 1)


NAMES = [name for name in fg.activation_names() if name != "silu"]
CASES = [
    pytest.param(
        name,
        kind,
        norm,
        id=f"{name}-{kind}-{norm:g}",
        marks=[pytest.mark.slow] * ((name, kind, norm) != ("erf", "gradient", 100.0)),
    )
    for place, name in enumerate(NAMES)
    for kind in KINDS
    for norm in [NORMS[(place + (kind == "gradient")) % 4]]  # another for the next activation
    if (name, kind) != ("step", "gradient")
    # a quarter of a minute each, in mpmath
    if not (name in PIECES and kind == "nngp" and (name, norm) != ("relu6", 100.0))
]


def closed(name, kind):
    """E[f(u)f(v)] (or of f') in mpmath, as a function of the correlation and the variance."""
    derivative = kind == "gradient"
    if name in FORMS:
        return lambda rho, q: FORMS[name](rho, q, q, derivative)
    # kinks away from 0: no double integral tells close pairs apart there
    pieces = differentiate(PIECES[name]) if derivative else PIECES[name]
    return lambda rho, q: pieces_dual(pieces, rho, q, q, 24)


def by_formula(name, kind, norm):
    """Entries over the norms at both ends, and what they fall by at each angle from these."""
    dual, q = closed(name, kind), mpf(norm) ** 2

    def entry(rho):
        return dual(rho, q) * (rho if kind == "gradient" else 1)

    ends = [entry(mpf(sign)) for sign in (1, -1)]
    falls = []
    for theta in ANGLES[some(name)].tolist():
        rho = mp.cos(mpf(theta))
        falls.append([ends[0] - entry(rho), ends[1] - entry(-rho)])
    return ends, falls


def by_integrals(name, kind, norm):
    """The same by a double integral for each angle, as `fastgram.dual` has it."""
    activation, derivative = get_activation(name), kind == "gradient"
    deviation = np.array([norm])
    level = common_level(activation, derivative, deviation**2)

    def sums(theta):
        parts = list(terms_of(activation, derivative, np.array([theta]), deviation, level))
        both = [[terms.chords for (terms,) in parts], [terms.values for (terms,) in parts]]
        return [[careful_sum([part[k] for part in of]) for k in (0, 1)] for of in both]

    ends, falls = sums(0.0)[1], []
    for theta in ANGLES.tolist():
        chords, values = sums(theta)
        if derivative:  # of ρ·κ(ρ), ρ = ±cos θ
            missing = 2.0 * np.sin(theta / 2.0) ** 2
            pairs = zip((1.0, -1.0), chords, values, strict=True)
            chords = [sign * (chord + missing * value) for sign, chord, value in pairs]
        falls.append([mpf(chord) for chord in chords])
    signs = (1.0, -1.0) if derivative else (1.0, 1.0)
    return [mpf(sign * value) for sign, value in zip(signs, ends, strict=True)], falls


@pytest.mark.parametrize(("name", "kind", "norm"), CASES)
def test_a_table_of_any_norm(name, kind, norm):
    """Entries to the stated error; what they fall by to an error that vanishes with the chord.

    Entries bend at half chords of 1/norm: below that the error of what they fall by goes with s,
    and is a few roundings of the largest entry elsewhere. Where f' (or f) jumps, it keeps its
    relative digits however close the pair, fewer by those of the norm.
    """
    table = table_of_norm(Network(name), kind, norm, "float64")
    assert table.error <= STATED * table.scale
    allowed_error = min(table.error, TABLE * table.scale)
    ends, falls = (by_formula if name in FORMS or name in PIECES else by_integrals)(
        name, kind, norm
    )
    activation = get_activation(name)
    jumps = order_of(activation, kind == "gradient") == 1
    jumps &= any(abs(kink) < 5.0 * norm for kink in activation.kinks)  # or none is met
    for far in (False, True):
        assert abs(mpf(float(end(table, far))) - ends[far]) <= allowed_error
        found = fallen(table, ANGLES[some(name)], far)
        for s, fall, exact in zip(S[some(name)], found, falls, strict=True):
            value = float(end(table, far)) - mpf(float(fall))
            assert abs(value - (ends[far] - exact[far])) <= allowed_error, (far, s)
            error = abs(mpf(float(fall)) - exact[far])
            allowed = EPS * table.scale * min(32.0, 1e4 * s * max(norm, 1.0))
            assert error <= allowed, (far, s)
            if jumps and s <= 1e-3:
                assert error <= DROP * max(norm, 1.0) * abs(exact[far]), (far, s)
