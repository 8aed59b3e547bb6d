"""Cholesky factorisation of a symmetric matrix in place, by panels, of its lower triangle alone.

LAPACK's own needs the whole square, and 32-bit integers end it at n = 46 340. Here the rows are cut
into panels and a panel holds its rows' part of the lower triangle: n²/2 numbers in all, which the
factor replaces. A tile of the factor is L_ik = (A_ik − Σ_{j<k} L_ij L_kjᵀ) L_kk⁻ᵀ: one product of
long panels by BLAS, then a triangular solve. Tiles go column after column to a pool of threads;
each is computed in one fixed way, so the bits of the factor do not depend on how many there are.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from fastgram.support.arrays import Array, FloatArray
from fastgram.support.threads import one_blas_thread, thread_count

__all__ = ["PANEL", "LowerTriangle", "packed_bytes"]

# Rows of a panel: as a tile of the traversal, so that a tile is written in one piece.
PANEL = 384
_CHUNK_COLUMNS = 4096


def packed_bytes(n: int, panel: int = PANEL, dtype: npt.DTypeLike = np.float64) -> int:
    """Return the bytes that a `LowerTriangle` of order n takes."""
    whole, rest = divmod(n, panel)
    numbers = panel * panel * whole * (whole + 1) // 2 + rest * n
    return int(np.dtype(dtype).itemsize * numbers)


class LowerTriangle:
    """The lower triangle of a symmetric matrix, then the factor L with A = LLᵀ.

    Parameters
    ----------
    n : int
        The order; all entries are zero until they are written.
    panel : int
        Rows of a panel.
    dtype : float32 or float64
        Of the entries, and of all that is computed with them.

    Attributes
    ----------
    panels : list of (≤ panel, end of its rows) arrays
        In Fortran order. What lies above the diagonal is not used.
    """

    def __init__(self, n: int, panel: int = PANEL, dtype: npt.DTypeLike = np.float64) -> None:
        self.n, self.dtype = n, np.dtype(dtype)
        self.rows = [slice(start, min(start + panel, n)) for start in range(0, n, panel)]
        shapes = [(r.stop - r.start, r.stop) for r in self.rows]
        self.panels: list[FloatArray] = [np.zeros(s, dtype=dtype, order="F") for s in shapes]

    def write(self, rows: slice, columns: slice, block: npt.NDArray[np.floating]) -> None:
        """Write a block of entries; what lies right of a panel is left out."""
        for panel_rows, panel in zip(self.rows, self.panels, strict=True):
            first, last = max(panel_rows.start, rows.start), min(panel_rows.stop, rows.stop)
            width = min(columns.stop, panel_rows.stop) - columns.start
            if first < last and width > 0:
                part = block[first - rows.start : last - rows.start, :width]
                target = slice(columns.start, columns.start + width)
                panel[first - panel_rows.start : last - panel_rows.start, target] = part

    def diagonal(self) -> Array:
        """Return a copy of the diagonal."""
        return np.concatenate([np.diagonal(p, r.start) for r, p in self._both()])

    def set_diagonal(self, values: Array) -> None:
        """Write the diagonal."""
        for rows, panel in self._both():
            np.einsum("ii->i", panel[:, rows.start :])[...] = values[rows]

    def negate(self) -> None:
        """Turn the matrix into its negative."""
        for panel in self.panels:
            np.negative(panel, out=panel)

    def clear_above(self) -> None:
        """Put zeros above the diagonal."""
        for rows, panel in self._both():
            square = panel[:, rows.start :]
            square[...] = np.tril(square)

    def rows_up_to(self, rows: slice, stop: int) -> Array:
        """Return columns up to `stop` of some rows, in Fortran order."""
        parts = []
        for panel_rows, panel in self._both():
            first, last = max(panel_rows.start, rows.start), min(panel_rows.stop, rows.stop)
            if first < last:
                part = panel[first - panel_rows.start : last - panel_rows.start, :stop]
                parts.append(np.pad(part, ((0, 0), (0, stop - part.shape[1]))))
        return np.asfortranarray(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def sum_of_squares(self) -> float:
        """Return the sum of the squares of the factor's entries, once `clear_above` was called."""
        return float(sum(np.sum(panel * panel) for panel in self.panels))

    def _both(self) -> list[tuple[slice, FloatArray]]:
        return list(zip(self.rows, self.panels, strict=True))

    def factorise(self, threads: int | None = None) -> bool:
        """Put the factor in the place of the matrix; False where it is not positive definite.

        Parameters
        ----------
        threads : int, optional
            None takes one for each processor.
        """
        work = _Factorisation(self)
        count = min(threads or thread_count(), len(self.panels))
        with one_blas_thread():
            if count == 1:
                work.run()
            else:
                with ThreadPoolExecutor(count, thread_name_prefix="fastgram") as pool:
                    futures = [pool.submit(work.run) for _ in range(count)]
                    try:
                        errors = [error for future in futures if (error := future.exception())]
                    except BaseException:  # an interrupt does not wait for the rest
                        work.stop()
                        raise
                for error in errors:
                    raise error
        return not work.stopped

    def solve(self, block: Array) -> Array:
        """Return (LLᵀ)⁻¹ times an (n, b) block, in float64, once factorised."""
        solution = np.array(block, dtype=self.dtype, order="F")
        with one_blas_thread(), ThreadPoolExecutor(thread_count()) as pool:
            for rows, panel in self._both():
                chunks = _chunks(rows.start)
                parts = pool.map(lambda c, p=panel: p[:, c] @ solution[c], chunks)
                for part in parts:  # in the order of the chunks
                    solution[rows] -= part
                solution[rows] = self._triangle(rows, panel, solution[rows], transposed=False)
            for rows, panel in reversed(self._both()):
                solved = self._triangle(rows, panel, solution[rows], transposed=True)
                solution[rows] = solved

                def subtract(chunk: slice, p: FloatArray = panel, s: FloatArray = solved) -> None:
                    solution[chunk] -= p[:, chunk].T @ s

                list(pool.map(subtract, _chunks(rows.start)))
        return np.ascontiguousarray(solution, dtype=np.float64)

    def multiply(self, block: Array) -> Array:
        """Return LLᵀ times an (n, b) block, once factorised and `clear_above` was called."""
        inner, product = np.zeros(block.shape), np.empty(block.shape)
        with one_blas_thread():
            for rows, panel in self._both():
                inner[: rows.stop] += panel.T @ block[rows]
            for rows, panel in self._both():
                product[rows] = panel @ inner[: rows.stop]
        return product

    @staticmethod
    def _triangle(
        rows: slice, panel: FloatArray, right: FloatArray, *, transposed: bool
    ) -> FloatArray:
        triangle = panel[:, rows.start :]
        solved = scipy.linalg.solve_triangular(
            triangle, right, lower=True, trans=int(transposed), check_finite=False
        )
        return np.asarray(solved)


def _chunks(stop: int) -> list[slice]:
    starts = range(0, stop, _CHUNK_COLUMNS)
    return [slice(start, min(start + _CHUNK_COLUMNS, stop)) for start in starts]


@dataclass
class _Factorisation:
    """The tiles, dealt to threads column after column, each waiting for those it is made of."""

    matrix: LowerTriangle
    stopped: bool = False
    _done: list[int] = field(init=False)  # columns of tiles that each row of tiles has finished
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _queue: Callable[[], tuple[int, int] | None] = field(init=False)
    _potrf: Callable[..., Any] = field(init=False)
    _trsm: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        (self._potrf,) = scipy.linalg.get_lapack_funcs(("potrf",), dtype=self.matrix.dtype)
        (self._trsm,) = scipy.linalg.get_blas_funcs(("trsm",), dtype=self.matrix.dtype)
        count = len(self.matrix.panels)
        self._done = [0] * count
        tiles = ((i, k) for k in range(count) for i in range(k, count))
        queue, lock = itertools.chain(tiles, itertools.repeat(None)), threading.Lock()

        def following() -> tuple[int, int] | None:
            with lock:
                return next(queue)

        self._queue = following

    def run(self) -> None:
        """Work until nothing is left."""
        try:
            # what is not finite makes pivots that are not, which end it without a warning
            with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
                for i, k in iter(self._queue, None):
                    if not self._tile(i, k):
                        return
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Let no thread start or wait for another tile."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def _wait(self, row: int, columns: int) -> bool:
        with self._changed:
            while self._done[row] < columns and not self.stopped:
                self._changed.wait()
            return not self.stopped

    def _tile(self, i: int, k: int) -> bool:
        rows, panels = self.matrix.rows, self.matrix.panels
        before, columns = slice(0, rows[k].start), rows[k]
        if not (self._wait(i, k) and self._wait(k, k)):
            return False
        tile = panels[i][:, columns]
        if k > 0:
            tile -= panels[i][:, before] @ panels[k][:, before].T
        if i == k:
            _, failed = self._potrf(tile, lower=1, clean=0, overwrite_a=1)
            # OpenBLAS takes a pivot that is not a number for a positive one
            pivots = np.diagonal(tile)
            if failed or not np.all((pivots > 0.0) & np.isfinite(pivots)):
                self.stop()
                return False
        else:
            if not self._wait(k, k + 1):
                return False
            # in place: a slice of columns of a panel in Fortran order
            self._trsm(1.0, panels[k][:, columns], tile, side=1, lower=1, trans_a=1, overwrite_b=1)
        with self._changed:
            self._done[i] = k + 1
            self._changed.notify_all()
        return True
