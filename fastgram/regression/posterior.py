"""posterior_variance(): of a Gaussian process at new rows, between bounds.

The variance at x is k(x, x) − kᵀA⁻¹k, k the entries between x and the rows of A, the ridge on its
diagonal. kᵀA⁻¹k is the energy of `solve`, which has bounds on both sides.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastgram.bracket import Brackets
from fastgram.devices.registry import DEVICES
from fastgram.matrix.entries import as_columns
from fastgram.matrix.operator import GramOperator, matrix_of
from fastgram.regression.solve import solve
from fastgram.support.threads import within_threads
from fastgram.support.validation import as_number

__all__ = ["posterior_variance"]

_EPS = float(np.finfo(np.float64).eps)


@within_threads()
def posterior_variance(
    op: GramOperator,
    X_new: npt.ArrayLike,
    *,
    rtol: float = 1e-6,
    preconditioner: Literal["auto", "nystrom"] | Any | None = "auto",
    max_passes: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Brackets:
    """Bound the posterior variances of a Gaussian process at new rows.

    Parameters
    ----------
    op : GramOperator
        Of the rows that were seen, its ridge the variance of the noise.
    X_new : (k, d) array_like
        Rows to predict at: one block run solves for all of them, in k·n·8 bytes and a few times
        that.
    rtol : float
        See `solve`, as of the next four.
    preconditioner : {"auto", "nystrom"}, Preconditioner or None
        As above.
    max_passes : int, optional
        As above.
    seed : int
        As above.
    progress : bool
        As above.

    Returns
    -------
    Brackets
        k of them, at least 0, in the units of the entries: of the function, the noise left out.

    Raises
    ------
    ValueError, TypeError
        As `solve` and `GramOperator` do, or if op is no GramOperator.

    Examples
    --------
    >>> import fastgram as fg
    >>> X = fg.datasets.circle(20)
    >>> op = fg.GramOperator(X[::2], "relu", kind="nngp", ridge=1e-4)
    >>> variance = fg.posterior_variance(op, X)
    >>> bool(variance.upper[0] < 1e-4 < variance.lower[1])
    True
    """
    if not isinstance(op, GramOperator):
        raise TypeError(f"op must be a GramOperator, not {type(op).__name__}")
    rtol = as_number("rtol", rtol, above=0.0)
    matrix, n = matrix_of(op), op.shape[0]
    seen, new = matrix.given_rows, as_columns(X_new, matrix.given_rows, name="X_new")
    device = op.device if op.device in DEVICES else "cpu"
    # of all rows together, whose error is no smaller than that of a part
    whole = GramOperator(np.concatenate([seen, new]), op.network, kind=op.kind, device=device)
    columns = np.asarray(whole.rows(slice(n, None)), dtype=np.float64)[:, :n].T
    answer = solve(
        op,
        columns,
        rtol=rtol,
        preconditioner=preconditioner,
        max_passes=max_passes,
        seed=seed,
        progress=progress,
    )
    energy, prior = answer.energy, whole.diagonal()[n:]
    assert isinstance(energy, Brackets)
    # a column that is off by e in norm moves the energy by 2e‖x‖ and e²/λ_min
    off = matrix_of(whole).entries.norm_error
    lengths = np.linalg.norm(answer.x, axis=0) + answer.error_bounds
    moved = off * (2.0 * lengths + off / answer.smallest.lower) + off + 8.0 * _EPS * prior
    low = np.maximum(prior - energy.upper - moved, 0.0)
    high = np.maximum(prior - energy.lower + moved, low)
    middle = np.clip(prior - energy.estimate, low, high)
    return Brackets(low, high, middle, energy.guarantee)
