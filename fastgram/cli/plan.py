"""`fastgram plan`, and `fastgram spectrum --dry-run`: what each way would take."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from fastgram.cli import options
from fastgram.cli.checks import check_outputs
from fastgram.cli.reports.report import (
    FAILURES,
    Task,
    json_text,
    operator_of,
    write_whole,
)
from fastgram.cli.reports.text_table import house_table, text_console
from fastgram.support.progress import late_stage
from fastgram.support.validation import as_choice, as_dtype

if TYPE_CHECKING:
    from fastgram.network.network import Network
    from fastgram.planning.results import Plan

__all__ = ["PLAN", "dry_run", "plan"]

# A line of this is a paragraph: rich would keep line breaks within one.
PLAN = r"""Say what the extreme eigenvalues of a Gram matrix would take, by each way there is.

For N rows of D features and norm 1, and one network: passes, time, memory, disk, bytes over the \
network, what would not fit, and the way that --method auto takes. Nothing of the matrix is \
computed. Of rows that are there, fastgram spectrum --dry-run says the same.

Times are operations over rates of this machine, which are measured in a few seconds and kept in \
the user's cache folder. The number of passes is not known before: a range is assumed, or \
--passes says it.

[bold]Examples[/]
  fastgram plan --n 1000000 --d 784
  fastgram plan --n 200000 --d 50 -a tanh --memory 64G --passes 60
  fastgram plan --n 10000000 --d 100 --workers 64 --bandwidth 10 --json plan.json
""".replace("\\\n", "")


def plan(
    n: options.Rowcount,
    d: options.Features,
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
    networks = options.networks_of(
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
    check_outputs(None, (json_file, None, None))
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
        found = planning.plan(n, d, networks[0], **asked)
    if json_file is not None:
        _write_json(json_file, [found])
    if json_file != "-":
        _show(found)
    return 0


def dry_run(task: Task, networks: Sequence[Network], json_file: str | None) -> int:
    """Plan for the rows and networks of `fastgram spectrum`."""
    from fastgram.planning.plan import plan_of

    asked = {"block": task.request["block"], "rtol": task.request["rtol"]}
    found = []
    for network in networks:
        try:
            op = operator_of(task, network, sys.stderr.isatty())
            found.append(plan_of(op, passes=task.request["max_passes"], **asked))
        except FAILURES as error:
            raise task.worded(error) from None
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
