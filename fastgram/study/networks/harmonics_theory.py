"""Eigenvalues of kernels on the sphere by how these are singular, as `harmonics` derives them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gamma, gammaln

from fastgram.network.elementwise import SELU_ALPHA, SELU_SCALE
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.literals import Kind

__all__ = ["Singularity", "leading_eigenvalues", "multiplicities", "singularity_of"]

# What jumps at 0: φ' (of the order 0) or φ'' (1), and by how much.
_JUMPS = {
    "relu": (0, 1.0),
    "selu": (0, SELU_SCALE * (1.0 - SELU_ALPHA)),
    "elu": (1, -1.0),
}
_ROOT = math.sqrt(2.0) / math.pi  # of normalised relu: 1 − √e·_ROOT is the derivative dual


class Singularity(NamedTuple):
    """How a kernel κ(t) is singular at the ends: c·(1 − t)^ν at 1, c'·(1 + t)^ν at −1.

    Attributes
    ----------
    power : float
        ν, the least that is no whole number.
    at_one, at_minus_one : float
        c and c'.
    """

    power: float
    at_one: float
    at_minus_one: float

    def exponent(self, d: int) -> float:
        """Return the power with which eigenvalues fall: of k + (d − 2)/2."""
        return -(d - 1 + 2.0 * self.power)

    def survives(self, odd: bool) -> bool:
        """Whether the two ends do not cancel in the odd, or even, degrees."""
        sum_of_ends = self.at_one + (-1.0 if odd else 1.0) * self.at_minus_one
        return abs(sum_of_ends) > 1e-9 * abs(self.at_one)


def singularity_of(network: Network, kind: Kind) -> Singularity | None:
    """Return the leading singularity of a normalised network's kernel of unit rows.

    Parameters
    ----------
    network : Network
        Of relu at any depth without biases or at depth 1 with them; of selu and elu at depth 1
        without biases, for kind "gradient". Weight variance 1.
    kind : {"gradient", "nngp", "ntk"}

    Returns
    -------
    Singularity or None
        None under a smooth activation: there is none.
    """
    if network.activation.smooth:
        return None
    order, jump = _JUMPS[network.activation.name]
    square = network.normalisation() * jump**2
    if network.activation.name != "relu":
        # φ' = smooth + jump·step, or jump·relu, whose dual is normalised relu's halved; times t,
        # which is −1 at the other end. A step turned round changes its sign, a ramp does not.
        ramp = order == 1
        size = square / 2.0 * (2.0 * _ROOT / 3.0 if ramp else -_ROOT)
        return Singularity(0.5 + order, size, -size if ramp else size)
    weight, bias = network.weight_variance, network.bias_variance
    if bias > 0.0:
        return _with_bias(kind, weight + bias, weight / (weight + bias))
    return _of_relu(kind, network.depth)


def _with_bias(kind: Kind, variance: float, share: float) -> Singularity:
    """Of relu at depth 1: correlations are 1 − share·(1 − t), and never −1."""
    if kind == "nngp":
        return Singularity(1.5, variance * share**1.5 * 2.0 * _ROOT / 3.0, 0.0)
    return Singularity(0.5, -variance * math.sqrt(share) * _ROOT, 0.0)


def _of_relu(kind: Kind, depth: int) -> Singularity:
    """Of relu without biases: what is singular at −1 goes on by the slopes of the layers above."""
    correlation, slopes = 0.0, 1.0  # of opposite rows, above the first layer
    for _ in range(depth - 1):
        slopes *= 1.0 - math.acos(correlation) / math.pi
        rest = math.sqrt(1.0 - correlation**2) - math.acos(correlation) * correlation
        correlation += rest / math.pi
    if kind == "nngp":
        size = 2.0 * _ROOT / 3.0
        return Singularity(1.5, depth * size, slopes * size)
    if kind == "ntk":
        return Singularity(0.5, -_ROOT * depth * (depth + 1) / 2.0, -_ROOT * slopes)
    return Singularity(0.5, -_ROOT, -_ROOT if depth == 1 else 0.0)


def leading_eigenvalues(singularity: Singularity, d: int, degrees: npt.ArrayLike) -> Array:
    """Return what the singularity alone gives for the eigenvalues of these degrees, (k,).

    By Rodrigues' formula E (1 − t)^ν·Pₖ(t), t a coordinate of a random point of S^{d−1}, is

        2^ν Γ(d − 1) Γ(ν + (d−1)/2) / (Γ((d−1)/2) Γ(−ν)) · Γ(k − ν)/Γ(k + ν + d − 1).
    """
    nu, k = singularity.power, np.asarray(degrees, float)
    half = (d - 1) / 2.0
    constant = 2.0**nu * gamma(d - 1.0) * gamma(nu + half) / (gamma(half) * gamma(-nu))
    ends = singularity.at_one + (-1.0) ** k * singularity.at_minus_one
    fall = np.exp(gammaln(np.maximum(k, nu + 0.5) - nu) - gammaln(k + nu + d - 1.0))
    return np.asarray(constant * ends * fall)


def multiplicities(d: int, count: int) -> Array:
    """Return the numbers of spherical harmonics on S^{d−1} by degree, (count,)."""
    below = [0, 0] + [math.comb(d + k - 3, k - 2) for k in range(2, count)]
    return np.array([math.comb(d + k - 1, k) - below[k] for k in range(count)], float)
