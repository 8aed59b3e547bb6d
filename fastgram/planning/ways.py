"""The ways to a matrix's eigenvalues: operations by `Costs`, memory by what each one holds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastgram.density.spectral_density import MOST_PASSES
from fastgram.devices.band import TASKS_A_WORKER
from fastgram.devices.cpu import CPU
from fastgram.eigenvalues.extreme import BASIS_BYTES
from fastgram.eigenvalues.methods.costs import FACTOR_BYTES, Costs
from fastgram.eigenvalues.methods.hybrid import FactorisationOption, factorisation_option
from fastgram.kernels.cpu import llvm_vectors
from fastgram.linalg.packed_cholesky import packed_bytes
from fastgram.matrix.divided.bands import pass_bytes, pass_steps
from fastgram.matrix.tile_cache import bytes_of_all
from fastgram.planning.dealt_basis import DealtBasis
from fastgram.planning.matrix import PlannedMatrix
from fastgram.planning.passes import (
    INVERSE_PRODUCTS,
    PROBING_PASSES,
    assumed_passes,
    blocks_looked_through,
)
from fastgram.planning.rates import MeasuredRates
from fastgram.planning.results import Way, WayName
from fastgram.storage.formats.grid import Grid, side_of
from fastgram.storage.formats.layout import layout_of
from fastgram.support.memory import size_words
from fastgram.support.threads import thread_count

__all__ = ["Case", "dealt_bases", "ways_of"]

Range = tuple[float, float]

# Blocks of vectors that a run works on at a time, beside its basis.
_BLOCKS = 7
# Squares of n that LAPACK's eigh has of a matrix, and the matrix.
_SQUARES = 3
# Bytes that a thread works on: of tiles, and of neurons in a product by factors.
_SCRATCH_BYTES, _NEURON_BYTES = 4 * 10**6, 2**27
_GIGABITS = 8e-9  # of a byte
# Seconds that Dask takes for a task, or for merging two: of client and scheduler, and of a worker.
_CLIENT_TASK, _WORKER_TASK = 4e-3, 5e-3
# Bytes that a build on disk has for blocks.
_BUILD_BYTES = 2 * 10**8


@dataclass(frozen=True)
class Case:
    """A matrix, rates, and what there is to work with.

    Attributes
    ----------
    matrix : PlannedMatrix
    block : int
    rates : MeasuredRates
    option : FactorisationOption
        What `auto` may do after passes, at its own rates.
    rtol : float
    passes : int or None
        None assumes them.
    free, disk : int
        Bytes of memory, beside rows that are there, and of disk.
    workers : int
    bandwidth : float
        Gbit/s.
    """

    matrix: PlannedMatrix
    block: int
    rates: MeasuredRates
    option: FactorisationOption
    rtol: float
    passes: int | None
    free: int
    disk: int
    workers: int
    bandwidth: float

    # --- passes -----------------------------------------------------------------------------------

    @cached_property
    def columns(self) -> tuple[int, int]:
        """The columns of a block: close pairs may join it, as many as are found."""
        joins = not self.matrix.network.activation.smooth and not self.is_factored
        n = self.matrix.n
        return min(self.block, n), min(self.block + (self.block // 2 if joins else 0), n)

    @property
    def is_factored(self) -> bool:
        """Whether products go by factors."""
        return self.matrix.product_flops(self.block) is not None

    def pass_range(self, rtol: float) -> tuple[int, int]:
        """Return the fewest and the most passes to a bracket."""
        if self.passes is not None:
            return self.passes, self.passes
        least, most = assumed_passes(self.matrix.network.activation.smooth, rtol)
        whole = -(-self.matrix.n // self.columns[0])  # that fill the space
        if self.option.is_open:
            whole = min(whole, 2 * self.option.costs.worth_passes())
        return min(least, whole), min(most, whole)

    # --- what is kept -----------------------------------------------------------------------------

    @cached_property
    def tile_bytes(self) -> int:
        """Bytes of all entries, kept."""
        return bytes_of_all(self.matrix.n, self.matrix.device.tile)

    @cached_property
    def kept(self) -> int:
        """Bytes of the entries that an operator keeps with `memory` as it is."""
        memory = self.matrix.memory
        there = self.device_free or max(self.total - self.rows_bytes, 0)
        return min(self.tile_bytes, there // 2 if memory is None else memory)

    @property
    def recomputed_fraction(self) -> float:
        """The part of the entries that it computes in each pass."""
        return 1.0 - self.kept / self.tile_bytes

    @property
    def passes_name(self) -> WayName:
        """The way that its passes go."""
        if self.is_factored:
            return "factored"
        if self.kept == self.tile_bytes:
            return "kept"
        return "partly kept" if self.kept else "recomputed"

    # --- costs and memory -------------------------------------------------------------------------

    def costs(self, columns: int, recomputed: float, rates: MeasuredRates | None = None) -> Costs:
        """Return the costs of passes over entries, in seconds of this machine."""
        matrix = self.matrix
        return Costs(matrix.n, columns, recomputed, matrix.entry_flops, rates=rates or self.rates)

    def operator_costs(self, columns: int) -> Costs:
        """Return those of passes as the operator makes them."""
        matrix = self.matrix
        by_itself = matrix.product_flops(columns) if self.is_factored else None
        fraction = 0.0 if self.is_factored else self.recomputed_fraction
        return Costs(
            *(matrix.n, columns, fraction, matrix.entry_flops, by_itself), rates=self.rates
        )

    def seconds(self, passes: tuple[int, int]) -> Range:
        """Return the seconds of so many passes as the operator makes them."""
        first = 0.0 if self.is_factored else self.first_seconds(self.recomputed_fraction)
        return self.run_seconds(passes, self.operator_costs, first)

    def first_seconds(self, recomputed: float) -> float:
        """Return what comes beside passes: entries to keep, and sums of rows."""
        one = self.costs(1, 0.0)
        return one.entries * (1.0 - recomputed) + 2.0 * one.product

    def run_seconds(
        self, passes: tuple[int, int], costs_of: Callable[[int], Costs], first: float
    ) -> Range:
        """Return the seconds of so many passes with so many columns, and of their brackets."""
        least, most = (
            costs_of(columns).passes(count)
            + blocks_looked_through(count, self.matrix.n, columns) / self.rates.looks
            for count, columns in zip(passes, self.columns, strict=True)
        )
        return first + least, first + most

    @property
    def rows_bytes(self) -> int:
        """Bytes of the rows: as given, of norm 1, and as loops of our own multiply them."""
        copies = 2 if llvm_vectors.has_avx512() else 1
        one = self.matrix.n * self.matrix.d
        return one * (8 + copies * self.matrix.dtype.itemsize)

    @property
    def total(self) -> int:
        """Bytes of memory for the rows and all else."""
        rows = 0 if self.matrix.rows is None else self.rows_bytes
        return self.free + self.device_free + rows

    @property
    def device_free(self) -> int:
        """Bytes of a GPU's memory, in which entries are kept; 0 where it is the CPU's."""
        device = self.matrix.device
        return 0 if device is CPU else device.free_memory()

    def vector_bytes(self, passes: int) -> int:
        """Bytes of a run: its basis, which restarts beyond a size, and a few blocks."""
        n, columns = self.matrix.n, self.columns[1]
        basis = min(8 * n * columns * (passes + 1), max(BASIS_BYTES, 48 * n * columns), 8 * n * n)
        return basis + _BLOCKS * 8 * n * columns

    @property
    def may_factorise(self) -> bool:
        """Whether `memory`, or what is taken in its place, allows `auto` a factorisation."""
        memory = self.matrix.memory
        return packed_bytes(self.matrix.n) <= (FACTOR_BYTES if memory is None else memory)

    def with_memory(self, memory: int) -> Case:
        """Return the same with so many bytes for entries."""
        return dataclasses.replace(self, matrix=dataclasses.replace(self.matrix, memory=memory))

    @property
    def made_of_bytes(self) -> int:
        """Bytes of the rows, of what products are made of, and of the threads' scratch."""
        matrix = self.matrix
        features = matrix.entries.tile_feature_bytes(matrix.n)
        if not self.is_factored:
            return self.rows_bytes + features + _SCRATCH_BYTES * thread_count()
        deeper = features if matrix.network.depth > 1 else 0
        return self.rows_bytes + deeper + _NEURON_BYTES * thread_count()

    @property
    def operator_bytes(self) -> int:
        """Bytes of these, and of the entries that are kept."""
        return self.made_of_bytes + (0 if self.is_factored else self.kept)


def ways_of(case: Case) -> tuple[Way, ...]:
    """Return all ways, each held against what is free."""
    ways = [_dense(case), *_by_passes(case), _stored(case)]
    ways += [_inverse(case), _certified(case)]
    if case.workers > 1:
        ways.append(_cluster(case))
    ways.append(_density(case))
    return tuple(_held_against(way, case) for way in ways)


def _held_against(way: Way, case: Case) -> Way:
    """Say what does not fit."""
    reasons = [way.why_not]
    for size, free, of in (
        (way.memory_bytes, case.total, "memory"),
        (way.disk_bytes, case.disk, "disk"),
    ):
        if size > free:
            reasons.append(f"{size_words(size)} of {of} are needed and {size_words(free)} are free")
    return dataclasses.replace(way, why_not="; ".join(filter(None, reasons)))


def _way(name: WayName, passes: tuple[int, int], seconds: Range, memory: int) -> Way:
    hours = [second / 3600.0 for second in seconds]
    return Way(name, *passes, hours[0], hours[1], memory)


def _dense(case: Case) -> Way:
    seconds = case.costs(case.block, 0.0).dense
    memory = case.made_of_bytes + _SQUARES * 8 * case.matrix.n**2
    return _way("dense", (0, 0), (seconds, seconds), memory)


def _by_passes(case: Case) -> Iterator[Way]:
    """Yield passes as the operator makes them, and with all entries kept and none."""
    passes = case.pass_range(case.rtol)
    seen = set()
    for one in (case.with_memory(case.tile_bytes), case, case.with_memory(0)):
        if one.passes_name not in seen:
            memory = one.operator_bytes + one.vector_bytes(passes[1])
            yield _way(one.passes_name, passes, one.seconds(passes), memory)
        seen.add(one.passes_name)


def _stored(case: Case) -> Way:
    """Return a build on disk, and passes that read it."""
    n, dtype = case.matrix.n, case.matrix.dtype
    grid = Grid(n, side_of(n, ".npy"), dtype)
    size = layout_of(Path("gram.npy"), grid, ".npy").bytes
    passes = case.pass_range(case.rtol)
    memory = max(case.vector_bytes(passes[1]), case.rows_bytes + _BUILD_BYTES)
    # what fits in memory beside the run is read from there
    cached = size <= case.total - memory
    reading = math.inf if cached else case.rates.disk_read * 8.0 / dtype.itemsize
    rates = dataclasses.replace(case.rates, memory=reading, tiles=case.rates.stored)
    built = case.costs(1, 0.0).entries + size / case.rates.disk_write
    seconds = case.run_seconds(passes, lambda columns: case.costs(columns, 0.0, rates), built)
    return dataclasses.replace(_way("stored", passes, seconds, memory), disk_bytes=size)


def _inverse(case: Case) -> Way:
    """Return passes until their budget is spent, then products with the inverse."""
    size = packed_bytes(case.matrix.n)
    one = case if case.may_factorise else case.with_memory(size)
    worth = factorisation_option(one.matrix, one.block, one.free).costs.worth_passes()
    passes = -(-worth // 2), worth
    costs = one.costs(one.block, 0.0)
    least, most = one.seconds(passes)
    few, many = INVERSE_PRODUCTS
    seconds = (
        least + costs.factorisation + few * costs.solution,
        most + costs.factorisation + many * costs.solution,
    )
    way = _way("inverse", passes, seconds, _with_factor(one, passes[1]))
    if one is case:
        return way
    return dataclasses.replace(way, why_not=f"needs memory= of {size_words(size)} at least")


def _with_factor(case: Case, passes: int) -> int:
    """Return the bytes of a run that factorises in the place of what it keeps."""
    factor = packed_bytes(case.matrix.n) + case.made_of_bytes
    return max(case.operator_bytes + case.vector_bytes(passes), factor + case.vector_bytes(passes))


def _certified(case: Case) -> Way:
    """Return passes to a narrower bracket, or the inverse, and two factorisations."""
    worth = case.option.costs.worth_passes()
    found = case.pass_range(0.4 * case.rtol)
    passes = min(found[0], worth), min(found[1], worth)
    least, most = case.seconds(passes)
    costs = case.costs(case.block, 0.0)
    if passes[1] < found[1]:
        most += costs.factorisation + INVERSE_PRODUCTS[1] * costs.solution
    proofs = 2.0 * costs.factorisation
    return _way("certified", passes, (least + proofs, most + proofs), _with_factor(case, passes[1]))


def dealt_bases(case: Case) -> tuple[DealtBasis, DealtBasis]:
    """Return the basis of the fewest passes on a cluster, and of the most."""
    ends = zip(case.pass_range(case.rtol), case.columns, strict=True)
    least, most = (
        DealtBasis(case.matrix.n, columns, count, case.workers, case.total)
        for count, columns in ends
    )
    return least, most


def _cluster(case: Case) -> Way:
    """Return passes that workers like this machine share, and of the basis what is dealt to them.

    Workers keep no tiles.
    """
    n, workers = case.matrix.n, case.workers
    tasks, rows = TASKS_A_WORKER * workers, 8 * n * case.matrix.d
    out, back = pass_steps(workers, tasks)
    second = case.bandwidth / _GIGABITS  # bytes that a link takes in it
    ends, sent, bases = [], 0, dealt_bases(case)
    for basis in bases:
        count, columns = basis.passes, basis.columns
        costs = case.costs(columns, 1.0)
        steps = count * (out + back) + basis.steps
        at_client = costs.passes(count) - count * costs.product
        at_client *= 1.0 - basis.dealt_part * (1.0 - 1.0 / workers)
        at_client += blocks_looked_through(count, n, columns) / case.rates.looks
        crossing = (out * rows + steps * 8 * n * columns) / second
        dealing = (2 * tasks - 1) * _CLIENT_TASK + 2 * TASKS_A_WORKER * _WORKER_TASK
        ends.append(at_client + count * (costs.product / workers + dealing) + crossing)
        sent = count * sum(pass_bytes(n, columns, workers, tasks)) + workers * rows + basis.sent
    most = bases[1]
    blocks = _BLOCKS * 8 * n * most.columns
    worker = case.rows_bytes + 3 * 8 * n * most.columns + most.dealt // workers
    memory = max(worker, most.bytes - most.dealt + blocks + rows)
    way = _way("cluster", (bases[0].passes, most.passes), (ends[0], ends[1]), memory)
    return dataclasses.replace(way, network_bytes=sent)


def _density(case: Case) -> Way:
    """Return a spectral density, which keeps its whole basis."""
    n, (block, most) = case.matrix.n, case.columns
    whole = -(-n // block)
    passes = (case.passes, case.passes) if case.passes else (PROBING_PASSES, MOST_PASSES)
    passes = min(passes[0], whole), min(passes[1], whole)
    basis = 8 * n * min(passes[1] * most, n)
    memory = case.operator_bytes + basis + _BLOCKS * 8 * n * most
    return _way("density", passes, case.seconds(passes), memory)
