"""Network: what a Gram matrix is the Gram matrix of, and the tables of its entries.

Everything here speaks of the *augmented* rows (√σw²·x, √σb²): their inner products are Σ⁰, so
that weight and bias variances need no formula of their own.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastgram._tables import Profile, build_tables
from fastgram._validation import as_choice, as_integer, as_number
from fastgram.activations import Activation, get_activation
from fastgram.duals import chord_matrices, dual_entries, dual_matrices
from fastgram.kernels import Table

__all__ = ["KINDS", "Network", "as_network"]

Array = npt.NDArray[np.float64]

KINDS = ("gradient", "nngp", "ntk")
READOUTS = ("rademacher", "gaussian")


@dataclass(frozen=True)
class Network:
    """A fully connected network at initialisation.

    Parameters
    ----------
    activation : str or Activation
        φ; a name may carry its parameters, ``"leaky_relu(negative_slope=0.2)"``.
    depth : int
        Hidden layers, L.
    width : int, optional
        Neurons a layer, m; None is infinitely many.
    weight_variance : float
        σw², above 0.
    bias_variance : float
        σb², at least 0.
    normalize : bool
        Scale φ so that E φ(z)² = 1 for z ~ N(0, 1).
    readout : {"rademacher", "gaussian"}
        Output weights of a network of finite width.
    seed : int
        Seed of the weights of a network of finite width.

    Raises
    ------
    ValueError, TypeError
        For a value out of range or of the wrong kind.

    Notes
    -----
    Σ⁰ᵢⱼ = σw²⟨xᵢ, xⱼ⟩ + σb², without the 1/d that some libraries put there. The Gram matrix of kind
    "gradient" is Σ⁰ᵢⱼ·E[φ'(u)φ'(v)] and that of kind "nngp" is E[φ(u)φ(v)], with (u, v) normal of
    covariance [[Σ⁰ᵢᵢ, Σ⁰ᵢⱼ], [Σ⁰ᵢⱼ, Σ⁰ⱼⱼ]] (Panigrahi, Shetty and Goyal, ICLR 2020).
    """

    activation: Activation
    depth: int = 1
    width: int | None = None
    weight_variance: float = 1.0
    bias_variance: float = 0.0
    normalize: bool = False
    readout: str = "rademacher"
    seed: int = 0

    def __init__(
        self,
        activation: str | Activation,
        depth: int = 1,
        width: int | None = None,
        weight_variance: float = 1.0,
        bias_variance: float = 0.0,
        normalize: bool = False,
        readout: str = "rademacher",
        seed: int = 0,
    ) -> None:
        depth = as_integer("depth", depth, 1)
        if width is not None:
            width = as_integer("width", width, 1)
        if not isinstance(normalize, bool):
            raise TypeError(f"normalize must be True or False, not {normalize!r}")
        values = {
            "activation": get_activation(activation),
            "depth": depth,
            "width": width,
            "weight_variance": as_number("weight_variance", weight_variance, above=0.0),
            "bias_variance": as_number("bias_variance", bias_variance, least=0.0),
            "normalize": normalize,
            "readout": as_choice("readout", readout, READOUTS),
            "seed": as_integer("seed", seed, 0),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        if normalize and self._second_moment() == 0.0:
            raise ValueError(f"normalize: {self.activation.name} is zero everywhere")

    def augmented(self, X: npt.NDArray[np.floating]) -> Array:
        """Return the rows whose inner products are Σ⁰, as a new float64 array."""
        rows = np.array(X, dtype=np.float64)
        if self.weight_variance != 1.0:
            rows *= np.sqrt(self.weight_variance)
        if self.bias_variance > 0.0:
            bias = np.full((rows.shape[0], 1), np.sqrt(self.bias_variance))
            rows = np.concatenate([rows, bias], axis=1)
        return rows

    def homogeneity(self) -> int | None:
        """Return the p with entry = (|x||y|)**p K(ρ), or None where norms do not factor out."""
        return self.activation.homogeneity

    def _factor(self) -> float:
        return 1.0 / self._second_moment() if self.normalize else 1.0

    def _second_moment(self) -> float:
        return float(dual_matrices(self.activation, False, 0.0, np.ones(1))[0][0, 0])

    def at_zero(self, kind: str) -> float:
        """Return the diagonal entry of a row of norm 0."""
        if kind == "gradient":
            return 0.0
        return self._factor() * float(self.activation.f(np.zeros(1))[0]) ** 2

    def is_zero(self, kind: str) -> bool:
        """Whether every entry is zero: "gradient" where f' is zero almost everywhere."""
        return kind == "gradient" and self.activation.flat

    def tables(self, kind: str, norms: tuple[float, ...], dtype: npt.DTypeLike) -> list[Table]:
        """Return the tables of entries between rows of all pairs of norms, in C order.

        Parameters
        ----------
        kind : {"gradient", "nngp"}
        norms : tuple of float
            Of augmented rows. "gradient" tables are those of entry/(norm·norm).
        dtype : {float64, float32}
        """
        return _tables(self, kind, norms, np.dtype(dtype).name)

    def shapes(self, kind: str, theta: float, norms: Array) -> tuple[Array, Array]:
        """Return what tables hold at angles θ and π − θ, θ in [0, π/2], for all pairs of norms."""
        gradient = kind == "gradient"
        one, minus_one = dual_matrices(self.activation, gradient, theta, np.square(norms))
        factor = self._factor()
        if gradient:
            factor *= np.cos(theta)
            minus_one = -minus_one
        return factor * one, factor * minus_one

    def entries(self, kind: str, theta: Array, q1: Array, q2: Array) -> Array:
        """Return entries for rows at angles θ in [0, π] of squared norms q1, q2, one by one.

        One quadrature an entry (milliseconds): for norms and kinks that no table holds.
        """
        gradient = kind == "gradient"
        value = dual_entries(self.activation, gradient, theta, q1, q2)
        if gradient:
            value = value * np.sqrt(q1 * q2) * np.cos(theta)
        return np.asarray(self._factor() * value)


@functools.lru_cache(maxsize=64)
def _tables(network: Network, kind: str, norms: tuple[float, ...], dtype: str) -> list[Table]:
    activation, gradient = network.activation, kind == "gradient"
    q = np.square(norms)
    factor = network._factor()
    at_one, at_minus_one = network.shapes(kind, 0.0, np.asarray(norms))

    def chords(theta: float) -> tuple[Array, Array]:
        near, far = chord_matrices(activation, gradient, theta, q)
        if gradient:
            # ρκ'(ρ) falls from κ'(1) by (1 − ρ)κ'(1) + ρ(κ'(1) − κ'(ρ)), without cancellation
            rho, drop = np.cos(theta), 2.0 * np.sin(theta / 2.0) ** 2
            near = drop * at_one + rho * factor * near
            far = drop * at_minus_one - rho * factor * far
            return near, far
        return factor * near, factor * far

    return build_tables(Profile(at_one, at_minus_one, chords), dtype)


def as_network(network: str | Activation | Network) -> Network:
    """Return a Network; a string or an Activation is short for ``Network(it)``."""
    if isinstance(network, Network):
        return network
    if isinstance(network, (str, Activation)):
        return Network(network)
    raise TypeError(
        f"network must be a Network, an activation or its name, not {type(network).__name__}"
    )
