"""The costs of the ways to an answer: operations, and how many of each kind are done a second.

`auto` chooses by `NOMINAL` rates, which are fixed, so that the same call goes the same way every
time and everywhere; `fastgram.plan` takes the same operations at rates that were measured.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "FACTOR_BYTES",
    "NOMINAL",
    "Costs",
    "Rates",
    "eigenvalue_flops",
    "entry_count",
    "factorisation_flops",
    "kept_bytes",
    "orthogonal_flops",
    "tile_flops",
]

# Above this no factorisation is thought of unless `memory=` allows for it: 32 000 rows.
FACTOR_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Rates:
    """Operations, or bytes, a second.

    Attributes
    ----------
    entries : float
        Of entries, in operations of products (`Problem.entry_flops` of each).
    tiles : float
        Of tiles with a block of vectors.
    memory : float
        Bytes of kept entries that are read.
    orthogonal : float
        Of the orthogonalisation of a block, and of all else that a pass does with vectors.
    factors : float
        Of products that need no entries.
    factorisation : float
        Of products of large matrices.
    triangles : float
        Of the triangles of a factorisation with a block.
    eigenvalues : float
        Of LAPACK's reduction to tridiagonal form, and what follows.
    """

    entries: float
    tiles: float
    memory: float
    orthogonal: float
    factors: float
    factorisation: float
    triangles: float
    eigenvalues: float


# --- operations, of a matrix of order n and a block of so many columns ---------------------------


def entry_count(n: int) -> float:
    """Return the entries of the upper triangle, which are all that is computed."""
    return float(n) * n / 2.0


def tile_flops(n: int, block: int) -> float:
    """Return the operations of a product, or of solving by a triangle and its transpose."""
    return 2.0 * float(n) * n * block


def kept_bytes(n: int) -> float:
    """Return the bytes of the entries of the upper triangle, in float64."""
    return 8.0 * entry_count(n)


def orthogonal_flops(n: int, block: int, passes: int) -> float:
    """Return the operations of orthogonalising so many blocks twice, each against all before.

    Twice is the most that a run does.
    """
    return 4.0 * n * block**2 * passes * (passes + 1.0)


def factorisation_flops(n: int) -> float:
    """Return the operations of a Cholesky factorisation."""
    return float(n) ** 3 / 3.0


def eigenvalue_flops(n: int) -> float:
    """Return the operations of a reduction to tridiagonal form."""
    return 4.0 / 3.0 * float(n) ** 3


# --- their costs ----------------------------------------------------------------------------------

# Those of two cores of 2024 with registers of 512 bits; only their ratios matter.
NOMINAL = Rates(
    entries=8e10,
    tiles=1.5e11,
    memory=1.5e10,
    orthogonal=2.5e10,
    factors=8e10,
    factorisation=8e10,
    triangles=4e10,
    eigenvalues=2.5e10,
)


class Costs:
    """The costs of one matrix and one size of block, in seconds.

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
    rates : Rates
    """

    def __init__(
        self,
        n: int,
        block: int,
        recomputed_fraction: float,
        entry_flops: float,
        product_flops: float | None = None,
        speed: float = 1.0,
        rates: Rates = NOMINAL,
    ) -> None:
        self._n, self._block, self._speed, self._rates = n, block, speed, rates
        self.entries = entry_count(n) * entry_flops / rates.entries
        stored = max(kept_bytes(n) / rates.memory, tile_flops(n, block) / rates.tiles)
        stored += recomputed_fraction * self.entries
        product = stored if product_flops is None else product_flops / rates.factors
        self.product = product / speed

    def passes(self, count: int) -> float:
        """Return the cost of so many passes, with the orthogonalisation against all before."""
        columns = orthogonal_flops(self._n, self._block, count) / self._rates.orthogonal
        return count * self.product + columns / self._speed

    @property
    def factorisation(self) -> float:
        """The cost of one Cholesky factorisation, of entries computed anew."""
        return factorisation_flops(self._n) / self._rates.factorisation + self.entries

    @property
    def solution(self) -> float:
        """The cost of a product with the inverse: the factor is read twice."""
        reading = 2.0 * kept_bytes(self._n) / self._rates.memory
        return max(reading, tile_flops(self._n, self._block) / self._rates.triangles)

    @property
    def dense(self) -> float:
        """The cost of LAPACK's values of either end, and of the certificates of both."""
        reductions = 2.0 * eigenvalue_flops(self._n) / self._rates.eigenvalues
        certificates = 2.0 * factorisation_flops(self._n) / self._rates.factorisation
        return self.entries + reductions + certificates

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
