"""The timed cases: cuBLAS, passes, builds and brackets. Each part takes a run and a `Scale`."""

from __future__ import annotations

import functools
import gc
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastgram as fg
from bench.gpu.checks import Problem
from bench.gpu.runs import LEAST_ROUNDS, Runs, empty_pool, pool_bytes
from fastgram.devices.fused_product import FusedProduct
from fastgram.kernels.cuda.fused.product import VARIANTS
from fastgram.matrix.operator import matrix_of

TABLE_FLOPS = 60.0  # about what a table takes, to foresee one pass from another
RTOL, BLOCK, PASSES = 0.1, 32, 30  # of a bracket; so many passes are foreseen


@dataclass(frozen=True)
class Scale:
    """How large everything is. What runs in one dimension only runs in the first."""

    checked: int = 2500  # more than one tile
    width: int = 300
    short: float = 2.0  # seconds that short cases are repeated for
    square: int = 8192
    copied: int = 2**30  # bytes
    orders: tuple[int, ...] = (16384, 65536, 262144)
    dimensions: tuple[int, ...] = (100, 10, 784)
    columns: tuple[int, ...] = (1, 8, 32)
    by_tiles: tuple[int, ...] = (16384, 65536)
    brackets: tuple[tuple[int, str], ...] = (
        (262144, "relu"),
        (1_000_000, "relu"),
        (1_000_000, "tanh"),
    )

    @property
    def d(self) -> int:
        """The first dimension."""
        return self.dimensions[0]


def compilation(runs: Runs, scale: Scale) -> None:
    """Time what is called for the first time, and then again."""
    X = fg.datasets.sphere(8, 3, 0)
    fg.gram(X)  # so that the host's own compiled code is there

    def touch() -> None:
        for dtype in ("float64", "float32"):
            op = fg.GramOperator(X, device="gpu", dtype=dtype, memory=0)
            op.matmat(runs.device.put(np.ones((8, 2))))
            matrix_of(op).dense_on_host()

    runs.say("compilation")
    for what in ("first calls", "the same again"):
        runs.add("compilation", what, [runs.time_once(touch)], "s")


def floors(runs: Runs, scale: Scale) -> None:
    """Time cuBLAS and copies of memory."""
    runs.attempt("cuBLAS and memory", 0.0, time_floors, scale)


def time_floors(runs: Runs, case: str, scale: Scale) -> None:
    """Time a large product, products of the size of tiles, and a copy."""
    xp, tile = runs.device.xp, runs.device.tile
    (seconds,) = runs.in_turn(runs.multiply_squares)
    runs.add(f"DGEMM {scale.square}³", "", runs.square_flops / seconds / 1e12, "Tflop/s")
    generator, times = np.random.default_rng(0), 32
    out = xp.empty((tile, tile))
    for d in scale.dimensions:
        x, y = (runs.device.put(generator.standard_normal((tile, d))) for _ in range(2))

        def multiply(x: Any = x, y: Any = y) -> None:
            for _ in range(times):
                xp.matmul(x, y.T, out=out)

        (seconds,) = runs.in_turn(multiply)
        rates = 2.0 * times * d * tile**2 / seconds / 1e12
        runs.add(f"GEMM {tile} x {d} x {tile}", "", rates, "Tflop/s")
    source = xp.zeros(scale.copied // 8)
    target = xp.empty_like(source)
    (seconds,) = runs.in_turn(lambda: xp.copyto(target, source))
    runs.add("copy", "read and written", 2.0 * source.nbytes / seconds / 1e9, "GB/s")


def passes(runs: Runs, scale: Scale) -> None:
    """Time products with blocks, over orders, dimensions and columns."""
    for n in scale.orders:
        for d in scale.dimensions:
            _attempt_passes(runs, scale, n, d, "relu")
        if n == scale.orders[0]:
            _attempt_passes(runs, scale, n, scale.d, "tanh")


def _attempt_passes(runs: Runs, scale: Scale, n: int, d: int, activation: str) -> None:
    foreseen = _foresee_rows(runs, n, d) + _foresee_rounds(runs, n, d, scale.columns[0])
    runs.attempt(f"passes n={n} d={d} {activation}", foreseen, time_passes, scale, n, d, activation)


def pass_work(n: int, d: int, columns: int) -> float:
    """Return about what a pass takes, in operations."""
    return 0.5 * n * n * (2.0 * d + 4.0 * columns + TABLE_FLOPS)


def _foresee_rows(runs: Runs, n: int, d: int) -> float:
    return runs.foresight.foresee("rows", float(n) * d)


def _foresee_pass(runs: Runs, n: int, d: int, columns: int) -> float:
    return runs.foresight.foresee("pass", pass_work(n, d, columns))


def _foresee_rounds(runs: Runs, n: int, d: int, columns: int) -> float:
    """Return the seconds of a check and of all rounds."""
    return max((LEAST_ROUNDS + 2) * _foresee_pass(runs, n, d, columns), runs.short)


def time_passes(runs: Runs, case: str, scale: Scale, n: int, d: int, activation: str) -> None:
    """Time the products with one matrix, and in the first dimension other ways to make them."""
    problem = Problem(runs, n, d, activation)
    for columns in scale.columns:
        foreseen = _foresee_rounds(runs, n, d, columns)
        runs.attempt(problem.name(columns), foreseen, time_pass, problem, columns)
    others = []
    if (d, activation) == (scale.d, "relu"):
        if n in scale.by_tiles:
            others.append(("by tiles", "float64", 1))
        if n == scale.orders[0]:
            others.append(("by float32 tiles", "float32", 0))
    for what, *options in others:
        foreseen = 5.0 * _foresee_rounds(runs, n, d, columns)
        name = f"{problem.name(columns)} {what}"
        runs.attempt(name, foreseen, time_other, problem, columns, *options)


def time_pass(runs: Runs, case: str, problem: Problem, columns: int) -> None:
    """Time a fused pass against the floor."""
    n, d = problem.n, problem.d
    assert problem.op.multiplication(1) == "fused", "the product is not fused"
    ways = [problem.pass_of(columns), runs.multiply_squares]
    if columns in VARIANTS.get(runs.variant, ()):
        ways.append(problem.pass_of(columns, variant=runs.variant))
    seconds, gemm, *varied = runs.in_turn(*ways)
    runs.foresight.learn("pass", n, pass_work(n, d, columns), float(np.median(seconds)))
    runs.add(case, "", seconds, "s")
    rate = runs.square_flops / gemm
    runs.add(case, "/ floor", seconds * rate / (n * n * d), "ratio")
    if columns > 1:
        floor = n * n * (d + 2.0 * columns)
        runs.add(case, "/ floor with products", seconds * rate / floor, "ratio")
    for own in varied:
        runs.add(f"{case}, {runs.variant}", "", own, "s")
        runs.add(f"{case}, {runs.variant}", "/ floor", own * rate / (n * n * d), "ratio")
        runs.add(f"{case}, {runs.variant}", "/ the kernel that is used", own / seconds, "ratio")


def time_other(
    runs: Runs, case: str, problem: Problem, columns: int, dtype: str, memory: int
) -> None:
    """Time a pass that writes its tiles to memory against the fused one."""
    op = problem.operator(dtype, memory)
    seconds, fused = runs.in_turn(problem.pass_of(columns, op), problem.pass_of(columns))
    runs.add(case, "", seconds, "s")
    runs.add(case, "/ fused", seconds / fused, "ratio")


def builds(runs: Runs, scale: Scale) -> None:
    """Time dense builds, which end where the rows are, against a pass, and their launch."""
    runs.attempt(f"builds n={scale.orders[0]} d={scale.d}", 0.0, time_builds, scale)


def time_builds(runs: Runs, case: str, scale: Scale) -> None:
    """Time a build on the device and one on the host, after a check of each."""
    problem, device = Problem(runs, scale.orders[0], scale.d, "relu"), runs.device
    n, one_pass, chosen = problem.n, problem.pass_of(1), device.put(problem.chosen)
    build = functools.partial(fg.gram, network=problem.activation, device="gpu")
    rows = device.put(problem.X)
    problem.check_rows(device.get(build(rows)[chosen]))
    problem.check_rows(build(problem.X)[problem.chosen])
    op = fg.GramOperator(rows, problem.activation, device="gpu", memory=0)
    problem.check_rows(device.get(op.dense()[chosen]))
    ways = (
        ("on the device", functools.partial(build, rows)),
        ("on the host", functools.partial(build, problem.X)),
        ("of an operator", op.dense),  # whose rows are checked and packed
    )
    for where, run in ways:
        seconds, fused = runs.in_turn(run, one_pass)
        name = f"build n={n} d={problem.d} {where}"
        runs.add(name, "an entry", 1e9 * seconds / n**2, "ns")
        runs.add(name, "/ pass b=1", seconds / fused, "ratio")
    time_launch(runs, f"build n={n} d={problem.d} the launch alone", problem)


def time_launch(runs: Runs, case: str, problem: Problem) -> None:
    """Time what writes the matrix, and nothing before it, against writing as many bytes."""
    xp, device, n = runs.device.xp, runs.device, problem.n
    product = matrix_of(problem.op).entries.plan(1, 0, runs.devices[:1])
    assert isinstance(product, FusedProduct), "the matrix is not written by one launch"
    out = xp.full((n, n), np.nan)
    build = functools.partial(product.build, out)
    build()
    problem.check_rows(device.get(out[device.put(problem.chosen)]))
    seconds, written = runs.in_turn(build, lambda: out.fill(1.0))
    runs.add(case, "an entry", 1e9 * seconds / n**2, "ns")
    runs.add(case, "/ writing the bytes", seconds / written, "ratio")


def brackets(runs: Runs, scale: Scale) -> None:
    """Bracket the smallest eigenvalues of large matrices."""
    runs.drop_squares()  # the memory of each is measured
    for n, activation in scale.brackets:
        foreseen = PASSES * _foresee_pass(runs, n, scale.d, BLOCK)
        foreseen += _foresee_rows(runs, n, scale.d) + _foresee_rest(runs, n)
        case = f"λ_min to {RTOL:.0%} n={n} d={scale.d} {activation}"
        runs.attempt(case, foreseen, time_bracket, n, scale.d, activation)


def _foresee_rest(runs: Runs, n: int) -> float:
    """Return the seconds of a bracket beside its passes: mostly the host's, by the row."""
    return runs.foresight.foresee("rest", float(n))


class ProductClock:
    """The seconds that products of an operator take, from idle devices to idle devices.

    Attributes
    ----------
    in_products : float
    before : float
        From here to the first product.
    """

    def __init__(self, runs: Runs, op: fg.GramOperator) -> None:
        self._start = time.perf_counter()
        self.in_products = self.before = 0.0
        matrix = matrix_of(op)
        multiply = matrix.product_and_row_sums

        def timed(V: Any) -> Any:
            runs.finish()
            self.before = self.before or time.perf_counter() - self._start
            start = time.perf_counter()
            product = multiply(V)
            runs.finish()
            self.in_products += time.perf_counter() - start
            return product

        matrix.product_and_row_sums = timed  # type: ignore[method-assign]


def time_bracket(runs: Runs, case: str, n: int, d: int, activation: str) -> None:
    """Bracket one, in as many passes as the time that is left allows."""
    problem = Problem(runs, n, d, activation)
    one_pass = runs.time_once(problem.pass_of(BLOCK))
    runs.foresight.learn("pass", n, pass_work(n, d, BLOCK), one_pass)
    gc.collect()
    empty_pool(runs.device)
    most = max(1, int((runs.left - _foresee_rest(runs, n)) / one_pass))
    clock = ProductClock(runs, problem.op)
    answer = fg.extreme_eigenvalues(
        problem.op, rtol=RTOL, max_passes=most, time_limit=max(runs.left, one_pass)
    )
    runs.foresight.learn("rest", n, float(n), answer.seconds - clock.in_products)
    note = f"{answer.smallest}, {'' if answer.converged else 'not '}converged"
    runs.add(case, "", [answer.seconds], "s", note)
    runs.add(case, f"by {answer.method}", [answer.passes], "passes")
    runs.add(case, "of it in products", [clock.in_products], "s")
    runs.add(case, "before the first", [clock.before], "s")
    rest = answer.seconds - clock.in_products - clock.before
    runs.add(case, "host and the rest", [rest], "s")
    runs.add(case, "in products / all", [clock.in_products / answer.seconds], "ratio")
    runs.add(case, "CuPy's pool", [pool_bytes(runs.device) / 2**30], "GiB")
