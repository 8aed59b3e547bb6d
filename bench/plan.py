"""Whether a plan's hours are what runs take: three sizes, by passes, a certificate and the inverse.

    python -m bench.plan [--quick] [--threads 1]

Rates are measured as `fastgram.plan` does, before each run and after it, and the run is held
against what a plan says at either, with the passes that it took. On one thread, unless told
otherwise, and by the time that the processor gave to the process, so that what else runs on the
machine counts little; on several the clock's. Some ten minutes; `--quick` takes the smallest size
alone. The exit code is 1 if the middle of two ratios is beyond {LIMIT}.
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
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.extreme import default_block
from fastgram.eigenvalues.methods import inverse
from fastgram.eigenvalues.methods.hybrid import factorisation_option
from fastgram.eigenvalues.request import Request
from fastgram.planning import measurements
from fastgram.planning.matrix import PlannedMatrix
from fastgram.planning.rates import MeasuredRates
from fastgram.planning.results import WayName
from fastgram.planning.ways import Case, ways_of
from fastgram.support.memory import free_memory
from fastgram.support.threads import within_threads

Clock = Callable[[], float]
# The seconds of a run, and what a plan says that it takes.
Run = tuple[float, Callable[[Case], float]]

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


def run_passes(op: fg.GramOperator, name: WayName, clock: Clock) -> Run:
    """Run passes until brackets are narrow, and return what a plan says of as many."""
    answer, seconds = timed(lambda: fg.extreme_eigenvalues(op, method="lanczos", rtol=RTOL), clock)
    assert answer.converged, answer

    def planned(case: Case) -> float:
        told = dataclasses.replace(case, passes=answer.passes)
        return next(3600.0 * way.least_hours for way in ways_of(told) if way.name == name)

    return seconds, planned


def run_dense(op: fg.GramOperator, clock: Clock) -> Run:
    """Run the dense method."""
    answer, seconds = timed(lambda: fg.extreme_eigenvalues(op, method="dense"), clock)
    assert answer.smallest.guarantee == "certified", answer
    return seconds, lambda case: case.costs(case.block, 0.0).dense


def run_factor(op: fg.GramOperator, clock: Clock) -> Run:
    """Run the phase with the inverse: a factorisation, and products with it."""
    problem = as_problem(op)
    block = default_block(problem.n)
    request = Request(RTOL, 5e-4, block, 1, False, None, 0, None, False, 0)
    found, seconds = timed(lambda: inverse.run_inverse(problem, request, 0.0), clock)
    assert found is not None

    def planned(case: Case) -> float:
        costs = case.costs(case.block, 0.0)
        return float(costs.factorisation + found.products * costs.solution)

    return seconds, planned


def figures_of(n: int, clock: Clock) -> list[Figure]:
    """Run each way between two measurements of rates, and return planned over measured."""
    recomputed, kept = operator(n, 0), operator(n, 8 * n * n)
    runs: dict[str, Callable[[], Run]] = {
        "recomputed": lambda: run_passes(recomputed, "recomputed", clock),
        "kept": lambda: run_passes(kept, "kept", clock),
        "inverse": lambda: run_factor(kept, clock),
    }
    if n == SIZES[0]:
        runs["dense"] = lambda: run_dense(kept, clock)
    found, before = [], case_of(recomputed, clock)
    for way, run in runs.items():
        seconds, planned = run()
        after = case_of(recomputed, clock)
        ratios = [planned(case) / seconds for case in (before, after)]
        name = f"plan n={n} d={D} {ACTIVATION}"
        found.append(Figure.of(name, f"planned / run, {way}", ratios, "ratio"))
        print(f"{name}  {way:<12} {found[-1]}", flush=True)
        before = after
    return found


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
    if not options.quick:
        print(results.save("plan", figures), file=sys.stderr)
    return int(any(not 1.0 / LIMIT <= figure.value <= LIMIT for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
