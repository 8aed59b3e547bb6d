"""`fastgram gram`: a Gram matrix stored on disk."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import typer

from fastgram.cli import options
from fastgram.cli.cluster import check_cluster, computing
from fastgram.cli.data_files.sample import ROWS, samples_of, scaled_rows
from fastgram.cli.reports.report import FAILURES
from fastgram.cli.sweeps.cases import Case, Task, heading
from fastgram.cli.sweeps.networks import networks_of
from fastgram.support.validation import as_choice, as_dtype

__all__ = ["GRAM", "gram"]

# A line of this is a paragraph: rich would keep line breaks within one.
GRAM = r"""Store a Gram matrix on disk.

Takes the network's Gram matrix at the rows of DATA and stores it in OUT, a .npy, .h5 or .zarr: \
the whole square, of n x n numbers, for others to read, and for fastgram.open_gram to multiply \
with. One half of it is computed, block by block, in a few hundred megabytes of memory.

A build that was interrupted, killed or ran out of disk goes on where it was by the same command, \
and comes to the same bits; where the matrix is whole already, nothing is computed. Until then it \
is OUT.partial. OUT.json says what it is, and how far: another network or other rows are refused.

[bold]Examples[/]
  fastgram gram rows.npy K.npy -a elu
  fastgram gram sphere:n=2000,d=20,seed=1 K.npy -a relu
  fastgram gram table.csv K.h5 -a tanh --kind ntk --depth 3 --dtype float32
  fastgram gram rows.npy K.npy -a elu --cluster local:4
""".replace("\\\n", "")


def gram(
    context: typer.Context,
    data: options.OneData,
    out: options.Matrix,
    activation: options.Activation,
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
    columns: options.Columns = None,
    drop: options.Drop = None,
    label: options.Label = None,
    rows: options.Rows = "unit",
    dtype: options.Dtype = "float64",
    device: options.Device = "cpu",
    cluster: options.Cluster = None,
    cluster_config: options.ClusterConfig = None,
) -> int:
    """Check everything, then build."""
    from fastgram.network.network import KINDS
    from fastgram.storage.store import as_target, build

    several = "one matrix is stored at a time"
    networks = networks_of(
        options.only_one("--activation", activation, several),
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
    as_target(out)
    check_cluster(context, cluster, cluster_config)
    as_choice("rows", rows, ROWS)
    operator: dict[str, Any] = {"kind": as_choice("kind", kind, KINDS), "dtype": as_dtype(dtype)}
    operator["device"] = "cluster" if cluster else options.device_of(device)
    [sample] = samples_of([data], columns, drop, label)
    X = scaled_rows(sample, rows)
    task = Task(X, sample.source, rows, operator, {}, sample.columns, sample.told, sample.lines)
    lines = [heading([Case(task, networks[0])], "the", networks[0].activation.name)]

    def tell(line: str) -> None:  # of a build that nothing speaks against
        while lines:
            print(lines.pop(), flush=True)
        _tell(line)

    try:
        with computing(cluster, cluster_config, operator) as (matrix, client):
            if client is not None:
                matrix = {**matrix, "device": client}
            build(out, X, networks[0], **matrix, progress=sys.stderr.isatty(), tell=tell)
    except FAILURES as error:
        raise task.worded(error) from None
    except KeyboardInterrupt as interrupt:
        if reached := " ".join(str(interrupt).split()):  # typer drops it
            _tell(f"{reached}: {shlex.join(['fastgram', *context.obj])}")
        raise
    return 0


def _tell(line: str) -> None:
    print(f"fastgram: {line}", file=sys.stderr)
