"""The handwritten digits that come with the library."""

from __future__ import annotations

import importlib.resources
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from fastgram.support.validation import as_flag

__all__ = ["digits"]

Array = npt.NDArray[np.float64]


@overload
def digits(*, return_X_y: Literal[False] = False) -> Array: ...


@overload
def digits(*, return_X_y: Literal[True]) -> tuple[Array, npt.NDArray[np.int64]]: ...


def digits(*, return_X_y: bool = False) -> Array | tuple[Array, npt.NDArray[np.int64]]:
    """Return the 1797 handwritten digits of the UCI test set, raw.

    Parameters
    ----------
    return_X_y : bool
        Return the digits that are shown as well.

    Returns
    -------
    X : numpy.ndarray
        float64 (1797, 64): 8 x 8 images row by row, whole numbers from 0 (paper) to 16 (ink), in
        the order of ``sklearn.datasets.load_digits``. No two rows are equal or proportional.
    y : numpy.ndarray
        int64 (1797,): which digit each is, 0 to 9; only with `return_X_y`.

    Raises
    ------
    TypeError
        If `return_X_y` is not a bool.

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
       Learning Repository, 1998, https://doi.org/10.24432/C50P49. Licence: CC BY 4.0.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.datasets.digits().shape
    (1797, 64)
    """
    labelled = as_flag("return_X_y", return_X_y)
    shipped = importlib.resources.files("fastgram") / "data" / "digits.npz"
    with shipped.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        X = np.array(archive["X"], dtype=np.float64, order="C")
        return (X, archive["y"].astype(np.int64)) if labelled else X
