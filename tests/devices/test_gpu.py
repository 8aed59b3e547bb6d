"""device="gpu", on emulated GPUs: everything that runs on the CPU, and the same answers.

The arrays are strict (see other_device.py) and the kernels are the CUDA source compiled as host
C++. On a machine with a GPU the other tests run on it as well: `pytest -m gpu`.
"""

import functools
import itertools
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.cases import DTYPES
from helpers.emulated_gpu import as_emulated  # noqa: F401
from helpers.other_device import OtherArray, kernel, transfers
from helpers.tolerances import eps

import fastgram as fg
from fastgram import GramOperator, Network
from fastgram.devices import cpu as _cpu
from fastgram.devices import gpu as _gpu
from fastgram.devices import registry as _registry
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.close_pairs import close_pairs
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.matrix.operator import matrix_of

N = 50
SMALLEST = ("smallest", "largest")


@pytest.fixture
def gpu(as_emulated):  # noqa: F811
    """The one GPU there is, with tiles of 16 rows."""
    return as_emulated()[0]


@functools.cache
def sphere(n=N, d=5):
    """Unit rows, and among them equal, opposite and nearly equal ones."""
    X = fg.datasets.sphere(n, d, 3)
    X[7], X[n // 2] = X[2], -X[5]
    X[n // 3] = X[n - 3] + 1e-9
    return X / np.linalg.norm(X, axis=1)[:, None]


@functools.cache
def of_many_norms(n=N, d=5):
    return sphere(n, d) * np.linspace(0.3, 1.7, n)[:, None]


def vectors(n=N, b=3):
    return np.random.default_rng(1).standard_normal((n, b))


def close(one, other, dtype="float64", times=64):
    """Whether two matrices agree to a few roundings of the largest entry."""
    scale = max(float(np.max(np.abs(other))), 1e-300)
    return np.max(np.abs(one - other)) <= times * eps(dtype) * scale


CASES = {
    "one norm": ("relu", sphere, {}),
    "several pieces": ("hard_tanh", sphere, {}),
    "deep": ("gelu", sphere, {"depth": 3, "bias_variance": 0.1}),
    "norms factored out": ("leaky_relu", of_many_norms, {}),
    "norms separated": ("tanh", of_many_norms, {}),
    "one by one": ("relu6", lambda: of_many_norms(9, 3), {}),
    "one by one outside a table": ("elu", lambda: of_many_norms(10, 3), {"depth": 2}),
    "finite": ("tanh", of_many_norms, {"width": 40}),
    "finite, counted": ("relu", of_many_norms, {"width": 200}),
    "finite, deep": ("erf", of_many_norms, {"width": 24, "depth": 2, "bias_variance": 0.2}),
}


# Tables and integrals that take seconds.
SLOW = ("deep", "norms separated", "one by one outside a table", "finite, deep")


def marked(case, *others):
    return pytest.param(case, *others, marks=[pytest.mark.slow] * (case in SLOW))


@pytest.fixture(params=[marked(case) for case in CASES])
def case(request):
    """Rows and a network of each way that entries come about."""
    name, rows, options = CASES[request.param]
    return rows(), Network(name, **options)


quiet = pytest.mark.filterwarnings("ignore:.*integrated one by one")


# --- the matrix ---


# A device evaluates a table of whatever kind; of finite networks it multiplies other features.
MATRICES = [
    marked(case, kind)
    for case, kind in itertools.product(CASES, ("gradient", "nngp", "ntk"))
    if kind == "gradient" or case == "one norm" or case.startswith("finite")
]


@quiet
@pytest.mark.parametrize(("case", "kind"), MATRICES, indirect=["case"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_matrix_is_that_of_the_cpu(case, kind, dtype, gpu):
    X, network = case
    G = fg.gram(X, network=network, kind=kind, dtype=dtype, device="gpu")
    assert G.dtype == dtype
    assert isinstance(G, np.ndarray)
    assert np.array_equal(G, G.T)
    assert close(G, fg.gram(X, network=network, kind=kind, dtype=dtype), dtype)


@quiet
def test_a_rectangle_is_that_of_the_cpu(case, gpu):
    X, network = case
    Y = X[::-2]
    assert close(fg.gram(X, Y, network, device="gpu"), fg.gram(X, Y, network))


@pytest.mark.parametrize("name", fg.activation_names())
def test_every_activation(name, gpu):
    X = sphere(33, 4)
    assert close(fg.gram(X, network=name, device="gpu"), fg.gram(X, network=name))


@pytest.mark.slow
def test_rows_of_zeros(gpu):
    X = sphere().copy()
    X[[0, 33]] = 0.0
    for network in ("relu", "sigmoid", Network("relu", bias_variance=0.1)):
        assert close(fg.gram(X, network=network, device="gpu"), fg.gram(X, network=network))


def test_out_is_written_into(gpu):
    X = sphere()
    for out in (np.full((N, N), np.nan), np.full((N, N), np.nan, np.float32)):
        assert fg.gram(X, network="relu", device="gpu", out=out) is out
        assert close(out, fg.gram(X, network="relu"), out.dtype)


# --- products ---


# Entries that are integrated one by one come from the host whatever is kept, milliseconds each.
PRODUCTS = [
    marked(case, memory, dtype)
    for case, memory, dtype in itertools.product(CASES, (None, 0, 4 * 16 * 16 * 8, 10**9), DTYPES)
    if memory is None or not case.startswith("one by one")
    if dtype == "float64" or memory in (None, 10**9)
]


@quiet
@pytest.mark.parametrize(("case", "memory", "dtype"), PRODUCTS, indirect=["case"])
def test_products_are_those_of_the_cpu(case, dtype, memory, gpu):
    X, network = case
    op = GramOperator(X, network, device="gpu", dtype=dtype, memory=memory)
    cpu = GramOperator(X, network, dtype=dtype)
    size = np.abs(cpu.dense().astype(float))
    for V in (vectors(len(X), 3), vectors(len(X), 1), vectors(len(X), 35)):
        for _ in range(2):  # the second reads what the first kept
            bound = 64 * eps(dtype) * np.max(size @ np.abs(V))
            assert np.max(np.abs(op @ V - cpu @ V)) <= bound
    assert close(op @ V[:, 0], (op @ V)[:, 0], dtype)
    assert np.allclose(
        matrix_of(op).absolute_row_sums, matrix_of(cpu).absolute_row_sums, rtol=256 * eps(dtype)
    )
    assert np.allclose(op.diagonal(), cpu.diagonal(), rtol=4 * eps(dtype))
    assert close(op.dense(), cpu.dense(), dtype)


def test_what_is_kept_on_the_gpu(gpu):
    op = GramOperator(sphere(), "relu", device="gpu", memory=10**9)
    op @ vectors()
    assert all(isinstance(tile, OtherArray) for tile in matrix_of(op).cache.tiles.values())
    assert op.tile_bytes == sum(tile.nbytes for tile in matrix_of(op).cache.tiles.values())
    fused = GramOperator(sphere(), "relu", device="gpu")
    fused @ vectors()
    assert not matrix_of(fused).cache.tiles  # entries are made anew as fast as they would be read
    assert fused.memory == 0


def test_complex_vectors(gpu):
    op, V = GramOperator(sphere(), "relu", device="gpu"), vectors()
    assert close(op @ (V + 2j * V), (op @ V) * (1 + 2j))


def test_the_same_call_gives_the_same_bits(gpu):
    for network in ("relu", Network("tanh", width=40)):
        op, V = GramOperator(sphere(), network, device="gpu"), vectors()
        assert np.array_equal(op @ V, op @ V)


@pytest.mark.parametrize("memory", [None, 1])
def test_a_product_moves_its_vectors_and_no_more(memory, gpu):
    op, V = GramOperator(sphere(), "relu", device="gpu", memory=memory), vectors()
    op @ V  # rows and table go over once
    with transfers() as moved:
        op @ V
    assert sorted(moved) == [("get", V.shape), ("put", V.shape)]


# --- several GPUs ---


SHARED = [
    marked(case, count)
    for case, count in [*((case, 2) for case in CASES), ("one norm", 3), ("finite, counted", 3)]
    if not case.startswith("one by one")
]


@quiet
@pytest.mark.parametrize(("case", "count"), SHARED, indirect=["case"])
def test_several_gpus_share_the_work(case, count, as_emulated):  # noqa: F811
    X, network = case
    as_emulated(count)
    V = vectors(len(X))
    cpu = GramOperator(X, network)
    for memory in (None, 1, 10**9):
        op = GramOperator(X, network, device="gpu", memory=memory)
        assert close(op @ V, cpu @ V, times=256)
        assert np.array_equal(op @ V, op @ V)
    assert close(fg.gram(X, network=network, device="gpu"), cpu.dense())


def test_each_gpu_has_its_panels(as_emulated):  # noqa: F811
    launched = []
    for each in as_emulated(2):

        def note(name, *arguments, each=each, launch=each.kernels.launch):
            launched.append((each.number, name))
            launch(name, *arguments)

        each.kernels.launch = note
    X, V = sphere(300), vectors(300)
    assert close(GramOperator(X, "relu", device="gpu") @ V, fg.gram(X) @ V, times=256)
    launches = [number for number, name in launched if name.startswith("multiply_triangle")]
    assert sorted(launches) == [0, 1]


def test_without_tensor_cores_products_go_by_tiles(as_emulated):  # noqa: F811
    devices = as_emulated(2)
    devices[1].kernels.tensor_cores = False  # beside a newer one too: no entry is computed twice
    X, V = fg.datasets.sphere(N, 6, 0), vectors()
    op = GramOperator(X, "relu", device="gpu")
    assert op.multiplication(3) == "tiles"
    assert close(op @ V, fg.gram(X) @ V, times=256)
    answer = fg.extreme_eigenvalues(op, method="lanczos", block=4)
    assert answer.smallest.lower <= np.linalg.eigvalsh(fg.gram(X))[0] <= answer.smallest.upper
    assert answer.one_pass_lower is None or answer.one_pass_lower <= answer.smallest.upper


@pytest.mark.parametrize(
    ("capability", "has_them"), [((7, 0), False), ((7, 5), False), ((9, 0), True)]
)
def test_tensor_cores_go_by_the_compute_capability(capability, has_them):
    facts = {"name": b"some", "multiProcessorCount": 4, "sharedMemPerBlock": 49152}
    facts |= dict(zip(("major", "minor"), capability, strict=True))
    runtime = SimpleNamespace(getDeviceProperties=lambda number: facts)
    gpu = _gpu.CupyGpu(SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)), 0)
    assert gpu.kernels.tensor_cores is has_them


# --- eigenvalues and densities ---


@pytest.mark.parametrize("method", ["auto", "dense", "lanczos", "certified", "arpack"])
@pytest.mark.parametrize("network", ["relu", Network("relu", width=100)], ids=["relu", "finite"])
def test_brackets_are_those_of_the_cpu(method, network, gpu):
    X = fg.datasets.sphere(N, 6, 0)
    options = {"method": method, "rtol": 1e-3, "k": 2, "vectors": method != "certified"}
    here, there = (
        fg.extreme_eigenvalues(GramOperator(X, network, device=device), **options)
        for device in ("gpu", "cpu")
    )
    exact = np.linalg.eigvalsh(fg.gram(X, network=network))
    assert (here.method, here.converged) == (there.method, True)
    if method == "lanczos":  # a factorisation is a choice of costs, and ARPACK's one of last bits
        assert here.passes == there.passes
    for end, value in zip(SMALLEST, (exact[0], exact[-1]), strict=True):
        own, other = getattr(here, end), getattr(there, end)
        assert own.guarantee == other.guarantee
        slack = 1e-11 * exact[-1]  # what the search for an end leaves
        if own.guarantee != "none":
            assert own.lower - slack <= value <= own.upper + slack
        if here.passes == there.passes:
            for name in ("lower", "upper", "estimate"):
                assert abs(getattr(own, name) - getattr(other, name)) <= slack


def test_vectors_of_a_run_stay_on_the_gpu(gpu):
    op = GramOperator(fg.datasets.sphere(N, 6, 0), "tanh", device="gpu")
    with transfers() as moved:
        answer = fg.extreme_eigenvalues(op, method="lanczos", block=2)
    assert answer.passes > 4
    long = [shape for way, shape in moved if way == "put" and shape[:1] == (N,)]
    # the rows and their weights, the start block, and the ones that make sums of rows; a Ritz
    # vector for each end's proof
    assert len([shape for shape in long if shape != (N, 1)]) <= 4
    assert len(long) <= 10
    assert not [shape for way, shape in moved if way == "get" and shape == (N, 2)]
    # a pass is waited for once, for two blocks of T and two norms
    got = [shape for way, shape in moved if way == "get"]
    assert got.count((2 * 2 * 2 + 2,)) == answer.passes
    assert len(got) <= answer.passes + 10


def test_close_pairs_are_looked_for_on_the_host(gpu):
    X = sphere(300)
    with transfers() as moved:
        found = close_pairs(GramOperator(X, "relu", device="gpu"), 3)
    assert moved == []
    np.testing.assert_array_equal(found, close_pairs(GramOperator(X, "relu"), 3))


def test_a_residual_block_that_loses_rank(gpu):
    """Its columns have no Cholesky factor, or one that says so: they are factored as ever."""
    values = np.concatenate([np.ones(60), np.linspace(2.0, 3.0, 5)])
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((65, 65)))[0]
    matrix = (basis * values) @ basis.T
    runs = [
        BlockLanczos(multiply, 65, 8, 0, device=device)
        for multiply, device in (
            (kernel(lambda V: matrix @ V), gpu),
            (lambda V: matrix @ V, _cpu.CPU),
        )
    ]
    for run in runs:
        while not run.exhausted:
            run.advance()
    shapes = [[part.shape for part in run.couplings] for run in runs]
    assert shapes[0] == shapes[1]
    assert shapes[0][0] == (5, 8)
    np.testing.assert_allclose(runs[0].ritz_ends(), runs[1].ritz_ends(), rtol=1e-13)


def test_launches_on_one_gpu_are_not_waited_for(as_emulated):  # noqa: F811
    for count, options, expected in ((1, {}, True), (1, {"memory": 1}, False), (2, {}, False)):
        as_emulated(count)
        op = GramOperator(sphere(), "relu", device="gpu", **options)
        assert as_problem(op).multiplies_by_itself(4) is expected
    assert not as_problem(GramOperator(sphere(), "relu")).multiplies_by_itself(4)
    assert not as_problem(np.eye(3)).multiplies_by_itself(1)


@pytest.mark.slow
def test_a_checkpoint_of_the_cpu_goes_on(gpu, tmp_path):
    X = fg.datasets.sphere(N, 6, 0)
    options = {"method": "lanczos", "block": 2, "checkpoint": tmp_path / "run"}
    fg.extreme_eigenvalues(GramOperator(X, "relu"), max_passes=4, **options)
    here = fg.extreme_eigenvalues(GramOperator(X, "relu", device="gpu"), **options)
    there = fg.extreme_eigenvalues(GramOperator(X, "relu"), method="lanczos", block=2)
    assert here.passes == there.passes
    assert abs(here.smallest.lower - there.smallest.lower) <= 1e-11 * there.largest.upper


def test_a_density_is_that_of_the_cpu(gpu):
    X = fg.datasets.sphere(N, 6, 0)
    here, there = (
        fg.spectral_density(GramOperator(X, "relu", device=device), probes=4, passes=12)
        for device in ("gpu", "cpu")
    )
    assert abs(here.trace.estimate - there.trace.estimate) <= 1e-12 * abs(there.trace.estimate)
    assert np.allclose(here.lower, there.lower, atol=1e-11 * there.upper[-1])


# --- arrays in and out ---


def test_arrays_of_the_gpu_give_arrays_of_the_gpu(gpu):
    X, V = sphere(), vectors()
    with gpu.context():
        mine, block = gpu.put(X), gpu.put(V)
    G = fg.gram(mine, network="relu", device="gpu")
    op = GramOperator(mine, "relu", device="gpu")
    dense = op.dense()
    products = [op @ block, op.matmat(block), op.dot(block), op.matvec(block[:, 0])]
    into = fg.gram(X, network="relu", device="gpu", out=mine[:, :1] @ mine[:, :1].T)
    assert all(isinstance(each, OtherArray) for each in (G, dense, into, *products))
    assert isinstance(op @ V, np.ndarray)
    expected = fg.gram(X, network="relu")
    with gpu.context():
        assert close(gpu.get(G), expected)
        assert close(gpu.get(dense), expected)
        assert close(gpu.get(into), expected)
        for product in products[:3]:
            assert close(gpu.get(product), expected @ V)
        assert close(gpu.get(products[3]), expected @ V[:, 0])


def test_vectors_of_another_length(gpu, refuses):
    op = GramOperator(sphere(), "relu", device="gpu")
    with gpu.context():
        long = gpu.put(np.ones((N + 1, 2)))
    with refuses(ValueError, f"{N} rows"):
        op @ long
    with refuses(ValueError, f"{N} entries"):
        op.matvec(long[:, 0])


def test_arrays_of_a_gpu_are_not_taken_along_in_silence(gpu, refuses):
    with gpu.context():
        X, V = gpu.put(sphere()), gpu.put(vectors())
    for call in (fg.gram, GramOperator, fg.datasets.separation):
        with refuses(TypeError, "X is on a GPU", "device='gpu'"):
            call(X)
    op = GramOperator(sphere(), "relu")
    for product in (op.dot, op.matmat, op.__matmul__):
        with refuses(TypeError, "the vectors are on a GPU", "device='gpu'"):
            product(V)


def test_arrays_of_other_libraries(refuses):
    """What has DLPack, here the strictest of those that have."""
    strict = pytest.importorskip("array_api_strict")
    X = sphere()
    G = fg.gram(strict.asarray(X), strict.asarray(X[:9]), network="relu")
    assert isinstance(G, np.ndarray)
    assert np.array_equal(G, fg.gram(X, X[:9], network="relu"))
    assert fg.gram(strict.asarray(X, dtype=strict.float32), dtype="float32").dtype == np.float32
    whole = strict.asarray([[1, 2], [3, 4]])
    assert np.array_equal(fg.gram(whole), fg.gram([[1, 2], [3, 4]]))
    with refuses(TypeError, "X is complex"):
        fg.gram(strict.asarray(X + 1j))


def test_tensors(refuses):
    torch = pytest.importorskip("torch")
    X = sphere()
    assert np.array_equal(fg.gram(torch.from_numpy(X)), fg.gram(X))
    op, V = GramOperator(torch.from_numpy(X), "relu"), vectors()
    assert np.array_equal(op @ torch.from_numpy(V), op @ V)
    with refuses(TypeError, "X cannot be read", "requires grad"):
        fg.gram(torch.from_numpy(X).requires_grad_())


# --- which device ---


def test_auto_says_what_it_took(gpu, monkeypatch):
    assert GramOperator(sphere(), "relu", device="auto").device == "gpu"
    assert GramOperator(sphere(), "relu").device == "cpu"

    def none():
        raise _gpu.NoGpuError("there is none")

    monkeypatch.setattr(_gpu, "find", none)
    assert GramOperator(sphere(), "relu", device="auto").device == "cpu"


def test_no_gpu_is_one_line(monkeypatch, refuses):
    def none():
        raise _gpu.NoGpuError("CuPy finds no GPU")

    monkeypatch.setattr(_gpu, "find", none)
    for call in (fg.gram, GramOperator):
        with refuses(ValueError, "device='gpu': CuPy finds no GPU; device='cpu' works everywhere"):
            call(sphere(), device="gpu")


class FakeCupy:
    """As much of CuPy as is asked for before a GPU is used."""

    class cuda:
        class runtime:
            class CUDARuntimeError(RuntimeError):
                pass

            count = 1

            @classmethod
            def getDeviceCount(cls):
                if cls.count is None:
                    raise cls.CUDARuntimeError("cudaErrorInsufficientDriver: too old")
                return cls.count

            @classmethod
            def getDeviceProperties(cls, number):
                return {"name": b"Tesla P100", "major": 6, "minor": 0, "multiProcessorCount": 56}


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "CuPy finds no GPU that it can use (cudaErrorInsufficientDriver: too old)"),
        (0, "CuPy finds no GPU"),
        (1, "Tesla P100, has compute capability 6.0 and the kernels need 7.0"),
    ],
)
def test_why_a_gpu_cannot_be_used(count, words, monkeypatch, refuses):
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy)
    monkeypatch.setattr(FakeCupy.cuda.runtime, "count", count)
    monkeypatch.setattr(_gpu, "find", _gpu.find.__wrapped__)
    with refuses(ValueError, "device='gpu': ", words, "device='cpu'"):
        GramOperator(sphere(), device="gpu")


def test_cupy_that_is_not_installed(monkeypatch, refuses):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(_gpu, "find", _gpu.find.__wrapped__)
    with refuses(ValueError, "CuPy is not installed", "pip install 'fastgram[cuda13]'"):
        GramOperator(sphere(), device="gpu")


@pytest.mark.parametrize("name", ["CUPY_TF32", "CUPY_CUDA_PER_THREAD_DEFAULT_STREAM"])
def test_settings_that_would_do_harm_are_refused(name, monkeypatch, refuses):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(_gpu, "find", _gpu.find.__wrapped__)
    with refuses(ValueError, name, "unset"):
        GramOperator(sphere(), device="gpu")


def test_a_toolkit_that_is_not_there(monkeypatch, refuses):
    class Recent(FakeCupy.cuda.runtime):
        @classmethod
        def getDeviceProperties(cls, number):
            return {"name": b"H100", "major": 9, "minor": 0}

    monkeypatch.setattr(FakeCupy.cuda, "runtime", Recent)
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy)  # which has no cuBLAS
    monkeypatch.setattr(_gpu, "find", _gpu.find.__wrapped__)
    with refuses(ValueError, "not all of the CUDA toolkit", "pip install 'fastgram[cuda13]'"):
        GramOperator(sphere(), device="gpu")


class _SmallDevice:
    """The context of a GPU, and nothing else."""

    def __init__(self, number):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


@pytest.mark.parametrize(
    "error",
    [MemoryError("Out of memory allocating 8 bytes"), RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")],
)
def test_no_memory_is_one_line(error, monkeypatch, refuses):
    monkeypatch.setattr(FakeCupy.cuda, "Device", _SmallDevice, raising=False)
    gpu = _gpu.CupyGpu.__new__(_gpu.CupyGpu)
    gpu.number, gpu._cupy = 0, FakeCupy
    words = "GPU 0 is out of memory", "device='cpu'"
    with refuses(ValueError, *words), gpu.context(), gpu.context():  # said once
        raise error
    with pytest.raises(RuntimeError, match="else"), gpu.context():
        raise RuntimeError("something else")


def test_the_command_line(gpu, run, monkeypatch, tmp_path):
    np.save(tmp_path / "rows.npy", sphere())
    spectrum = ("spectrum", tmp_path / "rows.npy", "-a", "relu")
    status, out, err = run(*spectrum, "--device", "gpu")
    assert (status, err) == (0, "")
    assert "on the GPU" in " ".join(out.split())
    assert "gpu 0 (emulated)" in run("info")[1]

    def none():
        raise _gpu.NoGpuError("CuPy finds no GPU")

    monkeypatch.setattr(_gpu, "find", none)
    assert run(*spectrum, "--device", "gpu")[:2] == (2, "")
    status, _, err = run(*spectrum, "--device", "auto")
    assert (status, err) == (0, "fastgram: on the CPU, for CuPy finds no GPU\n")
    assert "no GPU: CuPy finds no GPU" in run("info")[1]


@pytest.mark.slow
def test_the_cpu_loads_nothing_of_the_gpu():
    program = (
        "import sys, fastgram as fg; X = fg.datasets.circle(9);"
        "fg.extreme_eigenvalues(fg.GramOperator(X, 'relu')); fg.gram(X);"
        "print([name for name in ('cupy', 'fastgram.devices.gpu', 'fastgram.devices.fused_product')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.gpu
def test_there_is_a_gpu():
    """Else what `-m gpu` would run says why it does not."""
    found, reason = _registry.gpus()
    if not found:
        pytest.skip(reason)
    op = GramOperator(sphere(), "relu", device="gpu")
    assert close(op @ vectors(), fg.gram(sphere()) @ vectors())


def test_cpu_is_a_device():
    assert _registry.as_devices("cpu") == (_cpu.CPU,)


@pytest.mark.parametrize("network", ["relu", "tanh", "selu", fg.Network("relu", depth=2)])
@pytest.mark.parametrize("n", [5, 130, 300])
def test_a_matrix_on_the_gpu_is_written_at_once(gpu, network, n):
    launched = []
    launch = gpu.kernels.launch

    def note(name, *arguments):
        launched.append(name)
        launch(name, *arguments)

    gpu.kernels.launch = note
    X = fg.datasets.sphere(n, 4, 0)
    X[-1] = X[0] + 1e-9 * X[1]
    X[-1] /= np.linalg.norm(X[-1])
    with gpu.context():
        mine = gpu.put(X)
    G = fg.gram(mine, network=network, device="gpu")
    assert [name.partition("_")[0] for name in launched] == ["build"]
    op = GramOperator(mine, network, device="gpu", ridge=0.5)
    with gpu.context():
        found, with_ridge = gpu.get(G), gpu.get(op.dense())
    expected = fg.gram(X, network=network)
    assert close(found, expected)
    assert np.array_equal(found, found.T)
    assert close(with_ridge, expected + 0.5 * np.eye(n))
