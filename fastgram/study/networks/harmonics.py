"""Harmonics: the eigenvalues of the kernel on a sphere by degree, and those of sampled rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgram.datasets.points import sphere
from fastgram.network.network import Network
from fastgram.plotting.studies import draw_brackets, draw_theory, dress
from fastgram.study.fits import fit_power, judged, judged_slope
from fastgram.study.measuring import bracketed_row
from fastgram.study.networks.harmonics_theory import (
    Singularity,
    leading_eigenvalues,
    multiplicities,
    singularity_of,
)
from fastgram.study.part import Case, Part, Row, Size, Verdict, Word
from fastgram.study.settings import Settings
from fastgram.support.arrays import Array
from fastgram.support.literals import Kind

if TYPE_CHECKING:
    from fastgram.plotting.figure import Axes

__all__ = ["PART"]

# Degrees that a row tells, of the 129 first ones.
_DEGREES = (*range(10), 12, 13, 16, 17, 24, 25, 32, 33, 48, 49, 64, 65, 96, 97, 127, 128)
_COUNT = 129
_FITTED = 32  # the least degree that a power is fitted to
_DIGITS = 1e-9  # that the eigenvalues are right to, relative
# Fixed beforehand: what follows the leading singularity is smaller by 1/k², times d² and depth².
_EXPONENT, _CONSTANT = 0.05, 0.01
# Of e^(−ck^s), relative: a next term k^(−s), s = 2/3, at degree 16. It took the place of a
# threshold that nothing derived.
_GROWTH = 16.0 ** (-2.0 / 3.0)
_STRETCH = {"tanh": 2.0 / 3.0, "swish": 2.0 / 3.0, "erf": 1.0, "gelu": 1.0}
_DEVIATIONS = 5.0  # standard ones that a mean over pairs may be off
_ROWS: dict[Size, int] = {"quick": 200, "default": 400, "full": 10_000}

_Network = tuple[str, Kind, int, float]  # activation, kind, depth, bias variance
_QUICK: tuple[_Network, ...] = (("relu", "ntk", 1, 0.0), ("relu", "nngp", 1, 0.0))
_QUICK_IN_FIVE: tuple[_Network, ...] = (("relu", "ntk", 1, 0.1), ("tanh", "gradient", 1, 0.0))
_DEFAULT: tuple[_Network, ...] = (
    *_QUICK,
    *_QUICK_IN_FIVE,
    ("relu", "gradient", 1, 0.0),
    ("relu", "ntk", 2, 0.0),
    ("relu", "ntk", 3, 0.0),
    ("relu", "nngp", 3, 0.0),
    ("selu", "gradient", 1, 0.0),
    ("elu", "gradient", 1, 0.0),
    ("swish", "gradient", 1, 0.0),
)
_FULL: tuple[_Network, ...] = (
    *_DEFAULT,
    ("relu", "ntk", 5, 0.0),
    ("relu", "nngp", 5, 0.0),
    ("gelu", "gradient", 1, 0.0),
    ("erf", "gradient", 1, 0.0),
)
_NETWORKS = {"quick": _QUICK, "default": _DEFAULT, "full": _FULL}


class _Harmonics(Part):
    name = "harmonics"
    title = "Eigenvalues on the sphere fall like a power of the degree, whatever the depth"
    claim = (
        "On the sphere S^{d−1} the eigenvalues of a wide relu network's tangent kernel fall"
        " with the degree like k^{−d}, those of its outputs' covariance like k^{−d−2};"
        " without biases those of odd degrees ≥ 3 are 0 at depth 1 (Bach, JMLR 2017; Bietti"
        " and Mairal, NeurIPS 2019), and depth does not change the power (Bietti and Bach,"
        " ICLR 2021). Under smooth activations they fall faster than any power, which is why"
        " their λ_min is so small in few dimensions (Panigrahi, Shetty and Goyal, ICLR 2020)."
    )
    derivation = (
        "By Funk and Hecke μₖ = E κ(t)Pₖ(t), t a coordinate of a random point. Integrating"
        " Rodrigues' formula by parts gives, of (1 − t)^ν,"
        " 2^ν·Γ(d−1)Γ(ν+(d−1)/2)/(Γ((d−1)/2)Γ(−ν))·Γ(k−ν)/Γ(k+ν+d−1), and (−1)ᵏ times that of"
        " (1 + t)^ν: with κ ≈ c·(1 − t)^ν and c'·(1 + t)^ν at the ends, beside what is"
        " smooth, μₖ is c + (−1)ᵏc' times it. In x = k + (d−2)/2 the quotient of gammas is"
        " x^{−(d−1+2ν)} but for 1 + O(1/x²). Normalised relu has the duals 1 − θ/π and cos θ"
        " + (sin θ − θ cos θ)/π: of φ', ν = 1/2 with c = −√2/π, and c' = +√2/π; of φ, ν = 3/2"
        " with c = c' = 2√2/(3π). The tangent kernel multiplies the former by t: c = c' ="
        " −√2/π, the power is −(d−1+1) = −d, and odd degrees cancel; of the covariance it is"
        " −(d−1+3) = −d−2. With a bias no two rows are opposite, c' = 0, and all degrees"
        " survive. At depth L each layer adds its singularity at 1, L times c for the"
        " covariance and (1 + 2 + … + L) times for the tangent kernel; the one at −1 goes"
        " through the slopes of the layers above, which are below 1, so that odd degrees"
        " survive and the power stays. selu's φ' jumps by J, so that its gradient kernel is"
        " relu's times J² in the lead; elu's φ'' jumps: ν = 3/2, with c' = −c, and the odd"
        " degrees lead.\n"
        "tanh and swish have poles, so that their squared Hermite coefficients fall like"
        " e^{−c√n}; the part of tⁿ in degree k is about e^{−k²/(2n)}, and the greatest"
        " product is at n ~ k^{4/3}: μₖ ~ e^{−c'k^{2/3}}. The duals of erf and gelu are"
        " singular at some t₀ > 1 next: μₖ ~ e^{−k·arcosh t₀}. Of e^{−ck^s} the power between"
        " k and 2k is −c(2^s − 1)k^s/ln 2, and the differences of such powers, which a factor"
        " k^{−a} leaves alone, grow by 2^s an octave.\n"
        "Of n rows sampled from the sphere the mean of K(x, y)Pₖ(⟨x, y⟩) over pairs is μₖ"
        " but for a standard deviation of at most √2κ(1)/n, since its mean given x does not"
        " depend on x. And for any n rows, if the harmonics below degree k are M < n in"
        " number, some unit vectors, at least n − M orthogonal ones, are orthogonal to all of"
        " them, and what is left of the kernel has the trace n·Rₖ, Rₖ = Σ_{j≥k} N(d, j)μⱼ:"
        " λ_min ≤ n·Rₖ/(n − M)."
    )
    parameters = ("bias_variance",)
    values = (*(f"mu_{k}" for k in _DEGREES), "mean_0", "mean_1", "diagonal", "bound")
    panels = 2

    def cases(self, size: Size, seeds: int) -> list[Case]:
        networks = [(network, d) for network in _NETWORKS[size] for d in (3, 5, 10)]
        if size == "quick":
            networks += [(network, 5) for network in _QUICK_IN_FIVE]
        return [_case(_ROWS[size], d, network) for network, d in networks]

    def compute(self, case: Case, settings: Settings) -> Row:
        network = _network(case)
        eigenvalues = network.sphere_eigenvalues(case.d, _COUNT, kind=case.kind)
        X = sphere(case.n, case.d, int(case.seed or 0))
        operator = settings.operator(X, network, case.kind)
        # Sums over all pairs, less those of a row with itself, which are κ(1) each.
        block = np.concatenate([np.ones((case.n, 1)), X], axis=1)
        products = np.asarray(operator.matmat(block))
        sums = np.sum(block * products, axis=0)
        diagonal = float(network.kernel(1.0, kind=case.kind))
        pairs = case.n * (case.n - 1)
        values = {f"mu_{k}": float(eigenvalues[k]) for k in _DEGREES}
        values["mean_0"] = float(sums[0] - case.n * diagonal) / pairs
        values["mean_1"] = float(np.sum(sums[1:]) - case.n * diagonal) / pairs
        values["diagonal"] = diagonal
        values["bound"] = _trace_bound(eigenvalues, diagonal, case, network.activation.smooth)
        return bracketed_row(case, X, network, settings, values)

    def verdicts(self, rows: Sequence[Row]) -> list[Verdict]:
        of_each: dict[str, list[Verdict]] = {}  # of all dimensions, under one name
        for row in rows:
            singularity = singularity_of(_network(row.case), row.case.kind)
            some = _powers(row, singularity) if singularity else [_faster_than_powers(row)]
            for verdict in some:
                of_each.setdefault(verdict.name, []).append(verdict)
        dimensions = sorted({row.case.d for row in rows})
        return [_merged(some, dimensions) for some in of_each.values()] + _of_matrices(rows)

    def draw(self, rows: Sequence[Row], axes: Sequence[Axes]) -> None:
        left, right = axes
        dress(left, "relu, 5 dimensions", "degree", "eigenvalue")
        for row in [r for r in rows if r.case.d == 5 and r.case.activation == "relu"]:
            if row.case.kind != "gradient":
                _draw_eigenvalues(left, row, row.case.kind)
        dress(right, "kind gradient, 5 dimensions", "degree", "eigenvalue")
        for row in [r for r in rows if r.case.d == 5 and r.case.kind == "gradient"]:
            _draw_eigenvalues(right, row, row.case.activation)

    def seen(self, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
        kept = sum(verdict.word == "holds" for verdict in verdicts)
        smooth = [row for row in rows if _network(row.case).activation.smooth]
        told = "; ".join(
            f"{r.case.activation} in {r.case.d} dimensions {_local_exponent(r, 16, 32):.0f}"
            for r in smooth
        )
        bent = f" Smooth activations bend down; their powers at degree 16 to 32: {told}."
        return (
            "Eigenvalues lie on the dashed lines, which have no fitted number, from degrees of ten"
            " or so on. Odd degrees of relu are 0 at depth 1 without biases, and with them, or at"
            " more depth, on the same power as even ones: depth moves constants, not the power."
            f"{bent if told else ''} {kept} of {len(verdicts)} verdicts hold."
        )


def _case(n: int, d: int, network: _Network) -> Case:
    activation, kind, depth, bias = network
    data = f"sphere:n={n},d={d},seed=0"
    return Case(data, 0, n, d, activation, kind, depth, {"bias_variance": bias})


def _network(case: Case) -> Network:
    bias = float(case.parameters["bias_variance"])
    return Network(case.activation, depth=case.depth, bias_variance=bias, normalize=True)


def _trace_bound(eigenvalues: Array, diagonal: float, case: Case, smooth: bool) -> float:
    """Return the least n·Rₖ/(n − M) over the degrees k whose M is below n."""
    numbers = multiplicities(case.d, _COUNT)
    shares = numbers * eigenvalues
    beyond = 0.0 if smooth else max(diagonal - float(np.sum(shares)), 0.0)
    rest = np.cumsum(shares[::-1])[::-1] * (1.0 + _DIGITS) + beyond
    below = np.concatenate([[0.0], np.cumsum(numbers)[:-1]])
    fit = below < case.n
    return float(np.min(case.n * rest[fit] / (case.n - below[fit])))


def _of(row: Row, odd: bool) -> tuple[Array, Array]:
    """Return degrees of one parity and their eigenvalues."""
    degrees = np.array([k for k in _DEGREES if k % 2 == odd])
    return degrees, np.array([row.values[f"mu_{k}"] for k in degrees])


def _name(row: Row) -> str:
    case, bias = row.case, float(row.case.parameters["bias_variance"])
    parts = [case.activation, case.kind]
    parts += [f"depth {case.depth}"] if case.depth > 1 else []
    parts += ["with biases"] if bias > 0.0 else []
    return ", ".join(parts)


def _merged(verdicts: Sequence[Verdict], dimensions: Sequence[int]) -> Verdict:
    """Return one verdict of those in several dimensions: it holds if they all do."""
    if len(verdicts) == 1:
        return verdicts[0]
    words = {verdict.word for verdict in verdicts}
    worst: tuple[Word, ...] = ("does not hold", "cannot be said", "holds")
    word = next(one for one in worst if one in words)
    failing = [verdict for verdict in verdicts if verdict.word == word]
    told, expected = (
        ", ".join(one if isinstance(one, str) else f"{one:.5g}" for one in some)
        for some in ([v.measured for v in verdicts], [v.expected for v in verdicts])
    )
    of_all = len(verdicts) == len(dimensions)
    where = ", ".join(map(str, dimensions)) if of_all else f"{len(verdicts)} of them"
    text = f"d = {where}: {failing[0].text}"
    return Verdict(verdicts[0].name, expected, told, verdicts[0].tolerance, word, text)


def _powers(row: Row, singularity: Singularity) -> list[Verdict]:
    """Whether either parity falls with the power derived, and its constant is as derived."""
    d, found = row.case.d, []
    for odd in (False, True):
        name = f"{'odd' if odd else 'even'} degrees, {_name(row)}"
        degrees, eigenvalues = _of(row, odd)
        high = degrees >= _FITTED
        if not singularity.survives(odd):
            if row.case.activation == "relu":
                found.append(_zeros(name, degrees, eigenvalues))
            continue
        x, mu = degrees[high] + (d - 2) / 2.0, eigenvalues[high]
        ends = mu * (1.0 - _DIGITS), mu * (1.0 + _DIGITS)
        expected = singularity.exponent(d)
        if not np.all(mu > 0.0):
            text, none = "eigenvalues of high degrees are 0", "0"
            word: Word = "does not hold"
            found.append(Verdict(f"power, {name}", expected, none, _EXPONENT, word, text))
            continue
        text = f"degrees {degrees[high][0]} to {degrees[high][-1]}, as powers of k + (d − 2)/2"
        found.append(judged_slope(f"power, {name}", fit_power(x, *ends), expected, _EXPONENT, text))
        ratio = float(mu[-1] / leading_eigenvalues(singularity, d, degrees[-1:])[0])
        text = f"the eigenvalue of degree {degrees[-1]} over what the singularities give"
        ratios = ratio * (1.0 - _DIGITS), ratio * (1.0 + _DIGITS)
        found.append(judged(f"constant, {name}", ratios, 1.0, _CONSTANT, text, ratio))
    return found


def _zeros(name: str, degrees: Array, eigenvalues: Array) -> Verdict:
    """Whether degrees from 3 on are exactly 0."""
    worst = float(np.max(np.abs(eigenvalues[degrees >= 3])))
    word: Word = "holds" if worst == 0.0 else "does not hold"
    text = f"the greatest of {int(np.sum(degrees >= 3))} eigenvalues of degrees from 3 on"
    return Verdict(f"zeros, {name}", 0.0, worst, "exactly", word, text)


def _local_exponent(row: Row, low: int, high: int) -> float:
    """Return the power between two degrees, of whichever parity is there."""
    odd = row.values[f"mu_{low + 1}"] > row.values[f"mu_{low}"]
    first, last = (k + 1 if odd else k for k in (low, high))
    with np.errstate(divide="ignore", invalid="ignore"):
        fall = np.log(row.values[f"mu_{last}"] / row.values[f"mu_{first}"])
    return float(fall / math.log(last / first))


def _faster_than_powers(row: Row) -> Verdict:
    """Whether the local power grows from octave to octave as e^(−ck) or e^(−ck^⅔) has it."""
    powers = [_local_exponent(row, low, 2 * low) for low in (4, 8, 16)]
    growth = (powers[2] - powers[1]) / (powers[1] - powers[0])
    expected = 2.0 ** _STRETCH[row.case.activation]
    told = ", ".join(f"{power:.1f}" for power in powers)
    text = f"powers from degree 4 to 8, 8 to 16 and 16 to 32: {told}; how their differences grow"
    name = f"faster than powers, {_name(row)}"
    return judged(name, (growth, growth), expected, _GROWTH * expected, text)


def _of_matrices(rows: Sequence[Row]) -> list[Verdict]:
    """Whether means over pairs of sampled rows are μ₀ and μ₁, and λ_min is below its bound."""
    found = []
    for degree in (0, 1):
        off = [
            (row.values[f"mean_{degree}"] - row.values[f"mu_{degree}"])
            / (math.sqrt(2.0) * row.values["diagonal"] / row.case.n)
            for row in rows
        ]
        if off:
            text = f"the worst of {len(off)} matrices, in standard deviations at most"
            worst = max(off, key=abs)
            name = f"sampled rows, degree {degree}"
            found.append(judged(name, (worst, worst), 0.0, _DEVIATIONS, text))
    if rows:
        above = [row for row in rows if row.lower > row.values["bound"]]
        largest = max(rows, key=lambda row: row.lower / row.values["bound"])
        text = (
            "λ_min over n·Rₖ/(n − M), the largest of all matrices"
            f" ({_name(largest)}, d = {largest.case.d}): it must not pass 1"
        )
        word: Word = "does not hold" if above else "holds"
        ratio = largest.lower / largest.values["bound"]
        name = "λ_min below the trace of what is left"
        found.append(Verdict(name, "at most 1", ratio, "none", word, text))
    return found


def _draw_eigenvalues(axes: Axes, row: Row, label: str) -> None:
    if row.case.depth > 1:
        label += f", depth {row.case.depth}"
    if float(row.case.parameters["bias_variance"]) > 0.0:
        label += ", biases"
    singularity = singularity_of(_network(row.case), row.case.kind)
    for odd, marker in ((False, "o"), (True, "^")):
        degrees, eigenvalues = _of(row, odd)
        seen = (degrees > 0) & (eigenvalues > 1e-20)
        at, mu = degrees[seen], eigenvalues[seen]
        if mu.size:
            draw_brackets(
                axes,
                at,
                mu * (1.0 - _DIGITS),
                mu * (1.0 + _DIGITS),
                np.ones(at.size, bool),
                row.case.activation,
                label=f"{label}, {'odd' if odd else 'even'}",
                marker=marker,
                joined=False,
            )
        if singularity is not None and singularity.survives(odd):
            high = degrees[degrees >= 4]
            theory = leading_eigenvalues(singularity, row.case.d, high)
            draw_theory(axes, high, theory, "", row.case.activation)


PART = _Harmonics()
