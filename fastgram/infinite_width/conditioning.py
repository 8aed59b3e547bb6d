"""How errors of layers add up to the error of an entry: sensitivities, layer by layer.

An entry is computed from two numbers a layer: the variance q of the layer's input, and the chord s
of two rows, half the distance of their unit vectors to the nearer end, |ρ| = 1 − 2s². Each is off
by what the layer's own arithmetic makes of it and by what the errors below it have grown to. Both
are bounded here; g stands for φ or φ', κ(ρ) for E[g(u)g(v)], x for (κ(1) − κ(|ρ|))/κ(1), and primes
for the next layer.

*Variances.* q' = σw²κ(1) + σb² is off by A·(error of q) and its own, relatively, with
A = d log q'/d log q. Nothing makes A small: it is 2 for z + z², and 1.17 for normalised swish,
whose product over 60 layers is 28 000.

*Chords.* κ(ρ) = Σ aₖρᵏ has no negative coefficient, so (1 − |ρ|)|κ'(ρ)| ≤ (1 − |ρ|)κ'(|ρ|) ≤
κ(1) − κ(|ρ|): a relative error d of 1 − |ρ| moves κ by no more than d·xκ(1). And 1 − |ρ'| is at
least x' = σw²κ(1)x/q': relative errors of 1 − |ρ| never grow. An error δ of s is the relative error
d = (δ/s)(2 + δ/s), and s' becomes √(s'² + dx'/2), which is s' + s'δ/s for ρ > 0, however large δ/s
is. Where it is large, what all pairs nearer than some larger chord have in all is less.

*Chords by variances.* An error e of q, the same for both rows, moves ρ' by no more than
S(1 − |ρ'|)e. Errors e₁ and e₂ that differ turn the rows apart: s' moves by no more than
H(e₁ + e₂) besides, since g(u)/√κ moves by 4He in the mean square. Entries move by B(e₁ + e₂)/2 of
κ(1). A, B, S and H are differences of computed values, taken a quarter larger; A, whose factors
multiply, at each layer's own variance and by a thousandth, the others at a variance near it.

*Rows of two norms.* aₖ is then a product and, by Cauchy and Schwarz, x is replaced by √(x₁x₂), the
diagonal entry by the root of two, and 1 − |ρ'| is at least (x₁' + x₂')/2. By induction their chord
is no less than the lesser of those of two rows of either norm at the same first angle; as x is
concave in 1 − |ρ|, s'/s falls as s grows, so that an error of s grows no more than in the worse of
the two. Only the x of the last layer may be that of a larger chord: errors are taken twice.

*A layer's own errors.* Quadrature and summation are measured where a table is made: against a
quadrature a level finer, as a double integral summed exactly but for four roundings, at some angles
off the ends, and at the ends themselves, in one dimension; what is found is doubled. What no
comparison shows is the error of φ and φ' themselves. It is taken for granted that they are computed
to `FUNCTION_ERROR` in the mean square, relative to theirs; the tests hold every built-in activation
to half of it. It moves κ by twice that, and s' by as much. To this come what fitting the layer
left, as measured, doubled, and a few roundings.

All of it is to first order: errors are some 1e-15 and more, their squares nothing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastgram.infinite_width.recursion import (
    Evaluation,
    Recursion,
    Step,
    recursion_of,
)
from fastgram.network.activations import Activation
from fastgram.network.duals import (
    careful_chords,
    chords_at,
)
from fastgram.network.integrals.levels import common_level
from fastgram.network.integrals.line_quadrature import mean_squares, parallel_duals
from fastgram.network.integrals.quadrature import LEVELS
from fastgram.network.network import Network
from fastgram.network.theory.moments import second_moments
from fastgram.support.arrays import Array
from fastgram.support.rounding import largest_error

__all__ = ["FUNCTION_ERROR", "EntryErrors", "errors_between_norms", "errors_of_norm"]

_EPS = float(np.finfo(np.float64).eps)
FUNCTION_ERROR = 2.0 * _EPS
# A few roundings, of a sum, a product and a root.
_FEW = 2.0 * _EPS
# Chords at which entries are followed through the layers.
_TINY_CHORDS = [1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-9, 1e-6, 1e-4, 1e-3]
_CHORDS = np.array([*_TINY_CHORDS, 0.01, 0.04, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.66, np.sqrt(0.5)])
# Chords at which the quadratures of a layer are differentiated and judged.
_MEASURED = np.array([0.02, 0.2, 0.5, np.sqrt(0.5)])
_STEP = 2.0**-8  # of differences, in the logarithm of the variance
_COARSER = 3  # levels, of the quadratures that such differences are taken of,
_COARSEST = -1  # but not below this one: panels have 8 nodes there
_MARGIN = 1.25  # of what such differences give
_DOUBLED = 2.0  # of what was measured
_NOTHING = float(np.finfo(np.float64).tiny)
# The error of norms whose effect is followed: as large as they are, for what is left of two rows
# that are told apart by their norms alone is bounded, and their errors may grow until it is.
_OF_NORMS = 64.0 * _EPS


@dataclass(frozen=True)
class EntryErrors:
    """Bounds of |computed − ideal| of entries at any angle, over the root of two diagonal ones.

    Attributes
    ----------
    base : float
        Where the norms of rows are what they are taken for.
    by_norm : float
        How much a relative error of the norms, of any sign in each row, adds to it, times that.
    """

    base: float
    by_norm: float


def errors_of_norm(network: Network, kind: str, norm: float) -> EntryErrors:
    """Bound the errors of entries between rows of one norm.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    norm : float
        Of augmented rows, above 0.
    """
    return _errors(network, kind, norm, apart=False)


def errors_between_norms(network: Network, kind: str, norms: Array) -> EntryErrors:
    """Bound the errors of entries between rows of norms that some, above 0, stand for."""
    found = [_errors(network, kind, float(norm), apart=True) for norm in norms]
    base = largest_error(*(errors.base for errors in found))
    by_norm = largest_error(*(errors.by_norm for errors in found))
    return EntryErrors(2.0 * base, 2.0 * by_norm)


@functools.lru_cache(maxsize=256)
def _errors(network: Network, kind: str, norm: float, apart: bool) -> EntryErrors:
    recursion = recursion_of(network, kind, (norm,))
    sides = (False,) if recursion.symmetry else (False, True)
    base, by_norms = (
        largest_error(*(_Follower(recursion, far, with_norms, apart).run() for far in sides))
        for with_norms in (False, True)
    )
    return EntryErrors(base, by_norms / _OF_NORMS)


# --- one layer ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Response:
    """One function at a variance and at two near it, for the sensitivities of a layer."""

    at_one: Array  # (3,): κ(1) for each variance
    between: Array  # (3, 3): κ(1) for pairs of them
    near: Array  # (3, angles): κ(1) − κ(ρ) for each variance
    far: Array  # (3, angles): κ(−ρ)
    values_missed: float  # by the quadrature, of κ, relative to κ(1)
    chords_missed: float  # of the next chord, absolute

    @property
    def own_error(self) -> float:
        """The error of κ by the layer's own arithmetic, relative to κ(1)."""
        return 2.0 * FUNCTION_ERROR + _DOUBLED * self.values_missed + _FEW

    def change(self) -> float:
        """Return B: the largest |dκ(±ρ)/d log q|, relative to κ(1)."""
        values = (self.at_one[:, None] - self.near, self.far, self.at_one)
        steepest = largest_error(*(np.max(np.abs(_slope(part))) for part in values))
        return _MARGIN * float(steepest / max(self.at_one[1], _NOTHING))

    def stretch(self, gain: float, bias: float) -> float:
        """Return S: the largest |dρ'/d log q|, relative to 1 − |ρ'|."""
        after = (gain * self.at_one + bias)[:, None]
        near, far = 1.0 - gain * self.near / after, (gain * self.far + bias) / after
        found = [
            np.max(np.abs(_slope(rho)) / np.maximum(1.0 - np.abs(rho[1]), 1e-9))
            for rho in (near, far)
        ]
        return _MARGIN * largest_error(*found)

    def cone(self, gain: float, bias: float) -> float:
        """Return H: by how much s' is off for an error of one row's log q alone."""
        covariances = gain * self.between + bias
        sizes = np.sqrt(np.diagonal(covariances))
        rho = covariances / np.multiply.outer(sizes, sizes)
        apart = np.sqrt(np.maximum(1.0 - np.array([rho[0, 1], rho[1, 2]]), 0.0) / 2.0)
        return _MARGIN * float(np.max(apart)) / float(np.log1p(_STEP))


def _slope(values: Array) -> Array:
    return np.asarray((values[2] - values[0]) / (2.0 * np.log1p(_STEP)))


def _response(activation: Activation, derivative: bool, variance: float, layer: int) -> _Response:
    """Return the response near a variance: the same for all deeper layers' that round to it.

    At the first layer's own variance levels and chords are those that the layer is fitted to.
    """
    if activation.homogeneity is not None:
        return _response_at(activation, derivative, 1.0)
    variance = max(variance, 2.0**-64)  # below it an activation is its tangent
    if layer > 1:
        variance = 2.0 ** (np.rint(4.0 * np.log2(variance)) / 4.0)
    return _response_at(activation, derivative, variance)


@functools.lru_cache(maxsize=1024)
def _response_at(activation: Activation, derivative: bool, variance: float) -> _Response:
    near = variance * (1.0 + _STEP) ** np.array([-1.0, 0.0, 1.0])
    between, across = parallel_duals(activation, derivative, near)
    at_one, at_minus_one = np.diagonal(between), np.diagonal(across)
    level = common_level(activation, derivative, near[1:2])
    angles = 2.0 * np.arcsin(_MEASURED)
    found = chords_at(activation, derivative, angles, near[1:2], level)[..., 0]
    # of these two a difference is taken, which needs few digits
    coarse = max(level - _COARSER, _COARSEST)
    beside = [careful_chords(activation, derivative, angles, q, coarse) for q in near[::2].tolist()]
    falls = np.stack([beside[0], found, beside[1]], axis=1)  # (2, 3, angles)
    size = max(float(at_one[1]), _NOTHING)
    finer = careful_chords(activation, derivative, angles, variance, level + 1)
    values_missed = float(np.max(np.abs(found - finer)))
    both = np.sqrt(np.maximum([found[0], finer[0]], 0.0) / (2.0 * size))
    chords_missed = float(np.max(np.abs(both[0] - both[1])))
    ends = np.array([at_one[1], at_minus_one[1]])
    parallel = parallel_duals(activation, derivative, near[1:2], LEVELS)[:, 0, 0]
    values_missed += float(np.max(np.abs(parallel - ends)))
    square = float(mean_squares(activation, derivative, near[1:2])[0])
    values_missed += abs(square - float(parallel[0]))
    far = at_minus_one[:, None] - falls[1]
    return _Response(at_one, between, falls[0], far, values_missed / size, chords_missed)


# --- through the layers ---------------------------------------------------------------------------


class _Layer(NamedTuple):
    """A layer, and x of its two functions (see `_shares`)."""

    step: Step
    of_f: Array | None
    of_df: Array | None


@functools.lru_cache(maxsize=2)
def _layers(recursion: Recursion, far: bool) -> list[_Layer]:
    """Return the layers on one side of ρ = 0: errors of two kinds are followed through them."""
    steps = recursion.layers(far, 2.0 * np.arcsin(_CHORDS))
    return [_Layer(step, _shares(step, step.f), _shares(step, step.df)) for step in steps]


def _shares(step: Step, found: Evaluation | None) -> Array | None:
    """Return x of a function, (κ(1) − κ(ρ))/κ(1) for each chord."""
    if found is None:
        return None
    if step.layer == 1:
        drops = found.of.at_offsets(False, 2.0 * np.arcsin(_CHORDS)).values
    else:
        drops = found.of.at_angles(2.0 * np.arcsin(half_chords(step.angles))[:, None]).values
    return np.clip(drops[:, 0] / max(float(found.of.at_one[0]), _NOTHING), 0.0, 1.0)


class _Follower:
    """The errors of entries on one side of ρ = 0, from layer to layer; arrays are over chords.

    Parameters
    ----------
    recursion : Recursion
        Of one norm.
    far : bool
        On which side.
    with_norms : bool
        For an error `_OF_NORMS` of each row's norm, and no other; else for all others.
    apart : bool
        Whether the variances of two rows are computed each by itself.
    """

    def __init__(self, recursion: Recursion, far: bool, with_norms: bool, apart: bool) -> None:
        self._recursion, self._network = recursion, recursion.network
        self._far, self._apart = far, with_norms or apart
        self._own = 0.0 if with_norms else 1.0
        # the error of the layer's input
        self._variance = 2.0 * _OF_NORMS if with_norms else _FEW
        self._chord = np.zeros(_CHORDS.size)
        self._factor = 0.0
        if self._network.normalize:
            self._factor = self._own * _response(self._network.activation, False, 1.0, 1).own_error

    def run(self) -> float:
        """Return the largest error of entries over all chords, relative to the diagonal one."""
        network, kind = self._network, self._recursion.kind
        few = self._own * _FEW
        # of Σ and of Θ before a layer; and Θ's diagonal entry
        covariance = np.full(_CHORDS.size, self._variance + few)
        tangent, size = covariance, self._recursion.variances[0]
        value = through = total = covariance
        for step, of_f, of_df in _layers(self._recursion, self._far):
            inputs = self._recursion.variances[step.layer - 1]
            if step.df is not None and of_df is not None:
                through = (tangent if kind == "ntk" else covariance) + few
                through = through + self._of(step, step.df, of_df, inputs)
            carried = size * second_moments(network, True, inputs)
            if step.f is None or of_f is None:
                break
            value = self._of(step, step.f, of_f, inputs)
            if step.layer == network.depth:
                moment = second_moments(network, False, inputs)
                total = _weighted(value, moment, through, carried)
                break
            after = self._recursion.variances[step.layer]
            covariance = value + few
            carried = network.weight_variance * carried
            tangent = _weighted(covariance, after, through, carried) + few
            size = after + carried
            self._next(step, step.f, of_f, inputs, after)
        return float(np.max({"gradient": through, "nngp": value, "ntk": total}[kind]))

    def _of(self, step: Step, found: Evaluation, shares: Array, inputs: Array) -> Array:
        """Return the error of a function's values, relative to κ(1)."""
        s = half_chords(step.angles)
        response = _response(
            self._network.activation, found.derivative, float(inputs[0]), step.layer
        )
        error = self._moved(s, shares) + response.change() * self._variance + self._factor
        fitted = _DOUBLED * found.of.fit_error(s)
        return error + self._own * (response.own_error + fitted)

    def _moved(self, s: Array, shares: Array) -> Array:
        """Return how much the errors of chords move a function, relative to κ(1)."""
        relative = self._chord / s
        # or what all that is nearer to the end than some larger chord that is followed has in all
        beyond = np.where(s[None, :] >= (s + self._chord)[:, None], shares[None, :], 2.0)
        with np.errstate(over="ignore", invalid="ignore"):  # infinite, of a chord that is 0
            moved = relative * (2.0 + relative) * shares
        return np.asarray(np.fmin(moved, np.min(beyond, axis=1)))

    def _next(self, step: Step, f: Evaluation, shares: Array, inputs: Array, after: Array) -> None:
        """Take the errors of the variance and of chords through a layer."""
        network = self._network
        gain, bias = network.weight_variance * network.normalisation(), network.bias_variance
        response = _response(network.activation, False, float(inputs[0]), step.layer)
        s, s_after = half_chords(step.angles), half_chords(step.after)
        kept = float((network.weight_variance * second_moments(network, False, inputs) / after)[0])
        moved = self._moved(s, shares) * kept / 2.0
        chord = moved / (np.sqrt(s_after**2 + moved) + s_after)
        chord += response.stretch(gain, bias) * self._variance * s_after / 2.0
        if self._apart:
            chord += 2.0 * response.cone(gain, bias) * self._variance
        # of the chord's integral, and of the variance that it is divided by
        local = np.full(s.size, FUNCTION_ERROR + _DOUBLED * response.chords_missed)
        local += _DOUBLED * response.values_missed * s_after / 2.0
        # of 1 − |ρ'|: the rounding of two parts that it is the sum or the difference of, …
        drop = np.abs(f.at_angles.values[:, 0]) * gain / float(after[0])
        missed = _FEW * (2.0 * s_after**2 + 2.0 * drop)
        # … the fit, …
        missed = missed + kept * _DOUBLED * f.of.fit_error(s)
        if self._far and not self._recursion.symmetry:  # … and at the far end the quadrature's
            missed = missed + kept * _DOUBLED * response.values_missed
        # of s'² by half of it: s' itself is off by no more than a root, however small it is
        local = local + missed / 2.0 / (np.sqrt(s_after**2 + missed / 2.0) + s_after)
        self._chord = np.minimum(chord + self._own * local, 1.0)
        grown = _elasticity(network, inputs) * self._variance
        self._variance = grown + self._own * (response.own_error + _FEW) + self._factor


def half_chords(angles: Array) -> Array:
    """Return half the distance to the nearer end of unit vectors at these angles (k, 1)."""
    acute = np.minimum(angles[:, 0], np.pi - angles[:, 0])
    return np.asarray(np.maximum(np.sin(acute / 2.0), _NOTHING))


def _weighted(first: Array, first_size: Array, second: Array, second_size: Array) -> Array:
    """Return the relative error of a sum, from those of its parts and their sizes."""
    total = first * first_size + second * second_size
    return np.asarray(total / np.maximum(first_size + second_size, _NOTHING))


def _elasticity(network: Network, variances: Array) -> float:
    """Return A = d log q'/d log q, by a difference, rounded up."""
    after = [
        network.weight_variance * second_moments(network, False, q) + network.bias_variance
        for q in (variances / (1.0 + _STEP), variances * (1.0 + _STEP))
    ]
    slope = np.log(np.maximum(after[1], _NOTHING) / np.maximum(after[0], _NOTHING)) / (
        2.0 * np.log1p(_STEP)
    )
    return float(np.abs(slope)[0]) * (1.0 + 2.0**-10)
