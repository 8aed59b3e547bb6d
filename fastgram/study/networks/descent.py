"""Gradient descent on a two-layer network, in NumPy: what training curves are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastgram.network.activations import Activation
from fastgram.support.arrays import Array
from fastgram.support.threads import one_blas_thread

__all__ = ["Trained", "TwoLayers", "jumps", "train"]


def jumps(activation: Activation) -> bool:
    """Whether φ' jumps at a kink, and not only φ''."""
    kinks = np.array(activation.kinks, float)
    beside = [np.nextafter(kinks, side) for side in (-np.inf, np.inf)]
    return bool(np.any(np.abs(activation.df(beside[1]) - activation.df(beside[0])) > 1e-9))


@dataclass
class TwoLayers:
    """x ↦ Σᵣ aᵣφ(wᵣ·x)/√m, of which the weights W are trained and the signs a are not.

    Attributes
    ----------
    activation : Activation
    weights : (m, d) array
    signs : (m,) array
    """

    activation: Activation
    weights: Array
    signs: Array

    @classmethod
    def drawn(cls, activation: Activation, width: int, d: int, seed: int) -> TwoLayers:
        """Return the one that `Network` draws of this seed, with a readout of signs."""
        generator = np.random.default_rng(seed)
        weights = generator.standard_normal((width, d))
        return cls(activation, weights, generator.choice([-1.0, 1.0], width))

    def outputs(self, z: Array) -> Array:
        """Return the outputs, (n,), at pre-activations z, (n, m)."""
        return np.asarray(self.activation.f(z) @ self.signs / np.sqrt(self.signs.size))

    def gram(self, X: Array) -> Array:
        """Return the Gram matrix of the gradients, (n, n)."""
        slopes = self.activation.df(X @ self.weights.T)
        return np.asarray((slopes @ slopes.T) * (X @ X.T)) / self.signs.size


@dataclass(frozen=True)
class Trained:
    """What training did.

    Attributes
    ----------
    losses : (steps + 1,) array
        ½‖outputs − y‖², before the first step and after each.
    movement : float
        ‖W_T − W_0‖_F.
    gram_movement : float
        ‖G_T − G_0‖/‖G_0‖, in the spectral norm.
    turned : float
        The share of pre-activations that have changed their sign.
    """

    losses: Array
    movement: float
    gram_movement: float
    turned: float


def train(
    network: TwoLayers, X: Array, y: Array, step_size: float, fraction: float, most: int
) -> Trained:
    """Train by full-batch gradient descent until the loss is at a fraction of the first.

    Parameters
    ----------
    network : TwoLayers
        Its weights are changed.
    X : (n, d) array
    y : (n,) array
    step_size : float
        Of ½‖outputs − y‖².
    fraction : float
    most : int
        Steps at most.
    """
    # products too small for more threads; a step that is too long overflows, and ends it
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        return _train(network, X, y, step_size, fraction, most)


def _train(
    network: TwoLayers, X: Array, y: Array, step_size: float, fraction: float, most: int
) -> Trained:
    before, gram = network.weights.copy(), network.gram(X)
    scale = step_size / np.sqrt(network.signs.size)
    losses: list[float] = []
    while True:
        z = X @ network.weights.T
        residual = network.outputs(z) - y
        losses.append(0.5 * float(residual @ residual))
        # not "above": a loss that is no number ends it too
        if not fraction * losses[0] < losses[-1] < np.inf or len(losses) > most:
            break
        slopes = network.activation.df(z)
        slopes *= residual[:, None]
        network.weights -= scale * network.signs[:, None] * (slopes.T @ X)
    moved = network.gram(X) - gram
    turned = np.mean(((X @ before.T) > 0.0) != ((X @ network.weights.T) > 0.0))
    return Trained(
        np.array(losses),
        float(np.linalg.norm(network.weights - before)),
        float(np.linalg.norm(moved, 2) / np.linalg.norm(gram, 2)),
        float(turned),
    )
