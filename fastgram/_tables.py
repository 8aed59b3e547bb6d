"""From a function of the angle between two rows to the polynomials that the kernels evaluate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastgram._pieces import DEGREE, POWERS, Piece, Profile, cut, largest, whole
from fastgram._validation import as_dtype
from fastgram.kernels import CHAINS, Table

__all__ = ["ROUNDINGS", "Profile", "build_table"]

Array = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Truncation allowed, relative to the table's scale, by the dtype of the tiles.
_TOLERANCE = {np.dtype(np.float64): 5e-15, np.dtype(np.float32): 4e-9}
# What the quadrature and the Horner chains add a layer, in roundings of the scale: twice the worst
# that was seen against 20-digit values, at depths up to 100.
ROUNDINGS = 24


def build_table(
    profile: Profile, dtype: npt.DTypeLike = np.float64, scale: float | None = None
) -> Table:
    """Build the table of a profile of one function, for tiles of a dtype.

    Parameters
    ----------
    profile : Profile
    dtype : {float64, float32}
        float32 tables hold 4e-9 of the scale and their coefficients are rounded to float32.
    scale : float, optional
        What the samples carry the rounding of; None takes the largest value of the profile, which
        may be the small difference of larger ones.

    Returns
    -------
    Table
        Its `error` is at most 2e-14 of its `scale` in float64 at depth 1, and 6e-15 more a layer.

    Raises
    ------
    ValueError
        If the function is too rough for any number of pieces: an undeclared kink.
    """
    kind = as_dtype(dtype)
    if scale is None:
        scale = float(largest(profile)[0])
    # the samples themselves carry the rounding of all layers
    tolerance = _TOLERANCE[kind] * (1.0 + profile.layers / 8.0) * scale
    pieces = cut(profile, whole(), np.array([tolerance]))
    chain = next(
        c
        for c in CHAINS
        if 2 * c - 1 == DEGREE or all(p.fit(2 * c - 1)[1][0] <= tolerance for p in pieces)
    )
    return _assemble(pieces, chain, profile, scale, kind)


def _assemble(
    pieces: list[Piece], chain: int, profile: Profile, scale: float, kind: np.dtype[np.floating]
) -> Table:
    edges = np.array([2.0, *(piece.edges()[0] for piece in pieces)])
    edges[-1] = -2.0  # rounding may put a cosine just outside [−1, 1]
    lows = np.array([piece.low for piece in pieces])
    highs = np.array([piece.high for piece in pieces])
    coefficients = np.zeros((len(pieces), 2, chain))
    slopes, residuals = [], []
    for p, piece in enumerate(pieces):
        series, error = piece.fit(2 * chain - 1)
        power = (POWERS[: 2 * chain, : 2 * chain] @ series)[:, 0]
        coefficients[p, 0] = power[0::2][::-1]
        coefficients[p, 1] = power[1::2][::-1]
        slopes.append(float(piece.slopes(series)[0]))
        residuals.append(float(error[0]))
    bound = max(residuals) + ROUNDINGS * profile.layers * _EPS * scale
    if kind == np.float32:
        bound += 8 * float(np.finfo(np.float32).eps) * scale
    return Table(
        edges=edges.astype(kind),
        modes=np.array([piece.mode for piece in pieces], dtype=np.int64),
        slopes=(2.0 / (highs - lows)).astype(kind),
        offsets=(-(highs + lows) / (highs - lows)).astype(kind),
        bases=np.array([piece.bases[0] for piece in pieces]).astype(kind),
        coefficients=coefficients.astype(kind),
        at_one=float(profile.at_one[0]),
        at_minus_one=float(profile.at_minus_one[0]),
        scale=scale,
        error=bound,
        slope=max(slopes),
    )
