"""What is measured: operations a second of each kind of work, on all threads of this process.

Each is the operations that `fastgram.eigenvalues.methods.costs` counts for a piece of work, over
the time that it took: the median of a few runs, after one that compiles.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.linalg

from fastgram.datasets.points import sphere
from fastgram.devices.cpu import CPU
from fastgram.devices.device import Device
from fastgram.eigenvalues.methods import costs
from fastgram.finite_width.entries import FiniteEntries
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.exclusion import Missed, excludes
from fastgram.linalg.lanczos_bound import overlap_quantile
from fastgram.linalg.packed_cholesky import LowerTriangle
from fastgram.matrix.entries import Tiles
from fastgram.matrix.products import TileProduct, plan
from fastgram.matrix.tile_cache import Cache, bytes_of_all
from fastgram.matrix.views import Window
from fastgram.planning.matrix import PlannedMatrix
from fastgram.storage.store import store_gram
from fastgram.storage.stored_gram import open_gram

__all__ = ["of_entries", "of_machine", "of_vectors"]

Clock = Callable[[], float]

_ROUNDS = 3
# The part of a product's time that its entries have at least, where it can hardly be told.
_LEAST_PART = 0.02
# Orders of a factorisation, of which small ones are slower, and of an eigenproblem, of which those
# are faster that fit in a cache; rows of vectors and passes with them.
_FACTOR_ORDER, _EIGEN_ORDER = 4608, 2048
_VECTOR_ROWS, _PASSES = 16384, 12
# Columns of all blocks of such a run, at most, unless it is two passes.
_COLUMNS = 400
# Order of a matrix on disk, of more blocks than one.
_STORED_ORDER = 3456
_DISK_BYTES, _DISK_PIECE = 2**26, 2**22


def of_entries(
    matrix: PlannedMatrix, block: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Return the rates of entries, of tiles with so many columns, of kept ones, and of factors."""
    sample, device = matrix.sample(), matrix.device
    n = sample.shape[0]
    with device.context():
        V = device.put(np.random.default_rng(0).standard_normal((n, block)))
        one = device.xp.ascontiguousarray(V[:, :1])
    kept = TileProduct(_blocks(sample), matrix.devices, Cache(bytes_of_all(n, device.tile), device))
    reading = _seconds(lambda: kept.multiply(one), device, clock)
    multiplying = _seconds(lambda: kept.multiply(V), device, clock)
    computing = _seconds(lambda: _anew(sample, matrix, block).multiply(V), device, clock)
    entries = max(computing - max(reading, multiplying), _LEAST_PART * computing)
    found = {
        "entries": costs.entry_count(n) * max(matrix.entry_flops, 1.0) / entries,
        "tiles": costs.tile_flops(n, block) / multiplying,
        "memory": costs.kept_bytes(n) / reading,
    }
    factors = found["tiles"]
    if isinstance(sample, FiniteEntries):
        seconds = _seconds(lambda: sample.factors.multiply(V, device=device), device, clock)
        factors = sample.factored_flops(n, block) / seconds
    return found | {"factors": factors}


def _anew(sample: Tiles, matrix: PlannedMatrix, block: int) -> Any:
    """Return a product that computes every entry."""
    if isinstance(sample, (Window, FiniteEntries)):
        return TileProduct(_blocks(sample), matrix.devices)
    return plan(_blocks(sample), block, 0, matrix.devices)


def _blocks(sample: Any) -> Any:
    return sample  # of which a traversal takes no more than `Tiles` has


def of_vectors(device: Device, block: int, clock: Clock = time.perf_counter) -> dict[str, float]:
    """Return the rates of a Lanczos run's own work, of triangles, and of products with a file."""
    with device.context():
        diagonal = device.put(np.linspace(1.0, 2.0, _VECTOR_ROWS)[:, None])

    count = max(2, min(_PASSES, _COLUMNS // block))

    def run_passes() -> BlockLanczos:
        run = BlockLanczos(lambda V: diagonal * V, _VECTOR_ROWS, block, 0, None, device)
        for _ in range(count):
            run.advance()
        return run

    passes = _seconds(run_passes, device, clock, rounds=1)
    run = run_passes()

    def look() -> None:
        ritz, quantile = run.ritz_ends(), overlap_quantile(5e-4, block, _VECTOR_ROWS)
        for theta, outward in zip(ritz, (-1.0, 1.0), strict=True):
            excludes(run, theta, outward, 0.01, quantile, Missed(0.0))

    looking = _seconds(look, device, clock)
    factor = _positive(_FACTOR_ORDER)  # a triangle like any
    vectors = np.ones((_FACTOR_ORDER, block))
    solving = _seconds(lambda: factor.solve(vectors), device, clock)
    return {
        "orthogonal": costs.orthogonal_flops(_VECTOR_ROWS, block, count) / passes,
        "triangles": costs.tile_flops(_FACTOR_ORDER, block) / solving,
        "looks": count / looking,
        "stored": _of_stored(block, clock),
    }


def of_machine(folder: Path | None, clock: Clock = time.perf_counter) -> dict[str, float]:
    """Return the rates of factorisations, of LAPACK's eigenvalues, and of the disk of a folder.

    Where nothing can be written there, of the disk of temporary files.
    """
    n = _FACTOR_ORDER
    times = []
    for _ in range(2):
        triangle = _positive(n)
        start = clock()
        triangle.factorise()
        times.append(clock() - start)
    values = np.random.default_rng(0).standard_normal((_EIGEN_ORDER, _EIGEN_ORDER))
    start = clock()
    scipy.linalg.eigh(values + values.T, subset_by_index=[0, 0], check_finite=False)
    eigenvalues = clock() - start
    return {
        "factorisation": costs.factorisation_flops(n) / median(times),
        "eigenvalues": costs.eigenvalue_flops(_EIGEN_ORDER) / eigenvalues,
        **_of_disk(folder),
    }


def _positive(n: int) -> LowerTriangle:
    """Return a positive definite matrix to factorise."""
    triangle = LowerTriangle(n)
    generator = np.random.default_rng(0)
    for panel in triangle.panels:
        panel[...] = generator.uniform(-0.5, 0.5, panel.shape)
    triangle.set_diagonal(np.full(n, float(n)))
    return triangle


def _of_disk(folder: Path | None) -> dict[str, float]:
    """Write a file and read it back, past what the system keeps in memory where it can be."""
    place = folder if folder is not None and os.access(folder, os.W_OK) else None
    piece = np.random.default_rng(0).bytes(_DISK_PIECE)
    with tempfile.TemporaryFile(dir=place, buffering=0) as file:
        start = time.perf_counter()
        for _ in range(_DISK_BYTES // _DISK_PIECE):
            file.write(piece)
        os.fsync(file.fileno())
        writing = time.perf_counter() - start
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        start = time.perf_counter()
        while file.read(_DISK_PIECE):
            pass
        reading = time.perf_counter() - start
    return {"disk_write": _DISK_BYTES / writing, "disk_read": _DISK_BYTES / reading}


def _of_stored(block: int, clock: Clock) -> float:
    """Return the operations a second of products with a file that the system has in memory."""
    rows = sphere(_STORED_ORDER, 2, 0)
    vectors = np.ones((_STORED_ORDER, block))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gram.npy"
        store_gram(path, rows, "relu")
        stored = open_gram(path)
        seconds = _seconds(lambda: stored @ vectors, CPU, clock)
    return costs.tile_flops(_STORED_ORDER, block) / seconds


def _seconds(
    run: Callable[[], object], device: Device, clock: Clock, rounds: int = _ROUNDS
) -> float:
    """Return the median time of a few runs, after one that compiles."""
    times = []
    with device.context():
        for _ in range(rounds + 1):
            start = clock()
            run()
            device.finish()
            times.append(clock() - start)
    return max(median(times[1:]), 1e-9)
