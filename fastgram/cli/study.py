"""`fastgram study`: the paper's claims, each with a table, a figure and verdicts."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastgram.cli import options
from fastgram.cli.cluster import check_cluster, computing
from fastgram.cli.reports.text_table import house_table, text_console
from fastgram.support.validation import as_integer

if TYPE_CHECKING:
    from fastgram.study.part import Part, Size
    from fastgram.study.result import StudyResult

__all__ = ["STUDY", "study"]

_RUN, _OUTPUT = "Computation", "Output"
_PARTS = "Which parts; all of them where none is named."
Parts = Annotated[list[str] | None, typer.Argument(metavar="PART", help=_PARTS)]
_OUT = "The folder of tables, figures and index.html."
Out = Annotated[str, typer.Option("--out", metavar="DIR", help=_OUT, rich_help_panel=_OUTPUT)]
_QUICK, _FULL = "Small sizes: a minute for all parts.", "Sizes for a night or a GPU."
Quick = Annotated[bool, typer.Option("--quick", help=_QUICK, rich_help_panel=_RUN)]
Full = Annotated[bool, typer.Option("--full", help=_FULL, rich_help_panel=_RUN)]
_SEEDS = "Draws of the rows or weights, where a part draws any."
Seeds = Annotated[int, typer.Option("--seeds", help=_SEEDS, rich_help_panel=_RUN)]

# A line of this is a paragraph: rich would keep line breaks within one.
STUDY = r"""Test what is claimed of λ_min, part by part, with brackets.

Each PART is a claim of Panigrahi, Shetty and Goyal (ICLR 2020) or of the literature after them: \
separation, circle, analytic, dimension, smoothed, high_dimension, polynomial, depth, width, \
training, harmonics, real_data. It computes λ_min of many Gram matrices, compares slopes and \
constants with those that a derivation gives, within stated tolerances, and says whether \
the claim holds, does not, or cannot be said to.

Into --out go a table (.csv, a row a matrix), the verdicts (.json) and a figure (.png, .svg) of \
each part, and index.html over all of them, which a browser opens as it is. A row is written as it \
ends and not computed again: an interrupted study goes on by the same command. It takes some ten \
minutes on two cores, --quick one.

A verdict that does not hold is a finding: the exit code stays 0. It is 1 where a matrix could not \
be computed; its row says why, and the next run tries again.

[bold]Examples[/]
  fastgram study --quick
  fastgram study circle separation --out study
  fastgram study depth --seeds 3 --cluster local:4
  fastgram study --full --device gpu
""".replace("\\\n", "")


def study(
    context: typer.Context,
    parts: Parts = None,
    out: Out = "study",
    quick: Quick = False,
    full: Full = False,
    seeds: Seeds = 5,
    device: options.Device = "cpu",
    cluster: options.Cluster = None,
    cluster_config: options.ClusterConfig = None,
) -> int:
    """Check everything, then run."""
    from fastgram.study.catalogue import load_part, part_names
    from fastgram.study.report import check_report
    from fastgram.study.settings import Settings

    if quick and full:
        raise ValueError("--quick and --full are different sizes: ask for one")
    check_cluster(context, cluster, cluster_config)
    size: Size = "quick" if quick else "full" if full else "default"
    chosen = [load_part(name) for name in dict.fromkeys(parts or part_names())]
    count = as_integer("seeds", seeds, 1)
    check_report()
    folder = Path(out)
    if not out:  # a variable of the shell that is not set
        raise ValueError("--out must be a folder, and is empty: '.' is the one you are in")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out must be a folder, and {out} is a file")
    told = {"device": options.device_of(device)}
    with computing(cluster, cluster_config, told) as (_, client):
        settings = Settings(told["device"], client)
        return _run(chosen, size, count, settings, folder, shlex.join(["fastgram", *context.obj]))


def _run(
    parts: Sequence[Part], size: Size, seeds: int, settings: Any, folder: Path, command: str
) -> int:
    """Run one part after the other; what is done is shown even where the study is cut short."""
    from fastgram.study.running import run_part

    results: list[StudyResult] = []
    live = sys.stderr.isatty()
    try:
        for place, part in enumerate(parts):
            if live:
                print(f"{part.name} ({place + 1} of {len(parts)})", file=sys.stderr)
            results.append(run_part(part, size, seeds, settings, folder, live, _warn))
            _tell_failures(results[-1])
    except KeyboardInterrupt as interrupt:
        reached = " ".join(str(interrupt).split()) or "interrupted"
        print(f"fastgram: {reached}; to go on: {command}", file=sys.stderr)
        raise
    finally:
        if results:
            _show(results, folder)
    return 1 if any(result.failures for result in results) else 0


def _warn(words: str) -> None:
    print(f"fastgram: {words}", file=sys.stderr)


def _tell_failures(result: StudyResult) -> None:
    """Say each reason for which matrices have no result once."""
    for reason, count in Counter(row.error for row in result.failures).items():
        every = len(result.failures) + len(result.rows)
        line = f"{result.part.name}: {count} of {every} matrices: {reason}"
        print(f"fastgram: error: {line}", file=sys.stderr)


def _show(results: Sequence[StudyResult], folder: Path) -> None:
    """Print a row a verdict, why any does not hold, and where the index is."""
    from fastgram.study.index import verdict_counts
    from fastgram.study.result import number_text

    table = house_table()
    for header in ("part", "what", "expected", "tolerance", "measured", "verdict"):
        table.add_column(header)
    for result in results:
        for one in result.verdicts:
            cells = map(number_text, (one.expected, one.tolerance, one.measured))
            table.add_row(result.part.name, one.name, *cells, one.word)
    console = text_console()
    console.print(table)
    for result in results:
        for one in result.verdicts:
            if one.word != "holds":
                console.print(f"{result.part.name}, {one.name}: {' '.join(one.text.split())}")
    matrices = sum(len(result.rows) for result in results)
    words = verdict_counts([one.word for result in results for one in result.verdicts])
    console.print(f"{matrices} matrices, {words}: {folder / 'index.html'}")
    sys.stdout.flush()
