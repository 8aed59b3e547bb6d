"""What a Dask cluster costs: a pass against one process, and what it sends, in bytes and seconds.

`python -m bench.cluster` takes a pass by two processes of a thread each and one by this process on
two threads in turn, and then passes that compute nothing, at 2, 4 and 8 processes: the block sent
out, the sums merged and fetched. Last, on paper, what 64 machines of 10 Gbit/s take for that, and
for a basis that is dealt to them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil

import fastgram as fg
from fastgram.devices.band import TASKS_A_WORKER
from fastgram.devices.cluster.opening import local_processes
from fastgram.matrix.divided import tasks
from fastgram.matrix.divided.bands import bands_of_triangle, pass_bytes, pass_steps
from fastgram.matrix.operator import matrix_of
from fastgram.planning.dealt_basis import DealtBasis

D, B = 100, 16
PASSES, MEMORY = 80, 64 * 10**9  # of a basis on paper, and of each machine
GIGABIT = 1e9 / 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, nargs="*", default=[16384, 32768])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 4, 8])
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for n in given.n:
        compare(n, given.rounds)
    for count in given.processes:
        send(max(given.n, default=32768), count, given.rounds)
    for n in (10**6, 10**7):
        on_paper(n, 64)


@contextmanager
def threads(count: int) -> Iterator[None]:
    fg.set_num_threads(count)
    try:
        yield
    finally:
        fg.set_num_threads(None)


def compare(n: int, rounds: int) -> None:
    """Print passes of two processes over those of one, each on two threads."""
    X = fg.datasets.sphere(n, D, seed=0)
    V = np.random.default_rng(1).standard_normal((n, B))
    with threads(2), local_processes(2, None) as client:
        there = [psutil.Process(pid) for pid in client.run(os.getpid).values()]
        one = fg.GramOperator(X, "relu", memory=0)
        two = fg.GramOperator(X, "relu", device=client)
        difference = np.max(np.abs((one @ V) - (two @ V)))
        assert difference <= 1e-12 * n, difference
        walls, works = [], []
        for _ in range(rounds):
            alone, alone_work = timed(lambda: one @ V, [psutil.Process()])
            shared, shared_work = timed(lambda: two @ V, [psutil.Process(), *there])
            walls.append(shared / alone)
            works.append(shared_work / alone_work)
    print(
        f"n = {n}: two processes of a thread over one of two, {rounds} rounds in turn:"
        f" {spread(walls)} of the time, {spread(works)} of the processors' time",
        flush=True,
    )


def timed(act: Callable[[], Any], processes: list[psutil.Process]) -> tuple[float, float]:
    """Return the seconds that something takes, and those of processors that processes spend."""

    def spent() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    work, start = spent(), time.perf_counter()
    act()
    return time.perf_counter() - start, spent() - work


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


def no_product(entries: Any, V: Any, task: tasks.BandTask) -> tasks.Sum:
    """Return a sum of a band's size, and compute nothing."""
    start = task.band.rows.start
    return tasks.Sum(start, np.ones((V.shape[0] - start, V.shape[1])), 1)


def send(n: int, processes: int, rounds: int) -> None:
    """Print what passes send that compute nothing."""
    V = np.random.default_rng(1).standard_normal((n, B))
    with local_processes(processes, None) as client:
        op = fg.GramOperator(fg.datasets.sphere(n, 2, seed=0), "relu", device=client)
        entries: Any = matrix_of(op).entries
        bands = bands_of_triangle(n, entries.task_count)
        own = [tasks.BandTask(band, False, False) for band in bands]
        pool = op._home.pool
        seconds = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            pool.total(no_product, entries.held, V, own, tasks.add_sums)
            seconds.append(time.perf_counter() - start)
    out, back = pass_bytes(n, B, processes, len(own))
    print(
        f"n = {n}, b = {B}, {processes} processes, {len(own)} bands: {out / 1e6:.0f} MB out and at"
        f" most {back / 1e6:.0f} MB back, in {statistics.median(seconds[1:]):.2f} s",
        flush=True,
    )


def on_paper(n: int, machines: int) -> None:
    """Print what a pass sends on so many machines of 10 Gbit/s, and how long it takes at least."""
    count = TASKS_A_WORKER * machines
    out, back = pass_bytes(n, B, machines, count)
    block = 8.0 * n * B
    steps = sum(pass_steps(machines, count))
    print(
        f"on paper, n = {n:.0e}, {machines} machines, {count} bands: {out / 1e9:.0f} GB out,"
        f" {back / 1e9:.0f} GB back in all; {steps} steps of {block / 1e9:.2f} GB one after the"
        f" other, {steps * block / (10 * GIGABIT):.1f} s"
    )
    basis = DealtBasis(n, B, PASSES, machines, MEMORY)
    sizes = (f"{size / 1e9:.0f} GB" for size in (basis.bytes, basis.dealt, MEMORY, basis.sent))
    print(
        "the basis of {} passes, {}: {} dealt to machines of {}, {} sent for it, and"
        " {:.0f} s in {:.0f} steps".format(
            PASSES, *sizes, basis.steps * block / (10 * GIGABIT), basis.steps
        )
    )


if __name__ == "__main__":
    main()
