"""The costs of the ways to an answer, in seconds of a nominal machine.

The constants are fixed, so that the same call goes the same way every time and everywhere; they
are those of two cores of 2024 with registers of 512 bits, and only their ratios matter.
"""

from __future__ import annotations

__all__ = ["FACTOR_BYTES", "FLOPS", "Costs"]

# Operations a second: of products of large matrices by BLAS, of tiles with a block of vectors, of
# the triangles of a factorisation with one, and of the orthogonalisation of a block.
FLOPS, _TILES, _TRIANGLES, _ORTHOGONAL = 8e10, 1.5e11, 4e10, 2.5e10
_BYTES = 1.5e10  # read from memory, a second
# Above this no factorisation is thought of unless `memory=` allows for it: 32 000 rows.
FACTOR_BYTES = 4 * 1024**3


class Costs:
    """The costs of one matrix and one size of block.

    Parameters
    ----------
    n, block : int
    recomputed_fraction : float
        The part of the entries that each pass computes anew.
    entry_flops : float
        Floating-point operations that an entry of the upper triangle then takes.
    product_flops : float, optional
        Those of a product that needs no entries.
    speed : float
        How many times as fast passes are where they are computed. Factorisations are the CPU's.
    """

    def __init__(
        self,
        n: int,
        block: int,
        recomputed_fraction: float,
        entry_flops: float,
        product_flops: float | None = None,
        speed: float = 1.0,
    ) -> None:
        self._n, self._block, self._speed = float(n), block, speed
        self._entries = self._n * self._n / 2.0 * entry_flops / FLOPS
        products = 2.0 * self._n**2 * block
        stored = max(4.0 * self._n**2 / _BYTES, products / _TILES)
        stored += recomputed_fraction * self._entries
        product = stored if product_flops is None else product_flops / FLOPS
        self.product = product / speed

    def passes(self, count: int) -> float:
        """Return the cost of so many passes, with the orthogonalisation against all before."""
        columns = 4.0 * self._n * self._block**2 * count * (count + 1.0) / _ORTHOGONAL
        return count * self.product + columns / self._speed

    @property
    def factorisation(self) -> float:
        """The cost of one Cholesky factorisation, of entries computed anew."""
        return self._n**3 / 3.0 / FLOPS + self._entries

    @property
    def solution(self) -> float:
        """The cost of a product with the inverse."""
        products = 2.0 * self._n**2 * self._block
        return max(8.0 * self._n**2 / _BYTES, products / _TRIANGLES)

    def worth_passes(self) -> int:
        """Return how many passes cost as much as a factorisation and a few products with it."""
        other = self.factorisation + 6.0 * self.solution
        low, high = 0, 1
        while self.passes(high) < other:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.passes(middle) < other else (low, middle)
        return high
