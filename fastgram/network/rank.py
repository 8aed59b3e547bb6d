"""Upper bounds of the rank of a Gram matrix, from exact facts alone.

Nothing here looks at a computed entry or a numerical rank: only at rows that are equal, opposite
or proportional bit for bit, columns that are exactly zero, the number of weights, and facts that
an activation declares.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fastgram.network.activations import Activation
from fastgram.network.network import Network
from fastgram.support.arrays import Array
from fastgram.support.threads import in_order

__all__ = ["alike_rows", "rank_bound", "rank_bound_on_sphere"]

# Sums of more pairs of degrees than this are not enumerated: all degrees up to the top count then.
_PAIRS = 20_000
_EPS = float(np.finfo(np.float64).eps)
_ROWS = 4096  # worked on at a time


def rank_bound(X: npt.NDArray[np.floating], network: Network, kind: str) -> tuple[int, str]:
    """Return a bound on the rank of the Gram matrix of rows X, and the reason for it.

    Parameters
    ----------
    X : (n, d) array
        Rows as given.
    network : Network
    kind : {"gradient", "nngp", "ntk"}

    Returns
    -------
    bound : int
        n where nothing is known.
    reason : str
        One clause; empty where nothing is known.
    """
    n = X.shape[0]
    activation = network.activation
    if activation.flat:
        if kind == "gradient":
            return 0, f"the derivative of {activation.name} is zero almost everywhere"
        kind = "nngp"  # gradients of hidden weights vanish, those of the readout remain
    alike, columns = alike_rows(X)
    rows = np.asarray(X[alike], dtype=np.float64) + 0.0  # turns -0.0 into 0.0
    bounds = [(n, ""), _by_classes(rows, n - alike.size, columns, network, kind)]
    if activation.powers is not None:
        bounds.append(_by_degree(n, columns, network, kind, activation.powers))
    if network.width is not None:
        bounds.append(_by_width(columns, network, kind, network.width))
    return min(bounds, key=lambda bound: bound[0])


def rank_bound_on_sphere(X: Array, network: Network, kind: str) -> tuple[int, str]:
    """Return the same of the rows scaled to one norm, without rounding."""
    bound = rank_bound(_representatives(X), network, kind)
    powers = network.activation.powers
    if powers is None or network.depth > 1 or bound[0] == 0:
        return bound
    # on the sphere a polynomial is homogeneous of each parity: multiply by |x|² = 1
    d = int(np.count_nonzero(np.any(X != 0.0, axis=0)))
    used = [k for k in powers if k > 0 or kind != "gradient"]
    if network.first_bias_variance > 0.0 and used:
        used = list(range(max(used) + 1))
    tops = {k % 2: k for k in sorted(used)}
    count = sum(math.comb(d + k - 1, k) for k in tops.values())
    name = network.activation.name
    return min(bound, (count, f"{name} has {count} monomials on the sphere in {d} columns"))


def _representatives(X: Array) -> Array:
    """Give rows of one direction, compared exactly, the same numbers, and opposite ones minus."""
    chosen: dict[tuple[int, ...], Array] = {}
    rows = []
    for row in X + 0.0:
        ratios = [value.as_integer_ratio() for value in row.tolist()]
        common = max(denominator for _, denominator in ratios)
        integers = [top * (common // denominator) for top, denominator in ratios]
        divisor = math.gcd(*integers)
        key = tuple(value // divisor for value in integers)
        opposite = tuple(-value for value in key)
        if opposite in chosen:
            rows.append(0.0 - chosen[opposite])
        else:
            rows.append(chosen.setdefault(key, row))
    return np.array(rows)


# --- finite width ------------------------------------------------------------------------------


def _by_width(columns: int, network: Network, kind: str, width: int) -> tuple[int, str]:
    """Count the features: neurons for "nngp", weights and biases otherwise."""
    depth = network.depth
    into_first = width * (columns + (network.first_bias_variance > 0.0))
    into_another = width * (width + (network.bias_variance > 0.0))
    weights = "weights and biases" if network.has_biases else "weights"
    subject = f"a network of width {width}"
    if kind == "nngp":
        return width, f"{subject} has {width} neurons in its last hidden layer"
    if kind == "gradient" and depth > 1:
        return into_another, f"{subject} has {into_another} {weights} in its last hidden layer"
    subject += f" in {columns} columns that are not all zero"
    if kind == "gradient":
        return into_first, f"{subject} has {into_first} {weights} in its hidden layer"
    count = into_first + (depth - 1) * into_another + width
    reason = f"{subject} has {count} {weights}"
    if network.activation.homogeneity and _value_at_zero(network.activation) == 0.0:
        # z f'(z) = p f(z): weights (and bias) into a neuron times their gradients make p times
        # the weights out of it times theirs, a linear relation between features for each neuron.
        # They are independent, from the readout down, but for neurons that zero weights cut off
        # from the output, and the gradients of weights into those vanish, one or more a neuron.
        count -= depth * width
        reason += f", {depth * width} of them redundant as neurons can be rescaled"
    return count, reason


# --- polynomial activations --------------------------------------------------------------------


def _by_degree(
    n: int, columns: int, network: Network, kind: str, powers: Collection[int]
) -> tuple[int, str]:
    """Features of a polynomial activation are polynomials in the row: count the monomials.

    They are at any finite width, and the limit of infinite width stays in their span.
    """
    variables, where = columns, f"{columns} columns that are not all zero"
    first_layer_counts = kind == "ntk" or (kind == "gradient" and network.depth == 1)
    if network.width is not None and network.width < columns and not first_layer_counts:
        # but for gradients of the first layer, a row x acts through that layer's w·x alone
        variables, where = network.width, f"the {network.width} neurons of its first layer"
    count = _count_monomials(n, variables, network, kind, powers)
    name = network.activation.name
    if network.depth > 1:
        name += f" composed {network.depth} times"
    return count, f"{name} has {count} monomials in {where}" if count < n else ""


def _count_monomials(
    n: int, variables: int, network: Network, kind: str, powers: Collection[int]
) -> int:
    """Return the number of monomials that features have, or n where that is less.

    S, the degrees of forward features, starts as {1}; a layer makes it the sums of k elements of S
    for each exponent k. A bias is one more coordinate, of degree 0, of a layer's input; one of the
    row's leaves 0 in S in every layer, so that further ones add nothing. A gradient is an element
    of the S below times f', k − 1 elements of it: k of them again, but for the constant k = 0.
    Going up through further layers turns one of their k elements into it, so gradients of layers
    below the last stay within the last S, and "ntk" has the degrees of "nngp".
    """
    degree = max(powers, default=0)
    S = {0, 1} if network.first_bias_variance > 0.0 else {1}
    for layer in range(1, network.depth + 1):
        last = layer == network.depth
        reached: set[int] = set()
        sums = {0}
        for k in range(degree + 1):
            if k > 0:
                if len(sums) * len(S) > _PAIRS:
                    top = degree**network.depth
                    return n if variables and top >= n else min(n, math.comb(variables + top, top))
                sums = {a + b for a in sums for b in S}
                # Sums of more terms and layers above have as many monomials or more, since they
                # hold a shifted copy of these degrees: degrees need never grow far beyond n.
                if _monomials(variables, sums) >= n:
                    return n
            if k in powers and not (k == 0 and last and kind == "gradient"):
                reached |= sums
        S = reached | {0} if network.bias_variance > 0.0 and not last else reached
    return min(n, _monomials(variables, S))


def _monomials(variables: int, degrees: Iterable[int]) -> int:
    """Count the monomials of these degrees."""
    return sum(math.comb(variables + k - 1, k) if variables else int(k == 0) for k in degrees)


# --- classes of rows ---------------------------------------------------------------------------


def _by_classes(
    rows: Array, others: int, columns: int, network: Network, kind: str
) -> tuple[int, str]:
    """Rows that give proportional rows of the Gram matrix count once; zero rows not at all.

    Beside `rows` there are others, of which none is zero and none is like any row.
    """
    n = rows.shape[0] + others
    # a bias is one more coordinate, the same in every row: rows are then equal or unrelated
    power = parity = None
    vanish = False
    if not network.has_biases:
        power, parity = _scaling(network), _reflection(network)
        # forward features of a zero row are zero in every layer if f(0) = 0; those that the first
        # layer's gradient sees are the row itself
        vanish = _value_at_zero(network.activation) == 0.0 or (
            kind == "gradient" and network.depth == 1
        )
    elif network.first_bias_variance == 0.0 and network.activation.parity == 1:
        parity = _reflection(network)  # all above the first layer is even in x, biases or not
    facts = []
    zero = ~np.any(rows, axis=1)
    if vanish and np.any(zero):
        facts.append(f"{np.count_nonzero(zero)} zero rows")
        rows = rows[~zero]
    kept = rows.shape[0]
    if kept == 0:
        return (others, " and ".join(facts)) if facts else (n, "")
    rows = _distinct(rows)
    if rows.shape[0] < kept:
        facts.append(f"{kept - rows.shape[0]} repeated rows")
    if power is not None:
        # Entries of |x|x̂ are those of x̂ times |x|**(p**L), of any kind: preactivations of layer l
        # grow like |x|**(p**(l − 1)), f' of them like their power p − 1. With p = 0, f' is zero.
        kept = rows.shape[0]
        rows = _distinct_directions(rows)
        if rows.shape[0] < kept:
            facts.append(f"{kept - rows.shape[0]} rows that are positive multiples of others")
    fewer, fact = _by_opposites(rows, columns, network, kind, power, parity)
    rank = rows.shape[0] + others - fewer
    if fewer:
        facts.append(fact)
    return (rank, " and ".join(facts)) if rank < n else (n, "")


def _by_opposites(
    rows: Array, columns: int, network: Network, kind: str, power: int | None, parity: int | None
) -> tuple[int, str]:
    """Return by how much opposite ones of distinct rows lower the rank, and the reason."""
    unsigned = _distinct(_unsigned(rows))
    if power is not None:
        unsigned = _distinct_directions(unsigned)
    pairs = rows.shape[0] - unsigned.shape[0]
    if pairs and parity:
        # f even: all that lies above the first layer is even in x, and the first layer's gradient
        # is a product of two odd factors. f odd: forward features are odd, f' is even.
        return pairs, f"{pairs} rows opposite to others under an even or odd activation"
    if power in (0, 1) and _splits(network, kind, power):
        # the kernel is one part of small rank, and one that is even or odd in x, whose rank is no
        # more than the number of directions up to sign
        spare = columns if power == 1 else 1
        if pairs > spare:
            where = f"in {columns} dimensions" if power == 1 else "under a constant and an odd part"
            return pairs - spare, f"{pairs} pairs of opposite rows {where}"
    return 0, ""


def _value_at_zero(activation: Activation) -> float:
    return float(activation.f(np.zeros(1))[0])


def _scaling(network: Network) -> int | None:
    """Return the p with f(cz) = c**p f(z) for every c > 0, if f' follows wherever it counts."""
    activation = network.activation
    power = activation.homogeneity
    if power is not None and network.width is not None:
        # w·x = 0 has probability 0, but has it been drawn, f(0) and f'(0) count, as declared
        if power != 0 and _value_at_zero(activation) != 0.0:
            return None
        if power != 1 and float(activation.df(np.zeros(1))[0]) != 0.0:
            return None
    return power


def _reflection(network: Network) -> int:
    """Return 1 for an even f and −1 for an odd one, if f' follows wherever it counts, else 0."""
    activation = network.activation
    if activation.parity and network.width is not None:
        # as above: a finite network may meet a kink, where f' is a matter of convention
        kinks = np.array([0.0, *activation.kinks])
        if not np.array_equal(activation.df(-kinks), -activation.parity * activation.df(kinks)):
            return 0
    return activation.parity


def _splits(network: Network, kind: str, power: int) -> bool:
    """Whether the kernel is a multiple of ⟨x, y⟩**power plus one that is even or odd in x.

    If f = az + b|z|, then E f'(u)f'(v) = a² + b²E[sign u sign v] and E f(u)f(v) = a²E[uv] +
    b²E[|u||v|]: a multiple of ⟨x, y⟩ plus an even part, of every kind. If f = a + b·sign z, then
    E f(u)f(v) = a² + b²E[sign u sign v]: a constant plus an odd part. Layers above the first apply
    f to inner products that are neither linear nor constant plus odd. At finite width az + b|z|
    itself still splits; sign z does not at z = 0, where f' or f may have another value than the
    mean of both sides, so that nothing is claimed.
    """
    if network.depth > 1:
        return False
    return network.width is None or (power == 1 and kind == "nngp")


def _distinct(rows: Array) -> Array:
    """Drop repeated rows. Rows are sorted only where a number made of all their bits is shared."""
    bits = np.ascontiguousarray(rows).view(np.uint64)
    factors = np.random.default_rng(0).integers(2**63, size=rows.shape[1], dtype=np.uint64)
    keys = (bits ^ (bits >> np.uint64(32))) @ (2 * factors + 1)
    _, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared = counts[index] > 1
    if not np.any(shared):
        return rows
    return np.concatenate([rows[~shared], np.unique(rows[shared], axis=0)])


def _unsigned(rows: Array) -> Array:
    """Turn each row so that its first entry that is not zero is positive."""
    first = np.argmax(rows != 0.0, axis=1)
    signs = np.sign(rows[np.arange(rows.shape[0]), first])
    turned: Array = rows * np.where(signs == 0.0, 1.0, signs)[:, None] + 0.0
    return turned


def _distinct_directions(rows: Array) -> Array:
    """Drop rows that are exact positive multiples of others, compared as rational numbers.

    Rational arithmetic is slow, so only rows whose unit vectors agree to rounding are compared:
    multiples of one another are next to each other in the order of a random projection.
    A zero row has no direction and stays.
    """
    zero = ~np.any(rows, axis=1)
    if np.any(zero):
        return np.concatenate([rows[zero], _distinct_directions(rows[~zero])])
    unit = rows / np.max(np.abs(rows), axis=1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    weights = np.random.default_rng(0).standard_normal(rows.shape[1])
    projection = unit @ weights
    order = np.argsort(projection)
    slack = 64.0 * np.finfo(np.float64).eps * float(np.sum(np.abs(weights)))
    starts = np.flatnonzero(np.diff(projection[order], prepend=-np.inf) > slack)
    sizes = np.diff(starts, append=order.size)
    kept = np.zeros(rows.shape[0], dtype=bool)
    kept[order[starts[sizes == 1]]] = True
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        group = order[start : start + size]
        kept[list({_direction(rows[index]): int(index) for index in group}.values())] = True
    return rows if np.all(kept) else np.asarray(rows[kept])


def _direction(row: Array) -> tuple[Fraction, ...]:
    exact = [Fraction(float(value)) for value in row]
    size = abs(next(value for value in exact if value))
    return tuple(value / size for value in exact)


def alike_rows(X: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.intp], int]:
    """Return which rows may be like others, and how many columns are not all zero.

    By one number of each row, the size of its unit vector's inner product with one random vector:
    of most data no two are as near as those of rows that are alike.

    Parameters
    ----------
    X : (n, d) array

    Returns
    -------
    alike : (m,) array
        Numbers of rows, ascending: all that are zero, and all that are equal to another one, its
        negative or a multiple of either, bit for bit or to rounding. Others may be among them.
    columns : int
    """
    from fastgram.kernels.cpu.rows.alike import sizes_along  # compiled: loaded when needed

    n, d = X.shape
    weights = np.random.default_rng(0).standard_normal((d,))
    # unit rows of one direction differ by a few roundings, and so do two sums of products
    size, length = float(np.sum(np.abs(weights))), float(np.linalg.norm(weights))
    slack = _EPS * (64.0 * size + (d + 64.0) * length)
    sizes = np.empty(n)

    def measure(part: slice) -> npt.NDArray[np.bool_]:
        used = np.zeros(d, dtype=bool)
        sizes_along(np.ascontiguousarray(X[part]), weights, sizes[part], used)
        return used

    parts = [slice(start, start + _ROWS) for start in range(0, n, _ROWS)]
    columns = int(np.count_nonzero(np.any(list(in_order(measure, parts)), axis=0)))
    order = np.argsort(sizes)
    near = np.diff(sizes[order]) <= slack
    alike = np.append(near, False) | np.append(False, near)
    alike[: np.searchsorted(sizes[order], 0.0, "right")] = True  # zero rows
    return np.sort(order[alike]), columns
