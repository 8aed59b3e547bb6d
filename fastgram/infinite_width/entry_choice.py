"""Which class of entries takes which rows, chosen once, before any entry is computed.

- Entries that are zero everywhere: nothing.
- Homogeneous activations: one table, scales |x|**p.
- Rows of one norm: one table of that norm.
- Rows of several norms: separated tables, scales the square roots of the diagonal.

What none of these holds is computed pair by pair, and so are very few entries. An activation with
kinks (or sharp bends) away from 0 on rows of several norms has no table near ρ = ±1 (where entries
depend on the larger of the two norms), and none at all if it is no lines; one with a kink at 0, in
a deeper layer, has none near ρ = 1; sines have none at large norms; and norms far apart have none.
Pairs go by normal integrals where the activation is lines between kinks or steps, by a closed form
where it is a sine, else by integrals over one variable of what is smoothed of it; what swings too
often for that, and a handful of pairs, by quadratures.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable

import numpy as np

from fastgram.devices.unit_rows import UnitRows
from fastgram.infinite_width.entries import Entries, TabledEntries, ZeroEntries
from fastgram.infinite_width.integrated_entries import IntegratedEntries, SeparatedEntries
from fastgram.infinite_width.kernel_function import diagonal_entries
from fastgram.infinite_width.pairs.direct_pairs import DirectPairs
from fastgram.infinite_width.pairs.norm_nodes import coordinate_of
from fastgram.infinite_width.pairs.protocol import PairEntries, TooRough
from fastgram.infinite_width.pairs.wave_pairs import WavePairs
from fastgram.infinite_width.separable_table import separate
from fastgram.network.integrals.cuts import has_cuts
from fastgram.network.integrals.waves import is_closed
from fastgram.network.lines import lines_of
from fastgram.network.network import Network
from fastgram.network.theory.moments import variances
from fastgram.support.arrays import Array

__all__ = ["entries_between"]

# Tables begin at angles of 2**-400; below a diagonal entry of this their parts are denormal.
_LARGEST_NORM = 2.0**400
_LEAST_DIAGONAL = 2.0**-1000
# Where it is the row that is next to nothing, and not what an activation is near 0.
_SMALL_NORM = 2.0**-100

# Norms no further apart than this are one norm: a few roundings of a norm.
_ONE_NORM = 32 * float(np.finfo(np.float64).eps)
# So few entries are integrated sooner than a table for any two norms is made.
_FEW = 1024
# Norms no further apart than this have layers that few nodes of the norm are enough for.
_NEAR_NORMS = 16.0
# From so many units of the norm's coordinate on (a factor of 50, from norm 1 on) tables take many
# nodes and 5 to 20 s, and from the second on (1e-2 to 1e3, say) seldom hold all pairs. So few
# entries are integrals of one variable, 10 to 70 microseconds each, sooner.
_WIDE, _FEW_SMOOTHED = (4.0, 8.0), (2**18, 2**21)
# How far beyond their norms tables are made.
_BEYOND = 1.2
# And so few are normal integrals of lines, a microsecond each, sooner than a table of them.
_FEW_LINES = 2**20


def entries_between(
    network: Network,
    kind: str,
    rows: UnitRows,
    columns: UnitRows,
    dtype: np.dtype[np.floating],
) -> Entries:
    """Return the entries between rows and columns, one and the same for a symmetric matrix.

    Parameters
    ----------
    network : Network
        Of infinite width.
    kind : {"gradient", "nngp", "ntk"}
    rows, columns : UnitRows
        Of augmented rows.
    dtype : {float64, float32}
        Of the tiles.

    Raises
    ------
    ValueError
        If an entry overflows in the dtype of the tiles, if a variance vanishes or overflows in
        some layer, or if a kink was not declared.

    Warns
    -----
    RuntimeWarning
        If entries are integrated one by one where other rows would have a table.
    """
    sides = network, kind, rows, columns, dtype
    norms = np.unique(np.concatenate([rows.norms, columns.norms]))
    middle, width = float(np.mean(norms)), float(norms[-1] - norms[0])
    one_norm = width <= _ONE_NORM * norms[-1]
    power = network.homogeneity()
    if power is None:
        _refuse_sharp_bends(network, float(norms[-1]))
    # of the very norm that tables are made for: a level of the quadrature is found once
    _refuse_overflow(network, kind, middle if one_norm else float(norms[-1]), dtype)
    if network.is_zero(kind):
        return ZeroEntries(*sides)
    if power == 0 and network.depth > 1 and norms[0] == 0.0 and _at_zero(network) != 0.0:
        # a zero row leaves the first layer as a constant, which is no multiple of a table
        return IntegratedEntries(*sides, _pairs_of(network, kind, rows, columns))
    if power is not None:
        return TabledEntries(*sides)
    if norms[-1] == 0.0 and not np.any(diagonal_entries(network, kind, norms)):
        return ZeroEntries(*sides)  # all rows are zero
    if one_norm:
        _refuse_underflow(network, kind, middle)
        return TabledEntries(*sides, middle, width / middle if middle else 0.0)
    if rows.norms.size * columns.norms.size <= _FEW:
        return IntegratedEntries(*sides, _pairs_of(network, kind, rows, columns))
    _refuse_underflow(network, kind, float(norms[norms > 0.0][0]))
    return _of_many_norms(network, kind, rows, columns, dtype, norms)


def _of_many_norms(
    network: Network,
    kind: str,
    rows: UnitRows,
    columns: UnitRows,
    dtype: np.dtype[np.floating],
    norms: Array,
) -> Entries:
    """Return separated entries where there are tables; warn where not."""
    name, sides = network.activation.name, (network, kind, rows, columns, dtype)
    lines = lines_of(network.activation)
    is_cheap = rows.norms.size * columns.norms.size <= _FEW_LINES
    deviations = _deviations(network, norms)
    if _is_wave(network) and (is_cheap or is_closed(network.activation, _BEYOND * deviations)):
        return IntegratedEntries(*sides, _pairs_of(network, kind, rows, columns))
    if has_cuts(network.activation, float(np.max(deviations))) and (lines is None or is_cheap):
        pairs = _pairs_of(network, kind, rows, columns)
        _warn_slow(pairs, name, norms)
        return IntegratedEntries(*sides, pairs)
    least = float(norms[norms > 0.0][0]) if norms[0] else 0.0
    most_pairs = _most_pairs(least, float(norms[-1]), lines is not None)
    if rows.norms.size * columns.norms.size <= most_pairs:
        pairs = _pairs_of(network, kind, rows, columns)
        if not isinstance(pairs, DirectPairs):
            return IntegratedEntries(*sides, pairs)
    separated = separate(network, kind, least, float(norms[-1]), dtype)
    if separated is None:
        pairs = _pairs_of(network, kind, rows, columns)
        _warn_slow(pairs, name, norms)
        return IntegratedEntries(*sides, pairs)
    if separated.holds_everywhere:
        return SeparatedEntries(*sides, separated, None)
    if lines is not None:  # which cost nothing to make
        return SeparatedEntries(*sides, separated, _pairs_of(network, kind, rows, columns))
    # polynomials of layers are made where a sample has pairs that need them
    few = DirectPairs(network, kind, rows.norms, columns.norms)
    entries = SeparatedEntries(*sides, separated, few)
    outside = entries.fraction_outside()
    if outside > 0.0:
        pairs = _pairs_of(network, kind, rows, columns)
        entries = SeparatedEntries(*sides, separated, pairs)
        _warn_slow(pairs, name, norms)
    return entries


def _pairs_of(network: Network, kind: str, rows: UnitRows, columns: UnitRows) -> PairEntries:
    """Return what computes entries pair by pair."""
    sides = network, kind, rows.norms, columns.norms
    lines = lines_of(network.activation)
    few = rows.norms.size * columns.norms.size <= _FEW
    if _is_wave(network):
        return WavePairs(*sides)
    # compiled code is loaded when needed
    if lines is not None:
        from fastgram.infinite_width.pairs.line_pairs import LinePairs

        return LinePairs(network, kind, lines, rows.norms, columns.norms)
    if few:
        return DirectPairs(*sides)
    from fastgram.infinite_width.pairs.norm_pairs import NormPairs
    from fastgram.infinite_width.pairs.smoothed.smoothed_pairs import SmoothedPairs

    both = np.sort(np.concatenate([rows.norms, columns.norms]))
    ways: list[Callable[[Network, str, Array, Array], PairEntries]] = [SmoothedPairs]
    off_zero = has_cuts(network.activation, float(np.max(_deviations(network, both))))
    if not off_zero and both.max() <= _NEAR_NORMS * both.min():
        ways.insert(0, NormPairs)
    for way in ways:
        with contextlib.suppress(TooRough):
            pairs = way(*sides)
            if np.all(np.isfinite([pairs.error, pairs.by_norm, pairs.slope])):
                return pairs
    return DirectPairs(*sides)


def _most_pairs(least: float, most: float, are_lines: bool) -> int:
    """Return how many entries between these norms are computed pair by pair at once."""
    low, high = coordinate_of(np.array([least, most])).tolist()
    few = 0
    for wide, count in zip(_WIDE, _FEW_SMOOTHED, strict=True):
        if high - low > wide:
            few = count
    return min(few, _FEW_LINES) if are_lines else few


def _is_wave(network: Network) -> bool:
    """Whether entries have a closed form."""
    return network.activation.frequency is not None


def _deviations(network: Network, norms: Array) -> Array:
    """Return those of all layers' inputs, of some of the norms, both ends among them."""
    some = np.unique([*norms[:: max(norms.size // 64, 1)], norms[-1]])
    return np.sqrt(np.concatenate(variances(network, some)))


def _refuse_overflow(
    network: Network, kind: str, norm: float, dtype: np.dtype[np.floating]
) -> None:
    """Refuse entries that the dtype of tiles does not hold; the norm is the largest."""
    with np.errstate(over="ignore", invalid="ignore"):
        largest = float(diagonal_entries(network, kind, np.array([norm]))[0])
    # a factor for what is added and multiplied on the way; norms are scales
    if not max(largest, norm) <= float(np.finfo(dtype).max) / 16.0:
        remedy = 'use dtype="float64"' if dtype.name == "float32" else "lower the depth"
        raise ValueError(
            f"an entry of rows of norm {norm:.3g} overflows in {dtype.name}: {remedy}, or scale"
            " the rows"
        )


def _refuse_sharp_bends(network: Network, norm: float) -> None:
    """Refuse norms at which an activation bends at angles that no table has; the largest."""
    if norm > _LARGEST_NORM:
        raise ValueError(
            f"entries of rows of norm {norm:.3g} under {network.activation.name} change over angles"
            " that underflow: scale the rows"
        )


def _refuse_underflow(network: Network, kind: str, norm: float) -> None:
    """Refuse entries whose squares are no numbers that a table is fitted to; the least norm."""
    if not 0.0 < norm < _SMALL_NORM:
        return
    diagonal = float(diagonal_entries(network, kind, np.array([norm]))[0])
    if diagonal < _LEAST_DIAGONAL:
        raise ValueError(
            f"entries of rows of norm {norm:.3g} under {network.activation.name} underflow: scale"
            " the rows, or make these rows of zeros"
        )


def _at_zero(network: Network) -> float:
    return float(network.activation.f(np.zeros(1))[0])


def _warn_slow(pairs: PairEntries, name: str, norms: Array) -> None:
    if not isinstance(pairs, DirectPairs):
        return
    message = (
        f"{name} swings or bends too often within norms up to {norms[-1]:.3g} for polynomials of"
        " it: entries that no table holds are integrated one by one, milliseconds each and layer;"
        " rows of one norm, or of smaller ones, are thousands of times faster"
    )
    ours = (os.path.dirname(os.path.dirname(__file__)), contextlib.__file__, "<")
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(ours):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)  # at the caller's own line
