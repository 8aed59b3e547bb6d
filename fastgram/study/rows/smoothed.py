"""Rows in three of 50 dimensions, perturbed: how little noise gives λ_min back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgram.datasets.points import smoothed, subspace
from fastgram.plotting.studies import draw_theory, dress
from fastgram.study.fits import fit_power, judged_slope
from fastgram.study.part import Case, Part, Row, Size, Verdict, by_activation
from fastgram.study.rows.shared import as_seen, draw_rows, ends, positive, resolved_row
from fastgram.study.settings import Settings

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

_D, _DIM = 50, 3
_N = {"quick": 120, "default": 200, "full": 200}
_SIGMAS = {
    "quick": (0.0, 1e-3, 1e-2, 1e-1, 1.0),
    "default": (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0),
    "full": (0.0, *(10.0 ** (k / 4.0) for k in range(-24, 1))),
}
_KINKED = ("relu", "selu", "elu")
_SMOOTH = ("tanh", "swish", "gelu")
_FROM, _TO = 0.9e-3, 1.1e-1  # σ that powers are fitted over
_POWER = 0.3


class _Smoothed(Part):
    name = "smoothed"
    title = "Rows in 3 of 50 dimensions, perturbed by σ"
    claim = (
        "Panigrahi, Shetty and Goyal (ICLR 2020): data in few dimensions that are perturbed by"
        " noise in many, σ in norm, have a λ_min of at least a power of σ under smooth activations"
        " too (smoothed analysis); kinked ones did not need it."
    )
    derivation = (
        "Rows x + σg/‖…‖, g noise of norm about 1 in 50 dimensions. In powers of σ the matrix is K₀"
        " of the unperturbed rows, which a smooth activation leaves with eigenvalues that vanish"
        " exponentially: up to r of them, say, above σ²; and σ²(gg')∘κ'(xx'), the Hadamard product"
        " of the noise's Gram matrix, of rank 47 besides x, and a kernel of which again few"
        " eigenvalues count: 47 times a few, as many as the n − r left or more, make the sum"
        " regular. λ_min is then σ² times an eigenvalue that depends on σ only through r, so that"
        " it falls like σ², or a little more slowly, as r grows with σ → 0 and fewer are left for"
        " the noise: the power over σ = 1e-3 … 1e-1 is 2, within 0.3. That would be 4 if n were"
        " above some 47 times the few. Under relu no entry need be smooth: λ_min is at most δ/2π of"
        " the nearest pair, which noise moves apart to √2σ where that is more than the distance"
        " before: no change below the separation, the power 1 above it. elu has δ² in place of δ,"
        " and so the power 2 above the separation. Expected of relu and selu: λ_min at the least σ"
        " is that of the unperturbed rows to within a factor of two, and of smooth ones that it is"
        " at least 100 times as large at σ = 1e-3 as unperturbed."
    )
    parameters = ("sigma",)

    def cases(self, size: Size, seeds: int) -> list[Case]:
        return [
            _case(_N[size], activation, sigma, seed)
            for seed in range({"quick": 1, "default": min(seeds, 2), "full": seeds}[size])
            for sigma in _SIGMAS[size]
            for activation in _KINKED + _SMOOTH
        ]

    def compute(self, case: Case, settings: Settings) -> Row:
        sigma, seed = float(case.parameters["sigma"]), case.seed or 0
        X = subspace(case.n, case.d, _DIM, seed)
        return resolved_row(case, smoothed(X, sigma, seed) if sigma else X, settings)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        found = []
        for activation, group in by_activation(positive(rows)).items():
            within = [row for row in group if _FROM <= _sigma(row) <= _TO]
            if len({_sigma(row) for row in within}) >= 2 and activation in _SMOOTH:
                fit = fit_power([_sigma(row) for row in within], *ends(within))
                text = "of λ_min by σ, from 1e-3 to 1e-1, all draws"
                found.append(judged_slope(f"power, {activation}", fit, 2.0, _POWER, text))
            found += _against_none(activation, group)
        return found

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        positive_sigmas = [_sigma(row) for row in rows if _sigma(row)]
        if not positive_sigmas:
            return
        title = f"{rows[0].case.n} rows in {_DIM} of {_D} dimensions, perturbed"
        dress(axes[0], title, "σ (leftmost: 0)")
        least = min(positive_sigmas)
        draw_rows(axes[0], rows, lambda row: _sigma(row) or least / 4.0, joined=False)
        sigmas = np.geomspace(max(least, 1e-3), 1e-1, 20)
        for activation, group in by_activation(positive(rows)).items():
            at = [row for row in group if abs(_sigma(row) - 1e-2) < 1e-6]
            if at and activation in _SMOOTH:
                theory = at[0].upper * (sigmas / 1e-2) ** 2
                draw_theory(axes[0], sigmas, theory, f"{activation}: σ²", activation)

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        bare = [row for row in positive(rows) if not _sigma(row)]
        text = (
            "Noise gives λ_min back under the smooth activations as a power of σ, σ² as derived,"
            " and a noise of a thousandth of the rows' norm is worth orders of magnitude. relu and"
            " selu do not notice noise below the separation, and rise with it above, as close"
            " pairs are moved apart."
        )
        if bare:
            least = min(bare, key=lambda row: row.upper)
            text += f" Unperturbed, {least.case.activation} has {least.upper:.2g}."
        return as_seen(text, verdicts)


def _case(n: int, activation: str, sigma: float, seed: int) -> Case:
    words = f"smoothed:n={n},d={_D},dim={_DIM},sigma={sigma:.3g},seed={seed}"
    return Case(words, seed, n, _D, activation, "gradient", 1, {"sigma": sigma})


def _sigma(row: Row) -> float:
    return float(row.case.parameters["sigma"])


def _against_none(activation: str, rows: Sequence[Row]) -> list[Verdict]:
    """Judge λ_min of perturbed rows against that of the same rows unperturbed, the worst draw."""
    kinked = activation in _KINKED
    if activation == "elu":
        return []
    pairs = []
    for bare in (row for row in rows if not _sigma(row)):
        noisy = [row for row in rows if row.case.seed == bare.case.seed and _sigma(row)]
        noisy = [row for row in noisy if kinked or _sigma(row) >= _FROM]
        if noisy:
            pairs.append((min(noisy, key=_sigma), bare))
    if not pairs:
        return []
    ratio = min(noisy.lower / bare.upper for noisy, bare in pairs)
    largest = max(noisy.upper / bare.lower for noisy, bare in pairs)
    if kinked:
        holds, expected = ratio >= 0.5 and largest <= 2.0, "between ½ and 2"
    else:
        holds, expected = ratio >= 100.0, "100 or more"
    sigma = min(_sigma(noisy) for noisy, _ in pairs)
    return [
        Verdict(
            f"against no noise, {activation}",
            expected,
            ratio,
            "none",
            "holds" if holds else "does not hold",
            f"λ_min at σ = {sigma:g} over that of the unperturbed rows, the least of the draws.",
        )
    ]


PART = _Smoothed()
