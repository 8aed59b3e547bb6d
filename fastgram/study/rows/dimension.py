"""Rows in few dimensions: a power of n under relu, exponentially little where smooth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgram.datasets.points import subspace
from fastgram.matrix.gram import gram
from fastgram.network.network import Network
from fastgram.plotting.studies import draw_brackets, draw_theory, dress
from fastgram.study.fits import fit_power, judged, judged_each, judged_slope
from fastgram.study.measuring import bracketed_row
from fastgram.study.part import Case, Part, Row, Size, Verdict, by_activation
from fastgram.study.rows.shared import as_seen, ends, judged_furthest, positive, resolved_row
from fastgram.study.settings import Settings
from fastgram.study.theory.on_circle import DERIVATIVES, coefficient
from fastgram.study.theory.on_sphere import harmonics, law_of_rows
from fastgram.support.arrays import Array

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_D = 50
_DIMENSIONS = (2, 3, 5, 10, 20, 50)
_SIZES = {
    "quick": (20, 40, 80),
    "default": (30, 60, 120, 240, 480, 1000, 2000),
    "full": (30, 60, 120, 240, 480, 1000, 2000, 4000),
}
# up to this n all activations, and relu in all seeds; beyond it relu alone, once
_MANY = {"quick": 80, "default": 1000, "full": 2000}
_EXACT = {2: 120, 3: 240}  # rows up to which ball arithmetic takes seconds, by dimension
_FEW = (2, 3, 5)  # dimensions in which relu's power is judged, by many draws
_SMOOTH = ("tanh", "swish")
_ACTIVATIONS = ("relu", "elu", *_SMOOTH, "polynomial")
_DRAWN = {2: "o", 3: "s", 5: "^", 20: "D"}
_DEGREES = 60  # of harmonics, in more than two dimensions
_PAIR = 0.25  # of λ_min over the nearest pair's bound
_EDGE = 0.1
_TELLING = 0.5  # of a slope: where chance may move it by more, that it fits says nothing


class _Dimension(Part):
    name = "dimension"
    title = "Rows in few of 50 dimensions"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020): where the rows span d' dimensions, few against"
        " log n, smooth activations have an exponentially small λ_min (a polynomial even 0), and"
        " kinked ones keep a power of 1/n; where they span many, λ_min is large under both."
    )
    derivation = (
        "relu: the nearest two of n random rows on the sphere of d' dimensions are at a distance δ"
        " with P(δ > s) = exp(−½n²p(s)), p(s) ~ s^(d'−1): δ falls like n^(−2/(d'−1)), and ln δ"
        " scatters by π/(√6(d'−1)). The vector of any two rows alone has the Rayleigh quotient"
        " κ(1) − |κ(ρ)|, for relu δ/2π of the nearest two: a bound of λ_min, which is close while"
        " δ is far below the other distances, of order n^(−1/(d'−1)): in 2 and 3 dimensions; for"
        " d' = 10 the power −2/9 is that of the bound, reached where n is exponential in d'."
        " What this leaves out was seen when the verdict on the bound in two dimensions did not"
        " hold: rows x and y ≈ −x. Under (1, −1) the even part of the kernel has ‖x + y‖/2π, and"
        " the odd part, ρ/4, of rank d', is cancelled by −4⟨x, x_k⟩/n on all rows x_k, which costs"
        " 1/n times a typical eigenvalue: of the order n⁻² itself in two dimensions, so that λ_min"
        " keeps the power of the bound there and not its constant."
        " Smooth: let D(p) < n be the number of harmonics of degrees up to p that are in the"
        " kernel (odd ones for tanh; even ones and 1 for swish). Then D(p) conditions leave n −"
        " D(p) directions that only see higher degrees, and λ_min ≤ n/(n − D(p))·Σ N(d', k)μ_k"
        " over k > p, the least over p. D(p) grows like p^(d'−1), and μ_k falls like"
        " exp(−(3/2)(2yk)^(2/3)) (the analytic part): −ln λ_min grows at least like"
        " n^(2/(3(d'−1))), faster than the claim's exponent 1/(2d') would give. A polynomial of"
        " degree p, z + z² here, has no harmonics beyond p: exactly 0 from n = d'(d'+1)/2 + d' + 1"
        " on. In many dimensions λ_min is the edge of a free sum of Marchenko–Pastur laws, one a"
        " degree (the part on high dimensions)."
    )
    parameters = ("dim",)
    values = ("bound", "edge")
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        found = []
        for dim in _DIMENSIONS:
            for place, n in enumerate(_SIZES[size]):
                few = n > _MANY[size]
                for activation in _ACTIVATIONS[:1] if few else _ACTIVATIONS:
                    many = activation == "relu" and dim in _FEW and not few
                    draws = range(seeds if many else 1)
                    # rows of the same seed are the same in part: one seed a size
                    found += [_case(n, dim, activation, 10 * seed + place) for seed in draws]
        return found

    def compute(self, case: Case, settings: Settings) -> Row:
        dim = int(case.parameters["dim"])
        X = subspace(case.n, case.d, dim, case.seed or 0)
        exact = case.activation in _SMOOTH and case.n <= _EXACT.get(dim, 0)
        if exact:
            row = resolved_row(case, X, settings)
        else:
            row = bracketed_row(case, X, case.activation, settings)
        values = {"bound": _bound(case, X, dim), "edge": _edge(case, dim)}
        return dataclasses.replace(row, values=values)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        found = [_below_bound(rows)] if rows else []
        groups = by_activation(rows)
        relu = positive(groups.get("relu", []))
        for dim in _FEW:
            found += _power_of(dim, [row for row in relu if _dim(row) == dim])
        for dim in (2, 3):
            found += _pair(dim, [row for row in relu if _dim(row) == dim])
        for activation in _SMOOTH:
            for dim in (2, 3):
                group = [row for row in groups.get(activation, []) if _dim(row) == dim]
                found += _exponential(activation, dim, positive(group))
        found += [_zeros(groups["polynomial"])] if "polynomial" in groups else []
        for activation in ("relu", "elu", *_SMOOTH):
            many = [row for row in groups.get(activation, []) if _dim(row) == 50]
            found += _at_edge(activation, positive(many))
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        kinked, smooth = axes
        dress(kinked, "relu: rows in d' dimensions", "n")
        dress(smooth, "tanh: rows in d' dimensions", "n")
        for panel, activation in ((kinked, "relu"), (smooth, "tanh")):
            group = by_activation(rows).get(activation, [])
            for dim, marker in _DRAWN.items():
                _draw_dimension(panel, [row for row in group if _dim(row) == dim], dim, marker)

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        tiny = [row for row in positive(rows) if row.case.activation in _SMOOTH]
        least = min(tiny, key=lambda row: row.upper, default=None)
        text = (
            "relu falls with its nearest pair in 2, 3 and 5 dimensions, by the power that was"
            " derived; tanh and swish lose their λ_min with every further row in 2 and 3"
            " dimensions, as the harmonics that are left say, and in 20 and 50 they are where free"
            " probability puts them, of the size of relu's. The polynomial is exactly 0 as soon as"
            " n exceeds its rank."
        )
        if least is not None:
            case = least.case
            text += (
                f" The smallest that was proven is {least.upper:.2g}, of {case.activation} and"
                f" {case.n} rows in {_dim(least)} dimensions."
            )
        return as_seen(text, verdicts)


def _case(n: int, dim: int, activation: str, seed: int) -> Case:
    words = f"subspace:n={n},d={_D},dim={dim},seed={seed}"
    return Case(words, seed, n, _D, activation, "gradient", 1, {"dim": dim})


def _dim(row: Row) -> int:
    return int(row.case.parameters["dim"])


# --- what is expected -----------------------------------------------------------------------------


def _bound(case: Case, X: Array, dim: int) -> float:
    """Return the lesser of the upper bounds of λ_min: by two rows, by harmonics."""
    entries = np.abs(np.asarray(gram(X, network=case.activation)))
    own = float(entries[0, 0])
    np.fill_diagonal(entries, 0.0)
    # the vector of two rows, with the sign of their entry
    pair = own - float(entries.max())
    bounds = [own, pair + 1e-14 * own]
    if case.activation in _SMOOTH:
        bounds.append(by_harmonics(case.activation, case.n, dim))
    return min(bounds)


def by_harmonics(activation: str, n: int, dim: int) -> float:
    """Return the bound of λ_min by the degrees that n rows cannot all resolve."""
    network = Network(activation)
    own = float(network.kernel(1.0))
    if dim == 2:
        taken, left = _left_on_circle(activation, n)
    else:
        counts = np.array([float(harmonics(dim, k)) for k in range(_DEGREES)])
        masses = counts * network.sphere_eigenvalues(dim, _DEGREES)
        taken = np.cumsum(counts * (masses > 0.0))
        rest = max(own - float(masses.sum()), 0.0) if dim > 3 else 0.0
        left = np.cumsum(masses[::-1])[::-1] - masses + rest
    fits = taken < n
    return float(min([own, *n / (n - taken[fits]) * left[fits]]))


def _left_on_circle(activation: str, n: int) -> tuple[Array, Array]:
    """Return how many harmonics there are up to some degrees about n, and what the others have."""
    derivative = DERIVATIVES[activation]
    odd = derivative.parity == 1
    first = max(n - 6, 8)
    degrees: Array = np.arange(first + (first % 2 != odd), n + 40, 2.0)
    masses = np.array(
        [
            coefficient(derivative, int(k) - 1) + coefficient(derivative, int(k) + 1)
            for k in degrees.tolist()
        ]
    )
    # odd: 1, 3, …, k, two each; even: 0 once, 1, 2, 4, …, k
    taken: Array = degrees + (1.0 if odd else 3.0)
    return taken, np.cumsum(masses[::-1])[::-1] - masses


def _edge(case: Case, dim: int) -> float:
    """Return the edge of the law in many dimensions, NaN where it is no law of these rows."""
    if dim < 20 or case.activation == "polynomial":
        return math.nan
    return law_of_rows(Network(case.activation), case.kind, case.n, dim).edge()


# --- verdicts -------------------------------------------------------------------------------------


def _below_bound(rows: Sequence[Row]) -> Verdict:
    above = [row for row in rows if row.lower > row.values["bound"] * (1.0 + 1e-9)]
    return Verdict(
        "bounds",
        "no λ_min above its bound",
        f"{len(above)} of {len(rows)} above",
        "1e-9 of the bound",
        "does not hold" if above else "holds",
        "Lower ends against the bound by the nearest pair, and by harmonics for tanh and swish.",
    )


def _power_of(dim: int, rows: Sequence[Row]) -> list[Verdict]:
    n = np.array([row.case.n for row in rows], float)
    if np.unique(n).size < 3:
        return []
    fit = fit_power(n, *ends(rows))
    # three standard errors of a slope through points that scatter by π/(√6(d' − 1)) each
    spread = math.pi / math.sqrt(6.0) / (dim - 1)
    tolerance = 3.0 * spread / math.sqrt(float(np.sum((np.log(n) - np.log(n).mean()) ** 2)))
    text = "of λ_min by n, all draws; tolerance: three standard errors of the nearest pair's law"
    name, expected = f"slope, relu, d' = {dim}", -2.0 / (dim - 1)
    found = judged_slope(name, fit, expected, tolerance, text)
    if found.word == "holds" and tolerance > _TELLING * abs(expected):
        text += f"; that is more than {_TELLING:g} of what is expected: more draws are needed"
        found = dataclasses.replace(found, word="cannot be said", text=text)
    return [found]


def _pair(dim: int, rows: Sequence[Row]) -> list[Verdict]:
    largest = max((row.case.n for row in rows), default=0)
    last = [row for row in rows if row.case.n == largest]
    if largest < 1000:
        return []
    lower, upper = ends(last)
    bound = np.array([row.values["bound"] for row in last])
    ratio = float(np.mean(lower / bound)), float(np.mean(upper / bound))
    text = f"λ_min over the bound by the nearest pair at n = {largest}, the mean of the draws"
    return [judged(f"nearest pair, relu, d' = {dim}", ratio, 1.0, _PAIR, text)]


def _exponential(activation: str, dim: int, rows: Sequence[Row]) -> list[Verdict]:
    """Judge −ln λ_min: it grows by n as fast as that of the bound by harmonics, or faster."""
    rows = sorted(rows, key=lambda row: row.case.n)
    if len(rows) < 3:
        return []
    first, last = rows[0], rows[-1]
    grown = math.log(first.lower / last.upper)
    expected = math.log(first.values["bound"] / last.values["bound"])
    holds = grown >= expected
    return [
        Verdict(
            f"exponential, {activation}, d' = {dim}",
            f"λ_min shrinks by exp({expected:.1f}) or more",
            f"exp({grown:.1f})",
            "none",
            "holds" if holds else "does not hold",
            f"From n = {first.case.n} to {last.case.n}, against the bound by harmonics.",
        )
    ]


def _zeros(rows: Sequence[Row]) -> Verdict:
    wrong = [
        f"n = {row.case.n}, d' = {_dim(row)}"
        for row in rows
        if (row.guarantee == "exact") != (row.case.n > _dim(row) * (_dim(row) + 3) // 2)
    ]
    expected = "exact 0 if n > d'(d' + 3)/2, and only then"
    text = "Whether λ_min is an exact zero, at all n and d'."
    return judged_each("zeros, z + z²", expected, len(rows), wrong, text, "as expected")


def _at_edge(activation: str, rows: Sequence[Row]) -> list[Verdict]:
    rows = [row for row in rows if row.case.n >= 100]
    if not rows:
        return []
    edge = np.array([row.values["edge"] for row in rows])
    lower, upper = ends(rows)
    ratio = lower / edge, upper / edge
    text = "λ_min over the edge of the free sum, n from 100 on: the furthest from 1"
    return [judged_furthest(f"edge, {activation}, d' = 50", *ratio, 1.0, _EDGE, text)]


# --- figure ---------------------------------------------------------------------------------------


def _draw_dimension(axes: Axes, rows: Sequence[Row], dim: int, marker: str) -> None:
    if not rows:
        return
    rows = sorted(rows, key=lambda row: row.case.n)
    n, known = [row.case.n for row in rows], [row.resolved for row in rows]
    name, label = rows[0].case.activation, f"d' = {dim}"
    draw_brackets(axes, n, *ends(rows), known, name, label=label, marker=marker, joined=False)
    first = [row for row in rows if (row.case.seed or 0) < 10]
    key = "edge" if dim >= 20 else "bound"
    theory = [row.values[key] for row in first]
    what = "edge of the free sum" if dim >= 20 else "bound"
    draw_theory(axes, [row.case.n for row in first], theory, f"d' = {dim}: {what}", name)


PART = _Dimension()
