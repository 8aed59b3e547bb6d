"""NetworkKernel: the kernel of a network of infinite width as scikit-learn's kernels are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.matrix.gram import gram
from fastgram.network.activations import Activation
from fastgram.network.network import KINDS, Network
from fastgram.support.arrays import Array
from fastgram.support.literals import DeviceName, Kind
from fastgram.support.validation import as_choice, as_rows

__all__ = ["NetworkKernel"]

Bounds = tuple[float, float] | str

# Of the logarithm of a variance, one layer. What a central difference leaves out, step²/6 of the
# third derivative, is as smooth as the kernel is; the entries' rounding over the step is not, and
# is what the inverse of a matrix near a singular one would magnify: so it is kept the smaller.
_STEP = 1e-3


class NetworkKernel(Kernel):  # type: ignore[misc]
    """The kernel of a network of infinite width, for whatever takes a kernel in scikit-learn.

    It is called on whole sets of rows and never on one pair after the other, by
    `GaussianProcessRegressor` and `GaussianProcessClassifier`, as ``kernel=`` of `KernelRidge`,
    `KernelPCA`, `Nystroem`, `SVC` and `SVR`, and as ``affinity=`` of `SpectralClustering`. (A
    function such as ``functools.partial(fg.gram, network=network)`` is called so by `SVC` and `SVR`
    alone, by the others on pairs.)

    Parameters
    ----------
    activation : str or Activation
        φ; a name may carry its parameters, ``"leaky_relu(negative_slope=0.2)"``.
    depth : int
        Hidden layers.
    kind : {"nngp", "ntk", "gradient"}
        Which kernel: see `fastgram.Network`.
    weight_variance : float
        σw², above 0: a hyperparameter.
    bias_variance : float
        σb², at least 0: a hyperparameter where it is above 0. 0 means no biases, and stays 0
        whatever its bounds.
    normalize : bool
        Scale φ so that E φ(z)² = 1 for z ~ N(0, 1).
    weight_variance_bounds, bias_variance_bounds : (float, float) or "fixed"
        Least and largest value that an optimisation may take; "fixed" leaves it as it is. A deep
        network degenerates between wide bounds: see Raises.
    device : {"cpu", "gpu", "auto"}
        What computes: see `fastgram.gram`.

    Attributes
    ----------
    theta : (0 to 2,) float64 array
        Logarithms of the hyperparameters that are not fixed, the bias variance first.

    Raises
    ------
    ValueError, TypeError
        When it is called, for parameters that are out of range or of the wrong kind, and for rows
        and depths that `fastgram.gram` refuses: a depth at which the variance of a row overflows
        or vanishes, for one.

    Notes
    -----
    The derivative by the weight variance is a multiple of the kernel itself under homogeneous
    activations (relu, leaky_relu, abs, step, linear) without biases; all others are central
    differences in the logarithm, of two more kernels each, good to some 1e-6 of the kernel.

    Every value of a variance needs tables of its own: some 0.1 s for rows of one norm, and under
    homogeneous activations (in deeper layers without biases) for all rows; else seconds or more for
    rows of many norms, a minute for some. Scale rows to norm 1 before an optimisation
    (`sklearn.preprocessing.Normalizer`).

    `SpectralClustering` wants affinities that are not negative: those of relu's "nngp" are, tanh's
    need not be.

    References
    ----------
    J. Lee et al., *Deep Neural Networks as Gaussian Processes*, ICLR 2018.

    Examples
    --------
    >>> import fastgram as fg
    >>> from fastgram.sklearn import NetworkKernel
    >>> from sklearn.gaussian_process import GaussianProcessRegressor
    >>> X = fg.datasets.circle(25)
    >>> kernel = 2.0 * NetworkKernel("erf", weight_variance_bounds=(0.1, 10.0), bias_variance=0.1)
    >>> model = GaussianProcessRegressor(kernel, alpha=1e-2).fit(X, X[:, 0] ** 2)
    >>> bool(model.score(X, X[:, 0] ** 2) > 0.99)
    True
    """

    def __init__(
        self,
        activation: str | Activation = "relu",
        *,
        depth: int = 1,
        kind: Kind = "nngp",
        weight_variance: float = 1.0,
        bias_variance: float = 0.0,
        normalize: bool = False,
        weight_variance_bounds: Bounds = (1e-3, 1e3),
        bias_variance_bounds: Bounds = (1e-3, 1e3),
        device: DeviceName = "cpu",
    ) -> None:
        self.activation = activation
        self.depth = depth
        self.kind = kind
        self.weight_variance = weight_variance
        self.bias_variance = bias_variance
        self.normalize = normalize
        self.weight_variance_bounds = weight_variance_bounds
        self.bias_variance_bounds = bias_variance_bounds
        self.device = device

    @property
    def hyperparameter_weight_variance(self) -> Hyperparameter:
        """What scikit-learn is told of the weight variance."""
        return Hyperparameter("weight_variance", "numeric", self.weight_variance_bounds)

    @property
    def hyperparameter_bias_variance(self) -> Hyperparameter:
        """What scikit-learn is told of the bias variance: fixed where it is 0, as log 0 is none."""
        bounds = self.bias_variance_bounds if self.bias_variance else "fixed"
        return Hyperparameter("bias_variance", "numeric", bounds)

    def __call__(
        self, X: npt.ArrayLike, Y: npt.ArrayLike | None = None, eval_gradient: bool = False
    ) -> Any:
        """Return the kernel between the rows of X and of Y, and its derivatives if asked for.

        Parameters
        ----------
        X : (n, d) array_like
        Y : (m, d) array_like, optional
            None, or X itself, is X: half of the matrix is then computed.
        eval_gradient : bool
            With the derivatives by `theta`; only where Y is None.

        Returns
        -------
        K : (n, m) float64 array
        K_gradient : (n, n, len(theta)) float64 array
            With `eval_gradient` alone.
        """
        if eval_gradient and Y is not None:
            raise ValueError("eval_gradient= is of the kernel of X with itself: leave Y out")
        K = self._matrix(X, None if Y is X else Y, self._network())
        return (K, self._gradient(X, K)) if eval_gradient else K

    def diag(self, X: npt.ArrayLike) -> Array:
        """Return the kernel of each row of X with itself.

        Parameters
        ----------
        X : (n, d) array_like
            Rows.

        Returns
        -------
        (n,) float64 array
        """
        network, kind = self._network(), as_choice("kind", self.kind, KINDS)
        rows = UnitRows.of(network.augmented(as_rows(X)), np.dtype(np.float64))
        return diagonal_entries(network, kind, rows.norms)

    def is_stationary(self) -> bool:
        """Return False: it depends on the rows and not on their difference."""
        return False

    def __repr__(self) -> str:
        parts = [repr(self.activation), f"depth={self.depth}", f"kind={self.kind!r}"]
        parts += [f"weight_variance={self.weight_variance:.3g}"]
        parts += [f"bias_variance={self.bias_variance:.3g}"]
        parts += ["normalize=True"] if self.normalize else []
        return f"NetworkKernel({', '.join(parts)})"

    def _network(self) -> Network:
        names = ("activation", "depth", "weight_variance", "bias_variance", "normalize")
        return Network(**{name: getattr(self, name) for name in names})

    def _matrix(self, X: npt.ArrayLike, Y: npt.ArrayLike | None, network: Network) -> Array:
        return gram(X, Y, network, kind=self.kind, device=self.device)

    def _gradient(self, X: npt.ArrayLike, K: Array) -> Array:
        """Return the derivatives of K by the logarithms of what is not fixed."""
        names = [parameter.name for parameter in self.hyperparameters if not parameter.fixed]
        gradient = np.empty((*K.shape, len(names)))
        for place, name in enumerate(names):
            gradient[..., place] = self._derivative(X, K, name)
        return gradient

    def _derivative(self, X: npt.ArrayLike, K: Array, name: str) -> Array:
        network = self._network()
        degree = _degree(network)
        if name == "weight_variance" and degree is not None:
            return degree * K
        step = _STEP / network.depth
        value = getattr(network, name)
        up, down = (
            self._matrix(X, None, network.replace(**{name: value * float(np.exp(side))}))
            for side in (step, -step)
        )
        return np.asarray((up - down) / (2.0 * step))


def _degree(network: Network) -> int | None:
    """Return the p with K proportional to the weight variance to the power of p, if there is one.

    Σ⁰ is proportional to σw², and where φ is homogeneous of degree p a layer takes Σ of degree e
    to one of 1 + p·e.
    """
    power = network.activation.homogeneity
    if power is None or network.bias_variance > 0.0:
        return None
    return int(sum(power**layer for layer in range(1, network.depth + 1)))
