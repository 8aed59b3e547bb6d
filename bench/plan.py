"""Whether a plan's hours are what runs take: three sizes, by passes, a certificate and the inverse.

    python -m bench.plan [--quick] [--threads 1]

Rates are measured as `fastgram.plan` does, then the runs are made and held against them, with the
passes that they took. On one thread, unless told otherwise, and by the time that the processor gave
to the process, so that what else runs on the machine counts little; on several the clock's. Some
ten minutes; `--quick` takes the smallest size alone. The exit code is 1 if a ratio is beyond
{LIMIT}.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from typing import Any

import fastgram as fg
from bench import results
from bench.results import Figure
from fastgram.devices.cpu import CPU
from fastgram.eigenvalues.extreme import default_block
from fastgram.eigenvalues.methods import inverse
from fastgram.eigenvalues.methods.hybrid import factorisation_option
from fastgram.planning import measurements
from fastgram.planning.matrix import PlannedMatrix
from fastgram.planning.rates import MeasuredRates
from fastgram.planning.ways import Case, ways_of
from fastgram.support.memory import free_memory
from fastgram.support.threads import within_threads

Clock = Callable[[], float]

LIMIT = 1.5
SIZES = (3072, 6144, 12288)
D, ACTIVATION, RTOL = 100, "tanh", 0.05


def operator(n: int, memory: int | None) -> fg.GramOperator:
    """Return a matrix whose start block no close pairs join."""
    return fg.GramOperator(fg.datasets.sphere(n, D, 0), ACTIVATION, memory=memory)


def case_of(op: fg.GramOperator, clock: Clock) -> Case:
    """Return what a plan is made of, from rates that are measured now."""
    matrix = PlannedMatrix.of_operator(op)
    block = default_block(matrix.n)
    rates = MeasuredRates(
        **measurements.of_machine(None, clock),
        **measurements.of_vectors(CPU, block, clock),
        **measurements.of_entries(matrix, block, clock),
    )
    free = free_memory()
    option = factorisation_option(matrix, block, free)
    return Case(matrix, block, rates, option, RTOL, None, free, free, 1, 1.0)


def timed(run: Callable[[], Any], clock: Clock) -> tuple[Any, float]:
    """Return what a function returns, and its seconds."""
    start = clock()
    found = run()
    return found, clock() - start


def passes_ratio(case: Case, op: fg.GramOperator, name: str, clock: Clock) -> float:
    """Return the planned seconds of passes over the seconds of a run of as many."""
    answer, seconds = timed(lambda: fg.extreme_eigenvalues(op, method="lanczos", rtol=RTOL), clock)
    assert answer.converged, answer
    told = dataclasses.replace(case, passes=answer.passes)
    [way] = [way for way in ways_of(told) if way.name == name]
    return 3600.0 * way.least_hours / seconds


def dense_ratio(case: Case, op: fg.GramOperator, clock: Clock) -> float:
    """Return the same of the dense method."""
    _, seconds = timed(lambda: fg.extreme_eigenvalues(op, method="dense"), clock)
    return float(case.costs(case.block, 0.0).dense / seconds)


def factor_ratio(case: Case, op: fg.GramOperator, clock: Clock) -> float:
    """Return the same of the phase with the inverse: a factorisation and products with it."""
    from fastgram.eigenvalues.adapters import as_problem
    from fastgram.eigenvalues.request import Request

    problem = as_problem(op)
    request = Request(RTOL, 5e-4, case.block, 1, False, None, 0, None, False, 0)
    found, seconds = timed(lambda: inverse.run_inverse(problem, request, 0.0), clock)
    assert found is not None
    costs = case.costs(case.block, 0.0)
    planned = costs.factorisation + found.products * costs.solution
    return float(planned / seconds)


def figures_of(n: int, clock: Clock) -> list[Figure]:
    """Measure rates, run each way, and return planned over measured."""
    recomputed, kept = operator(n, 0), operator(n, 8 * n * n)
    case = case_of(recomputed, clock)
    ratios = {} if n > SIZES[0] else {"dense": dense_ratio(case, kept, clock)}
    ratios |= {
        "recomputed": passes_ratio(case, recomputed, "recomputed", clock),
        "kept": passes_ratio(case, kept, "kept", clock),
        "inverse": factor_ratio(case, kept, clock),
    }
    name = f"plan n={n} d={D} {ACTIVATION}"
    return [
        Figure.of(name, f"planned / run, {way}", [ratio], "ratio") for way, ratio in ratios.items()
    ]


@within_threads()
def measure(sizes: tuple[int, ...], clock: Clock) -> list[Figure]:
    """Return the figures of all sizes."""
    return [figure for n in sizes for figure in figures_of(n, clock)]


def main() -> int:
    """Parse the command line, measure, print and save."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").format(LIMIT=LIMIT),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="the smallest size alone")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    fg.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    figures = measure(SIZES[:1] if options.quick else SIZES, clock)
    for figure in figures:
        print(f"{figure.case}  {figure.what:<28} {figure.value:.2f}")
    if not options.quick:
        print(results.save("plan", figures), file=sys.stderr)
    return int(any(not 1.0 / LIMIT <= figure.value <= LIMIT for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
