"""Arrays that others hold: the caller's, written to later, and those that their code is given."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from helpers.tolerances import EPS
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import fastgram as fg
from fastgram.matrix.operator import matrix_of

N, D = 100, 8


def sphere(n=N, d=D):
    return fg.datasets.sphere(n, d, seed=0)


def few_rows():
    """Rows of which many are equal: exact facts would say so."""
    return np.eye(D)[np.arange(N) % D]


# --- the rows of an operator ---------------------------------------------------------------------


def of_frame(X, tmp_path):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(X, copy=False), X


def of_map(X, tmp_path):
    mapped = np.memmap(tmp_path / "rows", np.float64, "w+", shape=X.shape)
    mapped[:] = X
    return mapped, mapped


class Lent:
    """What lends its array to NumPy."""

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        return self.X


class Exported(Lent):
    """What lends it through DLPack."""

    def __dlpack__(self, **options):
        return self.X.__dlpack__()

    def __dlpack_device__(self):
        return 1, 0


HOLDERS = {
    "array": lambda X, tmp_path: (X, X),
    "view": lambda X, tmp_path: (X[:], X),
    "fortran": lambda X, tmp_path: (F := np.asfortranarray(X), F),
    "float32": lambda X, tmp_path: (F := X.astype(np.float32), F),
    "matrix": lambda X, tmp_path: (X.view(np.matrix), X),
    "lent": lambda X, tmp_path: (Lent(X), X),
    "exported": lambda X, tmp_path: (Exported(X), X),
    "frame": of_frame,
    "memory-mapped": of_map,
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("width", [None, 40])
def test_an_operator_speaks_of_the_rows_as_they_were(holder, width, device, tmp_path):
    network = fg.Network("tanh", width=width)
    given, buffer = HOLDERS[holder](sphere(), tmp_path)
    expected = fg.extreme_eigenvalues(fg.GramOperator(np.array(buffer), network))
    op = fg.GramOperator(given, network, device=device)
    buffer[:] = few_rows()
    answer = fg.extreme_eigenvalues(op, method="dense")
    assert answer.rank_bound == expected.rank_bound == N
    assert answer.smallest.guarantee == "certified"
    assert answer.smallest.lower <= expected.smallest.upper
    assert answer.smallest.upper >= expected.smallest.lower


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_nothing_written_later_is_seen(wrong):
    buffer = sphere()
    op = fg.GramOperator(buffer, "tanh")
    expected = fg.spectral_density(op)
    again = fg.GramOperator(buffer, "tanh")
    buffer[:] = wrong
    density = fg.spectral_density(again)
    assert np.array_equal(density.lower, expected.lower)
    assert np.array_equal(density.upper, expected.upper)
    assert np.array_equal(matrix_of(again).given_rows, sphere())


def test_the_rows_of_an_operator_are_read_only():
    op = fg.GramOperator(sphere(), "relu")
    with pytest.raises(ValueError, match="read-only"):
        matrix_of(op).given_rows[0, 0] = 1.0


def test_rows_are_copied_once():
    """An array that is new anyway is taken as it is."""
    from fastgram.support.validation import as_real_array

    X = sphere()
    assert as_real_array(X, "X") is X
    assert not np.shares_memory(as_real_array(X, "X", own=True), X)
    for new in (X.tolist(), np.rint(X).astype(int), X.astype(np.float16)):
        assert as_real_array(new, "X", own=True).base is None


def test_what_an_activation_keeps_is_its_own():
    powers = [2, 3]
    activation = fg.Activation("mine", lambda z: z**2, lambda z: 2 * z, powers=powers)
    powers.append(0)
    assert activation.powers == (2, 3)
    coefficients = np.array([0.0, 1.0, 1.0])
    polynomial = fg.get_activation("polynomial", coefficients=coefficients)
    coefficients[:] = 0.0
    assert polynomial.f(np.ones(1)) == 2.0


# --- functions of the user's that work in place --------------------------------------------------


def relu_in_place(z):
    z[z < 0] = 0
    return z


def step_in_place(z):
    z[z > 0] = 1
    z[z < 0] = 0
    return z


_ROOM = threading.local()


def into_one_room(function):
    """The function as one that returns the same array again and again."""

    def reused(z):
        room = _ROOM.__dict__.setdefault((function, z.shape), np.empty(z.shape))
        room[...] = function(z)
        return room

    return reused


def relu(z):
    return np.maximum(z, 0.0)


def step(z):
    return 1.0 * (z > 0)


IN_PLACE = {
    "f": (relu_in_place, step),
    "df": (relu, step_in_place),
    "both": (relu_in_place, step_in_place),
    "one room": (into_one_room(relu), into_one_room(step)),
}


@pytest.mark.slow
@pytest.mark.parametrize("functions", IN_PLACE.values(), ids=IN_PLACE)
def test_activations_that_work_in_place(functions):
    """By "ntk", which asks f and f' of every layer."""
    mine, plain = fg.Activation("mine", *functions, (0,)), fg.Activation("plain", relu, step, (0,))
    assert fg.dual(mine, 0.3) == fg.dual(plain, 0.3)
    assert fg.dual(mine, 0.3, 2.0, derivative=True) == fg.dual(plain, 0.3, 2.0, derivative=True)
    assert mine.homogeneity == 1
    X = sphere(30)
    Z = X * np.linspace(1.0, 2.0, 30)[:, None]
    for rows, options in (
        (X, {}),
        (X, {"depth": 3, "bias_variance": 0.1, "normalize": True}),
        (Z, {"bias_variance": 0.1, "depth": 2}),
        (X, {"width": 20, "depth": 2, "seed": 1}),
        (X, {"width": 20, "readout": "gaussian"}),
    ):
        grams = [
            fg.gram(rows, network=fg.Network(activation, **options), kind="ntk")
            for activation in (mine, plain)
        ]
        assert np.array_equal(*grams)


DIAGONAL = np.linspace(0.5, 100.0, 2300)


def in_place(x):
    x *= DIAGONAL if x.ndim == 1 else DIAGONAL[:, None]
    return x


def one_room():
    rooms = {}

    def multiply(x):
        room = rooms.setdefault(x.shape, np.empty(x.shape))
        return np.multiply(x, DIAGONAL if x.ndim == 1 else DIAGONAL[:, None], out=room)

    return multiply


class OfOnesOwn(LinearOperator):
    def __init__(self):
        super().__init__(np.dtype(float), (DIAGONAL.size,) * 2)

    def _matvec(self, x):
        return in_place(x)


def operators():
    shape = (DIAGONAL.size,) * 2
    return {
        "matvec": LinearOperator(shape, matvec=in_place, dtype=float),
        "matmat": LinearOperator(shape, matvec=in_place, matmat=in_place, dtype=float),
        "reused": LinearOperator(shape, matvec=one_room(), dtype=float),
        "reused blocks": LinearOperator(shape, matvec=one_room(), matmat=one_room(), dtype=float),
        "class": OfOnesOwn(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", operators())
@pytest.mark.parametrize("method", ["auto", "arpack"])
def test_operators_that_work_in_place(name, method):
    answer = fg.extreme_eigenvalues(operators()[name], method=method, rtol=0.1)
    assert answer.smallest.lower <= 0.5 <= answer.smallest.upper
    assert answer.largest.lower <= 100.0 <= answer.largest.upper
    assert 0.4 < answer.smallest.estimate < 0.6


@pytest.mark.parametrize("name", operators())
def test_densities_of_operators_that_work_in_place(name):
    density = fg.spectral_density(operators()[name], passes=10)
    assert density.trace.lower <= np.sum(DIAGONAL) <= density.trace.upper


def test_vectors_have_one_axis(monkeypatch):
    """SciPy from 1.18 on deprecates products with a column, (n, 1), as with a vector."""
    seen = set()
    matvec = LinearOperator.matvec

    def watched(self, x):
        seen.add(np.ndim(x))
        return matvec(self, x)

    monkeypatch.setattr(LinearOperator, "matvec", watched)
    n = 30
    A = np.diag(np.linspace(1.0, 2.0, n))

    def multiply(x):
        seen.add(x.ndim)
        return A @ x

    for method in ("auto", "lanczos", "arpack"):
        fg.extreme_eigenvalues(LinearOperator((n, n), multiply, dtype=float), method=method)
        fg.extreme_eigenvalues(fg.GramOperator(sphere(n), "relu"), method=method)
    fg.spectral_density(LinearOperator((n, n), multiply, dtype=float))
    op = fg.GramOperator(sphere(n), "relu")
    for product in (op @ A[:, :1], op.matvec(A[:, :1]), op.rmatvec(A[:, :1]), A[:, :1].T @ op):
        assert product.size == n
    assert seen == {1}


def test_a_sum_of_which_a_part_works_in_place(refuses):
    """scipy gives its parts one array in turn."""
    total = LinearOperator((DIAGONAL.size,) * 2, in_place, dtype=float) + aslinearoperator(
        np.eye(DIAGONAL.size)
    )
    with refuses(ValueError, "part of the operator writes to the vectors"):
        fg.extreme_eigenvalues(total)


@pytest.mark.parametrize(
    ("product", "word"),
    [
        (lambda x: 1j * x, "complex"),
        (lambda x: np.ma.masked_less(x, 0.0), "masked"),
        (lambda x: x.astype(str), "real numbers"),
        (lambda x: x[:2], "shape"),
    ],
)
def test_products_of_operators_are_looked_at(product, word, refuses):
    A = LinearOperator((3, 3), matvec=lambda x: x, matmat=product, dtype=float)
    with refuses((TypeError, ValueError), "the operator's product", word):
        fg.extreme_eigenvalues(A)


@pytest.mark.parametrize("memory", [0, 10**8])
@pytest.mark.parametrize("network", ["tanh", fg.Network("tanh", width=30)], ids=["wide", "finite"])
def test_visitors_own_their_blocks(memory, network, tiles, device):
    tiles(16)
    op = fg.GramOperator(sphere(), network, memory=memory, device=device)
    dense = op.dense()
    op @ np.ones((N, 3))  # keeps tiles
    kept, lock = [], threading.Lock()

    def visit(rows, columns, block):
        with lock:
            kept.append((rows, columns, block, block.copy()))

    op.visit(visit)
    for rows, columns, block, before in kept:
        assert np.array_equal(block, before)
        assert np.allclose(block, dense[rows, columns], rtol=0, atol=16 * EPS * N)

    def spoil(rows, columns, block):
        block[...] = np.nan

    op.visit(spoil)
    assert np.array_equal(op.dense(), dense)
    assert np.all(np.isfinite(op @ np.ones((N, 3))))


class Store:
    """An `out` that keeps what it is given, and works on it."""

    def __init__(self, n):
        self.shape, self.parts = (n, n), []

    def __setitem__(self, key, block):
        self.parts.append((key, block, block.copy()))
        block *= 2.0

    def array(self):
        out = np.full(self.shape, np.nan)
        for key, block, before in self.parts:
            assert np.array_equal(block, 2.0 * before)
            out[key] = before
        return out


def test_out_owns_its_blocks(tiles, dtype):
    tiles(16, 1)
    out = Store(N)
    assert fg.gram(sphere(), network="tanh", out=out, dtype=dtype) is out
    assert np.array_equal(out.array(), fg.gram(sphere(), network="tanh", dtype=dtype))
