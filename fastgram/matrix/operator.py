"""GramOperator: a Gram matrix that is multiplied with and need not be stored."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram.devices.device import Device
from fastgram.devices.registry import as_devices, host_rows
from fastgram.linalg.systems.ridge import Ridge, as_ridge
from fastgram.matrix.checked_operator import CheckedOperator
from fastgram.matrix.computed_matrix import ComputedMatrix
from fastgram.matrix.computed_rectangle import ComputedRectangle
from fastgram.matrix.divided.on_workers import on_devices
from fastgram.matrix.entries import as_columns, blocks_of
from fastgram.matrix.tile_cache import as_budget, bytes_of_all
from fastgram.network.activations import Activation
from fastgram.network.network import KINDS, Network, as_network, refuse_as_rows
from fastgram.support.arrays import Array
from fastgram.support.equality import dask_token
from fastgram.support.html import table
from fastgram.support.literals import DaskClient, DeviceName, Kind
from fastgram.support.rounding import noise_floor
from fastgram.support.scaling import exponent_of, upper_end
from fastgram.support.threads import one_blas_thread
from fastgram.support.validation import as_choice, as_dtype, as_rows

__all__ = ["GramOperator", "matrix_of"]


class GramOperator(CheckedOperator):
    """The Gram matrix of a network at the rows of X, as a scipy LinearOperator.

    Symmetric, unless `Y` is given.

    Parameters
    ----------
    X : (n, d) array_like
        Samples, taken as they are: nothing scales the rows. Integers become float64; float32,
        read-only and memory-mapped arrays are taken, and those and tables of other libraries, as
        `gram` does. They are copied, memory-mapped ones into memory: an operator speaks of the
        rows as they were when it was made, whatever is written to `X` afterwards. One on a
        GPU needs device="gpu": it is copied to the CPU, where rows are checked and scaled to
        norm 1, and what comes of it is copied back.
    network : Network, Activation or str
        A name is short for ``Network(name)``.
    Y : (m, d) array_like, optional
        Other samples, for the (n, m) matrix between the rows of X and these. It has products, with
        its transpose too, and rows; no eigenvalues, and no tiles are kept.
    kind : {"gradient", "nngp", "ntk"}
        Which Gram matrix: see `Network`.
    ridge : float or (n,) array_like
        What is added to the diagonal: 0 or more, in the units of the entries, one number or one for
        each row (the noise of a kernel regression). All that the operator does is of the sum:
        products, rows, eigenvalues (λ_min is no smaller than the ridge, without a pass) and
        densities. `with_ridge` changes it.
    device : {"cpu", "gpu", "auto"} or distributed.Client
        What computes: see `gram`, and its notes on Dask clusters. The attribute `device` says which
        it is.
    dtype : {"float64", "float32"}
        Precision of the tiles. Sums, vectors and results are float64; with float32 tiles an
        eigenvalue below about n·6e-8 cannot be seen.
    memory : int, optional
        Bytes of tiles to keep between products: they are computed once and read afterwards. None
        takes up to half of the memory that is free at the first product; 0 recomputes every tile
        in each product. The results are the same to the last bit. A network of finite width is
        multiplied with by its features and without tiles where that is cheaper: see
        `multiplication`. On a GPU it is the GPU's memory, and float64 entries of one table are
        computed where they are multiplied and are nowhere kept, unless `memory` asks for it; the
        results differ by roundings. A cluster keeps none.

    Attributes
    ----------
    shape : (n, n), or (n, m) with `Y`
    dtype : float64
        Of products.
    network, kind, ridge
        As given; the ridge a float or a read-only (n,) float64 array.
    device : {"cpu", "gpu", "cluster"}
        What computes.
    memory : int
        Bytes of tiles that may be kept. For None what is taken: half of the memory that is free
        when this, or the first product, is asked for.
    tile_bytes : int
        Bytes that keeping every tile takes: about 4n², whatever the dtype, for products read their
        tiles in float64.

    Raises
    ------
    ValueError, TypeError
        For rows that are not a finite real (n, d) array, an unknown kind, device or dtype, a GPU
        that is missing, too old (before compute capability 7.0) or short of memory, a negative
        memory or ridge, a closed client, a depth at which the variance of a row overflows or
        vanishes, or a network of finite width that does not fit in the memory that is free or, for
        "gradient", whose derivative is zero everywhere.

    Warns
    -----
    RuntimeWarning
        Where entries are integrated one by one in every product: see `gram`.

    Notes
    -----
    `matmat` of an (n, b) block is the primary way to multiply: a block of 16 costs little more
    than a vector. `matvec`, ``op @ v`` and scipy's `eigsh` and `lobpcg` work as with any operator.
    On a GPU a CuPy array times the operator is a CuPy array, without a copy; a NumPy array goes
    there and its product comes back. `diagonal`, `trace` and row sums are the host's always.

    The tiles that are kept are spread evenly over the matrix, so that the time of a product falls
    linearly from that of computing all tiles to that of reading them as `memory` grows to
    `tile_bytes`. Beside them a product takes its blocks of vectors and about 3 MB a thread, and the
    operator a copy of the rows as given, one scaled to norm 1 and, on processors with AVX-512, one
    more in the order in which tiles are multiplied; of rows of many norms a sorted copy too.

    Operators are pickled and copied as rows, network and options: tables, tiles and what else has
    been computed stay behind, and are made again where they are wanted. The transpose and the
    adjoint, `op.T` and `op.H`, of a symmetric one are the operator itself.

    Somebody else's scheduler takes an operator by its parts, `rows` or products of slices of X:
    see there.

    Examples
    --------
    >>> import numpy as np, fastgram as fg
    >>> op = fg.GramOperator(fg.datasets.circle(5), "relu")
    >>> op.shape
    (5, 5)
    >>> bool(np.allclose(op @ np.ones(5), op.dense().sum(axis=1)))
    True
    """

    def __init__(
        self,
        X: npt.ArrayLike,
        network: str | Activation | Network = "relu",
        *,
        Y: npt.ArrayLike | None = None,
        kind: Kind = "gradient",
        ridge: float | npt.ArrayLike = 0.0,
        device: DeviceName | DaskClient = "cpu",
        dtype: npt.DTypeLike = "float64",
        memory: int | None = None,
    ) -> None:
        devices = as_devices(device)
        X, from_gpu = host_rows(X, devices)
        rows, columns = as_rows(X, own=not from_gpu), None  # a GPU's have just been copied
        if Y is not None:
            refuse_as_rows(Y, "Y")
            Y, of_columns = host_rows(Y, devices)
            columns = as_columns(Y, rows, own=not of_columns)
            from_gpu = from_gpu or of_columns
            if memory:
                raise ValueError("memory= keeps tiles of a symmetric matrix: not with Y")
            if np.any(ridge):
                raise ValueError("ridge= goes on the diagonal of a symmetric matrix: not with Y")
        options = {
            "rows": rows,
            "columns": columns,
            "network": as_network(network),
            "kind": as_choice("kind", kind, KINDS),
            "ridge": as_ridge(ridge, rows.shape[0]).given,
            "device": devices[0].argument,
            "dtype": as_dtype(dtype),
            "memory": as_budget(memory, devices),
            "from_gpu": from_gpu,
        }
        self._set_up(devices, options)

    def __getstate__(self) -> dict[str, Any]:
        return self._options

    def __setstate__(self, options: dict[str, Any]) -> None:
        for side in ("rows", "columns"):
            if isinstance(options[side], np.memmap):  # joblib's, of a file that others may write to
                options = {**options, side: np.array(options[side])}
        self._set_up(as_devices(options["device"]), options)

    def __dask_tokenize__(self) -> Any:
        return dask_token(type(self), self._options)

    @one_blas_thread()  # the bits of tables must not depend on how many it has
    def _set_up(self, devices: tuple[Device, ...], options: dict[str, Any]) -> None:
        """Begin with what makes an operator, which is all that is pickled of it."""
        self._options = options
        self._home = devices[0]
        self.device = self._home.name
        rows, columns = options["rows"], options["columns"]
        for side in (rows,) if columns is None else (rows, columns):
            side.flags.writeable = False
        self.network, self.kind, self.ridge = (options[k] for k in ("network", "kind", "ridge"))
        entries = blocks_of(self.network, self.kind, rows, columns, options["dtype"])
        entries = on_devices(entries, devices)
        self._computed: ComputedMatrix | ComputedRectangle = ComputedRectangle(entries, devices)
        if columns is None:
            ridge = Ridge(options["ridge"])
            self._computed = ComputedMatrix(entries, devices, rows, options["memory"], ridge)
        super().__init__(np.dtype(np.float64), entries.shape)

    def __repr__(self) -> str:
        n, m = self.shape
        words = f"{self.kind} of {self.network}{Ridge(self.ridge)}"
        words += f", {self._options['dtype']}, {self.device}"
        return f"GramOperator({n} × {m}, {words})"

    def _repr_html_(self) -> str:
        n, d = self._options["rows"].shape
        rows = [
            ("shape", f"{n} × {self.shape[1]}"),
            ("rows", f"{n} × {d}"),
            ("kind", self.kind),
            ("network", f"{self.network}{Ridge(self.ridge)}"),
            ("dtype of the tiles", str(self._options["dtype"])),
            ("device", self.device),
        ]
        return table("GramOperator", rows)

    def _matmat(self, V: Any) -> Any:
        return self._by_parts(self._computed.multiply, V)

    def _rmatmat(self, V: Any) -> Any:
        return self._by_parts(self._computed.multiply_transposed, V)

    def _by_parts(self, multiply: Callable[[Any], Any], V: Any) -> Any:
        if V.dtype.kind != "c":
            return multiply(V)
        with self._home.context():
            return multiply(V.real) + 1j * multiply(V.imag)

    def _adjoint(self) -> LinearOperator:
        return self if self._options["columns"] is None else super()._adjoint()

    def _transpose(self) -> LinearOperator:
        return self if self._options["columns"] is None else super()._transpose()

    @property
    def _symmetric(self) -> ComputedMatrix:
        if isinstance(self._computed, ComputedMatrix):
            return self._computed
        raise ValueError(
            f"a symmetric matrix is needed, not the {self.shape[0]} × {self.shape[1]} one between X"
            " and Y: leave Y out"
        )

    @property
    def memory(self) -> int:
        """Bytes of tiles that may be kept between products."""
        return self._symmetric.cache.limit

    @property
    def tile_bytes(self) -> int:
        """Bytes that keeping every tile takes."""
        return bytes_of_all(self._symmetric.entries.shape[0], self._home.tile)

    def with_ridge(self, ridge: float | npt.ArrayLike) -> GramOperator:
        """Return the operator with another ridge in the place of its own.

        Parameters
        ----------
        ridge : float or (n,) array_like
            See `GramOperator`; 0 takes it away.

        Returns
        -------
        GramOperator
            Of the same entries: tables, tiles that are kept and what else has been computed serve
            both.

        Raises
        ------
        ValueError, TypeError
            If the ridge is negative, not finite or of another length, or the operator is of X
            and Y.

        Examples
        --------
        >>> import fastgram as fg
        >>> op = fg.GramOperator(fg.datasets.circle(5), "relu")
        >>> round(op.with_ridge(0.5).trace() - op.trace(), 12)
        2.5
        """
        matrix = self._symmetric
        taken = as_ridge(ridge, self.shape[0])
        other = copy.copy(self)
        other._options = {**self._options, "ridge": taken.given}
        other.ridge = taken.given
        other._computed = matrix.with_ridge(taken)
        return other

    def forget(self) -> None:
        """Drop the tiles that are kept and give their memory back; later products keep new ones.

        With memory=None those products take half of what is then free.
        """
        self._symmetric.forget()

    @property
    def noise_floor(self) -> float:
        """What float64 cannot see of an eigenvalue: a bound on ‖computed − ideal matrix‖₂.

        A float, in the units of the entries, products included; it takes one pass where none has
        been made. That much on the diagonal makes the computed matrix positive definite to the
        last bit, for `numpy.linalg.cholesky` say, but for a few roundings of the factorisation.
        """
        exponent = exponent_of(float(np.max(self.diagonal())))
        entry_error = upper_end(self._symmetric.norm_error, -exponent)
        row_sum = float(np.max(self._symmetric.absolute_row_sums)) * 2.0**-exponent
        return upper_end(noise_floor(entry_error, row_sum, self._symmetric.summands), exponent)

    def diagonal(self) -> Array:
        """Return the diagonal, exact to rounding: (n,) float64."""
        return self._symmetric.diagonal()

    def trace(self) -> float:
        """Return the sum of the diagonal."""
        return float(np.sum(self.diagonal()))

    def dense(self) -> Any:
        """Return the matrix as an array of its shape and of the tiles' dtype.

        NumPy's, or CuPy's where the rows were. Tiles that products have kept are read and not
        computed again; no others are kept.
        """
        if self._options["from_gpu"]:
            return self._computed.dense_on_device()
        return self._computed.dense_on_host()

    def rows(self, rows: slice) -> Any:
        """Return some rows of the matrix, as an array of the tiles' dtype, for work by parts.

        Parameters
        ----------
        rows : slice
            Of step 1; tiles are computed whole, some 384 rows of the matrix at a time.

        Returns
        -------
        (count, m) array
            The bits of `dense`; NumPy's, or CuPy's where the rows of X or Y were.

        Examples
        --------
        >>> import fastgram as fg
        >>> op = fg.GramOperator(fg.datasets.circle(5), "relu")
        >>> op.rows(slice(1, 3)).shape
        (2, 5)

        A dask array whose chunks are computed when they are asked for::

            numbers = dask.array.arange(op.shape[0], chunks=500)
            K = numbers.map_blocks(
                lambda part: op.rows(slice(part[0], part[-1] + 1)),
                new_axis=1, chunks=(numbers.chunks[0], (op.shape[1],)),
                dtype="float64", meta=np.empty((0, 0)),
            )

        Products by parts of X need no entry stored: ``GramOperator(X[part], network, Y=X) @ V``.
        """
        if not isinstance(rows, slice):
            raise TypeError(f"rows must be a slice, not {rows!r}")
        start, stop, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError(f"rows must be a slice of step 1, not {step}")
        xp = self._home.xp if self._options["from_gpu"] else np
        return self._computed.rows(slice(start, max(start, stop)), xp)

    def visit(self, visitor: Callable[[slice, slice, npt.NDArray[np.floating]], None]) -> None:
        """Hand the lower triangle, in float64 tiles, to a function of rows, columns and block.

        It is called on any thread and in any order, with NumPy arrays that are its own: it may
        keep them, and write to them.
        """
        self._symmetric.visit_tiles(
            lambda device, i, j, block: visitor(i, j, device.copy_to_host(block))
        )

    def multiplication(self, columns: int) -> str:
        """Return how a block of so many columns is multiplied: "tiles", "factored" or "fused".

        "factored", by the features of a network of finite width and without any entry, where that
        costs fewer operations: it depends on the network, the kind, the rows' number and length,
        the columns and `memory`, and on nothing else, not on the memory that is free. "fused", on a
        GPU, with float64 entries of one table that are nowhere kept, unless `memory` asks for it.
        """
        return self._symmetric.plan(columns).name


def matrix_of(op: GramOperator) -> ComputedMatrix:
    """Return what an operator is made of, for code that proves or chooses something by it.

    Raises
    ------
    ValueError
        If it is of X and Y, and no symmetric matrix.
    """
    return op._symmetric
