"""What a network of m neurons is off from an infinitely wide one: moments of one neuron."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgram.network.activations import Activation, get_activation
from fastgram.support.arrays import Array

__all__ = ["OneNeuron", "moments_of_one_neuron", "norm_of_deviation"]

_TERMS = 300  # of a Hermite series; cosines of different rows are below 1
_REACH, _NODES = 14.0, 400  # of the integral of each half line
_SAMPLED = 20_000  # neurons
_TAG = int.from_bytes(b"one neuron", "big")  # owes nothing to any network that a seed draws


class OneNeuron(NamedTuple):
    """Moments of the matrix g of one neuron, whose mean G is, along G's lowest eigenvector u.

    Attributes
    ----------
    descent : float
        B = Σⱼ E(uⱼᵀgu)²/(λⱼ − λ_min) over the other eigenvectors: λ_min's mean is B/m lower.
    fluctuation : float
        The standard deviation of uᵀgu.
    """

    descent: float
    fluctuation: float


def norm_of_deviation(X: Array, activation: str, gram: Array) -> float:
    """Return √V: the root of the mean square of ‖G_m − G‖_F is √(V/m), at any m.

    Parameters
    ----------
    X : (n, d) array
        Unit rows.
    activation : str
    gram : (n, n) array
        G, of kind "gradient".
    """
    cosines = X @ X.T
    squares = np.square(cosines) * _dual_of_squares(get_activation(activation), cosines)
    return float(np.sqrt(np.sum(squares - np.square(gram))))


def _dual_of_squares(activation: Activation, cosines: Array) -> Array:
    """Return E φ'(u)²φ'(v)² by Hermite coefficients of φ'², E φ'⁴ on the diagonal."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = _REACH / 2.0
    z = np.concatenate([half * (nodes - 1.0), half * (nodes + 1.0)])  # a kink at 0 is between
    root = np.exp(-z * z / 4.0) / (2.0 * np.pi) ** 0.25
    square = np.square(activation.df(z))
    weighted = square * root * np.concatenate([weights, weights]) * half
    before, current = np.zeros_like(z), root  # Hermite functions, normalised
    coefficients = []
    for k in range(_TERMS):
        coefficients.append(float(weighted @ current))
        following = (z * current - np.sqrt(k) * before) / np.sqrt(k + 1.0)
        before, current = current, following
    found = np.polynomial.polynomial.polyval(cosines, np.square(coefficients))
    np.fill_diagonal(found, float(weighted @ (square * root)))
    return np.asarray(found)


def moments_of_one_neuron(X: Array, activation: str, gram: Array) -> OneNeuron:
    """Return the moments, from 20 000 neurons of their own: to some percent.

    Parameters
    ----------
    X : (n, d) array
        Unit rows.
    activation : str
    gram : (n, n) array
    """
    eigenvalues, vectors = np.linalg.eigh(gram)
    least = vectors[:, 0]
    generator = np.random.default_rng(_TAG)
    first = second = 0.0
    squares = np.zeros(X.shape[0] - 1)
    for _ in range(_SAMPLED // 1000):
        weights = generator.standard_normal((1000, X.shape[1]))
        slopes = get_activation(activation).df(weights @ X.T)
        sums = (slopes * least) @ X  # g = aaᵀ with a = diag(φ')X: a'u
        along = np.sum(np.square(sums), axis=1)
        first, second = first + float(np.sum(along)), second + float(along @ along)
        images = slopes * (sums @ X.T)
        squares += np.sum(np.square(images @ vectors[:, 1:]), axis=0)
    mean = first / _SAMPLED
    descent = float(np.sum(squares / _SAMPLED / (eigenvalues[1:] - eigenvalues[0])))
    variance = max(second / _SAMPLED - mean**2, 0.0)  # may round to less
    return OneNeuron(descent, float(np.sqrt(variance)))
