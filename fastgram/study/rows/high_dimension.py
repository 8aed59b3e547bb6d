"""As many rows as dimensions: λ_min and the density tend to those of the linearised kernel."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import trapezoid

from fastgram.datasets.points import sphere
from fastgram.density.spectral_density import spectral_density
from fastgram.network.network import Network
from fastgram.plotting.studies import draw_brackets, draw_theory, dress
from fastgram.study.fits import judged
from fastgram.study.measuring import bracketed_row
from fastgram.study.part import Case, Part, Row, Size, Verdict
from fastgram.study.rows.shared import as_seen, ends, judged_furthest, positive
from fastgram.study.settings import Settings
from fastgram.study.theory.on_sphere import law_of_rows, limit_distribution, limit_law
from fastgram.support.literals import Kind

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_DIMENSIONS = {
    "quick": (125, 250),
    "default": (250, 500, 1000, 2000),
    "full": (250, 500, 1000, 2000, 4000),
}
_RATIOS = (0.5, 1.0, 2.0)
_MOST_ROWS = {"quick": 250, "default": 2000, "full": 8000}
_DRAWN = {0.5: "o", 1.0: "s", 2.0: "^"}
_NETWORKS: tuple[tuple[str, Kind], ...] = (
    ("relu", "gradient"),
    ("elu", "gradient"),
    ("tanh", "gradient"),
    ("swish", "gradient"),
    ("relu", "ntk"),
)
_DENSITY_ROWS = 500  # up to which the density is computed
_PROBES = 64
_EDGE = 5.0  # in units of n^(−2/3), relative: the width of the fluctuations of an edge
_LIMIT, _LIMIT_FROM = 0.1, 1000


class _HighDimension(Part):
    name = "high_dimension"
    title = "As many rows as dimensions: the linearised kernel"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020): λ_min is large for smooth activations too where"
        " the rows span many dimensions. How large is a theorem of random matrices: for n/d fixed,"
        " the kernel matrix of random rows is that of the linearised kernel (El Karoui, Annals of"
        " Statistics 2010)."
    )
    derivation = (
        "Cosines of random rows are of order d^(−½), and in κ(ρ) = Σ b_kρ^k only b₀ and b₁ρ are"
        " seen off the diagonal: K ≈ b₀·11' + b₁XX' + (κ(1) − b₀ − b₁)·1, and XX' has the"
        " Marchenko–Pastur law with the lower edge (1 − √(n/d))² for n < d, 0 beyond: λ_min → κ(1)"
        " − b₀ − b₁ + b₁(1 − √(n/d))²₊. (b₀ = 0 for kind gradient; ntk has a b₀, which must be"
        " taken off.) That limit is slow. Before it, each degree k of harmonics adds a"
        " Marchenko–Pastur law of ratio n/N(d, k) and mean m_k = N(d, k)μ_k, freely (Lu and Yau"
        " 2022): the lower edge of the sum is the largest K(g) = 1/g + Σ m_k/(1 − m_k(n/N(d, k))g)"
        " over g < 0. Where b₂ ≠ 0 its distance from the limit is of order d^(−1), d^(−2/3) and"
        " d^(−½) for n/d = ½, 1 and 2: a shift of a soft edge, of a hard one, and of an atom that"
        " widens. An edge fluctuates by n^(−2/3). The density is compared with the limit by the"
        " area between the two distribution functions; a free sum with a law of standard deviation"
        " s moves that by s at most, s² = Σ m_k²n/N(d, k) over k ≥ 2; allowed are s, 2|m₁ − b₁|"
        " for the first degree, and 5b₁/n for the draw."
    )
    parameters = ("ratio",)
    values = ("edge", "limit", "area_lower", "area_upper", "area_allowed")
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        return [
            _case(round(ratio * d), d, ratio, activation, kind)
            for d in _DIMENSIONS[size]
            for ratio in _RATIOS
            for activation, kind in _NETWORKS
            if ratio * d <= (_MOST_ROWS[size] if d < 2000 or size == "full" else 1000)
        ]

    def compute(self, case: Case, settings: Settings) -> Row:
        X, network = sphere(case.n, case.d, case.seed or 0), Network(case.activation)
        limit = limit_law(network, case.kind, float(case.parameters["ratio"]))
        values = {
            "edge": law_of_rows(network, case.kind, case.n, case.d).edge(),
            "limit": limit.edge(),
        }
        row = bracketed_row(case, X, network, settings)
        if case.n <= _DENSITY_ROWS and case.kind == "gradient":
            values |= _areas(case, X, network, settings)
        return dataclasses.replace(row, values=values)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        found = []
        known = positive(rows)
        for activation, kind in _NETWORKS:
            group = [r for r in known if (r.case.activation, r.case.kind) == (activation, kind)]
            if not group:
                continue
            name = activation if kind == "gradient" else f"{activation}, {kind}"
            found.append(_at_edge(name, group))
            for ratio in _RATIOS:
                own = [row for row in group if row.case.parameters["ratio"] == ratio]
                found += _at_limit(name, ratio, own)
            found += _density(name, group)
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        edges, areas = axes
        dress(edges, "n/d = ½ (dots), 1 (squares), 2 (triangles)", "d", y_scale="linear")
        dress(areas, "density against its limit", "n", "area between distribution functions")
        for activation, kind in _NETWORKS:
            if kind != "gradient":
                continue
            group = [r for r in rows if (r.case.activation, r.case.kind) == (activation, kind)]
            for ratio, marker in _DRAWN.items():
                own = sorted(
                    (row for row in group if row.case.parameters["ratio"] == ratio),
                    key=lambda row: row.case.d,
                )
                _draw_ratio(edges, own, marker, first=ratio == 0.5)
            _draw_areas(areas, [row for row in group if "area_upper" in row.values])

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        return as_seen(
            "λ_min of random rows is where the free sum of the degrees puts it, to the width of"
            " its fluctuations, from the smallest dimension on, and tends to the linearised"
            " kernel's value: soon for half as many rows as dimensions, slowly for twice as many."
            " Smooth activations are no worse than kinked ones there: tanh's value is of elu's"
            " size. So the claim holds in its strongest form, with a constant. (b₀ must be taken"
            " off, which is 0 for kind gradient and not for ntk.)",
            verdicts,
        )


def _case(n: int, d: int, ratio: float, activation: str, kind: Kind) -> Case:
    words = f"sphere:n={n},d={d},seed=0"
    return Case(words, 0, n, d, activation, kind, 1, {"ratio": ratio})


def _areas(case: Case, X: np.ndarray, network: Network, settings: Settings) -> dict[str, float]:
    """Return bounds of the area between distribution function and limit, and what is allowed.

    The bounds hold with the density's confidence.
    """
    limit = limit_law(network, case.kind, float(case.parameters["ratio"]))
    law = law_of_rows(network, case.kind, case.n, case.d)
    density = spectral_density(
        settings.operator(X, network, case.kind), probes=min(_PROBES, case.n)
    )
    b = float(limit.masses[0])
    highest = limit.shift + b * (1.0 + math.sqrt(float(limit.ratios[0]))) ** 2
    x = np.linspace(0.0, 1.5 * highest, 4001)
    lower, _, upper = density.cdf(x)
    expected = limit_distribution(limit, x)
    apart = np.maximum(np.abs(lower - expected), np.abs(upper - expected))
    surely = np.maximum(np.maximum(lower - expected, expected - upper), 0.0)
    spread = math.sqrt(float(np.sum(law.masses[1:] ** 2 * law.ratios[1:])))
    allowed = spread + 2.0 * abs(float(law.masses[0]) - b) + 5.0 * b / case.n
    return {
        "area_lower": float(trapezoid(surely, x)),
        "area_upper": float(trapezoid(apart, x)),
        "area_allowed": allowed,
    }


def _at_edge(name: str, rows: Sequence[Row]) -> Verdict:
    lower, upper = ends(rows)
    edge = np.array([row.values["edge"] for row in rows])
    scale = np.array([row.case.n ** (2.0 / 3.0) for row in rows])
    off = (lower / edge - 1.0) * scale, (upper / edge - 1.0) * scale
    text = "(λ_min/edge of the free sum − 1)·n^(2/3) at all n and d: the furthest from 0"
    return judged_furthest(f"edge, {name}", *off, 0.0, _EDGE, text)


def _at_limit(name: str, ratio: float, rows: Sequence[Row]) -> list[Verdict]:
    last = max(rows, key=lambda row: row.case.d, default=None)
    if last is None or last.case.d < _LIMIT_FROM:
        return []
    limit = last.values["limit"]
    text = f"λ_min at d = {last.case.d}, within a tenth of the linearised kernel's"
    bracket = last.lower, last.upper
    return [judged(f"limit, {name}, n/d = {ratio:g}", bracket, limit, _LIMIT * limit, text)]


def _density(name: str, rows: Sequence[Row]) -> list[Verdict]:
    rows = [row for row in rows if not math.isnan(row.values.get("area_upper", math.nan))]
    if not rows:
        return []
    shares = [
        (
            row.values["area_lower"] / row.values["area_allowed"],
            row.values["area_upper"] / row.values["area_allowed"],
        )
        for row in rows
    ]
    worst = max(share[0] for share in shares), max(share[1] for share in shares)
    text = (
        "the area between the distribution function and its limit's, over what is allowed: the most"
    )
    return [judged(f"density, {name}", worst, 0.0, 1.0, text)]


def _draw_ratio(axes: Axes, rows: Sequence[Row], marker: str, first: bool) -> None:
    if not rows:
        return
    d, known = [row.case.d for row in rows], [row.resolved for row in rows]
    name = rows[0].case.activation
    label = name if first else "_"  # matplotlib leaves those with an underscore out
    draw_brackets(axes, d, *ends(rows), known, name, label=label, marker=marker, joined=False)
    theory = [row.values["edge"] for row in rows]
    draw_theory(axes, d, theory, f"{name}: edge of the free sum" if first else "_", name)


def _draw_areas(axes: Axes, rows: Sequence[Row]) -> None:
    rows = sorted(
        (row for row in rows if row.case.parameters["ratio"] == 1.0), key=lambda row: row.case.n
    )
    if not rows:
        return
    n, name = [row.case.n for row in rows], rows[0].case.activation
    lower = [row.values["area_lower"] for row in rows]
    upper = [row.values["area_upper"] for row in rows]
    draw_brackets(axes, n, np.maximum(lower, 1e-9), upper, [True] * len(n), name, joined=False)
    allowed = [row.values["area_allowed"] for row in rows]
    draw_theory(axes, n, allowed, f"{name}: allowed, n = d", name)


PART = _HighDimension()
