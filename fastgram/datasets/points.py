"""Rows to try things on: spheres, circles, subspaces, perturbed rows, digits, and their separation.

Every data set is a function of its arguments alone: the same seed gives the same rows. Exact zeros
of a Gram matrix are known only from exact facts about its rows, so facts that hold in exact
arithmetic (mirror images, opposite points, empty dimensions) hold here bit for bit.
"""

from __future__ import annotations

import importlib.resources
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from fastgram.support.threads import one_blas_thread, thread_count
from fastgram.support.validation import as_integer, as_number, as_rows

__all__ = ["circle", "digits", "separation", "smoothed", "sphere", "subspace"]

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# π/4 in two parts: 26 bits, so that their product with a 27-bit integer is exact, and the rest.
_QUARTER_PI = float.fromhex("0x0.C90FDA8p0")
_QUARTER_PI_REST = float.fromhex("0x1.110b4611a6263p-27")
# Mixed into the seed of `smoothed`, so that its noise owes nothing to rows drawn from that seed.
_NOISE_TAG = int.from_bytes(b"smoothed", "big")
_BLOCK = 512  # rows in a block of `separation`


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
    return _unit(np.random.default_rng(seed).standard_normal((n, d)))


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
    rows = _rows(X)
    sigma, seed = as_number("sigma", sigma, least=0), as_integer("seed", seed, 0)
    rng = np.random.default_rng(np.random.SeedSequence([seed, _NOISE_TAG]))
    noise = rng.standard_normal(rows.shape)
    with np.errstate(over="ignore"):  # _unit refuses what overflows
        noise *= sigma / math.sqrt(rows.shape[1])
        noise += rows
    return _unit(noise)


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
    if not isinstance(return_X_y, (bool, np.bool_)):
        raise TypeError(f"return_X_y must be True or False, not {return_X_y!r}")
    shipped = importlib.resources.files(__package__) / "data" / "digits.npz"
    with shipped.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        X = np.array(archive["X"], dtype=np.float64, order="C")
        return (X, archive["y"].astype(np.int64)) if return_X_y else X


def separation(X: npt.ArrayLike) -> float:
    """Return the least of ‖x − y‖ and ‖x + y‖ over all pairs of rows.

    Meant for unit rows, where it is the δ that bounds on the smallest eigenvalue are stated in.
    The rows are taken as they are, not rescaled: scale them first where their norms differ.

    Parameters
    ----------
    X : array_like
        (n, d) real rows, n at least 2 and d at least 1.

    Returns
    -------
    float
        In the units of `X`. Exactly 0.0 if, and only if, two rows are equal or opposite; else
        accurate to a few units in the last place, however close the pair.

    Raises
    ------
    TypeError
        If `X` does not hold real numbers.
    ValueError
        If `X` is not two-dimensional, has fewer than two rows or no columns, or is not finite.

    Notes
    -----
    ‖x ∓ y‖² = ‖x‖² + ‖y‖² ∓ 2⟨x, y⟩ costs one matrix product a block of pairs, but is blind below
    about √(d·eps) of the norms. It only rules pairs out: every pair whose value, less a bound of
    its rounding, does not exceed the best distance so far is measured again from the difference
    of the two rows. Time O(n²d) on all cores, memory beside `X` O(n + d). Crowds of rows closer
    than that blindness are measured pair by pair, some hundred times slower.

    Examples
    --------
    >>> import fastgram as fg
    >>> fg.datasets.separation([[1.0, 0.0], [0.0, 1.0], [-1.0, 1e-9]])
    1e-09
    """
    rows = _rows(X)
    n, d = rows.shape
    if n < 2:
        raise ValueError("separation needs at least 2 rows, X has 1")
    # Powers of two are exact: products of the scaled rows cannot overflow, and what underflows
    # is within the absolute part of the slack.
    exponent = int(np.frexp(max(rows.max(), -rows.min()))[1])
    starts = range(0, n, _BLOCK)
    norms = np.empty(n)
    for i in starts:
        part = np.ldexp(rows[i : i + _BLOCK], -exponent)
        norms[i : i + _BLOCK] = np.einsum("ij,ij->i", part, part)
    # A product of d terms, in any order, is wrong by at most d·u·‖x‖‖y‖, u = eps/2; so are the
    # norms, and four more roundings follow. Twice that and more, taken off the norms, makes a
    # lower bound, and one that the rounding of a distance cannot cross: the order in which
    # pairs are looked at leaves no trace in the answer.
    norms *= 1 - (3 * d + 16) * np.finfo(np.float64).eps
    norms -= (8 * d + 64) * np.finfo(np.float64).tiny

    best = math.inf
    lock = threading.Lock()
    later = np.tri(_BLOCK, dtype=np.bool_)

    def measure(first: Indices, second: Indices) -> None:
        nonlocal best
        found = _nearest(rows, first, second)
        with lock:
            best = min(best, found)

    def sweep(i: int) -> None:
        """Compare a block of rows with itself and all that follow."""
        left = np.ldexp(rows[i : i + _BLOCK], 1 - exponent)
        for j in range(i, n, _BLOCK):
            if best == 0:
                return
            lower = left @ np.ldexp(rows[j : j + _BLOCK], -exponent).T
            np.abs(lower, out=lower)
            np.subtract(norms[j : j + _BLOCK], lower, out=lower)
            if i == j:
                lower[later[: len(lower), : len(lower)]] = math.inf
            least = lower.min(axis=1) + norms[i : i + _BLOCK]
            a = least.argmin()
            if least[a] > math.ldexp(best, -exponent) ** 2 or least[a] == math.inf:
                continue
            measure(np.array([i + a]), np.array([j + lower[a].argmin()]))
            lower += norms[i : i + _BLOCK, None]
            close = lower <= math.ldexp(best, -exponent) ** 2
            close &= lower < math.inf  # best is inf where distances overflow
            first, second = np.nonzero(close)
            measure(i + first, j + second)

    with one_blas_thread(), ThreadPoolExecutor(thread_count()) as pool:
        for _ in pool.map(sweep, starts):
            pass  # an exception in a thread is raised here
    return best


def _nearest(rows: Array, first: Indices, second: Indices) -> float:
    """Return the least ‖x − y‖ or ‖x + y‖ of the pairs, from the differences themselves."""
    best = math.inf
    step = max(1, 2**16 // rows.shape[1])
    for k in range(0, len(first), step):
        x, y = rows[first[k : k + step]], rows[second[k : k + step]]
        with np.errstate(over="ignore"):  # a distance beyond float64 is inf
            best = min(best, float(_norms(x - y).min()), float(_norms(x + y).min()))
    return best


def _norms(Z: Array) -> Array:
    """Return the norms of the rows, free of overflow and underflow of their squares."""
    exponent = np.frexp(np.abs(Z).max(axis=1))[1]
    scaled: Array = np.linalg.norm(np.ldexp(Z, -exponent[:, None]), axis=1)
    return np.ldexp(scaled, exponent)


def _unit(Z: Array) -> Array:
    """Divide the rows by their norms, in place."""
    top = np.abs(Z).max(axis=1)
    bad = np.flatnonzero(~((top > 0) & (top < math.inf)))
    if len(bad):
        what = "is zero" if top[bad[0]] == 0 else "overflows"
        raise ValueError(f"row {bad[0]} {what}: it cannot be scaled to unit norm")
    np.ldexp(Z, -np.frexp(top)[1][:, None], out=Z)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    return Z


def _rows(X: Any) -> Array:
    """Return the argument X as a C-contiguous float64 (n, d) array, or refuse it."""
    return np.ascontiguousarray(as_rows(X), dtype=np.float64)
