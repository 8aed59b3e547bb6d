"""Tables evaluated in the tests' own words, from the contract in fastgram.kernels."""

from __future__ import annotations

import numpy as np

from fastgram.kernels.contract import PieceVariable

__all__ = ["end", "fallen", "value"]


def fallen(table, theta, far):
    """K(end) − K at angles in [0, π/2] from that end, in float64: s times the polynomial."""
    s = np.atleast_1d(np.sin(np.asarray(theta, dtype=np.float64) / 2.0))
    rho = (1.0 - 2.0 * s * s) * (-1.0 if far else 1.0)
    result = np.full(s.shape, np.nan)
    for piece, mode in enumerate(table.modes):
        if mode == (PieceVariable.FROM_ONE if far else PieceVariable.FROM_MINUS_ONE):
            continue
        here = (table.lows[piece] <= s * s) & (s * s < table.highs[piece])
        step, shift, scale = table.cell_map[piece].astype(np.float64)
        cells = table.cells[piece].astype(np.float64)
        counted = step * (rho if mode == PieceVariable.FROM_NEARER else s) + shift
        cell = np.clip(np.rint(counted), 0, cells.shape[1] - 1).astype(int)
        assert np.all(cells[1, cell[here]] == float(end(table, far).astype(table.cells.dtype)))
        t = scale * s + cells[0, cell]
        assert np.all(np.abs(t[here]) <= 1.0 + 1e-6)
        total = np.zeros_like(s)
        for coefficients in cells[2:]:
            total = total * t + coefficients[cell]
        result[here] = (s * total)[here]
    return result.reshape(np.shape(theta))


def end(table, far):
    return np.float64(table.at_minus_one if far else table.at_one)


def value(table, theta):
    """The table at angles in [0, π], in float64."""
    theta = np.asarray(theta, dtype=np.float64)
    far = theta > np.pi / 2
    ends = [
        end(table, side)
        - fallen(table, np.where(far == side, np.pi * side + (1 - 2 * side) * theta, 0.0), side)
        for side in (False, True)
    ]
    return np.where(far, ends[1], ends[0])
