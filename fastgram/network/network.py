"""Network: the network whose Gram matrix is meant, as data.

Everything here speaks of the *augmented* rows (√σw²·x, √σb²), with the variances of the first
layer: their inner products are Σ⁰, so that these need no formula of their own.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, fields
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from fastgram.network.activations import Activation, get_activation
from fastgram.network.integrals.line_quadrature import mean_squares
from fastgram.network.theory.unit_rows import KernelOfUnitRows
from fastgram.support.arrays import Array
from fastgram.support.html import table
from fastgram.support.literals import Kind, Readout
from fastgram.support.validation import (
    as_choice,
    as_flag,
    as_integer,
    as_number,
    suggestion,
)

__all__ = ["KINDS", "Network", "as_network", "refuse_as_rows"]

KINDS: tuple[Kind, ...] = get_args(Kind)
READOUTS: tuple[Readout, ...] = get_args(Readout)


@dataclass(frozen=True)
class Network(KernelOfUnitRows):
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
    input_weight_variance, input_bias_variance : float, optional
        σw² and σb² of the first hidden layer where they differ from those of the others; None
        where they do not.

    Raises
    ------
    ValueError, TypeError
        For a value out of range or of the wrong kind.

    Notes
    -----
    Σ⁰ᵢⱼ = σw²⟨xᵢ, xⱼ⟩ + σb², with the first layer's variances and without the 1/d that some
    libraries put there, and Σˡ = σw² E[φ(u)φ(v)] + σb², (u, v) normal of the covariance that Σˡ⁻¹
    gives two rows. At infinite width the Gram matrix of kind

    - "gradient" is Σᴸ⁻¹ᵢⱼ·E[φ'(u)φ'(v)]: gradients with respect to the parameters of the last
      hidden layer (Panigrahi, Shetty and Goyal, ICLR 2020, for L = 1);
    - "nngp" is E[φ(u)φ(v)]: outputs of the last hidden layer (Lee et al., ICLR 2018);
    - "ntk" is E[φ(u)φ(v)] + Θᴸ⁻¹ᵢⱼ·E[φ'(u)φ'(v)], Θ⁰ = Σ⁰ and Θˡ = Σˡ + σw² Θˡ⁻¹ E[φ'(u)φ'(v)]:
      gradients with respect to all parameters, the readout's of variance 1 included (Jacot,
      Gabriel and Hongler, NeurIPS 2018).

    At width m the expectations are means over the neurons, of weights that one
    ``numpy.random.default_rng(seed)`` draws in float64, layer by layer: ``standard_normal((m, d))``
    and, where the layer's σb² > 0, ``standard_normal(m)`` biases, ``standard_normal((m, m))`` and
    biases for each further layer, then the readout, ``choice([-1.0, 1.0], m)`` or
    ``standard_normal(m)``.
    """

    activation: Activation
    depth: int = 1
    width: int | None = None
    weight_variance: float = 1.0
    bias_variance: float = 0.0
    normalize: bool = False
    readout: Readout = "rademacher"
    seed: int = 0
    input_weight_variance: float | None = None
    input_bias_variance: float | None = None

    def __init__(
        self,
        activation: str | Activation,
        depth: int = 1,
        width: int | None = None,
        weight_variance: float = 1.0,
        bias_variance: float = 0.0,
        normalize: bool = False,
        readout: Readout = "rademacher",
        seed: int = 0,
        input_weight_variance: float | None = None,
        input_bias_variance: float | None = None,
    ) -> None:
        depth = as_integer("depth", depth, 1)
        if width is not None:
            width = as_integer("width", width, 1)
        values = {
            "activation": get_activation(activation),
            "depth": depth,
            "width": width,
            "weight_variance": as_number("weight_variance", weight_variance, above=0.0),
            "bias_variance": as_number("bias_variance", bias_variance, least=0.0),
            "normalize": as_flag("normalize", normalize),
            "readout": as_choice("readout", readout, READOUTS),
            "seed": as_integer("seed", seed, 0),
            "input_weight_variance": input_weight_variance,
            "input_bias_variance": input_bias_variance,
        }
        if input_weight_variance is not None:
            values["input_weight_variance"] = as_number(
                "input_weight_variance", input_weight_variance, above=0.0
            )
        if input_bias_variance is not None:
            values["input_bias_variance"] = as_number(
                "input_bias_variance", input_bias_variance, least=0.0
            )
        for key, value in values.items():
            object.__setattr__(self, key, value)
        if self.normalize and self._second_moment == 0.0:
            raise ValueError(f"normalize: {self.activation.name} is zero everywhere")

    def __repr__(self) -> str:
        parts = [repr(self.activation.name)]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            drawn = field.name == "seed" and self.width is not None
            if value != field.default or drawn:
                parts.append(f"{field.name}={value!r}")
        return f"Network({', '.join(parts)})"

    def __str__(self) -> str:
        """Return the same in words: "tanh, depth 3, width 100, seed 0"."""
        parts = [self.activation.name]
        if self.depth != 1:
            parts.append(f"depth {self.depth}")
        if self.width is not None:
            parts.append(f"width {self.width}")
        if self.weight_variance != 1.0:
            parts.append(f"weight variance {self.weight_variance:g}")
        if self.bias_variance != 0.0:
            parts.append(f"bias variance {self.bias_variance:g}")
        if self.input_weight_variance is not None:
            parts.append(f"input weight variance {self.input_weight_variance:g}")
        if self.input_bias_variance is not None:
            parts.append(f"input bias variance {self.input_bias_variance:g}")
        if self.normalize:
            parts.append("normalized")
        if self.width is not None:
            parts += [] if self.readout == "rademacher" else [f"{self.readout} readout"]
            parts.append(f"seed {self.seed}")
        return ", ".join(parts)

    def _repr_html_(self) -> str:
        rows = [
            ("activation", f"{self.activation.name}, {self.activation.regularity}"),
            ("depth", str(self.depth)),
            ("width", "infinite" if self.width is None else str(self.width)),
            ("weight variance", f"{self.weight_variance:g}"),
            ("bias variance", f"{self.bias_variance:g}"),
            ("normalized", "yes" if self.normalize else "no"),
        ]
        if self.input_weight_variance is not None:
            rows.append(("input weight variance", f"{self.input_weight_variance:g}"))
        if self.input_bias_variance is not None:
            rows.append(("input bias variance", f"{self.input_bias_variance:g}"))
        if self.width is not None:
            rows += [("readout", self.readout), ("seed", str(self.seed))]
        return table("Network", rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self.get_params().values())

    def __sklearn_clone__(self) -> Network:
        return copy.copy(self)  # nothing of it can be fitted, or changed

    def get_params(self) -> dict[str, Any]:
        """Return the arguments that make this network, by their names, as they were given.

        Returns
        -------
        dict
            ``Network(**network.get_params()) == network``.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def replace(self, **changes: Any) -> Network:
        """Return a network with some of its arguments changed.

        Parameters
        ----------
        **changes
            Arguments of `Network`.

        Returns
        -------
        Network

        Raises
        ------
        TypeError
            If `Network` has no such argument, or a value is of the wrong kind.
        ValueError
            If a value is out of range.

        Examples
        --------
        >>> import fastgram as fg
        >>> fg.Network("relu", depth=3).replace(depth=1, bias_variance=0.1)
        Network('relu', bias_variance=0.1)
        """
        known = self.get_params()
        for name in changes.keys() - known.keys():
            raise TypeError(f"a Network has no argument {name!r}{suggestion(name, tuple(known))}")
        return Network(**{**known, **changes})

    @property
    def first_weight_variance(self) -> float:
        """σw² of the first hidden layer."""
        given = self.input_weight_variance
        return self.weight_variance if given is None else given

    @property
    def first_bias_variance(self) -> float:
        """σb² of the first hidden layer."""
        given = self.input_bias_variance
        return self.bias_variance if given is None else given

    @property
    def has_biases(self) -> bool:
        """Whether any hidden layer has biases."""
        return self.first_bias_variance > 0.0 or (self.depth > 1 and self.bias_variance > 0.0)

    def augmented(self, X: npt.NDArray[np.floating]) -> Array:
        """Return the rows whose inner products are Σ⁰.

        Parameters
        ----------
        X : (n, d) array
            Rows.

        Returns
        -------
        (n, d) or (n, d + 1) float64 array
            A new one; a column more where the first layer has biases.
        """
        rows = np.array(X, dtype=np.float64)
        if self.first_weight_variance != 1.0:
            rows *= np.sqrt(self.first_weight_variance)
        if self.first_bias_variance > 0.0:
            bias = np.full((rows.shape[0], 1), np.sqrt(self.first_bias_variance))
            rows = np.concatenate([rows, bias], axis=1)
        return rows

    def homogeneity(self) -> int | None:
        """Return the p with ``entry = (|x||y|)**p K(ρ)``, or None where norms do not factor out."""
        power = self.activation.homogeneity
        if power is None or (self.depth > 1 and self.bias_variance > 0.0):
            return None
        return int(power**self.depth)

    def is_zero(self, kind: str) -> bool:
        """Whether every entry is zero: "gradient" where f' is zero almost everywhere.

        Parameters
        ----------
        kind : {"gradient", "nngp", "ntk"}
            Of the Gram matrix.

        Returns
        -------
        bool
        """
        return kind == "gradient" and self.activation.flat

    def normalisation(self) -> float:
        """Return 1/E φ(z)², what squares of φ and φ' are multiplied by; 1 without `normalize`."""
        return 1.0 / self._second_moment if self.normalize else 1.0

    @functools.cached_property
    def _second_moment(self) -> float:
        return float(mean_squares(self.activation, False, np.ones(1))[0])


def as_network(network: str | Activation | Network) -> Network:
    """Return a Network; a string or an Activation is short for ``Network(it)``."""
    if isinstance(network, Network):
        return network
    if isinstance(network, str) and network in KINDS:
        raise ValueError(f"{network!r} is a kind and no activation: was kind={network!r} meant?")
    if isinstance(network, (str, Activation)):
        return Network(network)
    raise TypeError(
        f"network must be a Network, an activation or its name, not {type(network).__name__}"
    )


def refuse_as_rows(value: Any, name: str) -> None:
    """Refuse a network or a word where rows are meant to be, and ask what was meant.

    Raises
    ------
    TypeError
    """
    if isinstance(value, str):
        option = "kind" if value in KINDS else "network"
        told, meant = f"the string {value!r}", f"{option}={value!r}"
    elif isinstance(value, (Activation, Network)):
        told = f"{'an' if isinstance(value, Activation) else 'a'} {type(value).__name__}"
        meant = "network=…"
    else:
        return
    raise TypeError(f"{name} must be rows, an array of numbers, not {told}: was {meant} meant?")
