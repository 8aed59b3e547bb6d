"""What the rank of a Gram matrix is known not to exceed, from exact facts alone.

Nothing here looks at a computed entry or a numerical rank: only at rows that are equal, opposite
or proportional bit for bit, columns that are exactly zero, and facts that an activation declares.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fastgram.network import Network

__all__ = ["rank_bound"]

Rows = npt.NDArray[np.float64]


def rank_bound(X: npt.NDArray[np.floating], network: Network, kind: str) -> tuple[int, str]:
    """Return a bound on the rank of the Gram matrix of rows X, and the reason for it.

    Parameters
    ----------
    X : (n, d) array
        Rows as given.
    network : Network
    kind : {"gradient", "nngp"}

    Returns
    -------
    bound : int
        n where nothing is known.
    reason : str
        One clause; empty where nothing is known.
    """
    n = X.shape[0]
    if network.is_zero(kind):
        return 0, f"the derivative of {network.activation.name} is zero almost everywhere"
    rows = np.asarray(X, dtype=np.float64) + 0.0  # turns -0.0 into 0.0
    bounds = [(n, ""), _by_classes(rows, network, kind)]
    if network.activation.powers is not None:
        bounds.append(_by_degree(rows, network, kind))
    return min(bounds, key=lambda bound: bound[0])


def _by_degree(rows: Rows, network: Network, kind: str) -> tuple[int, str]:
    """Features of a polynomial activation are polynomials in the row: count the monomials."""
    powers = network.activation.powers
    assert powers is not None
    columns = int(np.count_nonzero(np.any(rows != 0.0, axis=0)))
    degree = max(powers, default=0)
    if network.bias_variance > 0.0:
        count = math.comb(columns + degree, degree)
    else:
        # w·x to the power k is homogeneous of degree k, and so is x times its derivative
        count = sum(
            math.comb(columns + k - 1, k) if columns or k == 0 else 0
            for k in powers
            if k > 0 or kind == "nngp"
        )
    name = network.activation.name
    return count, f"{name} has {count} monomials in {columns} columns that are not all zero"


def _by_classes(rows: Rows, network: Network, kind: str) -> tuple[int, str]:
    """Rows that give proportional rows of the Gram matrix count once; zero rows not at all."""
    n = rows.shape[0]
    unbiased = network.bias_variance == 0.0
    power = network.homogeneity() if unbiased else None
    parity = network.activation.parity if unbiased else 0
    zero = ~np.any(rows, axis=1)
    zero_rows_vanish = unbiased and (
        kind == "gradient" or float(network.activation.f(np.zeros(1))[0]) == 0.0
    )
    facts = []
    if zero_rows_vanish and np.any(zero):
        facts.append(f"{np.count_nonzero(zero)} zero rows")
        rows = rows[~zero]
    kept = rows.shape[0]
    if kept == 0:
        return 0, facts[0]
    rows = _distinct(rows)
    if rows.shape[0] < kept:
        facts.append(f"{kept - rows.shape[0]} repeated rows")
    if power is not None:
        kept = rows.shape[0]
        rows = _distinct_directions(rows)
        if rows.shape[0] < kept:
            facts.append(f"{kept - rows.shape[0]} rows that are positive multiples of others")
    pairs = rows.shape[0] - _distinct(_unsigned(rows)).shape[0]
    rank = rows.shape[0]
    if pairs and parity:
        # the kernel is even or odd in each row, so opposite rows give the same up to sign
        rank -= pairs
        facts.append(f"{pairs} rows opposite to others under an even or odd activation")
    elif pairs and power == 1:
        # f = az + b|z|: on differences of opposite rows only the part a²⟨x, y⟩ acts, of rank ≤ d
        columns = int(np.count_nonzero(np.any(rows != 0.0, axis=0)))
        if pairs > columns:
            rank -= pairs - columns
            facts.append(f"{pairs} pairs of opposite rows in {columns} dimensions")
    return (rank, " and ".join(facts)) if rank < n else (n, "")


def _distinct(rows: Rows) -> Rows:
    return np.unique(rows, axis=0)


def _unsigned(rows: Rows) -> Rows:
    """Turn each row so that its first entry that is not zero is positive."""
    first = np.argmax(rows != 0.0, axis=1)
    signs = np.sign(rows[np.arange(rows.shape[0]), first])
    turned: Rows = rows * np.where(signs == 0.0, 1.0, signs)[:, None] + 0.0
    return turned


def _distinct_directions(rows: Rows) -> Rows:
    """Drop rows that are exact positive multiples of others, compared as rational numbers.

    Rational arithmetic is slow, so only rows whose unit vectors agree to rounding are compared:
    multiples of one another are next to each other in the order of a random projection.
    """
    unit = rows / np.max(np.abs(rows), axis=1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    weights = np.random.default_rng(0).standard_normal(rows.shape[1])
    projection = unit @ weights
    order = np.argsort(projection)
    slack = 64.0 * np.finfo(np.float64).eps * float(np.sum(np.abs(weights)))
    groups = np.split(order, 1 + np.flatnonzero(np.diff(projection[order]) > slack))
    kept: list[int] = []
    for group in groups:
        if group.size == 1:
            kept.append(int(group[0]))
            continue
        directions = {_direction(rows[index]): int(index) for index in group}
        kept.extend(directions.values())
    return np.asarray(rows[np.sort(kept)])


def _direction(row: Rows) -> tuple[Fraction, ...]:
    exact = [Fraction(float(value)) for value in row]
    size = abs(next(value for value in exact if value))
    return tuple(value / size for value in exact)
