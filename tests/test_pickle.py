"""Journeys: pickled, copied, hashed, sent to processes, cloned; and what is equal."""

from __future__ import annotations

import concurrent.futures
import copy
import dataclasses
import gc
import multiprocessing
import pickle
import sys
import types

import cloudpickle
import joblib
import numpy as np
import pytest
import sklearn
from scipy.sparse.linalg import LinearOperator
from threadpoolctl import threadpool_limits

import fastgram as fg
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.matrix.operator import matrix_of

N, D = 40, 5


def sphere():
    return fg.datasets.sphere(N, D, seed=0)


def softsign(z):
    return z / (1 + np.abs(z))


def d_softsign(z):
    return 1 / (1 + np.abs(z)) ** 2


def mine():
    return fg.Activation("softsign", softsign, d_softsign, (0.0,), parity=-1)


NETWORKS = {
    "name": lambda: fg.Network("tanh"),
    "parameters": lambda: fg.Network("leaky_relu(negative_slope=0.1)", normalize=True),
    "polynomial": lambda: fg.Network(fg.get_activation("polynomial", coefficients=[0.1, 1 / 3])),
    "deep": lambda: fg.Network("elu", depth=3, weight_variance=1.5, bias_variance=0.1),
    "finite": lambda: fg.Network("relu", width=30, depth=2, readout="gaussian", seed=7),
    "your own": lambda: fg.Network(mine(), bias_variance=0.2),
}


def by_protocols(thing):
    return [pickle.loads(pickle.dumps(thing, protocol)) for protocol in range(2, 6)]


WAYS = {
    "pickle": by_protocols,
    "copy": lambda thing: [copy.copy(thing)],
    "deepcopy": lambda thing: [copy.deepcopy(thing)],
    "cloudpickle": lambda thing: [cloudpickle.loads(cloudpickle.dumps(thing))],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_and_activations(name, way):
    network = NETWORKS[name]()
    network.homogeneity()
    table_of_norm(network, "nngp", 1.0, "float64") if network.width is None else None
    for other in way(network):
        assert other == network
        assert hash(other) == hash(network)
        assert other.activation == network.activation
    for other in way(network.activation):
        assert other == network.activation
        assert str(other) == str(network.activation)
    built_in = fg.get_activation("swish", beta=0.3)
    assert all(other is built_in for other in way(built_in))


def test_a_name_that_the_table_has_too():
    impostor = fg.Activation("tanh", softsign, d_softsign, (0.0,))
    other = pickle.loads(pickle.dumps(impostor))
    assert other == impostor
    assert other != fg.get_activation("tanh")
    assert np.array_equal(other.f(np.arange(3.0)), softsign(np.arange(3.0)))


def test_lambdas_by_those_who_can():
    cube = fg.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
    assert fg.dual(cloudpickle.loads(cloudpickle.dumps(cube)), 0.5) == fg.dual(cube, 0.5)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(cube)


def test_activations_are_equal_where_their_parts_are():
    assert mine() == mine()
    assert len({mine(), mine(), fg.get_activation("tanh")}) == 2
    for other in (
        fg.Activation("softsign", softsign, d_softsign, (0.0,)),
        fg.Activation("softsign", softsign, d_softsign, parity=-1),
        fg.Activation("another", softsign, d_softsign, (0.0,), parity=-1),
        fg.Activation("softsign", np.tanh, fg.get_activation("tanh").df, (0.0,), parity=-1),
        "softsign",
    ):
        assert mine() != other


OPTIONS = {
    "plain": {},
    "float32": {"dtype": "float32"},
    "kind": {"kind": "ntk"},
    "no memory": {"memory": 0},
    "memory": {"memory": 10**6},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", ["name", "finite", "your own"])
def test_operators(name, options, way, device):
    X, V = sphere(), np.random.default_rng(0).standard_normal((N, 3))
    op = fg.GramOperator(X, NETWORKS[name](), device=device, **options)
    product = op @ V  # keeps tiles
    matrix_of(op).product_and_row_sums(V)
    for other in way(op):
        assert isinstance(other, fg.GramOperator)
        assert isinstance(other, LinearOperator)
        assert (other.shape, other.dtype, other.kind) == (op.shape, op.dtype, op.kind)
        assert (other.network, other.device) == (op.network, op.device)
        assert matrix_of(other).given_memory == matrix_of(op).given_memory
        assert np.array_equal(matrix_of(other).given_rows, X)
        assert not matrix_of(other).given_rows.flags.writeable
        assert np.array_equal(other.dense(), op.dense())
        assert np.array_equal(other @ V, product)
        assert fg.extreme_eigenvalues(other) == fg.extreme_eigenvalues(op)


def test_tiles_and_tables_stay():
    op = fg.GramOperator(fg.datasets.sphere(1000, 3, seed=0), "tanh", memory=10**8)
    before = len(pickle.dumps(op))
    op @ np.ones(1000)
    assert len(pickle.dumps(op)) == before
    assert before < matrix_of(op).given_rows.nbytes + 4000


@pytest.mark.slow
def test_rows_of_many_norms():
    X = sphere() * np.linspace(1.0, 2.0, N)[:, None]
    op = fg.GramOperator(X, "tanh")
    assert matrix_of(op).entries.table is None
    assert np.array_equal(pickle.loads(pickle.dumps(op)) @ X, op @ X)


def test_the_transpose_and_the_adjoint_are_the_operator(device):
    op = fg.GramOperator(sphere(), fg.Network("relu", depth=2), kind="ntk", device=device)
    for same in (op.T, op.H, op.T.H, op.transpose(), op.adjoint()):
        assert same is op
    assert fg.extreme_eigenvalues(op.T).smallest.guarantee == "certified"
    assert fg.spectral_density(op.H).trace.guarantee == "certified"


@pytest.fixture
def dask(monkeypatch):
    """The one function of dask that is called: it hashes the parts it is given one by one."""

    def normalize_token(thing):
        if hasattr(thing, "__dask_tokenize__") and not isinstance(thing, type):
            return thing.__dask_tokenize__()
        if isinstance(thing, dict):
            return [(key, normalize_token(part)) for key, part in thing.items()]
        if isinstance(thing, (list, tuple)):
            return [normalize_token(part) for part in thing]
        return thing.tobytes() if isinstance(thing, np.ndarray) else pickle.dumps(thing)

    base = types.ModuleType("dask.base")
    base.normalize_token = normalize_token
    monkeypatch.setitem(sys.modules, "dask", types.ModuleType("dask"))
    monkeypatch.setitem(sys.modules, "dask.base", base)
    return normalize_token


@pytest.mark.parametrize("name", ["name", "finite", "your own"])
def test_equal_operators_have_one_token_of_dask(name, dask):
    def operator(**options):
        return fg.GramOperator(sphere(), NETWORKS[name](), **options)

    op = operator()
    op @ np.ones(N)  # what it has computed is no part of it
    assert dask(op) == dask(operator()) == dask(copy.deepcopy(op))
    different = [operator(**options) for options in OPTIONS.values() if options]
    different.append(fg.GramOperator(2.0 * sphere(), NETWORKS[name]()))
    different.append(fg.GramOperator(sphere(), "relu"))
    for other in different:
        assert dask(other) != dask(op)


@pytest.mark.parametrize("ask", [fg.extreme_eigenvalues, fg.spectral_density])
def test_equal_results_have_one_token_of_dask(ask, dask):
    matrix = np.diag(np.arange(1.0, 9.0))
    one, other = ask(matrix), ask(matrix)
    other = dataclasses.replace(other, seconds=one.seconds + 1.0)
    assert dask(one) == dask(other)
    assert dask(one) != dask(ask(2.0 * matrix))


# --- results --------------------------------------------------------------------------------------


def repeated():
    return np.concatenate([sphere(), sphere()[:3]])


RESULTS = {
    "dense": lambda: fg.extreme_eigenvalues(np.diag([1.0, 2.0, 4.0]), k=2, vectors=True),
    "lanczos": lambda: fg.extreme_eigenvalues(fg.GramOperator(sphere(), "elu"), method="lanczos"),
    "singular": lambda: fg.extreme_eigenvalues(fg.GramOperator(repeated(), "relu")),
    "unresolved": lambda: fg.extreme_eigenvalues(fg.GramOperator(fg.datasets.circle(61), "tanh")),
    "density": lambda: fg.spectral_density(fg.GramOperator(sphere(), "elu")),
    "zero": lambda: fg.spectral_density(np.zeros((3, 3))),
    "exact": lambda: fg.exact_extreme_eigenvalues(fg.datasets.circle(5), "relu"),
    "bracket": lambda: fg.extreme_eigenvalues(np.eye(3)).condition,
    "pairs": lambda: fg.extreme_eigenvalues(np.diag([1.0, 2.0]), vectors=True).smallest_pairs,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", RESULTS)
def test_results(name, way):
    result = RESULTS[name]()
    for other in way(result):
        assert other == result
        assert str(other) == str(result)
    assert RESULTS[name]() == result  # however long it took
    assert result != "result"


def test_results_that_differ():
    A = np.diag([1.0, 2.0, 4.0])
    answer = fg.extreme_eigenvalues(A, vectors=True)
    assert answer != fg.extreme_eigenvalues(A)
    assert answer != fg.extreme_eigenvalues(A[::-1, ::-1], vectors=True)
    assert answer.smallest_pairs != answer.largest_pairs
    assert answer != fg.extreme_eigenvalues(np.diag([1.0, 2.0, 5.0]), vectors=True)


# --- other processes ------------------------------------------------------------------------------


def smallest(op):
    with threadpool_limits(1):
        return fg.extreme_eigenvalues(op)


def test_hashes_of_joblib():
    def make():
        return fg.GramOperator(sphere(), NETWORKS["your own"]())

    op = make()
    before = joblib.hash(op)
    op @ np.ones(N)
    fg.extreme_eigenvalues(op)
    assert joblib.hash(op) == before == joblib.hash(make())
    assert joblib.hash(fg.GramOperator(2 * sphere(), op.network)) != before
    assert joblib.hash(fg.GramOperator(sphere(), op.network, kind="nngp")) != before
    assert joblib.hash(fg.Network("tanh")) != joblib.hash(fg.Network("tanh", depth=2))


@pytest.mark.slow
def test_loky():
    op = fg.GramOperator(
        sphere(), fg.Network(fg.Activation("f", lambda z: z**3, lambda z: 3 * z**2))
    )
    expected = smallest(op)
    found = joblib.Parallel(2)(joblib.delayed(smallest)(op) for _ in range(2))
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    gc.collect()
    assert found == [expected, expected]


@pytest.mark.slow
def test_spawned_processes():
    op = fg.GramOperator(sphere(), "tanh")
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(fg.GramOperator.dense, op).result()
    assert np.array_equal(found, op.dense())  # BLAS has more threads there


def test_rows_that_joblib_maps(tmp_path):
    op = fg.GramOperator(sphere(), "tanh")
    joblib.dump(op, tmp_path / "op")
    other = joblib.load(tmp_path / "op", mmap_mode="r+")
    assert not isinstance(matrix_of(other).given_rows, np.memmap)
    assert np.array_equal(other.dense(), op.dense())


# --- scikit-learn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_clones(name):
    network = NETWORKS[name]()
    assert sklearn.clone(network) == network
    assert sklearn.clone(network, safe=False) == network
    assert sklearn.clone([network, network]) == [network, network]
