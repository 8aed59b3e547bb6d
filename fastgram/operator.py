"""GramOperator: a Gram matrix that is multiplied with and need not be stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from fastgram._blocks import blocks_of
from fastgram._cache import TILE, Cache, bytes_of_all
from fastgram._devices import as_evaluate
from fastgram._factored import Factored
from fastgram._finite import FiniteEntries
from fastgram._tiles import Multiply, Store, Together, Visit, each_tile
from fastgram._validation import as_choice, as_dtype, as_integer, as_rows
from fastgram.activations import Activation
from fastgram.network import KINDS, Network, as_network

__all__ = ["GramOperator"]

Array = npt.NDArray[np.float64]


class GramOperator(LinearOperator):  # type: ignore[misc]
    """The Gram matrix of a network at the rows of X, as a symmetric scipy LinearOperator.

    Parameters
    ----------
    X : (n, d) array_like
        Samples, taken as they are: nothing scales the rows. Integers become float64; float32,
        read-only and memory-mapped arrays are taken.
    network : Network, Activation or str
        A name is short for ``Network(name)``.
    kind : {"gradient", "nngp", "ntk"}
        Which Gram matrix: see `Network`.
    device : {"cpu"}
        What computes the tiles.
    dtype : {"float64", "float32"}
        Precision of the tiles. Sums, vectors and results are float64; with float32 tiles an
        eigenvalue below about n·6e-8 cannot be seen.
    memory : int, optional
        Bytes of tiles to keep between products: they are computed once and read afterwards. None
        takes up to half of the memory that is free at the first product; 0 recomputes every tile
        in each product. The results are the same to the last bit. A network of finite width is
        multiplied with by its features and without tiles where that is cheaper: see
        `multiplication`.

    Attributes
    ----------
    shape : (n, n)
    dtype : float64
        Of products.
    network, kind
        As given.
    memory : int
        Bytes of tiles that may be kept. For None what is taken: half of the memory that is free
        when this, or the first product, is asked for.
    tile_bytes : int
        Bytes that keeping every tile takes: about 4n², whatever the dtype, for products read their
        tiles in float64.

    Raises
    ------
    ValueError, TypeError
        For rows that are not a finite real (n, d) array, an unknown kind, device or dtype, a
        negative memory, a depth at which the variance of a row overflows or vanishes, or a network
        of finite width that does not fit in the memory that is free or, for "gradient", whose
        derivative is zero everywhere.

    Warns
    -----
    RuntimeWarning
        Where entries have no table and are integrated one by one in every product: see `gram`.

    Notes
    -----
    `matmat` of an (n, b) block is the primary way to multiply: a block of 16 costs little more
    than a vector. `matvec`, ``op @ v`` and scipy's `eigsh` and `lobpcg` work as with any operator.

    The tiles that are kept are spread evenly over the matrix, so that the time of a product falls
    linearly from that of computing all tiles to that of reading them as `memory` grows to
    `tile_bytes`. Beside them a product takes its blocks of vectors and about 3 MB a thread, and the
    operator the rows as given, once scaled to norm 1 and, on processors with AVX-512, once more in
    the order in which tiles are multiplied.

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
        kind: str = "gradient",
        device: str = "cpu",
        dtype: npt.DTypeLike = "float64",
        memory: int | None = None,
    ) -> None:
        rows = as_rows(X)
        self.network = as_network(network)
        self.kind = as_choice("kind", kind, KINDS)
        tile_dtype = as_dtype(dtype)
        self.evaluate = as_evaluate(device)
        self._memory = None if memory is None else as_integer("memory", memory, 0)
        self.entries = blocks_of(self.network, self.kind, rows, None, tile_dtype)
        self.given_rows = rows
        self._cache = Cache(self._memory)
        self._row_sums: dict[str, Array] = {}
        super().__init__(np.dtype(np.float64), (rows.shape[0], rows.shape[0]))

    def _matmat(self, V: npt.ArrayLike) -> Any:
        if np.iscomplexobj(V):
            return self._matmat(np.real(V)) + 1j * self._matmat(np.imag(V))
        block = np.ascontiguousarray(V, dtype=np.float64)
        if self.multiplication(block.shape[1]) == "factored":
            return self._factored.multiply(block)
        out = np.zeros_like(block)
        each_tile(self.entries, Multiply(block, out), self.evaluate, cache=self._cache)
        return out

    def _matvec(self, v: npt.ArrayLike) -> Any:
        return self._matmat(np.reshape(v, (-1, 1))).reshape(np.shape(v))

    def _adjoint(self) -> GramOperator:
        return self

    @property
    def memory(self) -> int:
        """Bytes of tiles that may be kept between products."""
        return self._cache.limit

    @property
    def tile_bytes(self) -> int:
        """Bytes that keeping every tile takes."""
        return bytes_of_all(self.shape[0])

    @property
    def given_memory(self) -> int | None:
        """The `memory` that was asked for."""
        return self._memory

    def product_flops(self, columns: int) -> float | None:
        """Return what a product by factors takes, None where products go by tiles."""
        if isinstance(self.entries, FiniteEntries) and self.multiplication(columns) == "factored":
            return self.entries.factored_flops(columns)
        return None

    def forget(self) -> None:
        """Drop the tiles that are kept and give their memory back; later products keep new ones.

        With memory=None those products take half of what is then free.
        """
        self._cache.forget()

    def diagonal(self) -> Array:
        """Return the diagonal, exact to rounding: (n,) float64."""
        return self.entries.diagonal()

    def trace(self) -> float:
        """Return the sum of the diagonal."""
        return float(np.sum(self.diagonal()))

    def dense(self) -> npt.NDArray[np.floating]:
        """Return the matrix as an (n, n) array of the tiles' dtype.

        Tiles that products have kept are read and not computed again; no others are kept.
        """
        dtype = self.entries.dtype
        out = np.empty(self.shape, dtype)
        # tiles are kept in float64: of float32 tiles the last bit would depend on what is kept
        cache = self._cache.read_only() if dtype == np.float64 else None
        each_tile(self.entries, Store(out, symmetric=True, dtype=dtype), self.evaluate, cache=cache)
        return out

    def visit(
        self, visitor: Callable[[slice, slice, npt.NDArray[np.floating]], None], *, keep: bool
    ) -> None:
        """Hand the lower triangle, in float64 tiles, to a function of rows, columns and block.

        It is called on any thread and in any order. With `keep` tiles are kept as in a product.
        """
        cache = self._cache if keep else self._cache.read_only()
        each_tile(self.entries, Visit(visitor), self.evaluate, cache=cache)

    def multiplication(self, columns: int) -> str:
        """Return how a block of so many columns is multiplied: "tiles" or "factored".

        "factored", by the features of a network of finite width and without any entry, where that
        costs fewer operations. It depends on the network, the kind, the rows' number and length,
        the columns and `memory`, and on nothing else: not on the memory that is free.
        """
        if isinstance(self.entries, FiniteEntries):
            return self.entries.multiplication(columns, self._memory)
        return "tiles"

    def multiplication_note(self, columns: int) -> str:
        """Return `multiplication` in words, or nothing for a network of infinite width."""
        if isinstance(self.entries, FiniteEntries):
            return self.entries.note(self.multiplication(columns))
        return ""

    @property
    def _factored(self) -> Factored:
        assert isinstance(self.entries, FiniteEntries)
        return self.entries.factored

    def product_and_row_sums(self, V: Array) -> Array:
        """Return A @ V; with the first such product, get what `absolute_row_sums` needs as well."""
        way = self.multiplication(V.shape[1])
        if way in self._row_sums:
            return np.asarray(self._matmat(V))
        if way == "factored":
            self._sum_rows(way)
            return np.asarray(self._matmat(V))
        block = np.ascontiguousarray(V, dtype=np.float64)
        out, ones, sums = np.zeros_like(block), np.ones((self.shape[0], 1)), self._column()
        both = Together([Multiply(block, out), Multiply(ones, sums, absolute=True)])
        each_tile(self.entries, both, self.evaluate, cache=self._cache)
        self._row_sums[way] = sums[:, 0]
        return out

    def _column(self) -> Array:
        return np.zeros((self.shape[0], 1))

    def _sum_rows(self, way: str) -> None:
        ones, sums = np.ones((self.shape[0], 1)), self._column()
        if way == "factored":
            sums = self._factored.multiply(ones, absolute=True)
        else:
            consumer = Multiply(ones, sums, absolute=True)
            each_tile(self.entries, consumer, self.evaluate, cache=self._cache)
        self._row_sums[way] = sums[:, 0]

    @property
    def absolute_row_sums(self) -> Array:
        """What rounding in the products so far scales with: the sums of |entries| along each row.

        (n,) float64. For products by factors, the sums of what the absolute values of the factors
        make, which are no smaller.
        """
        if not self._row_sums:
            self._sum_rows(self.multiplication(1))
        return np.asarray(np.max(list(self._row_sums.values()), axis=0))

    @property
    def additions(self) -> int:
        """How many additions an entry of the products so far goes through, at most."""
        # a tile's sum, the sum over the tiles of a row, and the weights
        counts: dict[str, int] = {"tiles": TILE + -(-self.shape[0] // TILE) + 8}
        if "factored" in self._row_sums:
            counts["factored"] = self._factored.additions()
        return max(counts[way] for way in (self._row_sums or counts))
