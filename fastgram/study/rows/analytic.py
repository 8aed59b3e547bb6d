"""The circle under smooth activations: how fast λ_min vanishes, and why."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastgram.plotting.studies import draw_theory, dress
from fastgram.study.fits import fit_line, judged_slope
from fastgram.study.part import Case, Part, Row, Size, Verdict, by_activation
from fastgram.study.rows.shared import as_seen, draw_rows, ends, judged_furthest, positive
from fastgram.study.settings import Settings
from fastgram.study.theory.on_circle import DERIVATIVES, smallest_on_circle

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_SIZES = {
    "quick": (11, 21, 41, 81),
    "default": (11, 21, 41, 61, 81, 101, 151, 201, 251, 301),
    "full": (11, 21, 41, 61, 81, 101, 151, 201, 251, 301, 401, 501),
}
_BITS = 48  # of λ_min
_AGREEMENT = 1e-5  # of the proven value and the integral
_RATE = 0.02


class _Law(NamedTuple):
    """λ_min ~ constant·n^power·exp(−rate·n^exponent)."""

    rate: float
    exponent: float
    power: float
    words: str


LAWS = {
    "erf": _Law(math.acosh(1.5), 1.0, 0.5, "arcosh(3/2)·n"),
    "gelu": _Law(math.acosh(2.0), 1.0, 1.5, "arcosh(2)·n"),
    "tanh": _Law(1.5 * math.pi ** (2 / 3), 2 / 3, 2.0, "(3/2)(πn)^(2/3)"),
    "swish": _Law(1.5 * (2.0 * math.pi) ** (2 / 3), 2 / 3, 2.0, "(3/2)(2πn)^(2/3)"),
}


class _Analytic(Part):
    name = "analytic"
    title = "The circle under smooth activations: an eigenvalue that vanishes exponentially"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020): under a smooth activation, and rows that span few"
        " dimensions, λ_min may be exponentially small. How small was left open; on the circle it"
        " can be derived, and exact arithmetic shows it down to 1e-170."
    )
    derivation = (
        "Equally spaced points make a circulant matrix: λ_min is n times a sum of a few Fourier"
        " coefficients C(k) of cos θ·E φ'(u)φ'(v), cos θ the correlation. n is odd: an odd"
        " activation has C(k) ≠ 0 for odd k only, and λ_min = 2nC(n); gelu and swish, φ' = ½ and"
        " an odd function, for even k and ±1, and λ_min = n(C(n−3) + C(n+3)). C(k) decays by the"
        " singularity of the dual nearest to the segment [−1, 1], in θ by its imaginary part. The"
        " dual of erf' is (4/π)/√(9 − 4ρ²), singular at ρ = ±3/2; that of gelu' has powers of 4 −"
        " ρ², ±2: rates arcosh(3/2) = 0.962 and arcosh(2) = 1.317 by n (with n^½ and n^(3/2)"
        " before them). The poles of tanh' and swish' at ±iy, y = π/2 and π, put the dual's"
        " singularity onto ρ = ±1 itself, where it is smooth but not analytic. With the transform"
        " h(ω) of φ', about ω·exp(−yω), C(k) is the integral of"
        " h(ω)h(ω')exp(−(ω−ω')²/2)·exp(−ωω')I_k(ωω'); at ω = ω' = s the exponent is 2ys + k²/2s²,"
        " least at s³ = k²/2y, where it is (3/2)(2yk)^(2/3): −ln λ_min ~ (3/2)(πn)^(2/3) for tanh"
        " and (3/2)(2πn)^(2/3) for swish, with n² before them. Laplace's method gives the constant"
        " of tanh too: λ_min ~ 8√(2/(3π))·exp(π²/24)·n²·exp(−(3/2)(πn)^(2/3)). The integral itself,"
        " of positive numbers, is the dashed line. Rates are told from the two largest n, the"
        " power of n taken off."
    )
    values = ("theory",)
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        return [
            Case(f"circle:n={n}", None, n, 2, activation, "gradient", 1)
            for n in _SIZES[size]
            for activation in DERIVATIVES
        ]

    def compute(self, case: Case, settings: Settings) -> Row:
        from fastgram.exact.circle import proven_on_circle

        start = time.perf_counter()
        theory = smallest_on_circle(case.activation, case.n)
        bits = _BITS - math.frexp(theory)[1]
        found = proven_on_circle(case.n, case.activation, case.kind, bits)
        seconds, resolved = time.perf_counter() - start, found.lower > 0.0
        ends_of = found.lower, found.upper, found.guarantee
        return Row(case, *ends_of, resolved, seconds, {"theory": theory})

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        found = []
        for activation, group in by_activation(positive(rows)).items():
            group = sorted(group, key=lambda row: row.case.n)
            found.append(_value(activation, group))
            if len(group) >= 2:
                found.append(_rate(activation, group[-2:]))
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        plain, scaled = axes
        dress(plain, "λ_min on the circle", "n", x_scale="linear")
        draw_rows(plain, rows, lambda row: row.case.n, joined=False)
        for activation, group in by_activation(rows).items():
            group = sorted(group, key=lambda row: row.case.n)
            theory = [row.values["theory"] for row in group]
            label = f"{activation}: −ln λ_min ~ {LAWS[activation].words}"
            draw_theory(plain, [row.case.n for row in group], theory, label, activation)
        dress(scaled, "the exponents", "n", "−ln λ_min / n", x_scale="log", y_scale="linear")
        for activation, group in by_activation(positive(rows)).items():
            _draw_exponents(scaled, activation, sorted(group, key=lambda row: row.case.n))

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        known = positive(rows)
        if not known:
            return "No eigenvalue is known yet."
        last = min(known, key=lambda row: row.lower)
        return as_seen(
            "Every eigenvalue is the integral's, and the rates are those of the nearest"
            " singularity: straight lines for erf and gelu, and for tanh and swish ever less"
            f" steep ones, n^(2/3). The least is {last.upper:.3g}, of {last.case.activation} at n"
            f" = {last.case.n}; relu has {1 / (4 * last.case.n):.2g} there. The claim holds, with"
            " a rate for each activation: on one circle the smoothest ones are the worst, not"
            " tanh and swish.",
            verdicts,
        )


def _value(activation: str, group: Sequence[Row]) -> Verdict:
    """Judge all proven brackets against the integral: the furthest one counts."""
    lower, upper = ends(group)
    theory = np.array([row.values["theory"] for row in group])
    ratios = lower / theory, upper / theory
    text = (
        f"λ_min over the integral of positive numbers, at {len(group)} sizes: the furthest from 1"
    )
    return judged_furthest(f"value, {activation}", *ratios, 1.0, _AGREEMENT, text)


def _rate(activation: str, pair: Sequence[Row]) -> Verdict:
    law = LAWS[activation]
    n = np.array([row.case.n for row in pair], float)
    lower, upper = ends(pair)
    grown = law.power * np.log(n)
    fit = fit_line(n**law.exponent, grown - np.log(upper), grown - np.log(lower))
    tolerance = _RATE * law.rate
    text = (
        f"−ln(λ_min/n^{law.power:g}) by n^{law.exponent:.3g}, between n = {n[0]:g} and {n[1]:g},"
        " within two percent of the limit"
    )
    return judged_slope(f"rate, {activation}", fit, law.rate, tolerance, text)


def _draw_exponents(axes: Axes, activation: str, group: Sequence[Row]) -> None:
    """Draw −ln λ_min over n, which tends to a constant where the dual is analytic, and to 0."""
    from fastgram.plotting.studies import draw_line

    n = np.array([row.case.n for row in group], float)
    law = LAWS[activation]
    draw_line(axes, n, -np.log(ends(group)[1]) / n, activation)
    limit = (law.rate * n**law.exponent - law.power * np.log(n)) / n
    draw_theory(axes, n, limit, f"{law.words} − {law.power:g} ln n, over n", activation)


PART = _Analytic()
