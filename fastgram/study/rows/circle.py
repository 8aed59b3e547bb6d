"""The circle under kinked activations: λ_min falls like a power of n, with known constants."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastgram.datasets.points import circle
from fastgram.plotting.studies import draw_theory, dress
from fastgram.study.fits import fit_power, judged, judged_each, judged_slope
from fastgram.study.measuring import bracketed_row
from fastgram.study.part import Case, Part, Row, Size, Verdict, by_activation
from fastgram.study.rows.shared import as_seen, draw_rows, ends, judged_furthest, positive
from fastgram.study.settings import Settings

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_SIZES = {
    "quick": (11, 101, 301, 501),
    "default": (11, 31, 101, 301, 1001, 5001, 20_001),
    "full": (11, 31, 101, 301, 1001, 5001, 20_001, 100_001),
}
_BITS = 128  # of entries, for an elu of 5e-14 at n = 20001
_MOST_ROWS = 1001  # of brackets in float64
_FROM = 300  # laws are fitted from here on
_SLOPE = 0.05
_CONSTANT = 0.05
_EXACT = 1e-12  # of relu, whose λ_min has a closed form


class _Law(NamedTuple):
    """λ_min ~ constant·n^slope·(1 + first·n^power)."""

    slope: int
    constant: float
    first: float
    power: float
    words: str

    def at(self, n: float) -> float:
        """Return λ_min of n points, by the law."""
        return float(self.constant * n**self.slope * (1.0 + self.first * n**self.power))


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
# squares of the jumps of selu's first and second derivative at 0
_JUMP = (_SELU_SCALE * (1.0 - _SELU_ALPHA)) ** 2
_BEND = (_SELU_SCALE * _SELU_ALPHA) ** 2

LAWS = {
    "relu": _Law(-1, 0.25, 0.0, 0.0, "1/(4n)"),
    "selu": _Law(
        -1,
        _JUMP / 4.0,
        3.0 * math.pi**2 / 8.0 * (64.0 * _BEND / (_JUMP * math.pi**4)) ** (1 / 3),
        -2 / 3,
        "0.125/n·(1 + 5.9 n^(−2/3))",
    ),
    "elu": _Law(
        -3,
        math.pi**2 / 24.0,
        4.0 * math.sqrt(math.pi) * 576.0**0.25 / 3.0,
        -0.5,
        "(π²/24)/n³·(1 + 11.6 n^(−1/2))",
    ),
}


class _Circle(Part):
    name = "circle"
    title = "The circle under kinked activations: a power of n"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020): where the first or second derivative of the"
        " activation jumps, λ_min is no less than a power of the separation of the rows, whatever"
        " their dimension. On n equally spaced points of a circle, the separation is about π/n, the"
        " power and its constant can be derived."
    )
    derivation = (
        "The matrix is a circulant, its eigenvalues n·ΣC(k), k ≡ j modulo n, with C(k) the Fourier"
        " coefficients of cos θ·E φ'(u)φ'(v). A jump J of φ' at 0 puts −J²|θ|/2π into the dual at"
        " θ = 0 and its like at π; together they give C(k) = J²/(π²k²) for even k, and nothing for"
        " odd k. A jump K of φ'' gives K²|θ|³/6π, hence 2K²/(π²k⁴) for odd k, and one M of φ'''"
        " gives 8M²/(π²k⁶) for even k. relu has J alone, and sums over a class are elementary:"
        " with n odd the class of n − 1 has C(−1) = 1/8 in it, the next one is the least, and"
        " λ_min = (sec²(π/n) + sec²(2π/n))/8n exactly, which tends to 1/(4n). For selu the class"
        " of n − m, m odd, has J²(1 + π²m²/4n²)/4n from even k and 2nK²/(π²m⁴) from the odd member"
        " m: least at m⁶ = 64K²n⁴/(J²π⁴), hence λ_min = (J²/4n)(1 + 5.90n^(−2/3) + …), J² = 0.500."
        " elu (J = 0, K = M = −1): π²(1 + π²m²/n²)/24n³ and 8n/(π²m⁶), least at m⁸ = 576n⁶/π⁶:"
        " λ_min = (π²/24n³)(1 + 11.58n^(−1/2) + …). So slow are these corrections that they are"
        " taken off before slopes are fitted, from n = 300 on. λ_min itself is proven: the Fourier"
        " transform of one row in ball arithmetic, of points that are equally spaced exactly."
        " Brackets in float64, of the rounded points and by ways that know of no circulant, have"
        " to meet it."
    )
    values = ("float64_lower", "float64_upper")
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        return [
            Case(f"circle:n={n}", None, n, 2, activation, "gradient", 1)
            for n in _SIZES[size]
            for activation in LAWS
        ]

    def compute(self, case: Case, settings: Settings) -> Row:
        from fastgram.exact.circle import proven_on_circle

        start = time.perf_counter()
        proven = proven_on_circle(case.n, case.activation, case.kind, _BITS)
        seconds, resolved = time.perf_counter() - start, proven.lower > 0.0
        values = dict.fromkeys(self.values, math.nan)
        if case.n <= _MOST_ROWS:
            row = bracketed_row(case, circle(case.n), case.activation, settings)
            values = {"float64_lower": row.lower, "float64_upper": row.upper}
        return Row(case, proven.lower, proven.upper, proven.guarantee, resolved, seconds, values)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        tried = [row for row in rows if not math.isnan(row.values["float64_upper"])]
        found = [_brackets(tried)] if tried else []
        for activation, group in by_activation(positive(rows)).items():
            law = LAWS[activation]
            if activation == "relu":
                found.append(_relu(group))
            group = [row for row in group if row.case.n >= _FROM]
            n = np.array([row.case.n for row in group], float)
            if np.unique(n).size < 2:
                continue
            lower, upper = ends(group)
            slower = 1.0 + law.first * n**law.power
            fit = fit_power(n, lower / slower, upper / slower)
            text = f"of λ_min without its first correction, n from {n.min():g} to {n.max():g}"
            found.append(judged_slope(f"slope, {activation}", fit, law.slope, _SLOPE, text))
            found.append(_constant(activation, max(group, key=lambda row: row.case.n)))
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        plain, scaled = axes
        dress(plain, "λ_min on the circle", "n")
        draw_rows(plain, rows, lambda row: row.case.n)
        dress(scaled, "over the limit law", "n", "λ_min / (constant·n^slope)", y_scale="linear")
        for activation, group in by_activation(rows).items():
            law = LAWS[activation]
            n = np.geomspace(min(r.case.n for r in group), max(r.case.n for r in group), 60)
            law_values = np.array([law.at(one) for one in n])
            draw_theory(plain, n, law_values, f"{activation}: {law.words}", activation)
            late = n[n >= 100.0]
            ratios = law_values[n >= 100.0] / (law.constant * late**law.slope)
            draw_theory(scaled, late, ratios, f"{activation}, first correction", activation)
        _draw_ratios(scaled, [row for row in positive(rows) if row.case.n >= 100])

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        return as_seen(
            "relu is 1/(4n) from the start, selu half of it in the end, and elu, whose derivative"
            " does not jump, falls like n⁻³: two powers more for one more derivative. What no"
            " experiment at n = 50 can show is how slowly the limits are reached, selu by n^(−2/3)"
            " and elu by n^(−1/2), as derived. In float64 elu's bracket is wide from some thousand"
            " points on; by the transform of one row it is proven at any number of them.",
            verdicts,
        )


def _brackets(tried: Sequence[Row]) -> Verdict:
    """Judge whether every bracket of float64 meets the proven value."""
    apart = [
        f"{row.case.activation} at n = {row.case.n}"
        for row in tried
        if row.values["float64_lower"] > row.upper or row.values["float64_upper"] < row.lower
    ]
    text = (
        "Brackets of the matrix in float64 against λ_min by the Fourier transform of a row, in"
        " balls."
    )
    expected = "all of float64 meet the proven value"
    return judged_each("brackets", expected, len(tried), apart, text, "do")


def _relu(group: Sequence[Row]) -> Verdict:
    lower, upper = ends(group)
    n = np.array([row.case.n for row in group], float)
    exact = (np.cos(np.pi / n) ** -2 + np.cos(2.0 * np.pi / n) ** -2) / (8.0 * n)
    ratios = lower / exact, upper / exact
    text = "brackets over (sec²(π/n) + sec²(2π/n))/8n at every n: the furthest from 1"
    return judged_furthest("value, relu", *ratios, 1.0, _EXACT, text)


def _constant(activation: str, row: Row) -> Verdict:
    law, n = LAWS[activation], row.case.n
    ratio = law.at(n) / law.constant
    text = f"λ_min·n^{-law.slope} at n = {n}, its first correction taken off"
    tolerance = _CONSTANT * law.constant
    bracket = row.lower / ratio, row.upper / ratio
    return judged(f"constant, {activation}", bracket, law.constant, tolerance, text)


def _draw_ratios(axes: Axes, rows: Sequence[Row]) -> None:
    from fastgram.plotting.studies import draw_brackets

    for activation, group in by_activation(rows).items():
        law, group = LAWS[activation], sorted(group, key=lambda row: row.case.n)
        n = np.array([row.case.n for row in group], float)
        lower, upper = ends(group) / (law.constant * n**law.slope)
        draw_brackets(axes, n, lower, upper, [True] * len(group), activation, joined=False)


PART = _Circle()
