"""NetworkRidge: kernel ridge regression with the kernel of a network, solved with bounds."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastgram.matrix.operator import GramOperator
from fastgram.network.activations import Activation
from fastgram.network.network import Network
from fastgram.regression.solve import solve
from fastgram.support.arrays import Array
from fastgram.support.literals import DeviceName, Kind
from fastgram.support.validation import as_number

__all__ = ["NetworkRidge"]


class NetworkRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Kernel ridge regression with the kernel of a network of infinite width.

    It minimises Σᵢ wᵢ(yᵢ − f(xᵢ))² + α‖f‖² over the functions of the kernel's space: with kind
    "ntk" what a wide network trained by gradient descent tends to as α does to 0, with "nngp" the
    mean of its Gaussian process under noise of variance α. The system (K + α·I) c = y is solved by
    `fastgram.solve`, by tiles, so that the matrix need not fit in memory, and with a bound of the
    error.

    Parameters
    ----------
    activation : str or Activation
        φ; a name may carry its parameters, ``"leaky_relu(negative_slope=0.2)"``.
    depth : int
        Hidden layers.
    kind : {"ntk", "nngp", "gradient"}
        Which kernel: see `fastgram.Network`.
    weight_variance, bias_variance : float
        σw², above 0, and σb², at least 0.
    normalize : bool
        Scale φ so that E φ(z)² = 1 for z ~ N(0, 1).
    alpha : float
        The ridge α, at least 0, in the units of the kernel's entries. With 0 the data are
        interpolated, where the matrix is not singular.
    rtol : float
        The residual of the system over ‖y‖, at most, a column of y.
    device : {"cpu", "gpu", "auto"}
        What computes: see `fastgram.GramOperator`.

    Attributes
    ----------
    dual_coef_ : (n,) or (n, k) float64 array
        c: f(x) = Σᵢ K(x, xᵢ)·cᵢ.
    X_fit_ : (n, d) array
        A copy of the rows that c belongs to: those that were fitted, without those of weight 0.
    network_ : fastgram.Network
    solution_ : fastgram.Solution
        With `error_bounds` of c, the norms of the residuals, the passes that it took and `message`.
    n_features_in_ : int
    feature_names_in_ : (d,) array of str
        Where X had names.

    Raises
    ------
    ValueError, TypeError
        When it is fitted, for parameters or rows that are out of range or of the wrong kind, or
        where alpha is 0 and the matrix singular (the message says which ridge would help).

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        Where the residual stays above rtol.

    Notes
    -----
    There is no intercept: centre y, or give the network biases. A weight wᵢ is a ridge of α/wᵢ on
    that row, so that a weight of 2 is the row twice; with alpha=0 weights above 0 change nothing.

    References
    ----------
    A. Jacot, F. Gabriel and C. Hongler, *Neural Tangent Kernel*, NeurIPS 2018.

    Examples
    --------
    >>> import fastgram as fg
    >>> from fastgram.sklearn import NetworkRidge
    >>> X = fg.datasets.circle(25)
    >>> model = NetworkRidge("relu", depth=2, alpha=1e-3).fit(X, X[:, 0] * X[:, 1])
    >>> bool(model.score(X, X[:, 0] * X[:, 1]) > 0.99)
    True
    >>> model.solution_.guarantee
    'certified'
    """

    def __init__(
        self,
        activation: str | Activation = "relu",
        *,
        depth: int = 1,
        kind: Kind = "ntk",
        weight_variance: float = 1.0,
        bias_variance: float = 0.0,
        normalize: bool = False,
        alpha: float = 1.0,
        rtol: float = 1e-6,
        device: DeviceName = "cpu",
    ) -> None:
        self.activation = activation
        self.depth = depth
        self.kind = kind
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.normalize = normalize
        self.alpha = alpha
        self.rtol = rtol
        self.device = device

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> NetworkRidge:
        """Solve for the coefficients.

        Parameters
        ----------
        X : (n, d) array_like
            Samples, taken as they are: nothing scales the rows.
        y : (n,) or (n, k) array_like
            Real; all columns are solved for in one block run.
        sample_weight : float or (n,) array_like, optional
            At least 0; None is 1 for each.

        Returns
        -------
        self
        """
        alpha = as_number("alpha", self.alpha, least=0.0)
        names = ("activation", "depth", "weight_variance", "bias_variance", "normalize")
        network = Network(**{name: getattr(self, name) for name in names})
        rows, labels = validate_data(self, X, y, multi_output=True, y_numeric=True, copy=True)
        ridge: float | Array = alpha
        if sample_weight is not None:
            rows, labels, ridge = _weighted(rows, labels, alpha, sample_weight)
        op = GramOperator(rows, network, kind=self.kind, ridge=ridge, device=self.device)
        solution = solve(op, labels, rtol=self.rtol)
        if not solution.converged:
            warnings.warn(
                f"the residual is above rtol={self.rtol:g}: {solution.message}",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.network_, self.X_fit_ = network, rows
        self.solution_, self.dual_coef_ = solution, solution.x
        return self

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return f at the rows of X, by tiles: (m,) or (m, k) float64, as y was.

        Parameters
        ----------
        X : (m, d) array_like
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False)
        op = GramOperator(rows, self.network_, Y=self.X_fit_, kind=self.kind, device=self.device)
        return np.asarray(op @ self.dual_coef_)


def _weighted(
    X: Array, y: Array, alpha: float, sample_weight: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    """Return the rows that count, their labels, and the ridge of each."""
    weights: Any = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ridge = alpha / weights
    counts = np.isfinite(ridge)  # a weight of 0 does not, nor one that no float64 tells from it
    if not np.any(counts):
        raise ValueError("sample_weight is 0 everywhere: at least one row must count")
    return X[counts], y[counts], ridge[counts]
