"""`fastgram train`: the loss of gradient descent on data with labels, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgram.bracket import bracket_around
from fastgram.cli import options
from fastgram.cli.checks import check_outputs, operator_options
from fastgram.cli.data_files.sample import ROWS, sample_of, scaled_rows
from fastgram.cli.data_files.targets import targets_of
from fastgram.cli.reports.report import (
    Failure,
    Report,
    Task,
    csv_text,
    json_text,
    network_name,
    operator_of,
)
from fastgram.cli.reports.sweep import run_sweep
from fastgram.cli.reports.text_table import (
    failed_cells,
    failure_words,
    print_results,
    short_bracket_text,
    text_console,
)
from fastgram.support.validation import as_choice, as_integer, as_number

if TYPE_CHECKING:
    from fastgram.network.network import Network
    from fastgram.regression.curve import TrainingCurve

__all__ = ["TRAIN", "train"]

_STEPS = (10, 100, 1000, 10_000)

# A line of this is a paragraph: rich would keep line breaks within one.
TRAIN = r"""Bound how fast gradient descent learns the labels of DATA.

For each network: takes its tangent kernel at the rows of DATA, and bounds the loss of gradient \
descent on the squared loss after --steps steps, in the linear regime that wide networks train in, \
and how many steps it takes to a tenth, a hundredth and a thousandth of the first loss. Words, and \
whole numbers of at most 20 kinds, are classes, with an output each; other numbers are one output. \
Outputs are taken less their mean.

The step size is one over λ_max of each network's kernel, unless --step-size says otherwise.

[bold]Examples[/]
  fastgram train
  fastgram train table.csv --label kind -a relu -a tanh --plot curves.png
  fastgram train table.csv --label price -a relu --depth 1 --depth 3 --steps 100000 --json -
""".replace("\\\n", "")


def train(
    data: options.Data = None,
    activation: options.Activations = None,
    depth: options.Depths = None,
    width: options.Widths = None,
    kind: options.Kind = "ntk",
    weight_variance: options.WeightVariance = 1.0,
    bias_variance: options.BiasVariance = 0.0,
    input_weight_variance: options.InputWeightVariance = None,
    input_bias_variance: options.InputBiasVariance = None,
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
    memory: options.Memory = None,
    json_file: options.Json = None,
    csv_file: options.Csv = None,
    plot_file: options.Plot = None,
) -> int:
    """Check everything, then run."""
    networks = options.networks_of(
        activation or options.ACTIVATIONS,
        depth or [1],
        width or [options.INFINITE],
        weight_variance=weight_variance,
        bias_variance=bias_variance,
        input_weight_variance=input_weight_variance,
        input_bias_variance=input_bias_variance,
        normalize=normalize,
        readout=readout,
        seed=network_seed,
    )
    operator = operator_options(kind, device, dtype, memory)
    request: dict[str, Any] = {
        "steps": [as_integer("steps", count, 0) for count in steps or _STEPS],
        "step_size": None if step_size is None else as_number("step-size", step_size, above=0.0),
        "rtol": as_number("rtol", rtol, above=0.0),
        "max_passes": None if max_passes is None else as_integer("max-passes", max_passes, 1),
        "seed": as_integer("seed", seed, 0),
    }
    as_choice("rows", rows, ROWS)
    texts = {name: text for name, text in ((json_file, json_text), (csv_file, csv_text)) if name}
    check_outputs(data, (json_file, csv_file, plot_file))
    sample = sample_of(data, columns, drop, label)
    if data is None:
        from fastgram import datasets

        sample = replace(sample, labels=datasets.digits(return_X_y=True)[1][:, None])
    outputs, told = targets_of(sample)
    X = scaled_rows(sample, rows)
    words = "; ".join(filter(None, (sample.told, told)))
    task = Task(X, sample.source, rows, operator, request, sample.columns, words, sample.lines)
    return run_sweep(_report(outputs), task, networks, {}, texts, plot_file)


def _report(outputs: np.ndarray[Any, np.dtype[np.float64]]) -> Report:
    def solve(task: Task, network: Network, progress: bool) -> TrainingCurve:
        from fastgram.regression.training_curve import training_curve

        op = operator_of(task, network, progress)
        request = {**task.request, "steps": np.array(task.request["steps"])}
        return training_curve(op, outputs, **request, progress=progress)

    return Report(check=lambda task, networks: {}, solve=solve, show=_show, draw=_draw)


def _show(
    task: Task, networks: Sequence[Network], results: Sequence[TrainingCurve | Failure]
) -> None:
    """Print a row a result, and below what would tighten its bounds."""
    from fastgram.regression.curve import FRACTIONS

    console = text_console()
    console.print(task.heading("training on the", networks, f"rtol {task.request['rtol']:g}"))
    headers = [
        *(f"loss after {count}" for count in task.request["steps"]),
        *(f"steps to {100.0 * part:g} %" for part in FRACTIONS),
        "step size",
        "passes",
        "seconds",
    ]
    rows = [
        failed_cells(headers) if isinstance(result, Failure) else _cells(result)
        for result in results
    ]
    marks = [f" ({k})" if len(networks) > 1 else "" for k in range(1, len(rows) + 1)]
    print_results(console, networks, headers, rows, marks, right=3)
    for network, result, mark in zip(networks, results, marks, strict=False):
        remark = failure_words(result) if isinstance(result, Failure) else result.message
        console.print(f"{mark} {network_name(network, networks)}: {remark}".strip())
    console.print("losses are relative to the first")


def _cells(result: TrainingCurve) -> list[str]:
    from fastgram.regression.curve import FRACTIONS

    first, found = result.initial_loss, result.loss(result.steps)
    columns = (found.lower / first, found.upper / first, found.estimate / first)
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


def _draw(
    path: str, task: Task, networks: Sequence[Network], results: Sequence[TrainingCurve]
) -> None:
    from fastgram.plotting.curves import plot_curves

    pairs = zip(networks, results, strict=True)
    named = {network_name(network, networks): curve for network, curve in pairs}
    smooth = [network.activation.smooth for network in networks]
    title = f"Loss of gradient descent, bounded: {task.figure_title(networks)}"
    plot_curves(named, path, None, title=title, smooth=smooth)
