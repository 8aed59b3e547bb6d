"""plan(): what the eigenvalues of a Gram matrix would take, before anything is computed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.devices.registry import as_devices
from fastgram.eigenvalues import extreme
from fastgram.eigenvalues.methods.auto import choose, is_worth_a_proof
from fastgram.eigenvalues.methods.hybrid import factorisation_option
from fastgram.matrix.operator import GramOperator
from fastgram.network.activations import Activation
from fastgram.network.network import KINDS, Network, as_network
from fastgram.planning.matrix import PlannedMatrix
from fastgram.planning.passes import INVERSE_PRODUCTS
from fastgram.planning.rates import rates_of
from fastgram.planning.results import Plan, Way, WayName, range_words
from fastgram.planning.ways import Case, dealt_bases, ways_of
from fastgram.support.literals import DeviceName, Kind
from fastgram.support.memory import free_memory, size_words
from fastgram.support.threads import within_threads
from fastgram.support.validation import as_choice, as_dtype, as_flag, as_integer, as_number

__all__ = ["Plan", "plan", "plan_of"]


@within_threads()
def plan(
    n: int,
    d: int,
    network: str | Activation | Network = "relu",
    *,
    kind: Kind = "gradient",
    device: DeviceName = "cpu",
    dtype: npt.DTypeLike = "float64",
    memory: int | None = None,
    block: int | None = None,
    rtol: float = 1e-2,
    passes: int | None = None,
    workers: int = 1,
    bandwidth: float = 10.0,
    measure: bool = False,
) -> Plan:
    """Say what the extreme eigenvalues of a Gram matrix would take, by each way there is.

    Parameters
    ----------
    n, d : int
        Rows and features. The rows are taken to have one norm.
    network : Network, Activation or str
        A name is short for ``Network(name)``.
    kind : {"gradient", "nngp", "ntk"}
        Which Gram matrix: see `Network`.
    device : {"cpu", "gpu", "auto"}
        What computes. Its rates are measured, so that it must be here.
    dtype : {"float64", "float32"}
        Of the entries.
    memory : int, optional
        Bytes of entries to keep, as `memory=` of `GramOperator`. None takes half of what is free
        here; where twice as much as is given is not free here, the plan is for a machine where it
        is.
    block : int, optional
        Vectors multiplied at a time; None takes 16, or 32 from n = 32768.
    rtol : float
        How narrow brackets are to be, relative to their estimates.
    passes : int, optional
        Products with the matrix; None assumes a range.
    workers : int
        Machines like this one that share each pass; from 2 on there is a way "cluster".
    bandwidth : float
        Of each machine's link, in Gbit/s.
    measure : bool
        Measure the rates anew, instead of taking those that were kept.

    Returns
    -------
    Plan
        Ways with passes, hours, and bytes of memory, disk and network; which of them would not fit
        and why; which one ``method="auto"`` takes. ``print`` it for a table.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or the device is not here.

    Notes
    -----
    Hours are operations over rates. The operations are those that ``method="auto"`` chooses by
    (`fastgram.eigenvalues.methods.costs`); its choice follows fixed rates, so that the same call
    gives the same answer everywhere, and the hours rates of this machine: what computes entries, at
    this d and for this kind of table, tiles with a block, LAPACK, and the disk of the user's cache
    folder. They take a few seconds to measure and are kept in ``fastgram/rates.json`` there
    ($XDG_CACHE_HOME, else ~/.cache).

    How many passes a bracket takes depends on the spectrum and is not known before: 20 to 80 under
    a kinked activation and 20 to 160 under a smooth one are assumed for rtol = 0.01, fewer
    in proportion to log(rtol). Where the close pairs of a kinked activation's rows join the start
    block, half as many columns are multiplied again: the upper ends count them.

    Examples
    --------
    >>> import fastgram as fg
    >>> found = fg.plan(1_000_000, 784, "relu")  # doctest: +SKIP
    >>> found.auto  # doctest: +SKIP
    'partly kept'
    """
    n, d = as_integer("n", n, 1), as_integer("d", d, 1)
    checked = _checked(block, rtol, passes, workers, bandwidth, measure)
    if memory is not None:
        memory = as_integer("memory", memory, 0)
    net, kind, dtype = as_network(network), as_choice("kind", kind, KINDS), as_dtype(dtype)
    devices = _devices(device)
    matrix = PlannedMatrix.of_size(n, d, net, kind, devices, dtype, memory)
    return _plan(matrix, max(free_memory(), 2 * (memory or 0)), **checked)


@within_threads()
def plan_of(
    op: GramOperator,
    *,
    block: int | None = None,
    rtol: float = 1e-2,
    passes: int | None = None,
    measure: bool = False,
) -> Plan:
    """Plan for an operator, on the memory that is free now; nothing of it is computed."""
    checked = _checked(block, rtol, passes, 1, 10.0, measure)
    return _plan(PlannedMatrix.of_operator(op), free_memory(), **checked)


def _checked(
    block: Any, rtol: Any, passes: Any, workers: Any, bandwidth: Any, measure: Any
) -> dict[str, Any]:
    return {
        "block": None if block is None else as_integer("block", block, 1),
        "rtol": as_number("rtol", rtol, above=0.0),
        "passes": None if passes is None else as_integer("passes", passes, 1),
        "workers": as_integer("workers", workers, 1),
        "bandwidth": as_number("bandwidth", bandwidth, above=0.0),
        "measure": as_flag("measure", measure),
    }


def _devices(device: str) -> tuple[Device, ...]:
    """Return the devices; one that is not here has no rates."""
    try:
        return as_devices(device)
    except ValueError as error:
        if device != "gpu":
            raise
        raise ValueError(f"a plan needs the device's rates, which are measured: {error}") from None


def _plan(
    matrix: PlannedMatrix,
    free: int,
    *,
    block: int | None,
    rtol: float,
    passes: int | None,
    workers: int,
    bandwidth: float,
    measure: bool,
) -> Plan:
    block = min(block or extreme.default_block(matrix.n), matrix.n)
    rates, day, remarks = rates_of(matrix, block, measure)
    disk = shutil.disk_usage(Path.cwd()).free
    option = factorisation_option(matrix, block, free)
    case = Case(matrix, block, rates, option, rtol, passes, free, disk, workers, bandwidth)
    ways = ways_of(case)
    auto, why, hours = _auto(case)
    if auto == "dense":
        dense = ways[0]
        hours = dense.least_hours, dense.most_hours
    return Plan(
        n=matrix.n,
        d=matrix.d,
        network=str(matrix.network),
        kind=matrix.kind,
        device=matrix.device.name,
        dtype=matrix.dtype.name,
        block=block,
        ways=ways,
        auto=auto,
        auto_least_hours=hours[0],
        auto_most_hours=hours[1],
        why=why,
        free_memory_bytes=free,
        free_disk_bytes=disk,
        rates=rates,
        rates_day=day,
        assumptions=_assumptions(case, day),
        remarks=(*remarks, *_lack_of_memory(case, next(way for way in ways if way.name == auto))),
    )


def _auto(case: Case) -> tuple[WayName, str, tuple[float, float]]:
    """Return what `auto` does, by its own function, why, and the hours of all of it."""
    option = choose(case.matrix, case.block, extreme.DENSE_LIMIT, case.free)
    if option is None:
        return "dense", f"n ≤ {extreme.DENSE_LIMIT}", (0.0, 0.0)
    passes = case.pass_range(case.rtol)
    least, most = case.seconds(passes)
    if not option.is_open:
        why = option.why_not or "Lanczos; half of the matrix is more than a factorisation may take"
        return case.passes_name, why, (least / 3600.0, most / 3600.0)
    costs, worth = case.costs(case.block, 0.0), option.costs.worth_passes()
    why = f"Lanczos; where passes are too slow, from pass {-(-worth // 2)} on the inverse"
    most = max(most, case.seconds((worth, worth))[1])
    most += costs.factorisation + INVERSE_PRODUCTS[1] * costs.solution
    proofs = [is_worth_a_proof(option, option.costs.passes(count)) for count in passes]
    if any(proofs):
        why += "; then a proof" if all(proofs) else "; a proof if many passes were made"
        least += 2.0 * costs.factorisation if proofs[0] else 0.0
        most += 2.0 * costs.factorisation
    return case.passes_name, why, (least / 3600.0, most / 3600.0)


def _lack_of_memory(case: Case, way: Way) -> tuple[str, ...]:
    """Say, where what `auto` takes does not fit, how many entries fewer would leave room."""
    lacking = way.memory_bytes - case.total
    if lacking <= 0:
        return ()
    room = (0 if case.is_factored else case.kept) - lacking
    if room < 0:
        return (f"what auto takes does not fit in memory, by {size_words(lacking)}",)
    megabytes = room // 2**20
    return (
        f"kept entries leave too little memory for the basis: --memory {megabytes}M"
        f" (memory={megabytes * 2**20}) keeps fewer",
    )


def _assumptions(case: Case, day: str) -> tuple[str, ...]:
    """Return what the figures rest on, a line each."""
    least, most = case.pass_range(case.rtol)
    lines = []
    if case.passes is None:
        lines.append(
            f"passes are not known before: {range_words(str(least), str(most))} are assumed to a"
            f" bracket of {100.0 * case.rtol:g} %, by the kinks of the activation"
        )
    if case.columns[0] < case.columns[1]:
        lines.append(
            f"blocks of {case.columns[0]} vectors, in the longer times {case.columns[1]}: close"
            " pairs of rows may join them"
        )
    if case.matrix.rows is None:
        lines.append("the rows are taken to have one norm")
    lines.append(
        f"rates of this machine as of {day}; memory of {size_words(case.free)} and disk of"
        f" {size_words(case.disk)} are free"
    )
    if case.workers > 1:
        lines.append(
            f"{case.workers} workers like this machine, links of {case.bandwidth:g} Gbit/s"
        )
        if dealt := dealt_bases(case)[1].dealt:
            lines.append(
                f"{size_words(dealt)} of the basis are dealt to them, which the client cannot hold"
            )
    return tuple(lines)
