"""Products, entries and brackets on a cluster, beside those of one process."""

from __future__ import annotations

import copy
import pickle

import cloudpickle
import dask.base
import numpy as np
import pytest
from helpers.clusters import threads
from helpers.tolerances import EPS

import fastgram as fg
from fastgram.devices import cpu
from fastgram.devices.cluster.device import Cluster
from fastgram.devices.cluster.pool import Pool
from fastgram.devices.registry import as_devices
from fastgram.eigenvalues import extreme
from fastgram.eigenvalues.one_pass_bound import one_pass_bound
from fastgram.linalg.basis import dealt_columns
from fastgram.linalg.basis.krylov_basis import bytes_elsewhere
from fastgram.matrix.operator import matrix_of

pytestmark = pytest.mark.slow

NETWORKS = {
    "relu": fg.Network("relu"),
    "tanh, many norms": fg.Network("tanh", bias_variance=0.5),
    "relu6, pair by pair": fg.Network("relu6"),
    "finite, by tiles": fg.Network("relu", width=300),
    "finite, by factors": fg.Network("tanh", width=60),
    "finite and deep": fg.Network("tanh", width=40, depth=2),
}


@pytest.fixture(params=NETWORKS)
def case(request, X):
    """Rows and a network."""
    rows = X
    if request.param in ("tanh, many norms", "relu6, pair by pair"):
        rows = X * np.linspace(0.5, 2.0, len(X))[:, None]
    return rows, NETWORKS[request.param]


def close(found, meant, times=64):
    return np.max(np.abs(found - meant)) <= times * EPS * np.max(np.abs(meant))


def test_products_are_those_of_one_process(client, case, V):
    op, one = (fg.GramOperator(*case, device=device, memory=0) for device in (client, "cpu"))
    assert op.device == "cluster"
    assert op.multiplication(5) == one.multiplication(5)
    meant = one @ V  # first, so that kernels are compiled by one process
    assert close(op @ V, meant)
    assert close(op @ V[:, 0], one @ V[:, 0])
    assert close(op @ (1j * V[:, 0]), one @ (1j * V[:, 0]))


def test_row_sums_come_with_the_first_product(client, case, V):
    op, one = (
        matrix_of(fg.GramOperator(*case, device=device, memory=0)) for device in (client, "cpu")
    )
    meant = one.product_and_row_sums(V)
    assert close(op.product_and_row_sums(V), meant)
    assert close(op.absolute_row_sums, one.absolute_row_sums)
    assert op.summands > one.summands


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_entries_have_the_bits_of_one_process(client, X, tmp_path, dtype):
    meant = fg.gram(X, network="elu", dtype=dtype)
    op = fg.GramOperator(X, "elu", device=client, dtype=dtype)
    out = np.memmap(tmp_path / "out", meant.dtype, "w+", shape=meant.shape)
    fg.gram(X, network="elu", device=client, dtype=dtype, out=out)
    fg.store_gram(tmp_path / "K.npy", X, "elu", device=client, dtype=dtype)
    for found in (op.dense(), out, np.load(tmp_path / "K.npy")):
        assert np.array_equal(found, meant)
    assert np.array_equal(op.rows(slice(300, 900)), meant[300:900])


def test_many_blocks_are_stored_in_their_order(client, X, tmp_path, monkeypatch):
    from fastgram.storage import store

    monkeypatch.setattr(store, "side_of", lambda n, ending: 384)
    fg.store_gram(tmp_path / "K.h5", X, "elu", device=client)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "K.h5") as file:
        assert np.array_equal(file["gram"], fg.gram(X, network="elu"))


@pytest.mark.parametrize("name", ["relu", "finite, by tiles"])
def test_two_sets_of_rows(client, X, V, name):
    few, net = X[:500] * 1.0, NETWORKS[name]
    op, one = (fg.GramOperator(few, net, Y=X, device=device) for device in (client, "cpu"))
    assert np.array_equal(op @ V, one @ V)
    assert close(op.T @ V[:500], one.T @ V[:500])
    assert np.array_equal(op.dense(), one.dense())
    assert np.array_equal(fg.gram(few, X, net, device=client), one.dense())


@pytest.mark.parametrize("method", ["lanczos", "auto"])
def test_brackets_are_those_of_one_process(client, X, method):
    rows = np.concatenate([X, X[:3] + 1e-3])  # with close pairs, which start vectors are made of
    answers = [
        fg.extreme_eigenvalues(fg.GramOperator(rows, "relu", device=d), method=method, rtol=0.05)
        for d in (client, "cpu")
    ]
    for end in ("smallest", "largest"):
        found, meant = (getattr(answer, end) for answer in answers)
        assert found.guarantee == meant.guarantee
        for part in ("lower", "upper", "estimate"):
            # what rounding moves, Lanczos moves on
            assert getattr(found, part) == pytest.approx(getattr(meant, part), rel=1e-6)
    assert answers[0].passes == answers[1].passes


def test_a_basis_beyond_this_process_is_dealt_to_the_workers(X, monkeypatch):
    """With the bits of one that is here; and without workers that hold it the run restarts."""
    request = {"method": "lanczos", "rtol": 0.1, "block": 32}
    rows, size = X[:1000], 8 * 1000
    for module in (cpu, dealt_columns):
        monkeypatch.setattr(module, "SLICE_ROWS", 300)
    with threads(2) as few:
        op = fg.GramOperator(rows, "elu", device=few)
        meant = fg.extreme_eigenvalues(op, **request)
        assert meant.passes > 12
        monkeypatch.setattr(extreme, "BASIS_BYTES", size * 200)
        restarted = fg.extreme_eigenvalues(op, **request)
        assert restarted.passes > meant.passes
        monkeypatch.setattr(Pool, "basis_bytes", lambda pool: size * 2048)
        for here in (0, 128):
            monkeypatch.setattr(Cluster, "basis_bytes", lambda device, asked, c=here: size * c)
            assert fg.extreme_eigenvalues(op, **request) == meant  # bit for bit


def test_what_workers_hold_of_a_basis(client, X):
    """A third of their limits, and nothing where they have none, or where there is no cluster."""
    assert bytes_elsewhere(as_devices("cpu")[0]) == 0
    assert bytes_elsewhere(as_devices(client)[0]) == 0
    with threads(2, memory_limit=6 * 10**9) as few:
        (device,) = as_devices(few)
        assert bytes_elsewhere(device) == 4 * 10**9
        assert device.basis_bytes(None) > 0
    assert as_devices(client)[0].basis_bytes(None) is None


def test_near_the_noise_floor_brackets_move_by_parts_of_it():
    """Other bands round otherwise, and are granted other roundings: no digit of λ_min is safe."""
    X, found = fg.datasets.sphere(100, 3, seed=0), []
    for count in (1, 3):
        with threads(count) as few:
            op = fg.GramOperator(X, "gelu", device=few)
            found.append(fg.extreme_eigenvalues(op, method="lanczos"))
    one, three = found
    floor = max(one.noise_floor, three.noise_floor)
    assert 0.0 < one.smallest.lower < 32.0 * floor
    assert one.noise_floor != three.noise_floor
    for part in ("lower", "upper"):
        moved = abs(getattr(one.smallest, part) - getattr(three.smallest, part))
        assert 0.0 < moved < floor / 8.0


def test_the_bound_by_one_pass_is_that_of_one_process(client, X):
    found, meant = (
        one_pass_bound(fg.GramOperator(X, "relu", device=device)) for device in (client, "cpu")
    )
    assert found.lower == pytest.approx(meant.lower, rel=1e-9)
    assert found.lower > 0.0


def test_density_is_that_of_one_process(client, X):
    found, meant = (
        fg.spectral_density(fg.GramOperator(X, "elu", device=device), passes=6)
        for device in (client, "cpu")
    )
    assert found.quantile(0.5).upper == pytest.approx(meant.quantile(0.5).upper, rel=1e-6)
    assert found.trace.estimate == pytest.approx(meant.trace.estimate, rel=1e-12)


def test_a_run_on_a_cluster_goes_on_without(client, X, tmp_path):
    request = {"method": "lanczos", "rtol": 0.05}
    op, one = (fg.GramOperator(X, "elu", device=device) for device in (client, "cpu"))
    first = fg.extreme_eigenvalues(op, max_passes=3, checkpoint=tmp_path / "run", **request)
    assert not first.converged
    found = fg.extreme_eigenvalues(one, checkpoint=tmp_path / "run", **request)
    meant = fg.extreme_eigenvalues(one, **request)
    assert found.passes == meant.passes
    assert found.smallest.lower == pytest.approx(meant.smallest.lower, rel=1e-6)


def test_a_system_is_solved_on_a_cluster(client, X, V):
    op, one = (fg.GramOperator(X, "relu", ridge=0.1, device=device) for device in (client, "cpu"))
    found, meant = (fg.solve(A, V[:, 0]).x for A in (op, one))
    assert np.max(np.abs(found - meant)) <= 1e-5 * np.max(np.abs(meant))


def test_bits_depend_on_the_number_of_bands_alone(client, X, V):
    found = []
    for count, each in ((1, 1), (2, 1), (3, 2)):
        with threads(count, each) as few:
            op = fg.GramOperator(X, "relu", device=few)
            assert matrix_of(op).entries.task_count == 4 * count
            matrix_of(op).entries.task_count = 5
            found.append(op @ V)
    op = fg.GramOperator(X, "relu", device=client)
    matrix_of(op).entries.task_count = 5
    for product in (*found, op @ V):
        assert np.array_equal(product, found[0])
    matrix_of(op).entries.task_count = 3
    assert close(op @ V, found[0])


def test_a_worker_takes_its_own_threads(X, V):
    with threads(1, each=2) as few:
        op = fg.GramOperator(X, "relu", device=few)
        meant = fg.GramOperator(X, "relu") @ V
        assert close(op @ V, meant)


# --- journeys ------------------------------------------------------------------------------------


def test_copies_and_pickles(client, X, V):
    op = fg.GramOperator(X, "relu", device=client)
    meant = op @ V
    for other in (copy.copy(op), copy.deepcopy(op), pickle.loads(cloudpickle.dumps(op))):
        assert other.device == "cluster"
        assert np.array_equal(other @ V, meant)
    again = fg.GramOperator(X, "relu", device=client)
    assert dask.base.tokenize(op) == dask.base.tokenize(again)
    assert dask.base.tokenize(op) != dask.base.tokenize(fg.GramOperator(X, "relu"))


def test_own_activations_go_to_workers(client, X, V):
    cube = fg.Activation("cube", lambda z: z**3, lambda z: 3.0 * z**2)
    op, one = (fg.GramOperator(X, cube, device=device) for device in (client, "cpu"))
    assert close(op @ V, one @ V)


# --- what is refused -----------------------------------------------------------------------------


def test_what_is_refused(client, X, refuses):
    with refuses(ValueError, "a cluster keeps no tiles"):
        fg.GramOperator(X, device=client, memory=10**6)
    with refuses(TypeError, "distributed.Client", "LocalCluster"):
        fg.GramOperator(X, device=client.cluster)
    with threads(1) as few:
        pass
    with refuses(ValueError, "the distributed.Client is closed"):
        fg.GramOperator(X, device=few)
    (device,) = as_devices(client)
    assert client.scheduler.address in device.label


def test_another_version_on_a_worker_is_refused(client, X, V, refuses, monkeypatch):
    op = fg.GramOperator(X, "relu", device=client)
    monkeypatch.setattr(fg, "__version__", "0.0.9")
    with refuses(ValueError, "has fastgram", "0.0.9", "install the same"):
        op @ V


def test_an_error_on_a_worker_is_one_here(client, X, V, refuses):
    # a matrix of finite width whose entries overflow in float32 is refused when features are made
    op = fg.GramOperator(X * 1e25, fg.Network("relu", width=300), device=client, dtype="float32")
    with refuses(ValueError, "overflow", "scale the rows"):
        op @ V
