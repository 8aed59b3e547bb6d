"""Whether a plan's hours are what runs take, at three sizes, and each way at the smallest of them.

    python -m bench.plan [--quick] [--threads 1] [--way cluster ...]

Rates are measured as `fastgram.plan` does, before each run and after it, and the run is held
against what a plan says at either, with the passes that it took. On one thread, unless told
otherwise, and by the time that the processor gave to the process, so that what else runs on the
machine counts little; on several the clock's. What the disk takes of a stored matrix is left out
on both sides; of a cluster of two processes it is this one's time, and half of theirs together.
Some ten minutes; `--quick` takes the smallest size alone, `--way` some of the ways. The exit code
is 1 if the middle of two ratios is beyond {LIMIT}.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import fastgram as fg
from bench import results
from bench.results import Figure
from fastgram.devices.cluster.opening import local_processes
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
BANDWIDTH = 10.0  # Gbit/s, of links that are none
# Neurons of a network whose matrix is multiplied by factors; passes of a density; processes.
WIDTH, DENSITY_PASSES, PROCESSES = 64, 24, 2


def operator(n: int, memory: int | None, width: int | None = None) -> fg.GramOperator:
    """Return a matrix whose start block no close pairs join."""
    network = fg.Network(ACTIVATION, width=width)
    return fg.GramOperator(fg.datasets.sphere(n, D, 0), network, memory=memory)


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
    return Case(matrix, block, rates, option, RTOL, None, free, free, PROCESSES, BANDWIDTH)


def planned(case: Case, name: WayName, passes: int) -> float:
    """Return the seconds that a plan says so many passes take by a way."""
    told = dataclasses.replace(case, passes=passes)
    return next(3600.0 * way.least_hours for way in ways_of(told) if way.name == name)


def timed(run: Callable[[], Any], clock: Clock) -> tuple[Any, float]:
    """Return what a function returns, and its seconds."""
    start = clock()
    found = run()
    return found, clock() - start


def run_passes(op: fg.GramOperator, name: WayName, clock: Clock) -> Run:
    """Run passes until brackets are narrow, and return what a plan says of as many."""
    answer, seconds = timed(lambda: fg.extreme_eigenvalues(op, method="lanczos", rtol=RTOL), clock)
    assert answer.converged, answer
    return seconds, lambda case: planned(case, name, answer.passes)


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

    def told(case: Case) -> float:
        costs = case.costs(case.block, 0.0)
        return float(costs.factorisation + found.products * costs.solution)

    return seconds, told


def run_certified(op: fg.GramOperator, clock: Clock) -> Run:
    """Run the certified method, whose passes go on to a narrower bracket."""
    answer, seconds = timed(
        lambda: fg.extreme_eigenvalues(op, method="certified", rtol=RTOL), clock
    )
    assert answer.smallest.guarantee == "certified", answer
    return seconds, lambda case: planned(case, "certified", answer.passes)


def run_density(op: fg.GramOperator, clock: Clock) -> Run:
    """Run a spectral density."""
    answer, seconds = timed(lambda: fg.spectral_density(op, passes=DENSITY_PASSES), clock)
    assert answer.trace.lower <= op.trace() <= answer.trace.upper
    return seconds, lambda case: planned(case, "density", answer.passes)


def run_stored(op: fg.GramOperator, clock: Clock) -> Run:
    """Run a build on disk and passes that read it."""

    def run(path: Path) -> Any:
        fg.store_gram(path, fg.datasets.sphere(op.shape[0], D, 0), ACTIVATION)
        return fg.extreme_eigenvalues(fg.open_gram(path), method="lanczos", rtol=RTOL)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gram.npy"
        answer, seconds = timed(lambda: run(path), clock)
        size = path.stat().st_size
    assert answer.converged, answer

    def told(case: Case) -> float:
        return planned(case, "stored", answer.passes) - size / case.rates.disk_write

    return seconds, told


def run_cluster(op: fg.GramOperator, clock: Clock) -> Run:
    """Run passes on a cluster of processes of as many threads as this one."""
    with local_processes(PROCESSES, None) as client:
        there = [psutil.Process(pid) for pid in client.run(os.getpid).values()]
        shared = fg.GramOperator(fg.datasets.sphere(op.shape[0], D, 0), ACTIVATION, device=client)
        shared @ np.ones((op.shape[0], 1))  # compiled, and sent

        def spent() -> float:
            return sum(sum(process.cpu_times()[:2]) for process in there) / PROCESSES

        before = spent()
        answer, seconds = timed(
            lambda: fg.extreme_eigenvalues(shared, method="lanczos", rtol=RTOL), clock
        )
        seconds += spent() - before if clock is time.process_time else 0.0
    assert answer.converged, answer
    return seconds, lambda case: planned(case, "cluster", answer.passes)


def figures_of(n: int, clock: Clock, ways: list[str]) -> list[Figure]:
    """Run each way between two measurements of rates, and return planned over measured."""
    recomputed, kept, finite = operator(n, 0), operator(n, 8 * n * n), operator(n, 0, WIDTH)
    runs: dict[str, tuple[fg.GramOperator, Callable[[], Run]]] = {
        "recomputed": (recomputed, lambda: run_passes(recomputed, "recomputed", clock)),
        "kept": (kept, lambda: run_passes(kept, "kept", clock)),
        "inverse": (kept, lambda: run_factor(kept, clock)),
    }
    if n == SIZES[0]:
        runs |= {
            "dense": (kept, lambda: run_dense(kept, clock)),
            "certified": (kept, lambda: run_certified(kept, clock)),
            "density": (kept, lambda: run_density(kept, clock)),
            "stored": (recomputed, lambda: run_stored(recomputed, clock)),
            "factored": (finite, lambda: run_passes(finite, "factored", clock)),
        }
    if n == SIZES[-1] or "cluster" in ways:
        runs["cluster"] = recomputed, lambda: run_cluster(recomputed, clock)
    found = []
    for way, (op, run) in runs.items():
        if ways and way not in ways:
            continue
        before = case_of(op, clock)
        seconds, told = run()
        ratios = [told(case) / seconds for case in (before, case_of(op, clock))]
        name = f"plan n={n} d={D} {ACTIVATION}"
        found.append(Figure.of(name, f"planned / run, {way}", ratios, "ratio"))
        print(f"{name}  {way:<12} {found[-1]}", flush=True)
    return found


@within_threads()
def measure(sizes: tuple[int, ...], clock: Clock, ways: list[str]) -> list[Figure]:
    """Return the figures of all sizes."""
    return [figure for n in sizes for figure in figures_of(n, clock, ways)]


def main() -> int:
    """Parse the command line, measure, print and save."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").format(LIMIT=LIMIT),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="the smallest size alone")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--way", nargs="+", default=[], help="these alone; nothing is saved")
    options = parser.parse_args()
    fg.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    figures = measure(SIZES[:1] if options.quick else SIZES, clock, options.way)
    if not options.quick and not options.way:
        print(results.save("plan", figures), file=sys.stderr)
    return int(any(not 1.0 / LIMIT <= figure.value <= LIMIT for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
