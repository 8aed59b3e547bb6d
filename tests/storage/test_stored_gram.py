"""open_gram: products, brackets of the matrix as it is stored, and what is refused."""

from __future__ import annotations

import os
import pickle
import time

import numpy as np
import pytest
from helpers.stored import BLOCKS, SIDE, N
from helpers.tolerances import EPS, FEW
from scipy.sparse.linalg import LinearOperator, eigsh, lobpcg

import fastgram as fg
from fastgram.kernels.cpu import llvm_vectors
from fastgram.storage import problem, products, store
from fastgram.storage.formats.layout import layout_of
from fastgram.storage.manifest import manifest_of
from fastgram.storage.store import partial_of
from fastgram.support.rounding import gamma


def rounding(dense, V):
    """Of a product: n terms of |A||V|, each a rounding."""
    return (len(dense) + FEW) * EPS * (np.abs(dense) @ np.abs(V))


def vectors(n=N, b=3):
    return np.random.default_rng(1).standard_normal((n, b))


def overwrite(path, entry, value):
    """Write one entry of a stored .npy."""
    array = np.load(path, mmap_mode="r+")
    array[entry] = value
    array.flush()


@pytest.fixture
def stored(path, X, small_blocks):
    fg.store_gram(path, X, "elu")
    return fg.open_gram(path)


# --- products ------------------------------------------------------------------------------------


def test_what_it_says_of_itself(stored, path):
    assert isinstance(stored, LinearOperator)
    assert (stored.shape, stored.dtype, stored.path) == ((N, N), np.float64, path)
    assert repr(stored) == f"StoredGram({str(path)!r}, {N} × {N}, gradient of elu, float64)"
    for words in (f"{N} × {N}", "gradient", "elu", "float64", str(path)):
        assert words in stored._repr_html_()
    assert stored.T is stored
    assert stored.H is stored


@pytest.mark.parametrize("b", [1, 2, 8, 9])
def test_products(b, path, dtype, X, small_blocks, read_back):
    fg.store_gram(path, X, "elu", dtype=dtype)
    op, dense, V = fg.open_gram(path), read_back(path).astype(np.float64), vectors(b=b)
    product = op @ V
    assert (product.dtype, product.shape) == (np.float64, V.shape)
    assert np.all(np.abs(product - dense @ V) <= rounding(dense, V))
    v, bound = V[:, 0], rounding(dense, V[:, :1])[:, 0]
    for one in (op @ v, op.matvec(v), op.rmatvec(v), v @ op, (op @ v[:, None])[:, 0]):
        assert np.all(np.abs(one - dense @ v) <= bound)
    complex_ = op @ (V + 1j * V)
    assert np.all(np.abs(complex_.imag - dense @ V) <= rounding(dense, V))
    assert np.all(np.abs(op.rmatmat(V) - dense @ V) <= rounding(dense, V))


@pytest.mark.parametrize("n", [1, SIDE - 1, SIDE, SIDE + 1])
def test_products_of_any_order(n, path, X, small_blocks, read_back):
    fg.store_gram(path, X[:n])
    dense, V = read_back(path), vectors(n)
    assert np.all(np.abs(fg.open_gram(path) @ V - dense @ V) <= rounding(dense, V))


def test_strips_within_blocks(tmp_path, monkeypatch, read_back):
    """Blocks of several strips, the last one of fewer rows."""
    monkeypatch.setattr(store, "side_of", lambda n, ending: 150)
    X = fg.datasets.sphere(400, 5, seed=1)
    for ending in (".npy", ".zarr"):
        path = tmp_path / f"K{ending}"
        fg.store_gram(path, X)
        dense, V = read_back(path), vectors(400, 16)
        overwrite(path, (100, 3), 1e6) if ending == ".npy" else None  # of no account
        assert np.all(np.abs(fg.open_gram(path) @ V - dense @ V) <= rounding(dense, V))
        layout = layout_of(path, manifest_of(path).grid, ending)
        _, sums = products.StoredMatrix(layout).with_row_sums(V, 0)
        assert np.allclose(sums, np.abs(dense).sum(axis=1), rtol=1e-13, atol=0)


@pytest.mark.parametrize("wide", [False, True])
def test_blocks_padded_for_wide_registers(wide, stored, read_back, path, monkeypatch):
    monkeypatch.setattr(llvm_vectors, "has_avx512", lambda: wide)
    dense = read_back(path)
    for b in (1, 2, 8, 9):
        V = vectors(b=b)
        product = stored @ V
        assert product.shape == V.shape
        assert np.all(np.abs(product - dense @ V) <= rounding(dense, V))


def test_the_same_bits_on_any_number_of_threads(stored):
    V, found = vectors(b=5), []
    for threads in (1, 2, 5):
        fg.set_num_threads(threads)
        found.append(stored @ V)
    fg.set_num_threads(None)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_no_more_threads_multiply_than_may(stored, monkeypatch):
    """However many read."""
    together, most, take = [0], [0], products._Part.take

    def counted(self, strip, values):
        together[0] += 1
        most[0] = max(most[0], together[0])
        time.sleep(0.002)  # others would come in
        take(self, strip, values)
        together[0] -= 1

    monkeypatch.setattr(products._Part, "take", counted)
    fg.set_num_threads(1)
    stored @ vectors()
    fg.set_num_threads(None)
    assert most == [1]


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="the system does not count reads")
def test_a_pass_reads_the_upper_triangle_once(path, monkeypatch):
    """Whatever the number of vectors: bytes that the process has read, from the disk or not."""
    monkeypatch.setattr(store, "side_of", lambda n, ending: 100)
    fg.store_gram(path, fg.datasets.sphere(600, 5, seed=1))
    op = fg.open_gram(path)

    def read(b):
        with open("/proc/self/io") as file:
            before = int(file.readline().split()[1])
        op @ np.ones((600, b))
        with open("/proc/self/io") as file:
            return int(file.readline().split()[1]) - before

    read(1)
    triangle = 21 * 100 * 100 * 8
    for b in (1, 16):
        assert triangle <= read(b) < 1.01 * triangle + 1000


def test_vectors_are_checked(stored, refuses):
    with refuses(ValueError, "dimension mismatch"):
        stored @ np.ones(N + 1)
    with refuses(TypeError, "the vector must hold numbers"):
        stored @ np.array(["1"] * N)


def test_pickle(stored):
    copy = pickle.loads(pickle.dumps(stored))
    assert np.array_equal(copy @ np.ones(N), stored @ np.ones(N))


def test_scipy(stored, read_back, path):
    values = np.linalg.eigvalsh(read_back(path))
    largest = eigsh(stored, k=1, which="LA", return_eigenvectors=False)[0]
    assert abs(largest - values[-1]) < 1e-10 * values[-1]
    start = np.random.default_rng(0).standard_normal((N, 2))
    assert abs(lobpcg(stored, start, tol=1e-9, maxiter=100)[0][0] - values[-1]) < 1e-6


# --- brackets ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "dense", "lanczos", "certified", "arpack"])
def test_brackets_are_of_the_matrix_as_stored(method, path, X, small_blocks, read_back):
    """In float32 entries are some 1e-8 off the ideal ones, and what is stored is exact."""
    fg.store_gram(path, X, "tanh", dtype="float32")
    values = np.linalg.eigvalsh(read_back(path).astype(np.float64))
    answer = fg.extreme_eigenvalues(fg.open_gram(path), method=method, rtol=1e-9)
    slack = 2 * N * EPS * values[-1]
    for bracket, value in ((answer.smallest, values[0]), (answer.largest, values[-1])):
        assert bracket.lower - slack <= value <= bracket.upper + slack
    if method in ("dense", "certified"):
        assert answer.smallest.guarantee == "certified"
        assert answer.smallest.upper - answer.smallest.lower < 1e-9 * values[-1]
    ideal = fg.extreme_eigenvalues(fg.GramOperator(X, "tanh"), method="dense").smallest
    if method == "dense":  # the two can be told apart
        assert ideal.upper < answer.smallest.lower or answer.smallest.upper < ideal.lower


def test_a_rounded_matrix_may_have_negative_eigenvalues(path, small_blocks, read_back):
    """As the ideal one has not: zeros are rounded to either side."""
    fg.store_gram(path, fg.datasets.circle(N), "polynomial", dtype="float32")
    values = np.linalg.eigvalsh(read_back(path).astype(np.float64))
    assert values[0] < -1e-9
    op = fg.open_gram(path)
    for method in ("dense", "lanczos", "certified"):
        smallest = fg.extreme_eigenvalues(op, method=method).smallest
        assert smallest.lower <= values[0] <= smallest.upper < 0.0
    assert fg.spectral_density(op, probes=N).lower[0] <= values[0]


@pytest.mark.parametrize("method", ["dense", "lanczos", "certified"])
def test_brackets_are_those_of_the_array(method, stored, read_back, path):
    of_file = fg.extreme_eigenvalues(stored, method=method)
    of_array = fg.extreme_eigenvalues(read_back(path), method=method)
    for end in ("smallest", "largest"):
        one, other = getattr(of_file, end), getattr(of_array, end)
        assert one.guarantee == other.guarantee
        assert np.isclose(one.estimate, other.estimate, rtol=1e-9)
        assert one.lower <= other.upper
        assert other.lower <= one.upper
    assert of_file.noise_floor <= 2.0 * of_array.noise_floor
    assert of_file.noise_floor > 0.0


@pytest.mark.parametrize("network", ["relu", fg.Network("tanh", weight_variance=1e-120)], ids=str)
def test_what_products_round(network, path, X, small_blocks, read_back, monkeypatch):
    """Row sums of |A| and the length of sums, which the noise floor is made of."""
    fg.store_gram(path, X[::-1] * np.linspace(1.0, 2.0, N)[:, None], network)
    stored = fg.open_gram(path).symmetric_problem()
    dense = read_back(path) * 2.0**-stored.exponent
    exact = np.abs(dense).sum(axis=1)
    assert np.argmax(exact) > SIDE  # below the first blocks
    stored.multiply(vectors())
    assert np.isclose(stored.absolute_row_sum(), exact.max(), rtol=1e-13)
    assert stored.summands() >= SIDE + 4
    assert stored.noise_floor(1.0) >= gamma(SIDE + 4) * exact.max()
    assert stored.noise_floor(1.0, 9) >= 3 * gamma(SIDE + 4) * exact.max()
    monkeypatch.setattr(problem, "DENORMAL", 1e-3)  # what an entry may lose in being scaled
    assert fg.open_gram(path).symmetric_problem().noise_floor(1.0) >= N * 1e-3


def test_a_matrix_far_from_1(path, X, small_blocks, read_back):
    network = fg.Network("relu", weight_variance=1e-250)
    fg.store_gram(path, X, network)
    values = np.linalg.eigvalsh(read_back(path) * 1e250)
    for method in ("dense", "lanczos", "certified"):
        answer = fg.extreme_eigenvalues(fg.open_gram(path), method=method)
        assert np.isclose(answer.smallest.estimate * 1e250, values[0], rtol=1e-6)
        assert np.isclose(answer.largest.estimate * 1e250, values[-1], rtol=1e-6)
        assert answer.smallest.lower > 0.0


def test_the_zero_matrix(path, X, small_blocks):
    fg.store_gram(path, X, "step")
    answer = fg.extreme_eigenvalues(fg.open_gram(path))
    assert (answer.smallest.upper, answer.largest.upper) == (0.0, 0.0)
    assert answer.smallest.guarantee == "exact"


def test_a_zero_diagonal_is_no_zero_matrix(tmp_path, X, small_blocks):
    path = tmp_path / "K.npy"
    fg.store_gram(path, X, "step")
    overwrite(path, (0, N - 1), 1.0)
    answer = fg.extreme_eigenvalues(fg.open_gram(path), method="dense")
    assert answer.smallest.lower <= -1.0 <= answer.smallest.upper
    assert answer.largest.lower <= 1.0 <= answer.largest.upper


def test_the_upper_triangle_is_what_counts(tmp_path, X, small_blocks, read_back):
    path = tmp_path / "K.npy"
    fg.store_gram(path, X)
    dense, op = read_back(path), fg.open_gram(path)
    overwrite(path, (N - 1, 0), 1e6)
    overwrite(path, (2, 1), 1e6)  # in a block on the diagonal
    V = vectors()
    assert np.all(np.abs(op @ V - dense @ V) <= rounding(dense, V))
    for method in ("dense", "lanczos", "certified"):
        assert fg.extreme_eigenvalues(op, method=method).largest.upper < 1e3


def test_spectral_density(stored, read_back, path):
    values = np.linalg.eigvalsh(read_back(path))
    density = fg.spectral_density(stored, probes=4)
    assert np.all(density.lower <= values + 1e-12)
    assert np.all(values - 1e-12 <= density.upper)
    assert density.trace.guarantee == "certified"
    assert density.trace.lower <= values.sum() + 1e-12
    assert values.sum() - 1e-12 <= density.trace.upper


def test_a_checkpoint_goes_on(stored, tmp_path):
    options = {"method": "lanczos", "checkpoint": tmp_path / "run", "block": 3, "rtol": 1e-6}
    fg.extreme_eigenvalues(stored, **options, max_passes=2)
    again = fg.extreme_eigenvalues(stored, **options)
    plain = fg.extreme_eigenvalues(stored, **{**options, "checkpoint": None})
    assert again.smallest == plain.smallest
    assert again.largest == plain.largest


# --- what is refused -----------------------------------------------------------------------------


def test_an_unfinished_one(path, X, small_blocks, stop_after, refuses):
    stop_after(4, RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        fg.store_gram(path, X)
    with refuses(ValueError, str(path), f"is unfinished: 4 of {BLOCKS} blocks are stored"):
        fg.open_gram(path)
    with refuses(ValueError, "the ending must be"):
        fg.open_gram(partial_of(path))


def test_none(path):
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        fg.open_gram(path)


def test_without_a_manifest(stored, path, refuses):
    path.with_name(f"{path.name}.json").unlink()
    with refuses(ValueError, str(path), f"has no manifest {path.name}.json beside it"):
        fg.open_gram(path)


def test_one_that_was_cut_short(stored, path, refuses):
    cut = path / "c" / "3" / "3" if path.is_dir() else path  # the last block
    os.truncate(cut, cut.stat().st_size - 8 * (SIDE if path.is_dir() else N) * SIDE)
    with refuses(ValueError, str(cut), "is cut short"):
        stored @ np.ones(N)
    if path.is_file():
        with refuses(ValueError, str(path), "is not what its manifest says"):
            fg.open_gram(path)


def test_a_chunk_that_is_gone(tmp_path, X, small_blocks, refuses):
    path = tmp_path / "K.zarr"
    fg.store_gram(path, X)
    (path / "c" / "0" / "2").unlink()
    with refuses(ValueError, "K.zarr/c/0/2 is missing"):
        fg.open_gram(path) @ np.ones(N)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("entry", [(0, N - 1), (3, 3)])
@pytest.mark.parametrize("method", ["dense", "lanczos"])
def test_one_that_is_not_finite(method, entry, value, tmp_path, X, small_blocks, refuses):
    path = tmp_path / "K.npy"
    fg.store_gram(path, X)
    overwrite(path, entry, value)
    with refuses(ValueError, "the matrix is not finite"):
        fg.extreme_eigenvalues(fg.open_gram(path), method=method)


def test_h5py_is_asked_for_where_it_is_missing(tmp_path, X, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install 'fastgram\[h5\]'"):
        fg.store_gram(tmp_path / "K.h5", X)
    assert not list(tmp_path.iterdir())
