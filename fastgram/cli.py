"""The commands, on typer and rich: `fastgram.__main__` runs them and words their errors.

Options are checked by the library's own functions, so that a command and a call of Python refuse
the same input in the same words, and all of it before any long work.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import fastgram
from fastgram import _options as options
from fastgram._inputs import ENDINGS, read_rows
from fastgram._report import (
    Report,
    Task,
    check_writable,
    json_text,
    network_name,
    records,
    write_json,
)
from fastgram._report_density import DENSITY
from fastgram._report_exact import EXACT, exact_names
from fastgram._report_extremes import EXTREMES
from fastgram._report_table import house_table, text_console
from fastgram._validation import as_choice, as_dtype, as_integer, as_number

if TYPE_CHECKING:
    from fastgram.network import Network

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

ROWS = ("unit", "raw")
# What says how Lanczos runs, or how entries are computed, says nothing to ball arithmetic.
_NOT_EXACT = (
    "rtol",
    "method",
    "block",
    "max_passes",
    "confidence",
    "seed",
    "dtype",
    "device",
    "memory",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"fastgram {fastgram.__version__}")
        raise typer.Exit


# A line of this is a paragraph: rich would keep line breaks within one.
_SPECTRUM = r"""Bracket the extreme eigenvalues of Gram matrices.

For each network: takes its Gram matrix at the rows of DATA, and brackets its smallest and largest \
eigenvalue, λ_min and λ_max. λ_min bounds how fast gradient descent trains such a network. It is \
infinitely wide with one hidden layer unless --depth and --width say otherwise.

Several values of --activation, --depth or --width make a sweep: all their combinations, a row \
each, and --plot draws λ_min and λ_max against the depth or the width.

A result is an estimate and a bracket \[lower, upper] that holds the true value. Its guarantee is \
[bold]exact[/]: known without arithmetic; [bold]certified[/]: proven, rounding included; \
[bold]probabilistic[/]: with the probability --confidence, over the random start; or \
[bold]none[/]: one end is not known.

--density bounds all eigenvalues instead: the part of them up to any x, quantiles, trace, \
log-determinant and effective rank, at least as probably as --confidence, and λ_min and λ_max too. \
--block is its number of random vectors and --max-passes its number of products. --plot draws the \
cumulative distributions.

--exact proves decimal digits of λ_min and λ_max instead, in ball arithmetic, however small λ_min \
is: for infinite width, activations with a formula in balls (of the default ones relu, tanh, swish \
and polynomial), and up to 2000 rows. It needs pip install 'fastgram\[exact]'.

[bold]Examples[/]
  fastgram spectrum
  fastgram spectrum rows.npy -a relu -a tanh --plot spectrum.png
  fastgram spectrum rows.npz:train -a 'elu(alpha=0.5)' --json -
  fastgram spectrum -a relu -a tanh --depth 1 --depth 3 --depth 10 --plot depth.png
  fastgram spectrum -a tanh --width 100 --width 1000 --width infinite --network-seed 1
  fastgram spectrum rows.npy --density -a relu -a tanh --plot spectrum.svg
  fastgram spectrum circle.csv --exact --digits 30 -a relu -a tanh
""".replace("\\\n", "")


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Gram matrices of wide neural networks and their extreme eigenvalues, with brackets."""


@app.command(help=_SPECTRUM)
def spectrum(
    context: typer.Context,
    data: options.Data = None,
    activation: options.Activations = None,
    depth: options.Depths = None,
    width: options.Widths = None,
    kind: options.Kind = "gradient",
    weight_variance: options.WeightVariance = 1.0,
    bias_variance: options.BiasVariance = 0.0,
    normalize: options.Normalize = False,
    readout: options.Readout = "rademacher",
    network_seed: options.NetworkSeed = 0,
    rows: options.Rows = "unit",
    density: options.Density = False,
    exact: options.Exact = False,
    digits: options.Digits = 15,
    rtol: options.Rtol = 1e-2,
    confidence: options.Confidence = 0.999,
    method: options.Method = "auto",
    block: options.Block = None,
    max_passes: options.MaxPasses = None,
    seed: options.Seed = 0,
    dtype: options.Dtype = "float64",
    device: options.Device = "cpu",
    memory: options.Memory = None,
    json_file: options.Json = None,
    plot_file: options.Plot = None,
) -> None:
    """Check everything, then run."""
    from fastgram import eigen
    from fastgram.network import KINDS, Network

    _check_question(context, density, exact)
    drawn = as_integer("network-seed", network_seed, 0)  # which --seed is not
    shapes = itertools.product(
        activation or (exact_names(options.ACTIVATIONS) if exact else options.ACTIVATIONS),
        depth or [1],
        map(options.as_width, width or [options.INFINITE]),
    )
    networks = [
        Network(
            name,
            depth=layers,
            width=neurons,
            weight_variance=weight_variance,
            bias_variance=bias_variance,
            normalize=normalize,
            readout=readout,
            seed=drawn,
        )
        for name, layers, neurons in dict.fromkeys(shapes)
    ]
    operator = {
        "kind": as_choice("kind", kind, KINDS),
        "device": _device_of(device),
        "dtype": as_dtype(dtype).name,
        "memory": None if memory is None else options.as_bytes(memory),
    }
    number = as_number("rtol", rtol, above=0.0)
    word = as_choice("method", method, eigen.METHODS)
    vectors = None if block is None else as_integer("block", block, 1)
    passes = None if max_passes is None else as_integer("max-passes", max_passes, 1)
    random = {
        "confidence": as_number("confidence", confidence, above=0.0, below=1.0),
        "seed": as_integer("seed", seed, 0),
    }
    as_choice("rows", rows, ROWS)
    report, request = (
        EXTREMES,
        {"rtol": number, "method": word, "block": vectors, "max_passes": passes, **random},
    )
    if density:
        report, request = DENSITY, {"probes": vectors, "passes": passes, **random}
    if exact:
        report, request = EXACT, {"digits": as_integer("digits", digits, 1)}
        operator = {"kind": operator["kind"]}
    _check_outputs(json_file, plot_file)
    # ball arithmetic scales rows itself, without rounding
    X, source = _rows_of(data, "raw" if exact else rows)
    task = Task(X, source, rows, operator, request)
    report.check(task, networks)
    _run(report, task, networks, json_file, plot_file)


def _device_of(name: str) -> str:
    """Return "cpu" or "gpu", and say where "auto" did without a GPU."""
    from fastgram import _devices

    chosen = _devices.as_devices(name)[0].name
    if (name, chosen) == ("auto", "cpu"):
        print(f"fastgram: on the CPU, for {_devices.gpus()[1]}", file=sys.stderr)
    return chosen


def _check_question(context: typer.Context, density: bool, exact: bool) -> None:
    """Refuse two questions at a time, and options that are of another."""
    if density and exact:
        raise ValueError("--density and --exact are different questions: ask one at a time")
    if density:
        options.refuse_given(context, ("rtol", "method"), "to --density")
    if exact:
        options.refuse_given(context, _NOT_EXACT, "to --exact")
    else:
        options.refuse_given(context, ("digits",), "without --exact")


def _check_outputs(json_file: str | None, plot_file: str | None) -> None:
    """Refuse files that could not be written at the end."""
    if plot_file is not None:
        from fastgram.plot import check_figure_path

        check_figure_path(plot_file)
    if json_file is not None and Path(json_file).suffix.lower() in ENDINGS:
        raise ValueError(f"{json_file}: that ending is for data, not for JSON")
    for name in (json_file, plot_file):
        if name is not None and name != "-":
            check_writable(name)


def _rows_of(data: str | None, rows: str) -> tuple[npt.NDArray[np.floating], str]:
    from fastgram import datasets

    X, source = (datasets.digits(), "the digits") if data is None else (read_rows(data), data)
    if rows == "unit":
        try:
            X = datasets._unit(np.array(X, dtype=np.float64, order="C"))
        except ValueError as error:
            raise ValueError(f"{source}: {error}; --rows raw takes rows as they are") from None
    return X, source


def _run(
    report: Report,
    task: Task,
    networks: Sequence[Network],
    json_file: str | None,
    plot_file: str | None,
) -> None:
    """Compute one network after the other; what is done is shown even where a later one fails."""
    live = sys.stderr.isatty()
    results: list[Any] = []
    try:
        for count, network in enumerate(networks, 1):
            name = network_name(network, networks)
            if live:
                print(f"{name} ({count} of {len(networks)})", file=sys.stderr)
            try:
                results.append(report.solve(task, network, live))
            except (ValueError, NotImplementedError) as error:
                if len(networks) == 1 or str(error).startswith(network.activation.name):
                    raise  # which one it was is plain
                raise ValueError(f"{name}: {error}") from error
            if json_file is not None and json_file != "-":
                write_json(json_file, records(task, networks, results, report.facts))
    finally:
        if results and json_file == "-":
            print(json_text(records(task, networks, results, report.facts)))
        elif results:
            report.show(task, networks, results)
        sys.stdout.flush()
    if plot_file is not None:
        report.draw(plot_file, task, networks, results)


@app.command()
def info() -> None:
    """Show versions, devices and the table of activations."""
    from fastgram import _devices, _machine
    from fastgram.activations import activation_names, get_activation
    from fastgram.kernels import vectors

    console = text_console()
    found, reason = _devices.gpus()
    threads, memory = _machine.thread_limit(), _machine.memory_limit()
    without = "" if found else f"; no GPU: {reason}"
    facts = {
        "fastgram": fastgram.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba")},
        "devices": ", ".join(device.label for device in (_devices.CPU, *found)) + without,
        "threads": f"{threads.value} ({threads.source})",
        "memory free": f"{memory.value / 2**30:.3g} GiB ({memory.source})",
        "vectors": vectors.instructions(),
    }
    for key, value in facts.items():
        console.print(f"{key:<16} {value}")
    table = house_table()
    for header in ("activation", "what it is", "regularity"):
        table.add_column(header)
    for name in activation_names():
        activation = get_activation(name)
        table.add_row(name, activation.description, activation.regularity)
    console.print()
    console.print(table)
