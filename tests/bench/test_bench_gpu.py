"""python -m bench.gpu, on an emulated GPU and at sizes that say nothing about speed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.emulated_gpu import as_emulated  # noqa: F401

import fastgram as fg
from bench.gpu import __main__ as program
from bench.gpu import cases, runs
from bench.gpu.cases import Scale
from bench.gpu.runs import Foresight, Runs
from bench.results import load
from fastgram.devices import gpu as _gpu
from fastgram.devices.fused_product import FusedProduct
from fastgram.matrix.computed_matrix import ComputedMatrix

TINY = Scale(
    checked=17,  # two tiles; so few entries of many norms are integrated, and wait for no table
    width=6,
    short=0.0,
    square=16,
    copied=1024,
    orders=(20, 40),
    dimensions=(5, 3),
    columns=(1, 2),
    by_tiles=(20,),
    brackets=((48, "relu"), (64, "tanh")),
)
PASSES = [
    f"pass n={n} d={d} b={b} {activation}"
    for n, d, activation in (
        (20, 5, "relu"), (20, 3, "relu"), (20, 5, "tanh"), (40, 5, "relu"), (40, 3, "relu"),
    )
    for b in (1, 2)
]  # fmt: skip


@pytest.fixture
def gpu(as_emulated, monkeypatch):  # noqa: F811
    """An emulated GPU; what CuPy alone knows is made up."""
    (device,) = as_emulated()
    monkeypatch.setattr(program, "facts", lambda devices: {"GPU": devices[0].label})
    monkeypatch.setattr(cases, "empty_pool", lambda device: None)
    monkeypatch.setattr(cases, "pool_bytes", lambda device: 2**31)
    monkeypatch.setattr(runs, "LEAST_ROUNDS", 2)
    return device


@pytest.fixture
def measured(gpu, tmp_path, capsys):
    """Run the program: its status, the figures by case and what, the facts and what it printed."""

    def run(*words):
        status = program.main(words, TINY, tmp_path)
        (path,) = tmp_path.iterdir()
        about, figures = load(path)
        found = {(figure.case, figure.what): figure for figure in figures}
        return status, found, about, capsys.readouterr().out

    return run


@pytest.mark.slow
def test_all_of_it(measured):
    status, found, about, printed = measured()
    assert status == 0, printed
    assert "FAILED" not in printed
    assert "left out" not in printed
    assert about["GPU"] == "gpu 0 (emulated)"

    timed = {case for case, _ in found}
    assert timed >= {*PASSES, "DGEMM 16³", "GEMM 16 x 3 x 16", "copy", "compilation"}
    assert timed >= {f"pass n=20 d=5 b=2 relu by {what}" for what in ("tiles", "float32 tiles")}
    assert timed >= {f"build n=20 d=5 on the {where}" for where in ("device", "host")}
    launched = "build n=20 d=5 the launch alone"
    assert {what for case, what in found if case == launched} == {"an entry", "/ writing the bytes"}
    assert timed >= {f"λ_min to 10% n={n} d=5 {what}" for n, what in TINY.brackets}

    for figure in found.values():
        assert 0.0 <= figure.least <= figure.value <= figure.largest < 1e9
        if "stated error" in figure.what:
            assert figure.value <= 2.0
        elif not figure.case.startswith("λ_min"):  # dense at such sizes, in no product
            assert figure.value > 0.0
    bracket = "λ_min to 10% n=64 d=5 tanh"
    parts = ("of it in products", "before the first", "host and the rest")
    total = sum(found[bracket, part].value for part in parts)
    assert abs(total - found[bracket, ""].value) <= 1e-9
    assert 0.0 <= found[bracket, "in products / all"].value < 1.0
    # the same seconds over two floors of 2d and of 2d + 4b operations
    one = found["pass n=40 d=3 b=2 relu", "/ floor"].value
    other = found["pass n=40 d=3 b=2 relu", "/ floor with products"].value
    assert abs(one / other - (3 + 2 * 2) / 3) <= 1e-12
    assert found["λ_min to 10% n=64 d=5 tanh", "CuPy's pool"].value == 2.0
    assert found["λ_min to 10% n=48 d=5 relu", ""].note.endswith(", converged")

    lines = printed.splitlines()
    start = lines.index("median [least, largest]") + 1
    assert len(lines) - start == len(timed)  # the table is last, a line a case
    assert [line.split("  ")[0].strip() for line in lines[start:]] == list(
        dict.fromkeys(case for case, _ in found)
    )


@pytest.mark.slow
def test_only_what_is_asked_for(measured):
    status, found, _, printed = measured("--only", "n=64")
    assert status == 0, printed
    timed = {case for case, _ in found if not case.startswith(("entries", "compilation"))}
    assert timed == {"λ_min to 10% n=64 d=5 tanh"}
    assert any(case.startswith("entries") for case, _ in found)  # what is wrong is not timed


@pytest.mark.slow
def test_a_case_goes_with_those_within_it(measured):
    _, found, _, _ = measured("--only", "passes n=40 d=3")
    timed = {case for case, _ in found if not case.startswith(("entries", "compilation"))}
    assert timed == {f"pass n=40 d=3 b={b} relu" for b in (1, 2)}


def launched(gpu, monkeypatch):
    """Note the names of the kernels that are launched from now on."""
    names, launch = [], gpu.kernels.launch

    def note(name, *arguments):
        names.append(name)
        launch(name, *arguments)

    monkeypatch.setattr(gpu.kernels, "launch", note)
    return names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "kernel", "columns"),
    [("one_vector", "multiply_vector", (1,)), ("eight_bit", "multiply_eight_bit", (1, 2))],
)
def test_a_variant_is_timed_beside_the_kernel_in_use(
    variant, kernel, columns, measured, gpu, monkeypatch
):
    names = launched(gpu, monkeypatch)
    status, found, _, printed = measured("--only", "passes n=40 d=3", "--variant", variant)
    assert status == 0, printed
    timed = {case for case, _ in found if not case.startswith(("entries", "compilation"))}
    cases = {f"pass n=40 d=3 b={b} relu" for b in (1, 2)}
    assert timed == cases | {f"pass n=40 d=3 b={b} relu, {variant}" for b in columns}
    one, other = f"pass n=40 d=3 b=1 relu, {variant}", "pass n=40 d=3 b=1 relu"
    assert sorted(what for case, what in found if case == one) == [
        *("", "/ floor", "/ the kernel that is used")
    ]
    assert found[one, ""].value > 0.0 < found[other, ""].value
    # checked, begun, and timed in so many rounds as the other
    each = sum(kernel in name for name in names) / len(columns)
    assert each == 2 + runs.LEAST_ROUNDS
    assert not gpu.kernels.variants


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "kernel"), [("one_vector", "multiply_vector"), ("eight_bit", "multiply_eight_bit")]
)
def test_a_wrong_variant_is_not_timed(variant, kernel, measured, gpu, monkeypatch):
    launch = gpu.kernels.launch

    def wrong(name, grid, block, shared, arguments):
        launch(name, grid, block, shared, arguments)
        if kernel in name:
            arguments[-1][0, 0, 7, 0] = 2**52  # of the sums

    monkeypatch.setattr(gpu.kernels, "launch", wrong)
    status, found, _, printed = measured("--only", "passes n=40 d=3", "--variant", variant)
    assert status == 1
    assert "the product is wrong" in printed
    assert not [case for case, _ in found if variant in case]


@pytest.mark.slow
def test_a_wrong_product_is_not_timed(measured, monkeypatch):
    right = ComputedMatrix.multiply

    def wrong(matrix, V):
        product = right(matrix, V)
        if matrix.entries.shape[0] == 20:
            product[0] *= 1.0 + 1e-9
        return product

    monkeypatch.setattr(ComputedMatrix, "multiply", wrong)
    status, found, _, printed = measured()
    assert status == 1
    assert "pass n=20 d=5 b=1 relu: FAILED, AssertionError: the product is wrong" in printed
    timed = {case for case, _ in found}
    assert not [case for case in timed if case.startswith(("pass n=20 ", "build"))]
    assert set(PASSES[6:]) <= timed  # of the larger order


@pytest.mark.slow
def test_no_number_is_a_wrong_product(measured, monkeypatch):
    monkeypatch.setattr(ComputedMatrix, "multiply", lambda matrix, V: V * np.nan)
    status, found, _, _ = measured()
    assert status == 1
    assert not [case for case, _ in found if case.startswith("pass")]


@pytest.mark.slow
def test_a_wrong_build_is_not_timed(measured, monkeypatch):
    right = fg.gram

    def wrong(X, *arguments, **options):
        built = right(X, *arguments, **options)
        if options.get("device") == "gpu":
            built[19] *= 1.0 + 1e-9
        return built

    monkeypatch.setattr(fg, "gram", wrong)
    status, found, _, printed = measured()
    assert status == 1
    assert "the matrix is wrong" in printed
    timed = {case for case, _ in found}
    assert set(PASSES) <= timed
    assert not [case for case in timed if case.startswith("build")]


@pytest.mark.slow
def test_a_wrong_launch_is_not_timed(measured, monkeypatch):
    right, time_launch = FusedProduct.build, cases.time_launch

    def wrong(product, out):
        right(product, out)
        out[19] *= 1.0 + 1e-9

    def with_wrong_launches(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(FusedProduct, "build", wrong)
            time_launch(*arguments)

    monkeypatch.setattr(cases, "time_launch", with_wrong_launches)
    status, found, _, printed = measured("--only", "builds")
    assert status == 1
    assert "the matrix is wrong" in printed
    timed = {case for case, _ in found if case.startswith("build")}
    assert "build n=20 d=5 of an operator" in timed
    assert "build n=20 d=5 the launch alone" not in timed


@pytest.mark.slow
def test_wrong_entries_end_it(measured, monkeypatch):
    right = ComputedMatrix.dense_on_host

    def wrong(matrix):
        built = right(matrix)
        if matrix.entries.network.activation.name == "hard_tanh":
            built[16, 0] += 1e-3
        return built

    monkeypatch.setattr(ComputedMatrix, "dense_on_host", wrong)
    status, found, _, printed = measured()
    assert status == 1
    assert "entries hard_tanh: FAILED" in printed
    assert "nothing is timed" in printed
    assert all(case == "compilation" or case.startswith("entries ") for case, _ in found)


@pytest.mark.slow
def test_no_time_is_left(measured):
    status, found, _, printed = measured("--minutes", "0")
    assert status == 0
    assert {case for case, _ in found} == {"compilation"}
    assert "pass" in printed
    assert printed.count("left out") >= 8


def test_no_gpu_is_one_line(monkeypatch, capsys, tmp_path):
    def none():
        raise _gpu.NoGpuError("CuPy finds no GPU")

    monkeypatch.setattr(_gpu, "find", none)
    assert program.main([], TINY, tmp_path) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "bench.gpu: CuPy finds no GPU\n")
    assert not list(tmp_path.iterdir())


def test_foresight_takes_the_largest_order_and_the_nearest_work():
    foresight = Foresight()
    assert foresight.foresee("pass", 100.0) == 0.0
    foresight.learn("pass", 10, 100.0, 50.0)  # slow for its work
    foresight.learn("pass", 20, 400.0, 4.0)
    foresight.learn("pass", 20, 4000.0, 80.0)
    foresight.learn("other", 99, 1.0, 9.0)
    assert foresight.foresee("pass", 100.0) == 1.0
    assert foresight.foresee("pass", 800.0) == 8.0
    assert foresight.foresee("pass", 8000.0) == 160.0


def runs_for(gpu, seconds, **options):
    with gpu.context():
        return Runs((gpu,), seconds, 4, **options)


@pytest.mark.slow
def test_a_case_that_would_take_too_long_is_left_out(gpu, capsys):
    bench, done = runs_for(gpu, 100.0), []
    bench.share = 0.5

    def case(runs, name, *arguments):
        done.append((name, *arguments))

    bench.attempt("long", 51.0, case, 1)
    bench.attempt("short", 10.0, case, 2)
    assert done == [("short", 2)]
    assert "long: left out, would take 51 s and 50 s are left" in capsys.readouterr().out
    assert not bench.failed


def test_rounds_are_taken_in_turn(gpu):
    order = []
    first, second = runs_for(gpu, 9.0, short=0.0).in_turn(
        lambda: order.append("a"), lambda: order.append("b")
    )
    assert len(first) == len(second) == runs.LEAST_ROUNDS
    assert "".join(order) == "ab" * (1 + runs.LEAST_ROUNDS)
    (many,) = runs_for(gpu, 9.0, short=60.0).in_turn(lambda: None)
    assert len(many) == runs.MOST_ROUNDS


def test_facts_of_a_gpu(monkeypatch):
    runtime = SimpleNamespace(driverGetVersion=lambda: 13010, runtimeGetVersion=lambda: 12090)
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), __version__="13.6.0")
    monkeypatch.setenv("PATH", "")  # without nvidia-smi
    about = runs.facts((SimpleNamespace(xp=cupy, label="gpu 0 (some)"),))
    assert about == {
        "GPU": "gpu 0 (some)",
        "driver": "unknown",
        "CUDA of the driver": "13.1",
        "CUDA": "12.9",
        "cupy": "13.6.0",
    }
    json.dumps(about)


def test_the_pool_is_emptied_and_asked():
    pool = SimpleNamespace(total_bytes=lambda: np.int64(5), free_all_blocks=lambda: freed.append(1))
    freed = []
    device = SimpleNamespace(xp=SimpleNamespace(get_default_memory_pool=lambda: pool))
    runs.empty_pool(device)
    assert freed == [1]
    assert runs.pool_bytes(device) == 5
