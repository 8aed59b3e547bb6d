"""How errors of layers add up to the error of an entry: sensitivities, layer by layer.

An entry is computed from two numbers a layer: the variances qᵢ of the layer's input, and the chord
s of two rows, half the distance of their unit vectors to the nearer end, |ρ| = 1 − 2s². Each is off
by what the layer's own arithmetic makes of it and by what the errors below it have grown to. Both
are bounded here; g stands for φ or φ', κ(ρ) for E[g(u)g(v)], x for (κ(1) − κ(|ρ|))/κ(1) between
rows of one variance, and primes for the next layer.

*Variances.* q' = σw²κ(1) + σb² is off by A·(error of q) and its own, relatively, with
A = d log q'/d log q. Nothing makes A small: it is 2 for z + z², and 1.17 for normalised swish,
whose product over 60 layers is 28 000.

*Chords.* Between rows of one variance κ(ρ) = Σ aₖρᵏ has no negative coefficient, so
(1 − |ρ|)|κ'(ρ)| ≤ (1 − |ρ|)κ'(|ρ|) ≤ κ(1) − κ(|ρ|): a relative error d of 1 − |ρ| moves κ by no
more than d·xκ(1). Between rows of two variances aₖ is a product and, by Cauchy and Schwarz, x is
replaced by √(x₁x₂). And 1 − |ρ'| is at least x' = σw²κ(1)x/q', or (x₁' + x₂')/2 ≥ √(x₁'x₂'): relative
errors of 1 − |ρ| never grow. An absolute error δ of s is the relative error d = 2δ/s + (δ/s)²,
and s' becomes √(s'² + d√(x₁'x₂')/2): δs'/s between rows of one variance, however large δ/s is. That x of a row at another angle is at most x there,
or x there times the ratio of the two 1 − |ρ|, holds as κ is convex on [0, 1].

*Chords by variances.* An error e of q, the same for both rows, moves ρ' by no more than S(1 − |ρ'|)e;
errors e₁, e₂ that differ move s' by no more than H₁e₁ + H₂e₂ besides, since g(u)/√κ moves by 4H e in
the mean square. Entries move by B(e₁ + e₂)/2 of κ(1). A, B, S and H are differences of
computed values, taken a quarter larger; A at each layer's own variance, the others, which do not
multiply each other, at one near it.

*A layer's own errors.* Quadrature and summation are measured where a table is made: against a
quadrature a level finer, summed exactly but for four roundings, at two angles off the ends and at
the ends themselves, where the finer one has one dimension; what is found is doubled. What no comparison shows is the error of φ and φ' themselves. It is taken for granted that
they are computed to `FUNCTION_ERROR` in the mean square, relative to theirs; `tests` hold every
built-in activation to a third of it. It moves κ by twice that, and s' by as much. To this come what
fitting the layer left, as measured, doubled, and a few roundings.

All of it is to first order: errors are some 1e-15 and more, their squares nothing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastgram._layers import Layer
from fastgram._recursion import Evaluation, Recursion, Step, second_moments
from fastgram.activations import Activation
from fastgram.duals import careful_chords, chords_at, common_level, parallel_duals, values_at

if TYPE_CHECKING:
    from fastgram.network import Network

__all__ = ["FUNCTION_ERROR", "EntryErrors", "entry_errors"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
FUNCTION_ERROR = 2.0 * _EPS
# A few roundings, of a sum, a product and a root.
_FEW = 4.0 * _EPS
# Chords at which entries are followed through the layers, and a layer is measured.
_CHORDS = np.array(
    [1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.04, 0.1]
    + [0.2, 0.3, 0.4, 0.5, 0.6, 0.66, np.sqrt(0.5)]
)
# Chords at which the quadratures of a layer are differentiated, and those where they are judged.
_MEASURED = np.array([0.02, 0.2, 0.5, np.sqrt(0.5)])
_JUDGED = (0, 2)
_STEP = 2.0**-8  # of differences, in the logarithm of the variance
_MARGIN = 1.25  # of what such differences give
_DOUBLED = 2.0  # of what was measured
_NOTHING = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class EntryErrors:
    """Bounds of |computed − ideal| of entries at any angle, over √(product of two diagonal ones).

    Attributes
    ----------
    base : (pairs,) array
        Where the norms of rows are what they are taken for.
    by_norm : (pairs,) array
        How much a relative error of the norms, of any sign in each row, adds to it, times that.
    """

    base: Array
    by_norm: Array


def entry_errors(network: Network, kind: str, norms: Array) -> EntryErrors:
    """Bound the errors of entries between rows of all pairs of norms.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    norms : (m,) array
        Of augmented rows, above 0: as many as stand for all that there are.
    """
    recursion = Recursion(network, kind, norms)
    sides = (False,) if recursion.symmetry else (False, True)
    base, by_norm = (
        np.max([_Follower(recursion, far, with_norms).run() for far in sides], axis=0)
        for with_norms in (False, True)
    )
    return EntryErrors(base, by_norm)


# --- one layer ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Response:
    """One function at a variance and at two near it: what a layer's sensitivities are made of."""

    at_one: Array  # (3,): κ(1) for each variance
    between: Array  # (3, 3): κ(1) for pairs of them, by one-dimensional integrals
    near: Array  # (3, angles): κ(1) − κ(ρ) for each variance
    far: Array  # (3, angles): κ(−ρ)
    values_missed: float  # by the quadrature, of κ, relative to κ(1)
    chords_missed: float  # of the next chord, absolute

    def change(self) -> float:
        """Return B: the largest |dκ(±ρ)/d log q|, relative to κ(1)."""
        values = (self.at_one[:, None] - self.near, self.far, self.at_one)
        largest = max(np.max(np.abs(_slope(part))) for part in values)
        return _MARGIN * float(largest / max(self.at_one[1], _NOTHING))

    def stretch(self, gain: float, bias: float) -> float:
        """Return S: the largest |dρ'/d log q|, relative to 1 − |ρ'|."""
        after = (gain * self.at_one + bias)[:, None]
        near, far = 1.0 - gain * self.near / after, (gain * self.far + bias) / after
        found = [
            np.max(np.abs(_slope(rho)) / np.maximum(1.0 - np.abs(rho[1]), 1e-9))
            for rho in (near, far)
        ]
        return _MARGIN * float(max(found))

    def cone(self, gain: float, bias: float) -> float:
        """Return H: by how much s' is off for an error of one row's log q alone."""
        covariances = gain * self.between + bias
        sizes = np.sqrt(np.diagonal(covariances))
        rho = covariances / np.multiply.outer(sizes, sizes)
        apart = np.sqrt(np.maximum(1.0 - np.array([rho[0, 1], rho[1, 2]]), 0.0) / 2.0)
        return _MARGIN * float(np.max(apart)) / float(np.log1p(_STEP))


def _slope(values: Array) -> Array:
    return np.asarray((values[2] - values[0]) / (2.0 * np.log1p(_STEP)))


def _response(activation: Activation, derivative: bool, variance: float) -> _Response:
    """Return the response near a variance: the same for all that round to it."""
    if activation.homogeneity is not None:
        return _response_at(activation, derivative, 1.0)
    return _response_at(activation, derivative, 2.0 ** (np.rint(4.0 * np.log2(variance)) / 4.0))


@functools.lru_cache(maxsize=1024)
def _response_at(activation: Activation, derivative: bool, variance: float) -> _Response:
    near = variance * (1.0 + _STEP) ** np.array([-1.0, 0.0, 1.0])
    between, across = parallel_duals(activation, derivative, near)
    at_one, at_minus_one = np.diagonal(between), np.diagonal(across)
    level = common_level(activation, derivative, near[1:2])
    angles = (2.0 * np.arcsin(_MEASURED)).tolist()
    found = np.array(
        [[chords_at(activation, derivative, t, q, level) for t in angles] for q in near.tolist()]
    )
    size = max(float(at_one[1]), _NOTHING)
    ends = np.array([at_one[1], at_minus_one[1]])
    values_missed = chords_missed = 0.0
    for k in _JUDGED:
        finer = careful_chords(activation, derivative, angles[k], variance, level + 1)
        values = values_at(activation, derivative, angles[k], variance, level)
        differences = np.concatenate([found[1, k] - finer, values - (ends - finer)])
        values_missed = max(values_missed, float(np.max(np.abs(differences))))
        both = np.sqrt(np.maximum([found[1, k, 0], finer[0]], 0.0) / (2.0 * size))
        chords_missed = max(chords_missed, abs(float(both[0] - both[1])))
    whole = values_at(activation, derivative, 0.0, variance, level)
    values_missed = max(values_missed, float(np.max(np.abs(whole - ends))))
    far = at_minus_one[:, None] - found[:, :, 1]
    return _Response(at_one, between, found[:, :, 0], far, values_missed / size, chords_missed)


# --- through the layers ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Evaluated:
    """A function at a layer: errors of its values, and x: both (angles, pairs)."""

    errors: Array
    shares: Array


class _Follower:
    """The errors of entries on one side of ρ = 0, from layer to layer.

    Parameters
    ----------
    recursion : Recursion
    far : bool
        On which side.
    with_norms : bool
        For an error of 1 of the logarithm of each row's norm, and no other; else for all others.
    """

    def __init__(self, recursion: Recursion, far: bool, with_norms: bool) -> None:
        self._recursion, self._network = recursion, recursion.network
        self._far, self._with_norms = far, with_norms
        self._own = 0.0 if with_norms else 1.0
        self._first, self._second = recursion.pairs.first, recursion.pairs.second
        self._diagonal = np.flatnonzero(self._first == self._second)
        self._offsets = 2.0 * np.arcsin(_CHORDS)
        # of variances (m,), and of chords (angles, pairs)
        self._variances = np.full(recursion.norms.size, 2.0 if with_norms else _FEW)
        self._chords = np.zeros((_CHORDS.size, self._first.size))
        one = _response(self._network.activation, False, 1.0)
        normalised = self._network.normalize
        self._factor = self._own * self._own_error(one) if normalised else 0.0

    def run(self) -> Array:
        """Return the largest error of entries over all angles, (pairs,)."""
        network, kind = self._network, self._recursion.kind
        # Σ of the layer before, and Θ: errors, and diagonal entries
        covariance = self._mean(self._variances) + self._own * _FEW + 0.0 * self._chords
        tangent, tangent_size = covariance, self._recursion.variances[0]
        for step in self._recursion.layers(self._far, self._offsets):
            variances = self._recursion.variances[step.layer - 1]
            f = df = None
            if step.f is not None:
                f = self._evaluate(step, step.f, variances)
            if step.df is not None:
                df = self._evaluate(step, step.df, variances)
                through = tangent if kind == "ntk" else covariance
                through = through + df.errors + self._own * _FEW
                slope = second_moments(network, True, variances)
            if step.layer == network.depth:
                break
            assert f is not None
            after = self._recursion.variances[step.layer]
            covariance = f.errors + self._own * _FEW
            if df is not None:
                carried = network.weight_variance * slope * tangent_size
                tangent = self._weighted((covariance, after), (through, carried))
                tangent_size = after + carried
            self._next(step, f, variances, after)
        if kind == "nngp":
            assert f is not None
            result = f.errors
        elif kind == "gradient":
            result = through
        else:
            assert f is not None
            value = second_moments(network, False, variances)
            result = self._weighted((f.errors, value), (through, slope * tangent_size))
        return np.asarray(np.max(np.broadcast_to(result, self._chords.shape), axis=0))

    def _mean(self, values: Array) -> Array:
        """Return the mean of the values of two rows, (pairs,)."""
        return np.asarray((values[self._first] + values[self._second]) / 2.0)

    def _root(self, values: Array) -> Array:
        """Return the root of the product of the values of two rows, along the last axis."""
        return np.asarray(np.sqrt(values[..., self._first] * values[..., self._second]))

    def _weighted(self, *parts: tuple[Array, Array]) -> Array:
        """Return the relative error of a sum, from those of its parts and their diagonals."""
        whole = sum(size for _, size in parts)
        errors = sum(error * self._root(size) for error, size in parts)
        return np.asarray(errors / np.maximum(self._root(np.asarray(whole)), _NOTHING))

    def _own_error(self, response: _Response) -> float:
        return 2.0 * FUNCTION_ERROR + _DOUBLED * response.values_missed + _FEW

    def _responses(self, derivative: bool, variances: Array) -> list[_Response]:
        activation = self._network.activation
        return [_response(activation, derivative, float(q)) for q in variances]

    def _shares(self, step: Step, of: Layer, s: Array) -> Array:
        """Return √(x₁x₂) at the chords s of a layer's input."""
        if step.layer == 1:
            drops = of.at_offsets(False, self._offsets).values
        else:
            drops = of.at_angles(2.0 * np.arcsin(s)).values
        drops = np.broadcast_to(drops, s.shape)[:, self._diagonal]
        at_one = np.broadcast_to(of.at_one, s.shape[1:])[self._diagonal]
        shares = drops / np.maximum(at_one, _NOTHING)
        # those of single norms are known at their own chords
        theirs = s[:, self._diagonal]
        result = []
        for side in (self._first, self._second):
            wider = np.maximum((s / theirs[:, side]) ** 2, 1.0)
            result.append(np.clip(shares[:, side] * wider, 0.0, 1.0))
        return np.asarray(np.sqrt(result[0] * result[1]))

    def _moved(self, s: Array, shares: Array) -> Array:
        """Return how much the errors of chords move a value, over the root of two diagonal ones."""
        relative = self._chords / s
        # or what all that is nearer to the end than some larger chord that is followed has in all
        beyond = np.where(s[None] >= (s + self._chords)[:, None], shares[None], np.inf)
        return np.asarray(np.minimum(relative * (2.0 + relative) * shares, np.min(beyond, axis=1)))

    def _evaluate(self, step: Step, found: Evaluation, variances: Array) -> _Evaluated:
        s = half_chords(step.angles, self._chords.shape)
        shares = self._shares(step, found.of, s)
        responses = self._responses(found.derivative, variances)
        changes = np.array([response.change() for response in responses])
        errors = np.minimum(self._moved(s, shares), 2.0) + self._mean(changes * self._variances)
        own = np.array([self._own_error(response) for response in responses])
        own = np.maximum(own[self._first], own[self._second])
        fitted = 0.0 if step.layer == 1 else _DOUBLED * found.of.fit_error
        errors = errors + self._own * (own + fitted) + self._factor
        return _Evaluated(errors, shares)

    def _next(self, step: Step, f: _Evaluated, variances: Array, after: Array) -> None:
        """Take the errors of variances and chords through a layer."""
        assert step.f is not None
        network = self._network
        gain, bias = network.weight_variance * network.normalisation(), network.bias_variance
        responses = self._responses(False, variances)
        s = half_chords(step.angles, self._chords.shape)
        s_after = np.maximum(half_chords(step.after, self._chords.shape), _NOTHING)
        kept = self._root(
            network.weight_variance * second_moments(network, False, variances) / after
        )
        moved = self._moved(s, f.shares) * kept / 2.0
        moved = moved / (np.sqrt(s_after**2 + moved) + s_after)
        stretch = np.array([response.stretch(gain, bias) for response in responses])
        cone = np.array([response.cone(gain, bias) for response in responses])
        stretched = np.maximum(stretch[self._first], stretch[self._second])
        errors = self._variances
        moved = moved + stretched * self._mean(errors) * s_after / 2.0
        apart = np.ones(1) if self._with_norms else self._first != self._second
        moved = moved + apart * 2.0 * self._mean(cone * errors)
        missed = np.array([response.chords_missed for response in responses])
        local = FUNCTION_ERROR + _DOUBLED * np.maximum(missed[self._first], missed[self._second])
        values = np.abs(np.broadcast_to(step.f.at_angles.values, s.shape))
        size = self._root(after / gain)
        drop = values / size
        local = local + _FEW * (2.0 * s_after**2 + 2.0 * drop) / (4.0 * s_after)
        if step.layer > 1:
            fitted = _DOUBLED * step.f.of.fit_error * s ** (step.f.of.order - 1)
            local = local + kept * fitted / (4.0 * s_after)
        if self._far and not self._recursion.symmetry:
            missed = np.array([response.values_missed for response in responses])
            missed = _DOUBLED * np.maximum(missed[self._first], missed[self._second])
            local = local + kept * missed / (4.0 * s_after)
        self._chords = np.minimum(moved + self._own * local, 1.0)
        own = np.array([self._own_error(response) for response in responses])
        grown = elasticity(network, variances) * errors
        self._variances = grown + self._own * (own + _FEW) + self._factor


def half_chords(angles: Array, shape: tuple[int, ...]) -> Array:
    """Return half the distance of unit vectors at these angles to the nearer end."""
    angles = np.broadcast_to(angles, shape)
    acute = np.minimum(angles, np.pi - angles)
    return np.asarray(np.maximum(np.sin(acute / 2.0), _NOTHING))


def elasticity(network: Network, variances: Array) -> Array:
    """Return d log q'/d log q, by a difference, rounded up."""
    steps = [variances / (1.0 + _STEP), variances * (1.0 + _STEP)]
    after = [
        network.weight_variance * second_moments(network, False, q) + network.bias_variance
        for q in steps
    ]
    slope = np.log(after[1] / after[0]) / (2.0 * np.log1p(_STEP))
    return np.asarray(np.abs(slope) * (1.0 + 2.0**-10))
