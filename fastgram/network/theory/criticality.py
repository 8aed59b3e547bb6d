"""The edge of chaos: variances at which neither signals nor gradients grow or fade with depth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgram.network.activations import Activation, get_activation
from fastgram.network.integrals.line_quadrature import mean_squares
from fastgram.support.validation import as_number

__all__ = ["CriticalVariances", "critical_variances"]

# What σb²/q is off by: the rounding of two integrals and of their difference.
_ROUNDING = 32.0 * float(np.finfo(np.float64).eps)


class CriticalVariances(NamedTuple):
    """Variances of weights and biases at the edge of chaos.

    Attributes
    ----------
    weight_variance, bias_variance : float
    """

    weight_variance: float
    bias_variance: float


def critical_variances(activation: str | Activation, q: float = 1.0) -> CriticalVariances:
    """Return the variances of weights and biases at the edge of chaos, with the fixed point q.

    Parameters
    ----------
    activation : str or Activation
        f: its name or the Activation itself.
    q : float
        The variance of every layer's input, above 0.

    Returns
    -------
    CriticalVariances
        A named tuple, ``(weight_variance, bias_variance)``, as `Network` takes them: σw² to a few
        roundings, σb² to some 1e-14·q. A σb² that is less than that is 0.

    Raises
    ------
    ValueError
        If there are none: f' is zero almost everywhere, or a layer's output is so large that σb²
        would have to be below 0; or if q is not above 0 and finite.
    TypeError
        If an argument is of the wrong kind.

    Notes
    -----
    With z ~ N(0, 1) they solve

        σw²·E f'(√q z)² = 1,   σw²·E f(√q z)² + σb² = q:

    rows of variance q keep it through a layer, and the correlation of two of them tends to 1 with
    depth neither exponentially fast (order) nor away from it (chaos); gradients keep their size
    (Poole et al., NIPS 2016; Schoenholz et al., ICLR 2017). Under relu it is (2, 0) at any q, He's
    initialisation. Unit rows have the variance q in the first layer where its weights and biases
    have variances that add up to q: ``Network(…, input_weight_variance=q, input_bias_variance=0)``.

    Examples
    --------
    >>> import fastgram as fg
    >>> weight, bias = fg.critical_variances("tanh", q=0.5)
    >>> round(weight, 6), round(bias, 6)
    (1.687975, 0.038041)
    """
    known, q = get_activation(activation), as_number("q", q, above=0.0)
    at = np.array([q])
    slope = float(mean_squares(known, True, at)[0])
    if known.flat or slope == 0.0:
        raise ValueError(f"{known.name} has no edge of chaos: its derivative is zero at q = {q:g}")
    square = float(mean_squares(known, False, at)[0])
    bias = q - square / slope
    if abs(bias) <= _ROUNDING * max(q, square / slope):
        bias = 0.0
    if bias < 0.0:
        raise ValueError(
            f"{known.name} has no edge of chaos with the fixed point q = {q:g}: with σw² ="
            f" {1.0 / slope:.6g} the biases' variance would have to be {bias:.6g}, below 0"
        )
    return CriticalVariances(1.0 / slope, bias)
