"""CheckedOperator: a scipy LinearOperator whose vectors are checked, and may be on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram.devices.device import Device
from fastgram.support.arrays import Array
from fastgram.support.validation import as_vectors, on_gpu

__all__ = ["CheckedOperator"]

# What a product in float64 on the host comes of; any other is of no known type.
_Real = (
    npt.NDArray[np.floating | np.integer | np.bool_] | Sequence[float] | Sequence[Sequence[float]]
)


class CheckedOperator(LinearOperator):  # type: ignore[misc]
    """Vectors as the user has them, for `_matmat` and `_rmatmat` of a class that has these.

    Attributes
    ----------
    _home : Device
        The one that vectors on a GPU go to.
    """

    _home: Device

    def _matvec(self, v: Any) -> Any:
        return self._matmat(v.reshape(-1, 1)).reshape(-1, *v.shape[1:])

    def _rmatvec(self, v: Any) -> Any:
        return self._rmatmat(v.reshape(-1, 1)).reshape(-1, *v.shape[1:])

    # scipy's own begin with numpy.asarray, which drops masks and which arrays on a GPU refuse

    @overload
    def matvec(self, x: _Real) -> Array: ...

    @overload
    def matvec(self, x: Any) -> Any: ...

    def matvec(self, x: Any) -> Any:
        """Return A @ x for a vector (n,) or (n, 1): NumPy's, or CuPy's where x is on a GPU."""
        return self._matvec(self._vector(x, self.shape[1]))

    @overload
    def matmat(self, X: _Real) -> Array: ...

    @overload
    def matmat(self, X: Any) -> Any: ...

    def matmat(self, X: Any) -> Any:
        """Return A @ X for an (n, b) block: NumPy's, or CuPy's where X is on a GPU."""
        return self._matmat(self._vectors(X, self.shape[1]))

    def rmatvec(self, x: Any) -> Any:
        """Return Aᵀ @ x, which without `Y` is what `matvec` returns."""
        return self._rmatvec(self._vector(x, self.shape[0]))

    def rmatmat(self, X: Any) -> Any:
        """Return Aᵀ @ X, which without `Y` is what `matmat` returns."""
        return self._rmatmat(self._vectors(X, self.shape[0]))

    @overload
    def dot(self, x: _Real) -> Array: ...

    @overload
    def dot(self, x: Any) -> Any: ...

    def dot(self, x: Any) -> Any:
        """Return A @ x, as `matvec` and `matmat` do; another operator or a number is scipy's."""
        if isinstance(x, LinearOperator) or np.isscalar(x):
            return super().dot(x)
        axes = x.ndim if hasattr(x, "ndim") else np.ndim(x)  # NumPy refuses arrays on a GPU
        return self.matmat(x) if axes == 2 else self.matvec(x)

    @overload
    def __matmul__(self, x: _Real) -> Array: ...

    @overload
    def __matmul__(self, x: Any) -> Any: ...

    def __matmul__(self, x: Any) -> Any:
        return super().__matmul__(x)

    def __rmul__(self, x: Any) -> Any:
        if np.isscalar(x):
            return super().__rmul__(x)
        x = self._taken(x).T
        return (self.rmatmat(x) if x.ndim == 2 else self.rmatvec(x)).T

    def __rmatmul__(self, x: Any) -> Any:
        if np.isscalar(x):
            return super().__rmatmul__(x)
        return self.__rmul__(x)

    def _taken(self, x: Any) -> Any:
        """Return vectors as an array of the host, or those on a GPU as one of the first device."""
        if not on_gpu(x):
            return as_vectors(x)
        return self._home.from_gpu(x)

    def _vector(self, x: Any, size: int) -> Any:
        x = self._taken(x)
        if x.shape not in ((size,), (size, 1)):
            raise ValueError(
                f"dimension mismatch: the vector must have {size} entries, not shape {x.shape}"
            )
        return x

    def _vectors(self, X: Any, size: int) -> Any:
        X = self._taken(X)
        if X.ndim != 2 or X.shape[0] != size:
            raise ValueError(
                f"dimension mismatch: the block must have {size} rows, not shape {X.shape}"
            )
        return X
