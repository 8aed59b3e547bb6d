"""exact_extreme_eigenvalues(): extreme eigenvalues with proven decimal digits, in ball arithmetic.

Every number is a ball that holds the exact one: rows are float64 numbers and hence exact; entries
are enclosed by `fastgram.exact.formulas` and `fastgram.exact.entries`, eigenvalues by
`fastgram.exact.enclosures`. The precision is raised until the digits stand. python-flint is loaded
at the first call.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from fastgram.bracket import Bracket
from fastgram.exact.built_in import formula_of
from fastgram.exact.results import (
    ExactEigenvalues,
    as_fraction,
    outward_bracket,
    outward_condition,
    proven_digits,
)
from fastgram.network.activations import Activation
from fastgram.network.network import KINDS, Network, as_network
from fastgram.network.rank import rank_bound, rank_bound_on_sphere
from fastgram.support.arrays import Array
from fastgram.support.literals import Kind, RowScaling
from fastgram.support.progress import progress_bar
from fastgram.support.validation import as_choice, as_flag, as_integer, as_number, as_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from flint import arb_mat

    from fastgram.exact.enclosures import Enclosure
    from fastgram.exact.formulas import Formula

__all__ = [
    "ExactEigenvalues",
    "check_exact",
    "exact_extreme_eigenvalues",
]


ROWS: tuple[RowScaling, ...] = get_args(RowScaling)
# An eigenvalue that this many bits do not tell from 0 is left at that.
MOST_BITS = 8192


def exact_extreme_eigenvalues(
    X: Any,
    network: str | Activation | Network = "relu",
    kind: Kind = "gradient",
    rows: RowScaling = "unit",
    digits: int = 15,
    ridge: float = 0.0,
    progress: bool = False,
) -> ExactEigenvalues:
    """Compute the extreme eigenvalues of a Gram matrix to proven decimal digits.

    Parameters
    ----------
    X : (n, d) array_like
        Rows, taken as the exact numbers that they are. n up to about a thousand: the time grows
        like n³, and memory like n² numbers of some hundred bytes.
    network : str, Activation or Network
        Of infinite width, or of a finite one: its weights are then the float64 numbers that the
        seed draws, taken as exact as well.
    kind : {"gradient", "nngp", "ntk"}
    rows : {"unit", "raw"}
        "unit" scales every row to norm 1 within the arithmetic, without rounding; "raw" takes rows
        as they are.
    digits : int
        Significant decimal digits to prove, 1 to 1000.
    ridge : float
        What is added to the diagonal, taken as the exact number that it is: 0 or more.
    progress : bool
        Show a bar on standard error (needs tqdm: ``pip install fastgram[cli]``).

    Returns
    -------
    ExactEigenvalues

    Raises
    ------
    ValueError, TypeError
        As `check_exact` says, before any long work; and a ValueError if an activation's Hermite
        series takes too many terms, a finite network does not fit in memory, or a thousand bits do
        not tell a preactivation from a kink.
    ImportError
        If python-flint is missing.

    Notes
    -----
    Known activations are all that are built in, and an `Activation` whose `ball` returns a
    `StripFormula`. Any depth. elu, selu, celu, relu6 and hard_tanh take some fifty integrals of
    10 ms for each pair of norms and layer, and no more than one for each entry that differs from
    the others. Those that are neither of these nor of the ReLU family nor erf, sin or cos take a
    series for each distinct norm, and at most 8 norms with rows="raw". At finite width all of this
    plays no part: each neuron is evaluated at each row, a few microseconds each.

    λ_min far below the float64 noise floor costs precision, and for tanh, sigmoid, softplus, swish
    and mish the number of terms grows like the square of that (tanh on unit rows: 600 terms for
    1e-30, 2300 for 1e-60, 25000 for 1e-210).

    At finite width a preactivation that is exactly at a kink counts as in float64, by the
    activation's f' there: that of a zero row, which rows="raw" allows then.

    Where exact facts show the matrix to be singular, fewer parameters than rows among them, λ_min
    is the exact 0. Where it is singular for no known reason (a finite network with neurons that are
    active at the same rows, for one) the precision is raised to 8192 bits, or to what the series
    allows, in vain; the answer then is a proven bracket [0, upper] without digits.

    Examples
    --------
    >>> import fastgram as fg
    >>> from fastgram.exact import exact_extreme_eigenvalues
    >>> exact_extreme_eigenvalues(fg.datasets.circle(13), "tanh").smallest_digits[:14]
    '2.009217612773'
    """
    start = time.perf_counter()
    array, known, formula = _checked(X, network, kind, rows, digits)
    digits, progress = int(digits), as_flag("progress", progress)
    ridge = as_number("ridge", ridge, least=0.0)
    unit = rows == "unit"
    bound, reason = (rank_bound_on_sphere if unit else rank_bound)(array, known, kind)
    n = array.shape[0]
    if bound == 0 and not ridge:
        zero, message = Bracket(0.0, 0.0, 0.0, "exact"), f"the matrix is exactly zero: {reason}"
        ratio, seconds = Bracket(math.inf, math.inf, math.inf, "exact"), time.perf_counter() - start
        return ExactEigenvalues(zero, zero, ratio, "0", "0", "inf", 0, n, 0, seconds, message)
    with progress_bar(progress, None, f"exact, n = {n}", "step") as tell:
        gram = _matrix(array, unit, known, kind, formula)
        if ridge:
            gram = _ridged(gram, n, ridge)
        return _solve(gram, n, digits, _Known(n - bound, reason, Fraction(ridge)), start, tell)


def check_exact(
    X: Any,
    network: str | Activation | Network,
    kind: str = "gradient",
    rows: str = "unit",
    digits: int = 15,
) -> None:
    """Raise what `exact_extreme_eigenvalues` would refuse these arguments with; do no long work.

    Raises
    ------
    ValueError
        If X is not (n, d) and finite, a row is zero (but for rows="raw" and a bias or a finite
        width), there are too many norms for this activation, the activation has no formula in
        balls, or a word or number is out of range.
    TypeError
        If X is not real or an argument is of the wrong kind.
    ImportError
        If python-flint is missing.
    """
    _checked(X, network, kind, rows, digits)


def _checked(
    X: Any, network: Any, kind: str, rows: str, digits: int
) -> tuple[Array, Network, Formula]:
    as_choice("kind", kind, KINDS)
    as_choice("rows", rows, ROWS)
    if as_integer("digits", digits, 1) > 1000:
        raise ValueError(f"digits must be at most 1000, not {digits}")
    known = as_network(network)
    array = np.asarray(as_rows(X), dtype=np.float64)
    formula = formula_of(known.activation)
    zero = np.flatnonzero(~np.any(array, axis=1))
    drawn = known.width is not None
    if zero.size and (rows == "unit" or (known.first_bias_variance == 0.0 and not drawn)):
        why = "cannot be scaled to norm 1" if rows == "unit" else "has no direction"
        raise ValueError(f"X: row {zero[0]} is zero and {why}: leave it out")
    if rows == "raw" and formula.most_variances is not None and not drawn:
        norms: set[Fraction] = set()
        for row in array:
            norms.add(_exact_square(row))
            if len(norms) > formula.most_variances:
                raise ValueError(
                    f"X has more than {formula.most_variances} distinct norms, and "
                    f"{known.activation.name} takes a series for each: scale rows by rows='unit'"
                )
    return array, known, formula


def _exact_square(row: Array) -> Fraction:
    return sum((Fraction(value) ** 2 for value in row.tolist()), Fraction(0))


def _matrix(
    X: Array, unit: bool, network: Network, kind: str, formula: Formula
) -> Callable[[int], arb_mat]:
    """Return what encloses the Gram matrix to about so many bits of its scale."""
    if network.width is not None:
        from fastgram.exact.features import DrawnNetwork

        return DrawnNetwork(X, unit, network, kind, formula).gram
    from fastgram.exact.entries import gram_balls, row_geometry

    geometry = row_geometry(X, unit)
    return lambda bits: gram_balls(geometry, network, kind, formula, bits)


def _ridged(gram: Callable[[int], arb_mat], n: int, ridge: float) -> Callable[[int], arb_mat]:
    """Return what encloses the sum of a matrix and ridge·I."""
    from flint import arb, arb_mat

    def summed(bits: int) -> arb_mat:
        found = gram(bits)
        added = arb_mat(n, n)
        for i in range(n):
            added[i, i] = arb(ridge)
        return found + added

    return summed


# --- precision ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """How many eigenvalues are known to be the least one, the ridge, and why."""

    count: int
    reason: str
    ridge: Fraction


@dataclass(frozen=True)
class _Ends:
    """Both ends as far as they are proven; `small` is None where it is not asked for."""

    small: Enclosure | None
    large: Enclosure
    bits: int
    stuck: str  # why the precision was not raised further; empty where both are proven


def _solve(
    gram: Callable[[int], arb_mat],
    n: int,
    digits: int,
    known: _Known,
    start: float,
    tell: Callable[[int], None] | None = None,
) -> ExactEigenvalues:
    """Raise the precision until both ends are proven to these digits."""
    singular = known.count > 0 and not known.ridge
    ends = _enclose(gram, n, known.count > 0, digits, tell)
    large = ends.large
    if large.lower is None:
        raise ValueError(f"λ_max is not proven at {ends.bits} bits: {ends.stuck}")
    top = -as_fraction(large.upper), -as_fraction(large.lower)
    bottom, message = _smallest(ends, known)
    ratio = top[0] / bottom[1] if bottom[1] else None, top[1] / bottom[0] if bottom[0] else None
    return ExactEigenvalues(
        smallest=outward_bracket(*bottom),
        largest=outward_bracket(*top),
        condition=outward_condition(outward_bracket(*bottom), outward_bracket(*top), ratio),
        smallest_digits="0" if singular else proven_digits(*bottom, digits),
        largest_digits=proven_digits(*top, digits),
        condition_digits="inf" if singular else proven_digits(*ratio, digits),
        rank_bound=n - known.count if singular else n,
        n=n,
        precision=ends.bits,
        seconds=time.perf_counter() - start,
        message=message,
    )


def _smallest(ends: _Ends, known: _Known) -> tuple[tuple[Fraction, Fraction], str]:
    """Return the ends of λ_min, and in words how far they are proven."""
    if known.count:
        what = "the ridge" if known.ridge else "an exact zero"
        message = f"λ_min is {what}, {known.count} times or more: {known.reason}"
        return (known.ridge, known.ridge), message
    small = ends.small
    assert small is not None
    if small.lower is None:
        message = f"λ_min is not resolved: {ends.stuck}"
        return (known.ridge, as_fraction(small.upper)), message
    message = f"every digit is proven: balls of {ends.bits} bits"
    return (as_fraction(small.lower), as_fraction(small.upper)), message


def _enclose(
    gram: Callable[[int], arb_mat],
    n: int,
    smallest_is_known: bool,
    digits: int,
    tell: Callable[[int], None] | None,
) -> _Ends:
    """Enclose both ends of a matrix of order n, given its balls at a precision.

    Raises
    ------
    ValueError
        If the entries cannot be enclosed before both ends have been looked at.
    """
    from flint import ctx

    from fastgram.exact.enclosures import enclose_largest, enclose_smallest

    def done() -> None:
        if tell is not None:
            tell(1)

    least = math.ceil(3.33 * digits) + 2 * n.bit_length() + 16
    bits = least + (0 if smallest_is_known else 48)
    small: Enclosure | None = None
    large: Enclosure | None = None
    while True:
        with ctx.workprec(bits + 64):
            try:
                A = gram(bits)
            except ValueError as error:
                if small is None or large is None:
                    raise
                return _Ends(small, large, bits, str(error))
            done()
            if large is None or large.lower is None:
                large = enclose_largest(A, digits)
                done()
            missing = large.lacking
            if not smallest_is_known:
                small = enclose_smallest(A, digits)
                done()
                missing = max(missing, small.lacking)
        if not missing:
            return _Ends(small, large, bits, "")
        if bits + missing > MOST_BITS:
            return _Ends(small, large, bits, f"{bits} bits do not tell λ_min from 0")
        bits += missing
