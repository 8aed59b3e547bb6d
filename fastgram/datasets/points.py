"""Points on spheres, circles and in subspaces, and points perturbed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fastgram.datasets.rows import float64_rows, scale_to_unit_norm
from fastgram.support.validation import as_integer, as_number

__all__ = ["circle", "smoothed", "sphere", "subspace"]

Array = npt.NDArray[np.float64]

# π/4 in two parts: 26 bits, so that their product with a 27-bit integer is exact, and the rest.
_QUARTER_PI = float.fromhex("0x0.C90FDA8p0")
_QUARTER_PI_REST = float.fromhex("0x1.110b4611a6263p-27")
# Mixed into the seed of `smoothed`, so that its noise owes nothing to rows drawn from that seed.
_NOISE_TAG = int.from_bytes(b"smoothed", "big")


def sphere(n: int, d: int, seed: int) -> Array:
    """Independent points, uniform on the unit sphere in R^d.

    Parameters
    ----------
    n : int
        Number of points, at least 1.
    d : int
        Dimension of the space, at least 1.
    seed : int
        Seed of the draw, at least 0.

    Returns
    -------
    numpy.ndarray
        float64 (n, d): rows of ``numpy.random.default_rng(seed).standard_normal((n, d))``, each
        divided by its norm.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If an argument is too small.

    References
    ----------
    .. [1] M. E. Muller, "A note on a method for generating points uniformly on n-dimensional
       spheres", Communications of the ACM 2(4), 1959.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.datasets.sphere(1000, 10, seed=0).shape
    (1000, 10)
    """
    n, d, seed = as_integer("n", n, 1), as_integer("d", d, 1), as_integer("seed", seed, 0)
    return scale_to_unit_norm(np.random.default_rng(seed).standard_normal((n, d)))


def circle(n: int) -> Array:
    """Equally spaced points on the unit circle, mirrored exactly.

    Point k stands at the angle 2πk/n, rounded once or nearly so. The symmetries are exact to the
    bit, for k and l counted modulo n:

    - points k and n − k are mirror images in the x axis;
    - n even: points k and k + n/2 are opposite, points k and n/2 − k mirror images in the y axis;
    - n divisible by 4: point k + n/4 is point k turned by a quarter, (x, y) to (−y, x).

    Coordinates that are 0, ±1/2 or ±1 are so exactly, and no zero is negative.

    Parameters
    ----------
    n : int
        Number of points, at least 1.

    Returns
    -------
    numpy.ndarray
        float64 (n, 2), starting at (1, 0) and going counterclockwise. Each coordinate is within
        about 1 ulp of the true one.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Notes
    -----
    Integers fold each angle into the first octant before any cosine is taken: points that mirror
    each other read the same entry of one table, and nothing is lost at large k.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.datasets.circle(4).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    """
    n = as_integer("n", n, 1)
    p = 8 * np.arange(n, dtype=np.int64)  # angles in units of 2π / 8n: n is an octant
    below = p > 4 * n
    p = np.where(below, 8 * n - p, p)
    left = p > 2 * n
    p = np.where(left, 4 * n - p, p)
    steep = p > n
    p = np.where(steep, 2 * n - p, p)

    distinct, place = np.unique(p, return_inverse=True)
    c, s = (table[place] for table in _octant(distinct, n))
    x, y = np.where(steep, s, c), np.where(steep, c, s)
    # No zero changes its sign: x is 0 at p = 2n, y at p = 0 and 4n, and each > is strict there.
    return np.stack([np.where(left, -x, x), np.where(below, -y, y)], axis=1)


def _octant(p: npt.NDArray[np.int64], n: int) -> tuple[Array, Array]:
    """Cosine and sine of (π/4)(p/n), 0 <= p <= n, the angle carried in two float64."""
    q, r = np.divmod(p << 26, n)
    high = np.ldexp(q * _QUARTER_PI, -26)
    low = np.ldexp(q * _QUARTER_PI_REST + r / n * (math.pi / 4), -26)
    angle = high + low
    rest = low - (angle - high)
    c, s = np.cos(angle), np.sin(angle)
    c, s = c - rest * s, s + rest * c
    s[3 * p == 2 * n] = 0.5
    c[p == n] = s[p == n] = math.sqrt(0.5)
    return c, s


def subspace(n: int, d: int, dim: int, seed: int) -> Array:
    """Independent points, uniform on the unit sphere of a `dim`-dimensional subspace of R^d.

    The subspace is that of the first `dim` coordinates: the other columns are exact zeros, so that
    the rank of the rows is an exact fact and not a matter of rounding. A Gram matrix sees only
    inner products, hence a rotated subspace would have the same spectrum.

    Parameters
    ----------
    n : int
        Number of points, at least 1.
    d : int
        Dimension of the space, at least 1.
    dim : int
        Dimension of the subspace, from 1 to `d`.
    seed : int
        Seed of the draw, at least 0.

    Returns
    -------
    numpy.ndarray
        float64 (n, d): ``sphere(n, dim, seed)`` and d − dim columns of zeros.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If an argument is too small, or `dim` larger than `d`.

    Examples
    --------
    >>> import fastgram as fg
    >>> X = fg.datasets.subspace(100, 20, dim=3, seed=0)
    >>> X.shape, int(X[:, 3:].any(axis=0).sum())
    ((100, 20), 0)
    """
    n, d, dim = as_integer("n", n, 1), as_integer("d", d, 1), as_integer("dim", dim, 1)
    if dim > d:
        raise ValueError(f"dim must be at most d = {d}, not {dim}")
    X = np.zeros((n, d))
    X[:, :dim] = sphere(n, dim, seed)
    return X


def smoothed(X: npt.ArrayLike, sigma: float, seed: int) -> Array:
    """Rows perturbed by Gaussian noise of norm about `sigma`, then rescaled to unit norm.

    Row x becomes (x + g) / ‖x + g‖, where the d entries of g are independent N(0, sigma²/d): E‖g‖²
    = sigma² in any dimension. This is the perturbation of smoothed analysis: `sigma` counts in
    the units of `X` (for unit rows, sigma = 0.1 moves each by about a tenth of its norm), and
    the rows that come back have norm 1 whatever the norms in `X`.

    Parameters
    ----------
    X : array_like
        (n, d) real rows, n and d at least 1.
    sigma : float
        Root mean square of the norm of the noise, at least 0. With 0 the rows are only rescaled.
    seed : int
        Seed of the noise, at least 0. The noise is independent of rows drawn from the same seed.

    Returns
    -------
    numpy.ndarray
        float64 (n, d), a new array with unit rows.

    Raises
    ------
    TypeError
        If `X` does not hold real numbers, `sigma` is not a real number or `seed` not an integer.
    ValueError
        If `X` is not two-dimensional, empty or not finite, `sigma` or `seed` is negative, `sigma`
        is not finite, or a row cannot be rescaled because it is zero (or overflows).

    References
    ----------
    .. [1] D. A. Spielman and S.-H. Teng, "Smoothed analysis of algorithms: why the simplex
       algorithm usually takes polynomial time", Journal of the ACM 51(3), 2004.
    .. [2] A. Panigrahi, A. Shetty and N. Goyal, "Effect of Activation Functions on the Training of
       Overparametrized Neural Nets", ICLR 2020, arXiv 1908.05660.

    Examples
    --------
    >>> import fastgram as fg
    >>> X = fg.datasets.subspace(100, 20, dim=3, seed=0)
    >>> fg.datasets.smoothed(X, sigma=0.1, seed=0).shape
    (100, 20)
    """
    rows = float64_rows(X)
    sigma, seed = as_number("sigma", sigma, least=0), as_integer("seed", seed, 0)
    rng = np.random.default_rng(np.random.SeedSequence([seed, _NOISE_TAG]))
    noise = rng.standard_normal(rows.shape)
    with np.errstate(over="ignore"):  # scale_to_unit_norm refuses what overflows
        noise *= sigma / math.sqrt(rows.shape[1])
        noise += rows
    return scale_to_unit_norm(noise)
