"""`fastgram plan`, and `fastgram spectrum --dry-run`: what each way would take."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from fastgram.cli import options
from fastgram.cli.checks import check_outputs
from fastgram.cli.data_files.sample import samples_of
from fastgram.cli.reports.report import FAILURES, json_text, operator_of, write_whole
from fastgram.cli.reports.text_table import house_table, text_console
from fastgram.cli.sweeps.cases import Case
from fastgram.cli.sweeps.networks import networks_of
from fastgram.datasets.words import are_words, parse_words
from fastgram.support.progress import late_stage
from fastgram.support.validation import as_choice, as_dtype

if TYPE_CHECKING:
    from fastgram.planning.results import Plan

__all__ = ["PLAN", "dry_run", "plan"]

# A line of this is a paragraph: rich would keep line breaks within one.
PLAN = r"""Say what the extreme eigenvalues of a Gram matrix would take, by each way there is.

For N rows of D features and norm 1, or as many as DATA has, and one network: passes, time, \
memory, disk, bytes over the network, what would not fit, and the way that --method auto takes. \
Nothing of the matrix is computed. Of rows that are there, with their own norms, fastgram spectrum \
--dry-run says the same.

Times are operations over rates of this machine, which are measured in a few seconds and kept in \
the user's cache folder. The number of passes is not known before: a range is assumed, or \
--passes says it.

[bold]Examples[/]
  fastgram plan --n 1000000 --d 784
  fastgram plan sphere:n=100000,d=50 -a elu
  fastgram plan --n 200000 --d 50 -a tanh --memory 64G --passes 60
  fastgram plan --n 10000000 --d 100 --workers 64 --bandwidth 10 --json plan.json
""".replace("\\\n", "")


def plan(
    data: options.PlannedData = None,
    n: options.Rowcount = None,
    d: options.Features = None,
    activation: options.PlannedActivation = None,
    depth: options.Depth = None,
    width: options.Width = None,
    kind: options.Kind = "gradient",
    weight_variance: options.WeightVariance = 1.0,
    bias_variance: options.BiasVariance = 0.0,
    input_weight_variance: options.InputWeightVariance = None,
    input_bias_variance: options.InputBiasVariance = None,
    normalize: options.Normalize = False,
    readout: options.Readout = "rademacher",
    network_seed: options.NetworkSeed = 0,
    rtol: options.Rtol = 1e-2,
    passes: options.PlannedPasses = None,
    block: options.Block = None,
    dtype: options.Dtype = "float64",
    device: options.Device = "cpu",
    memory: options.Memory = None,
    workers: options.Workers = 1,
    bandwidth: options.Bandwidth = 10.0,
    measure: options.Measure = False,
    json_file: options.PlanJson = None,
) -> int:
    """Check everything, then plan."""
    from fastgram.network.network import KINDS
    from fastgram.planning import plan as planning

    several = "one network is planned at a time"
    networks = networks_of(
        options.only_one("--activation", activation or ["relu"], several),
        options.only_one("--depth", depth or [1], several),
        options.only_one("--width", width or [options.INFINITE], several),
        weight_variance=weight_variance,
        bias_variance=bias_variance,
        input_weight_variance=input_weight_variance,
        input_bias_variance=input_bias_variance,
        normalize=normalize,
        readout=readout,
        seed=network_seed,
    )
    check_outputs([data] if data else [], (json_file, None, None))
    size = _size(data, n, d)
    asked: dict[str, Any] = {
        "kind": as_choice("kind", kind, KINDS),
        "device": device if device == "gpu" else options.device_of(device),
        "dtype": as_dtype(dtype),
        "memory": None if memory is None else options.as_bytes(memory),
        "block": block,
        "rtol": rtol,
        "passes": passes,
        "workers": workers,
        "bandwidth": bandwidth,
        "measure": measure,
    }
    with late_stage(sys.stderr.isatty(), "rates of this machine"):
        found = planning.plan(*size, networks[0], **asked)
    if json_file is not None:
        _write_json(json_file, [found])
    if json_file != "-":
        _show(found)
    return 0


def _size(data: str | None, n: int | None, d: int | None) -> tuple[int, int]:
    """Return n and d as given, or those of DATA; rows in words are not made for that."""
    if data is None:
        if n is None or d is None:
            raise ValueError("a plan is for DATA, or for --n rows of --d features: give either")
        return n, d
    if n is not None or d is not None:
        raise ValueError(f"--n and --d are those of {data}: give either")
    if are_words(data):
        return parse_words(data).shape
    rows = samples_of([data], None, None, None)[0].rows
    return rows.shape[0], rows.shape[1]


def dry_run(cases: Sequence[Case], json_file: str | None) -> int:
    """Plan for the cases of `fastgram spectrum`."""
    from fastgram.planning.plan import plan_of

    found = []
    for case in cases:
        asked = case.task.request
        try:
            op = operator_of(case, sys.stderr.isatty())
            found.append(
                plan_of(op, passes=asked["max_passes"], block=asked["block"], rtol=asked["rtol"])
            )
        except FAILURES as error:
            raise case.task.worded(error) from None
    if json_file is not None:
        _write_json(json_file, found)
    if json_file != "-":
        for one in found:
            _show(one)
    return 0


def _write_json(name: str, plans: Sequence[Plan]) -> None:
    text = json_text([one.to_dict() for one in plans])
    if name == "-":
        print(text, end="")
    else:
        write_whole(name, text)


def _show(found: Plan) -> None:
    """Print a row a way, the one that auto takes marked, and notes."""
    from fastgram.planning.results import HEADERS

    console = text_console()
    console.print(found.title)
    table = house_table()
    rows = [way.cells for way in found.ways]
    told = [place for place in range(len(HEADERS)) if any(row[place] for row in rows)]
    for place in told:
        numbers = 0 < place < len(HEADERS) - 1
        justify: Literal["left", "right"] = "right" if numbers else "left"
        table.add_column(HEADERS[place], justify=justify, no_wrap=numbers)
    for way, row in zip(found.ways, rows, strict=True):
        mark = " (auto)" if way.name == found.auto else ""
        table.add_row(row[0] + mark, *(row[place] for place in told[1:]))
    console.print(table)
    for note in found.notes:
        console.print(note)
