"""fastgram and its peers, side by side in one run, as Markdown tables.

    python -m bench.peers [--quick] [--only build|product|eigenvalues] [--cap 300]

Three comparisons, all in float64 and on points of the unit sphere:

- dense builds of the NTK, relu, gelu and erf at depth 1 and 10, against neural-tangents,
  scikit-learn's pairwise products, closed forms in NumPy and the naive loop;
- one product with the ReLU Gram matrix, no tile kept, against KeOps and NumPy on blocks;
- λ_min to 1 %, against LAPACK, and scipy's `eigsh` and `lobpcg` on the same operator.

Every peer is a process of its own that waits while fastgram works, as fastgram waits for it: the
two run in turn, each on all processors. A cell is the median of their ratios, time of the peer
over time of fastgram, with the least and the largest: above 1 fastgram is the faster. A peer's
answer is looked at first; where it is not fastgram's the cell says "wrong". A peer that needs more
than `--cap` seconds for a run is stopped, and the cell says how many times longer that is at least.
An empty cell has no such peer: it has no formula for it, or it is not installed, and a line says
how to install it. The figures go to bench/results/peers-*.json, those of `--quick` do not.

scikit-learn and KeOps are installed by ``pip install scikit-learn pykeops``; KeOps compiles its
formulas with the C++ compiler of the system, and with -march=native unless CXXFLAGS says otherwise.
neural-tangents needs an environment of its own (bench/README.md), whose python
FASTGRAM_NEURAL_TANGENTS names. Leave OPENBLAS_NUM_THREADS and its like unset, for they hold
fastgram only: peers start without them.

On two cores all of it is estimated at half an hour to an hour, most of that for λ_min, and 4 GB of
memory; `--quick` is a minute at sizes that say nothing about speed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence

from bench import results
from bench.peers import builds, eigenvalues, products, report
from bench.peers.rows import Row

COMPARISONS = {
    "build": builds.compare,
    "product": products.compare,
    "eigenvalues": eigenvalues.compare,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it all run?")
    parser.add_argument("--only", choices=COMPARISONS)
    parser.add_argument("--cap", type=float, default=300.0, help="seconds for a run of a peer")
    options = parser.parse_args(arguments)
    for name in sorted(key for key in os.environ if key.endswith("_NUM_THREADS")):
        print(f"{name} is set, and holds fastgram alone: unset it")

    print(report.heading())
    every: list[Row] = []

    def run(*names: str) -> Iterator[Row]:
        for name in names:
            if options.only in (None, name):
                for row in COMPARISONS[name](options.quick, options.cap):
                    every.append(row)
                    yield row

    if options.only != "eigenvalues":
        for line in report.table(report.PEERS, run("build", "product")):
            print(line, flush=True)
    if options.only in (None, "eigenvalues"):
        for line in report.table(report.SOLVERS, run("eigenvalues")):
            print(line, flush=True)
    if not options.quick:
        print(f"\n{results.save('peers', report.figures(every))}")


if __name__ == "__main__":
    main()
