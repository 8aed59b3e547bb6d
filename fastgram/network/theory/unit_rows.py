"""The kernel of unit rows as methods of a network: values, power series, eigenvalues."""

from __future__ import annotations

import functools
from typing import get_args

import numpy as np
import numpy.typing as npt

from fastgram.network.integrals.chords import order_of
from fastgram.network.layers import NetworkFacts
from fastgram.network.theory.cosine_kernel import entries_at
from fastgram.network.theory.power_series import expand_on_sphere
from fastgram.network.theory.sphere import eigenvalues_by_quadrature, eigenvalues_of_series
from fastgram.support.arrays import Array
from fastgram.support.literals import Kind
from fastgram.support.validation import as_choice, as_integer, as_real_array

__all__ = ["KernelOfUnitRows"]


class KernelOfUnitRows:
    """Methods of `Network` that speak of rows of norm 1 at infinite width."""

    def kernel(
        self: NetworkFacts, t: npt.ArrayLike, *, kind: Kind = "gradient"
    ) -> Array | np.float64:
        """Return the Gram entries of unit rows with the cosine t, at infinite width.

        Parameters
        ----------
        t : array_like
            Cosines ⟨x, y⟩ of rows of norm 1, in [−1, 1].
        kind : {"gradient", "nngp", "ntk"}

        Returns
        -------
        numpy.ndarray or numpy.float64
            Of the shape of t, float64; what `gram` gives for such rows, to a few roundings of κ(1).

        Raises
        ------
        ValueError
            If the network has a finite width, a cosine is outside [−1, 1], or a variance vanishes
            or overflows in some layer.
        TypeError
            If an argument is of the wrong kind.

        Notes
        -----
        Each layer is a quadrature of its own, some tenths of a millisecond a cosine: for figures
        and formulas. `gram` and `GramOperator` read a table.

        Examples
        --------
        >>> import fastgram as fg
        >>> fg.Network("relu").kernel([-1.0, 0.0, 1.0], kind="nngp").round(6)
        array([0.      , 0.159155, 0.5     ])
        """
        kind = _checked(self, "kernel", kind)
        cosines = as_real_array(t, "t").astype(np.float64)
        if not np.all(np.abs(cosines) <= 1.0):
            raise ValueError("t must be cosines of unit rows, in [-1, 1]")
        distinct, places = np.unique(cosines, return_inverse=True)
        value = entries_at(self, kind, distinct)[places].reshape(cosines.shape)
        return np.float64(value[()]) if value.ndim == 0 else value

    def power_series(self: NetworkFacts, count: int, *, kind: Kind = "gradient") -> Array:
        """Return the first coefficients of the kernel of unit rows in powers of their cosine.

        Parameters
        ----------
        count : int
            How many, at least 1.
        kind : {"gradient", "nngp", "ntk"}

        Returns
        -------
        (count,) array of float64
            b₀, b₁, …, none negative, with ``kernel(t) = Σ bₙtⁿ``: to some roundings of themselves
            under a homogeneous activation, else to 1e-16 of √κ(1) times their root: squares of
            Hermite coefficients.

        Raises
        ------
        ValueError
            If the network has a finite width, or is so deep that all rows are alike before the last
            layer, and more than 65 536 Hermite coefficients would be needed there.
        TypeError
            If an argument is of the wrong kind.

        Notes
        -----
        A layer's own series is Σ aₖ²ρᵏ (`fastgram.hermite_coefficients`), those of layers are
        composed (Daniely, Frostig and Singer, NIPS 2016). Murray, Jin, Bowman and Montúfar (ICLR
        2023) tell activations apart by the share of the first coefficients: theirs are those of
        kind "ntk" with 1 − E φ(z)² added to b₀, a bias of the readout that is not trained.

        Examples
        --------
        >>> import fastgram as fg
        >>> fg.Network("relu").power_series(4, kind="ntk").round(6)
        array([0.159155, 0.5     , 0.238732, 0.      ])
        """
        kind = _checked(self, "power_series", kind)
        return expand_on_sphere(self, kind, as_integer("count", count, 1))

    def sphere_eigenvalues(
        self: NetworkFacts, d: int, count: int, *, kind: Kind = "gradient"
    ) -> Array:
        """Return the eigenvalues of the kernel on the unit sphere in d dimensions, by degree.

        Parameters
        ----------
        d : int
            Dimension of the rows, at least 2: the sphere is S^{d−1}.
        count : int
            How many degrees, from 0; at most 512 unless there are kinks away from 0.
        kind : {"gradient", "nngp", "ntk"}

        Returns
        -------
        (count,) array of float64
            μₖ, of the uniform *probability* measure: ∫κ(⟨x, y⟩)Y(y)dy = μₖY(x) for every spherical
            harmonic Y of degree k, which are N(d, k) = C(d + k − 1, k) − C(d + k − 3, k − 2) many
            (d = 2: 1, 2, 2, …). The eigenvalues of a Gram matrix of n random unit rows tend to
            n·μₖ. Nine digits of each, however small, under an activation with a kink at 0; under a
            smooth one of those above 1e-20 of κ(1), and fewer down to 1e-28; with kinks elsewhere
            to 1e-14 of κ(1), and to 1e-10 where f jumps and the depth is 2 or more.

        Raises
        ------
        ValueError
            If the network has a finite width, there are too many degrees, or the kernel is so
            peaked (large depth or variances) that its power series does not tell the eigenvalues.
        TypeError
            If an argument is of the wrong kind.

        Notes
        -----
        By the formula of Funk and Hecke μₖ = E κ(t)Pₖ(t), t a coordinate of a random point and Pₖ
        the Legendre polynomial in d dimensions, Pₖ(1) = 1; here a sum over the power series, whose
        terms are positive (a quadrature with kinks away from 0). Σ N(d, k)μₖ = κ(1). Under relu μₖ
        falls like k^{−d} (ntk) and k^{−d−2} (nngp), and for odd k ≥ 3 is exactly 0 at depth 1
        without biases (Bach, JMLR 2017; Bietti and Mairal, NeurIPS 2019).

        Examples
        --------
        >>> import fastgram as fg
        >>> fg.Network("relu").sphere_eigenvalues(3, 5, kind="ntk").round(5)
        array([0.25   , 0.16667, 0.03906, 0.     , 0.0026 ])
        """
        kind = _checked(self, "sphere_eigenvalues", kind)
        d, count = as_integer("d", d, 2), as_integer("count", count, 1)
        rooted = self.depth > 1 and order_of(self.activation, False) == 1
        if rooted or any(self.activation.kinks):
            kernel, graded = functools.partial(entries_at, self, kind), 40 if rooted else 6
            return eigenvalues_by_quadrature(kernel, d, count, graded)
        expand = functools.partial(expand_on_sphere, self, kind)
        return eigenvalues_of_series(expand, d, count, not self.activation.smooth)


def _checked(network: NetworkFacts, method: str, kind: Kind) -> Kind:
    """Return the kind; refuse a finite width."""
    if network.width is not None:
        raise ValueError(f"{method} is of infinitely wide networks: width must be None")
    return as_choice("kind", kind, get_args(Kind))
