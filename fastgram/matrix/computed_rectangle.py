"""The matrix between two sets of rows as it is computed: what stands behind GramOperator(Y=…).

Nothing of it is stored: every product computes all tiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgram.devices.device import Device
from fastgram.matrix.consumers import MultiplyRectangle, Store
from fastgram.matrix.divided.on_workers import OnWorkers
from fastgram.matrix.entries import Tiles
from fastgram.matrix.traversal import each_tile
from fastgram.matrix.views import RowsOfSymmetric, Transposed, Window

__all__ = ["ComputedRectangle", "rows_of"]


class ComputedRectangle:
    """Entries between rows of X and of Y, and the devices that compute them.

    Attributes
    ----------
    entries : Tiles
    devices : tuple of Device
        The first one takes and gives vectors.
    """

    def __init__(self, entries: Tiles, devices: tuple[Device, ...]) -> None:
        self.entries = entries
        self.devices = devices

    def multiply(self, V: Any) -> Any:
        """Return A @ V, float64, on the host or on the first device as V is."""
        return self._multiply(V, transposed=False)

    def multiply_transposed(self, V: Any) -> Any:
        """Return Aᵀ @ V, float64, on the host or on the first device as V is."""
        return self._multiply(V, transposed=True)

    def _multiply(self, V: Any, transposed: bool) -> Any:
        home = self.devices[0]
        with home.context():
            block = home.put(np.ascontiguousarray(V)) if isinstance(V, np.ndarray) else V
            block = home.xp.ascontiguousarray(block, dtype=np.float64)
            if isinstance(self.entries, OnWorkers):
                return self.entries.multiply_rectangle(block, transposed)
            entries = Transposed(self.entries) if transposed else self.entries
            out = home.xp.zeros((entries.shape[0], block.shape[1]))
            consumer = MultiplyRectangle(block, out, self.devices)
            each_tile(entries, consumer, self.devices, symmetric=False)
            return out if home.owns(V) else home.get(out)

    def rows(self, rows: slice, xp: Any) -> Any:
        """Return some rows, of a start and a stop, as an array of xp in the dtype of the tiles."""
        return rows_of(self.entries, self.devices, rows, xp, symmetric=False)

    def dense_on_host(self) -> npt.NDArray[np.floating]:
        """Return the matrix as a NumPy array, wherever the rows were."""
        return np.asarray(_stored(self.entries, self.devices, np))

    def dense_on_device(self) -> Any:
        """Return the matrix as an array of the first device."""
        with self.devices[0].context():
            return _stored(self.entries, self.devices, self.devices[0].xp)


def rows_of(
    entries: Tiles, devices: tuple[Device, ...], rows: slice, xp: Any, *, symmetric: bool
) -> Any:
    """Return rows of a matrix, of a start and a stop, as an array of xp in the dtype of the tiles.

    With the bits that the whole matrix has, in whatever parts it is asked for: tiles are cut where
    those of the matrix are.
    """
    tile, n = devices[0].tile, entries.shape[0]
    around = slice(rows.start // tile * tile, min(-(-rows.stop // tile) * tile, n))
    if symmetric:
        part: Tiles = RowsOfSymmetric(entries, around)
    else:
        part = Window(entries, around, slice(0, entries.shape[1]))
    if rows.start == rows.stop:
        return xp.empty((0, entries.shape[1]), entries.dtype)
    with devices[0].context():
        whole = _stored(part, devices, xp)
        if around == rows:
            return whole
        # a copy, which does not keep the rows around it
        return whole[rows.start - around.start : rows.stop - around.start].copy()


def _stored(entries: Tiles, devices: tuple[Device, ...], xp: Any) -> Any:
    out = xp.empty(entries.shape, entries.dtype)
    consumer = Store(out, symmetric=False, dtype=entries.dtype, home=devices[0])
    each_tile(entries, consumer, devices, symmetric=False)
    return out
