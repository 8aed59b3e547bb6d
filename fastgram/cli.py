"""The commands, on typer and rich: `fastgram.__main__` runs them and words their errors.

Options are checked by the library's own functions, so that a command and a call of Python refuse
the same input in the same words, and all of it before any long work.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import math
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich import box
from rich.table import Table

import fastgram
from fastgram._inputs import ENDINGS, read_rows
from fastgram._report import (
    Task,
    check_writable,
    json_text,
    network_name,
    records,
    show_table,
    text_console,
    write_json,
)
from fastgram._results import ExtremeEigenvalues
from fastgram._validation import as_choice, as_dtype, as_integer, as_number

if TYPE_CHECKING:
    from fastgram.network import Network

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

ACTIVATIONS = ("relu", "elu", "selu", "tanh", "swish", "polynomial")
ROWS = ("unit", "raw")
_INFINITE = "infinite"

# --- options, to be shared by commands ---------------------------------------------------------


def _option(panel: str, text: str, *names: str, metavar: str | None = None, none: str = "") -> Any:
    """Return an option; `none` says in the help what leaving it out means."""
    return typer.Option(
        *names, metavar=metavar, help=text, rich_help_panel=panel, show_default=none or True
    )


_NETWORK, _DATA, _RUN, _OUTPUT = "Network", "Data", "Computation", "Output"

Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA",
        help=f"Rows to take: a real (n, d) array, one sample a row, in {', '.join(ENDINGS)}"
        " (file.npz:key for one of several arrays).",
        show_default="the 1797 x 64 handwritten digits that come with fastgram",
    ),
]
Activations = Annotated[
    list[str] | None,
    _option(
        _NETWORK,
        "A name (see fastgram info), with parameters if need be:"
        " -a 'leaky_relu(negative_slope=0.2)'. Several times to compare.",
        "--activation",
        "-a",
        metavar="NAME",
        none=", ".join(ACTIVATIONS),
    ),
]
_DEPTH = "Hidden layers, 1 or more. Several times to compare."
Depths = Annotated[
    list[int] | None, _option(_NETWORK, _DEPTH, "--depth", metavar="INTEGER", none="1")
]
_WIDTH = (
    "Neurons a hidden layer, 1 or more, of a network with random weights; infinite is the limit"
    " of many. Several times to compare."
)
Widths = Annotated[
    list[str] | None,
    _option(_NETWORK, _WIDTH, "--width", metavar="INTEGER|infinite", none="infinite"),
]
_KIND = (
    "gradient: inner products of gradients with respect to the last hidden layer's parameters."
    " nngp: of its outputs. ntk: of gradients with respect to all parameters."
)
Kind = Annotated[str, _option(_NETWORK, _KIND, metavar="gradient|nngp|ntk")]
WeightVariance = Annotated[float, _option(_NETWORK, "Variance of the weights, not divided by d.")]
BiasVariance = Annotated[float, _option(_NETWORK, "Variance of the biases.")]
_NORMALIZE = "Scale each activation so that its mean square over N(0, 1) is 1."
Normalize = Annotated[bool, _option(_NETWORK, _NORMALIZE, "--normalize")]
_READOUT = "Output weights of a network of finite width: signs or normal numbers."
Readout = Annotated[str, _option(_NETWORK, _READOUT, metavar="rademacher|gaussian")]
_NETWORK_SEED = "Of the weights of a network of finite width."
NetworkSeed = Annotated[int, _option(_NETWORK, _NETWORK_SEED)]
_ROWS = "unit: scale each row to norm 1. raw: take the rows as they are."
Rows = Annotated[str, _option(_DATA, _ROWS, metavar="unit|raw")]
_RTOL = "Stop when both brackets are no wider than this part of their estimates."
Rtol = Annotated[float, _option(_RUN, _RTOL)]
_CONFIDENCE = "Of both brackets together, where they are probabilistic."
Confidence = Annotated[float, _option(_RUN, _CONFIDENCE)]
_METHOD = (
    "dense: LAPACK with a proof. lanczos: block Lanczos, for any n. arpack: scipy's eigsh."
    " auto: dense for small n, else lanczos."
)
Method = Annotated[str, _option(_RUN, _METHOD, metavar="auto|dense|lanczos|arpack")]
Block = Annotated[
    int | None, _option(_RUN, "Vectors that lanczos multiplies at a time.", none="by n")
]
_PASSES = "Stop after so many products with the matrix and show the brackets reached."
MaxPasses = Annotated[int | None, _option(_RUN, _PASSES, none="no limit")]
Seed = Annotated[int, _option(_RUN, "Of the random start.")]
_DTYPE = "Of the entries. float32 cannot see eigenvalues below about n x 6e-8."
Dtype = Annotated[str, _option(_RUN, _DTYPE, metavar="float64|float32")]
Device = Annotated[str, _option(_RUN, "What computes the entries.", metavar="cpu")]
_MEMORY = "Of entries to keep between passes, as in 500M or 2G (of 1024); 0 keeps none."
Memory = Annotated[str | None, _option(_RUN, _MEMORY, metavar="BYTES", none="half of what is free")]
_JSON = "Write the results there, anew after each; - is standard output, without the table."
Json = Annotated[str | None, _option(_OUTPUT, _JSON, "--json", metavar="FILE")]
_PLOT = "Draw the results into a .png, .svg or .pdf; a sweep as lines against depth or width."
Plot = Annotated[str | None, _option(_OUTPUT, _PLOT, "--plot", metavar="FILE")]


# --- commands ----------------------------------------------------------------------------------


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

[bold]Examples[/]
  fastgram spectrum
  fastgram spectrum rows.npy -a relu -a tanh --plot spectrum.png
  fastgram spectrum rows.npz:train -a 'elu(alpha=0.5)' --json -
  fastgram spectrum -a relu -a tanh --depth 1 --depth 3 --depth 10 --plot depth.png
  fastgram spectrum -a tanh --width 100 --width 1000 --width infinite --network-seed 1
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
    data: Data = None,
    activation: Activations = None,
    depth: Depths = None,
    width: Widths = None,
    kind: Kind = "gradient",
    weight_variance: WeightVariance = 1.0,
    bias_variance: BiasVariance = 0.0,
    normalize: Normalize = False,
    readout: Readout = "rademacher",
    network_seed: NetworkSeed = 0,
    rows: Rows = "unit",
    rtol: Rtol = 1e-2,
    confidence: Confidence = 0.999,
    method: Method = "auto",
    block: Block = None,
    max_passes: MaxPasses = None,
    seed: Seed = 0,
    dtype: Dtype = "float64",
    device: Device = "cpu",
    memory: Memory = None,
    json_file: Json = None,
    plot_file: Plot = None,
) -> None:
    """Check everything, then run."""
    from fastgram import _devices, eigen
    from fastgram.network import KINDS, Network

    drawn = as_integer("network-seed", network_seed, 0)  # which --seed is not
    shapes = itertools.product(
        activation or ACTIVATIONS, depth or [1], map(_width, width or [_INFINITE])
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
        "device": as_choice("device", device, _devices.DEVICES),
        "dtype": as_dtype(dtype).name,
        "memory": None if memory is None else _bytes(memory),
    }
    request = {
        "rtol": as_number("rtol", rtol, above=0.0),
        "confidence": as_number("confidence", confidence, above=0.0, below=1.0),
        "method": as_choice("method", method, eigen.METHODS),
        "block": None if block is None else as_integer("block", block, 1),
        "max_passes": None if max_passes is None else as_integer("max-passes", max_passes, 1),
        "seed": as_integer("seed", seed, 0),
    }
    as_choice("rows", rows, ROWS)
    _check_outputs(json_file, plot_file)
    X, source = _rows_of(data, rows)
    _run(Task(X, source, rows, operator, request), networks, json_file, plot_file)


def _width(text: str) -> int | None:
    """Return a number of neurons from "1000", None from "infinite"."""
    if text == _INFINITE:
        return None
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"width must be an integer of at least 1 or {_INFINITE}, not {text!r}")
    return number


def _bytes(text: str) -> int:
    """Return a number of bytes from "2000000", "500M", "2G", "1.5GiB"."""
    word = text.strip().upper().removesuffix("B").removesuffix("I")
    power = "KMGT".find(word[-1:]) + 1 if word else 0
    try:
        number = float(word[:-1] if power else word)
    except ValueError:
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise ValueError(f"memory must be a number of bytes, as in 500M or 2G, not {text!r}")
    return int(number * 1024**power)


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
    task: Task, networks: Sequence[Network], json_file: str | None, plot_file: str | None
) -> None:
    """Compute one network after the other; what is done is shown even where a later one fails."""
    from fastgram.eigen import extreme_eigenvalues
    from fastgram.operator import GramOperator

    live = sys.stderr.isatty()
    results: list[ExtremeEigenvalues] = []
    try:
        for count, network in enumerate(networks, 1):
            name = network_name(network, networks)
            if live:
                print(f"{name} ({count} of {len(networks)})", file=sys.stderr)
            try:
                op = GramOperator(task.X, network, **task.operator)
                results.append(extreme_eigenvalues(op, **task.request, progress=live))
            except (ValueError, NotImplementedError) as error:
                if len(networks) == 1 or str(error).startswith(network.activation.name):
                    raise  # which one it was is plain
                raise ValueError(f"{name}: {error}") from error
            del op  # the entries it keeps, before the next one takes the memory that is free
            if json_file is not None and json_file != "-":
                write_json(json_file, records(task, networks, results))
    finally:
        if results and json_file == "-":
            print(json_text(records(task, networks, results)))
        elif results:
            show_table(task, networks, results)
        sys.stdout.flush()
    if plot_file is not None:
        _plot(plot_file, task, networks, results)


def _plot(
    plot_file: str,
    task: Task,
    networks: Sequence[Network],
    results: Sequence[ExtremeEigenvalues],
) -> None:
    """Draw activations side by side, or lines where depth or width has several values."""
    from fastgram.plot import plot_extremes, plot_sweep

    title = task.title(networks).replace(" x ", "\u00a0×\u00a0")  # not to be folded
    if len({(network.depth, network.width) for network in networks}) > 1:
        plot_sweep(networks, results, plot_file, title)
        return
    activations = [network.activation for network in networks]
    plot_extremes(
        [activation.name for activation in activations],
        results,
        plot_file,
        title,
        smooth=[activation.smooth for activation in activations],
    )


@app.command()
def info() -> None:
    """Show versions, devices and the table of activations."""
    from fastgram import _devices, _tiles
    from fastgram.activations import activation_names, get_activation

    console = text_console()
    facts = {
        "fastgram": fastgram.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba")},
        "devices": ", ".join(_devices.DEVICES),
        "processors used": str(_tiles.thread_count()),
    }
    for key, value in facts.items():
        console.print(f"{key:<16} {value}")
    table = Table("activation", "what it is", "regularity", box=box.SIMPLE_HEAD, show_edge=False)
    for name in activation_names():
        activation = get_activation(name)
        table.add_row(name, activation.description, activation.regularity)
    console.print()
    console.print(table)
