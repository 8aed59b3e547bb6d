"""`fastgram train`: the loss of gradient descent on data with labels, bounded."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from fastgram.bracket import bracket_around
from fastgram.cli import options
from fastgram.cli.checks import check_outputs, operators_of
from fastgram.cli.cluster import check_cluster, computing
from fastgram.cli.data_files.sample import ROWS, samples_of
from fastgram.cli.data_files.targets import targets_of
from fastgram.cli.reports.report import Failure, Report, csv_text, json_text, operator_of
from fastgram.cli.reports.sweep import Checkpoints, run_sweep
from fastgram.cli.reports.text_table import (
    failed_cells,
    failure_words,
    print_results,
    short_bracket_text,
    text_console,
)
from fastgram.cli.sweeps.cases import Case, case_name, figure_title, heading
from fastgram.cli.sweeps.networks import networks_of
from fastgram.cli.sweeps.tasks import cases_of
from fastgram.support.validation import as_choice, as_integer, as_number

if TYPE_CHECKING:
    from fastgram.regression.curve import TrainingCurve

__all__ = ["TRAIN", "train"]

_STEPS = (10, 100, 1000, 10_000)

# A line of this is a paragraph: rich would keep line breaks within one.
TRAIN = r"""Bound how fast gradient descent learns the labels of DATA.

For each network: takes its tangent kernel at the rows of DATA, and bounds the loss of gradient \
descent on the squared loss after --steps steps, in the linear regime that wide networks train in, \
and how many steps it takes to a tenth, a hundredth and a thousandth of the first loss. Words, \
whole numbers of at most 20 kinds and what images show (--label label) are classes, with an \
output each; other numbers are one output. Outputs are taken less their mean.

The step size is one over λ_max of each network's kernel, unless --step-size says otherwise.

With --checkpoint a run that was interrupted, killed or ran out of disk goes on where it was by \
the same command, and comes to the same numbers; a finished one is read back, for other --steps \
and another --step-size too. Each network has a folder of its own within DIR.

[bold]Examples[/]
  fastgram train
  fastgram train table.csv --label kind -a relu -a tanh --plot curves.png
  fastgram train t10k-images-idx3-ubyte.gz --label label -a relu --steps 1000
  fastgram train table.csv --label price -a relu --depth 1 --depth 3 --steps 100000 --json -
  fastgram train rows.npy --label -1 -a relu --checkpoint run
  fastgram train rows.npy --label -1 -a relu --cluster local:2
""".replace("\\\n", "")


def train(
    context: typer.Context,
    data: options.Data = None,
    activation: options.Activations = None,
    depth: options.Depths = None,
    width: options.Widths = None,
    kind: options.TrainedKinds = None,
    weight_variance: options.WeightVariances = None,
    bias_variance: options.BiasVariances = None,
    input_weight_variance: options.InputWeightVariances = None,
    input_bias_variance: options.InputBiasVariances = None,
    normalize: options.Normalize = False,
    readout: options.Readout = "rademacher",
    network_seed: options.NetworkSeed = 0,
    columns: options.Columns = None,
    drop: options.Drop = None,
    label: options.Label = None,
    rows: options.Rows = "unit",
    steps: options.Steps = None,
    step_size: options.StepSize = None,
    rtol: options.LossRtol = 1e-2,
    max_passes: options.MaxPasses = None,
    seed: options.Seed = 0,
    dtype: options.Dtype = "float64",
    device: options.Device = "cpu",
    cluster: options.Cluster = None,
    cluster_config: options.ClusterConfig = None,
    memory: options.Memory = None,
    checkpoint: options.TrainingCheckpoint = None,
    json_file: options.Json = None,
    csv_file: options.Csv = None,
    plot_file: options.Plot = None,
) -> int:
    """Check everything, then run."""
    check_cluster(context, cluster, cluster_config)
    networks = networks_of(
        activation or options.ACTIVATIONS,
        depth or [1],
        width or [options.INFINITE],
        weight_variance=weight_variance or [1.0],
        bias_variance=bias_variance or [0.0],
        input_weight_variance=input_weight_variance or [None],
        input_bias_variance=input_bias_variance or [None],
        normalize=normalize,
        readout=readout,
        seed=network_seed,
    )
    operators = operators_of(kind or ["ntk"], device, dtype, memory)
    request: dict[str, Any] = {
        "steps": [as_integer("steps", count, 0) for count in steps or _STEPS],
        "step_size": None if step_size is None else as_number("step-size", step_size, above=0.0),
        "rtol": as_number("rtol", rtol, above=0.0),
        "max_passes": None if max_passes is None else as_integer("max-passes", max_passes, 1),
        "seed": as_integer("seed", seed, 0),
    }
    as_choice("rows", rows, ROWS)
    texts = {name: text for name, text in ((json_file, json_text), (csv_file, csv_text)) if name}
    check_outputs(data or [], (json_file, csv_file, plot_file))
    samples = samples_of(data or [], columns, drop, label)
    outputs = [targets_of(sample) for sample in samples]
    cases = cases_of(networks, samples, rows, operators, request, outputs=outputs)
    with computing(cluster, cluster_config, {}) as (told, client):
        cases = [case.computed_by(told, client) for case in cases]
        kept = None
        if checkpoint is not None:
            kept = Checkpoints(checkpoint, shlex.join(["fastgram", *context.obj]), _facts)
            kept.check(cases)
        return run_sweep(_REPORT, cases, {}, texts, plot_file, kept)


def _facts(case: Case, matrix: dict[str, Any]) -> dict[str, Any]:
    """Return what tells the run of a case from others."""
    from fastgram.regression.right_hand_sides import as_right_hand_sides
    from fastgram.regression.stored_passes import training_facts

    n = case.task.X.shape[0]
    block = as_right_hand_sides(case.task.outputs, n).reshape(n, -1)
    return training_facts(matrix, block, case.task.request["seed"])


def _solve(case: Case, progress: bool) -> TrainingCurve:
    from fastgram.regression.training_curve import training_curve

    op = operator_of(case, progress)
    request = {**case.task.request, "steps": np.array(case.task.request["steps"])}
    return training_curve(op, case.task.outputs, **request, progress=progress)


def _show(cases: Sequence[Case], results: Sequence[TrainingCurve | Failure]) -> None:
    """Print a row a result, and below what would tighten its bounds."""
    from fastgram.regression.curve import FRACTIONS

    console = text_console()
    request = cases[0].task.request
    console.print(heading(cases, "training on the", f"rtol {request['rtol']:g}"))
    headers = [
        *(f"loss after {count}" for count in request["steps"]),
        *(f"steps to {100.0 * part:g} %" for part in FRACTIONS),
        "step size",
        "passes",
        "seconds",
    ]
    rows = [
        failed_cells(headers) if isinstance(result, Failure) else _cells(result)
        for result in results
    ]
    marks = [f" ({k})" if len(cases) > 1 else "" for k in range(1, len(rows) + 1)]
    print_results(console, cases, headers, rows, marks, right=3)
    for case, result, mark in zip(cases, results, marks, strict=False):
        remark = failure_words(result) if isinstance(result, Failure) else result.message
        console.print(f"{mark} {case_name(case, cases)}: {remark}".strip())
    console.print("losses are relative to the first")


def _cells(result: TrainingCurve) -> list[str]:
    from fastgram.regression.curve import FRACTIONS

    found = result.relative_loss(result.steps)
    columns = (found.lower, found.upper, found.estimate)
    relative = [bracket_around(*ends, found.guarantee) for ends in zip(*columns, strict=True)]
    falls = result.step_size * result.largest.upper <= 2.0
    times = [short_bracket_text(result.time_to(part)) if falls else "-" for part in FRACTIONS]
    return [
        *map(short_bracket_text, relative),
        *times,
        f"{result.step_size:.4g}",
        str(result.passes),
        f"{result.seconds:.1f}",
    ]


def _draw(path: str, cases: Sequence[Case], results: Sequence[TrainingCurve]) -> None:
    from fastgram.plotting.curves import plot_curves

    named = {case_name(case, cases): curve for case, curve in zip(cases, results, strict=True)}
    smooth = [case.network.activation.smooth for case in cases]
    title = f"Loss of gradient descent, bounded: {figure_title(cases)}"
    plot_curves(named, path, None, title=title, smooth=smooth)


_REPORT = Report(check=lambda cases: {}, solve=_solve, show=_show, draw=_draw)
