"""Arrays at any scale, against eigenvalues in as many digits as the scale takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bench.attacks.answers import METHODS, everything
from bench.attacks.checks import Check
from bench.attacks.truth import eigenvalues, exact_matrix, scale_of
from fastgram.support.literals import Method

__all__ = ["NAMED", "arrays", "judge"]

Array = npt.NDArray[np.float64]

_MOST_BITS = 4600  # from the least denormal number to the largest, twice
_SCALES = (-323.0, -320.0, -312.0, -308.0, -300.0, -290.0, -200.0, -160.0, -100.0, 0.0, 100.0)
_LARGE = (150.0, 154.0, 160.0, 200.0, 290.0, 300.0, 306.0)


def random_orthogonal(n: int, rng: np.random.Generator) -> Array:
    return np.asarray(np.linalg.qr(rng.standard_normal((n, n)))[0])


def symmetric(A: Array) -> Array:
    return np.asarray(np.triu(A) + np.triu(A, 1).T)


def dense(n: int, rng: np.random.Generator) -> Array:
    return symmetric(rng.standard_normal((n, n)))


def wishart(n: int, rng: np.random.Generator) -> Array:
    G = rng.standard_normal((n, n + 2))
    return symmetric(G @ G.T)


def graded(n: int, rng: np.random.Generator) -> Array:
    sizes = 10.0 ** np.sort(rng.uniform(-12, 0, n))
    return symmetric(sizes[:, None] * wishart(n, rng) * sizes)


def rank_deficient(n: int, rng: np.random.Generator) -> Array:
    G = rng.integers(-3, 4, (n, max(1, n - 2))).astype(np.float64)
    return G @ G.T


def nearly_equal(n: int, rng: np.random.Generator) -> Array:
    Q = random_orthogonal(n, rng)
    values = 1.0 + 10.0 ** rng.uniform(-17, -10) * rng.standard_normal(n)
    return symmetric((Q * values) @ Q.T)


def low_end(n: int, rng: np.random.Generator) -> Array:
    Q = random_orthogonal(n, rng)
    values = np.ones(n)
    values[0] = 10.0 ** rng.uniform(-18, -1)
    return symmetric((Q * values) @ Q.T)


def diagonal(n: int, rng: np.random.Generator) -> Array:
    return np.asarray(np.diag(10.0 ** rng.uniform(-20, 0, n) * rng.choice([-1.0, 1.0], n)))


def integers(n: int, rng: np.random.Generator) -> Array:
    return symmetric(rng.integers(-4, 5, (n, n)).astype(np.float64))


def wild(n: int, rng: np.random.Generator) -> Array:
    """Entries of any size at all, whatever the scale says."""
    signs = rng.choice([-1.0, 0.0, 1.0], (n, n))
    return symmetric(signs * 10.0 ** rng.uniform(-320, 300, (n, n)))


def nan_pivot(n: int, rng: np.random.Generator) -> Array:
    """Ones on the diagonal, and a pair far too large for a pivot that is small."""
    A = np.eye(n)
    i, j = rng.choice(n, 2, replace=False)
    A[i, i] = 10.0 ** rng.uniform(-30, 0)
    A[i, j] = A[j, i] = 10.0 ** rng.uniform(140, 305)
    return A


SHAPES: tuple[Callable[[int, np.random.Generator], Array], ...] = (
    dense,
    wishart,
    graded,
    rank_deficient,
    nearly_equal,
    low_end,
    diagonal,
    integers,
    wild,
    nan_pivot,
)
_OWN_SCALE = (wild, nan_pivot)
DENORMAL = float(np.finfo(np.float64).smallest_subnormal)
NAMED = {
    "nan pivot": np.array([[1e-20, 0.0, 1e300], [0.0, 1.0, 0.0], [1e300, 0.0, 1.0]]),
    "denormals": DENORMAL * np.array([[3.0, 1.0], [1.0, 7.0]]),
    "denormals, indefinite": DENORMAL * np.array([[1.0, 9.0], [9.0, 4.0]]),
    "1e-300": 1e-300 * np.array([[2.0, 1.0, 0.5], [1.0, 3.0, 1.0], [0.5, 1.0, 4.0]]),
    "negative": np.diag([-2.0, 1.0]),
    "negative definite": np.diag([-2.0, -1.0]),
    "underflow beside one": np.array([[1e-170, 1e-170], [1e-170, 1.0]]),
}


def judge(
    what: str, A: Array, methods: Sequence[Method] = METHODS, density: bool = True
) -> Iterator[Check]:
    """Judge all that is said of an array."""
    exact = exact_matrix(A)
    values, scale = eigenvalues(exact, bits_for(A)), scale_of(exact)
    yield from everything(what, lambda: A.copy(), values, scale, methods, density)


def bits_for(A: Array) -> int:
    """Return how many bits tell the eigenvalues of an array apart, and more."""
    sizes = np.abs(A[A != 0.0])
    if not sizes.size:
        return 256
    spread = float(np.log2(np.max(sizes)) - np.log2(np.min(sizes)))
    return min(_MOST_BITS, 400 + 2 * int(spread))


def arrays(rng: np.random.Generator, quick: bool = False) -> Iterator[Check]:
    """Attack one array of a random kind and scale."""
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    n = int(rng.integers(2, 5 if quick else 9))
    if shape is wild:
        n = min(n, 4)
    A = shape(n, rng)
    exponent = 0.0
    if shape not in _OWN_SCALE:
        exponent = float(rng.choice(_SCALES + _LARGE))
        with np.errstate(all="ignore"):
            A = A / np.max(np.abs(A)) if np.any(A) else A
            A = symmetric(A * 10.0 ** (exponent / 2) * 10.0 ** (exponent / 2))
    yield from judge(f"{shape.__name__} n={n} 1e{exponent:g}", A)
