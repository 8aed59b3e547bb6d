"""A Gram entry between rows of one norm over their scales as a power series of their cosine.

It promises nothing: what uses the coefficients must hold for any that are not negative.
"""

from __future__ import annotations

import numpy as np

from fastgram.infinite_width.kernel_function import row_scale
from fastgram.network.network import Network
from fastgram.network.theory.power_series import expand
from fastgram.support.arrays import Array

__all__ = ["power_series"]

_TERMS = 4  # Hermite coefficients of a layer for each of the series


def power_series(network: Network, kind: str, norm: float, order: int) -> Array:
    """Return the coefficients of an entry over two row scales as a series of the rows' cosine.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    norm : float
        Of the augmented rows, above 0.
    order : int
        The highest power.

    Returns
    -------
    (order + 1,) array
        None is negative. In a deep network, where all rows are much alike, they lack what further
        Hermite coefficients of a layer would add.
    """
    scale = float(row_scale(network, kind, np.array([norm]))[0])
    terms = _TERMS * (order + 1)
    return expand(network, kind, order + 1, (0.0, norm**2), terms) / scale**2
