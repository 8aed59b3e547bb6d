"""The options of the command line, to be shared by commands, and what their words mean."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from fastgram.cli.data_files.reading import ending_words
from fastgram.cli.guide import completion
from fastgram.datasets.words import EXAMPLES

__all__ = [
    "ACTIVATIONS",
    "INFINITE",
    "Activation",
    "Activations",
    "Bandwidth",
    "BiasVariance",
    "BiasVariances",
    "Block",
    "Checkpoint",
    "Cluster",
    "ClusterConfig",
    "Columns",
    "Confidence",
    "Csv",
    "Data",
    "Density",
    "Depth",
    "Depths",
    "Device",
    "Digits",
    "Drop",
    "DryRun",
    "Dtype",
    "Exact",
    "Features",
    "InputBiasVariance",
    "InputBiasVariances",
    "InputWeightVariance",
    "InputWeightVariances",
    "Json",
    "Kind",
    "Kinds",
    "Label",
    "LossRtol",
    "Matrix",
    "MaxPasses",
    "Measure",
    "Memory",
    "Method",
    "NetworkSeed",
    "Normalize",
    "OneData",
    "PlanJson",
    "PlannedActivation",
    "PlannedData",
    "PlannedPasses",
    "Plot",
    "Readout",
    "Rowcount",
    "Rows",
    "Rtol",
    "Seed",
    "StepSize",
    "Steps",
    "TrainedKinds",
    "TrainingCheckpoint",
    "WeightVariance",
    "WeightVariances",
    "Width",
    "Widths",
    "Workers",
    "as_bytes",
    "device_of",
    "only_one",
    "reject_options",
]

ACTIVATIONS = ("relu", "elu", "selu", "tanh", "swish", "polynomial")
INFINITE = "infinite"


def _option(
    panel: str,
    text: str,
    *names: str,
    metavar: str | None = None,
    none: str = "",
    complete: Callable[[str], list[str]] | None = None,
) -> Any:
    """Return an option; `none` says in the help what leaving it out means."""
    return typer.Option(
        *names,
        metavar=metavar,
        help=text,
        rich_help_panel=panel,
        show_default=none or True,
        autocompletion=complete or completion.alternatives(metavar),
    )


_NETWORK, _DATA, _RUN, _OUTPUT = "Network", "Data", "Computation", "Output"
_QUESTION = "Question"

_DENSITY = "Bound the whole spectrum: distribution, quantiles, trace, log-determinant and more."
Density = Annotated[bool, _option(_QUESTION, _DENSITY, "--density")]
_EXACT = (
    "Prove decimal digits of λ_min and λ_max, in ball arithmetic; for n up to about a thousand."
)
Exact = Annotated[bool, _option(_QUESTION, _EXACT, "--exact")]
_DRY_RUN = (
    "Compute nothing: say what each way would take, from measured rates; see fastgram plan."
    " --max-passes is then the number of passes."
)
DryRun = Annotated[bool, _option(_QUESTION, _DRY_RUN, "--dry-run")]
_DIGITS = "Significant digits to prove by --exact, 1 to 1000."
Digits = Annotated[int, _option(_QUESTION, _DIGITS)]

_DATA_HELP = (
    f"Rows to take: a table of numbers, one sample a row, in {ending_words()}"
    " (file.npz:key for one of several arrays); images in idx files (MNIST), CIFAR's .bin or a"
    " folder; or a data set in words:"
    f" {', '.join(EXAMPLES.values())}."
)
Data = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DATA",
        help=_DATA_HELP + " Several to compare.",
        show_default="the 1797 x 64 handwritten digits that come with fastgram",
    ),
]
OneData = Annotated[str, typer.Argument(metavar="DATA", help=_DATA_HELP)]
PlannedData = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA", help=_DATA_HELP + " Its n and d are taken.", show_default="--n and --d"
    ),
]
_MATRIX = "Where to store the matrix: a file.npy, file.h5 or folder.zarr."
Matrix = Annotated[str, typer.Argument(metavar="OUT", help=_MATRIX)]
_ACTIVATION = (
    "A name (see fastgram info), with parameters if need be: -a 'leaky_relu(negative_slope=0.2)'."
)
_DEPTH = "Hidden layers, 1 or more."
_WIDTH = (
    "Neurons a hidden layer, 1 or more, of a network with random weights; infinite is the limit"
    " of many."
)


def _shape_options(more: str, activations: str) -> tuple[Any, Any, Any]:
    """Return the options of a network's activation, depth and width, `more` in each one's help."""
    return (
        _option(
            *(_NETWORK, _ACTIVATION + more, "--activation", "-a"),
            metavar="NAME",
            none=activations,
            complete=completion.activations,
        ),
        _option(_NETWORK, _DEPTH + more, "--depth", metavar="INTEGER", none="1"),
        _option(_NETWORK, _WIDTH + more, "--width", metavar="INTEGER|infinite", none="infinite"),
    )


_SEVERAL = _shape_options(" Several times to compare.", ", ".join(ACTIVATIONS))
Activations = Annotated[list[str] | None, _SEVERAL[0]]
Depths = Annotated[list[int] | None, _SEVERAL[1]]
Widths = Annotated[list[str] | None, _SEVERAL[2]]
# of one network; lists nevertheless, or the last of several would win without a word
_ONE = _shape_options("", "")
Activation = Annotated[list[str], _ONE[0]]
Depth = Annotated[list[int] | None, _ONE[1]]
Width = Annotated[list[str] | None, _ONE[2]]
PlannedActivation = Annotated[list[str] | None, _shape_options("", "relu")[0]]
_KIND = (
    "gradient: inner products of gradients with respect to the last hidden layer's parameters."
    " nngp: of its outputs. ntk: of gradients with respect to all parameters."
)
_KINDS, _AGAIN = "gradient|nngp|ntk", " Several times to compare."
Kind = Annotated[str, _option(_NETWORK, _KIND, metavar=_KINDS)]
Kinds = Annotated[
    list[str] | None,
    _option(_NETWORK, _KIND + _AGAIN, "--kind", metavar=_KINDS, none="gradient"),
]
TrainedKinds = Annotated[
    list[str] | None, _option(_NETWORK, _KIND + _AGAIN, "--kind", metavar=_KINDS, none="ntk")
]
_WEIGHT, _BIAS = "Variance of the weights, not divided by d.", "Variance of the biases."
_INPUT, _SAME = "Of the first layer's {} where it differs.", "that of all layers"
_INPUT_WEIGHT, _INPUT_BIAS = _INPUT.format("weights"), _INPUT.format("biases")
WeightVariance = Annotated[float, _option(_NETWORK, _WEIGHT)]
BiasVariance = Annotated[float, _option(_NETWORK, _BIAS)]
InputWeightVariance = Annotated[float | None, _option(_NETWORK, _INPUT_WEIGHT, none=_SAME)]
InputBiasVariance = Annotated[float | None, _option(_NETWORK, _INPUT_BIAS, none=_SAME)]


def _several(text: str, name: str, none: str) -> Any:
    """Return the option of a number that a sweep may have several values of."""
    return _option(_NETWORK, text + _AGAIN, name, metavar="FLOAT", none=none)


WeightVariances = Annotated[list[float] | None, _several(_WEIGHT, "--weight-variance", "1.0")]
BiasVariances = Annotated[list[float] | None, _several(_BIAS, "--bias-variance", "0.0")]
InputWeightVariances = Annotated[
    list[float] | None, _several(_INPUT_WEIGHT, "--input-weight-variance", _SAME)
]
InputBiasVariances = Annotated[
    list[float] | None, _several(_INPUT_BIAS, "--input-bias-variance", _SAME)
]
_NORMALIZE = "Scale each activation so that its mean square over N(0, 1) is 1."
Normalize = Annotated[bool, _option(_NETWORK, _NORMALIZE, "--normalize")]
_READOUT = "Output weights of a network of finite width: signs or normal numbers."
Readout = Annotated[str, _option(_NETWORK, _READOUT, metavar="rademacher|gaussian")]
_NETWORK_SEED = "Of the weights of a network of finite width."
NetworkSeed = Annotated[int, _option(_NETWORK, _NETWORK_SEED)]
_ROWS = "unit: scale each row to norm 1. raw: take the rows as they are."
Rows = Annotated[str, _option(_DATA, _ROWS, metavar="unit|raw")]
_COLUMNS = (
    "Columns of DATA to take, and no others: names, numbers or ranges of them (0-3), with commas"
    " between them. Numbers count from 0, negative ones from the end."
)
Columns = Annotated[
    list[str] | None,
    _option(_DATA, _COLUMNS, "--columns", metavar="COLUMNS", none="all that hold numbers"),
]
_DROP = "Columns to leave out."
Drop = Annotated[
    list[str] | None, _option(_DATA, _DROP, "--drop", metavar="COLUMNS", none="those of words")
]
_LABEL = "The column of labels, which is left out as well; of images, label is what they show."
Label = Annotated[
    list[str] | None, _option(_DATA, _LABEL, "--label", metavar="COLUMN", none="a column of words")
]
_RTOL = "Stop when both brackets are no wider than this part of their estimates."
Rtol = Annotated[float, _option(_RUN, _RTOL)]
_LOSS_RTOL = "Stop when the bounds are no further apart than this part of the loss."
LossRtol = Annotated[float, _option(_RUN, _LOSS_RTOL)]
_STEPS = "Number of steps after which the loss is told. Several times for several."
Steps = Annotated[
    list[int] | None,
    _option(_QUESTION, _STEPS, "--steps", metavar="INTEGER", none="10, 100, 1000, 10000"),
]
_STEP_SIZE = "Of gradient descent on the sum of squares over two, in units of one over the kernel."
StepSize = Annotated[float | None, _option(_QUESTION, _STEP_SIZE, none="one over λ_max")]
_CONFIDENCE = "Of both brackets together, where they are probabilistic."
Confidence = Annotated[float, _option(_RUN, _CONFIDENCE)]
_METHOD = (
    "dense: LAPACK with a proof. lanczos: block Lanczos, for any n. certified: lanczos, then a"
    " proof by Cholesky factorisations. arpack: scipy's eigsh. auto: dense for small n, else"
    " lanczos, with the inverse or a proof where that is cheaper."
)
Method = Annotated[str, _option(_RUN, _METHOD, metavar="auto|dense|lanczos|certified|arpack")]
Block = Annotated[
    int | None,
    _option(_RUN, "Vectors that lanczos, or --density, multiplies at a time.", none="by n"),
]
_PASSES = (
    "Stop after so many products with the matrix and show the brackets reached; --density does as"
    " many."
)
MaxPasses = Annotated[int | None, _option(_RUN, _PASSES, none="no limit")]
Seed = Annotated[int, _option(_RUN, "Of the random start.")]
_DTYPE = "Of the entries. float32 cannot see eigenvalues below about n x 6e-8."
Dtype = Annotated[str, _option(_RUN, _DTYPE, metavar="float64|float32")]
_DEVICE = "What computes: gpu needs CuPy, auto takes a GPU where there is one."
Device = Annotated[str, _option(_RUN, _DEVICE, metavar="cpu|gpu|auto")]
_CLUSTER = (
    "Compute on a Dask cluster: local:N is of N processes on this machine, an address that of a"
    " scheduler, as in tcp://host:8786."
)
Cluster = Annotated[
    str | None,
    _option(_RUN, _CLUSTER, "--cluster", metavar="local:N|ADDRESS", none="this process"),
]
_CLUSTER_CONFIG = "Dask's configuration in YAML, for TLS and time-outs."
ClusterConfig = Annotated[
    str | None,
    _option(_RUN, _CLUSTER_CONFIG, "--cluster-config", metavar="FILE", none="Dask's own"),
]
_MEMORY = "Of entries to keep between passes, as in 500M or 2G (of 1024); 0 keeps none."
Memory = Annotated[str | None, _option(_RUN, _MEMORY, metavar="BYTES", none="half of what is free")]
_CHECKPOINT = (
    "Keep each pass in DIR, n x block numbers of 8 bytes, and go on from what is there."
    " Methods dense and arpack keep none."
)
Checkpoint = Annotated[
    str | None, _option(_RUN, _CHECKPOINT, "--checkpoint", metavar="DIR", none="nothing is kept")
]
_TRAINING_CHECKPOINT = "Keep each pass in DIR, n x outputs numbers of 8 bytes, and go on from it."
TrainingCheckpoint = Annotated[
    str | None,
    _option(_RUN, _TRAINING_CHECKPOINT, "--checkpoint", metavar="DIR", none="nothing is kept"),
]
_JSON = "Write the results there, anew after each; - is standard output, without the table."
Json = Annotated[str | None, _option(_OUTPUT, _JSON, "--json", metavar="FILE")]
_CSV = "Write the same as a table, a line a result; - is standard output, without the table."
Csv = Annotated[str | None, _option(_OUTPUT, _CSV, "--csv", metavar="FILE")]
_PLOT = (
    "Draw the results into a .png, .svg or .pdf; a sweep as lines against the number that has the"
    " most values, --density as cumulative distributions."
)
Plot = Annotated[str | None, _option(_OUTPUT, _PLOT, "--plot", metavar="FILE")]
_ROWCOUNT, _FEATURES = "Rows, all of one norm.", "Features of a row."
Rowcount = Annotated[int | None, _option(_DATA, _ROWCOUNT, "--n", none="those of DATA")]
Features = Annotated[int | None, _option(_DATA, _FEATURES, "--d", none="those of DATA")]
_PLANNED = "Products with the matrix."
PlannedPasses = Annotated[int | None, _option(_RUN, _PLANNED, "--passes", none="a likely range")]
_WORKERS = "Machines like this one that share each pass."
Workers = Annotated[int, _option(_RUN, _WORKERS, "--workers")]
Bandwidth = Annotated[float, _option(_RUN, "Of each machine's link, in Gbit/s.", "--bandwidth")]
_MEASURE = "Measure the rates of this machine anew."
Measure = Annotated[bool, _option(_RUN, _MEASURE, "--measure")]
_PLAN_JSON = "Write the plan there; - is standard output, without the table."
PlanJson = Annotated[str | None, _option(_OUTPUT, _PLAN_JSON, "--json", metavar="FILE")]


def only_one(option: str, values: Sequence[Any], reason: str) -> Sequence[Any]:
    """Refuse an option that is given several times."""
    if len(values) > 1:
        raise ValueError(f"{option} is given {len(values)} times: {reason}")
    return values


def as_bytes(text: str) -> int:
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


def reject_options(context: typer.Context, names: tuple[str, ...], question: str) -> None:
    """Refuse options that were given, be it with their defaults, to a question they are not of."""
    sources = {name: context.get_parameter_source(name) for name in names}
    given = [
        "--" + name.replace("_", "-")
        for name, source in sources.items()
        # by its name: the class has its home in click, or in typer where that has no click
        if source is not None and source.name == "COMMANDLINE"
    ]
    if given:
        verb = "does" if len(given) == 1 else "do"
        raise ValueError(f"{' and '.join(given)} {verb} not apply {question}")


def device_of(name: str) -> str:
    """Return "cpu" or "gpu", and say where "auto" did without a GPU."""
    from fastgram.devices import registry

    chosen = registry.as_devices(name)[0].name
    if (name, chosen) == ("auto", "cpu"):
        print(f"fastgram: on the CPU, for {registry.gpus()[1]}", file=sys.stderr)
    return chosen
