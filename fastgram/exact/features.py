"""The Gram matrix of a network of finite width, enclosed in balls.

The weights are the float64 numbers that `fastgram.network.weights` draws, taken as exact, as the
rows are: the first layer's products ⟨w, x⟩ are exact rationals, so that the side of a kink at 0 on
which one lies, and whether it is 0, are decided exactly. From there on the features are those of
`fastgram.finite_width.features`: with F the inputs of a layer (of the first (√σw²·x, √σb²), of the
next ones (√(σw²/m)·φ(z), √σb²)) and B the gradients at its z = F Vᵀ, a kind is a sum of
(B Bᵀ) ∘ (F Fᵀ), and of φ(z)φ(z)ᵀ/m.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flint import arb, arb_mat

from fastgram.exact.branches import Elementwise
from fastgram.exact.entries import as_integers, normalisation
from fastgram.exact.formulas import Formula
from fastgram.network.network import Network
from fastgram.network.weights import draw_weights
from fastgram.support.arrays import Array
from fastgram.support.memory import require_memory

__all__ = ["DrawnNetwork", "bytes_of", "seconds_of"]

# Of a number: a ball of some 200 bits, and the object that holds it while a list is made of it.
_BYTES = 350.0
# Of one processor core, for a value of f or f' and for a product of two numbers.
_VALUE_SECONDS, _PRODUCT_SECONDS = 8e-6, 1e-8


def bytes_of(network: Network, n: int, d: int) -> float:
    """Return about how many bytes the features of n rows of length d, and the weights, take."""
    m, above = _shape(network)
    return _BYTES * m * (2 * n * (above + 1) + d + (2 * m if above else 0))


def seconds_of(network: Network, n: int) -> float:
    """Return about how many seconds the Gram matrix of n rows takes, once."""
    m, above = _shape(network)
    values = 2 * (above + 1)
    return n * m * (_VALUE_SECONDS * values + _PRODUCT_SECONDS * (n * values + 4 * m * above))


def _shape(network: Network) -> tuple[int, int]:
    """Return the width, and how many layers are above the first."""
    assert network.width is not None
    return network.width, network.depth - 1


class DrawnNetwork:
    """A network of finite width at some rows.

    Parameters
    ----------
    X : (n, d) array
    unit : bool
        Whether the rows, none of which is zero then, are scaled to norm 1.
    network : Network
        Of finite width.
    kind : {"gradient", "nngp", "ntk"}
    formula : Formula
        Of the network's activation.

    Raises
    ------
    ValueError
        If the weights or features do not fit in the memory that is free.
    """

    def __init__(self, X: Array, unit: bool, network: Network, kind: str, formula: Formula) -> None:
        n, d = X.shape
        words = f"features of {n} rows in balls at width {network.width}"
        require_memory(words, int(bytes_of(network, n, d)))
        self._weights = draw_weights(network, d)
        self._network, self._kind, self._formula = network, kind, formula
        self._first = _FirstLayer(X, unit, self._weights.layers[0], network)

    def gram(self, bits: int) -> arb_mat:
        """Enclose the Gram matrix at the precision of `flint.ctx`; `bits` are of E φ² alone.

        Raises
        ------
        ValueError
            If more than a thousand bits do not tell a preactivation from a kink.
        """
        network, m = self._network, self._weights.readout.size
        factor = normalisation(self._formula, bits) if network.normalize else arb(1)
        forward = self._forward(factor)
        parts = []
        if self._kind != "gradient":
            values = forward.values(-1)
            parts.append(values * values.transpose() * (factor / m))
        if self._kind == "nngp":
            return parts[0]
        scale = (factor / m).sqrt()
        readout = [scale * arb(a) for a in self._weights.readout.tolist()]
        backward = _by_columns(forward.slopes(-1), readout)
        parts.append(_hadamard(backward * backward.transpose(), forward.products[-1]))
        below = range(network.depth - 1, 0, -1) if self._kind == "ntk" else ()
        for layer in below:
            slopes = forward.slopes(layer - 1)
            backward = _hadamard(backward * forward.weights[layer] * forward.step, slopes)
            product = forward.products[layer - 1]
            parts.append(_hadamard(backward * backward.transpose(), product))
        return sum(parts[1:], parts[0])

    def _forward(self, factor: arb) -> _Forward:
        """Go up through the layers; `factor` is that of squares of φ."""
        network = self._network
        bias = arb(network.bias_variance)
        step = (arb(network.weight_variance) * factor / self._weights.readout.size).sqrt()
        functions = [
            Elementwise(network.activation, self._formula.branches(derivative), derivative)
            for derivative in (False, True)
        ]
        forward = _Forward(functions, step, [self._first.preactivations()], [], [arb_mat(0, 0)])
        forward.products.append(self._first.products())
        for drawn in self._weights.layers[1:]:
            weights, biases = _exact(drawn)
            values = forward.values(-1)
            forward.weights.append(weights)
            z = values * weights.transpose() * step
            forward.preactivations.append(_plus_rows(z, [bias.sqrt() * b for b in biases]))
            square = values * values.transpose() * (step * step)
            forward.products.append(_plus_rows(square, [bias] * square.ncols()))
        return forward


@dataclass(frozen=True)
class _Forward:
    """What the layers of a network have at its rows, at one precision.

    Attributes
    ----------
    functions : list of Elementwise
        f and f'.
    step : arb
        √(σw²/m), and the factor of a normalised network.
    preactivations : list of (n, m) arb_mat
        z of each layer.
    products : list of (n, n) arb_mat
        F Fᵀ of each layer.
    weights : list of (m, m) arb_mat
        Without biases; of the first layer a placeholder.
    """

    functions: list[Elementwise]
    step: arb
    preactivations: list[arb_mat]
    products: list[arb_mat]
    weights: list[arb_mat]

    def values(self, layer: int) -> arb_mat:
        """Return f(z) of a layer."""
        return _mapped(self.functions[0], self.preactivations[layer])

    def slopes(self, layer: int) -> arb_mat:
        """Return f'(z) of a layer."""
        return _mapped(self.functions[1], self.preactivations[layer])


class _FirstLayer:
    """z and F Fᵀ of the first layer, from exact products of rows and of rows and weights."""

    def __init__(self, X: Array, unit: bool, drawn: Array, network: Network) -> None:
        d = X.shape[1]
        rows, row_scale = as_integers(X)
        weights, self._weight_scale = as_integers(drawn[:, :d])
        self._squares = (rows * rows.transpose()).tolist()
        self._products = (rows * weights.transpose()).tolist()
        self._row_scale = None if unit else row_scale
        self._biases = drawn[:, d].tolist() if drawn.shape[1] > d else [0.0] * drawn.shape[0]
        self._variances = network.first_weight_variance, network.first_bias_variance

    def preactivations(self) -> arb_mat:
        """Enclose √σw²·⟨w, x⟩ + √σb²·bias; one that is 0 by exact arithmetic is an exact 0."""
        weight, bias = (arb(variance).sqrt() for variance in self._variances)
        scales = [weight * scale / self._weight_scale for scale in self._scales()]
        biases = [bias * arb(b) for b in self._biases]
        rows = zip(self._products, scales, strict=True)
        return arb_mat([[s * p + b for p, b in zip(row, biases, strict=True)] for row, s in rows])

    def products(self) -> arb_mat:
        """Enclose F Fᵀ of the first layer, σw²⟨x, y⟩ + σb²."""
        weight, bias = map(arb, self._variances)
        scales = self._scales()
        rows = zip(self._squares, [weight * s for s in scales], strict=True)
        return arb_mat(
            [[s * t * p + bias for p, t in zip(r, scales, strict=True)] for r, s in rows]
        )

    def _scales(self) -> list[arb]:
        """Return what the rows of integers are multiplied by."""
        if self._row_scale is not None:
            return [1 / arb(self._row_scale)] * len(self._squares)
        return [arb(row[i]).rsqrt() for i, row in enumerate(self._squares)]


def _exact(drawn: Array) -> tuple[arb_mat, list[arb]]:
    """Return the weights of a layer above the first and its biases, without rounding."""
    m = drawn.shape[0]
    biases = drawn[:, m].tolist() if drawn.shape[1] > m else [0.0] * m
    return arb_mat(drawn[:, :m].tolist()), list(map(arb, biases))


def _mapped(function: Callable[[arb], arb], M: arb_mat) -> arb_mat:
    return arb_mat(M.nrows(), M.ncols(), list(map(function, M.entries())))


def _by_columns(M: arb_mat, factors: list[arb]) -> arb_mat:
    return arb_mat([[x * a for x, a in zip(row, factors, strict=True)] for row in M.tolist()])


def _plus_rows(M: arb_mat, row: list[arb]) -> arb_mat:
    return arb_mat([[x + b for x, b in zip(each, row, strict=True)] for each in M.tolist()])


def _hadamard(A: arb_mat, B: arb_mat) -> arb_mat:
    products = [x * y for x, y in zip(A.entries(), B.entries(), strict=True)]
    return arb_mat(A.nrows(), A.ncols(), products)
