"""Where the time of a pass and of a dense build goes.

    python -m bench.breakdown [-n 8192] [-d 100] [-a relu] [--kind gradient] [--depth 1]
                              [--dtype float64] [-b 1] [--threads 2]
    python -m bench.breakdown --all [-n 8192]

Each part is measured alone, in turn with the whole (`bench.parts`). A build stores tiles where a
pass multiplies them: `store` is into an array whose pages are there already, `faults` what a fresh
one takes beyond that. `rest` is what the parts do not explain: the interpreter between tiles,
threads that wait, and tiles that are no longer in cache. `--all` runs a grid of cases, about half
an hour at n = 8192, prints one table with the worst first and saves the figures.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

import fastgram as fg
from bench import parts, results
from bench.floors import gemm_of_tiles, times_in_turn
from bench.parts import Array, Case, Parts, Tile
from bench.results import Figure
from fastgram.matrix.consumers import Store
from fastgram.matrix.tile_cache import bytes_of_all
from fastgram.support.literals import Kind
from fastgram.support.memory import require_memory
from fastgram.support.threads import thread_count

ROUNDS = 5
NAMES = ("gemm", "table", "products", "store", "faults")
NETWORKS: tuple[tuple[str, Kind, int], ...] = (  # activation, kind, depth
    ("relu", "gradient", 1),
    ("tanh", "gradient", 1),
    ("gelu", "gradient", 1),
    ("hard_tanh", "gradient", 1),
    ("relu", "ntk", 10),
)


@dataclass(frozen=True)
class Breakdown:
    """Figures of one pass or build; `floor` is that of a build."""

    name: str
    entries: int  # of the tiles of the upper triangle
    times: Parts
    floor: list[float] | None = None

    @property
    def shares(self) -> dict[str, float]:
        """The median seconds of each part, and of the rest."""
        shares = {name: median(times) for name, times in self.times.parts.items()}
        return {**shares, "rest": median(self.times.whole) - sum(shares.values())}

    def figures(self) -> list[Figure]:
        """Return the figures to save."""
        ratios = [
            Figure.of(self.name, "/ sum of the parts", self.times.to_sum, "ratio"),
            Figure.of(self.name, "/ GEMM of the tiles by BLAS", self.times.to_gemm, "ratio"),
        ]
        if self.floor is not None:
            what = "/ larger of the pass and filling the array"
            ratios.append(Figure.of(self.name, what, self.floor, "ratio"))
        seconds = {"whole": self.times.whole, **self.times.parts}
        return ratios + [Figure.of(self.name, part, t, "s") for part, t in seconds.items()]


def fill_fresh(n: int, dtype: np.dtype[np.floating], threads: int) -> Tile:
    """Write every byte of a new array, on a number of threads."""
    out = np.empty((n, n), dtype)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda band: band.fill(1.0), np.array_split(out, threads)))
    return out


def of_build(op: fg.GramOperator, V: Array, threads: int) -> tuple[Parts, list[float]]:
    """Return the parts of a build, and the build over the larger of a pass and a fill."""
    n, dtype = op.shape[0], parts.entries_of(op).dtype
    samples = parts.samples_of(op)
    values = parts.values_of(op, samples, dtype)
    there = np.ones((n, n), dtype)

    def build() -> Tile:
        out: Tile = np.empty((n, n), dtype)
        parts.traverse(op, Store(out, True, dtype), threads)
        return out

    def store(out: Tile) -> Tile:
        parts.run_consumer(Store(out, True, dtype), values, n, threads)
        return out

    parts.check(op, V, build()[parts.chosen_rows(n)] @ V)
    whole, blas, gemm, table, warm, fresh, product, fill = times_in_turn(
        (
            build,
            lambda: gemm_of_tiles(parts.entries_of(op).rows.unit, threads),
            lambda: parts.run_gemm(op, threads),
            lambda: parts.run_tables(op, samples, dtype, threads),
            lambda: store(there),
            lambda: store(np.empty((n, n), dtype)),
            lambda: parts.run_pass(op, V, threads),
            lambda: fill_fresh(n, dtype, threads),
        ),
        ROUNDS,
    )
    faults = [b - a for a, b in zip(warm, fresh, strict=True)]
    floor = [a / max(b, c) for a, b, c in zip(whole, product, fill, strict=True)]
    shares = {"gemm": gemm, "table": table, "store": warm, "faults": faults}
    return Parts(whole, shares, blas), floor


def measure(case: Case, op: fg.GramOperator, *, build: bool) -> Iterator[Breakdown]:
    """Yield the breakdown of a pass, and with `build` of a build."""
    entries, V = bytes_of_all(case.n) // 8, case.vectors()
    times = parts.measure(op, V, case.threads, ROUNDS)
    yield Breakdown(case.name("pass"), entries, times)
    if build:
        yield Breakdown(case.name("build"), entries, *of_build(op, V, case.threads))


def lines(found: Breakdown) -> Iterator[str]:
    """Yield the account of one case."""
    whole = median(found.times.whole)
    yield found.name
    for name, seconds in {"whole": whole, **found.shares}.items():
        nanoseconds = 1e9 * seconds / found.entries
        yield f"  {name:<9}{seconds:9.4f} s{nanoseconds:8.3f} ns{100 * seconds / whole:7.1f} %"
    for figure in found.figures():
        if figure.unit == "ratio":
            yield f"  {figure.what}: {figure}"


def row(found: Breakdown) -> str:
    """Return the line of one case in the table of all."""
    whole, shares = median(found.times.whole), found.shares
    percent = [f"{100 * shares[n] / whole:.0f}" if n in shares else "" for n in (*NAMES, "rest")]
    ratios = [str(figure) for figure in found.figures() if figure.unit == "ratio"]
    cells = [found.name, f"{whole:.4f}", *percent, *ratios, *([""] if found.floor is None else [])]
    return f"| {' | '.join(cells)} |"


def run_all(n: int) -> list[Breakdown]:
    """Run the grid: dtypes, dimensions, columns, threads, networks."""
    found: list[Breakdown] = []
    for activation, kind, depth in NETWORKS:
        for d, dtype in itertools.product((3, 10, 100, 784), ("float64", "float32")):
            case = Case(n, d, activation, kind, depth, dtype)
            op = case.operator()
            for threads, columns in itertools.product(sorted({1, thread_count()}), (1, 16, 32)):
                one = replace(case, columns=columns, threads=threads)
                print(one.name("pass"), file=sys.stderr, flush=True)
                found += measure(one, op, build=columns == 1)
    return sorted(found, key=lambda one: -median(one.times.to_sum))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=_positive, default=8192)
    parser.add_argument("-d", type=_positive, default=100)
    parser.add_argument("-a", "--activation", default="relu")
    parser.add_argument("--kind", default="gradient")
    parser.add_argument("--depth", type=_positive, default=1)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("-b", "--columns", type=_positive, default=1)
    parser.add_argument("--threads", type=_positive, default=thread_count())
    parser.add_argument("--all", action="store_true", help="the grid; of the others -n counts")
    options = vars(parser.parse_args())
    every, case = options.pop("all"), Case(**options)
    try:
        require_memory("two arrays of this size", 16 * case.n**2)
        op = case.operator()
        parts.entries_of(op)
    except (ValueError, TypeError) as error:
        parser.error(str(error))
    if not every:
        for one in measure(case, op, build=True):
            print("\n".join(lines(one)), flush=True)
        return
    found = run_all(case.n)
    heads = ("case", "seconds", *(f"{name} %" for name in (*NAMES, "rest")))
    ratios = ("/ sum", "/ GEMM", "/ larger of pass and fill")
    print("| " + " | ".join((*heads, *ratios)) + " |")
    print("|---" * (len(heads) + len(ratios)) + "|")
    print("\n".join(row(one) for one in found))
    print(results.save("breakdown", [figure for one in found for figure in one.figures()]))


if __name__ == "__main__":
    main()
