"""The commands, on typer and rich: `command` runs them and words their errors.

Options are checked by the library's own functions, so that a command and a call of Python refuse
the same input in the same words, and all of it before any long work.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import typer

import fastgram
from fastgram.cli import options
from fastgram.cli.checks import check_outputs, operators_of
from fastgram.cli.cluster import check_cluster, computing
from fastgram.cli.data_files.sample import ROWS, samples_of
from fastgram.cli.gram import GRAM, gram
from fastgram.cli.guide.help_command import HELP, help_command
from fastgram.cli.info import INFO, info
from fastgram.cli.plan import PLAN, dry_run, plan
from fastgram.cli.reports.density import DENSITY
from fastgram.cli.reports.exact import EXACT
from fastgram.cli.reports.extremes import EXTREMES
from fastgram.cli.reports.report import csv_text, json_text
from fastgram.cli.reports.sweep import Checkpoints, run_sweep
from fastgram.cli.study import STUDY, study
from fastgram.cli.sweeps.cases import Case
from fastgram.cli.sweeps.networks import networks_of
from fastgram.cli.sweeps.tasks import cases_of
from fastgram.cli.train import TRAIN, train
from fastgram.support.validation import as_choice, as_integer, as_number

__all__ = ["app"]

app = typer.Typer(rich_markup_mode="rich")

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
    "cluster",
    "cluster_config",
    "memory",
    "checkpoint",
)


# The names that `spectral_density` has for options of `extreme_eigenvalues`.
_OF_DENSITY = {"block": "probes", "max_passes": "passes"}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"fastgram {fastgram.__version__}")
        raise typer.Exit


# A line of this is a paragraph: rich would keep line breaks within one.
_SPECTRUM = r"""Bracket the extreme eigenvalues of Gram matrices.

For each network: takes its Gram matrix at the rows of DATA, and brackets its smallest and largest \
eigenvalue, λ_min and λ_max. λ_min bounds how fast gradient descent trains such a network. It is \
infinitely wide with one hidden layer unless --depth and --width say otherwise.

Several DATA, and several values of --activation, --depth, --width, --kind or a variance, make a \
sweep: all their combinations, a row each, and --plot draws λ_min and λ_max against the number \
that has the most values. DATA in words give sweeps over n, dimensions and noise: in bash and zsh \
sphere:n={500,1000},d=10 is short for sphere:n=500,d=10 sphere:n=1000,d=10. Compare depths with \
--normalize: without it the variance, and the eigenvalues with it, shrink or grow from layer to \
layer (by half under relu). A network that fails is a row that says why; the exit code is then 1.

A result is an estimate and a bracket \[lower, upper] that holds the true value. Its guarantee is \
[bold]exact[/]: known without arithmetic; [bold]certified[/]: proven, rounding included; \
[bold]probabilistic[/]: with the probability --confidence, over the random start; or \
[bold]none[/]: one end is not known.

--density bounds all eigenvalues instead: the part of them up to any x, quantiles, trace, \
log-determinant and effective rank, at least as probably as --confidence, and λ_min and λ_max too. \
--block is its number of random vectors and --max-passes its number of products. --plot draws the \
cumulative distributions.

With --checkpoint a run that was interrupted, killed or ran out of disk goes on where it was by \
the same command, and comes to the same numbers; a finished one is read back, and gone on with \
where --rtol asks for more. Each network has a folder of its own within DIR.

--exact proves decimal digits of λ_min and λ_max instead, in ball arithmetic, however small λ_min \
is: for every activation of fastgram info, any depth, infinite width or one of --width with its \
weights as drawn, and up to 2000 rows. It needs pip install 'fastgram\[exact]'.

[bold]Examples[/]
  fastgram spectrum
  fastgram spectrum rows.npy -a relu -a tanh --plot spectrum.png
  fastgram spectrum rows.npz:train -a 'elu(alpha=0.5)' --json -
  fastgram spectrum table.csv --drop id --label kind -a relu --csv results.csv
  fastgram spectrum -a relu -a tanh --normalize --depth 1 --depth 3 --depth 10 --plot depth.png
  fastgram spectrum -a tanh --width 100 --width 1000 --width infinite --network-seed 1
  fastgram spectrum sphere:n={500,1000,2000},d=10 -a relu -a tanh --plot n.png
  fastgram spectrum circle:n=101 -a relu --kind gradient --kind ntk --bias-variance 0.1
  fastgram spectrum rows.npy --density -a relu -a tanh --plot spectrum.svg
  fastgram spectrum rows.npy -a relu --method lanczos --checkpoint run
  fastgram spectrum circle.csv --exact --digits 30 -a relu -a tanh
  fastgram spectrum rows.npy -a elu --dry-run
  fastgram spectrum rows.npy -a relu --cluster tcp://scheduler:8786
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
    kind: options.Kinds = None,
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
    density: options.Density = False,
    exact: options.Exact = False,
    dry: options.DryRun = False,
    digits: options.Digits = 15,
    rtol: options.Rtol = 1e-2,
    confidence: options.Confidence = 0.999,
    method: options.Method = "auto",
    block: options.Block = None,
    max_passes: options.MaxPasses = None,
    seed: options.Seed = 0,
    dtype: options.Dtype = "float64",
    device: options.Device = "cpu",
    cluster: options.Cluster = None,
    cluster_config: options.ClusterConfig = None,
    memory: options.Memory = None,
    checkpoint: options.Checkpoint = None,
    json_file: options.Json = None,
    csv_file: options.Csv = None,
    plot_file: options.Plot = None,
) -> int:
    """Check everything, then run."""
    from fastgram.eigenvalues.extreme import reject_checkpoint

    _check_question(context, density, exact)
    if dry:
        options.reject_options(context, ("cluster", "cluster_config"), "to --dry-run")
        _check_dry_run(context, density, exact)
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
    operators = operators_of(kind or ["gradient"], device, dtype, memory)
    extremes = {"rtol": rtol, "method": method, "block": block, "max_passes": max_passes}
    request = _request({**extremes, "confidence": confidence, "seed": seed})
    reject_checkpoint(checkpoint, request["method"])
    as_choice("rows", rows, ROWS)
    report = EXTREMES
    if density:
        report = DENSITY
        request = {_OF_DENSITY.get(name, name): value for name, value in request.items()}
        del request["rtol"], request["method"]
    if exact:
        report, request = EXACT, {"digits": as_integer("digits", digits, 1)}
        operators = [{"kind": operator["kind"]} for operator in operators]
    texts = {name: text for name, text in ((json_file, json_text), (csv_file, csv_text)) if name}
    check_outputs(data or [], (json_file, csv_file, plot_file))
    samples = samples_of(data or [], columns, drop, label)
    cases = cases_of(networks, samples, rows, operators, request, exact=exact)
    with computing(cluster, cluster_config, {}) as (told, client):
        cases = [case.computed_by(told, client) for case in cases]
        if dry:
            return dry_run(cases, json_file)
        failures = report.check(cases)
        kept = None
        if checkpoint is not None:
            kept = Checkpoints(checkpoint, shlex.join(["fastgram", *context.obj]), _run_facts)
            kept.check(cases)
        return run_sweep(report, cases, failures, texts, plot_file, kept)


def _run_facts(case: Case, matrix: dict[str, Any]) -> dict[str, Any]:
    """Return what tells the Lanczos run of a case from others."""
    from fastgram.eigenvalues.extreme import default_block
    from fastgram.linalg.checkpoint import run_facts

    n, request = case.task.X.shape[0], case.task.request
    block = min(request.get("block") or request.get("probes") or default_block(n), n)
    return run_facts(matrix, n, block, request["seed"])


def _request(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `extreme_eigenvalues`, checked."""
    from fastgram.eigenvalues.extreme import METHODS

    block, passes = given["block"], given["max_passes"]
    return {
        "rtol": as_number("rtol", given["rtol"], above=0.0),
        "method": as_choice("method", given["method"], METHODS),
        "block": None if block is None else as_integer("block", block, 1),
        "max_passes": None if passes is None else as_integer("max-passes", passes, 1),
        "confidence": as_number("confidence", given["confidence"], above=0.0, below=1.0),
        "seed": as_integer("seed", given["seed"], 0),
    }


def _check_question(context: typer.Context, density: bool, exact: bool) -> None:
    """Refuse two questions at a time, and options that are of another."""
    if density and exact:
        raise ValueError("--density and --exact are different questions: ask one at a time")
    if density:
        options.reject_options(context, ("rtol", "method"), "to --density")
    if exact:
        options.reject_options(context, _NOT_EXACT, "to --exact")
    else:
        options.reject_options(context, ("digits",), "without --exact")


def _check_dry_run(context: typer.Context, density: bool, exact: bool) -> None:
    """Refuse what says nothing to a plan."""
    if exact:
        raise ValueError("--dry-run plans no --exact: ball arithmetic takes minutes up to n = 1000")
    if density:
        raise ValueError("--dry-run has a line on the density: leave --density out")
    for option, name in (("--csv", "csv_file"), ("--plot", "plot_file")):
        if context.params[name] is not None:
            raise ValueError(f"{option} does not apply to --dry-run")
    options.reject_options(context, ("method", "confidence", "seed", "checkpoint"), "to --dry-run")


app.command(help=GRAM)(gram)
app.command(help=PLAN)(plan)
app.command(help=TRAIN)(train)
app.command(help=STUDY)(study)
app.command(help=INFO)(info)
app.command("help", help=HELP)(help_command)
